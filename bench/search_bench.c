/* SPDX-License-Identifier: BSD-3-Clause */
/* search_bench: the shared scan against bare Hyperscan, over a trace in memory.
 *
 *	search_bench TRACE.pcap STRINGS.txt [N ...]
 *
 * For each N prints one JSON line: packets a second of hs_scan() with an empty callback over the
 * first N strings; of the shared scan when one search entry asks for its pattern; when N entries ask,
 * each for its own; and when only the patterns that were hit are looked at, as the program does. Each is
 * the best of five rounds. */
#include <hs.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "core/search.h"
#include "memory_trace.h"
#include "string_list.h"

#define ROUNDS 5

struct result {
	double mpps;
	uint64_t matches; // different for both: an empty callback sees each occurrence
};

static void __attribute__((noreturn)) fail(const char *what, const char *why)
{
	fprintf(stderr, "search_bench: %s: %s\n", what, why);
	exit(1);
}

static double now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t); // others may share the core
	return (double)t.tv_sec + (double)t.tv_nsec * 1e-9;
}

static void *must(void *p)
{
	if (!p)
		fail("memory", "none left");
	return p;
}

/* --- bare Hyperscan --- */

static int count_match(unsigned id, unsigned long long from, unsigned long long to, unsigned flags,
		       void *context)
{
	(void)id;
	(void)from;
	(void)to;
	(void)flags;
	++*(uint64_t *)context;
	return 0;
}

static void run_bare(const struct memory_trace *t, const hs_database_t *db, hs_scratch_t *scratch,
		     struct result *r)
{
	double start = now(), mpps;

	r->matches = 0;
	for (size_t i = 0; i < t->n; i++)
		hs_scan(db, (const char *)t->packets[i].data, t->packets[i].caplen, 0, scratch,
			count_match, &r->matches);
	mpps = (double)t->n / (now() - start) / 1e6;
	r->mpps = mpps > r->mpps ? mpps : r->mpps;
}

/* --- the shared scan --- */

/* How flows get their hits. */
enum way {
	ASK_ONE,     // one entry asks for its pattern
	ASK_ALL,     // each entry asks for its own
	WALK_TOUCHED // the program runs the scan and walks what was hit
};

static uint64_t use(struct hm_search *s, const struct hm_batch *b, const uint32_t *slots, size_t n,
		    enum way way)
{
	uint64_t hits = 0;

	if (way == WALK_TOUCHED) {
		hm_search_run(s, b, b->all);
		for (uint32_t i = 0; i < s->n_touched; i++)
			hits += hm_mask_count(s->hits[s->touched[i]]);
		return hits;
	}
	for (size_t i = 0; i < (way == ASK_ONE ? 1 : n); i++)
		hits += hm_mask_count(hm_search_hits(s, b, b->all, slots[i]));
	return hits;
}

static void run_shared(const struct memory_trace *t, struct hm_search *s, const uint32_t *slots,
		       size_t n, enum way way, struct result *r)
{
	static struct hm_batch b;
	double start = now(), mpps;

	r->matches = 0;
	for (size_t first = 0; first < t->n; first += HM_BATCH_MAX) {
		size_t rest = t->n - first;

		memory_trace_batch(t, first, rest < HM_BATCH_MAX ? (uint32_t)rest : HM_BATCH_MAX, 0,
				   &b);
		hm_search_begin(s);
		r->matches += use(s, &b, slots, n, way);
	}
	mpps = (double)t->n / (now() - start) / 1e6;
	r->mpps = mpps > r->mpps ? mpps : r->mpps;
}

/* Any bytes in Snort syntax. */
static struct hm_pattern *make_pattern(const char *text)
{
	char snort[3 * 1024 + 3], *at = snort;
	struct hm_error err;
	struct hm_pattern *p;

