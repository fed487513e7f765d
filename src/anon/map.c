/* SPDX-License-Identifier: BSD-3-Clause */
#include "anon/map.h"

#include <stdlib.h>
#include <string.h>

#define DIRECT       (UINT32_C(1) << 16)
#define HASHED_KINDS 3
#define MIX          UINT64_C(0x9e3779b97f4a7c15)

/* Of values of up to two bytes: their numbers, 0 for those that have not come. */
struct direct {
	uint32_t next;
	uint32_t number[DIRECT];
};

struct entry {
	uint64_t value[2];
	uint32_t bytes; // of the value; 0: the entry is free
	uint32_t number;
};

/* Linear probing, never more than half full. */
struct table {
	uint32_t next;
	struct entry *entries;
};

struct hm_anon_maps {
	uint32_t values, mask;
	struct direct direct[HM_ANON_MAP_WORDS];
	struct table tables[HASHED_KINDS];
};

static uint32_t entries_for(uint32_t values)
{
	uint32_t n = 2;

	while (n < 2 * (uint64_t)values)
		n *= 2;
	return n;
}

uint64_t hm_anon_maps_bytes(uint32_t values)
{
	return sizeof(struct hm_anon_maps) +
	       HASHED_KINDS * (uint64_t)entries_for(values) * sizeof(struct entry);
}

struct hm_anon_maps *hm_anon_maps_create(uint32_t values)
{
	struct hm_anon_maps *m = calloc(1, sizeof(*m));

	if (!m)
		return NULL;
	m->values = values;
	m->mask = entries_for(values) - 1;
	for (unsigned i = 0; i < HASHED_KINDS; i++) {
		m->tables[i].entries = malloc((m->mask + 1) * sizeof(struct entry));
		if (!m->tables[i].entries) {
			hm_anon_maps_destroy(m);
			return NULL;
		}
		memset(m->tables[i].entries, 0, (m->mask + 1) * sizeof(struct entry)); // now
	}
	return m;
}

void hm_anon_maps_destroy(struct hm_anon_maps *m)
{
	if (!m)
		return;
	for (unsigned i = 0; i < HASHED_KINDS; i++) {
		if (m->tables[i].entries)
			explicit_bzero(m->tables[i].entries, (m->mask + 1) * sizeof(struct entry));
		free(m->tables[i].entries);
	}
	explicit_bzero(m, sizeof(*m));
	free(m);
}

static uint32_t map_direct(struct direct *d, uint32_t value)
{
	if (!d->number[value])
		d->number[value] = ++d->next;
	return d->number[value];
}

static uint32_t map_hashed(const struct hm_anon_maps *m, struct table *t, const uint8_t *value,
			   uint32_t n)
{
	uint64_t v[2] = {0, 0}, hash;

	memcpy(v, value, n);
	hash = (v[0] * MIX ^ v[1] ^ n) * MIX;
	for (uint32_t at = (uint32_t)(hash >> 32) & m->mask;; at = (at + 1) & m->mask) {
		struct entry *e = &t->entries[at];

		if (e->bytes == n && e->value[0] == v[0] && e->value[1] == v[1])
			return e->number;
		if (e->bytes)
			continue;
		if (t->next == m->values)
			return 0;
		*e = (struct entry){{v[0], v[1]}, n, ++t->next};
		return e->number;
	}
}

uint32_t hm_anon_map(struct hm_anon_maps *m, enum hm_anon_map_kind kind, const uint8_t *value,
		     uint32_t n)
{
	if (kind < HM_ANON_MAP_WORDS)
		return map_direct(&m->direct[kind],
				  n == 1 ? value[0] : (uint32_t)value[0] << 8 | value[1]);
	return map_hashed(m, &m->tables[kind - HM_ANON_MAP_WORDS], value, n);
}
