/* SPDX-License-Identifier: BSD-3-Clause */
#include "core/sketch.h"

void hm_sketch_merge(struct hm_sketch *into, const struct hm_sketch *from)
{
	for (unsigned i = 0; i < HM_SKETCH_BUCKETS; i++)
		into->buckets[i] += __atomic_load_n(&from->buckets[i], __ATOMIC_RELAXED);
}

uint64_t hm_sketch_count(const struct hm_sketch *s)
{
	uint64_t n = 0;

	for (unsigned i = 0; i < HM_SKETCH_BUCKETS; i++)
		n += s->buckets[i];
	return n;
}

static uint64_t middle_of(unsigned bucket)
{
	unsigned shift;

	if (bucket < 64)
		return bucket;
	shift = bucket / 32 - 1;
	return ((uint64_t)(32 + bucket % 32) << shift) + (UINT64_C(1) << shift) / 2;
}

uint64_t hm_sketch_quantile(const struct hm_sketch *s, unsigned permille)
{
	uint64_t count = hm_sketch_count(s), seen = 0;
	uint64_t rank = (uint64_t)(((unsigned __int128)count * permille + 999) / 1000);

	for (unsigned i = 0; i < HM_SKETCH_BUCKETS && count; i++) {
		seen += s->buckets[i];
		if (seen >= rank && seen)
			return middle_of(i);
	}
	return 0;
}
