/* SPDX-License-Identifier: BSD-3-Clause */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "function_harness.h"

#define N     2500
#define START UINT64_C(1147651200000000000)

static const uint8_t bytes[1514];
static struct frame frames[N];
static bool passed[N];

static json_t *run(const char *before, const char *args, unsigned batch)
{
	struct hm_error err;
	struct harness h;
	json_t *stats;

	assert_int_equal(harness_open_behind(&h, before, "BUCKET", args, &err), 0);
	harness_run(&h, frames, N, batch, false, passed);
	for (unsigned i = 0; i < N; i++)
		assert_true(passed[i]);
	assert_true(h.f->drain(h.core));
	stats = harness_stats(&h);
	harness_close(&h);
	return stats;
}

/* Of `n` entries published, the newest 1,000 are there. */
static void expect(json_t *stats, const uint64_t *times, const uint64_t *data, size_t n)
{
	const json_t *entries = json_object_get(stats, "entries");
	size_t kept = n < 1000 ? n : 1000;

	assert_int_equal(json_integer_value(json_object_get(stats, "published")), n);
	assert_int_equal(json_array_size(entries), kept);
	for (size_t i = 0; i < kept; i++) {
		const json_t *e = json_array_get(entries, i);
		const char *ts = json_string_value(json_object_get(e, "ts_ns"));
		const char *value = json_string_value(json_object_get(e, "data"));

		assert_int_equal(strtoull(ts, NULL, 10), times[n - kept + i]);
		assert_int_equal(strtoull(value, NULL, 10), data[n - kept + i]);
	}
	json_decref(stats);
}

static void test_bucket_by_interval_any_batch_size(void **state)
{
	const uint64_t interval = 20000;
	static uint64_t times[N], counted[N], total[N];
	uint64_t sum = 0, at = 0;
	size_t n = 0;

	(void)state;
	for (uint64_t begin = START; begin + interval <= frames[N - 1].ts_ns; begin += interval) {
		uint64_t before = sum;

		while (frames[at].ts_ns < begin + interval)
			sum += frames[at++].caplen;
		times[n] = begin;
		counted[n] = sum - before;
		total[n++] = sum > before ? sum : 0; // silent intervals say 0
	}
	assert_in_range(n, 50, 900);
	for (unsigned batch = 1; batch <= 64; batch += 21) {
		expect(run("BYTE_COUNTER", "[0, 1, \"20us\", 1]", batch), times, counted, n);
		expect(run("BYTE_COUNTER", "[0, 1, \"20us\", 0]", batch), times, total, n);
		expect(run("BYTE_COUNTER", "[0, 1, \"20us\"]", batch), times, total, n);
	}
}

static void test_bucket_at_every_packet_and_at_the_end(void **state)
{
	static uint64_t times[N], numbers[N];

	(void)state;
	for (unsigned i = 0; i < N; i++) {
		times[i] = frames[i].ts_ns;
		numbers[i] = i + 1;
	}
	expect(run("PKT_COUNTER", "[0, 1, \"0\"]", 64), times, numbers, N);
	expect(run("PKT_COUNTER", "[0, 1, \"-1\"]", 64), &times[N - 1], &numbers[N - 1], 1);
}

static void test_bucket_long_silence_keeps_the_newest(void **state)
{
	static const struct frame two[] = {
		{.data = bytes, .caplen = 60, .ts_ns = 1},
		{.data = bytes, .caplen = 60, .ts_ns = UINT64_C(9000000000000000001)}};
	uint64_t times[1000], zeros[1000] = {0};
	struct hm_error err;
	struct harness h;
	json_t *stats;

	(void)state;
	assert_int_equal(harness_open_behind(&h, "PKT_COUNTER", "BUCKET", "[0, 1, \"1ns\"]", &err),
			 0);
	harness_run(&h, two, 2, 2, false, passed);
	stats = harness_stats(&h);
	assert_int_equal(json_integer_value(json_object_get(stats, "published")),
			 9000000000000000000);
	for (unsigned i = 0; i < 1000; i++)
		times[i] = UINT64_C(9000000000000000001) - 1000 + i;
	json_object_set_new(stats, "published", json_integer(1000));
	expect(stats, times, zeros, 1000);
	harness_close(&h);
}

static void test_bucket_wrong_arguments_are_refused(void **state)
{
	static const struct {
		const char *args;
		int mapi_errno;
	} wrong[] = {
		{"[0, 2, \"1s\"]", 7000},
		{"[9, 1, \"1s\"]", 7000},
		{"[0, 1]", 7003},
		{"[0, 1, \"0s\"]", 7003},
		{"[0, 1, \"-2\"]", 7003},
		{"[0, 1, \"soon\"]", 7003},
		{"[0, 1, \"1s\", 2]", 7000},
		{"[0, 1, \"1s\", \"x\"]", 7004},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
		struct hm_error err;
		struct harness h;

		assert_true(harness_open_behind(&h, "GAP", "BUCKET", wrong[i].args, &err) < 0);
		assert_int_equal(err.mapi_errno, wrong[i].mapi_errno);
		harness_close(&h);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_bucket_by_interval_any_batch_size),
		cmocka_unit_test(test_bucket_at_every_packet_and_at_the_end),
		cmocka_unit_test(test_bucket_long_silence_keeps_the_newest),
		cmocka_unit_test(test_bucket_wrong_arguments_are_refused),
	};
	uint64_t ts = START;

	for (unsigned i = 0; i < N; i++) {
		frames[i] =
			(struct frame){.data = bytes, .caplen = 60 + i * 37 % 1400, .ts_ns = ts};
		ts += i % 500 == 0 ? 200000 : (i * 7919u) % 3000;
	}
	return cmocka_run_group_tests(tests, NULL, NULL);
}
