/* SPDX-License-Identifier: BSD-3-Clause */
#include <inttypes.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>
#include <hs.h>

#include "core/search_store.h"

#define MANY 1200

/* Reads well, takes Hyperscan half a minute to build, alone. */
static const char nasty[] = "^.{1,200}([a-f][0-9]|[g-k]{2,30}x.{20,60}y){20,40}z.{30,90}[^a]{40}$";

static struct hm_compiler *compiler;
static struct hm_search_store *store;
static struct hm_pattern *pool[MANY + 16];
static uint32_t n_pool;
static struct hm_error err;

static uint64_t now_ms(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000 + (uint64_t)t.tv_nsec / 1000000;
}

static int begin(void **state)
{
	(void)state;
	compiler = hm_compiler_create(NULL);
	store = hm_search_store_create(compiler);
	return compiler && store ? 0 : -1;
}

static void add(struct hm_pattern *p)
{
	assert_non_null(p);
	pool[n_pool++] = p;
}

static void add_literals(uint32_t n)
{
	for (uint32_t i = 0; i < n; i++) {
		char text[16];

		snprintf(text, sizeof(text), "%06x%c", n_pool * 7919 % 0xffffff,
			 'g' + (int)(n_pool % 20));
		add(hm_pattern_literal(text, 0, 0, &err));
	}
}

/* What pool[first] to the end wants. */
static void want(uint32_t first)
{
	struct hm_pattern_set *set = hm_pattern_set_create(
		(const struct hm_pattern *const *)&pool[first], n_pool - first);

	assert_int_equal(hm_search_store_want(store, set), 0);
}

static void poll_a_while(void)
{
	const struct timespec a_while = {.tv_nsec = 200000};

	hm_search_store_poll(store);
	nanosleep(&a_while, NULL);
}

static bool holds(const struct hm_pattern *p)
{
	const struct hm_search_db *db = hm_search_store_db(store);

	return db && hm_search_db_holds(db, p);
}

static void wait_for(const struct hm_pattern *p)
{
	while (!holds(p))
		poll_a_while();
}

static void wait_for_rest(void)
{
	do {
		poll_a_while();
	} while (!hm_search_store_rests(store));
}

static void *no_memory(size_t n)
{
	(void)n;
	return NULL;
}

static void no_memory_for_hyperscan(bool on)
{
	hs_set_allocator(on ? no_memory : NULL, NULL);
}

static int end(void **state)
{
	bool whole;
	(void)state;
	no_memory_for_hyperscan(false);
	wait_for_rest(); // what runs cannot be called off
	whole = hm_compiler_destroy(compiler);
	hm_search_store_destroy(store);
	while (n_pool > 0)
		hm_pattern_release(pool[--n_pool]);
	store = NULL;
	return whole ? 0 : -1;
}

static uint64_t hits(const char *text, const struct hm_pattern *p)
{
	static struct hm_batch b;
	struct hm_search *s = hm_search_create(hm_search_store_db(store), -1);
	uint64_t mask;

	b.n = 1;
	b.all = 1;
	b.data[0] = (const uint8_t *)text;
	b.caplen[0] = (uint32_t)strlen(text);
	mask = hm_search_hits(s, &b, 1, hm_pattern_slot(p));
	hm_search_destroy(s);
	return mask;
}

static void test_store_without_wishes_has_no_database(void **state)
{
	(void)state;
	assert_false(hm_search_store_poll(store));
	assert_null(hm_search_store_db(store));
	assert_int_equal(hm_search_store_want(store, NULL), 0);
	assert_false(hm_search_store_poll(store));
	assert_true(hm_search_store_rests(store));
}

static void test_store_new_pattern_is_a_part_and_then_merged(void **state)
{
	(void)state;
	add_literals(1000);
	want(0);
	wait_for(pool[999]);
	assert_int_equal(hm_search_db_parts(hm_search_store_db(store)), 1);
	add(hm_pattern_literal("lobster", 0, 0, &err));
	want(0);
	assert_false(holds(pool[1000]));
	assert_true(holds(pool[0])); // the old one serves
	wait_for(pool[1000]);
	assert_int_equal(hits("a lobster", pool[1000]), 1);
	assert_int_equal(hits("a crab", pool[1000]), 0);
	wait_for_rest();
	assert_int_equal(hm_search_db_parts(hm_search_store_db(store)), 1);
	assert_int_equal(hm_search_db_size(hm_search_store_db(store)), 1001);
	assert_int_equal(hits("a lobster", pool[1000]), 1);
}

