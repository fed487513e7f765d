/* SPDX-License-Identifier: BSD-3-Clause */
#include <errno.h>
#include <inttypes.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "core/registry.h"

static const struct hm_arg args_sample[] = {
	{.name = "pattern", .type = HM_ARG_STRING},
	{.name = "offset", .type = HM_ARG_INT},
	{.name = "level",
	 .type = HM_ARG_INT,
	 .optional = true,
	 .min = 1,
	 .max = 9,
	 .value_default = 3},
	{.name = "id", .type = HM_ARG_U64, .optional = true, .value_default = 77},
	{.name = "label", .type = HM_ARG_STRING, .optional = true},
	{.name = "last", .type = HM_ARG_INT, .optional = true},
	{.name = "options", .type = HM_ARG_OPTIONS, .optional = true},
	{0},
};

static const struct hm_function sample = {.name = "SAMPLE", .args = args_sample};
static const struct hm_function bare = {.name = "BARE"};

static json_t *json; // what values point into
static union hm_value values[HM_ARGS_MAX];
static struct hm_error err;

static int parse(const struct hm_function *f, const char *text)
{
	json_decref(json);
	memset(&err, 0, sizeof(err));
	json = json_loads(text, JSON_ALLOW_NUL | JSON_DECODE_ANY, NULL);
	assert_non_null(json);
	return hm_args_parse(f, json, values, &err);
}

static void expect_refused(const char *text, int mapi_errno, const char *sentence)
{
	assert_int_equal(parse(&sample, text), -EINVAL);
	assert_string_equal(err.text, sentence);
	assert_int_equal(err.mapi_errno, mapi_errno);
}

static void test_args_output_without_name_is_a_file_error(void **state)
{
	static const struct hm_arg args[] = {{.name = "format", .type = HM_ARG_INT},
					     {.name = "file", .type = HM_ARG_OUTPUT},
					     {0}};
	static const struct hm_function writes = {.name = "WRITES", .args = args};
	(void)state;
	assert_true(hm_function_has_output(&writes));
	assert_false(hm_function_has_output(&sample));
	assert_false(hm_function_has_output(&bare));
	assert_int_equal(parse(&writes, "[0, \"a.pcap\"]"), 0);
	assert_string_equal(values[1].s, "a.pcap");
	assert_int_equal(parse(&writes, "[0, null]"), -EINVAL);
	assert_int_equal(err.mapi_errno, 6155);
	assert_string_equal(err.text, "WRITES: argument 2 (file) is missing");
	assert_int_equal(parse(&writes, "[0, 3]"), -EINVAL);
	assert_int_equal(err.mapi_errno, 6155);
}

static void test_args_all_given_are_converted(void **state)
{
	(void)state;
	assert_int_equal(parse(&sample, "[\"x\", -5, 9, 18, \"l\", 0, {\"a\": 1}]"), 0);
	assert_string_equal(values[0].s, "x");
	assert_int_equal(values[1].i, -5);
	assert_int_equal(values[2].i, 9);
	assert_int_equal(values[3].u, 18);
	assert_string_equal(values[4].s, "l");
	assert_int_equal(values[5].i, 0);
	assert_int_equal(json_integer_value(json_object_get(values[6].options, "a")), 1);
}

static void test_args_left_out_get_defaults(void **state)
{
	(void)state;
	for (int i = 0; i < 2; i++) {
		assert_int_equal(parse(&sample, i ? "[\"x\", 1, null, null, null]" : "[\"x\", 1]"),
				 0);
		assert_int_equal(values[2].i, 3);
		assert_int_equal(values[3].u, 77);
		assert_null(values[4].s);
		assert_null(values[6].options);
	}
}

static void test_args_numbers_as_strings_are_read(void **state)
{
	(void)state;
	assert_int_equal(parse(&sample, "[\"x\", \"-12\", \"7\", \"18446744073709551615\"]"), 0);
	assert_int_equal(values[1].i, -12);
	assert_int_equal(values[2].i, 7);
	assert_true(values[3].u == UINT64_MAX);
}

