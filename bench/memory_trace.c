/* SPDX-License-Identifier: BSD-3-Clause */
#include "memory_trace.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include <pcap/pcap.h>

#define MEMORY (6ull << 30) // reserved, not used

static int add_packet(struct memory_trace *t, const struct pcap_pkthdr *h, const u_char *data)
{
	uint32_t caplen = h->caplen < UINT16_MAX ? h->caplen : UINT16_MAX;

	if (t->n == t->room) {
		size_t room = t->room ? 2 * t->room : 1 << 20;
		void *more = realloc(t->packets, room * sizeof(*t->packets));
		if (!more)
			return -1;
		t->packets = more;
		t->room = room;
	}
	memcpy(t->memory + t->used, data, caplen);
	t->packets[t->n++] = (struct memory_packet){
		.data = t->memory + t->used,
		.ts_ns = (uint64_t)h->ts.tv_sec * 1000000000u + (uint64_t)h->ts.tv_usec,
		.caplen = caplen,
		.wirelen = h->len,
	};
	t->used += (caplen + 15) & ~15u;
	return 0;
}

int memory_trace_load(struct memory_trace *t, const char *file)
{
	char error[PCAP_ERRBUF_SIZE];
	struct pcap_pkthdr *h;
	const u_char *data;
	pcap_t *in =
		pcap_open_offline_with_tstamp_precision(file, PCAP_TSTAMP_PRECISION_NANO, error);

	if (!in) {
		fprintf(stderr, "%s\n", error);
		return -1;
	}
	t->link = pcap_datalink(in) == DLT_RAW ? HM_LINK_RAW : (enum hm_link)pcap_datalink(in);
	t->memory = mmap(NULL, MEMORY, PROT_READ | PROT_WRITE,
			 MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	if (t->memory == MAP_FAILED) {
		pcap_close(in);
		t->memory = NULL;
		return -1;
	}
	madvise(t->memory, MEMORY, MADV_HUGEPAGE);
	while (pcap_next_ex(in, &h, &data) == 1 && t->used + UINT16_MAX + 64 < MEMORY)
		if (add_packet(t, h, data) < 0)
			break;
	pcap_close(in);
	if (!hm_link_supported(t->link) || t->n == 0) {
		fprintf(stderr, "%s: link type %s, %zu packets; supported: %s\n", file,
			hm_link_name(t->link), t->n, hm_link_supported_names());
		return -1;
	}
	t->span_ns = t->packets[t->n - 1].ts_ns - t->packets[0].ts_ns + 1000;
	return 0;
}

void memory_trace_free(struct memory_trace *t)
{
	free(t->packets);
	if (t->memory)
		munmap(t->memory, MEMORY);
	memset(t, 0, sizeof(*t));
}

void memory_trace_batch(const struct memory_trace *t, size_t i, uint32_t n, uint64_t shift_ns,
			struct hm_batch *b)
{
	b->n = n;
	b->all = hm_mask_first(n);
	b->link = t->link;
	for (uint32_t k = 0; k < n; k++) {
		const struct memory_packet *p = &t->packets[i + k];
		b->data[k] = p->data;
		b->ts_ns[k] = p->ts_ns + shift_ns;
		b->caplen[k] = p->caplen;
		b->wirelen[k] = p->wirelen;
	}
}
