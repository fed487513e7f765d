/* SPDX-License-Identifier: BSD-3-Clause */
#include "anon/packet.h"

#include <stddef.h>
#include <string.h>

#include "core/parse.h"
#include "core/wire.h"

#define IPV6_HEADER 40

/* --- what the parser knows --- */

static void view_of(struct hm_anon_view *v, const struct hm_batch *b, unsigned i)
{
	const uint64_t bit = UINT64_C(1) << i;

	memset(v, 0, sizeof(*v));
	v->end = b->end[i];
	if (!((b->ipv4 | b->ipv6) & bit))
		return;
	v->v4 = b->ipv4 & bit;
	v->v6 = b->ipv6 & bit;
	v->tcp = b->tcp & bit;
	v->udp = b->udp & bit;
	v->icmp = (b->icmp | b->icmp6) & bit;
	v->later = b->later_fragment & bit;
	v->proto = b->proto[i];
	v->l3 = b->l3[i];
	v->l4 = b->l4_ok & bit ? b->l4[i] : 0;
	v->payload = b->payload[i] == HM_NONE ? v->end : b->payload[i];
	if (v->v6 && b->fragment & bit)
		v->fragment = (uint16_t)hm_parse_fragment_header(b, i, NULL);
	if (v->v4)
		v->body = (uint16_t)(v->l3 + (b->data[i][v->l3] & 15u) * 4);
	else
		v->body = v->l4 ? v->l4 : v->later ? v->payload : (uint16_t)(v->l3 + IPV6_HEADER);
}

void hm_anon_packet_begin(struct hm_anon_packet *p, const struct hm_batch *b, unsigned i,
			  uint8_t *bytes, uint32_t room, bool keep_lengths,
			  const struct hm_batch *outside, unsigned o)
{
	const uint64_t bit = UINT64_C(1) << i;

	// the views are filled as far as there are some
	memset(p, 0, offsetof(struct hm_anon_packet, view));
	p->before = b->data[i];
	p->bytes = bytes;
	p->caplen = b->caplen[i];
	p->wirelen = b->wirelen[i];
	p->room = room;
	p->ts_ns = b->ts_ns[i];
	p->ethernet = b->link == HM_LINK_ETHERNET;
	p->arp = b->arp & bit;
	p->arp_at = b->l3[i];
	p->pppoe = b->pppoe & bit;
	p->fragment = b->fragment & bit;
	p->snapped = b->snapped & bit;
	p->n_views = 1;
	p->stiff = keep_lengths || outside || p->fragment;
	view_of(&p->view[HM_ANON_INNER], b, i);
	if (outside) {
		view_of(&p->view[HM_ANON_OUTER], outside, o);
		p->n_views = HM_ANON_VIEWS;
	}
	memcpy(p->view_before, p->view, p->n_views * sizeof(p->view[0]));
}

/* --- fields of fixed size --- */

enum { PORT_HTTP = 80, PORT_FTP = 21 };

static bool has_port(const struct hm_anon_packet *p, const struct hm_anon_view *v, uint32_t port)
{
	return v->tcp && v->l4 &&
	       (hm_be16(p->before + v->l4) == port || hm_be16(p->before + v->l4 + 2) == port);
}

bool hm_anon_view_is(const struct hm_anon_packet *p, const struct hm_anon_view *v,
		     enum hm_anon_word protocol)
{
	// ports are those of the original: another rule may have changed them
	const struct hm_anon_view *original = &p->view_before[v - p->view];

	switch (protocol) {
	case HM_ANON_IP:
		return v->v4 || v->v6;
	case HM_ANON_TCP:
		return v->tcp;
	case HM_ANON_UDP:
		return v->udp;
	case HM_ANON_ICMP:
		return v->icmp;
	case HM_ANON_HTTP:
		return has_port(p, original, PORT_HTTP);
	case HM_ANON_FTP:
		return has_port(p, original, PORT_FTP);
	default:
		return false;
	}
}

#define NOWHERE UINT8_MAX

