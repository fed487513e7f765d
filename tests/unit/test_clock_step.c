/* SPDX-License-Identifier: BSD-3-Clause */
/* A wall clock that steps, forwards and back, changes nothing but the export times that headers tell. */
#include <time.h>

#include "exporter_fake.h"

#define DAY (24 * 3600)

static time_t wall_s; // what the exporter sees as seconds since 1970

int __wrap_clock_gettime(clockid_t clock, struct timespec *t);
int __real_clock_gettime(clockid_t clock, struct timespec *t);

int __wrap_clock_gettime(clockid_t clock, struct timespec *t)
{
	if (clock != CLOCK_REALTIME && clock != CLOCK_REALTIME_COARSE)
		return __real_clock_gettime(clock, t);
	*t = (struct timespec){.tv_sec = wall_s};
	return 0;
}

static uint32_t last_export_s;

static int remember_and_send(struct hm_connection *c, const struct iovec *v, unsigned n)
{
	int taken = fake_send(c, v, n);

	if (taken > 0)
		last_export_s = get32((const uint8_t *)v[taken - 1].iov_base + 4);
	return taken;
}

static void test_clock_step_disturbs_neither_data_nor_templates(void **state)
{
	static const int steps[] = {0, DAY, -2 * DAY, 5, -3, 400 * DAY, -400 * DAY};
	static struct hm_transport watched; // outlives this function, as the exporter does
	unsigned templates = 0;

	(void)state;
	watched = fake;
	watched.send = remember_and_send;
	conf.transport = &watched;
	conf.template_interval_s = 2;
	start();
	wall_s = 1700000000;
	for (unsigned i = 0; i < sizeof(steps) / sizeof(steps[0]); i++) {
		wall_s += steps[i];
		put(100);
		poll_for(SECOND);
		assert_int_equal(balanced().sent, 100 * (i + 1));
		assert_int_equal(last_export_s, wall_s);
	}
	check_sequence();
	for (unsigned i = 0; i < collector.n; i++)
		templates += collector.seen[i].templates;
	assert_int_equal(templates, 4); // at first, and every two of these seven seconds
}

/* The collector is away while the clock steps: patience is not measured by it. */
static void test_clock_step_does_not_end_patience(void **state)
{
	(void)state;
	start();
	put(10);
	poll_for(200 * MS);
	collector.refuse = -ECONNREFUSED;
	put(1000);
	poll_for(5 * SECOND);
	wall_s += DAY;
	poll_for(4 * SECOND);
	wall_s -= 2 * DAY;
	assert_int_equal(balanced().queued, 1000);
	collector.refuse = 0;
	poll_for(SECOND);
	assert_int_equal(balanced().sent, 1010);
	assert_int_equal(balanced().unreachable, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_clock_step_disturbs_neither_data_nor_templates,
						set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_clock_step_does_not_end_patience, set_up,
						tear_down),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
