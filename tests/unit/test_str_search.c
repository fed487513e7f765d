/* SPDX-License-Identifier: BSD-3-Clause */
#include <errno.h>
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

static void make_frames(void)
{
	static const char *const payloads[4] = {"nothing here", "a lobster", "lobster", "loBster"};

	for (unsigned i = 0; i < 4; i++) {
		uint16_t n = (uint16_t)strlen(payloads[i]);
		frames[i].data = rooms[i];
		frames[i].caplen = harness_udp(rooms[i], 1000, 80, payloads[i], n);
	}
}

/* Bit i: frame i passes; the same for all sizes of batches. */
static unsigned passes(const char *args)
{
	struct harness h;
	unsigned first = 0;

	make_frames();
	for (unsigned batch = 1; batch <= 4; batch++) {
		bool passed[4];
		unsigned mask = 0;

		assert_int_equal(harness_open(&h, "STR_SEARCH", args, &err), 0);
		harness_run(&h, frames, 4, batch, false, passed);
		harness_close(&h);
		for (unsigned i = 0; i < 4; i++)
			mask |= (unsigned)passed[i] << i;
		if (batch == 1)
			first = mask;
		assert_int_equal(mask, first);
	}
	return first;
}

static void test_str_search_passes_frames_with_the_string(void **state)
{
	(void)state;
	assert_int_equal(passes("[\"lobster\", 0, 0]"), 0x6);
	assert_int_equal(passes("[\"nothing||loB|73|\", 0, 0]"), 0x9);
	assert_int_equal(passes("[\"absent\", \"0\", \"0\"]"), 0);
}

static void test_str_search_offset_counts_from_link_header(void **state)
{
	(void)state;
	assert_int_equal(passes("[\"|08 00 45|\", 12, 3]"), 0xf); // EtherType
	assert_int_equal(passes("[\"|08 00 45|\", 13, 0]"), 0);
	assert_int_equal(passes("[\"lobster\", 42, 7]"), 0x4); // first bytes of the payload
	assert_int_equal(passes("[\"lobster\", 44, 7]"), 0x2);
	assert_int_equal(passes("[\"lobster\", 42, 2147483647]"), 0x6);
}

static void expect_refused(const char *args, int mapi_errno, const char *sentence)
{
	struct harness h;

	assert_int_equal(harness_open(&h, "STR_SEARCH", args, &err), -EINVAL);
	assert_int_equal(err.mapi_errno, mapi_errno);
	assert_string_equal(err.text, sentence);
	harness_close(&h);
}

static void test_str_search_bad_arguments_are_refused_with_mapis_numbers(void **state)
{
	(void)state;
	expect_refused("[null, 0, 0]", 7001, "STR_SEARCH: argument 1 (pattern) is missing");
	expect_refused("[\"\", 0, 0]", 7001, "STR_SEARCH: argument 1 (pattern) is empty");
	expect_refused("[\"a\", -1, 0]", 7002,
		       "STR_SEARCH: argument 2 (offset) must be between 0 and 2147483647");
	expect_refused("[\"a\", 0, -1]", 7003,
		       "STR_SEARCH: argument 3 (depth) must be between 0 and 2147483647");
	expect_refused("[\"a|6\", 0, 0]", 3503,
		       "pattern: the hex section that begins at byte 1 has no closing '|'");
	expect_refused("[\"abc\", 0, 2]", 3504,
		       "depth is 2, less than the 3 bytes of the pattern (0 searches to the end)");
	expect_refused("[\"||\", 0, 0]", 3505, "pattern: nothing is left to search in \"||\"");
}

static void test_str_search_syntax_is_looked_at_when_connecting(void **state)
{
	const struct hm_function *f = hm_function_find("str_search");
	const union hm_value args[] = {{.s = "|6"}, {.i = 0}, {.i = 0}};
	const struct hm_apply_ctx ctx = {.snaplen = 100};
	union {
		char room[256];
		void *align;
	} conf;
	(void)state;
	memset(&conf, 0, sizeof(conf));
	assert_true(f->conf_size <= sizeof(conf));
	assert_int_equal(f->conf_init(&conf, args, &ctx, &err), 0);
	assert_null(f->pattern(&conf));
	assert_int_equal(f->connect(&conf, &err), -EINVAL);
	assert_int_equal(err.mapi_errno, 3503);
	f->conf_fini(&conf);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_str_search_passes_frames_with_the_string),
		cmocka_unit_test(test_str_search_offset_counts_from_link_header),
		cmocka_unit_test(test_str_search_bad_arguments_are_refused_with_mapis_numbers),
		cmocka_unit_test(test_str_search_syntax_is_looked_at_when_connecting),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
