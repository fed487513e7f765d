/* SPDX-License-Identifier: BSD-3-Clause */
#include "filter/meaning.h"

#include <string.h>

#include <pcap/pcap.h>

#include <pcap/namedb.h>

enum {
	ETHERTYPE_IP = 0x0800,
	ETHERTYPE_ARP = 0x0806,
	ETHERTYPE_RARP = 0x8035,
	ETHERTYPE_IP6 = 0x86dd,
	ETHERTYPE_VLAN = 0x8100,
	ETHERTYPE_QINQ = 0x88a8,
	ETHERTYPE_QINQ_OLD = 0x9100,
	ETHERTYPE_MPLS = 0x8847,
	ETHERTYPE_PPPOED = 0x8863,
	ETHERTYPE_PPPOES = 0x8864,
	ETHERTYPE_ATALK = 0x809b, // these two may be SNAP frames as well
	ETHERTYPE_AARP = 0x80f3,
	ETHERTYPE_MIN = 1501, // below are LLC's
	PPP_MPLS = 0x0281,
};

#define LANE_AT_MAX    4096 // largest offset of a byte test that the index takes
#define NETWORK_AT_MAX 64   // and of a network header: each tag makes a view of its own

/* --- views --- */

void hm_builder_init(struct hm_builder *b, struct hm_tree *tree, enum hm_link link)
{
	static const struct {
		enum hm_link link;
		struct hm_view view;
	} views[] = {
		{HM_LINK_ETHERNET, {HM_TYPING_ETHERTYPE, 0, 12, 14, 0}},
		{HM_LINK_LINUX_SLL, {HM_TYPING_ETHERTYPE, 0, 14, 16, 0}},
		{HM_LINK_LINUX_SLL2, {HM_TYPING_ETHERTYPE, 0, 0, 20, 0}},
		{HM_LINK_C_HDLC, {HM_TYPING_ETHERTYPE, 0, 2, 4, 0}},
		{HM_LINK_PPP, {HM_TYPING_PPP, 0, 2, 4, 0}},
		{HM_LINK_PPP_SERIAL, {HM_TYPING_PPP, 0, 2, 4, 0}},
		{HM_LINK_RAW, {HM_TYPING_VERSION, 0, 0, 0, 0}},
		{HM_LINK_IPV4, {HM_TYPING_IPV4, 0, 0, 0, 0}},
		{HM_LINK_IPV6, {HM_TYPING_IPV6, 0, 0, 0, 0}},
		{HM_LINK_NULL, {HM_TYPING_NULL, 0, 0, 4, 0}},
		{HM_LINK_LOOP, {HM_TYPING_LOOP, 0, 0, 4, 0}},
	};

	memset(tree, 0, sizeof(*tree));
	*b = (struct hm_builder){.tree = tree,
				 .link = link,
				 .ethernet = link == HM_LINK_ETHERNET,
				 .result = HM_NOT_COVERED};
	for (size_t i = 0; i < sizeof(views) / sizeof(views[0]); i++) {
		if (views[i].link == link) {
			b->view = b->first_view = views[i].view;
			b->result = HM_PARSED;
		}
	}
}

static uint32_t add_guard(struct hm_builder *b, enum hm_guard guard)
{
	struct hm_predicate p = {
		.kind = HM_IS_GUARD, .guard = (uint8_t)guard, .lane.view = b->view};

	return hm_mean_predicate(b, &p);
}

/* Whether the type field says `type`, an ethertype. */
static uint32_t mean_type(struct hm_builder *b, uint32_t type)
{
	struct hm_lane lane = {.base = HM_LANE_PACKET, .size = 2, .at = b->view.type_at};

	if (type == ETHERTYPE_IP)
		return add_guard(b, HM_GUARD_IP);
	if (type == ETHERTYPE_IP6)
		return add_guard(b, HM_GUARD_IP6);
	if (type == ETHERTYPE_ARP)
		return add_guard(b, HM_GUARD_ARP);
	if (type == ETHERTYPE_RARP)
		return add_guard(b, HM_GUARD_RARP);
	if (b->view.typing != HM_TYPING_ETHERTYPE || type < ETHERTYPE_MIN || type > UINT16_MAX ||
	    type == ETHERTYPE_ATALK || type == ETHERTYPE_AARP)
		return hm_give_up(b, HM_NOT_COVERED);
	lane.view = b->first_view;
	return hm_mean_compare(b, &lane, UINT32_MAX, HM_EQUAL, type);
}

