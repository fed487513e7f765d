/* SPDX-License-Identifier: BSD-3-Clause */
#include "core/search_store.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/queue.h>

#include "core/search_private.h"

#define SMALL         128 // strings that are compiled in 5 ms; two small parts become one
#define SLOW_NS       UINT64_C(250000000)
#define SLOW_PARTS    4 // slow parts are merged beyond that
#define REGEXPS_MAX   2 // jobs with new regular expressions at a time
#define WASTE_ALLOWED 64

/* Parts are merged with their like. */
enum group {
	GROUP_STRINGS, // scanned in gathered packets
	GROUP_OTHERS,  // in each packet: short strings and regular expressions
	GROUP_SLOW,    // what took long to compile
	N_GROUPS
};

enum work_kind { WORK_STRINGS, WORK_SHORT, WORK_REGEXPS, WORK_MERGE };

struct work {
	LIST_ENTRY(work) next;
	enum work_kind kind;
	enum group group; // of a merge
	struct hm_compile_job *job;
	uint32_t n;
	struct hm_pattern *patterns[]; // the job's set holds them
};

struct held {
	struct hm_search_part *part;
	enum group group;
	enum work_kind kind; // what made it
	uint64_t serial;
	uint32_t live;   // expressions that somebody wants
	uint32_t serves; // those that no part before it answers for
};

enum state { STATE_NEW, STATE_WAITING, STATE_READY, STATE_FAILED };

/* By slot. */
struct known {
	uint64_t id; // of the pattern
	enum state state;
	bool wanted;
	uint32_t server; // 1 + index of the part that answers for it; 0: none
};

struct failure {
	LIST_ENTRY(failure) next;
	uint64_t id;
	struct hm_error err;
};

struct hm_search_store {
	struct hm_compiler *compiler;
	struct hm_pattern_set *wanted;
	struct known *known;
	uint32_t n_known;
	/* The n_parts that serve, the largest first; behind them n_idle that serve nobody now and are in db: who
	 * wants such a pattern again has it, and db never loses what a program searches. */
	struct held *parts;
	uint32_t n_parts, n_idle, parts_room;
	uint64_t last_serial;
	LIST_HEAD(, work) work;
	LIST_HEAD(, failure) failures;
	bool merge_failed[N_GROUPS]; // not tried again before something is new
	bool changed;                // db is to be made anew
	struct hm_search_db *db;
};

/* --- what is known of a pattern --- */

static struct known *known_of(const struct hm_search_store *s, uint32_t slot, uint64_t id)
{
	return slot < s->n_known && s->known[slot].id == id ? &s->known[slot] : NULL;
}

static int know(struct hm_search_store *s, const struct hm_pattern_set *set)
{
	uint32_t n = set && set->n ? set->at[set->n - 1]->slot + 1 : 0;

	if (n > s->n_known) {
		struct known *more = realloc(s->known, (n += n / 2) * sizeof(*more));

		if (!more)
			return -ENOMEM;
		memset(more + s->n_known, 0, (n - s->n_known) * sizeof(*more));
		s->known = more;
		s->n_known = n;
	}
	for (uint32_t slot = 0; slot < s->n_known; slot++)
		s->known[slot].wanted = false;
	for (uint32_t i = 0; set && i < set->n; i++) {
		struct known *k = &s->known[set->at[i]->slot];

		if (k->id != set->at[i]->id) // the slot was another's
			*k = (struct known){.id = set->at[i]->id};
		k->wanted = true;
	}
	return 0;
}

static void forget_failures(struct hm_search_store *s)
{
	struct failure *f = LIST_FIRST(&s->failures);

	while (f) {
		struct failure *next = LIST_NEXT(f, next);
		bool wanted = false;

		for (uint32_t i = 0; s->wanted && i < s->wanted->n && !wanted; i++)
			wanted = s->wanted->at[i]->id == f->id;
		if (!wanted) {
			LIST_REMOVE(f, next);
			free(f);
		}
		f = next;
	}
}

/* --- parts --- */

/* They are parts like all others, until sort_parts(). */
static void wake_idle(struct hm_search_store *s)
{
	s->n_parts += s->n_idle;
	s->n_idle = 0;
}

static void drop_idle(struct hm_search_store *s)
{
	while (s->n_idle > 0)
		hm_search_part_unref(s->parts[s->n_parts + --s->n_idle].part);
}

