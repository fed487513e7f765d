/* SPDX-License-Identifier: BSD-3-Clause */
/* filter_traces: the index against libpcap's programs over traces. Reads one expression a line from
 * standard input and adds the corner cases of the tests. Of each trace the first PACKETS packets,
 * every third one cut somewhere; traces that the reader refuses are skipped.
 *
 *	filter_traces PACKETS FILE...
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../filter/filter_expressions.h"
#include "../filter/filter_frames.h"
#include "../filter/filter_oracle.h"
#include "trace/trace.h"

#define LINKS_MAX 16

static char **lines;
static size_t n_lines;
static struct {
	enum hm_link link;
	struct filter_oracle oracle;
} links[LINKS_MAX];
static unsigned n_links, n_traces;
static uint64_t seed = 1;

static void read_lines(void)
{
	char *line = NULL;
	size_t room = 0;

	while (getline(&line, &room, stdin) > 0) {
		line[strcspn(line, "\r\n")] = '\0';
		lines = realloc(lines, (n_lines + 1) * sizeof(*lines));
		if (!lines || !(lines[n_lines++] = strdup(line)))
			abort();
	}
	free(line);
}

static struct filter_oracle *oracle_of(enum hm_link link)
{
	struct filter_oracle *o;

	for (unsigned i = 0; i < n_links; i++)
		if (links[i].link == link)
			return &links[i].oracle;
	if (n_links == LINKS_MAX)
		abort();
	links[n_links].link = link;
	o = &links[n_links++].oracle;
	for (size_t i = 0; i < n_lines; i++)
		filter_oracle_add(o, lines[i], link);
	for (size_t i = 0; filter_corner_cases[i]; i++)
		filter_oracle_add(o, filter_corner_cases[i], link);
	if (!filter_oracle_start(o))
		abort();
	return o;
}

static bool compare(struct filter_oracle *o, struct hm_batch *b, const char *file)
{
	uint64_t wrong;
	const struct hm_filter *f = filter_oracle_compare(o, b, &wrong);

	if (f) {
		unsigned i = wrong ? (unsigned)__builtin_ctzll(wrong) : 0;

		printf("%s: %s (%s): packet of %u bytes, %u captured:\n", file,
		       hm_filter_canonical(f), hm_filter_engine(f), b->wirelen[i], b->caplen[i]);
		for (uint32_t k = 0; k < b->caplen[i]; k++)
			printf("%02x%s", b->data[i][k], k % 16 == 15 ? "\n" : " ");
		printf("\n");
	}
	for (unsigned i = 0; i < b->n; i++)
		free((void *)(uintptr_t)b->data[i]);
	b->n = 0;
	return !f;
}

static bool run_trace(const char *file, uint64_t packets)
{
	static struct hm_batch b;
	struct hm_trace_reader *reader = hm_trace_open(file, NULL);
	struct hm_trace_packet p;
	bool good = true;

	if (!reader)
		return true;
	b.link = hm_trace_link(reader);
	n_traces++;
	for (uint64_t i = 0; good && i < packets && hm_trace_next(reader, &p, NULL) == 1; i++) {
		uint32_t caplen = p.caplen < UINT16_MAX ? p.caplen : UINT16_MAX;
		uint8_t *copy;

		if (i % 3 == 2)
			caplen = filter_draw(&seed, caplen < 120 ? caplen + 1 : 120);
		copy = malloc(caplen ? caplen : 1);
		if (!copy)
			abort();
		memcpy(copy, p.data, caplen);
		b.data[b.n] = copy;
		b.caplen[b.n] = caplen;
		b.wirelen[b.n++] = p.wirelen;
		if (b.n == HM_BATCH_MAX)
			good = compare(oracle_of(b.link), &b, file);
	}
	if (good && b.n > 0)
		good = compare(oracle_of(b.link), &b, file);
	hm_trace_close(reader);
	return good;
}

int main(int argc, char **argv)
{
	bool good = argc > 2;

	read_lines();
	for (int i = 2; i < argc && good; i++)
		good = run_trace(argv[i], strtoull(argv[1], NULL, 0));
	for (unsigned i = 0; i < n_links; i++) {
		struct filter_oracle *o = &links[i].oracle;

		printf("%s: %u filters, %u indexed, %" PRIu64 " answers, %" PRIu64
		       " matches, %" PRIu64 " optimiser faults\n",
		       hm_link_name(links[i].link), o->n, o->n_indexed, o->answers, o->matches,
		       o->faults);
		filter_oracle_end(o);
	}
	printf("%u traces\n", n_traces);
	for (size_t i = 0; i < n_lines; i++)
		free(lines[i]);
	free(lines);
	return good ? 0 : 1;
}
