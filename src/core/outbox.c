/* SPDX-License-Identifier: BSD-3-Clause */
#include "core/outbox.h"

#include <errno.h>
#include <stdalign.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "core/pages.h"

/* Positions go on for ever; a place in the ring is their lower bits. */
struct lane {
	alignas(64) _Atomic uint64_t put; // worker
	_Atomic uint64_t dropped;         // worker
	uint64_t free_until;              // worker: taken + capacity, as last seen
	uint8_t *records;
	alignas(64) _Atomic uint64_t taken; // control core
};

struct hm_outbox {
	unsigned n_lanes;
	uint32_t record_size;
	uint64_t capacity; // of each lane, a power of two
	uint8_t *memory;
	size_t bytes;
	struct lane *held; // whose oldest record has been given away; NULL: none
	struct lane lanes[];
};

static uint64_t capacity_of(uint32_t n_records)
{
	uint64_t capacity = 1;

	while (capacity < n_records)
		capacity *= 2;
	return capacity;
}

uint64_t hm_outbox_bytes(unsigned n_workers, uint32_t record_size, uint32_t n_records)
{
	return n_workers * (capacity_of(n_records) * record_size + sizeof(struct lane));
}

struct hm_outbox *hm_outbox_create(unsigned n_workers, uint32_t record_size, uint32_t n_records,
				   struct hm_error *err)
{
	size_t size = sizeof(struct hm_outbox) + n_workers * sizeof(struct lane), lane_bytes;
	struct hm_outbox *o = aligned_alloc(64, (size + 63) & ~(size_t)63);

	if (o) {
		memset(o, 0, size);
		o->n_lanes = n_workers;
		o->record_size = record_size;
		o->capacity = capacity_of(n_records);
		lane_bytes = o->capacity * record_size;
		o->bytes = n_workers * lane_bytes;
		o->memory = hm_pages_map(o->bytes, -1);
	}
	if (!o || !o->memory) {
		hm_error_set(err, -ENOMEM, 3084, "no memory for %u x %u records of %u bytes",
			     n_workers, n_records, record_size);
		free(o);
		return NULL;
	}
	for (unsigned i = 0; i < n_workers; i++) {
		o->lanes[i].records = o->memory + i * lane_bytes;
		o->lanes[i].free_until = o->capacity;
	}
	return o;
}

void hm_outbox_destroy(struct hm_outbox *o)
{
	if (!o)
		return;
	hm_pages_unmap(o->memory, o->bytes);
	free(o);
}

static uint8_t *record_at(const struct hm_outbox *o, const struct lane *l, uint64_t position)
{
	return l->records + (position & (o->capacity - 1)) * o->record_size;
}

bool hm_outbox_has_room(struct hm_outbox *o, unsigned worker)
{
	struct lane *l = &o->lanes[worker];
	uint64_t put = atomic_load_explicit(&l->put, memory_order_relaxed);

	if (put == l->free_until) // hm_outbox_take releases what it has read
		l->free_until = atomic_load_explicit(&l->taken, memory_order_acquire) + o->capacity;
	return put != l->free_until;
}

void *hm_outbox_room(struct hm_outbox *o, unsigned worker)
{
	struct lane *l = &o->lanes[worker];
	uint64_t put = atomic_load_explicit(&l->put, memory_order_relaxed);

	if (!hm_outbox_has_room(o, worker)) {
		uint64_t dropped = atomic_load_explicit(&l->dropped, memory_order_relaxed);

		atomic_store_explicit(&l->dropped, dropped + 1, memory_order_relaxed);
		return NULL;
	}
	return record_at(o, l, put);
}

void hm_outbox_put(struct hm_outbox *o, unsigned worker)
{
	struct lane *l = &o->lanes[worker];
	uint64_t put = atomic_load_explicit(&l->put, memory_order_relaxed);

	atomic_store_explicit(&l->put, put + 1, memory_order_release); // reader: oldest_of
}

/* --- control core --- */

static const uint8_t *oldest_of(const struct hm_outbox *o, const struct lane *l, uint64_t *ts_ns)
{
	uint64_t taken = atomic_load_explicit(&l->taken, memory_order_relaxed);
	const uint8_t *record = record_at(o, l, taken);

	if (atomic_load_explicit(&l->put, memory_order_acquire) == taken)
		return NULL;
	memcpy(ts_ns, record, sizeof(*ts_ns));
	return record;
}

static void release_held(struct hm_outbox *o)
{
	if (o->held) {
		uint64_t taken = atomic_load_explicit(&o->held->taken, memory_order_relaxed);

		atomic_store_explicit(&o->held->taken, taken + 1, memory_order_release);
	}
	o->held = NULL;
}

const void *hm_outbox_take(struct hm_outbox *o)
{
	const uint8_t *oldest = NULL;
	uint64_t oldest_ns = 0, ts_ns;

	release_held(o);
	for (unsigned i = 0; i < o->n_lanes; i++) {
		const uint8_t *record = oldest_of(o, &o->lanes[i], &ts_ns);

		if (record && (!oldest || ts_ns < oldest_ns)) {
			oldest = record;
			oldest_ns = ts_ns;
			o->held = &o->lanes[i];
		}
	}
	return oldest;
}

void hm_outbox_counts(const struct hm_outbox *o, struct hm_outbox_counts *c)
{
	*c = (struct hm_outbox_counts){.delivered = o->held != NULL};
	for (unsigned i = 0; i < o->n_lanes; i++) {
		const struct lane *l = &o->lanes[i];

		c->delivered += atomic_load_explicit(&l->taken, memory_order_relaxed);
		c->offered += atomic_load_explicit(&l->put, memory_order_relaxed);
		c->dropped += atomic_load_explicit(&l->dropped, memory_order_relaxed);
	}
	c->queued = c->offered - c->delivered;
	c->offered += c->dropped;
}
