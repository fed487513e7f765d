/* SPDX-License-Identifier: BSD-3-Clause */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>

#include "function_harness.h"

#define N 131 // no batch size but 1 divides it

static const uint8_t bytes[60];
static const uint16_t interfaces[] = {0, 1, 2, 3, 255, 256, 257, 65535};
static struct frame frames[N];

static void make_frames(void)
{
	for (unsigned i = 0; i < N; i++)
		frames[i] = (struct frame){
			.data = bytes, .caplen = 60, .ifindex = interfaces[i * 7919u % 8]};
}

static void test_interface_any_batch_size_passes_its_own(void **state)
{
	(void)state;
	for (unsigned k = 0; k < 8; k++)
		for (unsigned batch = 1; batch <= 64; batch += 9)
			for (unsigned gaps = 0; gaps < 2; gaps++) {
				struct hm_error err;
				struct harness h;
				bool passed[N];
				char args[16];

				snprintf(args, sizeof(args), "[%u]", interfaces[k]);
				assert_int_equal(harness_open(&h, "INTERFACE", args, &err), 0);
				harness_run(&h, frames, N, batch, gaps, passed);
				for (unsigned i = 0; i < N; i++)
					assert_int_equal(passed[i],
							 frames[i].ifindex == interfaces[k] &&
								 !(gaps && i % 3 == 0));
				harness_close(&h);
			}
}

static void refuse(const char *args, int mapi_errno)
{
	struct hm_error err;
	struct harness h;

	assert_true(harness_open(&h, "INTERFACE", args, &err) < 0);
	assert_int_equal(err.mapi_errno, mapi_errno);
	harness_close(&h);
}

static void test_interface_wrong_argument(void **state)
{
	(void)state;
	refuse("[-1]", 7000);
	refuse("[65536]", 7000);
	refuse("[]", 7001);
	refuse("[\"eth0\"]", 7001);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_interface_any_batch_size_passes_its_own),
		cmocka_unit_test(test_interface_wrong_argument),
	};

	make_frames();
	return cmocka_run_group_tests(tests, NULL, NULL);
}