static uint32_t mean_network_bytes(struct hm_builder *b, uint32_t at, uint8_t size, uint32_t mask,
				   uint32_t number)
{
	struct hm_lane lane = {.base = HM_LANE_PACKET,
			       .size = size,
			       .at = b->view.network_at + at,
			       .view = b->first_view};

	return hm_mean_compare(b, &lane, mask, HM_EQUAL, number);
}

static void move_view(struct hm_builder *b, unsigned type, unsigned network)
{
	b->view.type_at = (uint16_t)(b->view.type_at + type);
	b->view.network_at = (uint16_t)(b->view.network_at + network);
	if (b->view.network_at > NETWORK_AT_MAX)
		hm_give_up(b, HM_NOT_COVERED);
}

uint32_t hm_mean_vlan(struct hm_builder *b, uint32_t id)
{
	uint32_t node;

	if (!b->ethernet || b->view.typing != HM_TYPING_ETHERTYPE)
		return hm_give_up(b, HM_NOT_COVERED);
	node = hm_mean_or(b, mean_type(b, ETHERTYPE_VLAN), mean_type(b, ETHERTYPE_QINQ));
	node = hm_mean_or(b, node, mean_type(b, ETHERTYPE_QINQ_OLD));
	if (id != UINT32_MAX)
		node = hm_mean_and(b, node, mean_network_bytes(b, 0, 2, 0xfff, id));
	move_view(b, 4, 4);
	return node;
}

uint32_t hm_mean_mpls(struct hm_builder *b, uint32_t label)
{
	struct hm_lane type = {
		.base = HM_LANE_PACKET, .size = 2, .at = b->view.type_at, .view = b->first_view};
	uint32_t node;

	if (b->view.typing == HM_TYPING_MPLS) // not the bottom of the stack
		node = mean_network_bytes(b, (uint32_t)-2, 1, 1, 0);
	else if (b->view.typing == HM_TYPING_PPP)
		node = hm_mean_compare(b, &type, UINT32_MAX, HM_EQUAL, PPP_MPLS);
	else
		node = mean_type(b, ETHERTYPE_MPLS);
	if (label != UINT32_MAX)
		node = hm_mean_and(b, node, mean_network_bytes(b, 0, 4, 0xfffff000, label << 12));
	move_view(b, 0, 4);
	b->view.typing = HM_TYPING_MPLS;
	b->view.type_at = b->view.network_at;
	return node;
}

uint32_t hm_mean_pppoed(struct hm_builder *b)
{
	return mean_type(b, ETHERTYPE_PPPOED);
}

uint32_t hm_mean_pppoes(struct hm_builder *b, uint32_t session)
{
	uint32_t node = mean_type(b, ETHERTYPE_PPPOES);

	if (session != UINT32_MAX)
		node = hm_mean_and(b, node, mean_network_bytes(b, 0, 4, 0xffff, session));
	move_view(b, 0, 8);
	b->view.typing = HM_TYPING_PPP;
	b->view.type_at = b->view.link_at = (uint16_t)(b->view.network_at - 2);
	b->ethernet = false;
	return node;
}

/* --- addresses --- */

static uint32_t add_directed(struct hm_builder *b, struct hm_predicate *p,
			     enum hm_qualifier_direction direction)
{
	uint32_t source;

	if (direction == Q_SRC_AND_DST) {
		p->direction = HM_SRC;
		source = hm_mean_predicate(b, p);
		p->direction = HM_DST;
		return hm_mean_and(b, source, hm_mean_predicate(b, p));
	}
	p->direction = direction == Q_SRC ? HM_SRC : direction == Q_DST ? HM_DST : HM_EITHER;
	return hm_mean_predicate(b, p);
}

static uint32_t mean_ipv4(struct hm_builder *b, const struct hm_qualifiers *q, uint32_t address,
			  unsigned bits)
{
	struct hm_predicate p = {.kind = HM_IS_ADDR4, .bits = (uint8_t)bits, .lane.view = b->view};

	switch (q->proto) {
	case 0:
		p.guard = HM_GUARD_ALL;
		break;
	case TOKEN_IP:
		p.guard = HM_GUARD_IP;
		break;
	case TOKEN_ARP:
		p.guard = HM_GUARD_ARP;
		break;
	case TOKEN_RARP:
		p.guard = HM_GUARD_RARP;
		break;
	default:
		return hm_give_up(b, HM_NOT_COVERED);
	}
	if (bits > 0) {
		p.low = address;
		return add_directed(b, &p, q->direction);
	}
	if (p.guard != HM_GUARD_ALL)
		return add_guard(b, p.guard);
	return hm_mean_or(b, add_guard(b, HM_GUARD_IP),
			  hm_mean_or(b, add_guard(b, HM_GUARD_ARP), add_guard(b, HM_GUARD_RARP)));
}

