/* SPDX-License-Identifier: BSD-3-Clause */
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "core/outbox.h"

struct note {
	uint64_t ts_ns;
	uint64_t number;
};

static void put(struct hm_outbox *o, unsigned worker, uint64_t ts_ns, uint64_t number)
{
	struct note *n = hm_outbox_room(o, worker);

	if (!n)
		return;
	*n = (struct note){ts_ns, number};
	hm_outbox_put(o, worker);
}

static void expect_counts(const struct hm_outbox *o, uint64_t offered, uint64_t delivered,
			  uint64_t dropped, uint64_t queued)
{
	struct hm_outbox_counts c;

	hm_outbox_counts(o, &c);
	assert_int_equal(c.offered, offered);
	assert_int_equal(c.delivered, delivered);
	assert_int_equal(c.dropped, dropped);
	assert_int_equal(c.queued, queued);
}

static struct hm_outbox *create(unsigned workers, uint32_t records)
{
	struct hm_error err;
	struct hm_outbox *o = hm_outbox_create(workers, sizeof(struct note), records, &err);

	assert_non_null(o);
	return o;
}

static void test_outbox_full_drops_the_new_one_and_counts(void **state)
{
	struct hm_outbox *o = create(1, 3); // room for 4

	(void)state;
	for (uint64_t i = 1; i <= 6; i++)
		put(o, 0, i, i);
	expect_counts(o, 6, 0, 2, 4);
	for (uint64_t i = 1; i <= 3; i++)
		assert_int_equal(((const struct note *)hm_outbox_take(o))->number, i);
	expect_counts(o, 6, 3, 2, 1);
	put(o, 0, 7, 7); // two are free: the third is still being looked at
	put(o, 0, 8, 8);
	put(o, 0, 9, 9);
	expect_counts(o, 9, 3, 3, 3);
	assert_int_equal(((const struct note *)hm_outbox_take(o))->number, 4);
	assert_int_equal(((const struct note *)hm_outbox_take(o))->number, 7);
	assert_int_equal(((const struct note *)hm_outbox_take(o))->number, 8);
	assert_null(hm_outbox_take(o));
	assert_null(hm_outbox_take(o));
	expect_counts(o, 9, 6, 3, 0);
	hm_outbox_destroy(o);
}

static void test_outbox_of_several_workers_is_taken_by_time(void **state)
{
	struct hm_outbox *o = create(3, 64);
	uint64_t last = 0;

	(void)state;
	for (uint64_t i = 0; i < 150; i++)
		put(o, i * 7 % 3, i, i);
	for (uint64_t i = 0; i < 150; i++) {
		const struct note *n = hm_outbox_take(o);

		assert_true(n->ts_ns >= last);
		last = n->ts_ns;
	}
	assert_null(hm_outbox_take(o));
	hm_outbox_destroy(o);
}

#define MANY UINT64_C(200000)

static void *put_many(void *arg)
{
	for (uint64_t i = 0; i < MANY; i++)
		put(arg, 0, i, ~i);
	return NULL;
}

static void test_outbox_with_a_thread_that_puts_loses_nothing_uncounted(void **state)
{
	struct hm_outbox *o = create(1, 256);
	struct hm_outbox_counts c;
	uint64_t taken = 0, next = 0;
	pthread_t thread;

	(void)state;
	assert_int_equal(pthread_create(&thread, NULL, put_many, o), 0);
	do {
		const struct note *n = hm_outbox_take(o);

		if (n) {
			assert_true(n->ts_ns >= next);
			assert_int_equal(n->number, ~n->ts_ns);
			next = n->ts_ns + 1;
			taken++;
		}
		hm_outbox_counts(o, &c);
	} while (c.offered < MANY || c.queued > 0);
	pthread_join(thread, NULL);
	assert_null(hm_outbox_take(o));
	expect_counts(o, MANY, taken, MANY - taken, 0);
	hm_outbox_destroy(o);
}

static void test_outbox_too_large_is_refused(void **state)
{
	struct hm_error err;

	(void)state;
	assert_null(hm_outbox_create(64, UINT32_MAX, UINT32_MAX, &err));
	assert_int_equal(err.mapi_errno, 3084);
	hm_outbox_destroy(NULL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_outbox_full_drops_the_new_one_and_counts),
		cmocka_unit_test(test_outbox_of_several_workers_is_taken_by_time),
		cmocka_unit_test(test_outbox_with_a_thread_that_puts_loses_nothing_uncounted),
		cmocka_unit_test(test_outbox_too_large_is_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
