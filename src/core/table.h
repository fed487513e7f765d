/* SPDX-License-Identifier: BSD-3-Clause */
/* table: the one flow table. Fixed-size records in an array, found by key through a bucketed hash
 *index.
 *
 * A record is known by its index, 1 .. capacity; 0 means none. There is no pointer in the table's
 * memory (header, buckets and free indexes follow one another, records are an array of their own), so
 * it can be mapped anywhere.
 * A bucket is one cache line: seven full 32-bit hashes with their indexes. A record lives in its
 * first bucket, or in its second if that was full on insertion; the first one counts those, so that
 * a look-up touches the second bucket only when it must. When both are full one of their records
 *moves to its other bucket, so that with a well mixed hash every insertion finds a place. The index
 *is 80 % full when all records are used. The key is the first bytes of a record; record 0 stays
 *zero and must not equal any key.
 *
 * Look-up of a batch in three stages, each over all packets, so that the memory's latency overlaps:
 *	hm_table_prefetch() of each hash; hm_table_candidate() of each hash and a prefetch of that
 *	record; then compare the key, and hm_table_find() when it is another's.
 * One writer and no lock: a table belongs to one worker. Uses no DPDK.
 */
#pragma once

#include <assert.h>
#include <emmintrin.h>
#include <stdint.h>
#include <string.h>

#define HM_TABLE_WAYS    7
#define HM_TABLE_RIVALS  (2 * HM_TABLE_WAYS)
#define HM_TABLE_MAX     (UINT32_C(1) << 30) // records
#define HM_TABLE_LOAD_PC 80
#define HM_TABLE_ALIGN   128 // of records, so that those of 128 bytes are a pair of lines

struct hm_table_bucket {
	uint32_t hash[HM_TABLE_WAYS];
	uint32_t overflow; // records that belong here and live in their second bucket
	uint32_t index[HM_TABLE_WAYS];
	uint32_t reserved;
};

static_assert(sizeof(struct hm_table_bucket) == 64, "a bucket is a cache line");

struct hm_table_header {
	uint32_t magic, version;
	uint32_t record_size, capacity, n_buckets;
	uint32_t used;   // records in use
	uint32_t n_free; // on the stack of given back indexes
	uint32_t fresh;  // indexes above were never used
	uint32_t reserved[8];
};

static_assert(sizeof(struct hm_table_header) == 64, "");

/* This process's view of a table's memory. */
struct hm_table {
	struct hm_table_header *header;
	struct hm_table_bucket *buckets;
	uint8_t *records; // record i at i * record_size
	uint32_t *free;
	uint32_t n_buckets, record_size;
	size_t owned_bytes; // from the header on, if the table has taken them itself
};

/* For `capacity` records of `record_size` bytes (a multiple of 8). 0, -EINVAL or -ENOMEM. */
int hm_table_init(struct hm_table *t, uint32_t capacity, uint32_t record_size, int socket);
void hm_table_fini(struct hm_table *t); // a zeroed or half-built one, too
/* Bytes of memory that init would take. */
size_t hm_table_bytes(uint32_t capacity, uint32_t record_size);

/* The same in as many zeroed bytes of the caller's, which begin at a multiple of HM_TABLE_ALIGN and outlive the table: 0 or
 * -EINVAL. */
int hm_table_init_in(struct hm_table *t, uint32_t capacity, uint32_t record_size, void *memory);

/* The same with records elsewhere than the index. 0 or -EINVAL. There is nothing for fini to do then. */
int hm_table_init_at(struct hm_table *t, uint32_t capacity, uint32_t record_size, void *index,
		     void *records);
size_t hm_table_index_bytes(uint32_t capacity);
size_t hm_table_record_bytes(uint32_t capacity, uint32_t record_size);

static inline uint32_t hm_table_first_bucket(const struct hm_table *t, uint32_t hash)
{
	return (uint32_t)((uint64_t)(hash * UINT32_C(0x9e3779b1)) * t->n_buckets >> 32);
}

