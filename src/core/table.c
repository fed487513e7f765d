/* SPDX-License-Identifier: BSD-3-Clause */
#include "core/table.h"

#include <errno.h>
#include <stdbool.h>

#include "core/pages.h"

#define TABLE_MAGIC   UINT32_C(0x684d7442) // "hMtB"
#define TABLE_VERSION 1
#define RECORD_MAX    4096

struct layout {
	uint32_t n_buckets;
	size_t free, bytes; // offset, and the end
};

static struct layout lay_out(uint32_t capacity)
{
	const uint64_t percent = 100, slots_full = (uint64_t)HM_TABLE_WAYS * HM_TABLE_LOAD_PC;
	struct layout l;

	l.n_buckets = (uint32_t)((capacity * percent + slots_full - 1) / slots_full) + 1;
	l.free = sizeof(struct hm_table_header) +
		 (size_t)l.n_buckets * sizeof(struct hm_table_bucket);
	l.bytes = l.free + (size_t)capacity * sizeof(uint32_t);
	return l;
}

size_t hm_table_index_bytes(uint32_t capacity)
{
	return lay_out(capacity).bytes;
}

size_t hm_table_record_bytes(uint32_t capacity, uint32_t record_size)
{
	return ((size_t)capacity + 1) * record_size;
}

static bool is_sensible(uint32_t capacity, uint32_t record_size)
{
	return capacity > 0 && capacity <= HM_TABLE_MAX && record_size >= 8 &&
	       record_size % 8 == 0 && record_size <= RECORD_MAX;
}

static size_t records_at(uint32_t capacity)
{
	return (hm_table_index_bytes(capacity) + HM_TABLE_ALIGN - 1) / HM_TABLE_ALIGN *
	       HM_TABLE_ALIGN;
}

size_t hm_table_bytes(uint32_t capacity, uint32_t record_size)
{
	return records_at(capacity) + hm_table_record_bytes(capacity, record_size);
}

int hm_table_init(struct hm_table *t, uint32_t capacity, uint32_t record_size, int socket)
{
	size_t bytes = hm_table_bytes(capacity, record_size);
	void *memory;
	int r;

	memset(t, 0, sizeof(*t));
	if (!is_sensible(capacity, record_size))
		return -EINVAL;
	memory = hm_pages_map(bytes, socket);
	if (!memory)
		return -ENOMEM;
	r = hm_table_init_in(t, capacity, record_size, memory);
	t->owned_bytes = bytes;
	return r;
}

int hm_table_init_in(struct hm_table *t, uint32_t capacity, uint32_t record_size, void *memory)
{
	return hm_table_init_at(t, capacity, record_size, memory,
				(uint8_t *)memory + records_at(capacity));
}

void hm_table_fini(struct hm_table *t)
{
	if (t->owned_bytes > 0)
		hm_pages_unmap(t->header, t->owned_bytes);
	memset(t, 0, sizeof(*t));
}

int hm_table_init_at(struct hm_table *t, uint32_t capacity, uint32_t record_size, void *index,
		     void *records)
{
	struct layout l;
	uint8_t *base = index;

	memset(t, 0, sizeof(*t));
	if (!is_sensible(capacity, record_size))
		return -EINVAL;
	l = lay_out(capacity);
	t->header = index;
	t->buckets = (struct hm_table_bucket *)(base + sizeof(*t->header));
	t->records = records;
	t->free = (uint32_t *)(base + l.free);
	t->n_buckets = l.n_buckets;
	t->record_size = record_size;
	*t->header = (struct hm_table_header){
		.magic = TABLE_MAGIC,
		.version = TABLE_VERSION,
		.record_size = record_size,
		.capacity = capacity,
		.n_buckets = l.n_buckets,
		.fresh = 1,
	};
	return 0;
}

static int free_way(const struct hm_table_bucket *b)
{
	for (int i = 0; i < HM_TABLE_WAYS; i++)
		if (b->index[i] == 0)
			return i;
	return -1;
}

static uint32_t take_index(struct hm_table *t)
{
	struct hm_table_header *h = t->header;

	h->used++;
	return h->n_free > 0 ? t->free[--h->n_free] : h->fresh++;
}

/* Moves a record of a full bucket to its other bucket, if that of any has room. The way that became
 * free, or -1. */
static int displace(struct hm_table *t, uint32_t full)
{
	struct hm_table_bucket *b = &t->buckets[full];

	for (int way = 0; way < HM_TABLE_WAYS; way++) {
		uint32_t first = hm_table_first_bucket(t, b->hash[way]);
		uint32_t second = hm_table_second_bucket(t, b->hash[way]);
		struct hm_table_bucket *other = &t->buckets[first == full ? second : first];
		int to = free_way(other);
		if (to < 0)
			continue;
		other->hash[to] = b->hash[way];
		other->index[to] = b->index[way];
		t->buckets[first].overflow += first == full ? 1 : -1u;
		return way;
	}
	return -1;
}

uint32_t hm_table_insert(struct hm_table *t, uint32_t hash)
{
	uint32_t first = hm_table_first_bucket(t, hash), second, at = first, index;
	struct hm_table_bucket *b;
	int way;

	if (t->header->used == t->header->capacity)
		return 0;
	way = free_way(&t->buckets[first]);
	if (way < 0) {
		second = hm_table_second_bucket(t, hash);
		way = free_way(&t->buckets[second]);
		at = way < 0 ? first : second;
	}
	if (way < 0)
		way = displace(t, first);
	if (way < 0) {
		way = displace(t, second);
		at = second;
	}
	if (way < 0)
		return 0;
	b = &t->buckets[at];
	if (at != first)
		t->buckets[first].overflow++;
	index = take_index(t);
	b->hash[way] = hash;
	b->index[way] = index;
	return index;
}

static int way_of(const struct hm_table_bucket *b, uint32_t index)
{
	for (int i = 0; i < HM_TABLE_WAYS; i++)
		if (b->index[i] == index)
			return i;
	return -1;
}

void hm_table_remove(struct hm_table *t, uint32_t index, uint32_t hash)
{
	struct hm_table_bucket *first = &t->buckets[hm_table_first_bucket(t, hash)], *b = first;
	uint8_t *record = hm_table_record(t, index);
	int way = way_of(b, index);

	assert(index != 0 && index <= t->header->capacity);
	if (way < 0) {
		b = &t->buckets[hm_table_second_bucket(t, hash)];
		way = way_of(b, index);
		assert(way >= 0);
		if (b != first)
			first->overflow--;
	}
	b->hash[way] = 0;
	b->index[way] = 0;
	memset(record, 0, t->record_size < 64 ? t->record_size : 64);
	t->free[t->header->n_free++] = index;
	t->header->used--;
}

static unsigned collect(const struct hm_table_bucket *b, uint32_t *out)
{
	unsigned n = 0;

	for (int i = 0; i < HM_TABLE_WAYS; i++)
		if (b->index[i] != 0)
			out[n++] = b->index[i];
	return n;
}

unsigned hm_table_rivals(const struct hm_table *t, uint32_t hash, uint32_t out[HM_TABLE_RIVALS])
{
	uint32_t first = hm_table_first_bucket(t, hash), second = hm_table_second_bucket(t, hash);
	unsigned n = collect(&t->buckets[first], out);

	if (second != first)
		n += collect(&t->buckets[second], out + n);
	for (uint32_t i = 1; n == 0 && i < t->n_buckets; i++)
		n = collect(&t->buckets[(first + i) % t->n_buckets], out);
	return n;
}
