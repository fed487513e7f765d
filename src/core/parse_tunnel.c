/* SPDX-License-Identifier: BSD-3-Clause */
/* parse_tunnel: inside GRE, ERSPAN, VXLAN, Geneve, GTP-U and IP-in-IP.
 *
 * A port or a protocol number is only a hint that there is a tunnel. If no network header is found
 * inside, the packet is what it looked like from outside.
 */
#include "core/parse_internal.h"

enum {
	TYPE_BRIDGED = 0x6558, // an Ethernet frame (transparent Ethernet bridging)
	TYPE_ERSPAN = 0x88be,  // type I and II
	TYPE_ERSPAN3 = 0x22eb,
};

static enum hm_parse_outcome enter_type(struct parse_cursor *c, struct parse_view *inner,
					uint16_t type)
{
	return type == TYPE_BRIDGED ? hm_parse_link(c, inner, HM_LINK_ETHERNET)
				    : hm_parse_tags(c, inner, type);
}

static bool skip(struct parse_cursor *c, uint32_t n)
{
	if (!has(c, n))
		return false;
	c->at += n;
	return true;
}

enum {
	GRE_CHECKSUM = 0x8000,
	GRE_ROUTING = 0x4000,
	GRE_KEY = 0x2000,
	GRE_SEQUENCE = 0x1000,
	GRE_ACK = 0x0080, // version 1
	GRE_VERSION = 0x0007,
};

/* Source route entries of RFC 1701: address family, offset, length, then that many bytes; an entry
 * of zeros ends them. */
static bool skip_gre_routes(struct parse_cursor *c)
{
	for (unsigned depth = 0; depth < HM_PARSE_DEPTH; depth++) {
		const uint8_t *p = c->data + c->at;

		if (!has(c, 4))
			return false;
		bool last = be16(p) == 0 && p[3] == 0;
		if (!skip(c, 4u + p[3]))
			return false;
		if (last)
			return true;
	}
	return false;
}

/* Goes behind the GRE header; false if it is cut or of an unknown version. */
static bool skip_gre(struct parse_cursor *c, uint16_t *flags, uint16_t *type)
{
	const uint8_t *p = c->data + c->at;

	if (!has(c, 4))
		return false;
	*flags = be16(p);
	*type = be16(p + 2);
	bool version1 = (*flags & GRE_VERSION) == 1;
	uint32_t length = 4 + (*flags & GRE_KEY ? 4u : 0) + (*flags & GRE_SEQUENCE ? 4u : 0);
	if ((*flags & GRE_VERSION) > 1)
		return false;
	if (version1)
		return skip(c, length + (*flags & GRE_ACK ? 4u : 0));
	if (*flags & (GRE_CHECKSUM | GRE_ROUTING))
		length += 4;
	return skip(c, length) && (!(*flags & GRE_ROUTING) || skip_gre_routes(c));
}

/* Types I (no header of its own) and II share an ethertype; only II uses GRE's sequence number. */
static enum hm_parse_outcome enter_erspan(struct parse_cursor *c, struct parse_view *inner,
					  uint16_t gre_flags)
{
	if (gre_flags & GRE_SEQUENCE) {
		if (!has(c, 8) || c->data[c->at] >> 4 != 1)
			return HM_PARSE_L3_UNKNOWN;
		c->at += 8;
	}
	return hm_parse_link(c, inner, HM_LINK_ETHERNET);
}

static enum hm_parse_outcome enter_erspan3(struct parse_cursor *c, struct parse_view *inner)
{
	const uint8_t *p = c->data + c->at;
	enum { FRAME_ETHERNET = 0, FRAME_IP = 2 };

	if (!has(c, 12) || p[0] >> 4 != 2)
		return HM_PARSE_L3_UNKNOWN;
	unsigned frame = be16(p + 10) >> 10 & 0x1f;
	if (!skip(c, p[11] & 1 ? 12 + 8 : 12)) // with the platform specific sub-header
		return HM_PARSE_L2_SHORT;
	switch (frame) {
	case FRAME_ETHERNET:
		return hm_parse_link(c, inner, HM_LINK_ETHERNET);
	case FRAME_IP:
		return hm_parse_link(c, inner, HM_LINK_RAW);
	default:
		return HM_PARSE_L3_UNKNOWN;
	}
}

static enum hm_parse_outcome enter_gre(struct parse_cursor *c, struct parse_view *outer,
				       struct parse_view *inner, uint32_t tunnels)
{
	uint16_t flags, type;

	if (!skip_gre(c, &flags, &type))
		return HM_PARSE_L3_UNKNOWN;
	if ((flags & GRE_VERSION) == 1) {
		// PPTP's PPP is mostly compressed or encrypted: only step over the header
		if (tunnels & HM_TUNNEL_GRE)
			outer->payload = (uint16_t)c->at;
		return HM_PARSE_L3_UNKNOWN;
	}
	if (type == TYPE_ERSPAN || type == TYPE_ERSPAN3) {
		if (!(tunnels & HM_TUNNEL_ERSPAN))
			return HM_PARSE_L3_UNKNOWN;
		return type == TYPE_ERSPAN ? enter_erspan(c, inner, flags)
					   : enter_erspan3(c, inner);
	}
	return tunnels & HM_TUNNEL_GRE ? enter_type(c, inner, type) : HM_PARSE_L3_UNKNOWN;
}

