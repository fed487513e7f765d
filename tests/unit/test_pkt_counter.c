/* SPDX-License-Identifier: BSD-3-Clause */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "function_harness.h"

#define N 131

static void test_pkt_counter_any_batch_size_counts_what_it_was_given(void **state)
{
	uint8_t room[100];
	uint32_t n = harness_udp(room, 1, 2, "x", 1);
	struct frame frames[N];

	(void)state;
	for (size_t i = 0; i < N; i++)
		frames[i] = (struct frame){.data = room, .caplen = i % 7 ? n : 5};
	for (unsigned batch = 1; batch <= 64; batch++) {
		bool passed[N];
		struct hm_error err;
		struct harness h;
		uint64_t given = 0;

		assert_int_equal(harness_open(&h, "PKT_COUNTER", "[]", &err), 0);
		harness_run(&h, frames, N, batch, true, passed);
		for (size_t i = 0; i < N; i++)
			given += passed[i]; // it passes all it was given, unparsable ones too
		assert_in_range(given, N / 2, N - 1);
		assert_int_equal(harness_result(&h, "value"), given);
		harness_run(&h, frames, N, batch, false, passed);
		assert_int_equal(harness_result(&h, "value"), given + N);
		harness_close(&h);
	}
}

static void test_pkt_counter_with_an_argument_is_refused(void **state)
{
	struct hm_error err;
	struct harness h;

	(void)state;
	assert_true(harness_open(&h, "PKT_COUNTER", "[1]", &err) < 0);
	harness_close(&h);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_pkt_counter_any_batch_size_counts_what_it_was_given),
		cmocka_unit_test(test_pkt_counter_with_an_argument_is_refused),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
