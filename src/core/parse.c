/* SPDX-License-Identifier: BSD-3-Clause */
/* parse: the batch loop and the fast way through it.
 *
 * The fast way takes what nearly all traffic is: Ethernet, at most one 802.1Q tag, IPv4 without
 * options and fragments or IPv6 without extension headers, TCP or UDP, nothing cut or
 * contradictory. It decides by few, predictable branches and leaves everything else to
 * hm_parse_slow(). Flags are collected in two bytes a packet and turned into the batch's masks 16
 * packets at a time.
 */
#include "core/parse.h"

#include <string.h>

#include "core/parse_internal.h"

#define UDP_TUNNELS (HM_TUNNEL_VXLAN | HM_TUNNEL_GENEVE | HM_TUNNEL_GTPU)

struct parse_flags {
	alignas(16) uint8_t low[HM_BATCH_MAX], high[HM_BATCH_MAX];
};

static inline bool is_tunnel_port(uint16_t port)
{
	return port == PORT_VXLAN || port == PORT_VXLAN_OLD || port == PORT_GENEVE ||
	       port == PORT_GTPU;
}

/* What the network header says, for the fast way. */
struct fast_ip {
	uint32_t l4, end; // end as the header has it, not yet limited by caplen
	uint32_t ip_len;
	uint8_t proto;
};

static inline bool fast_ipv4(const uint8_t *ip, uint32_t l3, struct fast_ip *f)
{
	f->ip_len = be16(ip + 2);
	f->l4 = l3 + 20;
	f->end = l3 + f->ip_len;
	f->proto = ip[9];
	return ip[0] == 0x45 && (be16(ip + 6) & 0x3fff) == 0;
}

static inline bool fast_ipv6(const uint8_t *ip, uint32_t l3, struct fast_ip *f)
{
	uint32_t length = be16(ip + 4);

	f->ip_len = 40 + length;
	f->l4 = l3 + 40;
	f->end = l3 + f->ip_len;
	f->proto = ip[6];
	return ip[0] >> 4 == 6 && length != 0;
}

/* Stores the fields of packet i and returns its flags, or 0 if it needs the general way. */
static inline unsigned parse_fast(struct hm_batch *b, unsigned i, bool udp_tunnels)
{
	const uint8_t *p = b->data[i];
	uint32_t caplen = b->caplen[i];
	uint32_t l3 = 14, tci = 0, key[2];
	unsigned flags = F_L4;
	struct fast_ip f;

	if (__builtin_expect(caplen < 14 + 28, 0))
		return 0;
	uint16_t type = be16(p + 12);
	if (type == TYPE_VLAN) {
		tci = be16(p + 14);
		type = be16(p + 16);
		l3 = 18;
		flags |= F_VLAN;
	}
	if (type == TYPE_IPV4) {
		if (!fast_ipv4(p + l3, l3, &f))
			return 0;
		key[0] = load32(p + l3 + 12);
		key[1] = load32(p + l3 + 16);
		flags |= F_IPV4;
	} else if (type == TYPE_IPV6 && caplen >= l3 + 48) {
		if (!fast_ipv6(p + l3, l3, &f))
			return 0;
		key[0] = ipv6_key(p + l3 + 8);
		key[1] = ipv6_key(p + l3 + 24);
		flags |= F_IPV6;
	} else {
		return 0;
	}

	bool tcp = f.proto == PROTO_TCP;
	uint32_t end = f.end < caplen ? f.end : caplen;
	if ((!tcp && f.proto != PROTO_UDP) || f.l4 + (tcp ? 20 : 8) > end)
		return 0;
	// the 16 bits that hold TCP's data offset or UDP's length
	uint16_t word = be16(p + f.l4 + (tcp ? 12 : 4));
	uint32_t header = tcp ? word >> 10 & 0x3c : 8;
	bool good = tcp ? header >= 20 : (uint16_t)(word - 1) >= 7;
	if (!good || f.l4 + header > end)
		return 0;
	uint32_t ports = load32(p + f.l4);
	if (udp_tunnels && !tcp && is_tunnel_port(__builtin_bswap16((uint16_t)(ports >> 16))))
		return 0;

	b->hash[i] = flow_hash(key[0], key[1], ports, f.proto);
	b->ethertype[i] = type;
	b->l3[i] = (uint16_t)l3;
	b->l4[i] = (uint16_t)f.l4;
	b->payload[i] = (uint16_t)(f.l4 + header);
	b->end[i] = (uint16_t)end;
	b->vlan_tci[i] = (uint16_t)tci;
	b->ip_len[i] = f.ip_len;
	b->proto[i] = f.proto;
	b->outcome[i] = HM_PARSE_OK;
	return flags | (tcp ? F_TCP : F_UDP);
}

static inline void keep_flags(struct parse_flags *f, unsigned i, unsigned flags)
{
	f->low[i] = (uint8_t)flags;
	f->high[i] = (uint8_t)(flags >> 8);
}

