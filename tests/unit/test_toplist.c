/* SPDX-License-Identifier: BSD-3-Clause */
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "core/toplist.h"

#define VALUES 3000
#define N      40000
#define S      UINT64_C(1000000000)
#define BEGIN  (UINT64_C(1147651200) * S) // a multiple of 60 s

struct packet {
	uint32_t value, bytes;
	uint64_t ts_ns;
};

/* What is true of each value. */
struct truth {
	uint64_t packets, bytes, first_ns;
	uint32_t value;
};

static struct packet packets[N];
static struct truth truth[VALUES];

/* A few values are frequent, most are rare. */
static void make_packets(void)
{
	uint64_t x = 20060515;

	for (unsigned i = 0; i < N; i++) {
		uint32_t r;

		x = x * UINT64_C(6364136223846793005) + 1442695040888963407;
		r = (uint32_t)(x >> 33);
		packets[i] = (struct packet){.value = r % (1 + (r >> 8) % (1 + (x >> 17) % VALUES)),
					     .bytes = 40 + (r >> 4) % 1400,
					     .ts_ns = BEGIN + i * UINT64_C(1000)};
	}
}

static void tell_truth(unsigned from, unsigned n)
{
	memset(truth, 0, sizeof(truth));
	for (unsigned i = from; i < from + n; i++) {
		struct truth *t = &truth[packets[i].value];

		t->value = packets[i].value;
		t->first_ns = t->packets++ ? t->first_ns : packets[i].ts_ns;
		t->bytes += packets[i].bytes;
	}
}

static int by_packets(const void *a, const void *b)
{
	const struct truth *s = a, *t = b;

	if (s->packets != t->packets)
		return s->packets < t->packets ? 1 : -1;
	return s->first_ns < t->first_ns ? -1 : 1;
}

static int by_bytes(const void *a, const void *b)
{
	const struct truth *s = a, *t = b;

	if (s->bytes != t->bytes)
		return s->bytes < t->bytes ? 1 : -1;
	return s->first_ns < t->first_ns ? -1 : 1;
}

/* Packets from, from + step ... of n, in batches of any size. */
static void add(struct hm_toplist *t, unsigned from, unsigned n, unsigned step, unsigned batch)
{
	struct hm_toplist_values v;
	uint64_t ts_ns[HM_BATCH_MAX];

	for (unsigned i = from; i < from + n;) {
		unsigned k = 0;

		for (; k < batch && i < from + n; k++, i += step) {
			v.word[k][0] = packets[i].value;
			v.word[k][1] = 0;
			v.kind[k] = HM_TOPLIST_NUMBER;
			v.bytes[k] = packets[i].bytes;
			ts_ns[k] = packets[i].ts_ns;
		}
		hm_toplist_add(t, &v, ts_ns, hm_mask_first(k));
	}
}

static void read_lists(struct hm_toplist *lists, unsigned n, struct hm_toplist_result *r)
{
	struct hm_toplist *all[4];

	for (unsigned i = 0; i < n; i++)
		all[i] = &lists[i];
	assert_int_equal(hm_toplist_read(all, n, 1000, r), 0);
}

static void expect_exact(const struct hm_toplist_result *r, unsigned n, bool bytes)
{
	unsigned values = 0;

	qsort(truth, VALUES, sizeof(truth[0]), bytes ? by_bytes : by_packets);
	for (unsigned i = 0; i < VALUES; i++)
		values += truth[i].packets > 0;
	assert_true(r->exact);
	assert_int_equal(r->packets, n);
	assert_int_equal(r->values, values);
	assert_int_equal(r->absent_packets, 0);
	assert_int_equal(r->n, values < 1000 ? values : 1000);
	for (unsigned i = 0; i < r->n; i++) {
		assert_int_equal(r->top[i].packets, truth[i].packets);
		assert_int_equal(r->top[i].bytes, truth[i].bytes);
		assert_int_equal(r->top[i].word[0], truth[i].value);
		assert_int_equal(r->top[i].error_packets, 0);
	}
}

static void test_toplist_with_room_is_exact_for_any_batch_size(void **state)
{
	(void)state;
	for (unsigned batch = 1; batch <= 64; batch += 9) {
		struct hm_toplist_result r;
		struct hm_toplist t;

		assert_int_equal(hm_toplist_init(&t, VALUES, batch % 2, 0, -1), 0);
		add(&t, 0, N, 1, batch);
		read_lists(&t, 1, &r);
		tell_truth(0, N);
		expect_exact(&r, N, batch % 2);
		free(r.top);
		hm_toplist_fini(&t);
	}
}

