/* SPDX-License-Identifier: BSD-3-Clause */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "function_harness.h"

#define N 64

static struct hm_error err;

/* Frame i carries "item <i> <i>\n" or, every fourth, "item <i> <i + 1>\n". */
static void make_frames(struct frame *frames, uint8_t (*rooms)[128])
{
	for (unsigned i = 0; i < N; i++) {
		char text[64];
		int n = snprintf(text, sizeof(text), "item %u %u\n", i, i % 4 ? i : i + 1);

		frames[i] = (struct frame){
			.data = rooms[i], .caplen = harness_udp(rooms[i], 1, 2, text, (uint16_t)n)};
	}
}

static void expect_passes(const char *args, bool (*wanted)(unsigned i))
{
	static uint8_t rooms[N][128];
	struct frame frames[N];
	struct harness h;
	bool passed[N];

	make_frames(frames, rooms);
	for (unsigned batch = 1; batch <= 64; batch += 9) {
		for (int gaps = 0; gaps < 2; gaps++) {
			assert_int_equal(harness_open(&h, "REGEXP", args, &err), 0);
			harness_run(&h, frames, N, batch, gaps, passed);
			harness_close(&h);
			for (unsigned i = 0; i < N; i++)
				assert_int_equal(passed[i], wanted(i) && !(gaps && i % 3 == 0));
		}
	}
}

static bool starts_with_1(unsigned i)
{
	return i == 1 || (i >= 10 && i < 20);
}

static bool is_twice(unsigned i)
{
	return i % 4 != 0;
}

static bool none(unsigned i)
{
	(void)i;
	return false;
}

static bool all(unsigned i)
{
	(void)i;
	return true;
}

static void test_regexp_passes_frames_that_match(void **state)
{
	(void)state;
	expect_passes("[\"item 1\\\\d? \"]", starts_with_1);
	expect_passes("[\"ITEM\"]", none);
	expect_passes("[\"(?i)ITEM\"]", all);
	expect_passes("[\"\\\\d.\\\\z\"]", none); // dot is not the newline
	expect_passes("[\"^\\\\x02\"]", all);     // from the link-layer header
}

static void test_regexp_back_reference_is_exact(void **state)
{
	(void)state;
	expect_passes("[\"item (\\\\d+) \\\\1$\"]", is_twice);
}

static void test_regexp_bad_pattern_is_7000(void **state)
{
	struct harness h;
	(void)state;
	assert_int_equal(harness_open(&h, "REGEXP", "[\"a(b\"]", &err), -EINVAL);
	assert_int_equal(err.mapi_errno, 7000);
	assert_string_equal(err.text, "regular expression: missing closing parenthesis at byte 3");
	harness_close(&h);
}

static void test_regexp_missing_pattern_is_7000(void **state)
{
	struct harness h;
	(void)state;
	assert_int_equal(harness_open(&h, "REGEXP", "[null]", &err), -EINVAL);
	assert_int_equal(err.mapi_errno, 7000);
	harness_close(&h);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_regexp_passes_frames_that_match),
		cmocka_unit_test(test_regexp_back_reference_is_exact),
		cmocka_unit_test(test_regexp_bad_pattern_is_7000),
		cmocka_unit_test(test_regexp_missing_pattern_is_7000),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
