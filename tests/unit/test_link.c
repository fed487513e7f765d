/* SPDX-License-Identifier: BSD-3-Clause */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include <pcap/pcap.h>

#include "core/link.h"

static const uint32_t known[] = {0, 1, 9, 50, 101, 104, 108, 113, 228, 229, 276};

static void test_link_known_number_has_libpcaps_name(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(known) / sizeof(known[0]); i++) {
		assert_true(hm_link_supported(known[i]));
		assert_string_equal(hm_link_name(known[i]),
				    pcap_datalink_val_to_name(hm_link_dlt(known[i])));
		assert_non_null(strstr(hm_link_supported_names(), hm_link_name(known[i])));
	}
}

static void test_link_other_number_is_named_and_not_supported(void **state)
{
	(void)state;
	assert_false(hm_link_supported(105));
	assert_string_equal(hm_link_name(105), "IEEE802_11");
	assert_string_equal(hm_link_name(65000), "DLT 65000");
	assert_string_equal(hm_link_name(4294967295u), "DLT 4294967295");
}

static void test_link_exactly_the_documented_numbers_are_supported(void **state)
{
	unsigned n = 0;
	(void)state;
	for (uint32_t link = 0; link < 70000; link++)
		n += hm_link_supported(link);
	assert_int_equal(n, sizeof(known) / sizeof(known[0]));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_link_known_number_has_libpcaps_name),
		cmocka_unit_test(test_link_other_number_is_named_and_not_supported),
		cmocka_unit_test(test_link_exactly_the_documented_numbers_are_supported),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
