/* SPDX-License-Identifier: BSD-3-Clause */
/* A filter for which there is no memory: libpcap gives no handle when the test wants it. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "filter/filter.h"

static bool fails;

FILE *__real_fmemopen(void *bytes, size_t n, const char *mode);
FILE *__wrap_fmemopen(void *bytes, size_t n, const char *mode);
FILE *__wrap_fmemopen(void *bytes, size_t n, const char *mode)
{
	return fails ? NULL : __real_fmemopen(bytes, n, mode);
}

static void test_no_memory_is_1027_and_nothing_stays(void **state)
{
	struct hm_error err = {0};
	struct hm_filter *f;

	(void)state;
	fails = true;
	assert_null(hm_filter_create("tcp port 80", HM_LINK_ETHERNET, 0, &err));
	assert_int_equal(err.mapi_errno, 1027);
	assert_true(strlen(err.text) > 0);
	fails = false;
	f = hm_filter_create("tcp port 80", HM_LINK_ETHERNET, 0, &err);
	assert_non_null(f);
	hm_filter_destroy(f);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_no_memory_is_1027_and_nothing_stays),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
