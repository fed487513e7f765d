/* SPDX-License-Identifier: BSD-3-Clause */
#include <malloc.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "core/search.h"

#define PATTERNS_MAX 8

/* Some patterns, compiled, and a batch to search them in. */
struct bench {
	struct hm_pattern *p[PATTERNS_MAX];
	uint32_t n;
	struct hm_search_db *db;
	struct hm_search *s;
	struct hm_batch b;
};

static struct hm_error err;

static void add_literal(struct bench *t, const char *text, uint32_t offset, uint32_t depth)
{
	t->p[t->n] = hm_pattern_literal(text, offset, depth, &err);
	assert_non_null(t->p[t->n]);
	t->n++;
}

static void add_regexp(struct bench *t, const char *text)
{
	t->p[t->n] = hm_pattern_regexp(text, &err);
	assert_non_null(t->p[t->n]);
	t->n++;
}

static void add_packet(struct bench *t, const void *data, uint32_t n)
{
	t->b.data[t->b.n] = data;
	t->b.caplen[t->b.n] = t->b.wirelen[t->b.n] = n;
	t->b.n++;
	t->b.all = hm_mask_first(t->b.n);
}

static void add_text(struct bench *t, const char *text)
{
	add_packet(t, text, (uint32_t)strlen(text));
}

static void compile(struct bench *t)
{
	struct hm_pattern_set *set =
		hm_pattern_set_create((const struct hm_pattern *const *)t->p, t->n);
	t->db = hm_search_compile(set, &err);
	assert_non_null(t->db);
	assert_int_equal(hm_search_db_size(t->db), hm_pattern_set_size(set));
	hm_pattern_set_destroy(set);
	t->s = hm_search_create(t->db, 0);
	assert_non_null(t->s);
}

static uint64_t hits(struct bench *t, uint32_t pattern, uint64_t in)
{
	return hm_search_hits(t->s, &t->b, in, hm_pattern_slot(t->p[pattern]));
}

static void finish(struct bench *t)
{
	hm_search_destroy(t->s);
	hm_search_db_unref(t->db);
	for (uint32_t i = 0; i < t->n; i++)
		hm_pattern_release(t->p[i]);
	memset(t, 0, sizeof(*t));
}

static struct bench t;

static void test_search_literal_hits_packets_that_contain_it(void **state)
{
	(void)state;
	add_literal(&t, "lobster", 0, 0);
	add_literal(&t, "crab||sh|72|imp", 0, 0);
	add_literal(&t, "|00 ff|", 0, 0);
	compile(&t);
	add_text(&t, "a lobster and a crab");
	add_text(&t, "a Lobster");
	add_text(&t, "shrimps");
	add_packet(&t, "x\0\xff", 3);
	add_packet(&t, "", 0);
	assert_int_equal(hits(&t, 0, t.b.all), 0x01);
	assert_int_equal(hits(&t, 1, t.b.all), 0x05);
	assert_int_equal(hits(&t, 2, t.b.all), 0x08);
	assert_int_equal(hits(&t, 1, 0x0a), 0);
	finish(&t);
}

static void test_search_hit_outside_caplen_is_no_hit(void **state)
{
	(void)state;
	add_literal(&t, "abc", 0, 0);
	compile(&t);
	add_packet(&t, "abc", 2);
	add_packet(&t, "abc", 3);
	assert_int_equal(hits(&t, 0, t.b.all), 2);
	finish(&t);
}

static void test_search_offset_and_depth_are_exact_at_each_edge(void **state)
{
	(void)state;
	add_literal(&t, "abc", 4, 0); // from byte 4
	add_literal(&t, "abc", 4, 3); // just at byte 4
	add_literal(&t, "abc", 0, 7); // ends at byte 7 at the latest
	add_literal(&t, "abc", 4, 5); // begins at 4, 5 or 6
	add_literal(&t, "abc", 4000000000, 4000000000);
	compile(&t);
	for (uint32_t at = 0; at < 12; at++) {
		static char packet[12][15];
		memset(packet[at], '.', sizeof(packet[at]));
		memcpy(packet[at] + at, "abc", 3);
		add_packet(&t, packet[at], sizeof(packet[at]));
	}
	assert_int_equal(hits(&t, 0, t.b.all), 0xff0);
	assert_int_equal(hits(&t, 1, t.b.all), 0x010);
	assert_int_equal(hits(&t, 2, t.b.all), 0x01f);
	assert_int_equal(hits(&t, 3, t.b.all), 0x070);
	assert_int_equal(hits(&t, 4, t.b.all), 0);
	finish(&t);
}

