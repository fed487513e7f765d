/* SPDX-License-Identifier: BSD-3-Clause */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "function_harness.h"

#define N     1009
#define START UINT64_C(1147651200000000000)

static const uint8_t bytes[1514];
static struct frame frames[N];
static bool passed[N];

/* A number of the result, be it an integer, a real or a decimal string. */
static double number(const json_t *stats, const char *key)
{
	const json_t *v = json_object_get(stats, key);

	assert_non_null(v);
	return json_is_string(v) ? strtod(json_string_value(v), NULL) : json_number_value(v);
}

static json_t *run(const char *before, const char *name, const char *args, unsigned batch,
		   bool gaps)
{
	struct hm_error err;
	struct harness h;
	json_t *stats;

	assert_int_equal(harness_open_behind(&h, before, name, args, &err), 0);
	harness_run(&h, frames, N, batch, gaps, passed);
	for (unsigned i = 0; i < N; i++)
		assert_int_equal(passed[i], !gaps || i % 3 != 0);
	stats = harness_stats(&h);
	harness_close(&h);
	return stats;
}

/* The scalar reference: two passes over what was sampled. */
static void expect(json_t *stats, const uint64_t *values, unsigned n)
{
	double sum = 0, squares = 0, off = 0, min = n ? (double)values[0] : 0, max = 0, mean;

	for (unsigned i = 0; i < n; i++) {
		sum += (double)values[i];
		squares += (double)values[i] * (double)values[i];
		min = (double)values[i] < min ? (double)values[i] : min;
		max = (double)values[i] > max ? (double)values[i] : max;
	}
	mean = n ? sum / n : 0;
	for (unsigned i = 0; i < n; i++)
		off += ((double)values[i] - mean) * ((double)values[i] - mean);
	assert_true(number(stats, "count") == n);
	assert_true(number(stats, "sum") == sum);
	assert_float_equal(number(stats, "sum2") / (squares + 1), squares / (squares + 1), 1e-6);
	assert_true(number(stats, "min") == min);
	assert_true(number(stats, "max") == max);
	assert_float_equal(number(stats, "mean"), mean, 1e-3);
	assert_float_equal(number(stats, "variance") / (off + 1), n ? off / n / (off + 1) : 0,
			   1e-6);
	json_decref(stats);
}

static void test_stats_of_gaps_any_batch_size_and_skip(void **state)
{
	uint64_t gaps[N] = {0}, thinned[N] = {0};
	unsigned n = 0;

	(void)state;
	for (unsigned i = 1; i < N; i++)
		gaps[i] = frames[i].ts_ns - frames[i - 1].ts_ns;
	for (unsigned i = 1, last = 0; i < N; i++)
		if (i % 3 != 0) {
			thinned[n++] = last ? frames[i].ts_ns - frames[last].ts_ns : 0;
			last = i;
		}
	for (unsigned batch = 1; batch <= 64; batch += 7) {
		expect(run("GAP", "STATS", "[0, 1, \"0\"]", batch, false), gaps, N);
		expect(run("GAP", "STATS", "[7, 1, \"1\"]", batch, false), gaps + 1, N - 1);
		expect(run("GAP", "STAT", "[0, 1, 5]", batch, false), gaps + 5, N - 5);
		expect(run("GAP", "STATS", "[0, 1, \"5\"]", batch, false), gaps + 5, N - 5);
		expect(run("GAP", "STATS", "[0, 1, \"0\"]", batch, true), thinned, n);
	}
}

static void test_stats_of_counters_is_of_what_they_count(void **state)
{
	uint64_t packets[N], sums[N], sum = 0;

	(void)state;
	for (unsigned i = 0; i < N; i++) {
		packets[i] = i + 1;
		sums[i] = sum += frames[i].caplen;
	}
	expect(run("PKT_COUNTER", "STATS", "[0, 1, \"0\"]", 64, false), packets, N);
	expect(run("BYTE_COUNTER", "STATS", "[0, 1, \"0\"]", 13, false), sums, N);
}