static uint32_t mean_ipv6(struct hm_builder *b, const struct hm_qualifiers *q,
			  const struct hm_token *t, unsigned bits)
{
	struct hm_predicate p = {.kind = HM_IS_ADDR6, .bits = (uint8_t)bits, .lane.view = b->view};

	if ((q->proto != 0 && q->proto != TOKEN_IP6) || bits > 128 || !hm_token_ipv6(t, p.address))
		return hm_give_up(b, HM_NOT_COVERED);
	return bits > 0 ? add_directed(b, &p, q->direction) : add_guard(b, HM_GUARD_IP6);
}

static uint32_t mean_mac(struct hm_builder *b, enum hm_qualifier_direction direction,
			 const uint8_t address[6])
{
	struct hm_predicate p = {.kind = HM_IS_MAC, .lane.view = b->first_view};

	if (!b->ethernet)
		return hm_give_up(b, HM_NOT_COVERED);
	memcpy(p.address, address, 6);
	return add_directed(b, &p, direction);
}

/* A number in place of an address: a net's is moved up to where its first byte is not 0. */
static uint32_t mean_number_address(struct hm_builder *b, const struct hm_qualifiers *q,
				    uint32_t number)
{
	unsigned bits = 32;

	while (q->type == TOKEN_NET && number != 0 && number >> 24 == 0) {
		number <<= 8;
		bits -= 8;
	}
	return mean_ipv4(b, q, number, bits);
}

static uint32_t mean_address(struct hm_builder *b, const struct hm_qualifiers *q,
			     const struct hm_token *t)
{
	uint8_t mac[6] = {0};
	uint32_t address;
	unsigned bits;

	switch (t->kind) {
	case TOKEN_IPV4:
		bits = hm_token_ipv4(t, &address);
		return bits > 0 ? mean_ipv4(b, q, address, bits) : hm_give_up(b, HM_NOT_COVERED);
	case TOKEN_IPV6:
		return mean_ipv6(b, q, t, 128);
	case TOKEN_NUMBER:
		return mean_number_address(b, q, t->number);
	case TOKEN_MAC:
		if (q->proto != TOKEN_LINK || q->type == TOKEN_NET)
			return hm_give_up(b, HM_NOT_COVERED);
		hm_token_mac(t, mac);
		return mean_mac(b, q->direction, mac);
	default:
		return hm_give_up(b, HM_NOT_COVERED);
	}
}

uint32_t hm_mean_net(struct hm_builder *b, const struct hm_qualifiers *q, const struct hm_token *t,
		     uint32_t bits)
{
	uint32_t address;

	if (t->kind == TOKEN_IPV6)
		return mean_ipv6(b, q, t, bits);
	if (q->type != TOKEN_NET || bits > 32 || hm_token_ipv4(t, &address) == 0)
		return hm_give_up(b, HM_NOT_COVERED);
	return mean_ipv4(b, q, address, bits);
}

uint32_t hm_mean_mask(struct hm_builder *b, const struct hm_qualifiers *q, const struct hm_token *t,
		      const struct hm_token *mask)
{
	uint32_t address, bits;

	if (q->type != TOKEN_NET || hm_token_ipv4(t, &address) == 0 ||
	    hm_token_ipv4(mask, &bits) == 0 || (~bits & (~bits + 1)) != 0)
		return hm_give_up(b, HM_NOT_COVERED);
	return mean_ipv4(b, q, address, (unsigned)__builtin_popcount(bits));
}

uint32_t hm_mean_broadcast(struct hm_builder *b, int proto)
{
	static const uint8_t everybody[6] = {0xff, 0xff, 0xff, 0xff, 0xff, 0xff};
	const struct hm_qualifiers q = {.proto = TOKEN_IP, .direction = Q_DST};

	if (proto == 0 || proto == TOKEN_LINK)
		return mean_mac(b, Q_DST, everybody);
	if (proto != TOKEN_IP)
		return hm_give_up(b, HM_NOT_COVERED);
	// with the netmask that libpcap is given, 0, all bits are host bits
	return hm_mean_or(b, mean_ipv4(b, &q, 0, 32), mean_ipv4(b, &q, UINT32_MAX, 32));
}

