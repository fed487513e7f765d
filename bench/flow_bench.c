/* SPDX-License-Identifier: BSD-3-Clause */
/* flow_bench: what metering and encoding cost, without devices and sockets. Loads a trace into
 *memory and runs over it again and again, its time going on; prints one JSON object a line:
 *
 *	parse	filling the batch and parsing, for scale
 *	cache	the same, and the flow cache
 *	encode	flow records to messages of each format, nothing else
 *
 *	flow_bench FILE [SECONDS [CACHE_ENTRIES [INACTIVE_S]]]
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <x86intrin.h>

#include "core/parse.h"
#include "memory_trace.h"
#include "netflow/cache.h"
#include "netflow/layout.h"
#include "netflow/message.h"

#define KEPT     65536 // records for the encoder
#define NS_A_S   UINT64_C(1000000000)
#define MTU_ROOM 1352

struct meter {
	double start;
	uint64_t tsc;
};

struct kept {
	struct hm_flow_record *records;
	unsigned n;
};

static double now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec + (double)t.tv_nsec * 1e-9;
}

static struct meter start_meter(void)
{
	return (struct meter){now(), __rdtsc()};
}

static void keep(void *arg, const struct hm_flow_record *r, unsigned n)
{
	struct kept *k = arg;

	for (unsigned i = 0; i < n; i++)
		k->records[k->n++ % KEPT] = r[i];
}

static void run_packets(const struct memory_trace *t, struct hm_cache *cache, double seconds)
{
	static struct hm_batch b;
	const struct hm_parse_conf conf = {0};
	uint64_t done = 0, shift = 0, used = 0, cycles;
	struct meter m = start_meter();
	const struct hm_cache_counts *c = cache ? hm_cache_counts(cache) : NULL;
	double took;

	do {
		for (size_t i = 0; i < t->n; i += b.n) {
			memory_trace_batch(t, i, t->n - i < 64 ? (uint32_t)(t->n - i) : 64, shift,
					   &b);
			hm_parse(&b, &conf);
			if (cache)
				hm_cache_add(cache, &b, b.all);
			done += b.n;
		}
		shift += t->span_ns;
		if (cache && hm_cache_used(cache) > used)
			used = hm_cache_used(cache);
		took = now() - m.start;
	} while (took < seconds);
	cycles = __rdtsc() - m.tsc;
	printf("{\"name\":\"%s\",\"mpps\":%.2f,\"cycles_per_packet\":%.1f",
	       cache ? "cache" : "parse", (double)done / took / 1e6, (double)cycles / (double)done);
	if (cache)
		printf(",\"records_per_s\":%.0f,\"packets_per_record\":%.2f,\"entries_used\":"
		       "%" PRIu64 ",\"cache_full\":%" PRIu64,
		       (double)c->records / took, (double)c->packets / (double)c->records, used,
		       c->ended[HM_END_RESOURCES]);
	printf("}\n");
}

static void run_encoder(const struct hm_format *format, const struct kept *k, double seconds)
{
	static uint8_t buffer[MTU_ROOM];
	const struct hm_layout_conf plain = {0};
	const struct hm_origin origin = {.sampling_interval = 1};
	struct hm_layout layout;
	struct hm_message m = {0};
	struct meter meter = start_meter();
	unsigned n = k->n < KEPT ? k->n : KEPT;
	uint64_t records = 0, messages = 0, cycles;
	double took;

	hm_layout_build(&layout, &plain, format, NULL);
	hm_message_begin(&m, format, buffer, sizeof(buffer), &origin);
	do {
		for (unsigned i = 0; i < 2 * n; i++) {
			const struct hm_flow_record *r = &k->records[i / 2];
			if (r->packets[i & 1] == 0 || (format->ipv4_only && r->key.version != 4))
				continue;
			while (!hm_message_add(&m, hm_layout_of(&layout, r), r, i & 1)) {
				hm_message_end(&m);
				messages++;
				hm_message_begin(&m, format, buffer, sizeof(buffer), &origin);
			}
			records++;
		}
		took = now() - meter.start;
	} while (took < seconds && n > 0);
	cycles = __rdtsc() - meter.tsc;
	printf("{\"name\":\"encode %s\",\"records_per_s\":%.0f,\"cycles_per_record\":%.1f,"
	       "\"records_per_message\":%.1f}\n",
	       format->name, (double)records / took, (double)cycles / (double)records,
	       (double)records / (double)messages);
}

int main(int argc, char **argv)
{
	struct kept kept = {.records = malloc(KEPT * sizeof(*kept.records))};
	struct hm_cache_conf conf = {.entries = 1 << 20,
				     .active_ns = 300 * NS_A_S,
				     .inactive_ns = 30 * NS_A_S,
				     .socket = -1,
				     .out = keep,
				     .out_arg = &kept};
	struct memory_trace trace = {0};
	struct hm_cache *cache;
	double seconds = argc > 2 ? atof(argv[2]) : 5;

	if (argc < 2) {
		fputs("usage: flow_bench FILE [SECONDS [CACHE_ENTRIES [INACTIVE_S]]]\n", stderr);
		return 2;
	}
	if (argc > 3)
		conf.entries = (uint32_t)strtoul(argv[3], NULL, 10);
	if (argc > 4)
		conf.inactive_ns = strtoul(argv[4], NULL, 10) * NS_A_S;
	cache = hm_cache_create(&conf);
	if (!cache || !kept.records || memory_trace_load(&trace, argv[1]) < 0) {
		fputs("flow_bench: cannot start\n", stderr);
		return 1;
	}
	printf("{\"name\":\"memory\",\"bytes_per_entry\":%.1f,\"trace_seconds\":%.2f,\"packets\":%"
	       "zu}\n",
	       (double)hm_cache_bytes(conf.entries) / conf.entries, (double)trace.span_ns / 1e9,
	       trace.n);
	run_packets(&trace, NULL, seconds);
	run_packets(&trace, cache, seconds);
	hm_cache_drain(cache, UINT32_MAX);
	run_encoder(&hm_ipfix, &kept, seconds / 2);
	run_encoder(&hm_netflow9, &kept, seconds / 2);
	run_encoder(&hm_netflow5, &kept, seconds / 2);
	hm_cache_destroy(cache);
	memory_trace_free(&trace);
	free(kept.records);
	return 0;
}
