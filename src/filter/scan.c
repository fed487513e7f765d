/* SPDX-License-Identifier: BSD-3-Clause */
/* scan: one batch, all filters. */
#include <stdlib.h>
#include <string.h>

#include "core/pages.h"
#include "filter/filter_private.h"

/* Shared with the program, and what is only ours. */
struct scanner {
	struct hm_filter_scan shared;
	struct hm_filter_index *index;
	size_t bytes;    // of the mapping that everything lies in
	uint64_t *known; // by slot: packets that libpcap's program was run on
	uint32_t *asked; // slots with something known
	uint32_t n_asked;
};

static struct scanner *scanner_of(struct hm_filter_scan *s)
{
	return (struct scanner *)s;
}

struct hm_filter_scan *hm_filter_scan_create(struct hm_filter_index *index, int socket)
{
	size_t n = index->n_slots;
	size_t bytes = sizeof(struct scanner) + n * (2 * sizeof(uint64_t) + 2 * sizeof(uint32_t));
	struct scanner *s = hm_pages_map(bytes, socket);

	if (!s)
		return NULL;
	s->bytes = bytes;
	s->index = hm_filter_index_ref(index);
	s->shared.n_slots = index->n_slots;
	s->shared.asked = index->asked;
	s->shared.mask = (uint64_t *)(s + 1);
	s->known = s->shared.mask + n;
	s->shared.active = (uint32_t *)(s->known + n);
	s->asked = s->shared.active + n;
	return &s->shared;
}

void hm_filter_scan_destroy(struct hm_filter_scan *shared)
{
	if (!shared)
		return;
	struct scanner *s = scanner_of(shared);
	hm_filter_index_unref(s->index);
	hm_pages_unmap(s, s->bytes);
}

uint64_t hm_filter_scan_bytes(const struct hm_filter_scan *s)
{
	return ((const struct scanner *)s)->bytes;
}

void hm_filter_scan_begin(struct hm_filter_scan *shared)
{
	struct scanner *s = scanner_of(shared);

	for (uint32_t i = 0; i < shared->n_active; i++)
		shared->mask[shared->active[i]] = 0;
	for (uint32_t i = 0; i < s->n_asked; i++)
		shared->mask[s->asked[i]] = s->known[s->asked[i]] = 0;
	shared->n_active = s->n_asked = 0;
	shared->ran = false;
}

void hm_filter_scan_run(struct hm_filter_scan *s, const struct hm_batch *b)
{
	(void)b;
	s->ran = true;
}

/* libpcap's program, on the packets of `in` that it has not seen yet. */
static uint64_t ask_bpf(struct scanner *s, const struct hm_batch *b, uint64_t in, uint32_t slot)
{
	uint64_t todo = in & ~s->known[slot];

	if (todo) {
		if (!s->known[slot])
			s->asked[s->n_asked++] = slot;
		s->known[slot] |= todo;
		s->shared.mask[slot] |= hm_bpf_run(s->index->by_slot[slot]->bpf, b, todo);
	}
	return in & s->shared.mask[slot];
}

uint64_t hm_filter_scan_ask(struct hm_filter_scan *shared, const struct hm_batch *b, uint64_t in,
			    uint32_t slot)
{
	struct scanner *s = scanner_of(shared);

	if (!shared->ran)
		hm_filter_scan_run(shared, b);
	if (slot >= shared->n_slots || !s->index->by_slot[slot])
		return 0;
	return shared->asked[slot] ? ask_bpf(s, b, in, slot) : in & shared->mask[slot];
}