static void test_store_one_new_pattern_among_a_thousand_takes_little_time(void **state)
{
	uint64_t best = UINT64_MAX;
	(void)state;
	add_literals(900); // these take ten times as long as one string more or less would
	want(0);
	wait_for_rest();
	for (int i = 0; i < 5; i++) {
		uint64_t start = now_ms(), took;

		add_literals(1);
		want(0);
		wait_for(pool[n_pool - 1]);
		took = now_ms() - start;
		best = took < best ? took : best;
	}
	if (best > 50)
		print_message("took %" PRIu64 " ms\n", best);
	assert_true(best <= 50);
}

static void test_store_small_parts_do_not_become_many(void **state)
{
	uint32_t most = 0;
	(void)state;
	add_literals(700);
	want(0);
	wait_for(pool[0]);
	for (int i = 0; i < 60; i++) {
		uint32_t n;

		add_literals(1);
		want(0);
		wait_for(pool[n_pool - 1]);
		n = hm_search_db_parts(hm_search_store_db(store));
		most = n > most ? n : most;
	}
	assert_true(most <= 3);
	wait_for_rest();
	assert_int_equal(hm_search_db_parts(hm_search_store_db(store)), 1);
	assert_int_equal(hm_search_db_size(hm_search_store_db(store)), n_pool);
}

static void test_store_what_is_not_wanted_any_more_goes(void **state)
{
	uint64_t before;
	(void)state;
	add_literals(600);
	want(0);
	wait_for_rest();
	before = hm_search_db_bytes(hm_search_store_db(store));
	want(100); // few: the database stays as it is
	assert_false(hm_search_store_poll(store));
	want(500);
	wait_for_rest();
	assert_int_equal(hm_search_db_size(hm_search_store_db(store)), 100);
	assert_false(holds(pool[0]));
	assert_in_range(hm_search_db_bytes(hm_search_store_db(store)), 1, before * 2 / 3);
	want(0); // it comes back, although the part that had it is gone
	wait_for(pool[0]);
	want(n_pool);
	wait_for_rest();
	assert_null(hm_search_store_db(store));
}

/* A closed flow's pattern leaves its slot to another, while the part that has both is scanned. */
/* A flow that goes, and one that comes before anybody has looked: it runs with the present database, so what it
 * searches must stay there, whether or not it could be compiled again. */
static void test_store_pattern_wanted_again_is_never_lost_without_memory(void **state)
{
	struct hm_pattern_set *set;

	(void)state;
	add(hm_pattern_literal("kept in the database", 0, 0, &err));
	want(0);
	wait_for(pool[0]);
	wait_for_rest();
	assert_int_equal(hm_search_store_want(store, NULL), 0);
	assert_true(holds(pool[0]));
	no_memory_for_hyperscan(true);
	set = hm_pattern_set_create((const struct hm_pattern *const *)pool, 1);
	assert_int_equal(hm_search_store_want(store, set), 0);
	for (unsigned i = 0; i < 200; i++) {
		poll_a_while();
		assert_true(holds(pool[0]));
	}
	no_memory_for_hyperscan(false);
	assert_null(hm_search_store_error(store, pool[0]));
	assert_int_equal(hits("what is kept in the database is found", pool[0]), 1);
}

static void test_store_slot_of_a_pattern_that_went_is_not_hit_by_it(void **state)
{
	uint32_t slot;
	(void)state;
	add_literals(200);
	add(hm_pattern_literal("lobster", 0, 0, &err));
	want(0);
	wait_for_rest();
	slot = hm_pattern_slot(pool[200]);
	hm_search_store_want(store,
			     hm_pattern_set_create((const struct hm_pattern *const *)pool, 200));
	hm_pattern_release(pool[--n_pool]);
	add(hm_pattern_literal("crab", 0, 0, &err));
	assert_int_equal(hm_pattern_slot(pool[200]), slot);
	want(0);
	wait_for(pool[200]);
	assert_int_equal(hits("a lobster", pool[200]), 0);
	assert_int_equal(hits("a crab", pool[200]), 1);
}

