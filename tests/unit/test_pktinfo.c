/* SPDX-License-Identifier: BSD-3-Clause */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "function_harness.h"

#define N 131 // no batch size but 1 divides it

static const uint8_t bytes[60];
static struct frame frames[N];

static void make_frames(void)
{
	for (unsigned i = 0; i < N; i++)
		frames[i] = (struct frame){.data = bytes,
					   .caplen = 60,
					   .wirelen = 60 + i * 11,
					   .ts_ns = UINT64_C(1147651200) * 1000000000 +
						    i * 7919u % 1000};
}

static uint64_t expected(unsigned info, unsigned i)
{
	return info == 0 ? frames[i].ts_ns : frames[i].wirelen;
}

static void check(const char *name, const char *args, unsigned info, unsigned batch)
{
	struct hm_error err;
	struct harness h;
	bool passed[N];

	assert_int_equal(harness_open(&h, name, args, &err), 0);
	assert_int_equal(harness_result(&h, "value"), 0);
	for (unsigned i = 0; i < N; i += batch) {
		unsigned n = N - i < batch ? N - i : batch;
		const uint64_t *values =
			(const uint64_t *)((const char *)h.core + h.f->values->offset);

		harness_run(&h, frames + i, n, batch, false, passed);
		for (unsigned k = 0; k < n; k++) {
			assert_true(passed[k]);
			assert_int_equal(values[k], expected(info, i + k));
		}
		assert_int_equal(harness_result(&h, "value"), expected(info, i + n - 1));
	}
	harness_close(&h);
}

static void test_pktinfo_any_batch_size_tells_each_packet(void **state)
{
	(void)state;
	for (unsigned batch = 1; batch <= 64; batch++) {
		check("PKTINFO", "[0]", 0, batch);
		check("PKTINFO", "[1]", 1, batch);
	}
}

static void test_pktinfo_goes_by_name_too(void **state)
{
	(void)state;
	check("PKT_INFO", "[1]", 1, 7);
	check("PKTINFO", "[\"PKT_TS\"]", 0, 7);
	check("PKTINFO", "[\"pkt_size\"]", 1, 7);
	check("PKTINFO", "[\"1\"]", 1, 7);
}

static void test_pktinfo_packets_already_out_are_not_the_last(void **state)
{
	struct hm_error err;
	struct harness h;
	bool passed[N];

	(void)state;
	assert_int_equal(harness_open(&h, "PKTINFO", "[1]", &err), 0);
	harness_run(&h, frames, N - 1, 64, true, passed); // takes out 0, 3, ... 129
	assert_int_equal(harness_result(&h, "value"), frames[128].wirelen);
	harness_close(&h);
}

static void test_pktinfo_wrong_argument_is_7001(void **state)
{
	static const char *const wrong[] = {"[]",    "[2]",   "[-1]", "[\"PKT_TIME\"]",
					    "[1.5]", "[\"\"]"};

	(void)state;
	for (unsigned i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
		struct hm_error err;
		struct harness h;

		assert_true(harness_open(&h, "PKTINFO", wrong[i], &err) < 0);
		assert_int_equal(err.mapi_errno, 7001);
		harness_close(&h);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_pktinfo_any_batch_size_tells_each_packet),
		cmocka_unit_test(test_pktinfo_goes_by_name_too),
		cmocka_unit_test(test_pktinfo_packets_already_out_are_not_the_last),
		cmocka_unit_test(test_pktinfo_wrong_argument_is_7001),
	};

	make_frames();
	return cmocka_run_group_tests(tests, NULL, NULL);
}
