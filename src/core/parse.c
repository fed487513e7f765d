/* SPDX-License-Identifier: BSD-3-Clause */
/* parse: the batch loop and the fast way through it.
 *
 * The fast way takes what nearly all traffic is: Ethernet, at most one 802.1Q tag, IPv4 without
 * options and fragments or IPv6 without extension headers, a transport protocol that we know,
 * nothing cut or contradictory. It decides by few, predictable branches and leaves everything else
 * to hm_parse_slow(). Flags are collected in two bytes a packet and turned into the batch's masks
 * 16 packets at a time.
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

/* How to read a transport header without asking which one it is: a branch there would be guessed
 * wrong all the time. One 16-bit word decides; it is good if, less `bias`, it is at least `least`.
 */
static const struct transport {
	uint16_t families; // F_IPV4, F_IPV6: over which the protocol exists; 0: general way
	uint16_t flag;
	uint16_t bias, least;
	uint8_t fixed;        // length of the fixed header
	uint8_t word;         // where the word is
	uint8_t mask, header; // length of the whole header: (word >> 10 & mask) + header
	uint32_t hashed;      // which part of the ports goes into the flow hash
} transports[256] = {
	// the word is: TCP's data offset and flags; UDP's length (1 .. 7 cannot be)
	[PROTO_TCP] = {F_IPV4 | F_IPV6, F_TCP, 0, 0x5000, 20, 12, 0x3c, 0, UINT32_MAX},
	[PROTO_UDP] = {F_IPV4 | F_IPV6, F_UDP, 1, 7, 8, 4, 0, 8, UINT32_MAX},
	[PROTO_SCTP] = {F_IPV4 | F_IPV6, F_SCTP, 0, 0, 12, 0, 0, 12, UINT32_MAX},
	[PROTO_ICMP] = {F_IPV4, F_ICMP, 0, 0, 8, 0, 0, 8, 0},
	[PROTO_ICMP6] = {F_IPV6, F_ICMP6, 0, 0, 8, 0, 0, 8, 0},
};

/* Stores the fields of packet i and returns its flags, or 0 if it needs the general way. Pointers,
 * not offsets: with offsets gcc keeps two of everything, one for packets with a VLAN tag. */
static inline unsigned parse_fast(struct hm_batch *b, unsigned i, bool udp_tunnels)
{
	const uint8_t *p = b->data[i], *stop = p + b->caplen[i];
	const uint8_t *ip = p + 14, *l4, *end;
	uint32_t tci = 0, key[2];
	int32_t ip_len;
	unsigned flags = F_L4;
	uint8_t proto;

	if (stop - p < 14 + 28)
		return 0;
	uint16_t type = be16(p + 12);
	if (type == TYPE_VLAN) {
		tci = be16(p + 14);
		type = be16(p + 16);
		ip = p + 18;
		flags |= F_VLAN;
	}
	if (type == TYPE_IPV4) {
		if (ip[0] != 0x45 || (be16(ip + 6) & 0x3fff) != 0)
			return 0;
		ip_len = be16(ip + 2);
		proto = ip[9];
		key[0] = load32(ip + 12);
		key[1] = load32(ip + 16);
		l4 = ip + 20;
		flags |= F_IPV4;
	} else if (type == TYPE_IPV6 && stop - ip >= 48) {
		ip_len = 40 + be16(ip + 4);
		if (ip[0] >> 4 != 6 || ip_len == 40)
			return 0;
		proto = ip[6];
		key[0] = ipv6_key(ip + 8);
		key[1] = ipv6_key(ip + 24);
		l4 = ip + 40;
		flags |= F_IPV6;
	} else {
		return 0;
	}

	const struct transport *t = &transports[proto];
	end = ip_len < stop - ip ? ip + ip_len : stop;
	if (!(t->families & flags) || end - l4 < t->fixed)
		return 0;
	uint16_t word = be16(l4 + t->word);
	uint32_t header = (uint32_t)(word >> 10 & t->mask) + t->header;
	if ((uint16_t)(word - t->bias) < t->least || end - l4 < header)
		return 0;
	uint32_t ports = load32(l4);
	if (udp_tunnels && proto == PROTO_UDP && is_tunnel_port(be16(l4 + 2)))
		return 0;

	b->hash[i] = flow_hash(key[0], key[1], ports & t->hashed, proto);
	b->ethertype[i] = type;
	b->l3[i] = (uint16_t)(ip - p);
	b->l4[i] = (uint16_t)(l4 - p);
	b->payload[i] = (uint16_t)(l4 - p + header);
	b->end[i] = (uint16_t)(end - p);
	b->vlan_tci[i] = (uint16_t)tci;
	b->ip_len[i] = (uint32_t)ip_len;
	b->proto[i] = proto;
	b->outcome[i] = HM_PARSE_OK;
	return flags | t->flag;
}

static inline void keep_flags(struct parse_flags *f, unsigned i, unsigned flags)
{
	f->low[i] = (uint8_t)flags;
	f->high[i] = (uint8_t)(flags >> 8);
}

/* A header of 14 + 40 bytes and more lies on two cache lines more often than not. */
static inline void prefetch_headers(const uint8_t *frame)
{
	_mm_prefetch((const char *)frame, _MM_HINT_T0);
	_mm_prefetch((const char *)frame + 53, _MM_HINT_T0);
}

static void parse_all(struct hm_batch *b, uint32_t tunnels, struct parse_flags *f)
{
	// by measurement: 8 are too few to hide memory, and all 64 at once more than a core can ask
	const unsigned ahead = 16;
	bool ethernet = b->link == HM_LINK_ETHERNET;
	bool udp_tunnels = (tunnels & UDP_TUNNELS) != 0;
	unsigned n = b->n;

	for (unsigned i = 0; i < n && i < ahead; i++)
		prefetch_headers(b->data[i]);
	for (unsigned i = 0; i < n; i++) {
		prefetch_headers(b->data[i + ahead < n ? i + ahead : i]);
		unsigned flags = ethernet ? parse_fast(b, i, udp_tunnels) : 0;

		if (flags == 0)
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

	parse_all(b, conf->tunnels, &flags);
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
