/* SPDX-License-Identifier: BSD-3-Clause */
/* sketch: how values are distributed, in buckets of equal relative width: 32 for each power of two. Values below
 * 64 are exact, a quantile of larger ones is wrong by at most 1/64 (C. Masson and others, "DDSketch", 2019, has
 * the idea). Two sketches are merged by adding up their buckets, which loses nothing.
 */
#pragma once

#include <stdint.h>

#define HM_SKETCH_BUCKETS 1920

struct hm_sketch {
	uint64_t buckets[HM_SKETCH_BUCKETS];
};

static inline unsigned hm_sketch_bucket(uint64_t value)
{
	unsigned power;

	if (value < 32)
		return (unsigned)value;
	power = 63 - (unsigned)__builtin_clzll(value);
	return (power - 4) * 32 + (unsigned)(value >> (power - 5) & 31);
}

/* One writer; others read at any time. */
static inline void hm_sketch_add(struct hm_sketch *s, uint64_t value, uint64_t times)
{
	uint64_t *bucket = &s->buckets[hm_sketch_bucket(value)];

	__atomic_store_n(bucket, *bucket + times, __ATOMIC_RELAXED);
}

void hm_sketch_merge(struct hm_sketch *into, const struct hm_sketch *from);
uint64_t hm_sketch_count(const struct hm_sketch *s);
/* The value that at least permille/1000 of all values do not exceed, the middle of its bucket; 0 if there are
 * none. */
uint64_t hm_sketch_quantile(const struct hm_sketch *s, unsigned permille);
