/* SPDX-License-Identifier: BSD-3-Clause */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "function_harness.h"

// on a link of 1000 Mbit/s a byte takes 8 ns; the interframe gap is 96 ns, give or take 4 and 6
#define ARGUMENTS "[1000, 3000, 500, 96, 6, 4, 1000]"

static const uint8_t bytes[1500];

static int64_t value(const json_t *stats, unsigned category, const char *key)
{
	const json_t *list = json_object_get(stats, "categories");

	assert_int_equal(json_array_size(list), 6);
	return json_integer_value(json_object_get(json_array_get(list, category), key));
}

static void check(const json_t *stats, unsigned category, int64_t bursts, int64_t packets,
		  int64_t n_bytes, int64_t gaps, int64_t gap_bytes)
{
	assert_int_equal(value(stats, category, "bursts"), bursts);
	assert_int_equal(value(stats, category, "packets"), packets);
	assert_int_equal(value(stats, category, "bytes"), n_bytes);
	assert_int_equal(value(stats, category, "gaps"), gaps);
	assert_int_equal(value(stats, category, "gap_bytes"), gap_bytes);
}

static json_t *run(const struct frame *frames, size_t n, unsigned batch)
{
	bool passed[16];
	struct hm_error err;
	struct harness h;
	json_t *stats;

	assert_int_equal(harness_open(&h, "BURST", ARGUMENTS, &err), 0);
	harness_run(&h, frames, n, batch, false, passed);
	stats = harness_stats(&h);
	harness_close(&h);
	return stats;
}

static void test_burst_any_batch_size_books_trains_and_gaps(void **state)
{
	const struct frame frames[] = {
		{.data = bytes, .caplen = 500, .ts_ns = 10000},
		{.data = bytes, .caplen = 700, .ts_ns = 10000 + 4000 + 92}, // just not too early
		{.data = bytes, .caplen = 60, .ts_ns = 14092 + 5600 + 102}, // just not too late
		{.data = bytes,
		 .caplen = 100,
		 .ts_ns = 19794 + 480 + 8 * 2000},                        // 2000 bytes of silence
		{.data = bytes, .caplen = 60, .ts_ns = 36274 + 800 + 91}, // too early
		{.data = bytes, .caplen = 1500, .ts_ns = 37165 + 480 + 103},  // too late
		{.data = bytes, .caplen = 1500, .ts_ns = 37748 + 12000 + 96}, // joins
		{.data = bytes, .caplen = 1500, .ts_ns = 49844 + 12000 + 96}, // joins: 4500 bytes
		{.data = bytes, .caplen = 60, .ts_ns = 61940 + 12000 + 8 * 100000}, // in progress
	};

	(void)state;
	for (unsigned batch = 1; batch <= 9; batch++) {
		json_t *stats = run(frames, 9, batch);

		// below 1000: the bursts of 100 and of 60 bytes; gaps of 11 and 12 bytes
		check(stats, 0, 2, 2, 160, 2, 91 / 8 + 103 / 8);
		check(stats, 1, 1, 3, 1260, 0, 0); // 1000 to 1499
		check(stats, 2, 0, 0, 0, 0, 0);
		check(stats, 3, 0, 0, 0, 1, 2000); // 2000 to 2499
		check(stats, 4, 0, 0, 0, 0, 0);
		check(stats, 5, 1, 3, 4500, 1, 100000); // 3000 and more
		json_decref(stats);
	}
}

static void test_burst_clock_steps_back_ends_it(void **state)
{
	const struct frame frames[] = {{.data = bytes, .caplen = 60, .ts_ns = 10000},
				       {.data = bytes, .caplen = 60, .ts_ns = 5000},
				       {.data = bytes, .caplen = 60, .ts_ns = 5000}};
	json_t *stats = run(frames, 3, 3);

	(void)state;
	check(stats, 0, 2, 2, 120, 2, 0);
	json_decref(stats);
}

static void test_burst_long_silences_are_booked_exactly(void **state)
{
	const uint64_t year_ns = UINT64_C(31536000) * 1000000000;
	const struct frame frames[] = {
		{.data = bytes, .caplen = 60, .ts_ns = 10000},
		{.data = bytes, .caplen = 60, .ts_ns = 10000 + UINT64_C(3000000000)},
		{.data = bytes, .caplen = 60, .ts_ns = 10000 + year_ns},
		{.data = bytes, .caplen = 60, .ts_ns = 10000}, // a year back
	};
	json_t *stats = run(frames, 4, 4);

	(void)state;
	check(stats, 5, 0, 0, 0, 2, (int64_t)(year_ns / 8) - 2 * 60);
	check(stats, 0, 3, 3, 180, 1, 0);
	json_decref(stats);
}

static void test_burst_wrong_arguments_are_refused(void **state)
{
	static const struct {
		const char *args;
		int mapi_errno;
	} wrong[] = {
		{"[]", 7001},
		{"[-1, 3000, 500, 96, 6, 4, 1000]", 7001},
		{"[1000, 999, 500, 96, 6, 4, 1000]", 7002},
		{"[1000, 3000, 0, 96, 6, 4, 1000]", 7003},
		{"[0, 2000000000, 1, 96, 6, 4, 1000]", 7003},
		{"[1000, 3000, 500, -1, 6, 4, 1000]", 7004},
		{"[1000, 3000, 500, 96, -1, 4, 1000]", 7005},
		{"[1000, 3000, 500, 96, 6, -1, 1000]", 7011},
		{"[1000, 3000, 500, 96, 6, 4, 0]", 7000},
		{"[1000, 3000, 500, 96, 6, 4]", 7000},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
		struct hm_error err;
		struct harness h;

		assert_true(harness_open(&h, "BURST", wrong[i].args, &err) < 0);
		assert_int_equal(err.mapi_errno, wrong[i].mapi_errno);
		harness_close(&h);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_burst_any_batch_size_books_trains_and_gaps),
		cmocka_unit_test(test_burst_clock_steps_back_ends_it),
		cmocka_unit_test(test_burst_long_silences_are_booked_exactly),
		cmocka_unit_test(test_burst_wrong_arguments_are_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
