/* SPDX-License-Identifier: BSD-3-Clause */
#include "filter_oracle.h"
#include "core/parse.h"

#include <pcap/pcap.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

bool filter_oracle_add(struct filter_oracle *o, const char *expression, enum hm_link link)
{
	struct hm_filter *f = hm_filter_create(expression, link, 0, NULL);

	if (!f)
		return false;
	if (o->n == o->room) {
		o->room = o->room ? 2 * o->room : 64;
		o->filters = realloc(o->filters, o->room * sizeof(struct hm_filter *));
		if (!o->filters)
			abort();
	}
	o->filters[o->n++] = f;
	o->n_indexed += !hm_filter_is_lazy(f);
	return true;
}

bool filter_oracle_start(struct filter_oracle *o)
{
	o->index = hm_filter_index_create(o->filters, o->n, NULL);
	o->scan = o->index ? hm_filter_scan_create(o->index, -1) : NULL;
	return o->scan != NULL;
}

/* Of the packets of `in` those that the program matches without the optimiser. */
static uint64_t run_plain(const struct hm_filter *f, const struct hm_batch *b, uint64_t in)
{
	struct pcap_file_header header = {.magic = 0xa1b2c3d4,
					  .version_major = PCAP_VERSION_MAJOR,
					  .version_minor = PCAP_VERSION_MINOR,
					  .linktype = b->link};
	char reason[PCAP_ERRBUF_SIZE];
	pcap_t *p = pcap_fopen_offline(fmemopen(&header, sizeof(header), "r"), reason);
	struct bpf_program program;
	uint64_t out = 0;

	if (!p || pcap_compile(p, &program, hm_filter_canonical(f), 0, 0) != 0)
		abort();
	hm_mask_foreach (i, in)
		out |= (uint64_t)(bpf_filter(program.bf_insns, b->data[i], b->wirelen[i],
					     b->caplen[i]) != 0)
		       << i;
	pcap_freecode(&program);
	pcap_close(p);
	return out;
}

/* Whether active[] has each filter that matches, once, if it is not lazy. */
static bool active_is_right(const struct filter_oracle *o)
{
	uint8_t *active = calloc(o->scan->n_slots + 1, 1);
	bool right = active != NULL;

	for (uint32_t i = 0; right && i < o->scan->n_active; i++)
		right = active[o->scan->active[i]]++ == 0;
	for (uint32_t i = 0; right && i < o->n; i++) {
		uint32_t slot = hm_filter_slot(o->filters[i]);

		right = hm_filter_is_lazy(o->filters[i])
				? active[slot] == 0
				: active[slot] == (o->scan->mask[slot] != 0);
	}
	free(active);
	return right;
}

const struct hm_filter *filter_oracle_compare(struct filter_oracle *o, struct hm_batch *b,
					      uint64_t *wrong)
{
	// what the parser says of a packet in a tunnel is of no use to a filter
	const struct hm_parse_conf conf = {.tunnels = b->n % 2 ? UINT32_MAX : 0};

	b->all = hm_mask_first(b->n);
	hm_parse(b, &conf);
	hm_filter_scan_begin(o->scan);
	hm_filter_scan_run(o->scan, b);
	for (uint32_t i = 0; i < o->n; i++) {
		uint64_t ours = hm_filter_hits(o->scan, b, b->all, hm_filter_slot(o->filters[i]));
		uint64_t theirs = hm_filter_run(o->filters[i], b, b->all);

		o->answers += b->n;
		o->matches += hm_mask_count(theirs);
		*wrong = ours ^ theirs;
		if (*wrong == 0)
			continue;
		if (run_plain(o->filters[i], b, *wrong) != (ours & *wrong))
			return o->filters[i];
		o->faults += hm_mask_count(*wrong);
	}
	*wrong = 0;
	return active_is_right(o) ? NULL : o->filters[0];
}

void filter_oracle_end(struct filter_oracle *o)
{
	hm_filter_scan_destroy(o->scan);
	hm_filter_index_unref(o->index);
	for (uint32_t i = 0; i < o->n; i++)
		hm_filter_destroy(o->filters[i]);
	free(o->filters);
	memset(o, 0, sizeof(*o));
}
