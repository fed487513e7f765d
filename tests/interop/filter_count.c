/* SPDX-License-Identifier: BSD-3-Clause */
/* filter_count: how many packets of a trace match each filter, for the test that asks tcpdump the
 * same. Reads one expression a line from standard input; prints a number a line, "error" and the
 * reason where the expression is refused.
 *
 *	filter_count FILE [BATCH]
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/parse.h"
#include "filter/filter.h"
#include "trace/trace.h"

#define FILTERS_MAX 256

static struct {
	struct hm_filter *filter;
	struct hm_error err;
	uint64_t count;
} filters[FILTERS_MAX];
static unsigned n_filters;

static void read_filters(enum hm_link link)
{
	char *line = NULL;
	size_t room = 0;

	while (n_filters < FILTERS_MAX && getline(&line, &room, stdin) >= 0) {
		line[strcspn(line, "\n")] = '\0';
		filters[n_filters].filter =
			hm_filter_create(line, link, 0, &filters[n_filters].err);
		n_filters++;
	}
	free(line);
}

/* All filters as one index, as the daemon runs them. */
static struct hm_filter_scan *make_scan(void)
{
	struct hm_filter *all[FILTERS_MAX];
	struct hm_filter_index *index;
	struct hm_filter_scan *scan;

	for (unsigned i = 0; i < n_filters; i++)
		all[i] = filters[i].filter;
	index = hm_filter_index_create(all, n_filters, NULL);
	scan = index ? hm_filter_scan_create(index, -1) : NULL;
	hm_filter_index_unref(index);
	if (!scan)
		abort();
	return scan;
}

static void run_filters(struct hm_filter_scan *scan, struct hm_batch *b)
{
	static const struct hm_parse_conf conf;

	b->all = hm_mask_first(b->n);
	hm_parse(b, &conf);
	hm_filter_scan_begin(scan);
	for (unsigned i = 0; i < n_filters; i++)
		if (filters[i].filter)
			filters[i].count += hm_mask_count(
				hm_filter_hits(scan, b, b->all, hm_filter_slot(filters[i].filter)));
	for (unsigned i = 0; i < b->n; i++)
		free((void *)(uintptr_t)b->data[i]);
	b->n = 0;
}

static void add_packet(struct hm_batch *b, const struct hm_trace_packet *p)
{
	uint8_t *copy = malloc(p->caplen ? p->caplen : 1);

	if (!copy)
		abort();
	memcpy(copy, p->data, p->caplen);
	b->data[b->n] = copy;
	b->caplen[b->n] = p->caplen;
	b->wirelen[b->n] = p->wirelen;
	b->n++;
}

int main(int argc, char **argv)
{
	static struct hm_batch b;
	unsigned size = argc > 2 ? (unsigned)atoi(argv[2]) : HM_BATCH_MAX;
	struct hm_trace_reader *reader;
	struct hm_filter_scan *scan;
	struct hm_trace_packet p;
	struct hm_error err;
	int more;

	if (argc < 2 || size < 1 || size > HM_BATCH_MAX) {
		fputs("usage: filter_count FILE [1..64]\n", stderr);
		return 2;
	}
	reader = hm_trace_open(argv[1], &err);
	if (!reader) {
		fprintf(stderr, "filter_count: %s\n", err.text);
		return 1;
	}
	read_filters(hm_trace_link(reader));
	scan = make_scan();
	while ((more = hm_trace_next(reader, &p, &err)) == 1) {
		add_packet(&b, &p);
		if (b.n == size)
			run_filters(scan, &b);
	}
	run_filters(scan, &b);
	for (unsigned i = 0; i < n_filters; i++) {
		if (filters[i].filter)
			printf("%" PRIu64 "\n", filters[i].count);
		else
			printf("error %s\n", filters[i].err.text);
		hm_filter_destroy(filters[i].filter);
	}
	hm_filter_scan_destroy(scan);
	hm_trace_close(reader);
	if (more < 0)
		fprintf(stderr, "filter_count: %s\n", err.text);
	return more < 0;
}
