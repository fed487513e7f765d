/* SPDX-License-Identifier: BSD-3-Clause */
/* index: a snapshot of filters. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "filter/filter_private.h"

/* Takes references to the different ones of n filters. */
static bool take_filters(struct hm_filter_index *x, struct hm_filter *const *filters, uint32_t n)
{
	for (uint32_t i = 0; i < n; i++)
		if (filters[i] && filters[i]->slot >= x->n_slots)
			x->n_slots = filters[i]->slot + 1;
	x->filters = calloc(n ? n : 1, sizeof(struct hm_filter *));
	x->by_slot = calloc(x->n_slots ? x->n_slots : 1, sizeof(struct hm_filter *));
	x->asked = calloc(x->n_slots ? x->n_slots : 1, 1);
	if (!x->filters || !x->by_slot || !x->asked)
		return false;
	for (uint32_t i = 0; i < n; i++) {
		struct hm_filter *f = filters[i];

		if (!f || x->by_slot[f->slot])
			continue;
		x->filters[x->n++] = x->by_slot[f->slot] = hm_filter_ref(f);
		x->asked[f->slot] = hm_filter_is_lazy(f);
	}
	return true;
}

struct hm_filter_index *hm_filter_index_create(struct hm_filter *const *filters, uint32_t n,
					       struct hm_error *err)
{
	struct hm_filter_index *x = calloc(1, sizeof(*x));

	if (!x || !take_filters(x, filters, n)) {
		hm_filter_index_unref(x);
		hm_error_set(err, -ENOMEM, 1027, "filter: out of memory");
		return NULL;
	}
	x->refs = 1;
	x->bytes = sizeof(*x) + n * sizeof(*x->filters) +
		   x->n_slots * (sizeof(*x->by_slot) + sizeof(*x->asked));
	return x;
}

struct hm_filter_index *hm_filter_index_ref(struct hm_filter_index *index)
{
	index->refs++;
	return index;
}

void hm_filter_index_unref(struct hm_filter_index *index)
{
	if (!index || (index->refs > 0 && --index->refs > 0))
		return;
	for (uint32_t i = 0; i < index->n; i++)
		hm_filter_destroy(index->filters[i]);
	free(index->filters);
	free(index->by_slot);
	free(index->asked);
	free(index);
}

/* A filter that lives and is in the index is at its slot; so n different ones are all of n. */
bool hm_filter_index_matches(const struct hm_filter_index *index, struct hm_filter *const *filters,
			     uint32_t n)
{
	uint8_t *seen = calloc(index->n_slots ? index->n_slots : 1, 1);
	uint32_t different = 0;
	bool all = seen != NULL;

	for (uint32_t i = 0; i < n && all; i++) {
		const struct hm_filter *f = filters[i];

		if (!f)
			continue;
		all = f->slot < index->n_slots && index->by_slot[f->slot] == f;
		if (all && !seen[f->slot]) {
			seen[f->slot] = 1;
			different++;
		}
	}
	free(seen);
	return all && different == index->n;
}

uint64_t hm_filter_index_bytes(const struct hm_filter_index *index)
{
	return index->bytes;
}
