/* SPDX-License-Identifier: BSD-3-Clause */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "core/error.h"

static void test_error_set_returns_code_and_keeps_text(void **state)
{
	struct hm_error err;
	(void)state;
	assert_int_equal(hm_error_set(&err, -EINVAL, 7001, "argument %d is empty", 1), -EINVAL);
	assert_int_equal(err.mapi_errno, 7001);
	assert_string_equal(err.text, "argument 1 is empty");
}

static void test_error_set_without_place_only_returns(void **state)
{
	(void)state;
	assert_int_equal(hm_error_set(NULL, -ENOENT, 0, "nobody reads this"), -ENOENT);
}

static void test_error_set_long_text_is_cut(void **state)
{
	struct hm_error err;
	char text[2 * HM_ERROR_MAX];
	(void)state;
	memset(text, 'x', sizeof(text));
	text[sizeof(text) - 1] = '\0';
	hm_error_set(&err, -EINVAL, 0, "%s", text);
	assert_int_equal(strlen(err.text), HM_ERROR_MAX - 1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_error_set_returns_code_and_keeps_text),
		cmocka_unit_test(test_error_set_without_place_only_returns),
		cmocka_unit_test(test_error_set_long_text_is_cut),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
