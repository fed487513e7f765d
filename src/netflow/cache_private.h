/* SPDX-License-Identifier: BSD-3-Clause */
/* cache_private: what the two files of a cache share: cache.c (packets, timers and their end) and cache_life.c
 * (memory, and what is taken over). Nobody else's business. */
#pragma once

#include "netflow/cache.h"
#include "netflow/key.h"

struct hm_cache {
	struct hm_table table;
	struct hm_entry_frames *frames; // by the entry's number; NULL: not wanted
	struct hm_wheel wheel;
	uint64_t active_ns, inactive_ns;
	struct hm_key_masks masks;
	enum hm_overload overload;
	uint32_t flow_sampling;
	hm_cache_out out;
	void *out_arg;
	unsigned n_pending;
	unsigned unexpired; // packets since timers ran
	uint64_t latest_ns; // of the last packet
	struct hm_cache_counts counts;
	uint64_t *made, made_nowhere;
	uint8_t *memory; // of table, timers and, unless they are elsewhere, entries
	size_t memory_bytes, entry_bytes;
	struct hm_keys keys;                         // of the batch at hand
	uint32_t candidate[HM_BATCH_MAX];            // the entry that is probably a packet's
	struct hm_flow_record pending[HM_CACHE_OUT]; // finished, not yet handed out
};

static inline uint64_t hm_min64(uint64_t a, uint64_t b)
{
	return a < b ? a : b;
}

static inline uint64_t hm_max64(uint64_t a, uint64_t b)
{
	return a > b ? a : b;
}

static inline struct hm_entry *hm_cache_entry(const struct hm_cache *c, uint32_t index)
{
	return (struct hm_entry *)c->table.records + index;
}

/* What the entry has of frames; NULL: not wanted. */
static inline struct hm_entry_frames *hm_cache_frames(const struct hm_cache *c,
						      const struct hm_entry *e)
{
	return c->frames ? &c->frames[e - hm_cache_entry(c, 0)] : NULL;
}

static inline uint64_t hm_cache_idle_at(const struct hm_cache *c, const struct hm_entry *e)
{
	return hm_max64(e->last_ns[0], e->last_ns[1]) + c->inactive_ns;
}

static inline uint64_t hm_cache_deadline(const struct hm_cache *c, const struct hm_entry *e)
{
	return hm_min64(hm_cache_idle_at(c, e), e->start_ns + c->active_ns);
}
