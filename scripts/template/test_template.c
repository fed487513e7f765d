/* SPDX-License-Identifier: BSD-3-Clause */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "function_harness.h"

static const uint8_t bytes[1514];
static const struct frame frames[] = {
	{.data = bytes, .caplen = 60},
	{.data = bytes, .caplen = 99},
	{.data = bytes, .caplen = 60, .wirelen = 100},
	{.data = bytes, .caplen = 1514},
};

static void test_template_packets_of_all_lengths_passes_long_ones(void **state)
{
	struct hm_error err;
	struct harness h;
	bool passed[4];

	(void)state;
	assert_int_equal(harness_open(&h, "TEMPLATE", "[100]", &err), 0);
	for (unsigned batch = 1; batch <= 4; batch++) {
		harness_run(&h, frames, 4, batch, false, passed);
		assert_false(passed[0]);
		assert_false(passed[1]);
		assert_true(passed[2]);
		assert_true(passed[3]);
		assert_int_equal(harness_result(&h, "value"), 2 * batch);
	}
	harness_close(&h);
}

static void test_template_packets_already_out_stay_out(void **state)
{
	struct hm_error err;
	struct harness h;
	bool passed[4];

	(void)state;
	assert_int_equal(harness_open(&h, "TEMPLATE", "[1]", &err), 0);
	harness_run(&h, frames, 4, 4, true, passed);
	assert_int_equal(harness_result(&h, "value"),
			 passed[0] + passed[1] + passed[2] + passed[3]);
	harness_close(&h);
}

static void test_template_length_out_of_range_is_refused(void **state)
{
	static const char *const wrong[] = {"[]", "[0]", "[65536]", "[\"long\"]", "[1, 2]"};

	(void)state;
	for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
		struct hm_error err;
		struct harness h;

		assert_true(harness_open(&h, "TEMPLATE", wrong[i], &err) < 0);
		harness_close(&h);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_template_packets_of_all_lengths_passes_long_ones),
		cmocka_unit_test(test_template_packets_already_out_stay_out),
		cmocka_unit_test(test_template_length_out_of_range_is_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
