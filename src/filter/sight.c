/* SPDX-License-Identifier: BSD-3-Clause */
/* sight: a packet as libpcap's programs see it through a view, and the look-up of its fields.
 *
 * Not as the parser sees it: a filter's `ip` is a number in the type field and nothing else, whatever
 * version and lengths the header behind it claims; there is one IPv6 header and what follows it; and
 * a VLAN tag is a type that is not IP, unless the filter says `vlan`. So these few bytes are read
 * again, at libpcap's offsets. They are in the first cache line. Of plain datagrams the parser knows all of it, a
 * batch at a time.
 *
 * A packet that is cut within them is looked up as if zeros followed: a filter that libpcap's program
 * passes without having read a byte passes whatever that byte is, so no match is missed, and what
 * matches is asked of the program itself (scan.c).
 */
#include <emmintrin.h>
#include <endian.h>
#include <string.h>

#include "filter/scan_private.h"

#define PADDED 256 // above network_at + 60 + 4, see NETWORK_AT_MAX

enum { TCP = 6, UDP = 17, FRAGMENT = 44, SCTP = 132 };

struct sight {
	enum hm_guard network, ports; // ALL: none of the others
	bool first;                   // IPv4 but no later fragment
	uint8_t protocol;
	int behind_fragment; // what IPv6's fragment header names, -1
	const uint8_t *source, *destination;
	uint32_t source_port, destination_port;
};

static inline uint32_t be16(const uint8_t *p)
{
	uint16_t v;

	memcpy(&v, p, sizeof(v));
	return be16toh(v);
}

static inline uint32_t be32(const uint8_t *p)
{
	uint32_t v;

	memcpy(&v, p, sizeof(v));
	return be32toh(v);
}

static inline uint64_t be64(const uint8_t *p)
{
	uint64_t v;

	memcpy(&v, p, sizeof(v));
	return be64toh(v);
}

/* Not by comparing: which one it is, no processor guesses. */
static const uint8_t ports_of[256] = {
	[TCP] = HM_GUARD_TCP, [UDP] = HM_GUARD_UDP, [SCTP] = HM_GUARD_SCTP};

static inline enum hm_guard by_ethertype(uint32_t type)
{
	if (type == 0x0800)
		return HM_GUARD_IP;
	if (type == 0x86dd)
		return HM_GUARD_IP6;
	return type == 0x0806 ? HM_GUARD_ARP : type == 0x8035 ? HM_GUARD_RARP : HM_GUARD_ALL;
}

/* libpcap maps the numbers of the two IPs and compares with the ethertypes of the others. */
static enum hm_guard by_ppp(uint32_t type)
{
	if (type == 0x0021 || type == 0x0057)
		return type == 0x0021 ? HM_GUARD_IP : HM_GUARD_IP6;
	return type == 0x0800 || type == 0x86dd ? HM_GUARD_ALL : by_ethertype(type);
}

static enum hm_guard by_version(uint8_t byte)
{
	return byte >> 4 == 4 ? HM_GUARD_IP : byte >> 4 == 6 ? HM_GUARD_IP6 : HM_GUARD_ALL;
}

static enum hm_guard by_family(uint32_t family)
{
	if (family == 2)
		return HM_GUARD_IP;
	return family == 24 || family == 28 || family == 30 ? HM_GUARD_IP6 : HM_GUARD_ALL;
}

/* Which network protocol the view finds; false: the packet's n bytes do not say. */
static inline bool see_type(const struct hm_view *v, const uint8_t *data, uint32_t n,
			    enum hm_guard *network)
{
	const uint8_t *type = data + v->type_at;

	switch (v->typing) {
	case HM_TYPING_ETHERTYPE:
		if (n < v->type_at + 2u)
			return false;
		*network = by_ethertype(be16(type));
		return true;
	case HM_TYPING_PPP:
		if (n < v->type_at + 2u)
			return false;
		*network = by_ppp(be16(type));
		return true;
	case HM_TYPING_VERSION:
		if (n < v->type_at + 1u)
			return false;
		*network = by_version(*type);
		return true;
	case HM_TYPING_MPLS:
		if (n < v->network_at + 1u)
			return false;
		*network = data[v->network_at - 2] & 1 ? by_version(data[v->network_at])
						       : HM_GUARD_ALL;
		return true;
	case HM_TYPING_NULL:
	case HM_TYPING_LOOP:
		if (n < v->type_at + 4u)
			return false;
		*network = by_family(v->typing == HM_TYPING_LOOP ? be32(type)
								 : __builtin_bswap32(be32(type)));
		return true;
	default:
		*network = v->typing == HM_TYPING_IPV4 ? HM_GUARD_IP : HM_GUARD_IP6;
		return true;
	}
}

static inline bool see_ipv4(const uint8_t *ip, uint32_t n, struct sight *s)
{
	const uint8_t *transport;

	if (n < 20)
		return false;
	s->protocol = ip[9];
	s->first = (be16(ip + 6) & 0x1fff) == 0;
	s->source = ip + 12;
	s->destination = ip + 16;
	s->ports = s->first ? ports_of[s->protocol] : HM_GUARD_ALL;
	if (s->ports == HM_GUARD_ALL)
		return true;
	transport = ip + 4 * (ip[0] & 15u);
	if (n < 4 * (ip[0] & 15u) + 4)
		return false;
	s->source_port = be16(transport);
	s->destination_port = be16(transport + 2);
	return true;
}

