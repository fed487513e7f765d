/* SPDX-License-Identifier: BSD-3-Clause */
#include "track/edonkey.h"

#include <string.h>

#define EDONKEY         0xe3
#define EMULE           0xc5
#define EMULE_PACKED    0xd4
#define HEADER          5 // protocol, and the length behind it, little-endian
#define SEARCH_TYPE_MAX 3

const uint8_t hm_edonkey_begins[3] = {EDONKEY, EMULE, EMULE_PACKED};

struct range {
	uint8_t first, last;
};

#define END          \
	{            \
		1, 0 \
	}

/* To servers, among clients, of eMule. */
static const struct range tcp_types[] = {{0x01, 0x02}, {0x05, 0x05}, {0x10, 0x10}, {0x14, 0x16},
					 {0x18, 0x1a}, {0x1c, 0x1c}, {0x21, 0x21}, {0x32, 0x36},
					 {0x38, 0x38}, {0x40, 0x43}, {0x46, 0x52}, {0x54, 0x59},
					 {0x5d, 0x61}, {0x81, 0x82}, END};
static const struct range udp_types[] = {{0x96, 0x9c}, {0x9e, 0x9e}, {0xa1, 0xa4}, {0x0a, 0x16},
					 {0x18, 0x1e}, END}; // Overnet's are the last two
static const struct range emule_udp_types[] = {{0x90, 0x93}, END};

static bool is_in(const struct range *ranges, uint8_t type)
{
	for (const struct range *r = ranges; r->first <= r->last; r++)
		if (type >= r->first && type <= r->last)
			return true;
	return false;
}

static bool is_type(uint8_t protocol, uint8_t type, bool udp)
{
	if (!udp)
		return type <= SEARCH_TYPE_MAX || is_in(tcp_types, type);
	return is_in(protocol == EDONKEY ? udp_types : emule_udp_types, type);
}

bool hm_edonkey_is_message(const uint8_t *payload, size_t captured, size_t sent, bool udp)
{
	uint8_t protocol;

	if (captured < 2)
		return false;
	protocol = payload[0];
	if (!memchr(hm_edonkey_begins, protocol, sizeof(hm_edonkey_begins)))
		return false;
	if (udp && is_type(protocol, payload[1], udp))
		return true;
	if (captured <= HEADER)
		return false;
	return ((uint32_t)payload[1] | (uint32_t)payload[2] << 8 | (uint32_t)payload[3] << 16 |
		(uint32_t)payload[4] << 24) == sent - HEADER &&
	       is_type(protocol, payload[HEADER], udp);
}
