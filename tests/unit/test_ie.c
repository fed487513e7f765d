/* SPDX-License-Identifier: BSD-3-Clause */
/* The table of information elements against libfixbuf's model, which is made from IANA's registry. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include <fixbuf/public.h>

#include "netflow/ie.h"

static void test_ie_table_is_what_libfixbuf_knows(void **state)
{
	fbInfoModel_t *model = fbInfoModelAlloc();
	size_t n;
	const struct hm_ie *e = hm_ie_all(&n);

	(void)state;
	for (size_t i = 0; i < n; i++) {
		const fbInfoElement_t *f = fbInfoModelGetElementByID(model, e[i].id, 0);
		if (!f)
			fail_msg("%u %s: libfixbuf has no such element", e[i].id, e[i].name);
		assert_string_equal(e[i].name, f->ref.name);
		if (e[i].type != f->type || hm_ie_length(e[i].type) != f->len ||
		    e[i].semantics != FB_IE_SEMANTIC(f->flags) ||
		    e[i].unit != FB_IE_UNITS(f->flags))
			fail_msg("%u %s: type %u, length %u, semantics %u, unit %u, and in "
				 "libfixbuf "
				 "%u, %u, %u, %u",
				 e[i].id, e[i].name, e[i].type, hm_ie_length(e[i].type),
				 e[i].semantics, e[i].unit, f->type, f->len,
				 FB_IE_SEMANTIC(f->flags), FB_IE_UNITS(f->flags));
	}
	fbInfoModelFree(model);
}

static void test_ie_table_is_sorted_and_found_both_ways(void **state)
{
	size_t n;
	const struct hm_ie *e = hm_ie_all(&n);

	(void)state;
	assert_true(n > 100);
	for (size_t i = 0; i < n; i++) {
		assert_true(i == 0 || e[i - 1].id < e[i].id);
		assert_ptr_equal(hm_ie_by_id(e[i].id), &e[i]);
		assert_ptr_equal(hm_ie_by_name(e[i].name), &e[i]);
	}
	assert_null(hm_ie_by_id(0));
	assert_null(hm_ie_by_id(0x8001));
	assert_null(hm_ie_by_name("flowstartmilliseconds"));
	assert_null(hm_ie_by_name(""));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_ie_table_is_what_libfixbuf_knows),
		cmocka_unit_test(test_ie_table_is_sorted_and_found_both_ways),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
