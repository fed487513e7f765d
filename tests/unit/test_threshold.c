/* SPDX-License-Identifier: BSD-3-Clause */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "function_harness.h"

#define N     1000
#define START UINT64_C(1147651200000000000)

static const uint8_t bytes[1514];
static struct frame frames[N]; // one a microsecond, but for silences of 10 us behind each 100th
static bool passed[N];

struct expected {
	const char *args;
	uint64_t events;
	unsigned passed; // the first so many packets
};

static void check(const char *before, const struct expected *e, unsigned batch)
{
	struct hm_error err;
	struct harness h;

	assert_int_equal(harness_open_behind(&h, before, "THRESHOLD", e->args, &err), 0);
	harness_run(&h, frames, N, batch, false, passed);
	assert_int_equal(harness_result(&h, "events"), e->events);
	for (unsigned i = 0; i < N; i++)
		assert_int_equal(passed[i], i < e->passed);
	harness_close(&h);
}

static void check_all(const char *before, const struct expected *e, size_t n)
{
	for (size_t i = 0; i < n; i++)
		for (unsigned batch = 1; batch <= 64; batch += 21)
			check(before, &e[i], batch);
}

static void test_threshold_of_a_counter_at_every_packet(void **state)
{
	static const struct expected e[] = {
		{"[2, 0, 1, 0, 77]", 1, N},             // equal: at one packet
		{"[2, 0, 1, 1, 900]", 100, N},          // greater: 901 to 1000
		{"[2, 0, 1, 2, 10]", 9, N},             // less: 1 to 9
		{"[2, 0, 1, 1, 900, 0, 0, 5]", 5, 905}, // and then no more
		{"[0, 0, 1, 1, 126]", 4, N}, // one byte with a sign: 127, and again every 256
		{"[1, 0, 1, 1, 999]", 1, N},
		{"[2, 0, 1, 4, 1]", N - 1, N}, // differences: 0 at the first test
		{"[2, 0, 1, 16, 1]", 1, N},
		{"[2, 0, 1, 8, 1]", 0, N},
	};

	(void)state;
	check_all("PKT_COUNTER", e, sizeof(e) / sizeof(e[0]));
}

static void test_threshold_of_gaps_sees_each_silence(void **state)
{
	static const struct expected e[] = {
		{"[2, 0, 1, 1, 5000]", 9, N}, // nine times between a hundred packets
		{"[2, 0, 1, 8, 5000]", 9, N}, // up by 9000; down again is less than 0
		{"[2, 0, 1, 16, 0]", 9, N},
	};

	(void)state;
	check_all("GAP", e, sizeof(e) / sizeof(e[0]));
}

/* The scalar reference of poll and window: the value at the end of each interval, silent or not. */
static void reference(uint64_t interval, unsigned divider, uint64_t more_than, uint64_t *above,
		      uint64_t *windows)
{
	uint64_t n = (frames[N - 1].ts_ns - START) / interval, last = 0, at = 0;
	static uint64_t grown[N + 1000];

	*above = *windows = 0;
	for (uint64_t i = 0; i < n; i++) {
		uint64_t sum = 0;

		while (frames[at].ts_ns < START + (i + 1) * interval)
			at++;
		*above += at > more_than;
		grown[i] = i ? at - last : 0; // there is no change before the first test
		last = at;
		for (uint64_t k = 0; k < divider && k <= i; k++)
			sum += grown[i - k];
		*windows += sum > more_than;
	}
}

static void test_threshold_poll_and_window_test_each_interval(void **state)
{
	struct expected poll = {"[66, 0, 1, 1, 300, 7]", 0, N},
			window = {"[130, 0, 1, 1, 24, 28, 4]", 0, N},
			silent = {"[130, 0, 1, 2, 1, 2, 2]", 0, N};
	uint64_t above, windows;

	(void)state;
	reference(7000, 1, 300, &poll.events, &windows);
	reference(7000, 4, 24, &above, &window.events);
	reference(1000, 2, 0, &above, &windows);
	silent.events = (frames[N - 1].ts_ns - START) / 1000 - windows;
	assert_in_range(poll.events, 50, 150);
	assert_in_range(window.events, 20, 150);
	assert_in_range(silent.events, 20, 150);
	check_all("PKT_COUNTER", &poll, 1);
	check_all("PKT_COUNTER", &window, 1);
	check_all("PKT_COUNTER", &silent, 1);
}

static void test_threshold_wrong_arguments_are_refused(void **state)
{
	static const struct {
		const char *args;
		int mapi_errno;
	} wrong[] = {
		{"[5, 0, 1, 1, 5]", 7001},
		{"[256, 0, 1, 1, 5]", 7001},
		{"[194, 0, 1, 1, 5, 10, 1]", 7001},
		{"[-1, 0, 1, 1, 5]", 7001},
		{"[2, 0, 2, 1, 5]", 7002},
		{"[2, 9, 1, 1, 5]", 7002},
		{"[2, 0, 1, 3, 5]", 7005},
		{"[2, 0, 1, 32, 5]", 7005},
		{"[2, 0, 1, 1, -5]", 7005},
		{"[2, 0, 1, 1]", 7005},
		{"[66, 0, 1, 1, 5, 0]", 7000},
		{"[130, 0, 1, 1, 5, 10, 0]", 7000},
		{"[130, 0, 1, 1, 5, 10, 1001]", 7000},
		{"[2, 0, 1, 1, 5, 0, 0, -1]", 7000},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
		struct hm_error err;
		struct harness h;

		assert_true(harness_open_behind(&h, "GAP", "THRESHOLD", wrong[i].args, &err) < 0);
		assert_int_equal(err.mapi_errno, wrong[i].mapi_errno);
		harness_close(&h);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_threshold_of_a_counter_at_every_packet),
		cmocka_unit_test(test_threshold_of_gaps_sees_each_silence),
		cmocka_unit_test(test_threshold_poll_and_window_test_each_interval),
		cmocka_unit_test(test_threshold_wrong_arguments_are_refused),
	};
	uint64_t ts = START;

	for (unsigned i = 0; i < N; i++) {
		frames[i] = (struct frame){.data = bytes, .caplen = 60, .ts_ns = ts};
		ts += i % 100 == 99 ? 10000 : 1000;
	}
	return cmocka_run_group_tests(tests, NULL, NULL);
}