	*at++ = '|';
	for (size_t i = 0; text[i] != '\0' && i < 1024; i++)
		at += sprintf(at, "%02x ", (unsigned char)text[i]);
	strcpy(at, "|");
	p = hm_pattern_literal(snort, 0, 0, &err);
	if (!p)
		fail(text, err.text);
	return p;
}

static void run(const struct memory_trace *t, const struct string_list *strings, size_t n)
{
	struct hm_pattern **patterns = must(calloc(n, sizeof(struct hm_pattern *)));
	uint32_t *slots = must(calloc(n, sizeof(*slots)));
	hs_database_t *plain = must(string_list_compile(strings, n));
	hs_scratch_t *scratch = NULL;
	struct hm_pattern_set *set;
	struct hm_search_db *db;
	struct hm_search *s;
	struct result bare = {0}, ways[3] = {0};
	struct hm_error err;
	double start, compiled;

	for (size_t i = 0; i < n; i++) {
		patterns[i] = make_pattern(strings->at[i]);
		slots[i] = hm_pattern_slot(patterns[i]);
	}
	set = must(hm_pattern_set_create((const struct hm_pattern *const *)patterns, (uint32_t)n));
	start = now();
	db = hm_search_compile(set, &err);
	compiled = now() - start;
	if (!db)
		fail("compile", err.text);
	s = must(hm_search_create(db, -1));
	if (hs_alloc_scratch(plain, &scratch) != HS_SUCCESS)
		fail("memory", "none left");
	// in turns, since others may share the machine
	for (int round = 0; round < ROUNDS; round++) {
		run_bare(t, plain, scratch, &bare);
		for (enum way way = ASK_ONE; way <= WALK_TOUCHED; way++)
			run_shared(t, s, slots, n, way, &ways[way]);
	}
	printf("{\"strings\":%zu,\"bare_hs_mpps\":%.3f,\"one_entry_mpps\":%.3f,"
	       "\"all_entries_mpps\":%.3f,\"touched_mpps\":%.3f,\"one_to_bare\":%.3f,"
	       "\"all_to_bare\":%.3f,\"touched_to_bare\":%.3f,\"compile_s\":%.3f,\"db_bytes\":%llu,"
	       "\"worker_bytes\":%llu,\"hits\":%llu,\"occurrences\":%llu}\n",
	       n, bare.mpps, ways[ASK_ONE].mpps, ways[ASK_ALL].mpps, ways[WALK_TOUCHED].mpps,
	       ways[ASK_ONE].mpps / bare.mpps, ways[ASK_ALL].mpps / bare.mpps,
	       ways[WALK_TOUCHED].mpps / bare.mpps, compiled,
	       (unsigned long long)hm_search_db_bytes(db), (unsigned long long)hm_search_bytes(s),
	       (unsigned long long)ways[WALK_TOUCHED].matches, (unsigned long long)bare.matches);
	hm_search_destroy(s);
	hm_search_db_unref(db);
	hm_pattern_set_destroy(set);
	for (size_t i = 0; i < n; i++)
		hm_pattern_release(patterns[i]);
	hs_free_scratch(scratch);
	hs_free_database(plain);
	free(patterns);
	free(slots);
}

int main(int argc, char **argv)
{
	struct memory_trace trace = {0};
	struct string_list strings = {0};

	if (argc < 3) {
		fprintf(stderr, "usage: search_bench TRACE.pcap STRINGS.txt [N ...]\n");
		return 2;
	}
	if (memory_trace_load(&trace, argv[1]) < 0 || string_list_load(&strings, argv[2]) < 0)
		return 1;
	for (int i = 3; i < argc || i == 3; i++) {
		size_t n = i < argc ? strtoul(argv[i], NULL, 10) : 1000;

		if (n == 0 || n > strings.n)
			fail(i < argc ? argv[i] : "1000",
			     "not between 1 and the number of strings");
		run(&trace, &strings, n);
	}
	string_list_free(&strings);
	memory_trace_free(&trace);
	return 0;
}