static inline bool see_ipv6(const uint8_t *ip, uint32_t n, struct sight *s)
{
	if (n < 40)
		return false;
	s->protocol = ip[6];
	s->source = ip + 8;
	s->destination = ip + 24;
	s->ports = ports_of[s->protocol];
	if (s->protocol == FRAGMENT) {
		if (n < 41)
			return false;
		s->behind_fragment = ip[40];
	}
	if (s->ports == HM_GUARD_ALL)
		return true;
	if (n < 44)
		return false;
	s->source_port = be16(ip + 40);
	s->destination_port = be16(ip + 42);
	return true;
}

static inline bool see_arp(const uint8_t *arp, uint32_t n, struct sight *s)
{
	s->source = arp + 14;
	s->destination = arp + 24;
	return n >= 28;
}

/* false: the packet's n bytes are too few, *s is not complete. */
static inline bool see(const struct hm_view *v, const uint8_t *data, uint32_t n, struct sight *s)
{
	const uint8_t *network = data + v->network_at;

	*s = (struct sight){.behind_fragment = -1};
	if (!see_type(v, data, n, &s->network))
		return false;
	if (s->network == HM_GUARD_ALL)
		return true;
	if (n < v->network_at)
		return false;
	n -= v->network_at;
	if (s->network == HM_GUARD_IP)
		return see_ipv4(network, n, s);
	if (s->network == HM_GUARD_IP6)
		return see_ipv6(network, n, s);
	return see_arp(network, n, s);
}

/* The entries of the scanner, kept in registers. */
struct toucher {
	uint64_t *entries;
	uint32_t *touched, n;
};

static inline void touch(struct toucher *t, uint32_t entry, uint64_t bit)
{
	uint64_t before = t->entries[entry];

	t->entries[entry] = before | bit;
	t->touched[t->n] = entry;
	t->n += before == 0;
}

static inline void touch_both(struct toucher *t, const struct hm_field *f, uint32_t source,
			      uint32_t destination, uint64_t bit)
{
	touch(t, f->source + source, bit);
	touch(t, f->destination + destination, bit);
}

static inline uint32_t find_long(const struct hm_prefixes *p, const uint8_t *address)
{
	const uint64_t key[2] = {be64(address), be64(address + 8)};

	return hm_prefixes_find(p, key);
}

static uint32_t find_mac(const struct hm_prefixes *p, const uint8_t *mac)
{
	const uint64_t key[2] = {(uint64_t)be32(mac) << 32 | be16(mac + 4) << 16, 0};

	return hm_prefixes_find(p, key);
}

static inline void look_up(struct toucher *t, const struct hm_index_view *v, const struct sight *at,
			   uint64_t bit)
{
	if (at->network == HM_GUARD_IP6) {
		if (v->ipv6.field.source != HM_NO_FIELD)
			touch_both(t, &v->ipv6.field, find_long(&v->ipv6, at->source),
				   find_long(&v->ipv6, at->destination), bit);
	} else if (v->ipv4.field.source != HM_NO_FIELD) {
		touch_both(t, &v->ipv4.field, hm_trie_find(&v->ipv4, be32(at->source)),
			   hm_trie_find(&v->ipv4, be32(at->destination)), bit);
	}
	if (at->ports != HM_GUARD_ALL && v->ports.field.source != HM_NO_FIELD)
		touch_both(t, &v->ports.field, v->ports.class_of[at->source_port],
			   v->ports.class_of[at->destination_port], bit);
	if (v->protocols == HM_NO_FIELD || at->network > HM_GUARD_IP6)
		return;
	uint32_t first = v->protocols + (at->network == HM_GUARD_IP6 ? 256 : 0);
	touch(t, first + at->protocol, bit);
	if (at->behind_fragment >= 0)
		touch(t, first + (uint32_t)at->behind_fragment, bit);
}

/* --- packets of which the parser says what libpcap sees --- */

/* Bit i: value i is `number`. */
static uint64_t equal_u16(const uint16_t *values, uint32_t number)
{
	const __m128i wanted = _mm_set1_epi16((short)number);
	uint64_t out = 0;

	for (unsigned i = 0; i < HM_BATCH_MAX; i += 16) {
		const __m128i *at = (const __m128i *)(const void *)(values + i);
		__m128i same = _mm_packs_epi16(_mm_cmpeq_epi16(_mm_load_si128(at), wanted),
					       _mm_cmpeq_epi16(_mm_load_si128(at + 1), wanted));

		out |= (uint64_t)(uint32_t)_mm_movemask_epi8(same) << i;
	}
	return out;
}

/* Whole datagrams right behind the type field; IPv6 without extension headers. */
struct plain {
	uint64_t ipv4, ipv6, ports;
};

static struct plain find_plain(const struct hm_batch *b, const struct hm_view *v)
{
	uint64_t with_ports = b->tcp | b->udp | b->sctp, behind_type, complete;

