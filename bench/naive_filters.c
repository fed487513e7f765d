/* SPDX-License-Identifier: BSD-3-Clause */
/* naive_filters: what many filters cost one after the other, without an index.
 *
 *	naive_filters TRACE FILTERS COUNT [SECONDS]
 *
 * Copies the trace into memory, compiles the first COUNT lines of FILTERS with libpcap, and runs each with
 * bpf_filter() over packets from everywhere in the trace, counting what matches: what the appliance with
 * COUNT flows that filter and count is measured against. Prints one JSON object.
 */
#include <pcap/pcap.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <x86intrin.h>

#include "core/link.h"
#include "memory_trace.h"
#include "string_list.h"

#define SNAPLEN 262144
#define STRIDE  997 // batches from one look to the next: a short run must not see one corner only

struct filters {
	struct bpf_program *programs;
	uint64_t *matched;
	size_t n;
};

static double clock_seconds(clockid_t clock)
{
	struct timespec t;

	clock_gettime(clock, &t);
	return (double)t.tv_sec + (double)t.tv_nsec * 1e-9;
}

static int compile(struct filters *f, const struct string_list *list, size_t n, enum hm_link link)
{
	pcap_t *pcap = pcap_open_dead(hm_link_dlt(link), SNAPLEN);
	int rc = 0;

	f->programs = calloc(n, sizeof(*f->programs));
	f->matched = calloc(n, sizeof(*f->matched));
	if (!pcap || !f->programs || !f->matched) {
		fputs("naive_filters: out of memory\n", stderr);
		rc = -1;
	}
	while (rc == 0 && f->n < n) {
		rc = pcap_compile(pcap, &f->programs[f->n], list->at[f->n], 1,
				  PCAP_NETMASK_UNKNOWN);
		if (rc == 0)
			f->n++;
		else
			fprintf(stderr, "%s: %s\n", list->at[f->n], pcap_geterr(pcap));
	}
	if (pcap)
		pcap_close(pcap);
	return rc;
}

static void free_filters(struct filters *f)
{
	for (size_t i = 0; i < f->n; i++)
		pcap_freecode(&f->programs[i]);
	free(f->programs);
	free(f->matched);
}

/* Each filter over all packets of a batch, so that its program stays in the cache for them. */
static void run_batch(struct filters *f, const struct memory_packet *packets, size_t n)
{
	for (size_t i = 0; i < f->n; i++)
		for (size_t k = 0; k < n; k++) {
			const struct memory_packet *p = &packets[k];

			f->matched[i] += bpf_filter(f->programs[i].bf_insns, p->data, p->wirelen,
						    p->caplen) != 0;
		}
}

static void measure(const struct memory_trace *t, struct filters *f, double wanted)
{
	double start = clock_seconds(CLOCK_MONOTONIC),
	       cpu = clock_seconds(CLOCK_PROCESS_CPUTIME_ID), elapsed;
	size_t batches = (t->n + HM_BATCH_MAX - 1) / HM_BATCH_MAX, at = 0;
	uint64_t tsc = __rdtsc(), packets = 0, matches = 0;

	do {
		size_t first = at * HM_BATCH_MAX;
		size_t n = t->n - first < HM_BATCH_MAX ? t->n - first : HM_BATCH_MAX;

		run_batch(f, &t->packets[first], n);
		packets += n;
		at = (at + STRIDE) % batches;
		elapsed = clock_seconds(CLOCK_MONOTONIC) - start;
	} while (elapsed < wanted);
	tsc = __rdtsc() - tsc;
	cpu = clock_seconds(CLOCK_PROCESS_CPUTIME_ID) - cpu;
	for (size_t i = 0; i < f->n; i++)
		matches += f->matched[i];
	printf("{\"name\":\"naive_filters\",\"filters\":%zu,\"mpps\":%.5f,\"mpps_cpu\":%.5f,"
	       "\"cycles_per_packet\":%.1f,\"matches_per_packet\":%.3f,\"seconds\":%.1f}\n",
	       f->n, (double)packets / elapsed / 1e6, (double)packets / cpu / 1e6,
	       (double)tsc / (double)packets, (double)matches / (double)packets, elapsed);
}

int main(int argc, char **argv)
{
	struct memory_trace trace = {0};
	struct string_list list = {0};
	struct filters filters = {0};
	double seconds = argc > 4 ? strtod(argv[4], NULL) : 5.0;
	size_t n = argc > 3 ? strtoul(argv[3], NULL, 10) : 0;

	if (argc < 4 || argc > 5 || n == 0 || !(seconds > 0 && seconds <= 3600)) {
		fputs("usage: naive_filters TRACE FILTERS COUNT [SECONDS]   (pcap or pcapng; "
		      "COUNT > 0; 0 < SECONDS <= 3600)\n",
		      stderr);
		return 2;
	}
	if (memory_trace_load(&trace, argv[1]) < 0 || string_list_load(&list, argv[2]) < 0)
		return 1;
	if (n > list.n) {
		fprintf(stderr, "naive_filters: %s has %zu filters, not %zu\n", argv[2], list.n, n);
		return 1;
	}
	if (compile(&filters, &list, n, trace.link) < 0)
		return 1;
	measure(&trace, &filters, seconds);
	free_filters(&filters);
	string_list_free(&list);
	memory_trace_free(&trace);
	return 0;
}
