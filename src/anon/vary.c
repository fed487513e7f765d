/* SPDX-License-Identifier: BSD-3-Clause */
/* vary: fields that may become longer or shorter: payloads, options, and what HTTP and FTP have in theirs. */
#include <string.h>

#include "anon/anonymizer_internal.h"
#include "anon/ftp.h"
#include "anon/http.h"
#include "core/wire.h"

#define IPV4_HEADER 20
#define IPV6_HEADER 40
#define TCP_HEADER  20
#define OPTIONS_MAX 40
#define PORT_FTP    21

/* The n bytes at `at` as the rule wants them. */
static void change(struct hm_anonymizer *a, const struct hm_anon_rule *r, struct hm_anon_packet *p,
		   uint32_t at, uint32_t n)
{
	uint32_t room = hm_anon_packet_room(p, n), with;

	room = room < sizeof(a->scratch) ? room : sizeof(a->scratch);
	with = hm_anon_bytes(a, r, p->bytes + at, n, a->scratch, room);
	// what takes all the room that a longer value had may have wanted more
	a->counts.cut += with == room && with != n;
	hm_anon_packet_splice(p, at, n, a->scratch, with);
}

static uint32_t payload_of(const struct hm_anon_packet *p, const struct hm_anon_view *v,
			   enum hm_anon_word protocol)
{
	(void)p;
	return protocol == HM_ANON_IP ? v->body : v->payload;
}

static void change_payload(struct hm_anonymizer *a, const struct hm_anon_rule *r,
			   struct hm_anon_packet *p, const struct hm_anon_view *v)
{
	const uint32_t at = payload_of(p, v, r->protocol);
	const bool known = r->protocol == HM_ANON_IP || v->l4 || v->later;

	if (!known || at > v->end)
		return;
	if (r->function == HM_ANON_STRIP) {
		hm_anon_packet_cut(p, at, (uint32_t)r->a);
		return;
	}
	// what is behind the datagram is nobody's, and may be anything
	hm_anon_packet_cut(p, at, UINT16_MAX);
	if (v->end > at)
		change(a, r, p, at, v->end - at);
}

/* Options of IPv4 or TCP, whose header says how many words it has in the upper or lower half of a byte. */
static void change_options(struct hm_anonymizer *a, const struct hm_anon_rule *r,
			   struct hm_anon_packet *p, uint32_t at, uint32_t n, uint32_t header_at,
			   bool upper)
{
	uint8_t *words = p->bytes + header_at;
	uint32_t room = hm_anon_packet_room(p, n), with;

	if (n == 0)
		return;
	room = room < OPTIONS_MAX ? room & ~3u : OPTIONS_MAX;
	memset(a->scratch, 0, OPTIONS_MAX); // end of options
	with = hm_anon_bytes(a, r, p->bytes + at, n, a->scratch, room);
	with = (with + 3) & ~3u;
	hm_anon_packet_splice(p, at, n, a->scratch, with);
	if (p->stiff || with == n)
		return;
	if (upper)
		*words = (uint8_t)((*words & 0x0f) | (TCP_HEADER + with) / 4 << 4);
	else
		*words = (uint8_t)((*words & 0xf0) | (IPV4_HEADER + with) / 4);
}

/* Hop-by-hop and destination options: their length stays, and what STRIP takes becomes padding (PadN, RFC 8200). */
static void change_options6(struct hm_anonymizer *a, const struct hm_anon_rule *r,
			    struct hm_anon_packet *p, const struct hm_anon_view *v)
{
	enum { HOP_BY_HOP = 0, ROUTING = 43, FRAGMENT = 44, DESTINATION = 60 };
	uint8_t *bytes = p->bytes, next = bytes[v->l3 + 6];
	uint32_t at = v->l3 + IPV6_HEADER;

	while (at + 8 <= v->body &&
	       (next == HOP_BY_HOP || next == ROUTING || next == FRAGMENT || next == DESTINATION)) {
		const uint32_t n = next == FRAGMENT ? 8 : (bytes[at + 1] + 1u) * 8;
		uint32_t with;

		if (at + n > v->body)
			return;
		if (next == HOP_BY_HOP || next == DESTINATION) {
			with = hm_anon_bytes(a, r, bytes + at + 2, n - 2, a->scratch, n - 2);
			memset(a->scratch + with, 0, n - 2 - with);
			if (r->function == HM_ANON_STRIP && with + 2 <= n - 2) {
				a->scratch[with] = 1; // PadN
				a->scratch[with + 1] = (uint8_t)(n - 2 - with - 2);
			}
			hm_anon_packet_splice(p, at + 2, n - 2, a->scratch, n - 2);
		}
		next = bytes[at];
		at += n;
	}
}

static void change_header_options(struct hm_anonymizer *a, const struct hm_anon_rule *r,
				  struct hm_anon_packet *p, const struct hm_anon_view *v)
{
	if (r->field == HM_ANON_TCP_OPTIONS) {
		const uint32_t at = v->l4 + TCP_HEADER;

		// cut options cannot change the length that the header says
		if (v->tcp && v->l4 && v->l4 + (p->bytes[v->l4 + 12] >> 4) * 4u <= v->payload)
			change_options(a, r, p, at, v->payload - at, v->l4 + 12, true);
		else if (v->tcp && v->l4 && v->payload > at)
			hm_anon_packet_splice(p, at, v->payload - at, a->scratch,
					      hm_anon_bytes(a, r, p->bytes + at, v->payload - at,
							    a->scratch, v->payload - at));
	} else if (v->v4) {
		change_options(a, r, p, v->l3 + IPV4_HEADER, v->body - v->l3 - IPV4_HEADER, v->l3,
			       false);
	} else {
		change_options6(a, r, p, v);
	}
}

/* From the last one to the first, so that places stay right. */
static void change_text(struct hm_anonymizer *a, const struct hm_anon_rule *r,
			struct hm_anon_packet *p, const struct hm_anon_view *v)
{
	const struct hm_anon_view *was = &p->view_before[v - p->view];
	const uint32_t at = v->payload;

	if (at >= v->end)
		return;
	if (r->protocol == HM_ANON_HTTP)
		hm_http_find(p->bytes + at, v->end - at, r->field, &a->spans);
	else
		hm_ftp_find(p->bytes + at, v->end - at,
			    was->l4 && hm_be16(p->before + was->l4 + 2) == PORT_FTP, r->field,
			    &a->spans);
	for (unsigned i = a->spans.n; i-- > 0;) {
		const struct hm_span s = a->spans.at[i];

		if (r->function == HM_ANON_STRIP && r->a == 0)
			hm_anon_packet_splice(p, at + s.line, s.line_end - s.line, a->scratch, 0);
		else
			change(a, r, p, at + s.value, s.value_end - s.value);
	}
}

void hm_anon_vary(struct hm_anonymizer *a, const struct hm_anon_rule *r, struct hm_anon_packet *p)
{
	for (unsigned i = 0; i < p->n_views; i++) {
		const struct hm_anon_view *v = &p->view[i];

		if (r->function == HM_ANON_UNCHANGED || !hm_anon_view_is(p, v, r->protocol))
			continue;
		// the inner packet is the outer one's payload
		if (i == HM_ANON_OUTER && r->field != HM_ANON_OPTIONS)
			continue;
		if (r->field == HM_ANON_PAYLOAD)
			change_payload(a, r, p, v);
		else if (r->field == HM_ANON_OPTIONS || r->field == HM_ANON_TCP_OPTIONS)
			change_header_options(a, r, p, v);
		else
			change_text(a, r, p, v);
	}
}
