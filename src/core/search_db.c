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

static bool is_bounded(const struct hm_part_item *item)
{
	return item->first > 0 || item->last < UINT32_MAX;
}

static uint32_t count_bounded(const struct hm_search_part *part)
{
	uint32_t n = 0;

	for (uint32_t i = 0; i < part->n; i++)
		n += is_bounded(&part->items[i]);
	return n;
}

/* Without a pattern that it answers for, a part is not taken. */
static int add_part(struct hm_search_db *db, struct hm_search_part *part, struct claim *claims)
{
	struct hm_db_part *to = &db->parts[db->n_parts];
	uint32_t n_bounds = 1;
	bool wanted = false;

	to->expressions = new_array(part->n, sizeof(*to->expressions));
	to->bounds = new_array(1 + count_bounded(part), sizeof(*to->bounds));
	if (!to->expressions || !to->bounds) {
		free(to->expressions);
		free(to->bounds);
		return -ENOMEM;
	}
	for (uint32_t i = 0; i < part->n; i++) {
		const struct hm_part_item *item = &part->items[i];
		enum hm_pattern_kind kind = part->code->kinds[i];

		to->expressions[i].slot = db->n_slots;
		if (!claim(claims, db, to, item))
			continue;
		to->expressions[i].slot = item->slot;
		if (is_bounded(item)) {
			to->bounds[n_bounds] = (struct hm_bounds){item->first, item->last};
			to->expressions[i].bounds = n_bounds++;
		}
		if (kind == HM_PATTERN_PREFILTER || kind == HM_PATTERN_PCRE)
			add_confirm(db, item, kind);
		wanted = true;
	}
	if (!wanted) {
		free(to->expressions);
		free(to->bounds);
		return 0;
	}
	to->part = hm_search_part_ref(part);
	to->hs = part->code->hs;
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

struct hm_search_db *hm_search_compile(const struct hm_pattern_set *set, struct hm_error *err)
{
	struct hm_search_part *part = hm_search_part_compile(set, NULL, err);
	struct hm_search_db *db;

	if (!part)
		return NULL;
	db = hm_search_db_create(&part, 1, set);
	hm_search_part_unref(part);
	if (!db)
		hm_error_set(err, -ENOMEM, 0, "no memory for %u patterns", set->n);
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
	for (uint32_t i = 0; i < db->n_parts; i++) {
		hm_search_part_unref(db->parts[i].part);
		free(db->parts[i].expressions);
		free(db->parts[i].bounds);
	}
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
	size_t n = 0;

	for (uint32_t i = 0; i < db->n_parts; i++) {
		const struct hm_search_part *part = db->parts[i].part;

		bytes += hm_search_code_bytes(part->code) + sizeof(*part) +
			 part->n * (sizeof(part->items[0]) + sizeof(struct hm_expression)) +
			 count_bounded(part) * sizeof(struct hm_bounds);
	}
	for (uint32_t i = 0; i < db->n_confirms; i++) {
		const pcre2_code *code = db->confirms[i].regexp->code;

		if (pcre2_pattern_info(code, PCRE2_INFO_SIZE, &n) == 0)
			bytes += n;
		if (pcre2_pattern_info(code, PCRE2_INFO_JITSIZE, &n) == 0)
			bytes += n;
	}
	return bytes;
}