uint32_t hm_mean_multicast(struct hm_builder *b, int proto)
{
	struct hm_lane lane;

	if (proto == TOKEN_IP) {
		lane = hm_mean_load(b, TOKEN_IP, 16, 1);
		return hm_mean_compare(b, &lane, UINT32_MAX, HM_GREATER_EQUAL, 224);
	}
	if (proto == TOKEN_IP6) {
		lane = hm_mean_load(b, TOKEN_IP6, 24, 1);
		return hm_mean_compare(b, &lane, UINT32_MAX, HM_EQUAL, 255);
	}
	if ((proto != 0 && proto != TOKEN_LINK) || !b->ethernet)
		return hm_give_up(b, HM_NOT_COVERED);
	lane = hm_mean_load(b, TOKEN_LINK, 0, 1);
	return hm_mean_compare(b, &lane, 1, HM_EQUAL, 1);
}

/* --- ports and protocols --- */

static uint32_t mean_ports(struct hm_builder *b, const struct hm_qualifiers *q, int proto,
			   uint32_t low, uint32_t high)
{
	struct hm_predicate p = {.kind = HM_IS_PORT,
				 .low = low < high ? low : high,
				 .high = low < high ? high : low,
				 .lane.view = b->view};

	if (p.high > UINT16_MAX)
		return hm_give_up(b, HM_NOT_COVERED);
	switch (proto) {
	case 0:
		p.guard = HM_GUARD_ALL;
		break;
	case TOKEN_TCP:
		p.guard = HM_GUARD_TCP;
		break;
	case TOKEN_UDP:
		p.guard = HM_GUARD_UDP;
		break;
	case TOKEN_SCTP:
		p.guard = HM_GUARD_SCTP;
		break;
	default:
		return hm_give_up(b, HM_NOT_COVERED);
	}
	return add_directed(b, &p, q->direction);
}

/* A service's name: may say the protocol, too. */
static uint32_t mean_service(struct hm_builder *b, const struct hm_qualifiers *q, const char *name)
{
	int low = -1, high = -1, number = PROTO_UNDEF, proto = q->proto;
	bool found;

	if (q->type == TOKEN_PORTRANGE)
		found = pcap_nametoportrange(name, &low, &high, &number) != 0;
	else
		found = pcap_nametoport(name, &low, &number) != 0;
	if (!found || low < 0 || low > UINT16_MAX)
		return hm_give_up(b, HM_NOT_COVERED);
	if (proto == 0)
		proto = number == 6     ? TOKEN_TCP
			: number == 17  ? TOKEN_UDP
			: number == 132 ? TOKEN_SCTP
					: 0;
	return mean_ports(b, q, proto, (uint32_t)low,
			  q->type == TOKEN_PORTRANGE ? (uint32_t)high : (uint32_t)low);
}

static uint32_t add_protocol(struct hm_builder *b, enum hm_guard guard, uint32_t number)
{
	struct hm_predicate p = {
		.kind = HM_IS_PROTO, .guard = (uint8_t)guard, .low = number, .lane.view = b->view};

	return number <= UINT8_MAX ? hm_mean_predicate(b, &p) : hm_give_up(b, HM_NOT_COVERED);
}

static uint32_t mean_proto_number(struct hm_builder *b, int proto, uint32_t number)
{
	switch (proto) {
	case 0:
		return add_protocol(b, HM_GUARD_ALL, number);
	case TOKEN_IP:
		return add_protocol(b, HM_GUARD_IP, number);
	case TOKEN_IP6:
		return add_protocol(b, HM_GUARD_IP6, number);
	case TOKEN_LINK:
		if (b->view.typing != HM_TYPING_ETHERTYPE)
			return hm_give_up(b, HM_NOT_COVERED);
		return mean_type(b, number);
	default:
		return hm_give_up(b, HM_NOT_COVERED);
	}
}

static uint32_t mean_proto_name(struct hm_builder *b, int proto, const char *name)
{
	int number = proto == TOKEN_LINK ? pcap_nametoeproto(name) : pcap_nametoproto(name);

	return number == PROTO_UNDEF ? hm_give_up(b, HM_NOT_COVERED)
				     : mean_proto_number(b, proto, (uint32_t)number);
}

/* The IP protocol of a keyword, and over which IP it is looked for. */
static int protocol_number(int token, int *over)
{
	*over = 0;
	switch (token) {
	case TOKEN_SCTP:
		return 132;
	case TOKEN_TCP:
		return 6;
	case TOKEN_UDP:
		return 17;
	case TOKEN_PIM:
		return 103;
	case TOKEN_AH:
		return 51;
	case TOKEN_ESP:
		return 50;
	case TOKEN_ICMP6:
		*over = TOKEN_IP6;
		return 58;
	default:
		*over = TOKEN_IP;
		break;
	}
	switch (token) {
	case TOKEN_ICMP:
		return 1;
	case TOKEN_IGMP:
		return 2;
	case TOKEN_IGRP:
		return 9;
	case TOKEN_VRRP:
	case TOKEN_CARP:
		return 112;
	default:
		return -1;
	}
}

