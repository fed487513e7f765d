/* SPDX-License-Identifier: BSD-3-Clause */
/* search_db: parts, put together to answer for a set of patterns; nothing is compiled for that.
 *
 * A pattern may be in several parts (one has just been merged from others) and a part may hold
 * patterns that nobody wants any more: the first part that has a pattern answers for it, and what is
 * left over is nobody's. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "core/search_private.h"

// calloc(0) may be NULL, which would look like "no memory"
static void *new_array(size_t n, size_t size)
{
	return calloc(n > 0 ? n : 1, size);
}

static uint32_t count_regexps(const struct hm_pattern_set *set)
{
	uint32_t n = 0;

	for (uint32_t i = 0; i < set->n; i++)
		n += !set->at[i]->literal;
	return n;
}

static struct hm_search_db *new_db(const struct hm_pattern_set *set, uint32_t n_parts)
{
	struct hm_search_db *db = calloc(1, sizeof(*db));

	if (!db)
		return NULL;
	db->refs = 1;
	db->n_slots = set->n ? set->at[set->n - 1]->slot + 1 : 0;
	db->ids = new_array(db->n_slots, sizeof(*db->ids));
	db->confirm_of = new_array(db->n_slots, sizeof(*db->confirm_of));
	db->confirms = new_array(count_regexps(set), sizeof(*db->confirms));
	db->parts = new_array(n_parts, sizeof(*db->parts));
	if (db->ids && db->confirm_of && db->confirms && db->parts)
		return db;
	hm_search_db_unref(db);
	return NULL;
}

/* Who answers for the pattern in a slot. */
struct claim {
	uint64_t id;                   // 0: nobody wants the slot
	const struct hm_db_part *part; // NULL: nobody yet
};

static struct claim *list_claims(const struct hm_search_db *db, const struct hm_pattern_set *set)
{
	struct claim *claims = new_array(db->n_slots, sizeof(*claims));

	for (uint32_t i = 0; claims && i < set->n; i++)
		claims[set->at[i]->slot].id = set->at[i]->id;
	return claims;
}

static bool claim(struct claim *claims, struct hm_search_db *db, const struct hm_db_part *to,
		  const struct hm_part_item *item)
{
	struct claim *c = &claims[item->slot];

	if (item->slot >= db->n_slots || c->id != item->id)
		return false;
	if (!c->part) {
		c->part = to;
		db->ids[item->slot] = item->id;
		db->n_held++;
	}
	return c->part == to; // another alternative of the same pattern
}

static void add_confirm(struct hm_search_db *db, const struct hm_part_item *item,
			enum hm_pattern_kind kind)
{
	db->confirm_of[item->slot] = db->n_confirms;
	db->confirms[db->n_confirms++] = (struct hm_confirm){
		.regexp = item->regexp,
		.everything = kind == HM_PATTERN_PCRE,
	};
}

static int make_room(struct hm_db_part *to, const struct hm_search_part *part)
{
	bool deep = false;

	for (uint32_t i = 0; i < part->n; i++)
		deep |= part->items[i].last < UINT32_MAX;
	to->expressions = new_array(part->n, sizeof(*to->expressions));
	to->last = deep ? new_array(part->n, sizeof(*to->last)) : NULL;
	return to->expressions && (to->last || !deep) ? 0 : -ENOMEM;
}

static void drop_part(struct hm_db_part *to)
{
	hm_search_part_unref(to->part);
	free(to->expressions);
	free(to->last);
}

/* Without a pattern that it answers for, a part is not taken. */
static int add_part(struct hm_search_db *db, struct hm_search_part *part, struct claim *claims)
{
	struct hm_db_part *to = &db->parts[db->n_parts];
	bool wanted = false;

	if (make_room(to, part) < 0) {
		drop_part(to);
		return -ENOMEM;
	}
	for (uint32_t i = 0; i < part->n; i++) {
		const struct hm_part_item *item = &part->items[i];
		enum hm_pattern_kind kind = part->code->kinds[i];

		to->expressions[i].slot = db->n_slots;
		if (!claim(claims, db, to, item))
			continue;
		to->expressions[i] = (struct hm_expression){item->slot, item->first};
		if (to->last)
			to->last[i] = item->last;
		if (kind == HM_PATTERN_PREFILTER || kind == HM_PATTERN_PCRE)
			add_confirm(db, item, kind);
		wanted = true;
	}
	if (!wanted) {
		drop_part(to);
		return 0;
	}
	to->part = hm_search_part_ref(part);
	to->hs = part->code->hs;
	to->gathers = part->gathers;
	db->n_parts++;
	return 0;
}