static inline uint32_t hm_table_second_bucket(const struct hm_table *t, uint32_t hash)
{
	return (uint32_t)((uint64_t)((hash ^ hash >> 15) * UINT32_C(0x85ebca6b)) * t->n_buckets >>
			  32);
}

static inline void *hm_table_record(const struct hm_table *t, uint32_t index)
{
	return t->records + (size_t)index * t->record_size;
}

static inline uint32_t hm_table_used(const struct hm_table *t)
{
	return t->header->used;
}

static inline uint32_t hm_table_capacity(const struct hm_table *t)
{
	return t->header->capacity;
}

static inline void hm_table_prefetch(const struct hm_table *t, uint32_t hash)
{
	__builtin_prefetch(&t->buckets[hm_table_first_bucket(t, hash)]);
}

/* Bit i: way i has this hash. */
static inline uint32_t hm_table_ways(const struct hm_table_bucket *b, uint32_t hash)
{
	__m128i h = _mm_set1_epi32((int)hash);
	__m128i lo = _mm_cmpeq_epi32(_mm_load_si128((const __m128i *)&b->hash[0]), h);
	__m128i hi = _mm_cmpeq_epi32(_mm_load_si128((const __m128i *)&b->hash[4]), h);

	return ((uint32_t)_mm_movemask_ps(_mm_castsi128_ps(lo)) |
		(uint32_t)_mm_movemask_ps(_mm_castsi128_ps(hi)) << 4) &
	       ((1u << HM_TABLE_WAYS) - 1);
}

/* The record that probably is the one with this hash, 0 if there seems to be none: the key decides,
 * and hm_table_find() when it differs. */
static inline uint32_t hm_table_candidate(const struct hm_table *t, uint32_t hash)
{
	const struct hm_table_bucket *b = &t->buckets[hm_table_first_bucket(t, hash)];
	uint32_t ways = hm_table_ways(b, hash);

	if (__builtin_expect(ways == 0 && b->overflow != 0, 0)) {
		b = &t->buckets[hm_table_second_bucket(t, hash)];
		ways = hm_table_ways(b, hash);
	}
	return ways ? b->index[__builtin_ctz(ways)] : 0;
}

static inline uint32_t hm_table_find_in(const struct hm_table *t, const struct hm_table_bucket *b,
					uint32_t hash, const void *key, size_t key_size)
{
	for (uint32_t ways = hm_table_ways(b, hash); ways; ways &= ways - 1) {
		uint32_t index = b->index[__builtin_ctz(ways)];
		if (index != 0 && memcmp(hm_table_record(t, index), key, key_size) == 0)
			return index;
	}
	return 0;
}

/* The record with this key, or 0. */
static inline uint32_t hm_table_find(const struct hm_table *t, uint32_t hash, const void *key,
				     size_t key_size)
{
	const struct hm_table_bucket *b = &t->buckets[hm_table_first_bucket(t, hash)];
	uint32_t index = hm_table_find_in(t, b, hash, key, key_size);

	if (index == 0 && b->overflow != 0) {
		b = &t->buckets[hm_table_second_bucket(t, hash)];
		index = hm_table_find_in(t, b, hash, key, key_size);
	}
	return index;
}

/* Takes a record, contents undefined, for a key that the table does not have; the caller writes the
 * key. 0: no record is free, or all places are taken; remove one of the rivals, then it succeeds.
 */
uint32_t hm_table_insert(struct hm_table *t, uint32_t hash);

/* Gives the record back. It must have been inserted with this hash. Its bytes stay as they are but
 * for the first 64, which are zeroed so that the key matches no more. */
void hm_table_remove(struct hm_table *t, uint32_t index, uint32_t hash);

/* The records of the two buckets of this hash (of the next bucket that has some, if none): removing
 * any makes room for one insertion. Returns how many; 0 only when the table is empty. */
unsigned hm_table_rivals(const struct hm_table *t, uint32_t hash, uint32_t out[HM_TABLE_RIVALS]);