static void test_toplist_of_several_workers_is_exact_together(void **state)
{
	struct hm_toplist lists[4];
	struct hm_toplist_result r;

	(void)state;
	for (unsigned n = 2; n <= 4; n++) {
		for (unsigned i = 0; i < n; i++) {
			assert_int_equal(hm_toplist_init(&lists[i], VALUES, false, 0, -1), 0);
			add(&lists[i], i, N - i, n, 64);
		}
		read_lists(lists, n, &r);
		tell_truth(0, N);
		expect_exact(&r, N, false);
		free(r.top);
		for (unsigned i = 0; i < n; i++)
			hm_toplist_fini(&lists[i]);
	}
}

/* Above the truth by no more than the error; and what is not listed had no more than absent. */
static void expect_bounds(const struct hm_toplist_result *r)
{
	bool listed[VALUES] = {false};
	unsigned n_listed = 0;

	assert_false(r->exact);
	assert_int_equal(r->packets, N);
	assert_true(r->absent_packets > 0 && r->absent_bytes > 0);
	assert_true(r->values < 1000); // so that all of them are there
	for (unsigned i = 0; i < r->n; i++) {
		const struct hm_toplist_record *t = &r->top[i];
		const struct truth *is = &truth[t->word[0]];

		assert_true(is->packets <= t->packets);
		assert_true(is->packets >= t->packets - t->error_packets);
		assert_true(is->bytes <= t->bytes);
		assert_true(is->bytes >= t->bytes - t->error_bytes);
		listed[t->word[0]] = true;
	}
	for (unsigned i = 0; i < VALUES; i++) {
		n_listed += listed[i];
		if (!listed[i]) {
			assert_true(truth[i].packets <= r->absent_packets);
			assert_true(truth[i].bytes <= r->absent_bytes);
		}
	}
	assert_int_equal(n_listed, r->n); // none twice
}

static void test_toplist_without_room_keeps_its_bounds(void **state)
{
	(void)state;
	tell_truth(0, N);
	for (unsigned bytes = 0; bytes < 2; bytes++)
		for (uint32_t entries = 64; entries <= 512; entries *= 2) {
			struct hm_toplist lists[3];
			struct hm_toplist_result r;

			for (unsigned n = 1; n <= 3; n++) {
				if (n * entries >= 1000)
					continue;
				for (unsigned i = 0; i < n; i++) {
					assert_int_equal(
						hm_toplist_init(&lists[i], entries, bytes, 0, -1),
						0);
					add(&lists[i], i, N - i, n, 64);
				}
				read_lists(lists, n, &r);
				expect_bounds(&r);
				free(r.top);
				for (unsigned i = 0; i < n; i++)
					hm_toplist_fini(&lists[i]);
			}
		}
}

static bool is_among(const struct hm_toplist_result *r, unsigned n, uint64_t value)
{
	for (unsigned i = 0; i < n; i++)
		if (r->top[i].word[0] == value)
			return true;
	return false;
}

/* The busiest stay at the top of a list that is far too small, and the error is of the size that Space-Saving
 * promises for one list: all packets by all places. */
static void test_toplist_without_room_finds_the_busiest(void **state)
{
	struct hm_toplist_result r;
	struct hm_toplist t;

	(void)state;
	assert_int_equal(hm_toplist_init(&t, 512, false, 0, -1), 0);
	add(&t, 0, N, 1, 64);
	read_lists(&t, 1, &r);
	tell_truth(0, N);
	qsort(truth, VALUES, sizeof(truth[0]), by_packets);
	for (unsigned i = 0; i < 5; i++)
		assert_true(is_among(&r, 8, truth[i].value));
	assert_true(r.absent_packets <= 2 * N / 512);
	free(r.top);
	hm_toplist_fini(&t);
}

static void shift(uint64_t to_ns)
{
	for (unsigned i = 0; i < N; i++)
		packets[i].ts_ns = to_ns + i * UINT64_C(1000);
}

static void test_toplist_interval_over_begins_anew(void **state)
{
	struct hm_toplist_result r;
	struct hm_toplist t;

	(void)state;
	assert_int_equal(hm_toplist_init(&t, VALUES, false, 60, -1), 0);
	shift(BEGIN + 60 * S - 10000 * 1000); // the first 10,000 packets are of the first minute
	add(&t, 0, N, 1, 17);
	read_lists(&t, 1, &r);
	assert_true(r.start_ns == BEGIN + 60 * S);
	tell_truth(10000, N - 10000);
	expect_exact(&r, N - 10000, false);
	free(r.top);

	add(&t, 0, 100, 1, 64); // late: of the minute before
	read_lists(&t, 1, &r);
	assert_int_equal(r.late, 100);
	expect_exact(&r, N - 10000, false);
	free(r.top);

	hm_toplist_tick(&t, BEGIN + 121 * S);
	for (unsigned i = 0; i < 10; i++)
		hm_toplist_tick(&t, BEGIN + 122 * S);
	read_lists(&t, 1, &r);
	assert_true(r.start_ns == BEGIN + 120 * S);
	assert_int_equal(r.n, 0);
	assert_int_equal(r.packets, 0);
	assert_int_equal(hm_table_used(&t.table), 0); // all places are given back
	free(r.top);

	shift(BEGIN - 1000 * S); // the clock was set back
	add(&t, 0, 1000, 1, 64);
	read_lists(&t, 1, &r);
	tell_truth(0, 1000);
	expect_exact(&r, 1000, false);
	free(r.top);
	hm_toplist_fini(&t);
	shift(BEGIN);
}

