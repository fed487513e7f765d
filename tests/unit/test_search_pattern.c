/* SPDX-License-Identifier: BSD-3-Clause */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "core/search_private.h"

static struct hm_error err;

static struct hm_pattern *literal(const char *text, uint32_t offset, uint32_t depth)
{
	memset(&err, 0, sizeof(err));
	return hm_pattern_literal(text, offset, depth, &err);
}

/* The alternatives of `text`, joined by '/', as they are to be found in packets. */
static void expect_alternatives(const char *text, const char *want, size_t n_want)
{
	struct hm_pattern *p = literal(text, 0, 0);
	uint8_t got[256];
	const uint8_t *bytes;
	uint32_t at = 0, n, used = 0;

	assert_non_null(p);
	while (hm_pattern_alternative(p, &at, &bytes, &n)) {
		memcpy(got + used, bytes, n);
		used += n;
		got[used++] = '/';
	}
	assert_int_equal(used - 1, n_want);
	assert_memory_equal(got, want, n_want);
	hm_pattern_release(p);
}

#define EXPECT(text, want) expect_alternatives(text, want, sizeof(want) - 1)

static void test_literal_plain_text_is_itself(void **state)
{
	(void)state;
	EXPECT("abc", "abc");
	EXPECT("a b\"c", "a b\"c");
	EXPECT("\xff\x80", "\xff\x80");
}

static void test_literal_hex_is_bytes(void **state)
{
	(void)state;
	EXPECT("|61 62|", "ab");
	EXPECT("|6162|", "ab");
	EXPECT("| 6 1\t6 2 |", "ab");
	EXPECT("x|00|y|fF|", "x\0y\xff");
	EXPECT("|61||62|", "ab");
	EXPECT("|61 6|", "a"); // MAPI drops an odd digit at the end
	EXPECT("a|6|b", "ab");
}

static void test_literal_backslash_escapes_pipe_and_backslash_only(void **state)
{
	(void)state;
	EXPECT("a\\|b", "a|b");
	EXPECT("a\\\\b", "a\\b");
	EXPECT("\\|\\|", "||");
	EXPECT("a\\nb", "a\\nb");
	EXPECT("a\\", "a\\");
	EXPECT("\\\\|61|", "\\a");
}

static void test_literal_double_pipe_separates_alternatives(void **state)
{
	(void)state;
	EXPECT("abcd||defg", "abcd/defg");
	EXPECT("abcd|||65 66|||x", "abcd/ef/x");
	EXPECT("||a||||b||", "a/b");
	EXPECT("|61|||b", "a/b");
	EXPECT("a\\|||b", "a|/b");
}

static void expect_refused(const char *text, uint32_t depth, int mapi_errno, const char *sentence)
{
	assert_null(literal(text, 0, depth));
	assert_string_equal(err.text, sentence);
	assert_int_equal(err.mapi_errno, mapi_errno);
}

static void test_literal_malformed_hex_is_3503(void **state)
{
	(void)state;
	expect_refused("ab|61", 0, 3503,
		       "pattern: the hex section that begins at byte 2 has no closing '|'");
	expect_refused("|", 0, 3503,
		       "pattern: the hex section that begins at byte 0 has no closing '|'");
	expect_refused("a|||", 0, 3503,
		       "pattern: the hex section that begins at byte 3 has no closing '|'");
	expect_refused(
		"a|6g|", 0, 3503,
		"pattern: byte 3, in the hex section that begins at byte 1, must be 0-9, a-f, A-F, "
		"blank or '|'");
}

static void test_literal_depth_below_length_is_3504(void **state)
{
	struct hm_pattern *p;
	(void)state;
	expect_refused("abcd", 3, 3504,
		       "depth is 3, less than the 4 bytes of the pattern (0 searches to the end)");
	expect_refused("ab||abcd", 3, 3504,
		       "depth is 3, less than the 4 bytes of the pattern (0 searches to the end)");
	p = literal("|61 62 63 64|", 0, 4);
	assert_non_null(p);
	hm_pattern_release(p);
}

static void test_literal_nothing_to_search_is_3505(void **state)
{
	(void)state;
	expect_refused("", 0, 3505, "pattern: nothing is left to search in \"\"");
	expect_refused("||", 0, 3505, "pattern: nothing is left to search in \"||\"");
	expect_refused("|6|", 0, 3505, "pattern: nothing is left to search in \"|6|\"");
	expect_refused("| |||", 5, 3505, "pattern: nothing is left to search in \"| |||\"");
}

static void test_literal_longest_compiles_longer_is_refused(void **state)
{
	char text[HM_LITERAL_MAX + 2];
	struct hm_pattern *p;
	struct hm_pattern_set *set;
	struct hm_search_db *db;
	(void)state;

	memset(text, 'q', sizeof(text));
	text[HM_LITERAL_MAX + 1] = '\0';
	expect_refused(text, 0, 3505,
		       "pattern: an alternative has 4001 bytes, at most 4000 are allowed");
	text[HM_LITERAL_MAX] = '\0';
	p = literal(text, 0, 0);
	assert_non_null(p);
	set = hm_pattern_set_create((const struct hm_pattern *const *)&p, 1);
	db = hm_search_compile(set, &err);
	assert_non_null(db);
	hm_search_db_unref(db);
	hm_pattern_set_destroy(set);
	hm_pattern_release(p);
}