/* Where a field is in a header, and its bits. */
struct where {
	uint8_t at, n; // NOWHERE: it has none
	uint32_t mask;
};

/* Of both IP headers. */
static const struct {
	enum hm_anon_word field;
	struct where v4, v6;
	bool in_fragment_header; // that of IPv6
} ip_fields[] = {
	{HM_ANON_SRC_IP, {12, 4, 0}, {8, 16, 0}, false},
	{HM_ANON_DST_IP, {16, 4, 0}, {24, 16, 0}, false},
	{HM_ANON_TTL, {8, 1, 0}, {7, 1, 0}, false},
	{HM_ANON_TOS, {1, 1, 0}, {0, 2, 0x0ff0}, false},
	{HM_ANON_ID, {4, 2, 0}, {4, 4, 0}, true},
	{HM_ANON_PACKET_LENGTH, {2, 2, 0}, {4, 2, 0}, false},
	{HM_ANON_IP_PROTO, {9, 1, 0}, {6, 1, 0}, false},
	{HM_ANON_FRAGMENT_OFFSET, {6, 2, 0x1fff}, {2, 2, 0xfff8}, true},
	{HM_ANON_FLOW, {NOWHERE, 0, 0}, {0, 4, 0x000fffff}, false},
	{HM_ANON_SRC_IID, {NOWHERE, 0, 0}, {16, 8, 0}, false},
	{HM_ANON_DST_IID, {NOWHERE, 0, 0}, {32, 8, 0}, false},
};

static const struct {
	enum hm_anon_word field;
	struct where tcp, udp, icmp;
} l4_fields[] = {
	{HM_ANON_SRC_PORT, {0, 2, 0}, {0, 2, 0}, {NOWHERE, 0, 0}},
	{HM_ANON_DST_PORT, {2, 2, 0}, {2, 2, 0}, {NOWHERE, 0, 0}},
	{HM_ANON_SEQUENCE_NUMBER, {4, 4, 0}, {NOWHERE, 0, 0}, {NOWHERE, 0, 0}},
	{HM_ANON_ACK_NUMBER, {8, 4, 0}, {NOWHERE, 0, 0}, {NOWHERE, 0, 0}},
	{HM_ANON_OFFSET_AND_RESERVED, {12, 1, 0}, {NOWHERE, 0, 0}, {NOWHERE, 0, 0}},
	{HM_ANON_FLAGS, {13, 1, 0}, {NOWHERE, 0, 0}, {NOWHERE, 0, 0}},
	{HM_ANON_WINDOW, {14, 2, 0}, {NOWHERE, 0, 0}, {NOWHERE, 0, 0}},
	{HM_ANON_URGENT_POINTER, {18, 2, 0}, {NOWHERE, 0, 0}, {NOWHERE, 0, 0}},
	{HM_ANON_UDP_DATAGRAM_LENGTH, {NOWHERE, 0, 0}, {4, 2, 0}, {NOWHERE, 0, 0}},
	{HM_ANON_TYPE, {NOWHERE, 0, 0}, {NOWHERE, 0, 0}, {0, 1, 0}},
	{HM_ANON_CODE, {NOWHERE, 0, 0}, {NOWHERE, 0, 0}, {1, 1, 0}},
	{HM_ANON_CHECKSUM, {16, 2, 0}, {6, 2, 0}, {2, 2, 0}},
};

/* One more place, unless it is nowhere or begins or goes beyond `end`. */
static unsigned add(struct hm_anon_place *places, unsigned n, uint32_t header, struct where w,
		    uint32_t end)
{
	if (w.at == NOWHERE || header + w.at + w.n > end)
		return n;
	places[n] = (struct hm_anon_place){header + w.at, w.n, w.mask};
	return n + 1;
}

static unsigned find_ip(const struct hm_anon_view *v, enum hm_anon_word field,
			struct hm_anon_place *places)
{
	static const struct where header_sum = {10, 2, 0};