static void test_search_later_match_in_range_counts_although_first_is_not(void **state)
{
	(void)state;
	add_literal(&t, "aa", 3, 2);
	compile(&t);
	add_text(&t, "aaaaaaaaaa");
	add_text(&t, "aa.aa");
	add_text(&t, "aa..aa");
	assert_int_equal(hits(&t, 0, t.b.all), 3);
	finish(&t);
}

static void test_search_regexp_has_pcre_semantics(void **state)
{
	(void)state;
	add_regexp(&t, "a.c");
	add_regexp(&t, "^x");
	add_regexp(&t, "z$");
	add_regexp(&t, "q*");
	compile(&t);
	add_text(&t, "abc");
	add_text(&t, "a\nc");
	add_text(&t, "ABC");
	add_text(&t, "w\nx");
	add_text(&t, "xyz");
	add_text(&t, "z\n");
	add_text(&t, "z\n\n");
	add_packet(&t, "a\0c", 3);
	add_packet(&t, "", 0);
	assert_int_equal(hits(&t, 0, t.b.all), 0x081);
	assert_int_equal(hits(&t, 1, t.b.all), 0x010);
	assert_int_equal(hits(&t, 2, t.b.all), 0x030);
	assert_int_equal(hits(&t, 3, t.b.all), 0x1ff); // the empty match is one
	finish(&t);
}

static void test_search_what_hyperscan_refuses_is_confirmed(void **state)
{
	(void)state;
	add_regexp(&t, "(\\w)x\\1");
	add_regexp(&t, "foo(?!bar)");
	add_regexp(&t, "^(a(?1)?b)$"); // recursion: PCRE2 alone
	add_regexp(&t, "(*NO_JIT)^(a|b)+c$");
	compile(&t);
	assert_string_equal(hm_pattern_engine(t.p[0]), "prefilter+pcre2");
	assert_string_equal(hm_pattern_engine(t.p[2]), "pcre2");
	add_text(&t, "axa");
	add_text(&t, "axb");
	add_text(&t, "foobar");
	add_text(&t, "foobaz");
	add_text(&t, "aaabbb");
	add_text(&t, "aabbb");
	add_text(&t, "ababababc");
	assert_int_equal(hits(&t, 0, 0x02), 0); // a part of the mask first
	assert_int_equal(hits(&t, 0, t.b.all), 0x01);
	assert_int_equal(hits(&t, 1, t.b.all), 0x08);
	assert_int_equal(hits(&t, 2, t.b.all), 0x10);
	assert_int_equal(hits(&t, 3, t.b.all), 0x40);
	hm_search_begin(t.s);
	t.b.data[1] = (const uint8_t *)"bxb";
	assert_int_equal(hits(&t, 0, t.b.all), 0x03);
	assert_int_equal(hm_search_limit_hits(t.s), 0);
	finish(&t);
}

/* Found by the property test: Hyperscan 5.4's prefilter misses these. */
static void test_search_back_reference_in_another_case_is_found(void **state)
{
	static const char *const texts[] = {"(a)(?i:\\1)", "(a)(?i)\\1",
					    "(a)x(?s-m:(?mi)\\1)|(a)(?-s:(?si:\\2))"};
	(void)state;
	for (size_t i = 0; i < 3; i++) {
		add_regexp(&t, texts[i]);
		compile(&t);
		add_text(&t, "aA");
		add_text(&t, "a");
		assert_int_equal(hits(&t, 0, t.b.all), 1);
		finish(&t);
	}
}

/* Found by the property test: with its start optimisation PCRE2 10.42 misses these. */
static void test_search_pcre2_takes_no_wrong_shortcut(void **state)
{
	(void)state;
	add_regexp(&t, "(?i)\\W(?:(?i:(?s)|\\W\\S).*?)(?i:(?i:[a-c1]).(?i:c{2,}b)?)(?<=a )");
	add_regexp(&t, "\\d+(?i:b)(\\Wa{2,}|\\1{0,2}\\H?)");
	compile(&t);
	add_packet(&t, "\x5c\x20\x63\x0a\x00\x0a\x61\x20", 8);
	add_text(&t, "1baa");
	assert_int_equal(hits(&t, 0, 3), 1);
	assert_int_equal(hits(&t, 1, 3), 2);
	finish(&t);
}

