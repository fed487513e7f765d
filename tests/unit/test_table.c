/* SPDX-License-Identifier: BSD-3-Clause */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "core/table.h"
#include "core/wheel.h"
#include "netflow/cache.h"

#define KEYS 3000

struct record {
	uint64_t key;
	uint64_t value;
};

/* Few hash values on purpose: keys collide, buckets overflow. */
static uint32_t weak_hash(uint64_t key)
{
	return (uint32_t)(key % 61) * 2654435761u;
}

static uint32_t strong_hash(uint64_t key)
{
	key = (key + 1) * UINT64_C(0x9e3779b97f4a7c15);
	key = (key ^ key >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
	return (uint32_t)((key ^ key >> 27) * UINT64_C(0x94d049bb133111eb) >> 32);
}

/* Random insertions, removals and look-ups against a plain array. */
static void compare_with_array(uint32_t (*hash)(uint64_t), uint32_t capacity, bool may_fill)
{
	struct hm_table t;
	uint32_t reference[KEYS] = {0}, used = 0;
	uint64_t failed = 0;

	assert_int_equal(hm_table_init(&t, capacity, sizeof(struct record), -1), 0);
	srand(1);
	for (int round = 0; round < 200000; round++) {
		uint64_t key = 1 + (uint64_t)rand() % (KEYS - 1);
		uint32_t found = hm_table_find(&t, hash(key), &key, sizeof(key));
		assert_int_equal(found, reference[key]);
		if (found != 0) {
			struct record *r = hm_table_record(&t, found);
			assert_int_equal(r->value, key * 3);
			if (hash(key) != 0 && hash == strong_hash)
				assert_int_equal(hm_table_candidate(&t, hash(key)), found);
		}
		if (found == 0) {
			uint32_t index = hm_table_insert(&t, hash(key));
			assert_true(index <= capacity);
			if (index == 0) {
				failed++;
				continue;
			}
			*(struct record *)hm_table_record(&t, index) =
				(struct record){key, key * 3};
			reference[key] = index;
			used++;
		} else if (rand() % 2) {
			hm_table_remove(&t, found, hash(key));
			reference[key] = 0;
			used--;
		}
		assert_int_equal(hm_table_used(&t), used);
	}
	assert_int_equal(failed > 0, may_fill);
	for (uint64_t key = 1; key < KEYS; key++)
		assert_int_equal(hm_table_find(&t, hash(key), &key, sizeof(key)), reference[key]);
	hm_table_fini(&t);
}

static void test_table_random_operations_equal_reference(void **state)
{
	(void)state;
	compare_with_array(strong_hash, KEYS, false);
}

static void test_table_colliding_hashes_equal_reference(void **state)
{
	(void)state;
	compare_with_array(weak_hash, KEYS, true);
}

static void test_table_full_table_refuses_and_equals_reference(void **state)
{
	(void)state;
	compare_with_array(strong_hash, KEYS / 4, true);
}

static void test_table_can_be_filled_to_capacity(void **state)
{
	struct hm_table t;
	uint32_t capacity = 100000, refused = 0;

	(void)state;
	assert_int_equal(hm_table_init(&t, capacity, sizeof(struct record), -1), 0);
	for (uint64_t key = 1; key <= capacity; key++) {
		uint32_t index = hm_table_insert(&t, strong_hash(key));
		if (index == 0)
			refused++;
		else
			*(struct record *)hm_table_record(&t, index) = (struct record){key, 0};
	}
	assert_int_equal(refused, 0);
	hm_table_fini(&t);
}

static void test_table_removing_a_rival_makes_room(void **state)
{
	struct hm_table t;
	uint32_t rivals[HM_TABLE_RIVALS];

	(void)state;
	assert_int_equal(hm_table_init(&t, 64, sizeof(struct record), -1), 0);
	assert_int_equal(hm_table_rivals(&t, 1, rivals), 0);
	for (uint64_t key = 1; key < 5000; key++) {
		uint32_t index = hm_table_insert(&t, strong_hash(key));
		if (index == 0) {
			unsigned n = hm_table_rivals(&t, strong_hash(key), rivals);
			struct record *r = hm_table_record(&t, rivals[0]);
			assert_in_range(n, 1, HM_TABLE_RIVALS);
			hm_table_remove(&t, rivals[0], strong_hash(r->value));
			index = hm_table_insert(&t, strong_hash(key));
		}
		assert_int_not_equal(index, 0);
		*(struct record *)hm_table_record(&t, index) = (struct record){key, key};
		assert_int_equal(hm_table_find(&t, strong_hash(key), &key, sizeof(key)), index);
	}
	hm_table_fini(&t);
}

static void test_table_cache_takes_at_most_160_bytes_a_record(void **state)
{
	const uint32_t sizes[] = {1000, 10000, 1 << 20, 10000000};

	(void)state;
	for (unsigned i = 0; i < 4; i++)
		assert_true(hm_cache_bytes(sizes[i], false) <= UINT64_C(160) * sizes[i]);
}

static void test_table_senseless_sizes_are_refused(void **state)
{
	struct hm_table t;

	(void)state;
	assert_int_equal(hm_table_init(&t, 0, 64, -1), -EINVAL);
	assert_int_equal(hm_table_init(&t, HM_TABLE_MAX + 1, 64, -1), -EINVAL);
	assert_int_equal(hm_table_init(&t, 10, 7, -1), -EINVAL);
	assert_int_equal(hm_table_init(&t, 10, 8192, -1), -EINVAL);
	hm_table_fini(&t);
}

/* --- the wheel --- */

#define TIMERS 500
#define SHIFT  10

static void test_wheel_hands_out_each_timer_once_and_in_time(void **state)
{
	struct hm_wheel w;
	uint64_t deadline[TIMERS + 1] = {0};
	uint32_t out[16], left = 0;

	(void)state;
	srand(2);
	assert_int_equal(hm_wheel_init(&w, TIMERS, 64, SHIFT, -1), 0);
	assert_int_equal(hm_wheel_due(&w, 1 << 20, out, 16), 0); // begins with now
	for (uint64_t now = 1 << 20; now < 2 << 20; now += 100 + (uint64_t)(rand() % 3000)) {
		uint32_t i = 1 + (uint32_t)rand() % TIMERS;
		unsigned n;
		if (deadline[i] == 0) {
			deadline[i] = now + (uint64_t)rand() % (50 << SHIFT);
			hm_wheel_add(&w, i, deadline[i]);
			left++;
		} else if (rand() % 4 == 0) {
			hm_wheel_remove(&w, i);
			deadline[i] = 0;
			left--;
		}
		do {
			n = hm_wheel_due(&w, now, out, 16);
			for (unsigned k = 0; k < n; k++) {
				assert_in_range(deadline[out[k]], 1, now);
				deadline[out[k]] = 0;
				left--;
			}
		} while (n == 16);
		for (i = 1; i <= TIMERS; i++) // none is late by more than a slot
			assert_true(deadline[i] == 0 || deadline[i] + (2 << SHIFT) > now);
	}
	for (unsigned n; (n = hm_wheel_take(&w, out, 16)) > 0;)
		left -= n;
	assert_int_equal(left, 0);
	hm_wheel_fini(&w);
}

static void test_wheel_far_deadline_comes_up_at_the_horizon(void **state)
{
	struct hm_wheel w;
	uint32_t out[4];

	(void)state;
	assert_int_equal(hm_wheel_init(&w, 4, 8, 0, -1), 0);
	assert_int_equal(hm_wheel_due(&w, 100, out, 4), 0);
	hm_wheel_add(&w, 3, 100000);
	assert_int_equal(hm_wheel_due(&w, 105, out, 4), 0);
	assert_int_equal(hm_wheel_due(&w, 120, out, 4), 1);
	assert_int_equal(out[0], 3);
	hm_wheel_fini(&w);
}

static void test_wheel_time_that_steps_back_goes_on(void **state)
{
	struct hm_wheel w;
	uint32_t out[4];

	(void)state;
	assert_int_equal(hm_wheel_init(&w, 4, 8, 0, -1), 0);
	assert_int_equal(hm_wheel_due(&w, 1000000, out, 4), 0);
	assert_int_equal(hm_wheel_due(&w, 100, out, 4), 0); // the clock was wrong before
	hm_wheel_add(&w, 1, 103);
	assert_int_equal(hm_wheel_due(&w, 110, out, 4), 1);
	hm_wheel_fini(&w);
}

static void test_wheel_senseless_sizes_are_refused(void **state)
{
	struct hm_wheel w;

	(void)state;
	assert_int_equal(hm_wheel_init(&w, 0, 8, 0, -1), -EINVAL);
	assert_int_equal(hm_wheel_init(&w, 8, 12, 0, -1), -EINVAL);
	assert_int_equal(hm_wheel_init(&w, 8, 8, 64, -1), -EINVAL);
	hm_wheel_fini(&w);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_table_random_operations_equal_reference),
		cmocka_unit_test(test_table_colliding_hashes_equal_reference),
		cmocka_unit_test(test_table_full_table_refuses_and_equals_reference),
		cmocka_unit_test(test_table_can_be_filled_to_capacity),
		cmocka_unit_test(test_table_removing_a_rival_makes_room),
		cmocka_unit_test(test_table_cache_takes_at_most_160_bytes_a_record),
		cmocka_unit_test(test_table_senseless_sizes_are_refused),
		cmocka_unit_test(test_wheel_hands_out_each_timer_once_and_in_time),
		cmocka_unit_test(test_wheel_far_deadline_comes_up_at_the_horizon),
		cmocka_unit_test(test_wheel_time_that_steps_back_goes_on),
		cmocka_unit_test(test_wheel_senseless_sizes_are_refused),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
