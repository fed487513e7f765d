/* SPDX-License-Identifier: BSD-3-Clause */
/* parse_link: from the link header through tags, labels and session headers to the network header.
 */
#include "core/parse_internal.h"

enum { PPP_IPV4 = 0x0021, PPP_IPV6 = 0x0057, PPP_MPLS = 0x0281, PPP_MPLS_MULTICAST = 0x0283 };

/* Behind an 802.3 length: LLC. Only SNAP with the Ethernet OUI says an ethertype (RFC 1042). */
static enum hm_parse_outcome skip_llc(struct parse_cursor *c, uint16_t *type)
{
	static const uint8_t snap[6] = {0xaa, 0xaa, 0x03, 0x00, 0x00, 0x00};

	*type = 0;
	if (!has(c, 3))
		return HM_PARSE_L2_SHORT;
	if (memcmp(c->data + c->at, snap, 3) != 0)
		return HM_PARSE_L3_UNKNOWN;
	if (!has(c, 8))
		return HM_PARSE_L2_SHORT;
	uint16_t inner = be16(c->data + c->at + 6);
	if (memcmp(c->data + c->at, snap, 6) != 0 || inner < TYPE_MIN)
		return HM_PARSE_L3_UNKNOWN;
	*type = inner;
	c->at += 8;
	return HM_PARSE_OK;
}

/* A 16-bit field that is an ethertype or an 802.3 length, as behind MAC addresses and VLAN tags. */
static enum hm_parse_outcome take_type_or_length(struct parse_cursor *c, uint16_t *type)
{
	*type = be16(c->data + c->at);
	c->at += 2;
	return *type < TYPE_MIN ? skip_llc(c, type) : HM_PARSE_OK;
}

static enum hm_parse_outcome skip_vlan(struct parse_cursor *c, struct parse_view *v, uint16_t *type)
{
	if (!has(c, 4))
		return HM_PARSE_L2_SHORT;
	if (!(v->flags & F_VLAN))
		v->vlan_tci = be16(c->data + c->at);
	v->flags |= F_VLAN;
	c->at += 2;
	return take_type_or_length(c, type);
}

/* A PPP protocol field, one or two bytes (RFC 1661, 2 and 6.5), as an ethertype; 0: another one. */
static enum hm_parse_outcome take_ppp_protocol(struct parse_cursor *c, uint16_t *type)
{
	const uint8_t *p = c->data + c->at;
	uint16_t protocol;

	*type = 0;
	if (!has(c, 1))
		return HM_PARSE_L2_SHORT;
	bool compressed = p[0] & 1;
	if (!compressed && !has(c, 2))
		return HM_PARSE_L2_SHORT;
	protocol = compressed ? p[0] : be16(p);
	c->at += compressed ? 1 : 2;
	switch (protocol) {
	case PPP_IPV4:
		*type = TYPE_IPV4;
		return HM_PARSE_OK;
	case PPP_IPV6:
		*type = TYPE_IPV6;
		return HM_PARSE_OK;
	case PPP_MPLS:
	case PPP_MPLS_MULTICAST:
		*type = TYPE_MPLS;
		return HM_PARSE_OK;
	default:
		return HM_PARSE_L3_UNKNOWN;
	}
}

static enum hm_parse_outcome skip_pppoe(struct parse_cursor *c, struct parse_view *v,
					uint16_t *type)
{
	const uint8_t *p = c->data + c->at;

	if (!has(c, 6))
		return HM_PARSE_L2_SHORT;
	v->flags |= F_PPPOE;
	if (p[0] != 0x11 || p[1] != 0)
		return HM_PARSE_L3_UNKNOWN;
	c->at += 6;
	return take_ppp_protocol(c, type);
}

/* Whether p, 15 bytes, looks like an Ethernet header with something in it that we know well. */
static bool looks_like_ethernet(const uint8_t *p)
{
	switch (be16(p + 12)) {
	case TYPE_IPV4:
		return p[14] >> 4 == 4;
	case TYPE_IPV6:
		return p[14] >> 4 == 6;
	case TYPE_ARP:
	case TYPE_VLAN:
	case TYPE_QINQ:
	case TYPE_MPLS:
	case TYPE_PPPOE_SESSION:
		return true;
	default:
		return false;
	}
}

