/* SPDX-License-Identifier: BSD-3-Clause */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "core/sketch.h"

#define N 5001

static struct hm_sketch sketch, half[2], merged;
static uint64_t values[N];

static int by_value(const void *left, const void *right)
{
	uint64_t a = *(const uint64_t *)left, b = *(const uint64_t *)right;

	return a < b ? -1 : a > b;
}

static void test_sketch_buckets_are_in_order_and_in_range(void **state)
{
	uint64_t step = 1;
	unsigned last = 0;

	(void)state;
	for (uint64_t v = 0; v < UINT64_MAX - step; v += step) {
		unsigned bucket = hm_sketch_bucket(v);

		assert_true(bucket == last || bucket == last + 1);
		last = bucket;
		step = v / 64 + 1;
	}
	assert_int_equal(hm_sketch_bucket(UINT64_MAX), HM_SKETCH_BUCKETS - 1);
}

static void test_sketch_quantiles_are_near_the_sorted_values(void **state)
{
	(void)state;
	memset(&sketch, 0, sizeof(sketch));
	srandom(20060515);
	for (unsigned i = 0; i < N; i++) {
		values[i] = ((uint64_t)random() << 31 | (uint64_t)random()) >> (random() % 60);
		hm_sketch_add(&sketch, values[i], 1);
		hm_sketch_add(&half[i % 2], values[i], 1);
	}
	qsort(values, N, sizeof(values[0]), by_value);
	for (unsigned permille = 0; permille <= 1000; permille++) {
		size_t rank = (N * permille + 999) / 1000;
		uint64_t truth = values[rank ? rank - 1 : 0];
		uint64_t found = hm_sketch_quantile(&sketch, permille);
		uint64_t off = found > truth ? found - truth : truth - found;

		assert_true(off <= truth / 64);
	}
	hm_sketch_merge(&merged, &half[0]);
	hm_sketch_merge(&merged, &half[1]);
	assert_memory_equal(&merged, &sketch, sizeof(sketch));
}

static void test_sketch_empty_one_has_no_quantiles(void **state)
{
	static const struct hm_sketch empty;

	(void)state;
	assert_int_equal(hm_sketch_count(&empty), 0);
	assert_int_equal(hm_sketch_quantile(&empty, 500), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_sketch_buckets_are_in_order_and_in_range),
		cmocka_unit_test(test_sketch_quantiles_are_near_the_sorted_values),
		cmocka_unit_test(test_sketch_empty_one_has_no_quantiles),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
