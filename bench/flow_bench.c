/* SPDX-License-Identifier: BSD-3-Clause */
/* flow_bench: what metering and encoding cost, without devices and sockets; prints one JSON object
 * a line:
 *
 *	parse	filling the batch and parsing, for scale
 *	cache	the same, and the flow cache
 *	encode	flow records to messages of each format, nothing else
 *
 *	flow_bench FILE [SECONDS [CACHE_ENTRIES [INACTIVE_S]]]
 *	flow_bench ENTRIES [SECONDS]
 *
 * Packets are those of a trace, again and again with its time going on; or, with a number, UDP
 * frames of 64 bytes made on the way, of flows chosen at random, so many that about ENTRIES records
 * are in the cache. A record gets PER_FLOW packets there and ends by its inactive timeout. Times are
 * of this thread's CPU, so that a busy machine spoils figures less.
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

#define FRAME    60
#define FRAMES   512           // that are made in turn, as if a card wrote them into the cache
#define WAIT_NS  (10 * NS_A_S) // inactive timeout, many slots of the wheel
#define PER_FLOW 16            // packets, on average
#define PATIENCE 8             // inactive timeout, in mean times between two packets of a flow

struct meter {
	double cpu, wall;
	uint64_t tsc;
};

struct kept {
	struct hm_flow_record *records;
	unsigned n;
};

/* Where packets come from: a trace, or made ones if `flows` is not 0. */
struct source {
	struct memory_trace trace;
	size_t next;
	uint64_t shift_ns;

	uint64_t flows, random, packets, ts_ns, gap_ns;
	uint8_t frames[FRAMES][64];
};

static double now(clockid_t clock)
{
	struct timespec t;

	clock_gettime(clock, &t);
	return (double)t.tv_sec + (double)t.tv_nsec * 1e-9;
}

static struct meter start_meter(void)
{
	return (struct meter){now(CLOCK_THREAD_CPUTIME_ID), now(CLOCK_MONOTONIC), __rdtsc()};
}

/* CPU seconds and cycles since then. */
static double read_meter(const struct meter *m, double *cycles)
{
	double cpu = now(CLOCK_THREAD_CPUTIME_ID) - m->cpu;

	*cycles = (double)(__rdtsc() - m->tsc) * cpu / (now(CLOCK_MONOTONIC) - m->wall);
	return cpu;
}

static void keep(void *arg, const struct hm_flow_record *r, unsigned n)
{
	struct kept *k = arg;

	for (unsigned i = 0; i < n; i++)
		k->records[k->n++ % KEPT] = r[i];
}

/* --- packets --- */

static void batch_of_trace(struct source *s, struct hm_batch *b)
{
	size_t left = s->trace.n - s->next;

	memory_trace_batch(&s->trace, s->next, left < 64 ? (uint32_t)left : 64, s->shift_ns, b);
	s->next += b->n;
	if (s->next == s->trace.n) {
		s->next = 0;
		s->shift_ns += s->trace.span_ns;
	}
}

static void put32(uint8_t *p, uint64_t v)
{
	uint32_t be = __builtin_bswap32((uint32_t)v);

	memcpy(p, &be, sizeof(be));
}

static void make_batch(struct source *s, struct hm_batch *b)
{
	b->n = 64;
	b->all = UINT64_MAX;
	b->link = HM_LINK_ETHERNET;
	for (unsigned i = 0; i < 64; i++, s->packets++) {
		uint8_t *frame = s->frames[s->packets % FRAMES];
		uint64_t flow;

		s->random = s->random * UINT64_C(6364136223846793005) + 1442695040888963407u;
		// the window of living flows moves on: old ones end, new ones begin
		flow = s->packets / PER_FLOW + ((s->random >> 32) * s->flows >> 32);
		put32(frame + 26, 0x0a000000 | (flow & 0xffffff));
		put32(frame + 30, 0xac100000 | (flow >> 24 & 0xffff));
		put32(frame + 34, flow << 16 | 53);
		b->data[i] = frame;
		b->ts_ns[i] = s->ts_ns += s->gap_ns;
		b->caplen[i] = b->wirelen[i] = FRAME;
	}
}

static void next_batch(struct source *s, struct hm_batch *b)
{
	if (s->flows)
		make_batch(s, b);
	else
		batch_of_trace(s, b);
}

static void open_made(struct source *s, uint64_t flows)
{
	s->flows = flows;
	s->ts_ns = 1700000000 * NS_A_S;
	s->gap_ns = WAIT_NS / PATIENCE / flows;
	for (unsigned i = 0; i < FRAMES; i++) {
		uint8_t *f = s->frames[i];
		f[12] = 0x08; // IPv4
		f[14] = 0x45;
		f[17] = 46; // total length
		f[22] = 64;
		f[23] = 17; // UDP
		f[39] = 26; // its length
	}
}

/* --- rows --- */

