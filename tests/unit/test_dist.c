/* SPDX-License-Identifier: BSD-3-Clause */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "function_harness.h"

#define N 500

static const uint8_t bytes[60];
static struct frame frames[N];
static bool passed[N];

static json_t *run(const char *before, const char *args, unsigned batch)
{
	struct hm_error err;
	struct harness h;
	json_t *stats;

	assert_int_equal(harness_open_behind(&h, before, "DIST", args, &err), 0);
	harness_run(&h, frames, N, batch, false, passed);
	stats = harness_stats(&h);
	harness_close(&h);
	return stats;
}

static void expect(const json_t *stats, const unsigned *counts, unsigned intervals, unsigned below)
{
	const json_t *data = json_object_get(stats, "data");

	assert_int_equal(json_integer_value(json_object_get(stats, "intervals")), intervals);
	assert_int_equal(json_integer_value(json_object_get(stats, "below")), below);
	assert_int_equal(json_array_size(data), intervals + 1);
	for (unsigned i = 0; i <= intervals; i++)
		assert_int_equal(json_integer_value(json_array_get(data, i)), counts[i]);
}

static void test_dist_of_gaps_any_batch_size_counts_each_in_its_interval(void **state)
{
	unsigned counts[6] = {0}, below = 0; // 100, 150, 200, 250, 300 ns, and 340 and more

	(void)state;
	for (unsigned i = 0; i < N; i++) {
		uint64_t gap = i ? frames[i].ts_ns - frames[i - 1].ts_ns : 0;

		below += gap < 100;
		counts[gap >= 340 ? 5 : gap < 100 ? 0 : (gap - 100) / 50]++;
	}
	assert_true(below && counts[4] && counts[5]);
	for (unsigned batch = 1; batch <= 64; batch += 3) {
		json_t *stats = run("GAP", "[0, 1, \"100ns\", \"0.00034ms\", \"50ns\"]", batch);

		expect(stats, counts, 5, below);
		json_decref(stats);
	}
}

static void test_dist_of_a_counter_takes_plain_numbers(void **state)
{
	json_t *stats = run("PKT_COUNTER", "[0, 1, \"100\", \"400\", \"100\"]", 64);

	(void)state;
	expect(stats, (unsigned[]){199, 100, 100, 101}, 3, 99);
	json_decref(stats);
}

static void test_dist_wrong_arguments_are_refused(void **state)
{
	static const struct {
		const char *args;
		int mapi_errno;
	} wrong[] = {
		{"[0, 2, \"0\", \"1s\", \"1ms\"]", 7001},
		{"[0, 1]", 7003},
		{"[0, 1, \"0\"]", 7004},
		{"[0, 1, \"0\", \"1s\"]", 7005},
		{"[0, 1, \"x\", \"1s\", \"1ms\"]", 7003},
		{"[0, 1, \"0\", \"x\", \"1ms\"]", 7004},
		{"[0, 1, \"0\", \"1s\", \"x\"]", 7005},
		{"[0, 1, \"2s\", \"1s\", \"1ms\"]", 7000},
		{"[0, 1, \"0\", \"1s\", \"2s\"]", 7004},
		{"[0, 1, \"0\", \"1s\", \"0\"]", 7005},
		{"[0, 1, \"1s\", \"1s\", \"1s\"]", 7004},
		{"[0, 1, \"0\", \"1s\", \"1us\"]", 7005}, // a million intervals
	};
	struct hm_error err;
	struct harness h;

	(void)state;
	for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
		assert_true(harness_open_behind(&h, "GAP", "DIST", wrong[i].args, &err) < 0);
		assert_int_equal(err.mapi_errno, wrong[i].mapi_errno);
		harness_close(&h);
	}
	assert_true(harness_open_behind(&h, "PKT_COUNTER", "DIST", "[0, 1, \"0\", \"1s\", \"9\"]",
					&err) < 0);
	assert_int_equal(err.mapi_errno, 7004);
	harness_close(&h);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_dist_of_gaps_any_batch_size_counts_each_in_its_interval),
		cmocka_unit_test(test_dist_of_a_counter_takes_plain_numbers),
		cmocka_unit_test(test_dist_wrong_arguments_are_refused),
	};
	uint64_t ts = UINT64_C(1147651200000000000);

	for (unsigned i = 0; i < N; i++) {
		frames[i] = (struct frame){.data = bytes, .caplen = 60, .ts_ns = ts};
		ts += i * 37 % 400;
	}
	return cmocka_run_group_tests(tests, NULL, NULL);
}
