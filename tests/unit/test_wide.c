/* SPDX-License-Identifier: BSD-3-Clause */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "core/wide.h"

static void expect(const struct hm_wide *a, const char *decimal)
{
	char text[HM_WIDE_DECIMAL];

	assert_string_equal(hm_wide_decimal(a, text), decimal);
}

static void test_wide_add_carries_through_all_words(void **state)
{
	struct hm_wide a = {{UINT64_MAX, UINT64_MAX, UINT64_MAX, 0}};

	(void)state;
	hm_wide_add(&a, 1);
	expect(&a, "6277101735386680763835789423207666416102355444464034512896"); // 2^192
	memset(&a, 0, sizeof(a));
	expect(&a, "0");
	for (unsigned i = 0; i < 3; i++)
		hm_wide_add(&a, ~(unsigned __int128)0);
	expect(&a, "1020847100762815390390123822295304634365"); // 3 * (2^128 - 1)
}

static void test_wide_multiply_and_subtract_are_exact(void **state)
{
	const struct hm_wide a = {{UINT64_MAX, 12345, 0, 0}}, b = {{UINT64_MAX, 1, 0, 0}};
	struct hm_wide product = hm_wide_multiply(&a, &b), rest;

	(void)state;
	// (12345 * 2^64 + 2^64 - 1) * (2^65 - 1)
	expect(&product, "8402252204011812539609865410883055133917185");
	rest = hm_wide_subtract(&product, &a);
	expect(&rest, "8402252204011812539382121908549037009666050");
	rest = hm_wide_subtract(&product, &product);
	expect(&rest, "0");
}

static void test_wide_real_is_close(void **state)
{
	const struct hm_wide a = {{0, 0, 0, 1}}, b = {{7}};

	(void)state;
	assert_true(hm_wide_real(&a) == 0x1p192L);
	assert_true(hm_wide_real(&b) == 7);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_wide_add_carries_through_all_words),
		cmocka_unit_test(test_wide_multiply_and_subtract_are_exact),
		cmocka_unit_test(test_wide_real_is_close),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
