/* SPDX-License-Identifier: BSD-3-Clause */
#include "anon/anonymizer.h"

#include <stdlib.h>
#include <string.h>

#include "anon/anonymizer_internal.h"

static_assert(HM_ANON_KEY == HM_CRYPTOPAN_KEY, "one key");
static_assert(HM_PSEUDONYMS_MAX >= HM_BATCH_MAX * HM_ANON_VIEWS, "a batch's addresses at once");

static bool is_embedded(const struct hm_anon_rule *r)
{
	return r->field == HM_ANON_EMBEDDED_IP || r->field == HM_ANON_CLIENT_MAC;
}

/* --- what need not be copied --- */

static void strip(uint32_t *left, const struct hm_anon_rule *r)
{
	if (r->a < *left)
		*left = (uint32_t)r->a;
}

static void find_stripped(struct hm_anonymizer *a)
{
	a->stripped = (struct hm_anon_stripped){UINT32_MAX, UINT32_MAX, UINT32_MAX};
	for (unsigned i = 0; i < a->conf.n_rules; i++) {
		const struct hm_anon_rule *r = &a->conf.rules[i];
		const bool strips = r->field == HM_ANON_PAYLOAD && r->function == HM_ANON_STRIP;

		if (strips && r->protocol == HM_ANON_TCP)
			strip(&a->stripped.tcp, r);
		else if (strips && r->protocol == HM_ANON_UDP)
			strip(&a->stripped.udp, r);
		else if (strips && r->protocol == HM_ANON_ICMP)
			strip(&a->stripped.icmp, r);
		else if (is_embedded(r) || hm_anon_shape(r->field) == HM_ANON_VARYING)
			break; // it looks at payloads
	}
}

uint32_t hm_anonymizer_needs(const struct hm_anonymizer *a, const struct hm_batch *b, unsigned i)
{
	const uint64_t bit = UINT64_C(1) << i;
	uint32_t left = UINT32_MAX;

	if (!(b->l4_ok & ~b->tunnel & bit))
		return b->caplen[i];
	if (b->tcp & bit)
		left = a->stripped.tcp;
	else if (b->udp & bit)
		left = a->stripped.udp;
	else if ((b->icmp | b->icmp6) & bit)
		left = a->stripped.icmp;
	return left < b->caplen[i] - b->payload[i] ? b->payload[i] + left : b->caplen[i];
}

/* --- life --- */

struct hm_anonymizer *hm_anonymizer_create(const struct hm_anonymizer_conf *conf)
{
	struct hm_anonymizer *a = calloc(1, sizeof(*a));

	if (!a)
		return NULL;
	a->conf = *conf;
	find_stripped(a);
	a->random = hm_anon_random_create();
	a->digest = hm_anon_digest_create(conf->key);
	a->draw = hm_anon_draw_create(conf->key);
	a->matcher = hm_anon_matcher_create();
	a->pseudonyms = hm_pseudonyms_create(conf->key);
	a->run_pseudonyms = hm_pseudonyms_create(conf->run_key);
	if (a->random && a->digest && a->draw && a->matcher && a->pseudonyms && a->run_pseudonyms)
		return a;
	hm_anonymizer_destroy(a);
	return NULL;
}

void hm_anonymizer_destroy(struct hm_anonymizer *a)
{
	if (!a)
		return;
	hm_anon_random_destroy(a->random);
	hm_anon_digest_destroy(a->digest);
	hm_anon_draw_destroy(a->draw);
	hm_anon_matcher_destroy(a->matcher);
	hm_pseudonyms_destroy(a->pseudonyms);
	hm_pseudonyms_destroy(a->run_pseudonyms);
	explicit_bzero(a, sizeof(*a)); // the last batch's addresses
	free(a);
}

const struct hm_anonymizer_counts *hm_anonymizer_counts(const struct hm_anonymizer *a)
{
	return &a->counts;
}

struct hm_pseudonyms *hm_anon_pseudonyms(struct hm_anonymizer *a, const struct hm_anon_rule *r)
{
	return r->function == HM_ANON_PREFIX_PRESERVING_MAP ? a->run_pseudonyms : a->pseudonyms;
}

/* --- rules on a whole batch --- */

static void coarsen_times(const struct hm_anon_rule *r, struct hm_anon_packet *packets, unsigned n)
{
	for (unsigned i = 0; i < n; i++) {
		uint64_t *ts = &packets[i].ts_ns;

		if (r->function == HM_ANON_COARSEN)
			*ts -= *ts % (uint64_t)r->a;
		else if (r->function == HM_ANON_OFFSET)
			*ts = r->a < 0 && (uint64_t)-r->a > *ts ? 0 : *ts + (uint64_t)r->a;
	}
}