	if (field == HM_ANON_CHECKSUM)
		return v->v4 ? add(places, 0, v->l3, header_sum, v->end) : 0;
	for (size_t i = 0; i < sizeof(ip_fields) / sizeof(ip_fields[0]); i++)
		if (ip_fields[i].field == field) {
			if (v->v4)
				return add(places, 0, v->l3, ip_fields[i].v4, v->end);
			if (!ip_fields[i].in_fragment_header)
				return add(places, 0, v->l3, ip_fields[i].v6, v->end);
			return v->fragment ? add(places, 0, v->fragment, ip_fields[i].v6, v->end)
					   : 0;
		}
	return 0;
}

static unsigned find_l4(const struct hm_anon_view *v, enum hm_anon_word field,
			struct hm_anon_place *places)
{
	for (size_t i = 0; v->l4 && i < sizeof(l4_fields) / sizeof(l4_fields[0]); i++)
		if (l4_fields[i].field == field)
			return add(places, 0, v->l4,
				   v->tcp   ? l4_fields[i].tcp
				   : v->udp ? l4_fields[i].udp
					    : l4_fields[i].icmp,
				   v->end);
	return 0;
}

static unsigned find_arp(const struct hm_anon_packet *p, enum hm_anon_word field,
			 struct hm_anon_place *places)
{
	const uint8_t *arp = p->bytes + p->arp_at;
	static const struct where sender_mac = {8, 6, 0}, sender_ip = {14, 4, 0},
				  target_mac = {18, 6, 0}, target_ip = {24, 4, 0};

	if (!p->arp || arp[4] != 6 || arp[5] != 4) // Ethernet and IPv4 only, RFC 826
		return 0;
	return add(places, 0, p->arp_at,
		   field == HM_ANON_SRC_MAC   ? sender_mac
		   : field == HM_ANON_SRC_IP  ? sender_ip
		   : field == HM_ANON_DST_MAC ? target_mac
					      : target_ip,
		   p->caplen);
}

/* The identifiers of all tags. */
static unsigned find_vlans(const struct hm_anon_packet *p, struct hm_anon_place *places)
{
	static const struct where identifier = {2, 2, 0x0fff};
	unsigned n = 0;

	for (uint32_t at = 12; at + 4 <= p->caplen && n < HM_ANON_PLACES_MAX; at += 4) {
		const uint32_t type = hm_be16(p->bytes + at);

		if (type != 0x8100 && type != 0x88a8 && type != 0x9100)
			break;
		n = add(places, n, at, identifier, p->caplen);
	}
	return n;
}

static unsigned find_ethernet(const struct hm_anon_packet *p, enum hm_anon_word field,
			      struct hm_anon_place *places)
{
	static const struct where source = {6, 6, 0}, destination = {0, 6, 0},
				  source_nic = {9, 3, 0}, destination_nic = {3, 3, 0};

	if (!p->ethernet)
		return 0;
	switch (field) {
	case HM_ANON_SRC_MAC:
		return add(places, 0, 0, source, p->caplen);
	case HM_ANON_DST_MAC:
		return add(places, 0, 0, destination, p->caplen);
	case HM_ANON_SRC_NIC:
		return add(places, 0, 0, source_nic, p->caplen);
	case HM_ANON_DST_NIC:
		return add(places, 0, 0, destination_nic, p->caplen);
	default:
		return find_vlans(p, places);
	}
}

static bool is_transport(enum hm_anon_word protocol, enum hm_anon_word field)
{
	if (protocol == HM_ANON_IP)
		return false;
	return field == HM_ANON_CHECKSUM || (field >= HM_ANON_SRC_PORT && field <= HM_ANON_CODE);
}

unsigned hm_anon_packet_find(const struct hm_anon_packet *p, const struct hm_anon_rule *r,
			     struct hm_anon_place *places)
{
	unsigned n = 0;

