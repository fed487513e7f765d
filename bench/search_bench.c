/* SPDX-License-Identifier: BSD-3-Clause */
/* search_bench: the shared scan against bare Hyperscan, over a trace in memory.
 *
 *	search_bench TRACE.pcap STRINGS.txt [N ...]
 *
 * For each N prints one JSON line: packets a second of hs_scan() with an empty callback over the
 * first N strings; of the shared scan when one search entry asks for its pattern; and when N entries
 * ask, each for its own, as N flows do. Each is the best of five rounds. */
#include <hs.h>
#include <pcap.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "core/search.h"

#define BYTES_MAX ((size_t)256 << 20)
#define ROUNDS    5

struct trace {
	uint8_t *bytes;
	size_t used, n, room;
	uint8_t **data;
	uint32_t *caplen;
};

struct strings {
	char **at;
	size_t n;
};

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

static void load_trace(struct trace *t, const char *path)
{
	char why[PCAP_ERRBUF_SIZE];
	pcap_t *p = pcap_open_offline(path, why);
	struct pcap_pkthdr *h;
	const u_char *data;

	if (!p)
		fail(path, why);
	t->bytes = must(malloc(BYTES_MAX));
	while (pcap_next_ex(p, &h, &data) == 1 && t->used + h->caplen <= BYTES_MAX) {
		if (t->n == t->room) {
			t->room = t->room ? 2 * t->room : 1024;
			t->data = must(realloc(t->data, t->room * sizeof(*t->data)));
			t->caplen = must(realloc(t->caplen, t->room * sizeof(*t->caplen)));
		}
		memcpy(t->bytes + t->used, data, h->caplen);
		t->data[t->n] = t->bytes + t->used;
		t->caplen[t->n++] = h->caplen;
		t->used += h->caplen;
	}
	pcap_close(p);
	if (t->n == 0)
		fail(path, "no packets");
}

static void load_strings(struct strings *s, const char *path)
{
	FILE *f = fopen(path, "r");
	char *line = NULL;
	size_t room = 0;
	ssize_t n;

	if (!f)
		fail(path, "cannot be read");
	while ((n = getline(&line, &room, f)) > 0) {
		line[strcspn(line, "\r\n")] = '\0';
		if (line[0] == '\0')
			continue;
		s->at = must(realloc(s->at, (s->n + 1) * sizeof(*s->at)));
		s->at[s->n++] = must(strdup(line));
	}
	free(line);
	fclose(f);
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

static hs_database_t *compile_bare(const struct strings *s, size_t n)
{
	unsigned *flags = must(calloc(n, sizeof(*flags))), *ids = must(calloc(n, sizeof(*ids)));
	size_t *lengths = must(calloc(n, sizeof(*lengths)));
	hs_compile_error_t *why;
	hs_database_t *db;

	for (size_t i = 0; i < n; i++) {
		ids[i] = (unsigned)i;
		lengths[i] = strlen(s->at[i]);
	}
	if (hs_compile_lit_multi((const char *const *)s->at, flags, ids, lengths, (unsigned)n,
				 HS_MODE_BLOCK, NULL, &db, &why) != HS_SUCCESS)
		fail("hyperscan", why->message);
	free(flags);
	free(ids);
	free(lengths);
	return db;
}

static struct result run_bare(const struct trace *t, const struct strings *s, size_t n)
{
	hs_database_t *db = compile_bare(s, n);
	hs_scratch_t *scratch = NULL;
	struct result r = {0};

	if (hs_alloc_scratch(db, &scratch) != HS_SUCCESS)
		fail("memory", "none left");
	for (int round = 0; round < ROUNDS; round++) {
		double start = now(), mpps;

		r.matches = 0;
		for (size_t i = 0; i < t->n; i++)
			hs_scan(db, (char *)t->data[i], t->caplen[i], 0, scratch, count_match,
				&r.matches);
		mpps = (double)t->n / (now() - start) / 1e6;
		r.mpps = mpps > r.mpps ? mpps : r.mpps;
	}
	hs_free_scratch(scratch);
	hs_free_database(db);
	return r;
}

/* --- the shared scan --- */

static void fill(struct hm_batch *b, const struct trace *t, size_t first)
{
	b->n = t->n - first < HM_BATCH_MAX ? (uint32_t)(t->n - first) : HM_BATCH_MAX;
	b->all = hm_mask_first(b->n);
	memcpy(b->data, t->data + first, b->n * sizeof(b->data[0]));
	memcpy(b->caplen, t->caplen + first, b->n * sizeof(b->caplen[0]));
}

/* `entries` patterns are asked for, of all that the database holds. */
static struct result run_shared(const struct trace *t, struct hm_search *s, const uint32_t *slots,
				size_t entries)
{
	static struct hm_batch b;
	struct result r = {0};

	for (int round = 0; round < ROUNDS; round++) {
		double start = now(), mpps;

		r.matches = 0;
		for (size_t first = 0; first < t->n; first += HM_BATCH_MAX) {
			fill(&b, t, first);
			hm_search_begin(s);
			for (size_t i = 0; i < entries; i++)
				r.matches += hm_mask_count(hm_search_hits(s, &b, b.all, slots[i]));
		}
		mpps = (double)t->n / (now() - start) / 1e6;
		r.mpps = mpps > r.mpps ? mpps : r.mpps;
	}
	return r;
}

static void run(const struct trace *t, const struct strings *strings, size_t n)
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
	struct trace trace = {0};
	struct strings strings = {0};

	if (argc < 3) {
		fprintf(stderr, "usage: search_bench TRACE.pcap STRINGS.txt [N ...]\n");
		return 2;
	}
	load_trace(&trace, argv[1]);
	load_strings(&strings, argv[2]);
	for (int i = 3; i < argc || i == 3; i++) {
		size_t n = i < argc ? strtoul(argv[i], NULL, 10) : 1000;

		if (n == 0 || n > strings.n)
			fail(i < argc ? argv[i] : "1000",
			     "not between 1 and the number of strings");
		run(&trace, &strings, n);
	}
	for (size_t i = 0; i < strings.n; i++)
		free(strings.at[i]);
	free(strings.at);
	free(trace.bytes);
	free(trace.data);
	free(trace.caplen);
	return 0;
}
