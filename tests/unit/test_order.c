/* SPDX-License-Identifier: BSD-3-Clause */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "core/order.h"
#include "order_packets.h"

static struct order_packet data[HM_BATCH_MAX];

static struct hm_order *make(uint32_t sources)
{
	const struct hm_order_conf conf = {.sources = sources,
					   .lanes = 1,
					   .share = 1,
					   .burst = 64,
					   .snaplen = 1514,
					   .socket = -1};
	struct hm_error err;
	struct hm_order *o = hm_order_create(&conf, &err);

	assert_non_null(o);
	return o;
}

/* All n packets, for the flow; keys rise by 10 from `key`. */
static void put(struct hm_order *o, uint32_t source, uint32_t ref, uint64_t key, uint32_t n,
		uint64_t floor)
{
	uint64_t keys[HM_BATCH_MAX];
	struct hm_batch b;

	for (uint32_t i = 0; i < n; i++)
		keys[i] = key + 10 * i;
	order_fill(&b, data, keys, n, source, 0);
	hm_order_mark(hm_order_lane(o, 0), ref, b.all);
	hm_order_put(o, source, hm_order_lane(o, 0), &b, keys);
	hm_order_publish(o, source, floor);
}

/* Takes all there is and checks the keys. */
static void expect(struct hm_order *o, const uint64_t *keys, unsigned n)
{
	const struct hm_order_packet *packets[HM_BATCH_MAX];

	assert_int_equal(hm_order_take(o, packets, HM_BATCH_MAX), n);
	for (unsigned i = 0; i < n; i++) {
		assert_int_equal(packets[i]->key, keys[i]);
		assert_true(order_is_whole(packets[i]));
	}
	hm_order_release(o);
}

static void test_order_two_sources_are_merged_by_key(void **state)
{
	struct hm_order *o = make(2);
	uint32_t ref = hm_order_flow_add(o);

	(void)state;
	put(o, 0, ref, 10, 3, 31);
	put(o, 1, ref, 15, 3, 36);
	expect(o, (const uint64_t[]){10, 15, 20, 25, 30}, 5); // 35 might come behind a 31 to 34
	hm_order_publish(o, 0, 40);
	expect(o, (const uint64_t[]){35}, 1);
	hm_order_destroy(o);
}

static void test_order_idle_source_holds_up_to_its_floor_only(void **state)
{
	struct hm_order *o = make(3);
	uint32_t ref = hm_order_flow_add(o);

	(void)state;
	put(o, 1, ref, 100, 4, 131);
	expect(o, NULL, 0);
	hm_order_publish(o, 0, 115);
	expect(o, NULL, 0);
	assert_int_equal(hm_order_floor(o), 0);
	hm_order_publish(o, 2, 121);
	expect(o, (const uint64_t[]){100, 110}, 2);
	assert_int_equal(hm_order_floor(o), 115);
	hm_order_publish(o, 0, HM_ORDER_END);
	expect(o, (const uint64_t[]){120}, 1);
	hm_order_publish(o, 2, HM_ORDER_END);
	expect(o, (const uint64_t[]){130}, 1);
	assert_false(hm_order_ended(o));
	hm_order_publish(o, 1, HM_ORDER_END);
	assert_true(hm_order_ended(o));
	hm_order_destroy(o);
}

static void test_order_equal_keys_lowest_source_goes_first(void **state)
{
	const struct hm_order_packet *packets[HM_BATCH_MAX];
	struct hm_order *o = make(3);
	uint32_t ref = hm_order_flow_add(o);

	(void)state;
	put(o, 2, ref, 50, 1, 50);
	put(o, 1, ref, 50, 1, 50);
	expect(o, NULL, 0); // source 0 may have a 50, too
	hm_order_publish(o, 0, 51);
	assert_int_equal(hm_order_take(o, packets, 64), 1); // and 1 another one before that of 2
	assert_int_equal(packets[0]->ifindex, 1);
	hm_order_release(o);
	hm_order_publish(o, 1, 51);
	assert_int_equal(hm_order_take(o, packets, 64), 1);
	assert_int_equal(packets[0]->ifindex, 2);
	hm_order_release(o);
	put(o, 0, ref, 60, 1, 60);
	hm_order_publish(o, 1, 60);
	hm_order_publish(o, 2, 60);
	expect(o, (const uint64_t[]){60}, 1); // a 60 of theirs would come behind it anyway
	hm_order_destroy(o);
}

static void test_order_late_packet_is_counted_and_passed_on(void **state)
{
	struct hm_order *o = make(2);
	uint32_t ref = hm_order_flow_add(o);
	struct hm_order_counts c;

	(void)state;
	hm_order_publish(o, 1, 1000);
	put(o, 0, ref, 500, 1, 501);
	expect(o, (const uint64_t[]){500}, 1);
	put(o, 1, ref, 400, 1, 500); // it had promised nothing below 1000
	expect(o, (const uint64_t[]){400}, 1);
	hm_order_counts(o, &c);
	assert_int_equal(c.late, 1);
	assert_int_equal(c.run, 2);
	assert_int_equal(c.handed_over, 2);
	hm_order_destroy(o);
}

