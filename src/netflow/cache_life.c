/* SPDX-License-Identifier: BSD-3-Clause */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "core/pages.h"
#include "netflow/cache_private.h"

#define WHEEL_SLOTS 1024
#define WHEEL_SHIFT 27 // slots of 134 ms, a turn of 137 s

/* Fewer for a small cache, whose memory they would be. */
static uint32_t wheel_slots(uint32_t entries)
{
	uint32_t slots = WHEEL_SLOTS;

	while (slots > HM_CACHE_ENTRIES_MIN / 2 && slots > entries / 32)
		slots /= 2;
	return slots;
}

size_t hm_cache_entry_bytes(uint32_t entries, bool frames)
{
	size_t bytes = hm_table_record_bytes(entries, sizeof(struct hm_entry));

	return frames ? bytes + hm_table_record_bytes(entries, sizeof(struct hm_entry_frames))
		      : bytes;
}

struct hm_entry_frames *hm_cache_frames_at(void *entries_at, uint32_t entries)
{
	return (struct hm_entry_frames *)((uint8_t *)entries_at +
					  hm_cache_entry_bytes(entries, false));
}

/* Entries begin at multiples of 128 bytes: a pair of lines. */
static size_t round_up(size_t bytes)
{
	return (bytes + 127) / 128 * 128;
}

size_t hm_cache_bytes(uint32_t entries, bool frames)
{
	return hm_cache_entry_bytes(entries, frames) + round_up(hm_table_index_bytes(entries)) +
	       round_up(hm_wheel_bytes(entries, wheel_slots(entries)));
}

size_t hm_cache_memory(const struct hm_cache *c)
{
	return hm_cache_bytes(hm_cache_entries(c), c->frames != NULL);
}

static int create_tables(struct hm_cache *c, const struct hm_cache_conf *conf)
{
	bool frames = conf->frames || c->masks.framed;
	size_t timers = round_up(hm_table_index_bytes(conf->entries)), entries;
	int r;

	entries = timers + round_up(hm_wheel_bytes(conf->entries, wheel_slots(conf->entries)));
	c->entry_bytes = hm_cache_entry_bytes(conf->entries, frames);
	c->memory_bytes = entries + (conf->entries_at ? 0 : c->entry_bytes);
	c->memory = hm_pages_reserve(c->memory_bytes, conf->socket);
	if (!c->memory)
		return -errno;
	r = hm_table_init_at(&c->table, conf->entries, sizeof(struct hm_entry), c->memory,
			     conf->entries_at ? conf->entries_at : c->memory + entries);
	if (r == 0)
		r = hm_wheel_init_at(&c->wheel, conf->entries, wheel_slots(conf->entries),
				     WHEEL_SHIFT, c->memory + timers);
	if (r == 0 && frames)
		c->frames = hm_cache_frames_at(c->table.records, conf->entries);
	return r;
}

struct hm_cache *hm_cache_create(const struct hm_cache_conf *conf)
{
	struct hm_cache *c;
	int r;

	if (conf->entries < HM_CACHE_ENTRIES_MIN || conf->entries > HM_CACHE_ENTRIES_MAX ||
	    conf->active_ns == 0 || conf->inactive_ns == 0 || conf->active_ns > HM_FLOW_NO_TIME ||
	    conf->inactive_ns > HM_FLOW_NO_TIME) {
		errno = EINVAL;
		return NULL;
	}
	c = aligned_alloc(128, round_up(sizeof(*c)));
	if (!c)
		return NULL;
	memset(c, 0, sizeof(*c));
	c->made = conf->made ? conf->made : &c->made_nowhere;
	hm_key_masks(&c->masks, conf->key);
	c->overload = conf->overload;
	c->flow_sampling = conf->flow_sampling;
	c->active_ns = conf->active_ns;
	c->inactive_ns = conf->inactive_ns;
	c->out = conf->out;
	c->out_arg = conf->out_arg;
	r = create_tables(c, conf);
	if (r == 0 && !conf->later)
		r = hm_cache_populate(c);
	if (r == 0)
		return c;
	hm_cache_destroy(c);
	errno = -r;
	return NULL;
}

int hm_cache_populate(struct hm_cache *c)
{
	int r = hm_pages_populate(c->memory, c->memory_bytes);

	return r < 0 ? r : hm_pages_populate(c->table.records, c->entry_bytes);
}

void hm_cache_set_timeouts(struct hm_cache *c, uint64_t active_ns, uint64_t inactive_ns)
{
	c->active_ns = active_ns;
	c->inactive_ns = inactive_ns;
}

void hm_cache_destroy(struct hm_cache *c)
{
	if (!c)
		return;
	hm_pages_unmap(c->memory, c->memory_bytes);
	free(c);
}

bool hm_cache_take(struct hm_cache *c, const struct hm_entry *from,
		   const struct hm_entry_frames *frames, uint32_t key)
{
	struct hm_key_masks before;
	struct hm_entry *e;
	uint32_t index;

	hm_key_masks(&before, key);
	if ((from->name.version != 4 && from->name.version != 6) ||
	    from->hash != hm_key_hash(from, frames, &before) ||
	    hm_max64(from->last_ns[0], from->last_ns[1]) >= HM_FLOW_NO_TIME)
		return false;
	index = hm_table_insert(&c->table, hm_key_hash(from, frames, &c->masks));
	if (index == 0)
		return false;
	e = hm_cache_entry(c, index);
	*e = *from;
	e->hash = hm_key_hash(from, frames, &c->masks);
	if (c->frames)
		c->frames[index] = frames ? *frames : (struct hm_entry_frames){0};
	hm_wheel_add(&c->wheel, index, hm_cache_deadline(c, e));
	return true;
}

uint32_t hm_cache_places(const struct hm_cache *c)
{
	return c->table.header->fresh;
}

const struct hm_cache_counts *hm_cache_counts(const struct hm_cache *c)
{
	return &c->counts;
}

uint32_t hm_cache_used(const struct hm_cache *c)
{
	return hm_table_used(&c->table);
}

uint32_t hm_cache_entries(const struct hm_cache *c)
{
	return hm_table_capacity(&c->table);
}
