/* SPDX-License-Identifier: BSD-3-Clause */
/* pseudonyms_bench: addresses a second that Crypto-PAn makes pseudonyms of, on one core.
 *
 *	pseudonyms_bench cryptopan_ipv4|cryptopan_ipv6[_cached] TRACE [SECONDS]
 *
 * In batches of 128 addresses, as a batch of packets has them. Without the cache of addresses that differ all the time; with
 * it of those of TRACE, in its order (IPv6: the trace's own, or made of its IPv4 addresses). Prints one JSON object.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "anon/pseudonyms.h"
#include "core/parse.h"
#include "memory_trace.h"

#define BATCH 128

static const uint8_t key[HM_CRYPTOPAN_KEY] = "lobster-thermidor-with-a-32-byte";

static double now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec + (double)t.tv_nsec * 1e-9;
}

/* Addresses of the trace, both of each packet; IPv4 ones lie in the first bytes. */
static size_t addresses_of(const struct memory_trace *t, uint8_t (*to)[16], size_t room)
{
	static const struct hm_parse_conf conf;
	static struct hm_batch b;
	size_t n = 0;

	for (size_t i = 0; i + HM_BATCH_MAX <= t->n && n + 2 * HM_BATCH_MAX <= room;
	     i += HM_BATCH_MAX) {
		memory_trace_batch(t, i, HM_BATCH_MAX, 0, &b);
		hm_parse(&b, &conf);
		hm_mask_foreach (k, b.ipv4) {
			memcpy(to[n++], b.data[k] + b.l3[k] + 12, 4);
			memcpy(to[n++], b.data[k] + b.l3[k] + 16, 4);
		}
		hm_mask_foreach (k, b.ipv6) {
			memcpy(to[n++], b.data[k] + b.l3[k] + 8, 16);
			memcpy(to[n++], b.data[k] + b.l3[k] + 24, 16);
		}
	}
	return n;
}

/* So that no two are the same for a while. */
static void make(uint8_t (*to)[16], size_t n)
{
	uint64_t state = 1;

	for (size_t i = 0; i < n; i++)
		for (unsigned k = 0; k < 2; k++) {
			state = state * UINT64_C(6364136223846793005) + 1442695040888963407;
			memcpy(to[i] + 8 * k, &state, 8);
		}
}

static uint64_t run4(struct hm_pseudonyms *p, struct hm_cryptopan *plain, uint8_t (*from)[16],
		     size_t n, double seconds, double *elapsed)
{
	uint32_t batch[BATCH];
	const double start = now();
	uint64_t done = 0;

	do {
		for (size_t i = 0; i + BATCH <= n; i += BATCH, done += BATCH) {
			for (unsigned k = 0; k < BATCH; k++)
				memcpy(&batch[k], from[i + k], 4);
			if (p)
				hm_pseudonyms_ipv4(p, batch, BATCH);
			else
				hm_cryptopan_ipv4(plain, batch, BATCH);
		}
		*elapsed = now() - start;
	} while (*elapsed < seconds);
	return done;
}

static uint64_t run6(struct hm_pseudonyms *p, struct hm_cryptopan *plain, uint8_t (*from)[16],
		     size_t n, double seconds, double *elapsed)
{
	uint8_t batch[BATCH][16];
	const double start = now();
	uint64_t done = 0;

	do {
		for (size_t i = 0; i + BATCH <= n; i += BATCH, done += BATCH) {
			memcpy(batch, from[i], sizeof(batch));
			if (p)
				hm_pseudonyms_ipv6(p, batch, BATCH);
			else
				hm_cryptopan_ipv6(plain, batch, BATCH);
		}
		*elapsed = now() - start;
	} while (*elapsed < seconds);
	return done;
}

int main(int argc, char **argv)
{
	const bool cached = argc > 2 && strstr(argv[1], "_cached"),
		   v6 = argc > 2 && strstr(argv[1], "ipv6");
	const size_t room = cached ? 1 << 22 : 1 << 16;
	uint8_t(*from)[16] = calloc(room, 16);
	struct hm_cryptopan *plain = hm_cryptopan_create(key);
	struct hm_pseudonyms *p = cached ? hm_pseudonyms_create(key) : NULL;
	struct memory_trace t = {0};
	double elapsed = 0;
	size_t n = room;
	uint64_t done;

	if (argc < 3 || !from || !plain || (cached && !p)) {
		fputs("usage: pseudonyms_bench cryptopan_ipv4|cryptopan_ipv6[_cached] TRACE "
		      "[SECONDS]\n",
		      stderr);
		return 2;
	}
	make(from, n);
	if (cached) {
		if (memory_trace_load(&t, argv[2]) < 0)
			return 1;
		memset(from, 0, room * 16);
		n = addresses_of(&t, from, room);
	}
	done = (v6 ? run6 : run4)(p, plain, from, n, argc > 3 ? strtod(argv[3], NULL) : 2,
				  &elapsed);
	printf("{\"name\": \"%s\", \"maddr_per_s\": %.4f}\n", argv[1],
	       (double)done / elapsed / 1e6);
	if (cached)
		memory_trace_free(&t);
	hm_pseudonyms_destroy(p);
	hm_cryptopan_destroy(plain);
	free(from);
	return 0;
}