/* Until the cache is as full as it will be. */
static void warm_up(struct source *s, struct hm_cache *cache)
{
	static struct hm_batch b;
	const struct hm_parse_conf conf = {0};

	for (uint64_t end = s->packets + 3 * PER_FLOW * s->flows; s->packets < end;) {
		next_batch(s, &b);
		hm_parse(&b, &conf);
		hm_cache_add(cache, &b, b.all);
	}
}

static void run_packets(struct source *s, struct hm_cache *cache, double seconds)
{
	static struct hm_batch b;
	const struct hm_parse_conf conf = {0};
	const struct hm_cache_counts *c = cache ? hm_cache_counts(cache) : NULL;
	const struct hm_cache_counts before = c ? *c : (struct hm_cache_counts){0};
	struct meter m = start_meter();
	uint64_t done = 0, used = 0;
	double took, cycles;

	do {
		for (unsigned i = 0; i < 1024; i++) {
			next_batch(s, &b);
			hm_parse(&b, &conf);
			if (cache)
				hm_cache_add(cache, &b, b.all);
			done += b.n;
		}
		if (cache && hm_cache_used(cache) > used)
			used = hm_cache_used(cache);
		took = read_meter(&m, &cycles);
	} while (took < seconds);
	printf("{\"name\":\"%s\",\"mpps\":%.2f,\"cycles_per_packet\":%.1f",
	       cache ? "cache" : "parse", (double)done / took / 1e6, cycles / (double)done);
	if (cache)
		printf(",\"records_per_s\":%.0f,\"packets_per_record\":%.2f,\"entries_used\":"
		       "%" PRIu64 ",\"cache_full\":%" PRIu64,
		       (double)(c->records - before.records) / took,
		       (double)(c->packets - before.packets) /
			       (double)(c->records - before.records),
		       used, c->ended[HM_END_RESOURCES] - before.ended[HM_END_RESOURCES]);
	printf("}\n");
	fflush(stdout);
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
	uint64_t records = 0, messages = 0;
	double took, cycles;

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
		took = read_meter(&meter, &cycles);
	} while (took < seconds && n > 0);
	printf("{\"name\":\"encode %s\",\"records_per_s\":%.0f,\"cycles_per_record\":%.1f,"
	       "\"records_per_message\":%.1f}\n",
	       format->name, (double)records / took, cycles / (double)records,
	       (double)records / (double)messages);
}

/* A number of entries, or a trace and the cache it is to have. */
static int open_source(struct source *s, struct hm_cache_conf *conf, int argc, char **argv)
{
	char *end;
	unsigned long entries = strtoul(argv[1], &end, 10);

	if (*end == '\0' && entries >= 1000 && entries <= HM_CACHE_ENTRIES_MAX) {
		// a flow waits for its end another PATIENCE / PER_FLOW of its life; and some are
		// early
		open_made(s, entries * PER_FLOW * 105 / (PER_FLOW + PATIENCE) / 100);
		conf->entries = (uint32_t)entries;
		conf->inactive_ns = WAIT_NS;
		return 0;
	}
	if (argc > 3)
		conf->entries = (uint32_t)strtoul(argv[3], NULL, 10);
	if (argc > 4)
		conf->inactive_ns = strtoul(argv[4], NULL, 10) * NS_A_S;
	return memory_trace_load(&s->trace, argv[1]);
}

int main(int argc, char **argv)
{
	static struct source source;
	struct kept kept = {.records = malloc(KEPT * sizeof(*kept.records))};
	struct hm_cache_conf conf = {.entries = 1 << 20,
				     .active_ns = 300 * NS_A_S,
				     .inactive_ns = 30 * NS_A_S,
				     .socket = -1,
				     .out = keep,
				     .out_arg = &kept};
	struct hm_cache *cache;
	double seconds = argc > 2 ? atof(argv[2]) : 5;

	if (argc < 2) {
		fputs("usage: flow_bench FILE [SECONDS [CACHE_ENTRIES [INACTIVE_S]]]\n"
		      "       flow_bench ENTRIES [SECONDS]\n",
		      stderr);
		return 2;
	}
	if (!kept.records || open_source(&source, &conf, argc, argv) < 0 ||
	    !(cache = hm_cache_create(&conf))) {
		fputs("flow_bench: cannot start\n", stderr);
		return 1;
	}
	printf("{\"name\":\"memory\",\"bytes_per_entry\":%.1f,\"entries\":%u,\"mb\":%.0f}\n",
	       (double)hm_cache_memory(cache) / conf.entries, conf.entries,
	       (double)hm_cache_memory(cache) / 1e6);
	run_packets(&source, NULL, seconds);
	warm_up(&source, cache);
	run_packets(&source, cache, seconds);
	hm_cache_drain(cache, UINT32_MAX);
	run_encoder(&hm_ipfix, &kept, seconds / 2);
	run_encoder(&hm_netflow9, &kept, seconds / 2);
	run_encoder(&hm_netflow5, &kept, seconds / 2);
	hm_cache_destroy(cache);
	memory_trace_free(&source.trace);
	free(kept.records);
	return 0;
}
