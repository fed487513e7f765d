/* SPDX-License-Identifier: BSD-3-Clause */
/* search_bench: the shared scan against bare Hyperscan, over a trace in memory.
 *
 *	search_bench TRACE.pcap STRINGS.txt [N ...]
 *
 * For each N prints one JSON line: packets a second of hs_scan() with an empty callback over the
 * first N strings; of the shared scan when one search entry asks for its pattern; and when N entries
 * ask, each for its own, as N flows do. Each is the best of five rounds. */
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

static struct result run_bare(const struct memory_trace *t, const struct string_list *s, size_t n)
{
	hs_database_t *db = must(string_list_compile(s, n));
	hs_scratch_t *scratch = NULL;
	struct result r = {0};

	if (hs_alloc_scratch(db, &scratch) != HS_SUCCESS)
		fail("memory", "none left");
	for (int round = 0; round < ROUNDS; round++) {
		double start = now(), mpps;

		r.matches = 0;
		for (size_t i = 0; i < t->n; i++)
			hs_scan(db, (const char *)t->packets[i].data, t->packets[i].caplen, 0,
				scratch, count_match, &r.matches);
		mpps = (double)t->n / (now() - start) / 1e6;
		r.mpps = mpps > r.mpps ? mpps : r.mpps;
	}
	hs_free_scratch(scratch);
	hs_free_database(db);
	return r;
}

/* --- the shared scan --- */

/* `entries` patterns are asked for, of all that the database holds. */
static struct result run_shared(const struct memory_trace *t, struct hm_search *s,
				const uint32_t *slots, size_t entries)
{
	static struct hm_batch b;
	struct result r = {0};

	for (int round = 0; round < ROUNDS; round++) {
		double start = now(), mpps;

		r.matches = 0;
		for (size_t first = 0; first < t->n; first += HM_BATCH_MAX) {
			uint32_t n = t->n - first < HM_BATCH_MAX ? (uint32_t)(t->n - first)
								 : HM_BATCH_MAX;

			memory_trace_batch(t, first, n, 0, &b);
			hm_search_begin(s);
			for (size_t i = 0; i < entries; i++)
				r.matches += hm_mask_count(hm_search_hits(s, &b, b.all, slots[i]));
		}
		mpps = (double)t->n / (now() - start) / 1e6;
		r.mpps = mpps > r.mpps ? mpps : r.mpps;
	}
	return r;
}

static void run(const struct memory_trace *t, const struct string_list *strings, size_t n)
{
	struct hm_pattern **patterns = must(calloc(n, sizeof(struct hm_pattern *)));
	uint32_t *slots = must(calloc(n, sizeof(*slots)));
	struct hm_pattern_set *set;
	struct hm_search_db *db;
	struct hm_search *s;
	struct result bare, one, all;
	struct hm_error err;
	double start, compiled;

	for (size_t i = 0; i < n; i++) {
		patterns[i] = hm_pattern_literal(strings->at[i], 0, 0, &err);
		if (!patterns[i])
			fail(strings->at[i], err.text);
		slots[i] = hm_pattern_slot(patterns[i]);
	}
	set = must(hm_pattern_set_create((const struct hm_pattern *const *)patterns, (uint32_t)n));
	start = now();
	db = hm_search_compile(set, &err);
	compiled = now() - start;
	if (!db)
		fail("compile", err.text);
	s = must(hm_search_create(db, -1));
	bare = run_bare(t, strings, n);
	one = run_shared(t, s, slots, 1);
	all = run_shared(t, s, slots, n);
	printf("{\"strings\":%zu,\"bare_hs_mpps\":%.3f,\"one_entry_mpps\":%.3f,"
	       "\"all_entries_mpps\":%.3f,\"one_to_bare\":%.3f,\"all_to_bare\":%.3f,"
	       "\"compile_s\":%.3f,\"db_bytes\":%llu,\"worker_bytes\":%llu,\"hits\":%llu,"
	       "\"occurrences\":%llu}\n",
	       n, bare.mpps, one.mpps, all.mpps, one.mpps / bare.mpps, all.mpps / bare.mpps,
	       compiled, (unsigned long long)hm_search_db_bytes(db),
	       (unsigned long long)hm_search_bytes(s), (unsigned long long)all.matches,
	       (unsigned long long)bare.matches);
	hm_search_destroy(s);
	hm_search_db_unref(db);
	hm_pattern_set_destroy(set);
	for (size_t i = 0; i < n; i++)
		hm_pattern_release(patterns[i]);
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