static void test_store_pattern_goes_while_it_is_compiled(void **state)
{
	(void)state;
	add_literals(300);
	want(0);
	hm_search_store_poll(store);
	want(n_pool);
	while (n_pool > 0)
		hm_pattern_release(pool[--n_pool]);
	add_literals(2);
	want(0);
	wait_for(pool[1]);
	wait_for_rest();
	assert_int_equal(hm_search_db_size(hm_search_store_db(store)), 2);
}

static void test_store_mixes_strings_and_regular_expressions(void **state)
{
	(void)state;
	add_literals(50);
	add(hm_pattern_regexp("lob+ster$", &err));
	add(hm_pattern_regexp("(.)b\\1", &err));
	add(hm_pattern_regexp("^(a(?1)?b)$", &err));
	add(hm_pattern_literal("xb", 0, 0, &err)); // too short to be gathered
	want(0);
	for (int merged = 0; merged < 2; merged++) {
		for (uint32_t i = 50; i < 54; i++)
			wait_for(pool[i]);
		assert_int_equal(hits("a lobbster", pool[50]), 1);
		assert_int_equal(hits("a lobster!", pool[50]), 0);
		assert_int_equal(hits("xbx", pool[51]), 1);
		assert_int_equal(hits("xby", pool[51]), 0);
		assert_int_equal(hits("aabb", pool[52]), 1);
		assert_int_equal(hits("aab", pool[52]), 0);
		assert_int_equal(hits("xby", pool[53]), 1);
		wait_for_rest();
	}
	assert_int_equal(hm_search_db_parts(hm_search_store_db(store)), 2);
}

/* Must be the last: its thread is left to itself. */
static void test_store_strings_do_not_wait_for_a_nasty_regular_expression(void **state)
{
	uint64_t start = now_ms();
	(void)state;
	compiler = hm_compiler_create(NULL);
	store = hm_search_store_create(compiler);
	add(hm_pattern_regexp(nasty, &err));
	add(hm_pattern_regexp("(?:a|b.{1,90}c){30}[^d]{80}", &err));
	want(0);
	hm_search_store_poll(store);
	for (int i = 0; i < 20; i++) {
		add_literals(1);
		want(0);
		wait_for(pool[n_pool - 1]);
	}
	assert_false(holds(pool[0]));
	assert_true(now_ms() - start < 2000);
	assert_false(hm_compiler_destroy(compiler));
	hm_search_store_destroy(store);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_store_without_wishes_has_no_database, begin,
						end),
		cmocka_unit_test_setup_teardown(test_store_new_pattern_is_a_part_and_then_merged,
						begin, end),
		cmocka_unit_test_setup_teardown(
			test_store_one_new_pattern_among_a_thousand_takes_little_time, begin, end),
		cmocka_unit_test_setup_teardown(test_store_small_parts_do_not_become_many, begin,
						end),
		cmocka_unit_test_setup_teardown(test_store_what_is_not_wanted_any_more_goes, begin,
						end),
		cmocka_unit_test_setup_teardown(
			test_store_pattern_wanted_again_is_never_lost_without_memory, begin, end),
		cmocka_unit_test_setup_teardown(
			test_store_slot_of_a_pattern_that_went_is_not_hit_by_it, begin, end),
		cmocka_unit_test_setup_teardown(test_store_pattern_goes_while_it_is_compiled, begin,
						end),
		cmocka_unit_test_setup_teardown(test_store_mixes_strings_and_regular_expressions,
						begin, end),
		cmocka_unit_test(test_store_strings_do_not_wait_for_a_nasty_regular_expression),
	};
	int failed;

	if (hm_search_check(&err) < 0) {
		print_message("skipped: %s\n", err.text);
		return 77;
	}
	failed = cmocka_run_group_tests(tests, NULL, NULL);
	fflush(stdout);
	_exit(failed ? 1 : 0); // a thread of the last test still compiles
}