static int by_use(const void *left, const void *right)
{
	const struct held *a = left, *b = right;

	if (a->live != b->live)
		return a->live > b->live ? -1 : 1;
	return a->serial > b->serial ? -1 : 1; // merged from the others, and with less waste
}

/* A pattern loses its part when the database changes while nobody wants it. */
static void update_states(struct hm_search_store *s)
{
	for (uint32_t i = 0; s->wanted && i < s->wanted->n; i++) {
		struct known *k = &s->known[s->wanted->at[i]->slot];

		if (k->server)
			k->state = STATE_READY;
		else if (k->state == STATE_READY)
			k->state = STATE_NEW;
	}
}

/* Finds out which part answers for which pattern, and which for none. */
static void sort_parts(struct hm_search_store *s)
{
	uint32_t n = 0;

	wake_idle(s);
	for (uint32_t slot = 0; slot < s->n_known; slot++)
		s->known[slot].server = 0;
	for (uint32_t i = 0; i < s->n_parts; i++) {
		struct held *h = &s->parts[i];

		h->live = 0;
		for (uint32_t k = 0; k < h->part->n; k++) {
			const struct hm_part_item *item = &h->part->items[k];
			const struct known *known = known_of(s, item->slot, item->id);

			h->live += known && known->wanted;
		}
	}
	if (s->n_parts)
		qsort(s->parts, s->n_parts, sizeof(*s->parts), by_use);
	for (uint32_t i = 0; i < s->n_parts; i++) {
		struct held h = s->parts[i];

		h.serves = 0;
		for (uint32_t k = 0; k < h.part->n; k++) {
			const struct hm_part_item *item = &h.part->items[k];
			struct known *known = known_of(s, item->slot, item->id);

			if (!known || !known->wanted || (known->server && known->server != n + 1))
				continue;
			known->server = n + 1;
			h.serves++;
		}
		// those in between serve nobody
		s->parts[i] = h.serves ? s->parts[n] : h;
		if (h.serves)
			s->parts[n++] = h;
	}
	s->n_idle = s->n_parts - n;
	s->n_parts = n;
	update_states(s);
}

/* Takes over part. */
static int add_part(struct hm_search_store *s, struct hm_search_part *part, const struct work *w)
{
	bool slow = w->kind == WORK_REGEXPS && part->code->compile_ns > SLOW_NS;

	wake_idle(s);
	if (s->n_parts == s->parts_room) {
		uint32_t room = 2 * s->parts_room + 8;
		struct held *more = realloc(s->parts, room * sizeof(*more));

		if (!more) {
			hm_search_part_unref(part);
			return -ENOMEM;
		}
		s->parts = more;
		s->parts_room = room;
	}
	s->parts[s->n_parts++] = (struct held){
		.part = part,
		.group = w->kind == WORK_MERGE ? w->group
			 : part->gathers       ? GROUP_STRINGS
			 : slow                ? GROUP_SLOW
					       : GROUP_OTHERS,
		.kind = w->kind,
		.serial = ++s->last_serial,
	};
	memset(s->merge_failed, 0, sizeof(s->merge_failed));
	return 0;
}

/* --- what is compiled --- */

static unsigned count_work(const struct hm_search_store *s, enum work_kind kind)
{
	const struct work *w;
	unsigned n = 0;

	LIST_FOREACH (w, &s->work, next)
		n += w->kind == kind;
	return n;
}

static bool is_merging(const struct hm_search_store *s, enum group group)
{
	const struct work *w;

	LIST_FOREACH (w, &s->work, next)
		if (w->kind == WORK_MERGE && w->group == group)
			return true;
	return false;
}

static void fail(struct hm_search_store *s, const struct hm_pattern *p, const struct hm_error *err)
{
	struct known *k = known_of(s, p->slot, p->id);
	struct failure *f = k ? calloc(1, sizeof(*f)) : NULL;

	if (!f) {
		if (k)
			k->state = STATE_NEW; // without memory to say why: tried again
		return;
	}
	k->state = STATE_FAILED;
	f->id = p->id;
	f->err = *err;
	LIST_INSERT_HEAD(&s->failures, f, next);
}

