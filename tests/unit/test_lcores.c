/* SPDX-License-Identifier: BSD-3-Clause */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "core/lcores.h"

static void expect(const char *list, int n, uint64_t low)
{
	uint64_t set[2];
	struct hm_error err;

	assert_int_equal(hm_lcores_parse(list, set, &err), n);
	assert_int_equal(set[0], low);
}

static void test_lcores_lists_are_counted(void **state)
{
	(void)state;
	expect("0", 1, 0x1);
	expect("0-1", 2, 0x3);
	expect("0,2,4-6", 5, 0x75);
	expect("0@0,1@0", 2, 0x3);
	expect("0@0,(1-4)@1", 5, 0x1f);
	expect("(0,2)@(0-1),7@3", 3, 0x85);
	expect("1-1", 1, 0x2);
}

static void test_lcores_nonsense_is_refused_with_the_place(void **state)
{
	static const char *const bad[] = {"",     "x",  "1-",  "3-1", "0,",
					  "(0-1", "0@", "128", "0 1", "-1"};

	(void)state;
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		struct hm_error err = {0};
		uint64_t set[2];

		assert_int_equal(hm_lcores_parse(bad[i], set, &err), -EINVAL);
		assert_non_null(strstr(err.text, "no list of lcores"));
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_lcores_lists_are_counted),
		cmocka_unit_test(test_lcores_nonsense_is_refused_with_the_place),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