static enum hm_parse_outcome enter_vxlan(struct parse_cursor *c, struct parse_view *inner)
{
	enum { VNI_VALID = 0x08, OTHER_PROTOCOL = 0x04 }; // the second one: VXLAN-GPE's
	const uint8_t *p = c->data + c->at;

	if (!has(c, 8) || (p[0] & (VNI_VALID | OTHER_PROTOCOL)) != VNI_VALID)
		return HM_PARSE_L3_UNKNOWN;
	c->at += 8;
	return hm_parse_link(c, inner, HM_LINK_ETHERNET);
}

static enum hm_parse_outcome enter_geneve(struct parse_cursor *c, struct parse_view *inner)
{
	const uint8_t *p = c->data + c->at;

	if (!has(c, 8) || p[0] >> 6 != 0)
		return HM_PARSE_L3_UNKNOWN;
	if (!skip(c, 8 + (p[0] & 0x3fu) * 4))
		return HM_PARSE_L2_SHORT;
	return enter_type(c, inner, be16(p + 2));
}

/* GTP-U version 1 (3GPP TS 29.281): G-PDUs only, they hold a user's IP packet. */
static enum hm_parse_outcome enter_gtpu(struct parse_cursor *c, struct parse_view *inner)
{
	enum { VERSION1_GTP = 0x30, EXTENSION = 0x04, OPTIONAL = 0x07, G_PDU = 255 };
	const uint8_t *p = c->data + c->at;
	uint8_t next = 0;

	if (!has(c, 8) || (p[0] & 0xf0) != VERSION1_GTP || p[1] != G_PDU)
		return HM_PARSE_L3_UNKNOWN;
	if (!skip(c, p[0] & OPTIONAL ? 12 : 8))
		return HM_PARSE_L2_SHORT;
	if (p[0] & EXTENSION)
		next = p[11];
	for (unsigned depth = 0; next != 0; depth++) {
		uint32_t length;

		if (depth == HM_PARSE_DEPTH || !has(c, 1))
			return HM_PARSE_L3_UNKNOWN;
		length = c->data[c->at] * 4u;
		if (length == 0 || !skip(c, length))
			return HM_PARSE_L3_UNKNOWN;
		next = c->data[c->at - 1];
	}
	return hm_parse_link(c, inner, HM_LINK_RAW);
}

static enum hm_parse_outcome enter_udp(struct parse_cursor *c, const struct parse_view *outer,
				       struct parse_view *inner, uint32_t tunnels)
{
	switch (be16(c->data + outer->l4 + 2)) {
	case PORT_VXLAN:
	case PORT_VXLAN_OLD:
		return tunnels & HM_TUNNEL_VXLAN ? enter_vxlan(c, inner) : HM_PARSE_L3_UNKNOWN;
	case PORT_GENEVE:
		return tunnels & HM_TUNNEL_GENEVE ? enter_geneve(c, inner) : HM_PARSE_L3_UNKNOWN;
	case PORT_GTPU:
		return tunnels & HM_TUNNEL_GTPU ? enter_gtpu(c, inner) : HM_PARSE_L3_UNKNOWN;
	default:
		return HM_PARSE_L3_UNKNOWN;
	}
}

/* Goes from `outer`, whose payload is at c->at, to the network header inside it. */
static enum hm_parse_outcome enter(struct parse_cursor *c, struct parse_view *outer,
				   struct parse_view *inner, uint32_t tunnels)
{
	if (!(outer->flags & F_L4))
		return HM_PARSE_L3_UNKNOWN;
	switch (outer->proto) {
	case PROTO_UDP:
		return enter_udp(c, outer, inner, tunnels);
	case PROTO_GRE:
		return enter_gre(c, outer, inner, tunnels);
	case PROTO_IPV4:
	case PROTO_IPV6:
		if (!(tunnels & HM_TUNNEL_IPIP))
			return HM_PARSE_L3_UNKNOWN;
		return enter_type(c, inner, outer->proto == PROTO_IPV4 ? TYPE_IPV4 : TYPE_IPV6);
	default:
		return HM_PARSE_L3_UNKNOWN;
	}
}

enum hm_parse_outcome hm_parse_tunnels(struct parse_cursor *c, struct parse_view *v,
				       uint32_t tunnels, enum hm_parse_outcome outcome)
{
	const uint16_t of_frame = F_VLAN | F_MPLS | F_PPPOE;

	for (unsigned depth = 0; outcome == HM_PARSE_OK; depth++) {
		struct parse_cursor inside = *c;
		struct parse_view inner = view_empty(v->end);
		enum hm_parse_outcome inner_outcome;

		if (enter(&inside, v, &inner, tunnels) != HM_PARSE_OK)
			break;
		inner_outcome = hm_parse_network(&inside, &inner);
		if (inner.l3 == HM_NONE)
			break;
		if (depth == HM_PARSE_DEPTH)
			return HM_PARSE_L2_DEPTH;
		inner.flags =
			(uint16_t)((inner.flags & ~of_frame) | (v->flags & of_frame) | F_TUNNEL);
		inner.vlan_tci = v->vlan_tci;
		inner.label = v->label;
		*v = inner;
		*c = inside;
		outcome = inner_outcome;
	}
	return outcome;
}
