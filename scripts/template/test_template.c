/* SPDX-License-Identifier: BSD-3-Clause */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "core/function.h"

/* One instance of TEMPLATE on one worker, as the daemon would make it. */
struct fixture {
	const struct hm_function *function;
	void *conf, *core;
};

static void setup(struct fixture *f, const char *args_text)
{
	union hm_value values[HM_ARGS_MAX] = {{0}};
	struct hm_apply_ctx apply = {.n_workers = 1};
	json_t *args = json_loads(args_text, 0, NULL);
	struct hm_core_ctx ctx = {.n_workers = 1};
	struct hm_error err;

	f->function = hm_function_find("TEMPLATE");
	assert_non_null(f->function);
	assert_int_equal(hm_args_parse(f->function, args, values, &err), 0);
	f->conf = calloc(1, f->function->conf_size);
	f->core = calloc(1, f->function->core_size);
	assert_int_equal(f->function->conf_init(f->conf, values, &apply, &err), 0);
	ctx.conf = f->conf;
	assert_int_equal(f->function->core_init(f->core, &ctx, &err), 0);
	json_decref(args);
}

static void teardown(struct fixture *f)
{
	free(f->core);
	free(f->conf);
}

static uint64_t value_of(const struct fixture *f)
{
	return *(uint64_t *)((char *)f->core + f->function->results[0].offset);
}

static void test_template_packets_of_all_lengths_passes_long_ones(void **state)
{
	static struct hm_batch b = {.n = 4, .all = 0xf, .wirelen = {60, 99, 100, 1514}};
	struct fixture f;

	(void)state;
	setup(&f, "[100]");
	assert_int_equal(f.function->process(f.core, &b, 0xf), 0xc);
	assert_int_equal(value_of(&f), 2);
	teardown(&f);
}

static void test_template_packets_already_out_stay_out(void **state)
{
	static struct hm_batch b = {.n = 2, .all = 0x3, .wirelen = {1514, 1514}};
	struct fixture f;

	(void)state;
	setup(&f, "[1]");
	assert_int_equal(f.function->process(f.core, &b, 0x2), 0x2);
	assert_int_equal(value_of(&f), 1);
	teardown(&f);
}

static void test_template_length_out_of_range_is_refused(void **state)
{
	const struct hm_function *function = hm_function_find("TEMPLATE");
	static const char *const wrong[] = {"[]", "[0]", "[65536]", "[\"long\"]", "[1, 2]"};
	union hm_value values[HM_ARGS_MAX];

	(void)state;
	for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
		json_t *args = json_loads(wrong[i], 0, NULL);
		struct hm_error err;

		assert_true(hm_args_parse(function, args, values, &err) < 0);
		json_decref(args);
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