static void test_args_options_anywhere_are_found(void **state)
{
	static const char *const texts[] = {"[{\"a\": 1}, \"x\", 4]", "[\"x\", {\"a\": 1}, 4]",
					    "[\"x\", 4, {\"a\": 1}]"};
	(void)state;
	for (size_t i = 0; i < 3; i++) {
		assert_int_equal(parse(&sample, texts[i]), 0);
		assert_string_equal(values[0].s, "x");
		assert_int_equal(values[1].i, 4);
		assert_non_null(values[6].options);
	}
	expect_refused("[\"x\", 4, {}, {}]", 7004,
		       "SAMPLE: argument 4 is a second object of options");
}

static void test_args_wrong_type_is_refused(void **state)
{
	(void)state;
	expect_refused("[1, 1]", 7001,
		       "SAMPLE: argument 1 (pattern) must be a string, not an integer");
	expect_refused("[\"x\", true]", 7002,
		       "SAMPLE: argument 2 (offset) must be an integer between -2147483648 and "
		       "2147483647");
	expect_refused("[\"x\", 1.0]", 7002,
		       "SAMPLE: argument 2 (offset) must be an integer between -2147483648 and "
		       "2147483647");
	expect_refused("[\"x\", \" 1\"]", 7002,
		       "SAMPLE: argument 2 (offset) must be an integer between -2147483648 and "
		       "2147483647");
	expect_refused("[\"x\", \"\"]", 7002,
		       "SAMPLE: argument 2 (offset) must be an integer between -2147483648 and "
		       "2147483647");
	expect_refused("[\"x\", \"1\\u0000\"]", 7002,
		       "SAMPLE: argument 2 (offset) must be an integer between -2147483648 and "
		       "2147483647");
	expect_refused(
		"[\"x\", 1, 1, -1]", 7004,
		"SAMPLE: argument 4 (id) must be an integer between 0 and 18446744073709551615");
	expect_refused("[\"x\\u0000y\", 1]", 7001,
		       "SAMPLE: argument 1 (pattern) contains a zero byte");
	expect_refused("[[], 1]", 7001,
		       "SAMPLE: argument 1 (pattern) must be a string, not an array");
	expect_refused("{}", 7000, "SAMPLE: arguments must be an array, not an object");
}

static void test_args_out_of_range_is_refused(void **state)
{
	(void)state;
	expect_refused("[\"x\", 1, 10]", 7003,
		       "SAMPLE: argument 3 (level) must be between 1 and 9");
	expect_refused("[\"x\", 1, \"0\"]", 7003,
		       "SAMPLE: argument 3 (level) must be between 1 and 9");
	expect_refused("[\"x\", 2147483648]", 7002,
		       "SAMPLE: argument 2 (offset) must be between -2147483648 and 2147483647");
	expect_refused("[\"x\", \"99999999999999999999\"]", 7002,
		       "SAMPLE: argument 2 (offset) must be between -2147483648 and 2147483647");
	expect_refused("[\"x\", 1, 1, \"18446744073709551616\"]", 7004,
		       "SAMPLE: argument 4 (id) must be between 0 and 18446744073709551615");
}

static void test_args_missing_or_too_many_are_refused(void **state)
{
	(void)state;
	expect_refused("[]", 7001, "SAMPLE: argument 1 (pattern) is missing");
	expect_refused("[null, 1]", 7001, "SAMPLE: argument 1 (pattern) is missing");
	expect_refused("[\"x\"]", 7002, "SAMPLE: argument 2 (offset) is missing");
	expect_refused("[\"x\", 1, 1, 1, \"\", 1, 1]", 7000,
		       "SAMPLE takes at most 6 arguments, 7 given");
	assert_int_equal(parse(&bare, "[]"), 0);
	assert_int_equal(hm_args_parse(&bare, NULL, values, &err), 0);
	assert_int_equal(parse(&bare, "[{}]"), -EINVAL);
	assert_string_equal(err.text, "BARE takes at most 0 arguments, 1 given");
	assert_int_equal(err.mapi_errno, 7001);
}