static void test_search_catastrophic_pattern_is_given_up_and_counted(void **state)
{
	static const char *const texts[] = {"(a+)+(?=[bc])", "(*NO_JIT)(a+)+(?1)$"};
	static char packet[9000];
	(void)state;
	memset(packet, 'a', sizeof(packet));
	packet[sizeof(packet) - 1] = '!';
	for (size_t i = 0; i < 2; i++) {
		add_regexp(&t, texts[i]);
		compile(&t);
		add_packet(&t, packet, sizeof(packet));
		add_text(&t, "bbb");
		hits(&t, 0, t.b.all);
		assert_int_equal(hm_search_limit_hits(t.s), 1);
		assert_int_equal(hits(&t, 0, t.b.all), 0); // the answer of this batch is remembered
		assert_int_equal(hm_search_limit_hits(t.s), 1);
		finish(&t);
	}
}

static void test_search_packet_is_scanned_once_a_batch(void **state)
{
	char packet[] = "abc";
	(void)state;
	add_literal(&t, "abc", 0, 0);
	add_literal(&t, "xyz", 0, 0);
	compile(&t);
	add_packet(&t, packet, 3);
	add_packet(&t, packet, 3);
	assert_int_equal(hits(&t, 0, 1), 1);
	memcpy(packet, "xyz", 3); // packet 0 has been scanned, packet 1 has not
	assert_int_equal(hits(&t, 0, 3), 1);
	assert_int_equal(hits(&t, 1, 3), 2);
	hm_search_begin(t.s);
	assert_int_equal(hits(&t, 0, 3), 0);
	assert_int_equal(hits(&t, 1, 3), 3);
	finish(&t);
}

static void test_search_nothing_wanted_scans_nothing(void **state)
{
	(void)state;
	add_literal(&t, "abc", 0, 0);
	compile(&t);
	add_packet(&t, NULL, 1000); // would crash
	assert_int_equal(hits(&t, 0, 0), 0);
	finish(&t);
}

/* Packets are searched one behind the other: what begins in one and ends in the next is no match. */
static void test_search_match_across_two_packets_is_none(void **state)
{
	(void)state;
	add_literal(&t, "abcdef", 0, 0);
	add_literal(&t, "cdefgh", 0, 8);
	add_literal(&t, "f", 0, 0);
	compile(&t);
	add_text(&t, "abc");
	add_text(&t, "def");
	add_text(&t, "");
	add_text(&t, "abcdef");
	add_text(&t, "ghcdefgh");
	add_text(&t, ".cdefgh");
	add_text(&t, "abcdef");
	assert_int_equal(hits(&t, 0, t.b.all), 0x48);
	assert_int_equal(hits(&t, 1, t.b.all), 0x30);
	assert_int_equal(hits(&t, 2, t.b.all), 0x7a);
	hm_search_begin(t.s);
	assert_int_equal(hits(&t, 0, 0x4c), 0x48); // other neighbours
	assert_int_equal(hits(&t, 1, 0x31), 0x30);
	finish(&t);
}

/* Short and long ones, more than is gathered at a time: each is found at its first and last byte. */
static void test_search_packets_of_any_length_are_searched_whole(void **state)
{
	static const uint32_t lengths[] = {65535, 8,    0,     4095, 4096, 4097,
					   1500,  9000, 16384, 9,    4096};
	static uint8_t packets[64][65535];
	(void)state;
	add_literal(&t, "lobster!", 0, 0);
	compile(&t);
	for (int last = 0; last < 2; last++) {
		uint64_t want = 0;

		t.b.n = 0;
		for (uint32_t i = 0; i < 64; i++) {
			uint32_t n = lengths[i % (sizeof(lengths) / sizeof(lengths[0]))];

			memset(packets[i], '.', sizeof(packets[i]));
			if (n >= 8 && i % 3) {
				memcpy(packets[i] + (last ? n - 8 : 0), "lobster!", 8);
				want |= UINT64_C(1) << i;
			}
			add_packet(&t, packets[i], n);
		}
		hm_search_begin(t.s);
		assert_int_equal(hits(&t, 0, 0x5555555555555555), want & 0x5555555555555555);
		assert_int_equal(hits(&t, 0, t.b.all), want);
	}
	finish(&t);
}