/* What a label stack carries is agreed between its ends and not in the packet. By RFC 4928 nothing
 * but IP begins with 4 or 6; 0 is the control word of a pseudo-wire (RFC 4385), taken for Ethernet
 * if the frame behind it looks like it. */
static enum hm_parse_outcome guess_behind_mpls(struct parse_cursor *c, uint16_t *type)
{
	const uint8_t *p = c->data + c->at;

	if (!has(c, 1))
		return HM_PARSE_L3_SHORT;
	switch (p[0] >> 4) {
	case 4:
		*type = TYPE_IPV4;
		return HM_PARSE_OK;
	case 6:
		*type = TYPE_IPV6;
		return HM_PARSE_OK;
	case 0:
		if (!has(c, 4 + 15) || !looks_like_ethernet(p + 4))
			return HM_PARSE_L3_UNKNOWN;
		c->at += 4 + 12;
		return take_type_or_length(c, type);
	default:
		return HM_PARSE_L3_UNKNOWN;
	}
}

static enum hm_parse_outcome skip_label(struct parse_cursor *c, struct parse_view *v,
					uint16_t *type)
{
	bool bottom;

	if (!has(c, 4))
		return HM_PARSE_L2_SHORT;
	bottom = c->data[c->at + 2] & 1;
	if (!(v->flags & F_MPLS))
		v->label = __builtin_bswap32(load32(c->data + c->at));
	v->flags |= F_MPLS;
	c->at += 4;
	return bottom ? guess_behind_mpls(c, type) : HM_PARSE_OK;
}

enum hm_parse_outcome hm_parse_tags(struct parse_cursor *c, struct parse_view *v, uint16_t type)
{
	enum hm_parse_outcome outcome = HM_PARSE_OK;

	for (unsigned depth = 0; outcome == HM_PARSE_OK; depth++) {
		v->ethertype = type;
		switch (type) {
		case TYPE_IPV4:
		case TYPE_IPV6:
		case TYPE_ARP:
			return HM_PARSE_OK;
		case TYPE_VLAN:
		case TYPE_QINQ:
		case TYPE_QINQ_OLD:
			outcome =
				depth < HM_PARSE_DEPTH ? skip_vlan(c, v, &type) : HM_PARSE_L2_DEPTH;
			break;
		case TYPE_MPLS:
		case TYPE_MPLS_MULTICAST:
			outcome = depth < HM_PARSE_DEPTH ? skip_label(c, v, &type)
							 : HM_PARSE_L2_DEPTH;
			break;
		case TYPE_PPPOE_SESSION:
			outcome = depth < HM_PARSE_DEPTH ? skip_pppoe(c, v, &type)
							 : HM_PARSE_L2_DEPTH;
			break;
		default:
			return HM_PARSE_L3_UNKNOWN;
		}
	}
	return outcome;
}

static enum hm_parse_outcome parse_ethernet(struct parse_cursor *c, struct parse_view *v)
{
	enum hm_parse_outcome outcome;
	uint16_t type;

	if (!has(c, 14))
		return HM_PARSE_L2_SHORT;
	c->at += 12;
	outcome = take_type_or_length(c, &type);
	return outcome == HM_PARSE_OK ? hm_parse_tags(c, v, type) : outcome;
}

static enum hm_parse_outcome parse_raw(struct parse_cursor *c, struct parse_view *v)
{
	if (!has(c, 1))
		return HM_PARSE_L3_SHORT;
	switch (c->data[c->at] >> 4) {
	case 4:
		v->ethertype = TYPE_IPV4;
		return HM_PARSE_OK;
	case 6:
		v->ethertype = TYPE_IPV6;
		return HM_PARSE_OK;
	default:
		return HM_PARSE_L3_UNKNOWN;
	}
}