static void test_args_sixth_position_has_number_7011(void **state)
{
	(void)state;
	expect_refused(
		"[\"x\", 1, 1, 1, \"\", \"y\"]", 7011,
		"SAMPLE: argument 6 (last) must be an integer between -2147483648 and 2147483647");
}

static void test_args_names_stand_for_numbers(void **state)
{
	static const char *const colors[] = {"red", "green", "blue", NULL};
	static const struct hm_arg args[] = {
		{.name = "color", .type = HM_ARG_INT, .min = 4, .max = 6, .names = colors}, {0}};
	static const struct hm_function named = {.name = "NAMED", .args = args};

	(void)state;
	assert_int_equal(parse(&named, "[\"red\"]"), 0);
	assert_int_equal(values[0].i, 4);
	assert_int_equal(parse(&named, "[\"BLUE\"]"), 0);
	assert_int_equal(values[0].i, 6);
	assert_int_equal(parse(&named, "[\"5\"]"), 0);
	assert_int_equal(values[0].i, 5);
	assert_int_equal(parse(&named, "[\"redd\"]"), -EINVAL);
	assert_string_equal(
		err.text,
		"NAMED: argument 1 (color) must be an integer between 4 and 6, or its name");
	assert_int_equal(parse(&named, "[\"red\\u0000\"]"), -EINVAL);
	assert_int_equal(parse(&named, "[7]"), -EINVAL);
}

static int forget_json(void **state)
{
	(void)state;
	json_decref(json);
	json = NULL;
	return 0;
}

static const struct hm_arg args_times[] = {
	{.name = "ticks", .type = HM_ARG_TIME},
	{.name = "until", .type = HM_ARG_TIME, .optional = true},
	{0},
};
static const struct hm_function timed = {.name = "TIMED", .args = args_times};

static void test_args_times_are_strings_or_numbers(void **state)
{
	(void)state;
	assert_int_equal(parse(&timed, "[\"1.5s\"]"), 0);
	assert_true(values[0].time.has_unit);
	assert_true(values[0].time.ns == 1500000000);
	assert_true(values[1].time.ns == 0 && values[1].time.plain == 0);
	assert_int_equal(parse(&timed, "[7, \"8\"]"), 0);
	assert_false(values[0].time.has_unit);
	assert_true(values[0].time.plain == 7);
	assert_true(values[1].time.plain == 8);
}

static void test_args_wrong_times_are_refused(void **state)
{
	static const char *const wrong[] = {"[\"soon\"]", "[\"\"]", "[-1]",           "[1.5]",
					    "[true]",     "[{}]",   "[\"1s\\u0000\"]"};

	(void)state;
	for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
		assert_int_equal(parse(&timed, wrong[i]), -EINVAL);
		assert_int_equal(err.mapi_errno, 7001);
		assert_non_null(strstr(err.text, "(ticks) must be a time"));
	}
	assert_int_equal(parse(&timed, "[]"), -EINVAL);
	assert_string_equal(err.text, "TIMED: argument 1 (ticks) is missing");
}

struct limits {
	uint32_t size, depth;
};

static const struct hm_option options_sample[] = {
	{.name = "size", .min = 1, .max = 100, .value_default = 7, .offset = 0},
	{.name = "depth", .max = 9, .value_default = 3, .offset = offsetof(struct limits, depth)},
	{0},
};

static int parse_options(const char *text, struct limits *l)
{
	json_decref(json);
	json = json_loads(text, JSON_DECODE_ANY, NULL);
	return hm_options_parse("SAMPLE", options_sample, json, l, 7003, &err);
}

