/* SPDX-License-Identifier: BSD-3-Clause */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "core/timespan.h"

static void test_timespan_units_are_exact(void **state)
{
	static const struct {
		const char *text;
		uint64_t ns;
	} good[] = {
		{"1s", 1000000000},
		{"+1s", 1000000000},
		{"1000ms", 1000000000},
		{"1.5s", 1500000000},
		{"2m", 120000000000},
		{"250us", 250000},
		{"17ns", 17},
		{"0s", 0},
		{"0.000000001s", 1},
		{"0.0000000019s", 1},
		{"0.1us", 100},
		{"9223372036.854775807s", INT64_MAX},
		{"16777217ms", UINT64_C(16777217000000)}, // a C float would lose the 1
	};
	struct hm_timespan t;

	(void)state;
	for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++) {
		assert_true(hm_timespan_parse(good[i].text, &t));
		assert_true(t.has_unit);
		assert_int_equal(t.ns, good[i].ns);
		assert_int_equal(t.plus, good[i].text[0] == '+');
	}
}

static void test_timespan_plain_number_is_in_fractions_of_2_to_the_32(void **state)
{
	struct hm_timespan t;

	(void)state;
	assert_true(hm_timespan_parse("4294967296", &t));
	assert_false(t.has_unit);
	assert_int_equal(t.plain, UINT64_C(1) << 32);
	assert_int_equal(t.ns, 1000000000);
	assert_true(hm_timespan_parse("0", &t));
	assert_int_equal(t.plain, 0);
	assert_int_equal(t.ns, 0);
}

static void test_timespan_other_text_is_refused(void **state)
{
	static const char *const bad[] = {
		"",
		"+",
		"s",
		".5s",
		"1.s",
		"1.5",
		"-1s",
		"1 s",
		" 1s",
		"1s ",
		"1h",
		"1S",
		"1e3s",
		"++1s",
		"0x10s",
		"1ss",
		"1.2.3s",
		"nan",
		"10000000000s",
		"18446744073709551616",
		"99999999999999999999999999999999999s",
		"0.99999999999999999999999999s",
	};
	struct hm_timespan t;

	(void)state;
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		assert_false(hm_timespan_parse(bad[i], &t));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_timespan_units_are_exact),
		cmocka_unit_test(test_timespan_plain_number_is_in_fractions_of_2_to_the_32),
		cmocka_unit_test(test_timespan_other_text_is_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