static void begin_work(struct hm_search_store *s, struct work *w)
{
	struct hm_pattern_set *set =
		w->n ? hm_pattern_set_create((const struct hm_pattern *const *)w->patterns, w->n)
		     : NULL;

	if (set)
		w->job = hm_compiler_submit(s->compiler, set,
					    w->kind == WORK_STRINGS || w->kind == WORK_SHORT);
	if (!w->job) { // nothing to do, or no memory: the next poll tries again
		free(w);
		return;
	}
	for (uint32_t i = 0; i < w->n; i++) {
		struct known *k = known_of(s, w->patterns[i]->slot, w->patterns[i]->id);

		if (k->state == STATE_NEW)
			k->state = STATE_WAITING;
	}
	LIST_INSERT_HEAD(&s->work, w, next);
}

static struct work *new_work(const struct hm_search_store *s, enum work_kind kind)
{
	struct work *w = calloc(1, sizeof(*w) + s->wanted->n * sizeof(w->patterns[0]));

	if (w)
		w->kind = kind;
	return w;
}

/* New strings together with those of small parts, so that these do not become many. */
static void absorb_small(const struct hm_search_store *s, struct work *w)
{
	uint32_t sum = w->n;

	for (uint32_t i = s->n_parts; i-- > 0;) { // the smallest first
		if (s->parts[i].kind != w->kind || s->parts[i].serves + sum > SMALL)
			continue;
		sum += s->parts[i].serves;
		for (uint32_t k = 0; k < s->wanted->n; k++)
			if (s->known[s->wanted->at[k]->slot].server == i + 1)
				w->patterns[w->n++] = s->wanted->at[k];
	}
}

static enum work_kind kind_of(const struct hm_pattern *p)
{
	return p->gathers ? WORK_STRINGS : p->literal ? WORK_SHORT : WORK_REGEXPS;
}

static void compile_new(struct hm_search_store *s, enum work_kind kind)
{
	struct work *w = NULL;

	for (uint32_t i = 0; i < s->wanted->n; i++) {
		struct hm_pattern *p = s->wanted->at[i];

		if (s->known[p->slot].state != STATE_NEW || kind_of(p) != kind)
			continue;
		if (!w)
			w = new_work(s, kind);
		if (!w)
			return;
		w->patterns[w->n++] = p;
	}
	if (!w)
		return;
	if (kind != WORK_REGEXPS)
		absorb_small(s, w);
	begin_work(s, w);
}

static bool worth_a_merge(const struct hm_search_store *s, enum group group)
{
	uint32_t n = 0;

	for (uint32_t i = 0; i < s->n_parts; i++) {
		const struct held *h = &s->parts[i];

		if (h->group != group)
			continue;
		n++;
		if (group != GROUP_SLOW && h->part->n > 2 * h->serves + WASTE_ALLOWED)
			return true;
	}
	return n > (group == GROUP_SLOW ? SLOW_PARTS : 1);
}

static void merge(struct hm_search_store *s, enum group group)
{
	struct work *w = new_work(s, WORK_MERGE);

	if (!w)
		return;
	w->group = group;
	for (uint32_t i = 0; i < s->wanted->n; i++) {
		uint32_t server = s->known[s->wanted->at[i]->slot].server;

		if (server && s->parts[server - 1].group == group)
			w->patterns[w->n++] = s->wanted->at[i];
	}
	begin_work(s, w);
}

/* What nobody waits for is not begun while somebody waits. */
static void begin_what_there_is(struct hm_search_store *s)
{
	if (!s->wanted)
		return;
	if (!count_work(s, WORK_STRINGS))
		compile_new(s, WORK_STRINGS);
	if (!count_work(s, WORK_SHORT))
		compile_new(s, WORK_SHORT);
	if (count_work(s, WORK_REGEXPS) < REGEXPS_MAX)
		compile_new(s, WORK_REGEXPS);
	if (count_work(s, WORK_STRINGS) || count_work(s, WORK_SHORT))
		return;
	for (enum group g = 0; g < N_GROUPS; g++)
		if (!s->merge_failed[g] && !is_merging(s, g) && worth_a_merge(s, g))
			merge(s, g);
}

static void end_work(struct hm_search_store *s, struct work *w)
{
	struct hm_error err = {0};
	struct hm_search_part *part;

	// before the job's set, which holds the patterns, is gone
	for (uint32_t i = 0; i < w->n; i++)
		atomic_fetch_add_explicit(&w->patterns[i]->refs, 1, memory_order_relaxed);
	part = hm_compile_take(w->job, &err);
	if (part && add_part(s, part, w) < 0) {
		part = NULL;
		hm_error_set(&err, -ENOMEM, 0, "no memory for the patterns");
	}
	for (uint32_t i = 0; i < w->n; i++) {
		struct known *k = known_of(s, w->patterns[i]->slot, w->patterns[i]->id);

		if (k && k->state == STATE_WAITING && !part)
			fail(s, w->patterns[i], &err);
		hm_pattern_release(w->patterns[i]);
	}
	if (!part && w->kind == WORK_MERGE)
		s->merge_failed[w->group] = true;
	LIST_REMOVE(w, next);
	free(w);
}