uint32_t hm_mean_protocol(struct hm_builder *b, int token)
{
	int over, number;

	switch (token) {
	case TOKEN_IP:
		return add_guard(b, HM_GUARD_IP);
	case TOKEN_IP6:
		return add_guard(b, HM_GUARD_IP6);
	case TOKEN_ARP:
		return add_guard(b, HM_GUARD_ARP);
	case TOKEN_RARP:
		return add_guard(b, HM_GUARD_RARP);
	default:
		number = protocol_number(token, &over);
		return number < 0 ? hm_give_up(b, HM_NOT_COVERED)
				  : mean_proto_number(b, over, (uint32_t)number);
	}
}

uint32_t hm_mean_operand(struct hm_builder *b, const struct hm_qualifiers *q,
			 const struct hm_token *t)
{
	bool name = t->kind == TOKEN_NAME;
	char text[128];

	if (q->type == 0 || q->type == TOKEN_HOST || q->type == TOKEN_NET)
		return mean_address(b, q, t);
	if ((!name && t->kind != TOKEN_NUMBER) || q->type == TOKEN_PROTOCHAIN ||
	    t->length >= sizeof(text))
		return hm_give_up(b, HM_NOT_COVERED);
	memcpy(text, t->at, t->length);
	text[t->length] = '\0';
	if (q->type == TOKEN_PROTO)
		return name ? mean_proto_name(b, q->proto, text)
			    : mean_proto_number(b, q->proto, t->number);
	return name ? mean_service(b, q, text) : mean_ports(b, q, q->proto, t->number, t->number);
}

/* --- lengths and bytes --- */

struct hm_lane hm_mean_length(struct hm_builder *b)
{
	return (struct hm_lane){.base = HM_LANE_LENGTH, .view = b->first_view};
}

uint32_t hm_mean_less(struct hm_builder *b, uint32_t length)
{
	struct hm_lane lane = hm_mean_length(b);

	return hm_mean_compare(b, &lane, UINT32_MAX, HM_LESS_EQUAL, length);
}

uint32_t hm_mean_greater(struct hm_builder *b, uint32_t length)
{
	struct hm_lane lane = hm_mean_length(b);

	return hm_mean_compare(b, &lane, UINT32_MAX, HM_GREATER_EQUAL, length);
}

struct hm_lane hm_mean_load(struct hm_builder *b, int proto, uint32_t at, uint32_t size)
{
	struct hm_lane lane = {.base = HM_LANE_PACKET, .size = (uint8_t)size, .view = b->view};
	int over, number;

	if ((size != 1 && size != 2 && size != 4) || at > LANE_AT_MAX)
		hm_give_up(b, HM_NOT_COVERED);
	lane.at = b->view.network_at + at;
	switch (proto) {
	case TOKEN_LINK:
		lane.at = b->view.link_at + at;
		lane.view = b->first_view;
		break;
	case TOKEN_IP:
		lane.guard = HM_GUARD_IP;
		break;
	case TOKEN_IP6:
		lane.guard = HM_GUARD_IP6;
		break;
	case TOKEN_ARP:
		lane.guard = HM_GUARD_ARP;
		break;
	case TOKEN_RARP:
		lane.guard = HM_GUARD_RARP;
		break;
	case TOKEN_ICMP6:
		lane.guard = HM_GUARD_IP6;
		lane.proto = 58;
		lane.at += 40;
		break;
	case TOKEN_AH:
	case TOKEN_ESP:
		hm_give_up(b, HM_NOT_COVERED);
		break;
	default:
		number = protocol_number(proto, &over);
		lane.base = HM_LANE_TRANSPORT;
		lane.guard = HM_GUARD_FIRST;
		lane.proto = (uint8_t)number;
		lane.at = at;
		break;
	}
	return lane;
}

uint32_t hm_mean_compare(struct hm_builder *b, const struct hm_lane *lane, uint32_t mask,
			 enum hm_compare compare, uint32_t number)
{
	struct hm_predicate p = {.kind = HM_IS_COMPARE,
				 .compare = (uint8_t)compare,
				 .low = number,
				 .high = mask,
				 .lane = *lane};

	return hm_mean_predicate(b, &p);
}
