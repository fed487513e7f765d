/* SPDX-License-Identifier: BSD-3-Clause */
/* filter_bench: the predicate index against libpcap's programs one after the other.
 *
 *	filter_bench TRACE.pcap FILTERS.txt [N ...]
 *
 * For each N prints one JSON line about the first N filters: CPU cycles a packet of the index (in
 * batches of 64, parsed before; `hits` is all matches) and of bpf_filter() with each program in turn,
 * over every 64th batch; how long the index takes to build, and how large it is. Cycles are those of
 * the time stamp counter while this thread ran; the best of five rounds. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <x86intrin.h>

#include "core/parse.h"
#include "filter/filter.h"
#include "memory_trace.h"

#define ROUNDS      5
#define NAIVE_EVERY 64

struct lines {
	char **at;
	size_t n;
};

static void __attribute__((noreturn)) fail(const char *what, const char *why)
{
	fprintf(stderr, "filter_bench: %s: %s\n", what, why);
	exit(1);
}

static void *must(void *p)
{
	if (!p)
		fail("memory", "none left");
	return p;
}

static double now(clockid_t clock)
{
	struct timespec t;

	clock_gettime(clock, &t);
	return (double)t.tv_sec + (double)t.tv_nsec * 1e-9;
}

/* Of this thread: others may share the core. */
static double cpu_now(void)
{
	return now(CLOCK_THREAD_CPUTIME_ID);
}

static double measure_frequency(void)
{
	double start = now(CLOCK_MONOTONIC), end;
	uint64_t from = __rdtsc();

	do
		end = now(CLOCK_MONOTONIC);
	while (end - start < 0.05);
	return (double)(__rdtsc() - from) / (end - start);
}

static void load_lines(struct lines *l, const char *path)
{
	FILE *f = fopen(path, "r");
	char *line = NULL;
	size_t room = 0;

	if (!f)
		fail(path, "cannot be read");
	while (getline(&line, &room, f) > 0) {
		line[strcspn(line, "\r\n")] = '\0';
		l->at = must(realloc(l->at, (l->n + 1) * sizeof(*l->at)));
		l->at[l->n++] = must(strdup(line));
	}
	free(line);
	fclose(f);
}

/* Seconds for the whole trace: parse only, or parse and filter. */
static double run_index(const struct memory_trace *t, struct hm_filter_scan *s, uint64_t *hits,
			uint64_t *active)
{
	static struct hm_batch b;
	const struct hm_parse_conf conf = {0};
	double start = cpu_now();

	*hits = *active = 0;
	for (size_t i = 0; i < t->n; i += b.n) {
		memory_trace_batch(
			t, i, t->n - i < HM_BATCH_MAX ? (uint32_t)(t->n - i) : HM_BATCH_MAX, 0, &b);
		b.all = hm_mask_first(b.n);
		hm_parse(&b, &conf);
		if (!s)
			continue;
		hm_filter_scan_begin(s);
		hm_filter_scan_run(s, &b);
		*active += s->n_active;
		for (uint32_t k = 0; k < s->n_active; k++)
			*hits += hm_mask_count(s->mask[s->active[k]]);
	}
	return cpu_now() - start;
}

static double run_naive(const struct memory_trace *t, struct hm_filter *const *filters, size_t n,
			uint64_t *packets)
{
	static struct hm_batch b;
	double start = cpu_now();
	volatile uint64_t hits = 0; // so that the work is not left out

	*packets = 0;
	for (size_t i = 0; i + HM_BATCH_MAX <= t->n; i += HM_BATCH_MAX * NAIVE_EVERY) {
		memory_trace_batch(t, i, HM_BATCH_MAX, 0, &b);
		for (size_t k = 0; k < n; k++)
			hits += hm_mask_count(hm_filter_run(filters[k], &b, UINT64_MAX));
		*packets += HM_BATCH_MAX;
	}
	(void)hits;
	return cpu_now() - start;
}

static void run(const struct memory_trace *t, const struct lines *lines, size_t n, double hz)
{
	struct hm_filter **filters = must(calloc(n, sizeof(struct hm_filter *)));
	double start = cpu_now(), created, built = 1e9, parsed = 1e9, indexed = 1e9, naive = 1e9;
	struct hm_filter_index *index = NULL;
	struct hm_filter_scan *s;
	uint64_t hits, active, packets = 1;
	size_t lazy = 0;
	struct hm_error err;

	for (size_t i = 0; i < n; i++) {
		filters[i] = hm_filter_create(lines->at[i], t->link, 0, &err);
		if (!filters[i])
			fail(lines->at[i], err.text);
		lazy += hm_filter_is_lazy(filters[i]);
	}
	created = cpu_now() - start;
	for (int round = 0; round < ROUNDS; round++) {
		double seconds;

		hm_filter_index_unref(index);
		start = cpu_now();
		index = must(hm_filter_index_create(filters, (uint32_t)n, &err));
		seconds = cpu_now() - start;
		built = seconds < built ? seconds : built;
	}
	s = must(hm_filter_scan_create(index, -1));
	for (int round = 0; round < ROUNDS; round++) {
		double seconds = run_index(t, NULL, &hits, &active);

		parsed = seconds < parsed ? seconds : parsed;
		seconds = run_index(t, s, &hits, &active);
		indexed = seconds < indexed ? seconds : indexed;
	}
	for (int round = 0; round < (n > 1000 ? 1 : 2); round++) {
		double seconds = run_naive(t, filters, n, &packets);

		naive = seconds < naive ? seconds : naive;
	}
	double cycles = (indexed - parsed) * hz / (double)t->n;
	double bpf = naive * hz / (double)packets;
	printf("{\"filters\":%zu,\"bpf_only\":%zu,\"index_cycles\":%.1f,\"parse_cycles\":%.1f,"
	       "\"bpf_cycles\":%.1f,\"ratio\":%.1f,\"hits_per_packet\":%.2f,"
	       "\"active_per_batch\":%.1f,\"create_us\":%.1f,\"build_ms\":%.2f,"
	       "\"index_bytes\":%llu,\"worker_bytes\":%llu}\n",
	       n, lazy, cycles, parsed * hz / (double)t->n, bpf, bpf / cycles,
	       (double)hits / (double)t->n, (double)active * HM_BATCH_MAX / (double)t->n,
	       created * 1e6 / (double)n, built * 1e3,
	       (unsigned long long)hm_filter_index_bytes(index),
	       (unsigned long long)hm_filter_scan_bytes(s));
	fflush(stdout);
	hm_filter_scan_destroy(s);
	hm_filter_index_unref(index);
	for (size_t i = 0; i < n; i++)
		hm_filter_destroy(filters[i]);
	free(filters);
}

int main(int argc, char **argv)
{
	struct memory_trace trace = {0};
	struct lines lines = {0};
	double hz = measure_frequency();

	if (argc < 3) {
		fprintf(stderr, "usage: filter_bench TRACE.pcap FILTERS.txt [N ...]\n");
		return 2;
	}
	if (memory_trace_load(&trace, argv[1]) != 0)
		return 1;
	load_lines(&lines, argv[2]);
	for (int i = 3; i < argc || i == 3; i++) {
		size_t n = i < argc ? strtoul(argv[i], NULL, 10) : 1000;

		if (n == 0 || n > lines.n)
			fail(i < argc ? argv[i] : "1000",
			     "not between 1 and the number of filters");
		run(&trace, &lines, n, hz);
	}
	for (size_t i = 0; i < lines.n; i++)
		free(lines.at[i]);
	free(lines.at);
	memory_trace_free(&trace);
	return 0;
}