static bool end_what_is_done(struct hm_search_store *s)
{
	struct work *w = LIST_FIRST(&s->work);
	bool any = false;

	while (w) {
		struct work *next = LIST_NEXT(w, next);

		if (hm_compile_done(w->job)) {
			end_work(s, w);
			any = true;
		}
		w = next;
	}
	return any;
}

/* --- the database --- */

static struct hm_search_db *create_db(const struct hm_search_store *s)
{
	struct hm_search_part **parts = calloc(s->n_parts, sizeof(struct hm_search_part *));
	struct hm_search_db *db = NULL;

	for (uint32_t i = 0; parts && i < s->n_parts; i++)
		parts[i] = s->parts[i].part;
	if (parts)
		db = hm_search_db_create(parts, s->n_parts, s->wanted);
	free(parts);
	return db;
}

/* Without memory the old one serves, and the next poll tries again. */
static bool update_db(struct hm_search_store *s)
{
	struct hm_search_db *db = s->n_parts ? create_db(s) : NULL;

	if (s->n_parts && !db)
		return false;
	s->changed = false;
	hm_search_db_unref(s->db);
	s->db = db;
	drop_idle(s);
	return true;
}

bool hm_search_store_poll(struct hm_search_store *s)
{
	if (end_what_is_done(s)) {
		sort_parts(s);
		s->changed = true;
	}
	begin_what_there_is(s);
	return s->changed && update_db(s);
}

/* Whether the database has all that is wanted, and not much that is not. */
static bool db_will_do(const struct hm_search_store *s)
{
	uint32_t n = s->wanted ? s->wanted->n : 0;

	for (uint32_t i = 0; s->db && i < n; i++)
		if (!hm_search_db_holds(s->db, s->wanted->at[i]))
			return false;
	return s->db ? n > 0 && 2 * n >= s->db->n_held : n == 0;
}

int hm_search_store_want(struct hm_search_store *s, struct hm_pattern_set *wanted)
{
	if (know(s, wanted) < 0) {
		know(s, s->wanted);
		hm_pattern_set_destroy(wanted);
		return -ENOMEM;
	}
	hm_pattern_set_destroy(s->wanted);
	s->wanted = wanted;
	forget_failures(s);
	sort_parts(s);
	s->changed |= !db_will_do(s);
	return 0;
}

struct hm_search_db *hm_search_store_db(const struct hm_search_store *s)
{
	return s->db;
}

const struct hm_error *hm_search_store_error(const struct hm_search_store *s,
					     const struct hm_pattern *p)
{
	const struct failure *f;

	LIST_FOREACH (f, &s->failures, next)
		if (f->id == p->id)
			return &f->err;
	return NULL;
}

bool hm_search_store_rests(const struct hm_search_store *s)
{
	return LIST_EMPTY(&s->work) && !s->changed;
}

/* --- create and destroy --- */

struct hm_search_store *hm_search_store_create(struct hm_compiler *compiler)
{
	struct hm_search_store *s = calloc(1, sizeof(*s));

	if (!s)
		return NULL;
	s->compiler = compiler;
	LIST_INIT(&s->work);
	LIST_INIT(&s->failures);
	return s;
}

void hm_search_store_destroy(struct hm_search_store *s)
{
	if (!s)
		return;
	while (!LIST_EMPTY(&s->work)) {
		struct work *w = LIST_FIRST(&s->work);

		end_work(s, w);
	}
	while (!LIST_EMPTY(&s->failures)) {
		struct failure *f = LIST_FIRST(&s->failures);

		LIST_REMOVE(f, next);
		free(f);
	}
	wake_idle(s);
	for (uint32_t i = 0; i < s->n_parts; i++)
		hm_search_part_unref(s->parts[i].part);
	hm_search_db_unref(s->db);
	hm_pattern_set_destroy(s->wanted);
	free(s->parts);
	free(s->known);
	free(s);
}
