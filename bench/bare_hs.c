/* SPDX-License-Identifier: BSD-3-Clause */
/* bare_hs: how fast this core can search every packet of a trace for strings at all.
 *
 *	bare_hs TRACE STRINGS COUNT [SECONDS]
 *
 * Copies the trace into memory and runs hs_scan() with a callback that only counts over every packet,
 * again and again: the first COUNT lines of STRINGS, from the link-layer header to the last captured
 * byte. No buffers, no driver, no flows: what the appliance with COUNT flows that search a string each is
 * measured against. Prints one JSON object.
 */
#include <hs.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <x86intrin.h>

#include "memory_trace.h"
#include "string_list.h"

static double clock_seconds(clockid_t clock)
{
	struct timespec t;

	clock_gettime(clock, &t);
	return (double)t.tv_sec + (double)t.tv_nsec * 1e-9;
}

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

static void measure(const struct memory_trace *t, const hs_database_t *db, hs_scratch_t *scratch,
		    size_t n_strings, double wanted)
{
	double start = clock_seconds(CLOCK_MONOTONIC),
	       cpu = clock_seconds(CLOCK_PROCESS_CPUTIME_ID), elapsed;
	uint64_t tsc = __rdtsc(), packets = 0, matches = 0;

	do {
		for (size_t i = 0; i < t->n; i++)
			hs_scan(db, (const char *)t->packets[i].data, t->packets[i].caplen, 0,
				scratch, count_match, &matches);
		packets += t->n;
		elapsed = clock_seconds(CLOCK_MONOTONIC) - start;
	} while (elapsed < wanted);
	tsc = __rdtsc() - tsc;
	cpu = clock_seconds(CLOCK_PROCESS_CPUTIME_ID) - cpu;
	printf("{\"name\":\"bare_hs\",\"strings\":%zu,\"mpps\":%.3f,\"mpps_cpu\":%.3f,"
	       "\"cycles_per_packet\":%.1f,\"matches_per_packet\":%.3f,\"seconds\":%.1f}\n",
	       n_strings, (double)packets / elapsed / 1e6, (double)packets / cpu / 1e6,
	       (double)tsc / (double)packets, (double)matches / (double)packets, elapsed);
}

int main(int argc, char **argv)
{
	struct memory_trace trace = {0};
	struct string_list strings = {0};
	double seconds = argc > 4 ? strtod(argv[4], NULL) : 5.0;
	size_t n = argc > 3 ? strtoul(argv[3], NULL, 10) : 0;
	hs_scratch_t *scratch = NULL;
	hs_database_t *db;

	if (argc < 4 || argc > 5 || n == 0 || !(seconds > 0 && seconds <= 3600)) {
		fputs("usage: bare_hs TRACE STRINGS COUNT [SECONDS]   (pcap or pcapng; COUNT > 0; "
		      "0 < SECONDS <= 3600)\n",
		      stderr);
		return 2;
	}
	if (memory_trace_load(&trace, argv[1]) < 0 || string_list_load(&strings, argv[2]) < 0)
		return 1;
	if (n > strings.n) {
		fprintf(stderr, "bare_hs: %s has %zu strings, not %zu\n", argv[2], strings.n, n);
		return 1;
	}
	db = string_list_compile(&strings, n);
	if (!db || hs_alloc_scratch(db, &scratch) != HS_SUCCESS)
		return 1;
	measure(&trace, db, scratch, n, seconds);
	hs_free_scratch(scratch);
	hs_free_database(db);
	string_list_free(&strings);
	memory_trace_free(&trace);
	return 0;
}