static void test_args_options_are_given_or_default(void **state)
{
	struct limits l;

	(void)state;
	assert_int_equal(hm_options_parse("SAMPLE", options_sample, NULL, &l, 7003, &err), 0);
	assert_int_equal(l.size, 7);
	assert_int_equal(l.depth, 3);
	assert_int_equal(parse_options("{\"depth\": 0}", &l), 0);
	assert_int_equal(l.size, 7);
	assert_int_equal(l.depth, 0);
}

static void test_args_options_wrong_are_refused_with_name_and_range(void **state)
{
	static const struct {
		const char *text, *sentence;
	} wrong[] = {
		{"{\"size\": 0}", "SAMPLE: option \"size\" must be an integer between 1 and 100"},
		{"{\"size\": 101}", "SAMPLE: option \"size\" must be an integer between 1 and 100"},
		{"{\"depth\": -1}", "SAMPLE: option \"depth\" must be an integer between 0 and 9"},
		{"{\"depth\": 1.0}", "SAMPLE: option \"depth\" must be an integer between 0 and 9"},
		{"{\"seize\": 5}", "SAMPLE: no option \"seize\"; there is size, depth"},
	};
	struct limits l;

	(void)state;
	for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
		assert_int_equal(parse_options(wrong[i].text, &l), -EINVAL);
		assert_int_equal(err.mapi_errno, 7003);
		assert_string_equal(err.text, wrong[i].sentence);
	}
}

static void test_args_secret_is_not_shown(void **state)
{
	static const struct hm_arg args[] = {
		{.name = "options", .type = HM_ARG_OPTIONS, .optional = true},
		{.name = "level", .type = HM_ARG_INT},
		{.name = "key", .type = HM_ARG_STRING, .secret = true},
		{.name = "other", .type = HM_ARG_STRING, .optional = true, .secret = true},
		{0}};
	static const struct hm_function f = {.name = "F", .args = args};
	static const char *const texts[][2] = {
		{"[1,\"lobster\"]", "[1,\"***\"]"},
		{"[{\"a\":2},1,\"lobster\",\"pot\"]", "[{\"a\":2},1,\"***\",\"***\"]"},
		{"[1,{\"a\":2},\"lobster\",null]", "[1,{\"a\":2},\"***\",null]"},
		{"[1,\"lobster\",{\"a\":2}]", "[1,\"***\",{\"a\":2}]"},
		{"[]", "[]"},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
		json_t *given = json_loads(texts[i][0], 0, NULL), *shown = hm_args_shown(&f, given);
		char *text = json_dumps(shown, JSON_COMPACT);
		assert_string_equal(text, texts[i][1]);
		free(text);
		json_decref(shown);
		json_decref(given);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_args_output_without_name_is_a_file_error),
		cmocka_unit_test(test_args_all_given_are_converted),
		cmocka_unit_test(test_args_left_out_get_defaults),
		cmocka_unit_test(test_args_numbers_as_strings_are_read),
		cmocka_unit_test(test_args_options_anywhere_are_found),
		cmocka_unit_test(test_args_wrong_type_is_refused),
		cmocka_unit_test(test_args_out_of_range_is_refused),
		cmocka_unit_test(test_args_missing_or_too_many_are_refused),
		cmocka_unit_test(test_args_sixth_position_has_number_7011),
		cmocka_unit_test(test_args_names_stand_for_numbers),
		cmocka_unit_test(test_args_times_are_strings_or_numbers),
		cmocka_unit_test(test_args_wrong_times_are_refused),
		cmocka_unit_test(test_args_secret_is_not_shown),
		cmocka_unit_test(test_args_options_are_given_or_default),
		cmocka_unit_test(test_args_options_wrong_are_refused_with_name_and_range),
	};
	return cmocka_run_group_tests(tests, NULL, forget_json);
}
