/* SPDX-License-Identifier: BSD-3-Clause */
/* However the producers and the consumer of core/order.h take turns, the packets come out sorted by key, of
 * equal keys the lowest source's first, each once. Random keys with many ties, random bursts and floors.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "../unit/order_packets.h"
#include "core/order.h"

#define SOURCES_MAX 9
#define PACKETS_MAX 600 // of a source
#define ROUNDS      250

static uint64_t seed;

static uint32_t random_below(uint32_t n)
{
	seed ^= seed << 13;
	seed ^= seed >> 7;
	seed ^= seed << 17;
	return (uint32_t)(seed >> 16) % n;
}

struct source {
	uint32_t n, next;
	uint64_t keys[PACKETS_MAX];
};

struct round {
	struct hm_order *order;
	uint32_t n_sources, ref, n_ended;
	struct source sources[SOURCES_MAX];
	uint32_t n_taken;
	struct order_packet taken[SOURCES_MAX * PACKETS_MAX]; // without their filling
};

static void make_keys(struct source *s)
{
	uint64_t key = random_below(50);
	uint32_t step = random_below(4) == 0 ? 1 : 1 + random_below(30);

	s->next = 0;
	s->n = random_below(3) == 0 ? 0 : random_below(PACKETS_MAX);
	for (uint32_t i = 0; i < s->n; i++) {
		s->keys[i] = key;
		key += random_below(step);
	}
}

/* Puts a burst, or nothing, and promises as much as is true, or less. */
static void produce(struct round *r, uint32_t source)
{
	static struct order_packet data[HM_BATCH_MAX];
	struct source *s = &r->sources[source];
	struct hm_order_lane *l = hm_order_lane(r->order, 0);
	uint32_t n = random_below(HM_BATCH_MAX), left = s->n - s->next;
	uint64_t floor;
	struct hm_batch b;

	if (s->next > s->n || !hm_order_ready(r->order, source))
		return; // it has ended
	n = n < left ? n : left;
	order_fill(&b, data, &s->keys[s->next], n, source, s->next);
	hm_order_mark(l, r->ref, b.all);
	hm_order_put(r->order, source, l, &b, &s->keys[s->next]);
	s->next += n;
	floor = s->next < s->n ? s->keys[s->next] : HM_ORDER_END;
	if (floor == HM_ORDER_END) {
		s->next = s->n + 1;
		r->n_ended++;
	} else if (random_below(2)) {
		floor -= random_below((uint32_t)floor + 1);
	}
	hm_order_publish(r->order, source, floor);
}

static void consume(struct round *r)
{
	const struct hm_order_packet *packets[HM_BATCH_MAX];
	unsigned n = hm_order_take(r->order, packets, 1 + random_below(HM_BATCH_MAX));

	for (unsigned i = 0; i < n; i++) {
		assert_true(order_is_whole(packets[i]));
		memcpy(&r->taken[r->n_taken++], hm_order_bytes(packets[i]), 16);
	}
	hm_order_release(r->order);
}

static int by_place(const void *left, const void *right)
{
	const struct order_packet *a = left, *b = right;

	if (a->key != b->key)
		return a->key < b->key ? -1 : 1;
	if (a->source != b->source)
		return a->source < b->source ? -1 : 1;
	return a->number < b->number ? -1 : a->number > b->number;
}

static void check(struct round *r)
{
	struct order_packet *all = calloc(SOURCES_MAX * PACKETS_MAX, sizeof(*all));
	uint32_t n = 0;

	for (uint32_t i = 0; i < r->n_sources; i++)
		for (uint32_t k = 0; k < r->sources[i].n; k++)
			all[n++] = (struct order_packet){
				.key = r->sources[i].keys[k], .source = i, .number = k};
	qsort(all, n, sizeof(*all), by_place);
	assert_int_equal(r->n_taken, n);
	for (uint32_t i = 0; i < n; i++)
		assert_memory_equal(&r->taken[i], &all[i], 16);
	free(all);
}

static void test_order_any_interleaving_is_sorted(void **state)
{
	static struct round r;

	(void)state;
	for (unsigned round = 0; round < ROUNDS; round++) {
		struct hm_order_conf conf = {
			.lanes = 1, .share = 1, .burst = 64, .snaplen = 1514, .socket = -1};
		struct hm_order_counts c;
		struct hm_error err;

		seed = 20060515 + round;
		conf.sources = r.n_sources = 1 + random_below(SOURCES_MAX);
		r.order = hm_order_create(&conf, &err);
		r.ref = hm_order_flow_add(r.order);
		r.n_taken = r.n_ended = 0;
		for (uint32_t i = 0; i < r.n_sources; i++)
			make_keys(&r.sources[i]);
		while (r.n_ended < r.n_sources || !hm_order_ended(r.order)) {
			if (random_below(3))
				produce(&r, random_below(r.n_sources));
			else
				consume(&r);
		}
		check(&r);
		hm_order_counts(r.order, &c);
		assert_int_equal(c.late + c.dropped, 0);
		hm_order_destroy(r.order);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_order_any_interleaving_is_sorted),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