/* All addresses of the batch, so that AES has many blocks at a time. */
static void preserve_prefixes(struct hm_anonymizer *a, const struct hm_anon_rule *r,
			      struct hm_anon_packet *packets, unsigned n)
{
	struct hm_anon_place places[HM_ANON_PLACES_MAX];
	unsigned n4 = 0, n6 = 0;

	for (unsigned i = 0; i < n; i++) {
		const unsigned found = hm_anon_packet_find(&packets[i], r, places);

		for (unsigned k = 0; k < found; k++) {
			const struct hm_anon_address where = {&packets[i], places[k].at};
			const uint8_t *from = packets[i].bytes + places[k].at;

			packets[i].changed = true;
			if (places[k].n == 4) {
				memcpy(&a->v4[n4], from, 4);
				a->where4[n4++] = where;
			} else {
				memcpy(a->v6[n6], from, 16);
				a->where6[n6++] = where;
			}
		}
	}
	hm_pseudonyms_ipv4(hm_anon_pseudonyms(a, r), a->v4, n4);
	hm_pseudonyms_ipv6(hm_anon_pseudonyms(a, r), a->v6, n6);
	for (unsigned i = 0; i < n4; i++)
		memcpy(a->where4[i].packet->bytes + a->where4[i].at, &a->v4[i], 4);
	for (unsigned i = 0; i < n6; i++)
		memcpy(a->where6[i].packet->bytes + a->where6[i].at, a->v6[i], 16);
}

/* --- rules on one packet --- */

static void note_checksum(const struct hm_anon_rule *r, struct hm_anon_packet *p)
{
	const uint8_t own = r->protocol == HM_ANON_IP ? HM_ANON_SUM_IP : HM_ANON_SUM_L4;

	if (!hm_anon_view_is(p, &p->view[HM_ANON_INNER], r->protocol))
		return;
	if (r->function == HM_ANON_CHECKSUM_ADJUST) {
		// IP's is asked for with what IP carries
		p->anew |= r->protocol == HM_ANON_IP ? own | HM_ANON_SUM_L4 : own;
		p->by_rule &= (uint8_t)~p->anew;
	} else if (r->function != HM_ANON_UNCHANGED) {
		p->by_rule |= own;
	}
}

static void change_fixed(struct hm_anonymizer *a, const struct hm_anon_rule *r,
			 struct hm_anon_packet *p)
{
	struct hm_anon_place places[HM_ANON_PLACES_MAX];
	unsigned n;

	if (r->field == HM_ANON_CHECKSUM)
		note_checksum(r, p);
	if (r->function == HM_ANON_UNCHANGED || r->function == HM_ANON_CHECKSUM_ADJUST)
		return;
	n = hm_anon_packet_find(p, r, places);
	for (unsigned i = 0; i < n; i++)
		hm_anon_fixed(a, r, p->bytes, places[i]);
	p->changed = p->changed || n > 0;
}

static void apply(struct hm_anonymizer *a, const struct hm_anon_rule *r,
		  struct hm_anon_packet *packets, unsigned n)
{
	const enum hm_anon_shape shape = hm_anon_shape(r->field);
	const bool embedded = is_embedded(r);

	if (shape == HM_ANON_TIME) {
		coarsen_times(r, packets, n);
		return;
	}
	if (!embedded && (r->function == HM_ANON_PREFIX_PRESERVING ||
			  r->function == HM_ANON_PREFIX_PRESERVING_MAP)) {
		preserve_prefixes(a, r, packets, n);
		return;
	}
	for (unsigned i = 0; i < n; i++) {
		if (embedded)
			hm_anon_embedded(a, r, &packets[i]);
		else if (shape == HM_ANON_VARYING)
			hm_anon_vary(a, r, &packets[i]);
		else
			change_fixed(a, r, &packets[i]);
	}
}

void hm_anonymizer_run(struct hm_anonymizer *a, struct hm_anon_packet *packets, unsigned n)
{
	// MAP counts packet by packet, however many there are at a time; others have the whole batch at once
	const unsigned step = a->conf.maps ? 1 : n;

	for (unsigned i = 0; i < n; i += step)
		for (unsigned k = 0; k < a->conf.n_rules; k++)
			apply(a, &a->conf.rules[k], packets + i, step);
	for (unsigned i = 0; i < n; i++) {
		hm_anon_packet_finish(&packets[i]);
		a->counts.changed += packets[i].changed;
	}
}
