/* SPDX-License-Identifier: BSD-3-Clause */
/* parse_slow: the general way for one packet, layer by layer; the network and transport layers. */
#include "core/parse_internal.h"

enum { EXT_HOP_BY_HOP = 0, EXT_ROUTING = 43, EXT_FRAGMENT = 44, EXT_AUTHENTICATION = 51 };
enum { EXT_DESTINATION = 60, EXT_MOBILITY = 135, EXT_HIP = 139, EXT_SHIM6 = 140 };

/* Nothing behind offset `end` belongs to this packet: it is padding or another layer's trailer. */
static void limit(struct parse_cursor *c, uint32_t end)
{
	if (end < c->end)
		c->end = end;
	if (end < c->wire_end)
		c->wire_end = end;
}

static void found_fragment(struct parse_view *v, bool more, bool later)
{
	if (more || later)
		v->flags |= F_FRAGMENT;
	if (later)
		v->flags |= F_LATER;
}

static enum hm_parse_outcome parse_ipv4(struct parse_cursor *c, struct parse_view *v)
{
	const uint8_t *ip = c->data + c->at;

	if (!has(c, 20))
		return HM_PARSE_L3_SHORT;
	uint32_t header = (ip[0] & 15u) * 4, total = be16(ip + 2);
	if (ip[0] >> 4 != 4 || header < 20 || (total != 0 && total < header))
		return HM_PARSE_L3_BAD;
	if (!has(c, header))
		return HM_PARSE_L3_SHORT;

	// segmentation offload of the capturing host leaves 0 there
	v->ip_len = total != 0 ? total : c->wire_end - c->at;
	limit(c, c->at + v->ip_len);
	v->l3 = (uint16_t)c->at;
	v->end = (uint16_t)c->end;
	v->proto = ip[9];
	v->flags |= F_IPV4;
	v->address_key[0] = load32(ip + 12);
	v->address_key[1] = load32(ip + 16);
	found_fragment(v, be16(ip + 6) & 0x2000, be16(ip + 6) & 0x1fff);
	c->at += header;
	return HM_PARSE_OK;
}

/* Bytes of the extension header at p (8 of them may be read), 0: not an extension header. */
static uint32_t extension_length(uint8_t proto, const uint8_t *p)
{
	switch (proto) {
	case EXT_FRAGMENT:
		return 8;
	case EXT_AUTHENTICATION:
		return (p[1] + 2u) * 4;
	default:
		return (p[1] + 1u) * 8;
	}
}

static bool is_extension(uint8_t proto)
{
	switch (proto) {
	case EXT_HOP_BY_HOP:
	case EXT_ROUTING:
	case EXT_FRAGMENT:
	case EXT_AUTHENTICATION:
	case EXT_DESTINATION:
	case EXT_MOBILITY:
	case EXT_HIP:
	case EXT_SHIM6:
		return true;
	default:
		return false;
	}
}

/* Goes behind the extension headers, to the transport header or a later fragment's data. */
static enum hm_parse_outcome skip_extensions(struct parse_cursor *c, struct parse_view *v)
{
	for (unsigned depth = 0; is_extension(v->proto); depth++) {
		const uint8_t *ext = c->data + c->at;

		if (depth == HM_PARSE_DEPTH)
			return HM_PARSE_L3_DEPTH;
		if (!has(c, 8))
			return HM_PARSE_L3_SHORT;
		uint32_t length = extension_length(v->proto, ext);
		if (!has(c, length))
			return HM_PARSE_L3_SHORT;
		// an "atomic fragment" (RFC 6946) has the header, but is a whole datagram
		if (v->proto == EXT_FRAGMENT)
			found_fragment(v, ext[3] & 1, be16(ext + 2) & 0xfff8);
		v->proto = ext[0];
		c->at += length;
		if (v->flags & F_LATER)
			break;
	}
	return HM_PARSE_OK;
}

/* The way of skip_extensions(), which found that header. */
uint32_t hm_parse_fragment_header(const struct hm_batch *b, unsigned i, uint32_t *named_at)
{
	uint32_t at = b->l3[i] + 40u, type_at = b->l3[i] + 6u;
	uint8_t proto = b->data[i][type_at];

	while (proto != EXT_FRAGMENT) {
		const uint8_t *ext = b->data[i] + at;

		type_at = at;
		at += extension_length(proto, ext);
		proto = ext[0];
	}
	if (named_at)
		*named_at = type_at;
	return at;
}

static enum hm_parse_outcome parse_ipv6(struct parse_cursor *c, struct parse_view *v)
{
	const uint8_t *ip = c->data + c->at;

	if (!has(c, 40))
		return HM_PARSE_L3_SHORT;
	if (ip[0] >> 4 != 6)
		return HM_PARSE_L3_BAD;

	uint32_t length = be16(ip + 4);
	// 0: a jumbogram or segmentation offload, unless the header itself says that nothing
	// follows
	v->ip_len = length != 0 || ip[6] == PROTO_NONE ? 40 + length : c->wire_end - c->at;
	limit(c, c->at + v->ip_len);
	v->l3 = (uint16_t)c->at;
	v->end = (uint16_t)c->end;
	v->proto = ip[6];
	v->flags |= F_IPV6;
	v->address_key[0] = ipv6_key(ip + 8);
	v->address_key[1] = ipv6_key(ip + 24);
	c->at += 40;
	return skip_extensions(c, v);
}