static void test_search_run_says_which_patterns_were_hit(void **state)
{
	(void)state;
	add_literal(&t, "abc", 0, 0);
	add_literal(&t, "nowhere", 0, 0);
	add_literal(&t, "c", 0, 0);
	add_literal(&t, "b", 5, 0);
	add_regexp(&t, "(a)b\\1");
	add_regexp(&t, "^(a(?1)?b)$");
	compile(&t);
	add_text(&t, "abc abc");
	add_text(&t, "aba c");
	hm_search_run(t.s, &t.b, 1);
	assert_int_equal(t.s->n_touched, 3); // of packet 0 "abc", "c" and "b"
	hm_search_run(t.s, &t.b, t.b.all);
	assert_int_equal(t.s->n_touched, 4); // of packet 1 the prefilter
	for (uint32_t i = 0; i < t.s->n_touched; i++)
		assert_int_not_equal(t.s->touched[i], hm_pattern_slot(t.p[1]));
	assert_int_equal(t.s->hits[hm_pattern_slot(t.p[0])], 1);
	assert_int_equal(t.s->hits[hm_pattern_slot(t.p[2])], 3);
	for (uint32_t i = 0; i < t.n; i++)
		assert_int_equal(hm_search_is_direct(t.s, hm_pattern_slot(t.p[i])), i < 4);
	assert_false(hm_search_is_direct(t.s, UINT32_MAX));
	hm_search_begin(t.s);
	assert_int_equal(t.s->n_touched, 0);
	assert_int_equal(t.s->hits[hm_pattern_slot(t.p[0])], 0);
	finish(&t);
}

static void test_search_unknown_slot_matches_nothing(void **state)
{
	struct hm_pattern *other;
	(void)state;
	add_literal(&t, "abc", 0, 0);
	compile(&t);
	other = hm_pattern_literal("ab", 0, 0, &err);
	add_text(&t, "abc");
	assert_int_equal(hits(&t, 0, 1), 1);
	assert_int_equal(hm_search_hits(t.s, &t.b, 1, hm_pattern_slot(other)), 0);
	assert_int_equal(hm_search_hits(t.s, &t.b, 1, UINT32_MAX), 0);
	hm_pattern_release(other);
	finish(&t);
}

static void test_search_empty_set_compiles_and_finds_nothing(void **state)
{
	(void)state;
	compile(&t);
	add_text(&t, "abc");
	assert_int_equal(hm_search_hits(t.s, &t.b, 1, 0), 0);
	hm_search_begin(t.s);
	assert_true(hm_search_db_bytes(t.db) > 0);
	finish(&t);
}

static void test_search_database_lives_on_when_patterns_are_gone(void **state)
{
	uint32_t slot;
	(void)state;
	add_literal(&t, "abc", 0, 0);
	add_regexp(&t, "(a)b\\1");
	compile(&t);
	slot = hm_pattern_slot(t.p[1]);
	hm_pattern_release(t.p[1]);
	hm_search_db_unref(t.db); // the search still has one
	t.db = NULL;
	t.n = 1;
	add_text(&t, "aba abc");
	assert_int_equal(hm_search_hits(t.s, &t.b, 1, slot), 1);
	assert_int_equal(hits(&t, 0, 1), 1);
	finish(&t);
}

static void test_search_database_holds_only_its_own_patterns(void **state)
{
	(void)state;
	add_literal(&t, "abc", 0, 0);
	add_literal(&t, "def", 0, 0);
	compile(&t);
	assert_true(hm_search_db_holds(t.db, t.p[0]));
	assert_true(hm_search_db_holds(t.db, t.p[1]));
	hm_pattern_release(t.p[1]);
	t.p[1] = hm_pattern_literal("ghi", 0, 0, &err); // gets the slot of "def"
	assert_false(hm_search_db_holds(t.db, t.p[1]));
	add_literal(&t, "jkl", 0, 0);
	assert_false(hm_search_db_holds(t.db, t.p[2]));
	finish(&t);
}

/* Hyperscan reads this one and then finds it too large to build. */
static void test_search_too_large_for_hyperscan_moves_on_to_pcre2(void **state)
{
	char text[HM_REGEXP_MAX] = "";
	size_t n = 0;
	(void)state;
	for (unsigned i = 0; i < 150; i++)
		n += (size_t)snprintf(text + n, sizeof(text) - n, "(a|b.{%u}).*", i % 30 + 1);
	add_literal(&t, "abc", 0, 0);
	add_regexp(&t, text);
	compile(&t);
	assert_string_equal(hm_pattern_engine(t.p[1]), "prefilter+pcre2");
	add_text(&t, "abc");
	assert_int_equal(hits(&t, 0, 1), 1);
	assert_int_equal(hits(&t, 1, 1), 0);
	finish(&t);
}

static void test_search_running_allocates_nothing(void **state)
{
	static char packet[1500];
	struct mallinfo2 before, after;
	(void)state;
	memset(packet, 'a', sizeof(packet));
	add_literal(&t, "aaa", 5, 100);
	add_regexp(&t, "a+b|(a)\\1$");
	add_regexp(&t, "(*NO_JIT)(a|b)+(?<!a)$");
	compile(&t);
	for (int i = 0; i < 64; i++)
		add_packet(&t, packet, sizeof(packet));
	before = mallinfo2();
	for (int batch = 0; batch < 10; batch++) {
		hm_search_begin(t.s);
		for (uint32_t i = 0; i < t.n; i++)
			hits(&t, i, t.b.all);
	}
	after = mallinfo2();
	assert_int_equal(before.uordblks, after.uordblks);
	assert_int_equal(before.hblkhd, after.hblkhd);
	finish(&t);
}