	if (v->typing != HM_TYPING_ETHERTYPE || v->network_at != v->type_at + 2)
		return (struct plain){0};
	behind_type = b->all & ~(b->mpls | b->pppoe | b->tunnel) & equal_u16(b->l3, v->network_at);
	complete = b->l4_ok | b->later_fragment | ~with_ports;
	return (struct plain){
		.ipv4 = behind_type & b->ipv4 & complete,
		.ipv6 = behind_type & b->ipv6 & b->l4_ok & equal_u16(b->l4, v->network_at + 40u),
		.ports = with_ports & b->l4_ok,
	};
}

static void guard_plain(uint64_t *guards, const struct hm_batch *b, const struct plain *p)
{
	uint64_t ports = (p->ipv4 | p->ipv6) & p->ports;

	guards[HM_GUARD_IP] = p->ipv4;
	guards[HM_GUARD_IP6] = p->ipv6;
	guards[HM_GUARD_TCP] = ports & b->tcp;
	guards[HM_GUARD_UDP] = ports & b->udp;
	guards[HM_GUARD_SCTP] = ports & b->sctp;
	guards[HM_GUARD_FIRST] = p->ipv4 & ~b->later_fragment;
}

/* As look_up(), a field after the other. */
static void look_up_plain(struct toucher *t, const struct hm_index_view *v,
			  const struct hm_batch *b, const struct plain *p)
{
	if (v->ports.field.source != HM_NO_FIELD)
		hm_mask_foreach (i, (p->ipv4 | p->ipv6) & p->ports) {
			const uint8_t *l4 = b->data[i] + b->l4[i];

			touch_both(t, &v->ports.field, v->ports.class_of[be16(l4)],
				   v->ports.class_of[be16(l4 + 2)], UINT64_C(1) << i);
		}
	if (v->ipv4.field.source != HM_NO_FIELD)
		hm_mask_foreach (i, p->ipv4) {
			const uint8_t *ip = b->data[i] + b->l3[i];

			touch_both(t, &v->ipv4.field, hm_trie_find(&v->ipv4, be32(ip + 12)),
				   hm_trie_find(&v->ipv4, be32(ip + 16)), UINT64_C(1) << i);
		}
	if (v->ipv6.field.source != HM_NO_FIELD)
		hm_mask_foreach (i, p->ipv6) {
			const uint8_t *ip = b->data[i] + b->l3[i];

			touch_both(t, &v->ipv6.field, find_long(&v->ipv6, ip + 8),
				   find_long(&v->ipv6, ip + 24), UINT64_C(1) << i);
		}
	if (v->protocols != HM_NO_FIELD)
		hm_mask_foreach (i, p->ipv4 | p->ipv6)
			touch(t, v->protocols + (p->ipv6 >> i & 1 ? 256 : 0) + b->proto[i],
			      UINT64_C(1) << i);
	if (v->mac.field.source != HM_NO_FIELD)
		hm_mask_foreach (i, p->ipv4 | p->ipv6)
			touch_both(t, &v->mac.field, find_mac(&v->mac, b->data[i] + 6),
				   find_mac(&v->mac, b->data[i]), UINT64_C(1) << i);
}

/* --- all packets --- */

void hm_scan_see(struct hm_scanner *s, const struct hm_batch *b, uint32_t view)
{
	const struct hm_index_view *v = &s->index->views[view];
	const struct plain plain = find_plain(b, &v->view);
	struct toucher t = {s->entries, s->touched, s->n_touched};
	uint64_t guards[HM_GUARDS] = {0};

	guard_plain(guards, b, &plain);
	memcpy(s->protocols[view], b->proto, sizeof(s->protocols[view]));
	look_up_plain(&t, v, b, &plain);
	hm_mask_foreach (i, b->all & ~(plain.ipv4 | plain.ipv6)) {
		uint64_t bit = UINT64_C(1) << i;
		const uint8_t *data = b->data[i];
		uint8_t padded[PADDED];
		struct sight at;

		if (!see(&v->view, data, b->caplen[i], &at)) {
			uint32_t n = b->caplen[i] < PADDED ? b->caplen[i] : PADDED;

			memcpy(padded, data, n);
			memset(padded + n, 0, PADDED - n);
			data = padded;
			s->cut |= bit;
			s->cut_by[view < 31 ? view : 31] |= bit;
			see(&v->view, data, PADDED, &at);
		}
		guards[at.network] |= bit;
		guards[at.ports] |= bit;
		guards[HM_GUARD_FIRST] |= (uint64_t)at.first << i;
		s->protocols[view][i] = at.protocol;
		if (at.network != HM_GUARD_ALL)
			look_up(&t, v, &at, bit);
		if (v->mac.field.source != HM_NO_FIELD)
			touch_both(&t, &v->mac.field, find_mac(&v->mac, data + 6),
				   find_mac(&v->mac, data), bit);
	}
	guards[HM_GUARD_ALL] = b->all;
	memcpy(s->guards + v->guards, guards, sizeof(guards));
	s->n_touched = t.n;
}