static void test_pattern_same_search_is_interned(void **state)
{
	struct hm_pattern *a = literal("ab", 3, 9), *b = literal("|61|b", 3, 9);
	struct hm_pattern *other[] = {literal("ab", 4, 9), literal("ab", 3, 8),
				      literal("ab||c", 3, 9), literal("abc", 3, 9),
				      hm_pattern_regexp("ab", &err)};
	struct hm_pattern *r = hm_pattern_regexp("ab", &err);
	(void)state;
	assert_non_null(a);
	assert_ptr_equal(a, b);
	assert_ptr_equal(r, other[4]);
	for (int i = 0; i < 5; i++) {
		assert_ptr_not_equal(a, other[i]);
		assert_int_not_equal(hm_pattern_slot(a), hm_pattern_slot(other[i]));
		hm_pattern_release(other[i]);
	}
	hm_pattern_release(a);
	hm_pattern_release(b);
	hm_pattern_release(r);
}

static void test_pattern_slot_stays_until_released_then_is_used_again(void **state)
{
	struct hm_pattern *p[300];
	char text[16];
	(void)state;
	for (unsigned i = 0; i < 300; i++) {
		snprintf(text, sizeof(text), "text %u", i);
		p[i] = literal(text, 0, 0);
		assert_non_null(p[i]);
		assert_int_equal(hm_pattern_slot(p[i]), i);
	}
	hm_pattern_release(p[70]);
	assert_int_equal(hm_pattern_slot(p[71]), 71);
	p[70] = literal("newcomer", 0, 0);
	assert_int_equal(hm_pattern_slot(p[70]), 70);
	for (unsigned i = 0; i < 300; i++)
		hm_pattern_release(p[i]);
}

static void test_pattern_set_holds_each_pattern_once(void **state)
{
	struct hm_pattern *a = literal("a", 0, 0), *b = literal("b", 0, 0);
	const struct hm_pattern *all[] = {b, a, NULL, a, b, b};
	struct hm_pattern_set *set = hm_pattern_set_create(all, 6);
	struct hm_pattern_set *none = hm_pattern_set_create(NULL, 0);
	(void)state;
	assert_int_equal(hm_pattern_set_size(set), 2);
	assert_int_equal(hm_pattern_set_size(none), 0);
	hm_pattern_release(a);
	hm_pattern_release(b); // the set keeps both alive
	assert_string_equal(hm_pattern_engine(set->at[0]), "literal");
	assert_ptr_equal(literal("a", 0, 0), a);
	hm_pattern_release(a);
	hm_pattern_set_destroy(set);
	hm_pattern_set_destroy(none);
	hm_pattern_set_destroy(NULL);
	hm_pattern_release(NULL);
}

static void expect_engine(const char *text, const char *engine)
{
	struct hm_pattern *p = hm_pattern_regexp(text, &err);
	struct hm_pattern_set *set;

	assert_non_null(p);
	assert_string_equal(hm_pattern_engine(p), "regexp");
	set = hm_pattern_set_create((const struct hm_pattern *const *)&p, 1);
	hm_search_db_unref(hm_search_compile(set, &err));
	assert_string_equal(hm_pattern_engine(p), engine);
	hm_pattern_set_destroy(set);
	hm_pattern_release(p);
}

static void test_regexp_engine_is_the_cheapest_that_understands(void **state)
{
	(void)state;
	expect_engine("GET /[a-z]+", "hyperscan");
	expect_engine("", "hyperscan");
	expect_engine("(\\w+) \\1", "prefilter+pcre2");
	expect_engine("a(?!b)", "prefilter+pcre2");
	expect_engine("(?>a+)b", "prefilter+pcre2");
	expect_engine("(a)(?1)", "pcre2");
	expect_engine("(*NO_JIT)ab", "pcre2");
	expect_engine("(?i)abc", "hyperscan");
	expect_engine("(a)(?i:\\1)", "pcre2"); // its prefilter misses, see search_db.c
}

static void expect_bad_regexp(const char *text, const char *sentence)
{
	memset(&err, 0, sizeof(err));
	assert_null(hm_pattern_regexp(text, &err));
	assert_string_equal(err.text, sentence);
	assert_int_equal(err.mapi_errno, 7000);
}

static void test_regexp_nobody_understands_is_7000_with_position(void **state)
{
	char text[HM_REGEXP_MAX + 2];
	(void)state;
	expect_bad_regexp("ab(c", "regular expression: missing closing parenthesis at byte 4");
	expect_bad_regexp(
		"*a", "regular expression: quantifier does not follow a repeatable item at byte 0");
	expect_bad_regexp("[z-a]",
			  "regular expression: range out of order in character class at byte 3");
	expect_bad_regexp("(*UTF)a",
			  "regular expression: using UTF is disabled by the application at byte 6");
	memset(text, 'a', sizeof(text));
	text[HM_REGEXP_MAX + 1] = '\0';
	expect_bad_regexp(text, "regular expression: it has 8001 bytes, at most 8000 are allowed");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_literal_plain_text_is_itself),
		cmocka_unit_test(test_literal_hex_is_bytes),
		cmocka_unit_test(test_literal_backslash_escapes_pipe_and_backslash_only),
		cmocka_unit_test(test_literal_double_pipe_separates_alternatives),
		cmocka_unit_test(test_literal_malformed_hex_is_3503),
		cmocka_unit_test(test_literal_depth_below_length_is_3504),
		cmocka_unit_test(test_literal_nothing_to_search_is_3505),
		cmocka_unit_test(test_literal_longest_compiles_longer_is_refused),
		cmocka_unit_test(test_pattern_same_search_is_interned),
		cmocka_unit_test(test_pattern_slot_stays_until_released_then_is_used_again),
		cmocka_unit_test(test_pattern_set_holds_each_pattern_once),
		cmocka_unit_test(test_regexp_engine_is_the_cheapest_that_understands),
		cmocka_unit_test(test_regexp_nobody_understands_is_7000_with_position),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
