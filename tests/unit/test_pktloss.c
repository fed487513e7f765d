/* SPDX-License-Identifier: BSD-3-Clause */
/* Without a device nothing is lost; tests/e2e/test_pktloss.py has a card that loses packets. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "function_harness.h"

#define N 67

static const uint8_t bytes[60];
static struct frame frames[N];

static void test_pktloss_passes_all(void **state)
{
	bool passed[N];
	struct hm_error err;
	struct harness h;

	(void)state;
	for (unsigned batch = 1; batch <= 64; batch += 9) {
		assert_int_equal(harness_open(&h, "PKTLOSS", "[]", &err), 0);
		harness_run(&h, frames, N, batch, true, passed);
		for (unsigned i = 0; i < N; i++)
			assert_int_equal(passed[i], i % 3 != 0);
		harness_close(&h);
	}
}

static void test_pktloss_tells_each_cause(void **state)
{
	struct hm_error err;
	struct harness h;
	json_t *stats;

	(void)state;
	assert_int_equal(harness_open(&h, "PKTLOSS", "[]", &err), 0);
	stats = harness_stats(&h);
	assert_int_equal(json_object_size(stats), 3);
	assert_int_equal(json_integer_value(json_object_get(stats, "lost")), 0);
	json_decref(stats);
	harness_close(&h);
}

static void test_pktloss_argument_is_7001(void **state)
{
	struct hm_error err;
	struct harness h;

	(void)state;
	assert_true(harness_open(&h, "PKTLOSS", "[1]", &err) < 0);
	assert_int_equal(err.mapi_errno, 7001);
	harness_close(&h);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_pktloss_passes_all),
		cmocka_unit_test(test_pktloss_tells_each_cause),
		cmocka_unit_test(test_pktloss_argument_is_7001),
	};

	for (unsigned i = 0; i < N; i++)
		frames[i] = (struct frame){.data = bytes, .caplen = 60, .ts_ns = i};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