/* Address 0f or 8f, control, ethertype (RFC 1547, 4.3.1). */
static enum hm_parse_outcome parse_cisco_hdlc(struct parse_cursor *c, struct parse_view *v)
{
	if (!has(c, 4))
		return HM_PARSE_L2_SHORT;
	c->at += 4;
	return hm_parse_tags(c, v, be16(c->data + c->at - 2));
}

/* Cisco's framing is found under both of PPP's link types; 0f and 8f are no PPP protocols. */
static enum hm_parse_outcome parse_ppp(struct parse_cursor *c, struct parse_view *v)
{
	const uint8_t *p = c->data + c->at;
	enum hm_parse_outcome outcome;
	uint16_t type;

	if (has(c, 1) && (p[0] == 0x0f || p[0] == 0x8f))
		return parse_cisco_hdlc(c, v);
	if (has(c, 2) && p[0] == 0xff && p[1] == 0x03)
		c->at += 2;
	outcome = take_ppp_protocol(c, &type);
	return outcome == HM_PARSE_OK ? hm_parse_tags(c, v, type) : outcome;
}

/* BSD's 4-byte address family; AF_INET6 has another number on each system. DLT_NULL is in the byte
 * order of the writer, which the file does not tell: families are small, so it shows. */
static enum hm_parse_outcome parse_loopback(struct parse_cursor *c, struct parse_view *v,
					    enum hm_link link)
{
	uint32_t family;

	if (!has(c, 4))
		return HM_PARSE_L2_SHORT;
	family = __builtin_bswap32(load32(c->data + c->at));
	if (link == HM_LINK_NULL && family > UINT16_MAX)
		family = __builtin_bswap32(family);
	c->at += 4;
	switch (family) {
	case 2:
		v->ethertype = TYPE_IPV4;
		return HM_PARSE_OK;
	case 10: // Linux
	case 23: // Windows
	case 24: // NetBSD, OpenBSD
	case 28: // FreeBSD
	case 30: // macOS
		v->ethertype = TYPE_IPV6;
		return HM_PARSE_OK;
	default:
		return HM_PARSE_L3_UNKNOWN;
	}
}

/* Linux cooked: the fields' places differ between the two versions, their meaning does not. */
static enum hm_parse_outcome parse_cooked(struct parse_cursor *c, struct parse_view *v,
					  enum hm_link link)
{
	enum { ARPHRD_NETLINK = 824, COOKED_LLC = 4 };
	bool second = link == HM_LINK_LINUX_SLL2;
	uint32_t length = second ? 20 : 16;
	const uint8_t *p = c->data + c->at;
	uint16_t type;

	if (!has(c, length))
		return HM_PARSE_L2_SHORT;
	c->at += length;
	if (be16(p + (second ? 8 : 2)) == ARPHRD_NETLINK)
		return HM_PARSE_L3_UNKNOWN;
	type = be16(p + (second ? 0 : 14));
	if (type == COOKED_LLC) {
		enum hm_parse_outcome outcome = skip_llc(c, &type);
		if (outcome != HM_PARSE_OK)
			return outcome;
	}
	return hm_parse_tags(c, v, type);
}

enum hm_parse_outcome hm_parse_link(struct parse_cursor *c, struct parse_view *v, enum hm_link link)
{
	switch (link) {
	case HM_LINK_ETHERNET:
		return parse_ethernet(c, v);
	case HM_LINK_RAW:
		return parse_raw(c, v);
	case HM_LINK_IPV4:
		v->ethertype = TYPE_IPV4;
		return HM_PARSE_OK;
	case HM_LINK_IPV6:
		v->ethertype = TYPE_IPV6;
		return HM_PARSE_OK;
	case HM_LINK_LINUX_SLL:
	case HM_LINK_LINUX_SLL2:
		return parse_cooked(c, v, link);
	case HM_LINK_PPP:
	case HM_LINK_PPP_SERIAL:
		return parse_ppp(c, v);
	case HM_LINK_C_HDLC:
		return parse_cisco_hdlc(c, v);
	case HM_LINK_NULL:
	case HM_LINK_LOOP:
		return parse_loopback(c, v, link);
	}
	return HM_PARSE_L3_UNKNOWN;
}