/* --- compiling while the control core goes on and a worker searches --- */

struct job {
	const struct hm_pattern_set *set;
	struct hm_search_db *db;
};

static void *compile_elsewhere(void *arg)
{
	struct job *job = arg;
	job->db = hm_search_compile(job->set, NULL);
	return NULL;
}

static void *search_elsewhere(void *arg)
{
	struct bench *old = arg;
	uint64_t all = 0;
	for (int i = 0; i < 300; i++) {
		hm_search_begin(old->s);
		all |= hits(old, 0, 3) | hits(old, 1, 3) << 2;
	}
	hm_search_destroy(old->s);
	old->s = NULL;
	return (void *)(uintptr_t)all;
}

static void test_search_compiles_on_another_thread_while_patterns_change(void **state)
{
	(void)state;
	add_literal(&t, "abc", 0, 0);
	add_regexp(&t, "(a)b\\1");
	add_text(&t, "abc");
	add_text(&t, "aba");
	for (int round = 0; round < 8; round++) {
		struct hm_pattern_set *set =
			hm_pattern_set_create((const struct hm_pattern *const *)t.p, t.n);
		struct job job = {.set = set};
		pthread_t compiler, worker; // C11 threads are unknown to ThreadSanitizer
		void *found;

		t.db = hm_search_compile(set, &err);
		t.s = hm_search_create(t.db, 0);
		hm_search_db_unref(t.db);
		assert_int_equal(pthread_create(&worker, NULL, search_elsewhere, &t), 0);
		assert_int_equal(pthread_create(&compiler, NULL, compile_elsewhere, &job), 0);
		for (int i = 0; i < 100; i++) {
			char text[32];
			struct hm_pattern *again = hm_pattern_regexp("(a)b\\1", &err), *other;
			snprintf(text, sizeof(text), "other %d", i);
			other = hm_pattern_literal(text, 0, 0, &err);
			assert_ptr_equal(again, t.p[1]);
			hm_pattern_release(again);
			hm_pattern_release(other);
		}
		pthread_join(compiler, NULL);
		pthread_join(worker, &found);
		assert_int_equal((uintptr_t)found, 0x9);
		assert_true(hm_search_db_holds(job.db, t.p[0]));
		hm_search_db_unref(job.db);
		hm_pattern_set_destroy(set);
	}
	t.db = NULL;
	finish(&t);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_search_literal_hits_packets_that_contain_it),
		cmocka_unit_test(test_search_hit_outside_caplen_is_no_hit),
		cmocka_unit_test(test_search_offset_and_depth_are_exact_at_each_edge),
		cmocka_unit_test(test_search_later_match_in_range_counts_although_first_is_not),
		cmocka_unit_test(test_search_regexp_has_pcre_semantics),
		cmocka_unit_test(test_search_what_hyperscan_refuses_is_confirmed),
		cmocka_unit_test(test_search_back_reference_in_another_case_is_found),
		cmocka_unit_test(test_search_pcre2_takes_no_wrong_shortcut),
		cmocka_unit_test(test_search_catastrophic_pattern_is_given_up_and_counted),
		cmocka_unit_test(test_search_packet_is_scanned_once_a_batch),
		cmocka_unit_test(test_search_nothing_wanted_scans_nothing),
		cmocka_unit_test(test_search_match_across_two_packets_is_none),
		cmocka_unit_test(test_search_packets_of_any_length_are_searched_whole),
		cmocka_unit_test(test_search_run_says_which_patterns_were_hit),
		cmocka_unit_test(test_search_unknown_slot_matches_nothing),
		cmocka_unit_test(test_search_empty_set_compiles_and_finds_nothing),
		cmocka_unit_test(test_search_database_lives_on_when_patterns_are_gone),
		cmocka_unit_test(test_search_database_holds_only_its_own_patterns),
		cmocka_unit_test(test_search_too_large_for_hyperscan_moves_on_to_pcre2),
		cmocka_unit_test(test_search_running_allocates_nothing),
		cmocka_unit_test(test_search_compiles_on_another_thread_while_patterns_change),
	};
	if (hm_search_check(&err) < 0) {
		print_message("skipped: %s\n", err.text);
		return 77;
	}
	return cmocka_run_group_tests(tests, NULL, NULL);
}
