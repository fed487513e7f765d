/* SPDX-License-Identifier: BSD-3-Clause */
/* parse_internal: what the parser's own files share; nobody else includes it.
 *
 * A packet takes the fast way (parse.c) or the general way (parse_slow.c and the layers below it).
 * Both leave the same fields: a test compares them packet by packet. The general way works on a
 * cursor, which says where to read next and up to where reading is allowed, and a view, which holds
 * the fields of one packet until they are stored in the batch.
 */
#pragma once

#include <nmmintrin.h>
#include <string.h>

#include "core/batch.h"
#include "core/parse.h"

/* One bit for each mask of the batch that the parser fills, in two bytes a packet. */
enum parse_flag {
	F_IPV4 = 1 << 0,
	F_IPV6 = 1 << 1,
	F_ARP = 1 << 2,
	F_TCP = 1 << 3,
	F_UDP = 1 << 4,
	F_SCTP = 1 << 5,
	F_ICMP = 1 << 6,
	F_ICMP6 = 1 << 7,
	F_L4 = 1 << 8,
	F_FRAGMENT = 1 << 9,
	F_LATER = 1 << 10,
	F_VLAN = 1 << 11,
	F_MPLS = 1 << 12,
	F_PPPOE = 1 << 13,
	F_TUNNEL = 1 << 14,
	F_REJECTED = 1 << 15,
};

enum {
	TYPE_IPV4 = 0x0800,
	TYPE_ARP = 0x0806,
	TYPE_VLAN = 0x8100,
	TYPE_IPV6 = 0x86dd,
	TYPE_MPLS = 0x8847,
	TYPE_MPLS_MULTICAST = 0x8848,
	TYPE_PPPOE_SESSION = 0x8864,
	TYPE_QINQ = 0x88a8,
	TYPE_QINQ_OLD = 0x9100,
	TYPE_MIN = 0x0600, // smaller values are an 802.3 length
};

enum {
	PROTO_ICMP = 1,
	PROTO_IPV4 = 4,
	PROTO_TCP = 6,
	PROTO_UDP = 17,
	PROTO_IPV6 = 41,
	PROTO_GRE = 47,
	PROTO_NONE = 59,
	PROTO_ICMP6 = 58,
	PROTO_SCTP = 132,
};

enum { PORT_GTPU = 2152, PORT_VXLAN = 4789, PORT_GENEVE = 6081, PORT_VXLAN_OLD = 8472 };

struct parse_cursor {
	const uint8_t *data; // first byte of the frame; all offsets count from here
	uint32_t at;         // next byte to look at, <= end
	uint32_t end;        // first byte that must not be read: cut, or not of this packet
	uint32_t wire_end;   // first byte on the wire that is not of this packet, >= end
};

struct parse_view {
	uint32_t hash, ip_len;
	uint32_t label;          // outermost label stack entry, with F_MPLS
	uint32_t address_key[2]; // of source and destination, see flow_hash()
	uint16_t ethertype, vlan_tci;
	uint16_t l3, l4, payload, end;
	uint16_t flags; // set of enum parse_flag
	uint8_t proto;
};

static inline uint16_t be16(const uint8_t *p)
{
	uint16_t v;
	memcpy(&v, p, sizeof(v));
	return __builtin_bswap16(v);
}

static inline uint32_t load32(const uint8_t *p)
{
	uint32_t v;
	memcpy(&v, p, sizeof(v));
	return v;
}

static inline uint64_t load64(const uint8_t *p)
{
	uint64_t v;
	memcpy(&v, p, sizeof(v));
	return v;
}

/* Whether n more bytes may be read. */
static inline bool has(const struct parse_cursor *c, uint32_t n)
{
	return c->end - c->at >= n;
}

/* 32 bits that stand for an address: an IPv4 address itself, the CRC of an IPv6 address. */
static inline uint32_t ipv6_key(const uint8_t *address)
{
	return (uint32_t)_mm_crc32_u64(_mm_crc32_u64(0, load64(address)), load64(address + 8));
}

/* The flow hash: the two endpoints (address key and port) in ascending order, so that both
 * directions give the same, then the protocol. `ports` is the first word of the transport header as
 * it is in memory (little-endian: source port low), 0 where ports do not count. A CRC is linear;
 * the multiplication breaks that, so that regular addresses do not leave holes in any range of
 * bits. */
static inline uint32_t flow_hash(uint32_t source, uint32_t destination, uint32_t ports,
				 uint8_t proto)
{
	uint64_t a = source | (uint64_t)(ports & 0xffff) << 32;
	uint64_t b = destination | (uint64_t)(ports >> 16) << 32;
	uint64_t low = a < b ? a : b, high = a < b ? b : a;
	uint32_t h = (uint32_t)_mm_crc32_u64(_mm_crc32_u64(proto, low), high);

	h ^= h >> 16;
	h *= UINT32_C(0x9e3779b1);
	return h ^ h >> 15;
}

/* The general way for packet i: stores its fields, returns its flags (F_REJECTED included). */
unsigned hm_parse_slow(struct hm_batch *b, unsigned i, uint32_t tunnels);

/* From the link header, or from behind an ethertype, to the network header: c->at is there and
 * v->ethertype says which one if the outcome is HM_PARSE_OK. */
enum hm_parse_outcome hm_parse_link(struct parse_cursor *c, struct parse_view *v,
				    enum hm_link link);
enum hm_parse_outcome hm_parse_tags(struct parse_cursor *c, struct parse_view *v, uint16_t type);

/* The network header that v->ethertype names and the transport header. */
enum hm_parse_outcome hm_parse_network(struct parse_cursor *c, struct parse_view *v);

/* Goes on inside tunnels: replaces cursor and view by those of the innermost packet found. Returns
 * the outcome of that packet; `outcome` if there is no tunnel. */
enum hm_parse_outcome hm_parse_tunnels(struct parse_cursor *c, struct parse_view *v,
				       uint32_t tunnels, enum hm_parse_outcome outcome);

/* A view that knows nothing yet. */
static inline struct parse_view view_empty(uint32_t end)
{
	return (struct parse_view){
		.l3 = HM_NONE, .l4 = HM_NONE, .payload = HM_NONE, .end = (uint16_t)end};
}
