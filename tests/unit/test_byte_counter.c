/* SPDX-License-Identifier: BSD-3-Clause */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "function_harness.h"

#define N 150

static void test_byte_counter_any_batch_size_sums_wire_lengths(void **state)
{
	uint8_t room[100];
	uint32_t n = harness_udp(room, 1, 2, "x", 1);
	struct frame frames[N];

	(void)state;
	for (size_t i = 0; i < N; i++)
		frames[i] = (struct frame){
			.data = room, .caplen = n, .wirelen = i % 3 ? n + (uint32_t)i * 400 : 0};
	for (unsigned batch = 1; batch <= 64; batch++) {
		bool passed[N];
		struct hm_error err;
		struct harness h;
		uint64_t sum = 0;

		assert_int_equal(harness_open(&h, "BYTE_COUNTER", "[]", &err), 0);
		harness_run(&h, frames, N, batch, true, passed);
		for (size_t i = 0; i < N; i++)
			if (passed[i])
				sum += frames[i].wirelen ? frames[i].wirelen : n;
		assert_int_equal(harness_result(&h, "value"), sum);
		harness_close(&h);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_byte_counter_any_batch_size_sums_wire_lengths),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