static enum hm_parse_outcome parse_arp(struct parse_cursor *c, struct parse_view *v)
{
	const uint8_t *arp = c->data + c->at;

	if (!has(c, 8) || !has(c, 8 + 2u * (arp[4] + arp[5])))
		return HM_PARSE_L3_SHORT;
	v->l3 = (uint16_t)c->at;
	v->flags |= F_ARP;
	return HM_PARSE_OK;
}

/* The flag of a transport protocol and the length of its fixed header; 0 and 0 for others. */
static unsigned transport_flag(const struct parse_view *v, uint32_t *fixed)
{
	switch (v->proto) {
	case PROTO_TCP:
		*fixed = 20;
		return F_TCP;
	case PROTO_UDP:
		*fixed = 8;
		return F_UDP;
	case PROTO_SCTP:
		*fixed = 12;
		return F_SCTP;
	case PROTO_ICMP:
		*fixed = v->flags & F_IPV4 ? 8 : 0;
		return v->flags & F_IPV4 ? F_ICMP : 0;
	case PROTO_ICMP6:
		*fixed = v->flags & F_IPV6 ? 8 : 0;
		return v->flags & F_IPV6 ? F_ICMP6 : 0;
	default:
		*fixed = 0;
		return 0;
	}
}

static enum hm_parse_outcome parse_transport(struct parse_cursor *c, struct parse_view *v)
{
	const uint8_t *p = c->data + c->at;
	uint32_t header, datagram_end = v->l3 + v->ip_len;

	v->flags |= (uint16_t)transport_flag(v, &header);
	if (v->flags & F_LATER) {
		v->payload = (uint16_t)c->at;
		return HM_PARSE_OK;
	}
	if (!has(c, header))
		return HM_PARSE_L4_SHORT;
	if (v->proto == PROTO_TCP) {
		header = (p[12] >> 4) * 4u;
		// only a fragment may end within its TCP options
		if (header < 20 || (c->at + header > datagram_end && !(v->flags & F_FRAGMENT)))
			return HM_PARSE_L4_BAD;
	} else if (v->proto == PROTO_UDP && be16(p + 4) != 0 && be16(p + 4) < 8) {
		return HM_PARSE_L4_BAD; // 0 is what offload and jumbograms leave there
	}
	v->l4 = (uint16_t)c->at;
	v->flags |= F_L4;
	c->at = has(c, header) ? c->at + header : c->end;
	v->payload = (uint16_t)c->at;
	return HM_PARSE_OK;
}

/* Ports of packets that have them; a fragment has none, so that all of a datagram hash alike. */
static uint32_t hashed_ports(const struct parse_cursor *c, const struct parse_view *v)
{
	bool ports = (v->flags & F_L4) && (v->flags & (F_TCP | F_UDP | F_SCTP)) &&
		     !(v->flags & F_FRAGMENT);

	return ports ? load32(c->data + v->l4) : 0;
}

enum hm_parse_outcome hm_parse_network(struct parse_cursor *c, struct parse_view *v)
{
	enum hm_parse_outcome outcome;

	if (v->ethertype == TYPE_ARP)
		return parse_arp(c, v);
	outcome = v->ethertype == TYPE_IPV4 ? parse_ipv4(c, v) : parse_ipv6(c, v);
	if (outcome == HM_PARSE_OK)
		outcome = parse_transport(c, v);
	if (v->l3 != HM_NONE)
		v->hash = flow_hash(v->address_key[0], v->address_key[1], hashed_ports(c, v),
				    v->proto);
	return outcome;
}

static void store(struct hm_batch *b, unsigned i, const struct parse_view *v,
		  enum hm_parse_outcome outcome)
{
	b->hash[i] = v->hash;
	b->ethertype[i] = v->ethertype;
	b->l3[i] = v->l3;
	b->l4[i] = v->l4;
	b->payload[i] = v->payload;
	b->end[i] = v->end;
	b->vlan_tci[i] = v->vlan_tci;
	if (v->flags & F_MPLS)
		b->label[i] = v->label;
	b->ip_len[i] = v->ip_len;
	b->proto[i] = v->proto;
	b->outcome[i] = (uint8_t)outcome;
}

unsigned hm_parse_slow(struct hm_batch *b, unsigned i, uint32_t tunnels)
{
	uint32_t caplen = b->caplen[i], wirelen = b->wirelen[i];
	struct parse_cursor c = {b->data[i], 0, caplen, wirelen > caplen ? wirelen : caplen};
	struct parse_view v = view_empty(caplen);
	enum hm_parse_outcome outcome;

	assert(caplen <= UINT16_MAX);
	outcome = hm_parse_link(&c, &v, b->link);
	if (outcome == HM_PARSE_OK)
		outcome = hm_parse_network(&c, &v);
	if (tunnels != 0 && outcome == HM_PARSE_OK)
		outcome = hm_parse_tunnels(&c, &v, tunnels, outcome);
	store(b, i, &v, outcome);
	return v.flags | (outcome != HM_PARSE_OK ? F_REJECTED : 0u);
}