static void test_stats_by_interval_is_a_sample_for_each_one(void **state)
{
	const uint64_t interval = 50000;
	uint64_t counts[N] = {0};
	unsigned n;

	(void)state;
	for (unsigned i = 0; i < N; i++)
		counts[(frames[i].ts_ns - START) / interval] += frames[i].caplen;
	n = (unsigned)((frames[N - 1].ts_ns - START) / interval); // the last one is not over
	assert_in_range(n, 5, N - 1);
	for (unsigned batch = 1; batch <= 64; batch += 9)
		expect(run("BYTE_COUNTER", "STATS", "[0, 1, \"50us\"]", batch, false), counts, n);
}

static void test_stats_long_silence_costs_nothing(void **state)
{
	static const struct frame two[] = {
		{.data = bytes, .caplen = 60, .ts_ns = 1},
		{.data = bytes, .caplen = 60, .ts_ns = UINT64_C(9000000000000000001)}};
	struct hm_error err;
	struct harness h;
	json_t *stats;

	(void)state;
	assert_int_equal(harness_open_behind(&h, "PKT_COUNTER", "STATS", "[0, 1, \"1ns\"]", &err),
			 0);
	harness_run(&h, two, 2, 2, false, passed);
	stats = harness_stats(&h);
	assert_true(json_integer_value(json_object_get(stats, "count")) == 9000000000000000000);
	assert_string_equal(json_string_value(json_object_get(stats, "sum")), "1");
	assert_string_equal(json_string_value(json_object_get(stats, "min")), "0");
	json_decref(stats);
	harness_close(&h);
}

static void test_stats_quantiles_and_unit_are_told(void **state)
{
	json_t *stats = run("PKT_COUNTER", "STATS", "[0, 1, \"0\"]", 64, false), *q;

	(void)state;
	q = json_object_get(stats, "quantiles");
	assert_float_equal(number(q, "0.5"), 505, 505 / 64.0);
	assert_float_equal(number(q, "0.99"), 999, 999 / 64.0);
	assert_string_equal(json_string_value(json_object_get(stats, "unit")), "packets");
	json_decref(stats);
}

static void test_stats_wrong_arguments_are_refused(void **state)
{
	static const struct {
		const char *before, *name, *args;
		int mapi_errno;
	} wrong[] = {
		{NULL, "STATS", "[0, 1, \"0\"]", 7001},
		{"GAP", "STATS", "[1, 1, \"0\"]", 7001},
		{"GAP", "STATS", "[0, 2, \"0\"]", 7001},
		{"GAP", "STATS", "[0, 0, \"0\"]", 7001},
		{"GAP", "STATS", "[0, -1, \"0\"]", 7001},
		{"SAMPLE", "STATS", "[0, 1, \"0\"]", 7001},
		{"GAP", "STATS", "[0, 1]", 7003},
		{"GAP", "STATS", "[0, 1, \"0s\"]", 7003},
		{"GAP", "STATS", "[0, 1, \"soon\"]", 7003},
		{"GAP", "STATS", "[\"x\", 1, \"0\"]", 7001},
		{"GAP", "STAT", "[0, 1, -1]", 7003},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
		struct hm_error err;
		struct harness h;

		assert_true(harness_open_behind(&h, wrong[i].before, wrong[i].name, wrong[i].args,
						&err) < 0);
		assert_int_equal(err.mapi_errno, wrong[i].mapi_errno);
		harness_close(&h);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_stats_of_gaps_any_batch_size_and_skip),
		cmocka_unit_test(test_stats_of_counters_is_of_what_they_count),
		cmocka_unit_test(test_stats_by_interval_is_a_sample_for_each_one),
		cmocka_unit_test(test_stats_long_silence_costs_nothing),
		cmocka_unit_test(test_stats_quantiles_and_unit_are_told),
		cmocka_unit_test(test_stats_wrong_arguments_are_refused),
	};
	uint64_t ts = START;

	for (unsigned i = 0; i < N; i++) {
		frames[i] =
			(struct frame){.data = bytes, .caplen = 60 + i * 37 % 1400, .ts_ns = ts};
		ts += i % 50 == 0 ? 200000 : (i * 7919u) % 3000;
	}
	return cmocka_run_group_tests(tests, NULL, NULL);
}
