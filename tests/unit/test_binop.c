/* SPDX-License-Identifier: BSD-3-Clause */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "function_harness.h"

#define N 131

static const uint8_t bytes[1514];
static struct frame frames[N];

static uint64_t run(const char *before, const char *args, unsigned batch)
{
	bool passed[N];
	struct hm_error err;
	struct harness h;
	uint64_t value;

	assert_int_equal(harness_open_behind(&h, before, "BINOP", args, &err), 0);
	assert_true(harness_result(&h, "value") == 0);
	harness_run(&h, frames, N, batch, true, passed);
	for (unsigned i = 0; i < N; i++)
		assert_int_equal(passed[i], i % 3 != 0);
	value = harness_result(&h, "value");
	harness_close(&h);
	return value;
}

static void test_binop_any_batch_size_adds_and_subtracts(void **state)
{
	uint64_t last = frames[N - 1].ts_ns - frames[N - 3].ts_ns, packets = N - (N + 2) / 3;

	(void)state;
	assert_int_equal((N - 1) % 3, 1); // the last but one was taken out
	for (unsigned batch = 1; batch <= 64; batch++) {
		assert_true(run("GAP", "[0, 0, 1, 7, 1]", batch) == 2 * last);
		assert_true(run("GAP", "[1, 0, 1, 0, 1]", batch) == 0);
		assert_true(run("PKT_COUNTER", "[\"add\", 0, 1, 0, 1]", batch) == 2 * packets);
		assert_true(run("PKT_COUNTER", "[\"SUB\", 0, 1, 0, 1]", batch) == 0);
	}
}

static void test_binop_wrong_arguments_are_refused(void **state)
{
	static const struct {
		const char *args;
		int mapi_errno;
	} wrong[] = {
		{"[]", 7001},
		{"[0]", 7002},
		{"[0, 0]", 7003},
		{"[0, 0, 1]", 7004},
		{"[0, 0, 1, 0]", 7005},
		{"[0, 0, 1, 0, 1, 0]", 7011},
		{"[0, 9, 1, 0, 1]", 7002},
		{"[0, 0, 2, 0, 1]", 7002},
		{"[0, 0, 1, 9, 1]", 7004},
		{"[0, 0, 1, 0, 2]", 7004},
		{"[2, 0, 1, 0, 1]", 7001},
		{"[-1, 0, 1, 0, 1]", 7001},
		{"[2, 9, 1, 0, 1]", 7002}, // the type is looked at last
		{"[0, -1, 1, 0, 1]", 7002},
		{"[7, 1, 7, 1, 1]", 7002}, // the tutorial's order
	};

	(void)state;
	for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
		struct hm_error err;
		struct harness h;

		assert_true(harness_open_behind(&h, "GAP", "BINOP", wrong[i].args, &err) < 0);
		assert_int_equal(err.mapi_errno, wrong[i].mapi_errno);
		harness_close(&h);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_binop_any_batch_size_adds_and_subtracts),
		cmocka_unit_test(test_binop_wrong_arguments_are_refused),
	};

	for (unsigned i = 0; i < N; i++)
		frames[i] = (struct frame){.data = bytes,
					   .caplen = 60 + i * 37 % 1400,
					   .ts_ns = UINT64_C(1147651200000000000) + i * i * 7};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