static void parse_ethernet(struct hm_batch *b, uint32_t tunnels, struct parse_flags *f)
{
	bool udp_tunnels = (tunnels & UDP_TUNNELS) != 0;
	uint32_t n = b->n;

	for (unsigned i = 0; i < n; i++) {
		unsigned flags = parse_fast(b, i, udp_tunnels);

		if (__builtin_expect(flags == 0, 0))
			flags = hm_parse_slow(b, i, tunnels);
		keep_flags(f, i, flags);
	}
}

/* The mask of the packets whose byte has bit `bit` set. */
static inline uint64_t bit_mask(const uint8_t bytes[HM_BATCH_MAX], int bit)
{
	const __m128i up = _mm_cvtsi32_si128(7 - bit);
	uint64_t mask = 0;

	for (unsigned i = 0; i < HM_BATCH_MAX; i += 16) {
		__m128i x = _mm_load_si128((const __m128i *)&bytes[i]);
		mask |= (uint64_t)(uint32_t)_mm_movemask_epi8(_mm_sll_epi16(x, up)) << i;
	}
	return mask;
}

static void fill_masks(struct hm_batch *b, const struct parse_flags *f)
{
	b->ipv4 = bit_mask(f->low, 0);
	b->ipv6 = bit_mask(f->low, 1);
	b->arp = bit_mask(f->low, 2);
	b->tcp = bit_mask(f->low, 3);
	b->udp = bit_mask(f->low, 4);
	b->sctp = bit_mask(f->low, 5);
	b->icmp = bit_mask(f->low, 6);
	b->icmp6 = bit_mask(f->low, 7);
	b->l4_ok = bit_mask(f->high, 0);
	b->fragment = bit_mask(f->high, 1);
	b->later_fragment = bit_mask(f->high, 2);
	b->vlan = bit_mask(f->high, 3);
	b->mpls = bit_mask(f->high, 4);
	b->pppoe = bit_mask(f->high, 5);
	b->tunnel = bit_mask(f->high, 6);
	b->rejected = bit_mask(f->high, 7);
}

/* Packets with caplen < wirelen; lanes behind the n-th may hold anything. */
static uint64_t snapped_mask(const struct hm_batch *b)
{
	uint64_t whole = 0;

	for (unsigned i = 0; i < HM_BATCH_MAX; i += 4) {
		__m128i captured = _mm_load_si128((const __m128i *)&b->caplen[i]);
		__m128i wire = _mm_load_si128((const __m128i *)&b->wirelen[i]);
		__m128i equal = _mm_cmpeq_epi32(_mm_max_epu32(captured, wire), captured);
		whole |= (uint64_t)(uint32_t)_mm_movemask_ps(_mm_castsi128_ps(equal)) << i;
	}
	return ~whole & b->all;
}

void hm_parse(struct hm_batch *b, const struct hm_parse_conf *conf)
{
	struct parse_flags flags = {0};

	if (b->link == HM_LINK_ETHERNET)
		parse_ethernet(b, conf->tunnels, &flags);
	else
		for (unsigned i = 0; i < b->n; i++)
			keep_flags(&flags, i, hm_parse_slow(b, i, conf->tunnels));
	fill_masks(b, &flags);
	b->snapped = snapped_mask(b);
}

const char *hm_parse_outcome_name(enum hm_parse_outcome outcome)
{
	static const char *const names[HM_PARSE_OUTCOMES] = {
		[HM_PARSE_OK] = "ok",
		[HM_PARSE_L2_SHORT] = "l2_short",
		[HM_PARSE_L2_DEPTH] = "l2_depth",
		[HM_PARSE_L3_UNKNOWN] = "l3_unknown",
		[HM_PARSE_L3_SHORT] = "l3_short",
		[HM_PARSE_L3_BAD] = "l3_bad",
		[HM_PARSE_L3_DEPTH] = "l3_depth",
		[HM_PARSE_L4_SHORT] = "l4_short",
		[HM_PARSE_L4_BAD] = "l4_bad",
	};

	return outcome < HM_PARSE_OUTCOMES ? names[outcome] : "unknown";
}

uint32_t hm_tunnel_by_name(const char *name)
{
	static const struct {
		const char *name;
		enum hm_tunnel tunnel;
	} tunnels[] = {
		{"gre", HM_TUNNEL_GRE},     {"erspan", HM_TUNNEL_ERSPAN},
		{"vxlan", HM_TUNNEL_VXLAN}, {"geneve", HM_TUNNEL_GENEVE},
		{"gtpu", HM_TUNNEL_GTPU},   {"ipip", HM_TUNNEL_IPIP},
	};

	for (size_t i = 0; i < sizeof(tunnels) / sizeof(tunnels[0]); i++)
		if (strcmp(tunnels[i].name, name) == 0)
			return tunnels[i].tunnel;
	return 0;
}
