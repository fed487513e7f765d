/* SPDX-License-Identifier: BSD-3-Clause */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "function_harness.h"

#define N 20011

static const uint8_t bytes[60];
static struct frame frames[N];
static bool passed[N], expected[N];

static unsigned run(const char *args, unsigned batch, bool gaps)
{
	struct hm_error err;
	struct harness h;
	unsigned n = 0;

	assert_int_equal(harness_open(&h, "SAMPLE", args, &err), 0);
	harness_run(&h, frames, N, batch, gaps, passed);
	harness_close(&h);
	for (unsigned i = 0; i < N; i++)
		n += passed[i];
	return n;
}

static void test_sample_periodic_passes_the_nth_of_n(void **state)
{
	static const struct {
		const char *args;
		unsigned period;
	} cases[] = {{"[1, 2]", 1},       {"[2, 2]", 2}, {"[7, 2]", 7}, {"[64, 2]", 64},
		     {"[1000, 2]", 1000}, {"[0, 2]", 1}, {"[-5, 2]", 1}};

	(void)state;
	for (size_t c = 0; c < sizeof(cases) / sizeof(cases[0]); c++)
		for (unsigned batch = 1; batch <= 64; batch += 9) {
			run(cases[c].args, batch, false);
			for (unsigned i = 0; i < N; i++)
				assert_int_equal(passed[i], (i + 1) % cases[c].period == 0);
		}
}

static void test_sample_periodic_counts_only_packets_it_gets(void **state)
{
	unsigned seen = 0;

	(void)state;
	run("[3, 2]", 33, true);
	for (unsigned i = 0; i < N; i++)
		assert_int_equal(passed[i], i % 3 != 0 && ++seen % 3 == 0);
}

static void test_sample_probabilistic_passes_about_the_share(void **state)
{
	static const struct {
		const char *args;
		unsigned percent;
	} cases[] = {{"[0, 3]", 0},     {"[1, 3]", 1},     {"[50, 3]", 50}, {"[99, 3]", 99},
		     {"[100, 3]", 100}, {"[400, 3]", 100}, {"[-1, 3]", 0}};

	(void)state;
	for (size_t c = 0; c < sizeof(cases) / sizeof(cases[0]); c++) {
		unsigned n = run(cases[c].args, 64, false), wanted = N * cases[c].percent / 100;

		if (cases[c].percent == 0 || cases[c].percent == 100)
			assert_int_equal(n, cases[c].percent ? N : 0);
		else // five standard deviations of the widest case are 354
			assert_in_range(n, wanted < 354 ? 1 : wanted - 354, wanted + 354);
	}
}

static void test_sample_probabilistic_is_the_same_for_any_batch_size(void **state)
{
	(void)state;
	run("[30, 3]", 1, false);
	memcpy(expected, passed, sizeof(expected));
	for (unsigned batch = 2; batch <= 64; batch++) {
		run("[30, 3]", batch, false);
		assert_memory_equal(passed, expected, sizeof(expected));
	}
}

static void test_sample_wrong_arguments_are_refused(void **state)
{
	static const struct {
		const char *args;
		int mapi_errno;
	} wrong[] = {{"[]", 7001},     {"[\"many\", 2]", 7001}, {"[5]", 7002},
		     {"[5, 1]", 7002}, {"[5, 4]", 7002},        {"[5, 2, 1]", 7003}};

	(void)state;
	for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
		struct hm_error err;
		struct harness h;

		assert_true(harness_open(&h, "SAMPLE", wrong[i].args, &err) < 0);
		assert_int_equal(err.mapi_errno, wrong[i].mapi_errno);
		harness_close(&h);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_sample_periodic_passes_the_nth_of_n),
		cmocka_unit_test(test_sample_periodic_counts_only_packets_it_gets),
		cmocka_unit_test(test_sample_probabilistic_passes_about_the_share),
		cmocka_unit_test(test_sample_probabilistic_is_the_same_for_any_batch_size),
		cmocka_unit_test(test_sample_wrong_arguments_are_refused),
	};

	for (unsigned i = 0; i < N; i++)
		frames[i] = (struct frame){.data = bytes, .caplen = 60};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
