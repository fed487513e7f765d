/* SPDX-License-Identifier: BSD-3-Clause */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "function_harness.h"

static uint8_t rooms[4][128];
static struct frame frames[4];
static struct hm_error err;

/* Destination ports 80, 81, 82, 83. */
static void make_frames(void)
{
	for (unsigned i = 0; i < 4; i++) {
		frames[i].data = rooms[i];
		frames[i].caplen = harness_udp(rooms[i], 1000, (uint16_t)(80 + i), "data", 4);
	}
}

static unsigned passes(const char *args, bool gaps)
{
	struct harness h;
	bool passed[4];
	unsigned mask = 0;

	make_frames();
	assert_int_equal(harness_open(&h, "BPF_FILTER", args, &err), 0);
	harness_run(&h, frames, 4, 64, gaps, passed);
	harness_close(&h);
	for (unsigned i = 0; i < 4; i++)
		mask |= (unsigned)passed[i] << i;
	return mask;
}

static void refuses(const char *args, int mapi_errno)
{
	struct harness h;

	assert_true(harness_open(&h, "BPF_FILTER", args, &err) < 0);
	assert_int_equal(err.mapi_errno, mapi_errno);
	harness_close(&h);
}

static void test_bpf_filter_passes_what_matches(void **state)
{
	(void)state;
	assert_int_equal(passes("[\"udp port 81\"]", false), 0x2);
	assert_int_equal(passes("[\"udp dst portrange 81-83\"]", false), 0xe);
	assert_int_equal(passes("[\"tcp\"]", false), 0);
	passes("[\"udp\"]", true);
}

static void test_bpf_filter_optimise_flag_is_ignored(void **state)
{
	(void)state;
	assert_int_equal(passes("[\"udp port 81\", 0]", false), 0x2);
	assert_int_equal(passes("[\"udp port 81\", 1]", false), 0x2);
}

static void test_bpf_filter_bad_arguments_are_refused(void **state)
{
	(void)state;
	refuses("[]", 7001);
	refuses("[null]", 7001);
	refuses("[\"\"]", 7001);
	refuses("[\"tcp and and\"]", 1025);
	refuses("[\"host example.com\"]", 1025);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_bpf_filter_passes_what_matches),
		cmocka_unit_test(test_bpf_filter_optimise_flag_is_ignored),
		cmocka_unit_test(test_bpf_filter_bad_arguments_are_refused),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
