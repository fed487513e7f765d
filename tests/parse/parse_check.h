/* SPDX-License-Identifier: BSD-3-Clause */
/* parse_check: what batch.h promises about every batch, whatever bytes were in it. Unit and property
 * tests and the fuzzer share it. Aborts with the broken promise. */
#pragma once

#include <stdio.h>
#include <stdlib.h>

#include "core/parse.h"

#define PARSE_CHECK(i, condition)                                                          \
	do {                                                                               \
		if (!(condition)) {                                                        \
			fprintf(stderr, "%s:%d: packet %u: %s\n", __FILE__, __LINE__, (i), \
				#condition);                                               \
			abort();                                                           \
		}                                                                          \
	} while (0)

static inline unsigned parse_fixed_header(const struct hm_batch *b, unsigned i)
{
	uint64_t bit = UINT64_C(1) << i;

	return b->tcp & bit ? 20 : (b->udp | b->icmp | b->icmp6) & bit ? 8 : b->sctp & bit ? 12 : 0;
}

static inline void parse_check_layers(const struct hm_batch *b, unsigned i)
{
	uint64_t bit = UINT64_C(1) << i, ip = (b->ipv4 | b->ipv6) & bit;
	uint64_t l4 = b->l4_ok & bit, later = b->later_fragment & bit;

	PARSE_CHECK(i, (b->l3[i] != HM_NONE) == (((b->ipv4 | b->ipv6 | b->arp) & bit) != 0));
	PARSE_CHECK(i, b->end[i] <= b->caplen[i]);
	if (b->l3[i] != HM_NONE)
		PARSE_CHECK(i, b->l3[i] + (b->ipv4 & bit   ? 20
					   : b->ipv6 & bit ? 40
							   : 8) <=
				       b->end[i]);
	PARSE_CHECK(i, (b->l4[i] != HM_NONE) == (l4 != 0));
	if (l4) {
		PARSE_CHECK(i, ip);
		PARSE_CHECK(i, b->l4[i] >= b->l3[i] + (b->ipv4 & bit ? 20 : 40));
		PARSE_CHECK(i, b->l4[i] + parse_fixed_header(b, i) <= b->end[i]);
		PARSE_CHECK(i, b->payload[i] >= b->l4[i] + parse_fixed_header(b, i));
		PARSE_CHECK(i, b->payload[i] <= b->end[i]);
	}
	if (later)
		PARSE_CHECK(i, !l4 && (b->payload[i] == HM_NONE || b->payload[i] <= b->end[i]));
	if (!l4 && !later)
		PARSE_CHECK(i, b->payload[i] == HM_NONE);
	PARSE_CHECK(i, !(b->fragment & bit) || ip);
	PARSE_CHECK(i, !later || (b->fragment & bit));
	PARSE_CHECK(i, ip ? b->ip_len[i] >= (b->ipv4 & bit ? 20 : 40) : b->ip_len[i] == 0);
	PARSE_CHECK(i, ip ? b->end[i] <= b->l3[i] + b->ip_len[i] : b->hash[i] == 0);
}

static inline void parse_check_masks(const struct hm_batch *b, unsigned i, uint32_t tunnels)
{
	uint64_t bit = UINT64_C(1) << i, ip = (b->ipv4 | b->ipv6) & bit;

	PARSE_CHECK(i, !!(b->ipv4 & bit) + !!(b->ipv6 & bit) + !!(b->arp & bit) <= 1);
	PARSE_CHECK(i, !(b->ipv4 & bit) || b->ethertype[i] == 0x0800);
	PARSE_CHECK(i, !(b->ipv6 & bit) || b->ethertype[i] == 0x86dd);
	PARSE_CHECK(i, !(b->arp & bit) || b->ethertype[i] == 0x0806);
	PARSE_CHECK(i, !(b->tcp & bit) || (ip && b->proto[i] == 6));
	PARSE_CHECK(i, !(b->udp & bit) || (ip && b->proto[i] == 17));
	PARSE_CHECK(i, !(b->sctp & bit) || (ip && b->proto[i] == 132));
	PARSE_CHECK(i, !(b->icmp & bit) || ((b->ipv4 & bit) && b->proto[i] == 1));
	PARSE_CHECK(i, !(b->icmp6 & bit) || ((b->ipv6 & bit) && b->proto[i] == 58));
	PARSE_CHECK(i, ((b->snapped & bit) != 0) == (b->caplen[i] < b->wirelen[i]));
	PARSE_CHECK(i, b->vlan_tci[i] == 0 || (b->vlan & bit));
	PARSE_CHECK(i, !(b->tunnel & bit) || (tunnels != 0 && b->l3[i] != HM_NONE));
}

static inline void parse_check_outcome(const struct hm_batch *b, unsigned i)
{
	uint64_t bit = UINT64_C(1) << i, ip = (b->ipv4 | b->ipv6) & bit;
	unsigned outcome = b->outcome[i];

	PARSE_CHECK(i, outcome < HM_PARSE_OUTCOMES);
	PARSE_CHECK(i, ((b->rejected & bit) != 0) == (outcome != HM_PARSE_OK));
	if (outcome == HM_PARSE_OK && ip)
		PARSE_CHECK(i, (b->l4_ok | b->later_fragment) & bit);
	if (outcome == HM_PARSE_OK)
		PARSE_CHECK(i, b->l3[i] != HM_NONE);
	if (outcome == HM_PARSE_L4_SHORT || outcome == HM_PARSE_L4_BAD)
		PARSE_CHECK(i, ip && !((b->l4_ok | b->later_fragment) & bit));
	if (outcome == HM_PARSE_L2_SHORT || outcome == HM_PARSE_L3_UNKNOWN ||
	    outcome == HM_PARSE_L3_BAD)
		PARSE_CHECK(i, b->l3[i] == HM_NONE);
	if (outcome == HM_PARSE_L3_DEPTH)
		PARSE_CHECK(i, b->ipv6 & bit);
	if (outcome == HM_PARSE_L3_SHORT)
		PARSE_CHECK(i, b->l3[i] == HM_NONE || (b->ipv6 & bit));
}

static inline void parse_check(const struct hm_batch *b, uint32_t tunnels)
{
	uint64_t masks = b->ipv4 | b->ipv6 | b->arp | b->tcp | b->udp | b->sctp | b->icmp |
			 b->icmp6 | b->l4_ok | b->fragment | b->later_fragment | b->vlan | b->mpls |
			 b->pppoe | b->tunnel | b->snapped | b->rejected;

	PARSE_CHECK(b->n, (masks & ~b->all) == 0);
	for (unsigned i = 0; i < b->n; i++) {
		parse_check_layers(b, i);
		parse_check_masks(b, i, tunnels);
		parse_check_outcome(b, i);
	}
}

/* The mask bits and fields of packet i in one comparable value. */
struct parse_fields {
	uint32_t hash, ip_len, masks;
	uint32_t label; // with M_MPLS
	uint16_t ethertype, l3, l4, payload, end, vlan_tci;
	uint8_t proto, outcome;
	uint16_t no_padding; // 0: memcmp() compares two of these
};

static inline struct parse_fields parse_fields(const struct hm_batch *b, unsigned i)
{
	const uint64_t masks[] = {b->ipv4,           b->ipv6,   b->arp,   b->tcp,   b->udp,
				  b->sctp,           b->icmp,   b->icmp6, b->l4_ok, b->fragment,
				  b->later_fragment, b->vlan,   b->mpls,  b->pppoe, b->tunnel,
				  b->rejected,       b->snapped};
	struct parse_fields f = {.hash = b->hash[i],
				 .ip_len = b->ip_len[i],
				 .ethertype = b->ethertype[i],
				 .l3 = b->l3[i],
				 .l4 = b->l4[i],
				 .payload = b->payload[i],
				 .end = b->end[i],
				 .vlan_tci = b->vlan_tci[i],
				 .label = b->mpls >> i & 1 ? b->label[i] : 0,
				 .proto = b->proto[i],
				 .outcome = b->outcome[i]};

	for (unsigned k = 0; k < sizeof(masks) / sizeof(masks[0]); k++)
		f.masks |= (uint32_t)(masks[k] >> i & 1) << k;
	return f;
}

// the bits of parse_fields.masks
enum {
	M_IPV4 = 1 << 0,
	M_IPV6 = 1 << 1,
	M_ARP = 1 << 2,
	M_TCP = 1 << 3,
	M_UDP = 1 << 4,
	M_SCTP = 1 << 5,
	M_ICMP = 1 << 6,
	M_ICMP6 = 1 << 7,
	M_L4 = 1 << 8,
	M_FRAGMENT = 1 << 9,
	M_LATER = 1 << 10,
	M_VLAN = 1 << 11,
	M_MPLS = 1 << 12,
	M_PPPOE = 1 << 13,
	M_TUNNEL = 1 << 14,
	M_REJECTED = 1 << 15,
	M_SNAPPED = 1 << 16,
};
