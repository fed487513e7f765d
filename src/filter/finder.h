/* SPDX-License-Identifier: BSD-3-Clause */
/* finder: which element of an array that grows begins with these bytes; for arrays whose elements are all
 * different in that. Clients choose how many there are, so looking at one after the other would not do.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#define HM_NOT_FOUND UINT32_MAX

struct hm_finder {
	uint32_t n_buckets, *buckets; // indexes or HM_NOT_FOUND; n_buckets: power of two
};

/* `n` is a multiple of 4. */
static inline uint32_t hm_hash_bytes(const void *at, size_t n, uint32_t seed)
{
	uint64_t h = seed, word;

	for (size_t i = 0; i < n; i += 4) {
		uint32_t four;

		memcpy(&four, (const uint8_t *)at + i, 4);
		word = four;
		h = (h ^ word) * UINT64_C(0x9e3779b97f4a7c15);
		h ^= h >> 29;
	}
	return (uint32_t)(h ^ h >> 32);
}

/* An array of n elements, `stride` bytes each, of which the first `size` are the key. */
struct hm_keyed {
	const void *array;
	uint32_t n;
	size_t stride, size;
};

static inline uint32_t *hm_finder_bucket(const struct hm_finder *f, const struct hm_keyed *k,
					 const void *key)
{
	uint32_t at = hm_hash_bytes(key, k->size, 0) & (f->n_buckets - 1);

	while (f->buckets[at] != HM_NOT_FOUND &&
	       memcmp((const char *)k->array + f->buckets[at] * k->stride, key, k->size) != 0)
		at = (at + 1) & (f->n_buckets - 1);
	return &f->buckets[at];
}

/* Where the index of the element with the key is, or, if that is HM_NOT_FOUND, where the caller puts it when it
 * has appended the element. NULL: no memory. */
static inline uint32_t *hm_finder_place(struct hm_finder *f, const struct hm_keyed *k,
					const void *key)
{
	struct hm_finder wider = {.n_buckets = f->n_buckets ? 2 * f->n_buckets : 64};

	if (2 * (k->n + 1) <= f->n_buckets)
		return hm_finder_bucket(f, k, key);
	wider.buckets = malloc(wider.n_buckets * sizeof(*wider.buckets));
	if (!wider.buckets)
		return NULL;
	memset(wider.buckets, 0xff, wider.n_buckets * sizeof(*wider.buckets));
	for (uint32_t i = 0; i < k->n; i++)
		*hm_finder_bucket(&wider, k, (const char *)k->array + i * k->stride) = i;
	free(f->buckets);
	*f = wider;
	return hm_finder_bucket(f, k, key);
}
