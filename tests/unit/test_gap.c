/* SPDX-License-Identifier: BSD-3-Clause */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "function_harness.h"

#define N 131 // no batch size but 1 divides it

static const uint8_t bytes[60];
static struct frame frames[N];

static void make_frames(void)
{
	uint64_t ts = UINT64_C(1147651200) * 1000000000;

	for (unsigned i = 0; i < N; i++) {
		frames[i] = (struct frame){.data = bytes, .caplen = 60, .ts_ns = ts};
		ts += (i * 7919u) % 1000;
	}
}

static const uint64_t *values_of(const struct harness *h)
{
	return (const uint64_t *)((const char *)h->core + h->f->values->offset);
}

static void test_gap_first_packet_has_none(void **state)
{
	struct hm_error err;
	struct harness h;
	bool passed[1];

	(void)state;
	assert_int_equal(harness_open(&h, "GAP", "[]", &err), 0);
	assert_int_equal(harness_result(&h, "value"), 0);
	harness_run(&h, frames, 1, 1, false, passed);
	assert_true(passed[0]);
	assert_int_equal(harness_result(&h, "value"), 0);
	assert_int_equal(values_of(&h)[0], 0);
	harness_close(&h);
}

static void test_gap_any_batch_size_is_time_since_packet_before(void **state)
{
	(void)state;
	for (unsigned batch = 1; batch <= 64; batch++) {
		struct hm_error err;
		struct harness h;
		bool passed[N];

		assert_int_equal(harness_open(&h, "GAP", "[]", &err), 0);
		for (unsigned i = 0; i < N; i += batch) {
			unsigned n = N - i < batch ? N - i : batch;

			harness_run(&h, frames + i, n, batch, false, passed);
			for (unsigned k = 0; k < n; k++)
				assert_int_equal(
					values_of(&h)[k],
					i + k ? frames[i + k].ts_ns - frames[i + k - 1].ts_ns : 0);
		}
		assert_int_equal(harness_result(&h, "value"),
				 frames[N - 1].ts_ns - frames[N - 2].ts_ns);
		harness_close(&h);
	}
}

static void test_gap_packets_already_out_do_not_count(void **state)
{
	struct hm_error err;
	struct harness h;
	bool passed[N];

	(void)state;
	assert_int_equal(harness_open(&h, "GAP", "[]", &err), 0);
	harness_run(&h, frames, N, 64, true, passed); // takes out every third packet, 0, 3, ... 129
	assert_int_equal(harness_result(&h, "value"), frames[130].ts_ns - frames[128].ts_ns);
	harness_close(&h);
}

static void test_gap_clock_steps_back_is_zero(void **state)
{
	struct frame pair[] = {{.data = bytes, .caplen = 60, .ts_ns = 2000},
			       {.data = bytes, .caplen = 60, .ts_ns = 1000},
			       {.data = bytes, .caplen = 60, .ts_ns = 1300}};
	struct hm_error err;
	struct harness h;
	bool passed[3];

	(void)state;
	assert_int_equal(harness_open(&h, "GAP", "[]", &err), 0);
	harness_run(&h, pair, 2, 2, false, passed);
	assert_int_equal(harness_result(&h, "value"), 0);
	harness_run(&h, pair + 2, 1, 1, false, passed);
	assert_int_equal(harness_result(&h, "value"), 300);
	harness_close(&h);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_gap_first_packet_has_none),
		cmocka_unit_test(test_gap_any_batch_size_is_time_since_packet_before),
		cmocka_unit_test(test_gap_packets_already_out_do_not_count),
		cmocka_unit_test(test_gap_clock_steps_back_is_zero),
	};

	make_frames();
	return cmocka_run_group_tests(tests, NULL, NULL);
}
