/* SPDX-License-Identifier: BSD-3-Clause */
#include "anon/layers.h"

#include <netinet/in.h>
#include <string.h>

#define IPV4_HEADER 20
#define IPV6_HEADER 40
#define ICMP_HEADER 8
#define GRE_SUM     0x80 // in the first byte: a checksum follows, RFC 2784

/* --- where addresses are --- */

static unsigned size_of(bool v6)
{
	return v6 ? 16 : 4;
}

/* As many of `wanted` addresses as there are before `end`. */
static struct hm_layer layer_at(uint32_t at, unsigned wanted, bool v6, uint32_t end)
{
	struct hm_layer l = {.addresses = (uint16_t)at, .v6 = v6};
	uint32_t there = end > at ? end - at : 0, size = size_of(v6);

	l.n = (uint16_t)(there / size < wanted ? there / size : wanted);
	l.cut = l.n < wanted ? (uint16_t)(there - l.n * size) : 0;
	return l;
}

/* The checksum of what begins at l4, if it is captured. */
static void find_sum(struct hm_layer *l, const uint8_t *frame, uint8_t protocol, uint32_t l4,
		     uint32_t end)
{
	uint32_t at;

	switch (protocol) {
	case IPPROTO_TCP:
		at = l4 + 16;
		l->pseudo = true;
		break;
	case IPPROTO_UDP:
		at = l4 + 6;
		l->pseudo = l->never_zero = true;
		break;
	case IPPROTO_ICMP:
		at = l4 + 2;
		break;
	case IPPROTO_ICMPV6:
		at = l4 + 2;
		l->pseudo = true;
		break;
	case IPPROTO_GRE:
		at = l4 + 4;
		if (l4 >= end || !(frame[l4] & GRE_SUM))
			return;
		break;
	default:
		return;
	}
	if (at + 2 > end || (l->never_zero && frame[at] == 0 && frame[at + 1] == 0))
		return;
	l->sum = (uint16_t)at;
}

/* The packet that an error quotes, cut wherever its sender liked (RFC 792, RFC 4443). */
static unsigned find_quoted(const uint8_t *frame, uint32_t at, uint32_t end, struct hm_layer *l)
{
	const uint8_t *ip = frame + at;
	uint32_t there = end > at ? end - at : 0;

	if (there && ip[0] >> 4 == 6) {
		*l = layer_at(at + 8, 2, true, end);
		if (there >= IPV6_HEADER)
			find_sum(l, frame, ip[6], at + IPV6_HEADER, end);
		return l->n || l->cut;
	}
	if (!there || ip[0] >> 4 != 4)
		return 0;
	*l = layer_at(at + 12, 2, false, end);
	if (there >= IPV4_HEADER) {
		bool later = ((ip[6] << 8 | ip[7]) & 0x1fff) != 0;
		uint32_t header = (uint32_t)(ip[0] & 15) * 4;

		l->header_sum = (uint16_t)(at + 10);
		if (!later && header >= IPV4_HEADER)
			find_sum(l, frame, ip[9], at + header, end);
	}
	return l->n || l->cut;
}

static bool quotes(bool v6, uint8_t type)
{
	if (v6)
		return type >= 1 && type <= 4;
	return type == 3 || type == 4 || type == 5 || type == 11 || type == 12;
}

/* How many addresses a message has, and how far behind its first byte. */
static unsigned own_addresses(bool v6, uint8_t type, uint32_t *at)
{
	*at = v6 ? 8 : 4;
	if (!v6)
		return type == 5;
	if (type == 137)
		return 2;
	return type == 135 || type == 136 || (type >= 130 && type <= 132);
}

unsigned hm_layers_find_message(const uint8_t *frame, uint32_t l4, uint32_t end, bool v6,
				struct hm_layer *layers)
{
	uint8_t type = frame[l4];
	unsigned found = 0, own;
	uint32_t at;

	own = own_addresses(v6, type, &at);
	if (own)
		layers[found++] = layer_at(l4 + at, own, v6, end);
	if (quotes(v6, type))
		found += find_quoted(frame, l4 + ICMP_HEADER, end, &layers[found]);
	return found;
}

unsigned hm_layers_find(const struct hm_batch *b, unsigned i, struct hm_layer *layers)
{
	const uint64_t bit = UINT64_C(1) << i;
	const uint8_t *frame = b->data[i];
	uint32_t l3 = b->l3[i], l4 = b->l4[i], end = b->end[i];
	bool v6 = b->ipv6 & bit;

	layers[0] = layer_at(l3 + (v6 ? 8 : 12), 2, v6, end);
	if (!v6)
		layers[0].header_sum = (uint16_t)(l3 + 10);
	if (!(b->l4_ok & bit)) { // a redirect's address may begin before the cut
		l4 = l3 + (frame[l3] & 15u) * 4;
		if (!(b->icmp & ~b->later_fragment & bit) || l4 >= end)
			return 1;
	}
	find_sum(&layers[0], frame, b->proto[i], l4, end);
	if (!((b->icmp | b->icmp6) & bit))
		return 1;
	return 1 + hm_layers_find_message(frame, l4, end, v6, &layers[1]);
}

/* --- replacing --- */

/* Bytes at an even distance from where each checksum over them begins. Returns the sum of what changes, in ones'
 * complement and the order of memory, not yet folded. */
static uint64_t put(uint8_t *at, const uint8_t *with, unsigned n)
{
	uint64_t change = 0;

	for (unsigned i = 0; i < n; i += 2) {
		uint16_t old = 0, new = 0;

		memcpy(&old, at + i, n - i < 2 ? 1 : 2);
		memcpy(&new, with + i, n - i < 2 ? 1 : 2);
		change += (uint16_t)~old + (uint32_t) new;
	}
	memcpy(at, with, n);
	return change;
}

/* RFC 1624, equation 3. Returns what that changes itself. */
static uint64_t adjust(uint8_t *at, uint64_t change, bool never_zero)
{
	uint16_t old, new;
	uint64_t sum;

	memcpy(&old, at, sizeof(old));
	for (sum = (uint16_t)~old + change; sum >> 16;)
		sum = (sum & 0xffff) + (sum >> 16);
	new = (uint16_t)~sum;
	if (never_zero && new == 0)
		new = UINT16_MAX;
	return put(at, (const uint8_t *)&new, sizeof(new));
}

void hm_layers_replace(uint8_t *frame, const struct hm_layer *layers, unsigned n,
		       const uint32_t *v4, const uint8_t (*v6)[16])
{
	static const uint8_t blank[16];
	uint64_t inside = 0; // what has changed so far is in all that is around it

	while (n-- > 0) {
		const struct hm_layer *l = &layers[n];
		const uint8_t *with = l->v6 ? v6[l->first] : (const uint8_t *)&v4[l->first];
		unsigned bytes = l->n * size_of(l->v6);
		uint64_t own = put(frame + l->addresses, with, bytes);

		own += put(frame + l->addresses + bytes, blank, l->cut);
		if (l->sum)
			inside += adjust(frame + l->sum, inside + (l->pseudo ? own : 0),
					 l->never_zero);
		if (l->header_sum)
			inside += adjust(frame + l->header_sum, own, false);
		inside += own;
	}
}
