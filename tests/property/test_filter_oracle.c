/* SPDX-License-Identifier: BSD-3-Clause */
/* The index answers what libpcap's programs answer: expressions by grammar and by hand, over packets
 * of all link types, whole, cut at every byte and broken, in batches of all sizes.
 *
 *	test_filter_oracle [EXPRESSIONS PACKETS SEED]	for a longer run
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../filter/filter_expressions.h"
#include "../filter/filter_frames.h"
#include "../filter/filter_oracle.h"

static const enum hm_link links[] = {
	HM_LINK_ETHERNET, HM_LINK_RAW,        HM_LINK_LINUX_SLL, HM_LINK_LINUX_SLL2,
	HM_LINK_PPP,      HM_LINK_PPP_SERIAL, HM_LINK_C_HDLC,    HM_LINK_NULL,
	HM_LINK_LOOP,     HM_LINK_IPV4,       HM_LINK_IPV6,
};
#define LINKS (sizeof(links) / sizeof(links[0]))

static void fail(const struct hm_filter *f, const struct hm_batch *b, uint64_t wrong)
{
	unsigned i = wrong ? (unsigned)__builtin_ctzll(wrong) : 0;

	printf("%s (%s), link %s: packet %u of %u, %u of %u bytes:\n", hm_filter_canonical(f),
	       hm_filter_engine(f), hm_link_name(b->link), i, b->n, b->caplen[i], b->wirelen[i]);
	for (uint32_t k = 0; k < b->caplen[i]; k++)
		printf("%02x%s", b->data[i][k], k % 16 == 15 ? "\n" : " ");
	printf("\nlibpcap's program %s\n",
	       hm_filter_run(f, b, UINT64_C(1) << i) ? "matches" : "does not match");
	exit(1);
}

static void compare(struct filter_oracle *o, enum hm_link link, const struct filter_frame *frames,
		    size_t n)
{
	static struct hm_batch b;
	unsigned size = 1;

	b.link = link;
	for (size_t i = 0; i < n; i += b.n, size = size % 64 + 1) {
		const struct hm_filter *f;
		uint64_t wrong;

		b.n = n - i < size ? (uint32_t)(n - i) : size;
		for (unsigned k = 0; k < b.n; k++) {
			b.data[k] = frames[i + k].bytes;
			b.caplen[k] = frames[i + k].caplen;
			b.wirelen[k] = frames[i + k].wirelen;
		}
		f = filter_oracle_compare(o, &b, &wrong);
		if (f)
			fail(f, &b, wrong);
	}
}

/* A few whole packets, cut at every byte. */
static void compare_cut(struct filter_oracle *o, enum hm_link link, uint64_t seed)
{
	struct filter_frame *whole = filter_frames_make(link, 24, seed);

	for (unsigned i = 0; i < 24; i += 2) {
		struct filter_frame cut[FRAME_ROOM];
		unsigned n = whole[i].caplen < FRAME_ROOM - 1 ? whole[i].caplen : FRAME_ROOM - 1;

		for (unsigned k = 0; k <= n; k++) {
			cut[k] = (struct filter_frame){malloc(k ? k : 1), k, whole[i].wirelen};
			memcpy(cut[k].bytes, whole[i].bytes, k);
		}
		compare(o, link, cut, n + 1);
		for (unsigned k = 0; k <= n; k++)
			free(cut[k].bytes);
	}
	filter_frames_free(whole, 24);
}

static void add_expressions(struct filter_oracle *o, enum hm_link link, unsigned n, uint64_t seed)
{
	char text[1024];

	for (unsigned i = 0; filter_corner_cases[i]; i++)
		filter_oracle_add(o, filter_corner_cases[i], link);
	for (unsigned i = 0; i < n; i++) {
		filter_expression_make(text, sizeof(text), 1 + i % 6, &seed);
		filter_oracle_add(o, text, link);
	}
}

int main(int argc, char **argv)
{
	unsigned n = argc > 1 ? (unsigned)strtoul(argv[1], NULL, 0) : 0;
	size_t n_frames = argc > 2 ? strtoul(argv[2], NULL, 0) : 700;
	uint64_t seed = argc > 3 ? strtoull(argv[3], NULL, 0) : 1;

	for (size_t i = 0; i < LINKS; i++) {
		unsigned expressions = n ? n : i == 0 ? 2200 : 300;
		struct filter_oracle o = {0};
		struct filter_frame *frames = filter_frames_make(links[i], n_frames, seed + i);

		add_expressions(&o, links[i], expressions, seed * 1000 + i);
		if (!filter_oracle_start(&o) || !frames)
			return 1;
		compare(&o, links[i], frames, n_frames);
		compare_cut(&o, links[i], seed + 77);
		printf("%s: %u filters, %u indexed, %" PRIu64 " answers, %" PRIu64
		       " matches, %" PRIu64 " optimiser faults\n",
		       hm_link_name(links[i]), o.n, o.n_indexed, o.answers, o.matches, o.faults);
		// a test of nothing would pass as well
		if (o.n < expressions / 4 || o.n_indexed * 10 < o.n * 8 ||
		    o.matches * 50 < o.answers || o.faults * 5000 > o.answers)
			return 1;
		filter_frames_free(frames, n_frames);
		filter_oracle_end(&o);
	}
	return 0;
}
