/* SPDX-License-Identifier: BSD-3-Clause */
/* pktring_bench: packets a second through a packet ring, from a writer thread to a reader thread
 * that looks at each packet's header and first word. Prints one JSON object a preference.
 *	pktring_bench [SECONDS [BYTES_OF_A_PACKET]]
 */
#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "core/pktring.h"

struct run {
	struct hm_pktring *ring;
	uint64_t until_ns;
	uint32_t bytes;
	double seconds; // that the writer wrote
};

static uint64_t now_ns(void)
{
	struct timespec t;
	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000000000 + (uint64_t)t.tv_nsec;
}

/* To one of the two CPUs that the process may use; alone it stays where it is. */
static void stay_on_cpu(unsigned which)
{
	cpu_set_t all, one;
	sched_getaffinity(0, sizeof(all), &all);
	for (int i = 0; i < CPU_SETSIZE; i++) {
		if (!CPU_ISSET(i, &all) || which-- > 0)
			continue;
		CPU_ZERO(&one);
		CPU_SET(i, &one);
		pthread_setaffinity_np(pthread_self(), sizeof(one), &one);
		return;
	}
}

static void *write_packets(void *arg)
{
	static uint8_t data[HM_BATCH_MAX][HM_PKTRING_SNAPLEN_MAX];
	struct run *const run = arg;
	static struct hm_batch b;
	uint64_t at = now_ns();
	const uint64_t begin = at;

	stay_on_cpu(1);
	b.n = HM_BATCH_MAX;
	b.all = hm_mask_first(HM_BATCH_MAX);
	for (unsigned i = 0; i < HM_BATCH_MAX; i++) {
		b.data[i] = data[i];
		b.caplen[i] = b.wirelen[i] = run->bytes;
	}
	for (; at < run->until_ns; at = now_ns())
		for (unsigned n = 0; n < 64; n++) {
			for (unsigned i = 0; i < HM_BATCH_MAX; i++)
				b.ts_ns[i] = at + n * HM_BATCH_MAX + i;
			while (!hm_pktring_ready(run->ring, 0))
				nanosleep(&(struct timespec){.tv_nsec = 10000},
					  NULL); // as a worker
			hm_pktring_put(run->ring, 0, &b, b.all);
		}
	run->seconds = (double)(at - begin) / 1e9;
	hm_pktring_end(run->ring, 0);
	return NULL;
}

static uint64_t read_packets(struct hm_pktring_reader *reader)
{
	struct hm_pktring_packet p;
	uint64_t sum = 0;
	int got;
	while ((got = hm_pktring_next(reader, &p)) >= 0)
		if (got == 1)
			sum += p.wirelen + p.data[0];
	return got == -ENODATA ? sum : 0;
}

static int measure(enum hm_pktring_preference preference, const char *name, double seconds,
		   uint32_t bytes)
{
	struct hm_error err;
	struct hm_pktring *const ring = hm_pktring_create(
		&(struct hm_pktring_conf){.writers = 1, .preference = preference}, &err);
	struct hm_pktring_reader *const reader =
		ring ? hm_pktring_open(dup(hm_pktring_fd(ring)), &err) : NULL;
	struct hm_pktring_counts c;
	struct run run = {ring, now_ns() + (uint64_t)(seconds * 1e9), bytes, 0};
	pthread_t writer;
	uint64_t sum = 0;

	if (!reader || pthread_create(&writer, NULL, write_packets, &run) != 0) {
		fprintf(stderr, "pktring_bench: %s\n", reader ? "no thread" : err.text);
		return 1;
	}
	stay_on_cpu(0);
	sum = read_packets(reader);
	pthread_join(writer, NULL);
	hm_pktring_counts(ring, &c);
	hm_pktring_close(reader);
	hm_pktring_destroy(ring);
	if (sum != c.delivered * bytes || c.offered != c.delivered + c.dropped + c.overwritten) {
		fprintf(stderr, "pktring_bench: %s: what was read is not what was written\n", name);
		return 1;
	}
	printf("{\"name\":\"pktring_%s\",\"bytes\":%u,\"seconds\":%.2f,\"offered_mpps\":%.2f,"
	       "\"mpps\":%.2f,\"lost\":%.4f}\n",
	       name, bytes, run.seconds, (double)c.offered / run.seconds / 1e6,
	       (double)c.delivered / run.seconds / 1e6,
	       (double)(c.dropped + c.overwritten) / (double)c.offered);
	return 0;
}

int main(int argc, char **argv)
{
	const double seconds = argc > 1 ? strtod(argv[1], NULL) : 2;
	const unsigned long bytes = argc > 2 ? strtoul(argv[2], NULL, 10) : 64;

	if (argc > 3 || !(seconds > 0 && seconds <= 3600) || bytes < 1 ||
	    bytes > HM_PKTRING_SNAPLEN_MAX) {
		fprintf(stderr, "usage: pktring_bench [SECONDS [BYTES_OF_A_PACKET]]\n");
		return 2;
	}
	return measure(HM_PKTRING_WAIT, "wait", seconds, (uint32_t)bytes) ||
	       measure(HM_PKTRING_SLOW, "slow", seconds, (uint32_t)bytes) ||
	       measure(HM_PKTRING_FAST, "fast", seconds, (uint32_t)bytes);
}
