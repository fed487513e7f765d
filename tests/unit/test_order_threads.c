/* SPDX-License-Identifier: BSD-3-Clause */
/* A producer thread for each lane and a consumer: however they interleave, every packet comes out once and in
 * order. Each lane has two sources; one source is idle for long times, and the producers wait for room.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>
#include <pthread.h>
#include <sched.h>

#include "core/order.h"
#include "order_packets.h"

#define LANES   3
#define SOURCES (2 * LANES)
#define PACKETS 60000u // keys 0 .. PACKETS - 1, each in one source

struct lane {
	struct hm_order *order;
	uint32_t number, flow, half;
	pthread_t thread;
	uint64_t put;
};

/* Which source a key is in: in long stretches, so that sources are idle. */
static uint32_t source_of(uint64_t key)
{
	uint64_t h = (key / (1 + key % 7)) * UINT64_C(0x9e3779b97f4a7c15);

	return key / 10000 % 2 ? 3 : (uint32_t)(h >> 60) % SOURCES;
}

struct feed {
	uint64_t next; // key looked at next
	uint32_t n;    // packets so far
};

/* The next burst of a source: what is in it of the next 100 keys. */
static void feed_source(struct lane *l, uint32_t source, struct feed *f)
{
	static _Thread_local struct order_packet data[HM_BATCH_MAX];
	struct hm_order_lane *own = hm_order_lane(l->order, l->number);
	uint64_t keys[HM_BATCH_MAX], half = 0;
	struct hm_batch b;
	uint32_t n = 0;

	if (f->next >= PACKETS || !hm_order_ready(l->order, source))
		return; // its neighbour goes on
	for (uint64_t end = f->next + 100; f->next < end && n < HM_BATCH_MAX; f->next++)
		if (source_of(f->next) == source && f->next < PACKETS)
			keys[n++] = f->next;
	order_fill(&b, data, keys, n, source, f->n);
	for (uint32_t i = 0; i < n; i++)
		half |= (keys[i] & 1) << i;
	hm_order_mark(own, l->flow, b.all);
	hm_order_mark(own, l->half, half);
	hm_order_put(l->order, source, own, &b, keys);
	hm_order_publish(l->order, source, f->next >= PACKETS ? HM_ORDER_END : f->next);
	f->n += n;
}

static void *produce(void *arg)
{
	struct lane *l = arg;
	struct feed feeds[2] = {{0}, {0}};

	while (feeds[0].next < PACKETS || feeds[1].next < PACKETS) {
		feed_source(l, l->number, &feeds[0]);
		feed_source(l, LANES + l->number, &feeds[1]);
		if (l->number == 1)
			sched_yield();
	}
	l->put = feeds[0].n + feeds[1].n;
	return NULL;
}

static void test_order_many_threads_every_packet_comes_once_in_order(void **state)
{
	const struct hm_order_conf conf = {.sources = SOURCES,
					   .lanes = LANES,
					   .share = 1,
					   .burst = 64,
					   .snaplen = 9216,
					   .socket = -1};
	struct hm_error err;
	struct hm_order *o = hm_order_create(&conf, &err);
	uint32_t flow = hm_order_flow_add(o), half = hm_order_flow_add(o);
	struct lane lanes[LANES];
	uint64_t next = 0, put = 0;
	struct hm_order_counts c;
	bool ended = false;

	(void)state;
	for (uint32_t i = 0; i < LANES; i++) {
		lanes[i] = (struct lane){.order = o, .number = i, .flow = flow, .half = half};
		pthread_create(&lanes[i].thread, NULL, produce, &lanes[i]);
	}
	while (!ended) {
		const struct hm_order_packet *packets[HM_BATCH_MAX];
		unsigned n;
		uint64_t odd = 0;

		ended = hm_order_ended(o);
		n = hm_order_take(o, packets, 1 + next % HM_BATCH_MAX);
		for (unsigned i = 0; i < n; i++) {
			assert_int_equal(packets[i]->key, next++);
			assert_int_equal(packets[i]->ifindex, source_of(packets[i]->key));
			assert_true(order_is_whole(packets[i]));
			odd |= (packets[i]->key & 1) << i;
		}
		assert_int_equal(hm_order_wants(o, flow), n ? hm_mask_first(n) : 0);
		assert_int_equal(hm_order_wants(o, half), odd);
		hm_order_release(o);
		hm_order_flow_counts(o, flow, &c);
		assert_int_equal(c.run, next);
		assert_true(c.handed_over >= c.run);
		if (!n)
			sched_yield();
	}
	assert_int_equal(next, PACKETS);
	for (uint32_t i = 0; i < LANES; i++) {
		pthread_join(lanes[i].thread, NULL);
		put += lanes[i].put;
	}
	assert_int_equal(put, PACKETS);
	hm_order_counts(o, &c);
	assert_int_equal(c.handed_over, PACKETS);
	assert_int_equal(c.run, PACKETS);
	assert_int_equal(c.dropped + c.late, 0);
	hm_order_flow_counts(o, half, &c);
	assert_int_equal(c.run, PACKETS / 2);
	hm_order_destroy(o);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_order_many_threads_every_packet_comes_once_in_order),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