static void test_order_each_flow_gets_what_it_wants(void **state)
{
	const struct hm_order_packet *packets[HM_BATCH_MAX];
	struct hm_order *o = make(1);
	struct hm_order_lane *l = hm_order_lane(o, 0);
	uint32_t a = hm_order_flow_add(o), b = hm_order_flow_add(o), c = hm_order_flow_add(o);
	uint64_t keys[64];
	struct hm_order_counts counts;
	struct hm_batch batch;

	(void)state;
	for (unsigned i = 0; i < 64; i++)
		keys[i] = i;
	order_fill(&batch, data, keys, 64, 0, 0);
	hm_order_mark(l, a, 0xf0);
	hm_order_mark(l, b, 0x3c);
	hm_order_mark(l, c, 0);
	hm_order_put(o, 0, l, &batch, keys);
	hm_order_publish(o, 0, 64);
	assert_int_equal(hm_order_take(o, packets, 64), 6); // 2 to 7, each once
	assert_int_equal(hm_order_wants(o, a), 0xf0 >> 2);
	assert_int_equal(hm_order_wants(o, b), 0x3c >> 2);
	assert_int_equal(hm_order_wants(o, c), 0);
	hm_order_release(o);
	assert_int_equal(hm_order_wants(o, a), 0);
	hm_order_flow_counts(o, b, &counts);
	assert_int_equal(counts.handed_over, 4);
	assert_int_equal(counts.run, 4);
	hm_order_destroy(o);
}

static void test_order_queued_packets_of_a_closed_flow_reach_nobody(void **state)
{
	const struct hm_order_packet *packets[HM_BATCH_MAX];
	struct hm_order *o = make(1);
	uint32_t old = hm_order_flow_add(o), new;
	struct hm_order_counts c;

	(void)state;
	put(o, 0, old, 1, 5, 100);
	hm_order_flow_stop(o, old);
	hm_order_flow_remove(o, old);
	new = hm_order_flow_add(o); // in the same place
	assert_int_not_equal(new, old);
	assert_int_equal(hm_order_take(o, packets, 64), 5);
	assert_int_equal(hm_order_wants(o, new), 0);
	hm_order_release(o);
	hm_order_flow_counts(o, new, &c);
	assert_int_equal(c.handed_over + c.run + c.dropped, 0);
	hm_order_destroy(o);
}

static void test_order_all_places_taken_is_refused(void **state)
{
	struct hm_order *o = make(1);
	uint32_t ref = 0;

	(void)state;
	for (unsigned i = 0; i < HM_ORDER_FLOWS_MAX; i++) {
		ref = hm_order_flow_add(o);
		assert_int_not_equal(ref, 0);
	}
	assert_int_equal(hm_order_flow_add(o), 0);
	hm_order_flow_stop(o, ref);
	hm_order_flow_remove(o, ref);
	assert_int_not_equal(hm_order_flow_add(o), 0);
	hm_order_destroy(o);
}

static void test_order_full_ring_drops_and_counts(void **state)
{
	const struct hm_order_packet *packets[HM_BATCH_MAX];
	struct hm_order *o = make(1);
	uint32_t ref = hm_order_flow_add(o), n;
	uint64_t put_in = 0, taken = 0;
	struct hm_order_counts c, flow;

	(void)state;
	assert_true(hm_order_ready(o, 0));
	while (hm_order_ready(o, 0)) { // as a lossless source asks: then nothing is lost
		put(o, 0, ref, put_in, 64, put_in);
		put_in += 64;
	}
	hm_order_counts(o, &c);
	assert_int_equal(c.dropped, 0);
	for (unsigned i = 0; i < 1000; i++, put_in += 64)
		put(o, 0, ref, put_in, 64, put_in);
	hm_order_counts(o, &c);
	hm_order_flow_counts(o, ref, &flow);
	assert_true(c.dropped > 0);
	assert_int_equal(c.handed_over + c.dropped, put_in);
	assert_int_equal(flow.handed_over, c.handed_over);
	assert_int_equal(flow.dropped, c.dropped);
	while ((n = hm_order_take(o, packets, 64)) > 0) {
		for (unsigned i = 0; i < n; i++)
			assert_true(order_is_whole(packets[i]));
		hm_order_release(o);
		taken += n;
	}
	assert_int_equal(taken, c.handed_over);
	assert_true(hm_order_ready(o, 0));
	hm_order_destroy(o);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_order_two_sources_are_merged_by_key),
		cmocka_unit_test(test_order_idle_source_holds_up_to_its_floor_only),
		cmocka_unit_test(test_order_equal_keys_lowest_source_goes_first),
		cmocka_unit_test(test_order_late_packet_is_counted_and_passed_on),
		cmocka_unit_test(test_order_each_flow_gets_what_it_wants),
		cmocka_unit_test(test_order_queued_packets_of_a_closed_flow_reach_nobody),
		cmocka_unit_test(test_order_all_places_taken_is_refused),
		cmocka_unit_test(test_order_full_ring_drops_and_counts),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