static void test_toplist_full_of_the_last_interval_is_exact_in_this_one(void **state)
{
	struct hm_toplist_result r;
	struct hm_toplist t;

	(void)state;
	assert_int_equal(hm_toplist_init(&t, 1024, false, 60, -1), 0);
	add(&t, 0, N, 1, 64); // more values than it has room for
	read_lists(&t, 1, &r);
	assert_false(r.exact);
	free(r.top);
	shift(BEGIN + 60 * S);
	add(&t, 0, 300, 1, 64);
	read_lists(&t, 1, &r);
	tell_truth(0, 300);
	expect_exact(&r, 300, false);
	free(r.top);
	hm_toplist_fini(&t);
	shift(BEGIN);
}

static void test_toplist_workers_in_an_older_interval_say_nothing(void **state)
{
	struct hm_toplist lists[2];
	struct hm_toplist_result r;

	(void)state;
	for (unsigned i = 0; i < 2; i++)
		assert_int_equal(hm_toplist_init(&lists[i], VALUES, false, 1, -1), 0);
	add(&lists[0], 0, 1000, 1, 64);
	shift(BEGIN + 5 * S);
	add(&lists[1], 0, 500, 1, 64);
	read_lists(lists, 2, &r);
	tell_truth(0, 500);
	expect_exact(&r, 500, false);
	free(r.top);
	hm_toplist_fini(&lists[0]);
	hm_toplist_fini(&lists[1]);
	shift(BEGIN);
}

static bool stop;

static void *add_for_ever(void *arg)
{
	while (!__atomic_load_n(&stop, __ATOMIC_RELAXED))
		add(arg, 0, N, 1, 64);
	return NULL;
}

static void test_toplist_read_while_written_has_whole_records(void **state)
{
	struct hm_toplist lists[2];
	pthread_t threads[2];

	(void)state;
	for (unsigned i = 0; i < 2; i++) {
		assert_int_equal(hm_toplist_init(&lists[i], 256, false, 0, -1), 0);
		assert_int_equal(pthread_create(&threads[i], NULL, add_for_ever, &lists[i]), 0);
	}
	for (unsigned n = 0; n < 200; n++) {
		struct hm_toplist_result r;

		read_lists(lists, 1 + n % 2, &r);
		for (uint32_t i = 0; i < r.n; i++) {
			assert_in_range(r.top[i].word[0], 0, VALUES - 1);
			assert_int_equal(r.top[i].kind, HM_TOPLIST_NUMBER);
			assert_true(r.top[i].packets > r.top[i].error_packets);
			assert_true(r.top[i].bytes >= 40 * (r.top[i].packets / 2));
		}
		free(r.top);
	}
	__atomic_store_n(&stop, true, __ATOMIC_RELAXED);
	for (unsigned i = 0; i < 2; i++) {
		pthread_join(threads[i], NULL);
		hm_toplist_fini(&lists[i]);
	}
}

static void test_toplist_wrong_size_is_refused(void **state)
{
	struct hm_toplist t;

	(void)state;
	assert_int_not_equal(hm_toplist_init(&t, HM_TOPLIST_ENTRIES_MIN - 1, false, 0, -1), 0);
	assert_int_not_equal(hm_toplist_init(&t, HM_TOPLIST_ENTRIES_MAX + 1, false, 0, -1), 0);
	hm_toplist_fini(&t);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_toplist_with_room_is_exact_for_any_batch_size),
		cmocka_unit_test(test_toplist_of_several_workers_is_exact_together),
		cmocka_unit_test(test_toplist_without_room_keeps_its_bounds),
		cmocka_unit_test(test_toplist_without_room_finds_the_busiest),
		cmocka_unit_test(test_toplist_interval_over_begins_anew),
		cmocka_unit_test(test_toplist_full_of_the_last_interval_is_exact_in_this_one),
		cmocka_unit_test(test_toplist_workers_in_an_older_interval_say_nothing),
		cmocka_unit_test(test_toplist_read_while_written_has_whole_records),
		cmocka_unit_test(test_toplist_wrong_size_is_refused),
	};

	make_packets();
	return cmocka_run_group_tests(tests, NULL, NULL);
}
