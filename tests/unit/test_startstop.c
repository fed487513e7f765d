/* SPDX-License-Identifier: BSD-3-Clause */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <time.h>

#include <cmocka.h>

#include "function_harness.h"

#define N      1000
#define SECOND UINT64_C(1000000000)
// 2006-05-15 02:00:00 in the time zone below (summer time, two hours before UTC)
#define BEGIN (UINT64_C(1147651200) * SECOND)

static const uint8_t bytes[60];
static struct frame frames[N]; // one a millisecond
static bool passed[N];

struct window {
	const char *args;
	unsigned first, end; // packets
};

static void check_window(const struct window *w, unsigned batch)
{
	struct hm_error err;
	struct harness h;

	assert_int_equal(harness_open(&h, "STARTSTOP", w->args, &err), 0);
	harness_run(&h, frames, N, batch, false, passed);
	for (unsigned i = 0; i < N; i++)
		assert_int_equal(passed[i], i >= w->first && i < w->end);
	assert_int_equal(harness_result(&h, "first"), BEGIN);
	assert_int_equal(harness_result(&h, "first_processed"),
			 w->first < w->end ? frames[w->first].ts_ns : 0);
	assert_int_equal(harness_result(&h, "last"),
			 w->first < w->end ? frames[w->end - 1].ts_ns : 0);
	harness_close(&h);
}

static void test_startstop_window_both_bounds_belong_to_it(void **state)
{
	static const struct window windows[] = {
		{"[\"+0\", \"+0\"]", 0, N},
		{"[\"0\", \"0\"]", 0, N},
		{"[\"+10ms\", \"+0\"]", 10, N},
		{"[\"10ms\", \"20ms\"]", 10, 31},
		{"[\"+0.0105s\", \"+9999us\"]", 11, 21},
		{"[\"+0\", \"+1ns\"]", 0, 1},
		{"[\"+1m\", \"+1m\"]", 0, 0},
		{"[\"2006-05-15 02:00:00\", \"2006-05-15 02:00:00\"]", 0, 1},
		{"[\"2006-05-15 01:59:59\", \"0\"]", 0, N},
		{"[\"2006-05-15 02:00:00\", \"+0.5s\"]", 0, 501},
		{"[\"2006-05-15 01:59:59\", \"+1s\"]", 0, 1},
		{"[\"2006-05-15 02:00:01\", \"0\"]", 0, 0},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(windows) / sizeof(windows[0]); i++)
		for (unsigned batch = 1; batch <= 64; batch += 21)
			check_window(&windows[i], batch);
}

static void test_startstop_packets_already_out_stay_out(void **state)
{
	struct hm_error err;
	struct harness h;

	(void)state;
	assert_int_equal(harness_open(&h, "STARTSTOP", "[\"10ms\", \"20ms\"]", &err), 0);
	harness_run(&h, frames, N, 64, true, passed); // the first it sees is 1, so 11 to 31 ms
	for (unsigned i = 0; i < N; i++)
		assert_int_equal(passed[i], i % 3 != 0 && i >= 11 && i <= 31);
	assert_int_equal(harness_result(&h, "first"), frames[1].ts_ns);
	assert_int_equal(harness_result(&h, "first_processed"), frames[11].ts_ns);
	assert_int_equal(harness_result(&h, "last"), frames[31].ts_ns);
	harness_close(&h);
}

static void test_startstop_what_is_no_time_is_refused(void **state)
{
	static const struct {
		const char *args;
		int mapi_errno;
	} wrong[] = {
		{"[]", 7001},
		{"[\"1s\"]", 7002},
		{"[\"1s\", 5]", 7002},
		{"[\"\", \"0\"]", 7000},
		{"[\"soon\", \"0\"]", 7000},
		{"[\"-1s\", \"0\"]", 7000},
		{"[\"1h\", \"0\"]", 7000},
		{"[\"2006-05-15\", \"0\"]", 7000},
		{"[\"2006-13-15 00:00:00\", \"0\"]", 7000},
		{"[\"2006-05-15 00:00:00 UTC\", \"0\"]", 7000},
		{"[\"1s\", \"2006-05-15 00:00:00\"]", 7000},
		{"[\"2006-05-15 00:00:01\", \"2006-05-15 00:00:00\"]", 7000},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
		struct hm_error err;
		struct harness h;

		assert_true(harness_open(&h, "STARTSTOP", wrong[i].args, &err) < 0);
		assert_int_equal(err.mapi_errno, wrong[i].mapi_errno);
		harness_close(&h);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_startstop_window_both_bounds_belong_to_it),
		cmocka_unit_test(test_startstop_packets_already_out_stay_out),
		cmocka_unit_test(test_startstop_what_is_no_time_is_refused),
	};

	setenv("TZ", "CET-1CEST,M3.5.0,M10.5.0/3", 1);
	tzset();
	for (unsigned i = 0; i < N; i++)
		frames[i] = (struct frame){
			.data = bytes, .caplen = 60, .ts_ns = BEGIN + i * SECOND / 1000};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
