/* SPDX-License-Identifier: BSD-3-Clause */
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "core/registry.h"

static uint64_t pass(void *core, const struct hm_batch *b, uint64_t in)
{
	(void)core;
	(void)b;
	return in;
}

static const struct hm_arg args_middle[] = {
	{.name = "level", .type = HM_ARG_INT, .min = 1, .max = 9, .help = "how high"},
	{.name = "label", .type = HM_ARG_STRING, .optional = true},
	{0},
};
static const struct hm_field results_middle[] = {
	{.name = "value", .type = HM_FIELD_U64, .merge = HM_MERGE_SUM, .unit = "packets"},
	{0},
};

static const char *const other_names[] = {"BRAVO", "YANKEE", NULL};

static const struct hm_function zulu = {.name = "ZULU", .process = pass};
static const struct hm_function alpha = {.name = "ALPHA", .process = pass};
static const struct hm_function middle = {
	.name = "MIDDLE",
	.aliases = other_names,
	.summary = "In the middle.",
	.flags = HM_FN_FILTERS | HM_FN_STATELESS,
	.args = args_middle,
	.results = results_middle,
	.core_size = sizeof(uint64_t),
	.process = pass,
};
HM_FUNCTION_REGISTER(zulu);
HM_FUNCTION_REGISTER(alpha);
HM_FUNCTION_REGISTER(middle);

static void test_registry_find_in_any_case_finds(void **state)
{
	(void)state;
	assert_ptr_equal(hm_function_find("MIDDLE"), &middle);
	assert_ptr_equal(hm_function_find("middle"), &middle);
	assert_ptr_equal(hm_function_find("Zulu"), &zulu);
	assert_ptr_equal(hm_function_find("BRAVO"), &middle);
	assert_ptr_equal(hm_function_find("yankee"), &middle);
	assert_null(hm_function_find("MIDDL"));
	assert_null(hm_function_find(""));
}

static void test_registry_next_gives_all_sorted(void **state)
{
	(void)state;
	assert_ptr_equal(hm_function_next(NULL), &alpha);
	assert_ptr_equal(hm_function_next(&alpha), &middle);
	assert_ptr_equal(hm_function_next(&middle), &zulu);
	assert_null(hm_function_next(&zulu));
}

static void test_registry_describe_tells_everything(void **state)
{
	json_t *got = hm_function_describe(&middle);
	json_t *want = json_loads(
		"{\"name\": \"MIDDLE\", \"aliases\": [\"BRAVO\", \"YANKEE\"], \"summary\": \"In "
		"the middle.\","
		" \"arguments\": [{\"name\": \"level\", \"type\": \"int\", \"optional\": false, "
		"\"mapi\": \"i\", \"min\": 1,"
		"                  \"max\": 9, \"help\": \"how high\"},"
		"                 {\"name\": \"label\", \"type\": \"string\", \"optional\": true, "
		"                  \"mapi\": \"s\"}],"
		" \"result\": [{\"name\": \"value\", \"type\": \"uint64\", \"merge\": \"sum\","
		"              \"unit\": \"packets\", \"c\": \"Q\"}],"
		" \"flags\": [\"filters\", \"stateless\"], \"library\": \"homard\"}",
		0, NULL);
	(void)state;
	assert_non_null(want);
	assert_true(json_equal(got, want));
	json_decref(got);
	json_decref(want);
}

/* What registering `f` does to a process. */
static int signal_of_registering(const struct hm_function *f)
{
	static const struct hm_function_abi abi = HM_FUNCTION_ABI;
	pid_t pid = fork();
	int status;

	if (pid == 0) {
		close(STDERR_FILENO);
		hm_function_register(f, &abi);
		_exit(0);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	return WIFSIGNALED(status) ? WTERMSIG(status) : 0;
}

static unsigned poll(void *conf, uint64_t now_ns)
{
	(void)conf;
	(void)now_ns;
	return 0;
}

static void test_registry_impossible_function_aborts(void **state)
{
	static const struct hm_function twin = {.name = "alpha", .process = pass};
	static const struct hm_function clone = {
		.name = "CLONE", .aliases = other_names, .process = pass};
	static const struct hm_function idle = {.name = "IDLE", .core_size = 8};
	// flows may share it, and its result is none that can begin anywhere
	static const struct hm_field latest[] = {{.name = "value", .merge = HM_MERGE_MAX}, {0}};
	static const struct hm_function shared = {.name = "SHARED",
						  .flags = HM_FN_SHARED_COUNTER,
						  .process = pass,
						  .results = latest};
	static const struct hm_function polled = {
		.name = "POLLED", .flags = HM_FN_STATELESS, .process = pass, .poll = poll};
	static const struct hm_function passive = {.name = "PASSIVE"};
	static const struct hm_function fine = {.name = "FINE", .process = pass};
	(void)state;
	assert_int_equal(signal_of_registering(&twin), SIGABRT);
	assert_int_equal(signal_of_registering(&clone), SIGABRT);
	assert_int_equal(signal_of_registering(&idle), SIGABRT);
	assert_int_equal(signal_of_registering(&shared), SIGABRT);
	assert_int_equal(signal_of_registering(&polled), SIGABRT);
	assert_int_equal(signal_of_registering(&passive), 0);
	assert_int_equal(signal_of_registering(&fine), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_registry_find_in_any_case_finds),
		cmocka_unit_test(test_registry_next_gives_all_sorted),
		cmocka_unit_test(test_registry_describe_tells_everything),
		cmocka_unit_test(test_registry_impossible_function_aborts),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
