/* SPDX-License-Identifier: BSD-3-Clause */
/* parse_bench: what the parser alone costs. Loads a pcap or pcapng trace into memory and parses it
 * in batches of 64, again and again. The time includes what a worker must do, too: to copy pointers
 * and lengths into the batch. Prints one JSON object.
 *
 *	parse_bench FILE [SECONDS [TUNNEL ...]]
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>

#include <pcap/pcap.h>
#include <x86intrin.h>

#include "core/parse.h"

#define MEMORY (6ull << 30)

struct packet {
	const uint8_t *data;
	uint32_t caplen, wirelen;
};

struct trace {
	struct packet *packets;
	size_t n, room;
	uint8_t *memory;
	size_t used;
	enum hm_link link;
};

static void add_packet(struct trace *t, const struct pcap_pkthdr *h, const u_char *data)
{
	uint32_t caplen = h->caplen < UINT16_MAX ? h->caplen : UINT16_MAX;

	if (t->n == t->room) {
		t->room = t->room ? 2 * t->room : 1 << 20;
		t->packets = realloc(t->packets, t->room * sizeof(*t->packets));
		if (!t->packets)
			abort();
	}
	memcpy(t->memory + t->used, data, caplen);
	t->packets[t->n++] = (struct packet){t->memory + t->used, caplen, h->len};
	t->used += (caplen + 15) & ~15u;
}

static int load(struct trace *t, const char *file)
{
	char error[PCAP_ERRBUF_SIZE];
	struct pcap_pkthdr *h;
	const u_char *data;
	pcap_t *in = pcap_open_offline(file, error);

	if (!in) {
		fprintf(stderr, "parse_bench: %s\n", error);
		return -1;
	}
	t->link = pcap_datalink(in) == DLT_RAW ? HM_LINK_RAW : (enum hm_link)pcap_datalink(in);
	t->memory = mmap(NULL, MEMORY, PROT_READ | PROT_WRITE,
			 MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	if (t->memory == MAP_FAILED)
		abort();
	madvise(t->memory, MEMORY, MADV_HUGEPAGE);
	while (pcap_next_ex(in, &h, &data) == 1 && t->used + h->caplen + 64 < MEMORY)
		add_packet(t, h, data);
	pcap_close(in);
	if (!hm_link_supported(t->link) || t->n < HM_BATCH_MAX) {
		fprintf(stderr,
			"parse_bench: %s: link type %s, %zu packets; supported: %s; at least 64 "
			"packets\n",
			file, hm_link_name(t->link), t->n, hm_link_supported_names());
		return -1;
	}
	return 0;
}

static uint64_t parse_one(struct hm_batch *b, const struct trace *t, size_t i,
			  const struct hm_parse_conf *conf)
{
	for (size_t j = 0; j < HM_BATCH_MAX; j++) {
		b->data[j] = t->packets[i + j].data;
		b->caplen[j] = t->packets[i + j].caplen;
		b->wirelen[j] = t->packets[i + j].wirelen;
	}
	hm_parse(b, conf);
	return b->hash[0] + b->payload[63];
}

static double now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec + (double)t.tv_nsec * 1e-9;
}

static void run(const struct trace *t, double seconds, const struct hm_parse_conf *conf)
{
	static struct hm_batch b = {.n = HM_BATCH_MAX, .all = UINT64_MAX};
	uint64_t sum = 0, done = 0, rejected = 0, cycles = __rdtsc();
	double start = now(), took;

	b.link = t->link;
	do {
		for (size_t i = 0; i + HM_BATCH_MAX <= t->n; i += HM_BATCH_MAX) {
			sum += parse_one(&b, t, i, conf);
			rejected += hm_mask_count(b.rejected);
			done += HM_BATCH_MAX;
		}
		took = now() - start;
	} while (took < seconds);
	cycles = __rdtsc() - cycles;
	printf("{\"name\":\"parse\",\"mpps\":%.2f,\"cycles_per_packet\":%.1f,\"seconds\":%.1f,"
	       "\"rejected_percent\":%.3f,\"check\":%" PRIu64 "}\n",
	       (double)done / took / 1e6, (double)cycles / (double)done, took,
	       100.0 * (double)rejected / (double)done, sum);
}

int main(int argc, char **argv)
{
	struct hm_parse_conf conf = {0};
	struct trace t = {0};

	if (argc < 2) {
		fputs("usage: parse_bench FILE [SECONDS [TUNNEL ...]]\n", stderr);
		return 2;
	}
	for (int i = 3; i < argc; i++)
		conf.tunnels |= hm_tunnel_by_name(argv[i]);
	if (load(&t, argv[1]) < 0)
		return 1;
	run(&t, argc > 2 ? atof(argv[2]) : 5, &conf);
	return 0;
}