struct hm_search_db *hm_search_db_create(struct hm_search_part *const *parts, uint32_t n_parts,
					 const struct hm_pattern_set *set)
{
	struct hm_search_db *db = new_db(set, n_parts);
	struct claim *claims = db ? list_claims(db, set) : NULL;
	bool whole = claims;

	for (uint32_t slot = 0; whole && slot < db->n_slots; slot++)
		db->confirm_of[slot] = HM_NO_CONFIRM;
	for (uint32_t i = 0; whole && i < n_parts; i++)
		whole = add_part(db, parts[i], claims) == 0;
	free(claims);
	if (whole)
		return db;
	hm_search_db_unref(db);
	return NULL;
}

/* Those of the set that gather, or those that do not. */
static struct hm_pattern_set *half_of(const struct hm_pattern_set *set, bool gathers)
{
	const struct hm_pattern **half = new_array(set->n, sizeof(struct hm_pattern *));
	struct hm_pattern_set *result = NULL;
	uint32_t n = 0;

	for (uint32_t i = 0; half && i < set->n; i++)
		if (set->at[i]->gathers == gathers)
			half[n++] = set->at[i];
	if (half)
		result = hm_pattern_set_create(half, n);
	free(half);
	return result;
}

struct hm_search_db *hm_search_compile(const struct hm_pattern_set *set, struct hm_error *err)
{
	struct hm_search_part *parts[2] = {0};
	struct hm_search_db *db = NULL;
	uint32_t n = 0;

	hm_error_set(err, -ENOMEM, 0, "no memory for %u patterns", set->n);
	for (; n < 2; n++) {
		struct hm_pattern_set *half = half_of(set, n == 0);

		parts[n] = half ? hm_search_part_compile(half, NULL, err) : NULL;
		hm_pattern_set_destroy(half);
		if (!parts[n])
			break;
	}
	if (n == 2)
		db = hm_search_db_create(parts, 2, set);
	hm_search_part_unref(parts[0]);
	hm_search_part_unref(parts[1]);
	return db;
}

struct hm_search_db *hm_search_db_ref(struct hm_search_db *db)
{
	atomic_fetch_add_explicit(&db->refs, 1, memory_order_relaxed);
	return db;
}

void hm_search_db_unref(struct hm_search_db *db)
{
	// acq_rel: what the other holders did with the database is done before it is freed
	if (!db || atomic_fetch_sub_explicit(&db->refs, 1, memory_order_acq_rel) > 1)
		return;
	for (uint32_t i = 0; i < db->n_parts; i++)
		drop_part(&db->parts[i]);
	free(db->parts);
	free(db->ids);
	free(db->confirm_of);
	free(db->confirms);
	free(db);
}

bool hm_search_db_holds(const struct hm_search_db *db, const struct hm_pattern *p)
{
	return p->slot < db->n_slots && db->ids[p->slot] == p->id;
}

uint32_t hm_search_db_size(const struct hm_search_db *db)
{
	return db->n_held;
}

uint32_t hm_search_db_parts(const struct hm_search_db *db)
{
	return db->n_parts;
}

uint64_t hm_search_db_bytes(const struct hm_search_db *db)
{
	uint64_t bytes = sizeof(*db) + db->n_slots * (sizeof(*db->ids) + sizeof(*db->confirm_of)) +
			 db->n_confirms * sizeof(*db->confirms) + db->n_parts * sizeof(*db->parts);

	for (uint32_t i = 0; i < db->n_parts; i++) {
		const struct hm_search_part *part = db->parts[i].part;

		bytes += hm_search_code_bytes(part->code) + sizeof(*part) +
			 part->n * (sizeof(part->items[0]) + sizeof(struct hm_expression) +
				    (db->parts[i].last ? sizeof(uint32_t) : 0));
	}
	for (uint32_t i = 0; i < db->n_confirms; i++)
		bytes += hm_regexp_bytes(db->confirms[i].regexp);
	return bytes;
}