	if (r->protocol == HM_ANON_ETH)
		return find_ethernet(p, r->field, places);
	if (r->protocol == HM_ANON_ARP)
		return find_arp(p, r->field, places);
	for (unsigned i = 0; i < p->n_views; i++) {
		const struct hm_anon_view *v = &p->view[i];

		if (!hm_anon_view_is(p, v, r->protocol))
			continue;
		n += is_transport(r->protocol, r->field) ? find_l4(v, r->field, places + n)
							 : find_ip(v, r->field, places + n);
	}
	return n;
}

/* --- longer and shorter --- */

uint32_t hm_anon_packet_room(const struct hm_anon_packet *p, uint32_t n)
{
	const struct hm_anon_view *v = &p->view[HM_ANON_INNER];
	const uint32_t here = p->room - p->caplen;
	uint32_t length = 0, there;

	if (p->stiff)
		return n;
	if (v->v4)
		length = hm_be16(p->before + p->view_before[HM_ANON_INNER].l3 + 2);
	else if (v->v6)
		length = hm_be16(p->before + p->view_before[HM_ANON_INNER].l3 + 4);
	length += (uint32_t)p->grown_ip;
	there = length < UINT16_MAX ? UINT16_MAX - length : 0;
	return n + (here < there ? here : there);
}

/* The place at `at`, if it is behind what has moved. */
static void move(uint16_t *at, uint32_t from, int32_t by)
{
	if (*at >= from)
		*at = (uint16_t)(*at + by);
}

static void move_view(struct hm_anon_view *v, uint32_t from, int32_t by)
{
	move(&v->body, from, by);
	if (v->l4)
		move(&v->l4, from, by);
	move(&v->payload, from, by);
	move(&v->end, from, by);
}

void hm_anon_packet_splice(struct hm_anon_packet *p, uint32_t at, uint32_t n, const uint8_t *with,
			   uint32_t n_with)
{
	struct hm_anon_view *v = &p->view[HM_ANON_INNER];
	const int32_t by = (int32_t)n_with - (int32_t)n;

	p->changed = true;
	if (at + n > v->payload || at >= v->payload)
		p->payload_changed = true;
	if (p->stiff || by == 0) {
		memcpy(p->bytes + at, with, n_with < n ? n_with : n);
		if (n_with < n)
			memset(p->bytes + at + n_with, 0, n - n_with);
		return;
	}
	p->payload_changed = true; // what is behind it may begin at an odd place now
	memmove(p->bytes + at + n_with, p->bytes + at + n, p->caplen - at - n);
	memcpy(p->bytes + at, with, n_with);
	p->caplen = (uint32_t)((int32_t)p->caplen + by);
	p->wirelen = (uint32_t)((int32_t)p->wirelen + by);
	p->grown_ip += by;
	if (at >= v->body)
		p->grown_l4 += by;
	move_view(v, at + n, by);
}

/* Where the datagram ended on the wire. */
static uint32_t wire_end(const struct hm_anon_packet *p, const struct hm_anon_view *v)
{
	uint32_t length =
		v->v4 ? hm_be16(p->bytes + v->l3 + 2) : hm_be16(p->bytes + v->l3 + 4) + IPV6_HEADER;

	length = v->l3 + (uint32_t)((int32_t)length + p->grown_ip);
	return length > v->end ? length : v->end;
}

void hm_anon_packet_cut(struct hm_anon_packet *p, uint32_t at, uint32_t keep)
{
	struct hm_anon_view *v = &p->view[HM_ANON_INNER];
	const uint32_t was = wire_end(p, v), is = at + keep < was ? at + keep : was;
	const uint32_t end = v->end < is ? v->end : is;

	if (end < v->end || end < p->caplen || is < was)
		p->changed = true;
	if (!p->stiff) {
		if (is < was)
			p->payload_changed = true;
		p->grown_ip -= (int32_t)(was - is);
		p->grown_l4 -= (int32_t)(was - is);
		p->wirelen = p->wirelen < is ? p->wirelen : is;
	}
	p->caplen = end;
	for (unsigned i = 0; i < p->n_views; i++) {
		v = &p->view[i];
		v->end = v->end < end ? v->end : (uint16_t)end;
		v->payload = v->payload < end ? v->payload : (uint16_t)end;
	}
}
