/* SPDX-License-Identifier: BSD-3-Clause */
/* packet_finish: what follows from what rules have changed: lengths in headers, then checksums from inside to outside,
 * each by the difference between all that it covers before and after (RFC 1624), so that right ones stay right and
 * wrong ones stay as wrong. */
#include <netinet/in.h>
#include <string.h>

#include "anon/packet.h"
#include "core/ip_length.h"
#include "core/wire.h"

#define IPV6_HEADER 40
#define GRE_SUM     0x80 // in the first byte: a checksum follows, RFC 2784

static void grow16(uint8_t *length, int32_t by)
{
	hm_put16(length, (uint32_t)((int32_t)hm_be16(length) + by));
}

static void set_lengths(struct hm_anon_packet *p)
{
	const struct hm_anon_view *v = &p->view[HM_ANON_INNER];
	uint8_t *ip = p->bytes + v->l3;

	if (p->grown_ip == 0 || !(v->v4 || v->v6))
		return;
	if (p->pppoe &&
	    hm_be16(ip - 4) == (v->v4 ? hm_be16(ip + 2) : hm_be16(ip + 4) + IPV6_HEADER) + 2)
		grow16(ip - 4, p->grown_ip);    // PPPoE's
	if (hm_be16(ip + (v->v4 ? 2 : 4)) != 0) // 0: the sender's network card was to fill it in
		grow16(ip + (v->v4 ? 2 : 4), p->grown_ip);
	if (v->udp && v->l4 && hm_be16(p->bytes + v->l4 + 4) != 0)
		grow16(p->bytes + v->l4 + 4, p->grown_l4);
}

/* A sum with `old` in it, in memory order, has `new` instead. */
static uint64_t without(uint64_t sum)
{
	return (uint16_t)~hm_ip_fold(sum);
}

static void adjust(uint8_t *at, uint64_t old, uint64_t new, bool never_zero)
{
	uint16_t sum;

	memcpy(&sum, at, sizeof(sum));
	sum = (uint16_t)~hm_ip_fold((uint16_t)~sum + without(old) + new);
	if (never_zero && sum == 0)
		sum = UINT16_MAX;
	memcpy(at, &sum, sizeof(sum));
}

/* Of bytes from `from` to `to`, but for the checksum's own at `own`. */
static uint64_t sum_but(const uint8_t *bytes, uint32_t from, uint32_t to, uint32_t own)
{
	uint64_t sum = hm_ip_sum(bytes + from, own - from, 0);

	return hm_ip_sum(bytes + own + 2, to - own - 2, sum);
}

static void adjust_header(struct hm_anon_packet *p, const struct hm_anon_view *was,
			  const struct hm_anon_view *is)
{
	uint8_t *own = p->bytes + is->l3 + 10;
	uint64_t new;

	if (!is->v4 || p->by_rule & HM_ANON_SUM_IP)
		return;
	new = sum_but(p->bytes, is->l3, is->body, is->l3 + 10);
	if (p->anew & HM_ANON_SUM_IP) {
		const uint16_t sum = (uint16_t)~hm_ip_fold(new);

		memcpy(own, &sum, sizeof(sum));
		return;
	}
	adjust(own, sum_but(p->before, was->l3, was->body, was->l3 + 10), new, false);
}

/* Where the checksum of what the IP packet carries is, from its first byte; 0: it has none that we know. */
static uint32_t sum_at(const struct hm_anon_packet *p, const struct hm_anon_view *v)
{
	if (v->tcp)
		return 16;
	if (v->udp)
		return 6;
	if (v->icmp)
		return 2;
	return v->proto == IPPROTO_GRE && p->before[v->l4] & GRE_SUM ? 4 : 0;
}

/* What a transport checksum covers besides: addresses and length. */
static uint64_t pseudo(const uint8_t *bytes, const struct hm_anon_view *v, uint32_t sum)
{
	const uint8_t *ip = bytes + v->l3;
	uint8_t length
		[4]; // in ones' complement what the header has is taken off by adding its complement

	if (v->proto == IPPROTO_GRE || (v->icmp && v->v4))
		return sum;
	hm_put16(length, v->v4 ? hm_be16(ip + 2) : hm_be16(ip + 4));
	hm_put16(length + 2, ~(v->body - v->l3 - (v->v4 ? 0 : IPV6_HEADER)));
	sum = hm_ip_sum(length, sizeof(length), sum);
	return v->v4 ? hm_ip_sum(ip + 12, 8, sum) : hm_ip_sum(ip + 8, 32, sum);
}

/* Whether all that the checksum covers is there. */
static bool is_whole(const struct hm_anon_packet *p, const struct hm_anon_view *v)
{
	const uint8_t *ip = p->bytes + v->l3;
	const uint32_t length = v->v4 ? hm_be16(ip + 2) : hm_be16(ip + 4) + IPV6_HEADER;

	return !p->fragment && v->l3 + length == v->end;
}

/* The checksum at `at` anew; `pseudo_protocol` 0: it does not cover addresses. */
static void sum_up(const struct hm_anon_packet *p, const struct hm_anon_view *v, uint8_t *at,
		   uint8_t pseudo_protocol)
{
	const uint8_t *l4 = p->bytes + v->l4;
	const uint32_t n = v->end - v->l4;
	uint16_t sum;

	hm_put16(at, 0);
	if (pseudo_protocol) {
		sum = hm_ip_l4_checksum(p->bytes + v->l3, v->v6, pseudo_protocol, l4, n);
		hm_put16(at, v->udp && sum == 0 ? UINT16_MAX : sum);
	} else {
		sum = (uint16_t)~hm_ip_fold(hm_ip_sum(l4, n, 0));
		memcpy(at, &sum, sizeof(sum));
	}
}

static void adjust_l4(struct hm_anon_packet *p, const struct hm_anon_view *was,
		      const struct hm_anon_view *is)
{
	const uint32_t own = is->l4 ? sum_at(p, was) : 0;
	const bool part = is == &p->view[HM_ANON_INNER] && !p->payload_changed;
	uint32_t to = part ? is->payload : is->end, to_was = part ? was->payload : was->end;
	uint8_t *at = p->bytes + is->l4 + own;

	if (!own || p->by_rule & HM_ANON_SUM_L4 || is->l4 + own + 2 > to ||
	    was->l4 + own + 2 > to_was || (was->udp && hm_be16(at) == 0))
		return;
	if (p->anew & HM_ANON_SUM_L4 && is_whole(p, is)) {
		sum_up(p, is, at, was->icmp && was->v4 ? 0 : was->proto);
		return;
	}
	if (p->stiff) // what was cut off is still there, beyond the capture
		to_was = to_was - was->l4 < to - is->l4 ? to_was : was->l4 + (to - is->l4);
	adjust(at, pseudo(p->before, was, 0) + sum_but(p->before, was->l4, to_was, was->l4 + own),
	       pseudo(p->bytes, is, 0) + sum_but(p->bytes, is->l4, to, is->l4 + own), was->udp);
}

void hm_anon_packet_finish(struct hm_anon_packet *p)
{
	if (!p->changed && !p->anew)
		return;
	set_lengths(p);
	for (unsigned i = 0; i < p->n_views; i++) {
		const struct hm_anon_view *was = &p->view_before[i], *is = &p->view[i];

		if (!is->v4 && !is->v6)
			continue;
		adjust_l4(p, was, is);
		adjust_header(p, was, is);
	}
}
