/* SPDX-License-Identifier: BSD-3-Clause */
/* search_db: from a set of patterns to an immutable database, on any thread.
 *
 * Literals are written as \xHH: Hyperscan sees that these are plain strings and treats them so, and
 * one database holds them and regular expressions. Offset and depth are left to the match callback:
 * Hyperscan's own min_offset and max_offset give the same answers, but make the compiler two
 * hundred times slower. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/search_private.h"

/* What hs_compile_multi() wants, and whose expression each is. */
struct build {
	struct hm_search_db *db;
	const struct hm_pattern_set *set;
	const char **texts;
	unsigned *flags, *ids;
	struct hm_pattern **owners;
	char *arena, *end; // the escaped literals
};

int hm_search_check(struct hm_error *err)
{
	int major = atoi(hs_version());

	if (major != HS_MAJOR)
		return hm_error_set(err, -ENOTSUP, 0,
				    "Hyperscan %s is installed, homard was built for %d.%d",
				    hs_version(), HS_MAJOR, HS_MINOR);
	if (hs_valid_platform() != HS_SUCCESS)
		return hm_error_set(
			err, -ENOTSUP, 0,
			"this CPU lacks the instructions (SSSE3) that Hyperscan %s needs",
			hs_version());
	return 0;
}

/* --- size of everything --- */

static uint32_t count_expressions(const struct hm_pattern_set *set, size_t *text_bytes)
{
	uint32_t n = 0;

	*text_bytes = 0;
	for (uint32_t i = 0; i < set->n; i++) {
		const struct hm_pattern *p = set->at[i];
		const uint8_t *bytes;
		uint32_t at = 0, length;

		if (!p->literal) {
			n++;
			continue;
		}
		for (; hm_pattern_alternative(p, &at, &bytes, &length); n++)
			*text_bytes += 4 * (size_t)length + 1;
	}
	return n;
}

static uint32_t count_regexps(const struct hm_pattern_set *set)
{
	uint32_t n = 0;

	for (uint32_t i = 0; i < set->n; i++)
		n += !set->at[i]->literal;
	return n;
}

// calloc(0) may be NULL, which would look like "no memory"
static void *new_array(size_t n, size_t size)
{
	return calloc(n > 0 ? n : 1, size);
}

static struct hm_search_db *new_db(const struct hm_pattern_set *set, uint32_t n_expressions)
{
	struct hm_search_db *db = calloc(1, sizeof(*db));

	if (!db)
		return NULL;
	db->refs = 1;
	db->n_slots = set->n ? set->at[set->n - 1]->slot + 1 : 0;
	db->n_ids = set->n;
	db->ids = new_array(db->n_slots, sizeof(*db->ids));
	db->expressions = new_array(n_expressions, sizeof(*db->expressions));
	db->confirm_of = new_array(db->n_slots, sizeof(*db->confirm_of));
	db->confirms = new_array(count_regexps(set), sizeof(*db->confirms));
	if (db->ids && db->expressions && db->confirm_of && db->confirms)
		return db;
	hm_search_db_unref(db);
	return NULL;
}

static void build_fini(struct build *b)
{
	free(b->texts);
	free(b->flags);
	free(b->ids);
	free(b->owners);
	free(b->arena);
}

static int build_init(struct build *b, const struct hm_pattern_set *set, struct hm_error *err)
{
	size_t text_bytes;
	uint32_t n = count_expressions(set, &text_bytes);

	*b = (struct build){
		.set = set,
		.db = new_db(set, n),
		.texts = new_array(n, sizeof(*b->texts)),
		.flags = new_array(n, sizeof(*b->flags)),
		.ids = new_array(n, sizeof(*b->ids)),
		.owners = new_array(n, sizeof(*b->owners)),
		.arena = new_array(text_bytes, 1),
	};
	if (b->db && b->texts && b->flags && b->ids && b->owners && b->arena)
		return 0;
	hm_search_db_unref(b->db);
	build_fini(b);
	return hm_error_set(err, -ENOMEM, 0, "no memory to compile %u patterns", set->n);
}

/* --- what runs a regular expression --- */

static unsigned flags_of(enum hm_pattern_kind kind)
{
	return HS_FLAG_SINGLEMATCH | HS_FLAG_ALLOWEMPTY |
	       (kind == HM_PATTERN_PREFILTER ? HS_FLAG_PREFILTER : 0);
}

static bool hyperscan_takes(const char *text, enum hm_pattern_kind kind)
{
	hs_expr_info_t *info = NULL;
	hs_compile_error_t *why = NULL;
	bool yes = hs_expression_info(text, flags_of(kind), &info, &why) == HS_SUCCESS;

	free(info);
	if (why)
		hs_free_compile_error(why);
	return yes;
}

/* Whether an option group "(?i)", "(?s-i:" ... mentions case; in a quoted text it may be none. */
static bool mentions_case(const char *text)
{
	while ((text = strstr(text, "(?"))) {
		size_t n = strspn(text += 2, "^-abcdefghijklmnopqrstuvwxyzJU");

		if ((text[n] == ')' || text[n] == ':') && memchr(text, 'i', n))
			return true;
	}
	return false;
}

/* Hyperscan's prefilter puts the group in the place of a back-reference, but with the group's case:
 * "(a)(?i:\1)" would miss "aA". A prefilter that misses is none. */
static bool prefilter_misses(const char *text, const pcre2_code *code)
{
	uint32_t references = 0;

	pcre2_pattern_info(code, PCRE2_INFO_BACKREFMAX, &references);
	return references > 0 && mentions_case(text);
}

/* Hyperscan may take half a second for a nasty one: that is why it is asked here, on the compiler's
 * thread, and not when the pattern is made. */
static enum hm_pattern_kind decide(struct hm_pattern *p)
{
	const char *text = (const char *)p->bytes;
	enum hm_pattern_kind kind = atomic_load_explicit(&p->kind, memory_order_relaxed);

	if (kind != HM_PATTERN_REGEXP)
		return kind;
	if (hyperscan_takes(text, HM_PATTERN_HS))
		kind = HM_PATTERN_HS;
	else if (!prefilter_misses(text, p->regexp->code) &&
		 hyperscan_takes(text, HM_PATTERN_PREFILTER))
		kind = HM_PATTERN_PREFILTER;
	else
		kind = HM_PATTERN_PCRE;
	// relaxed: the control core reads it for display only
	atomic_store_explicit(&p->kind, kind, memory_order_relaxed);
	return kind;
}

/* A regular expression that Hyperscan could read but not build moves to the next dearer kind; that
 * is remembered in the pattern, so that it costs one failed compilation, not one each time. */
static bool demote(struct hm_pattern *p)
{
	enum hm_pattern_kind kind = atomic_load_explicit(&p->kind, memory_order_relaxed);

	if (kind != HM_PATTERN_HS && kind != HM_PATTERN_PREFILTER)
		return false;
	atomic_store_explicit(&p->kind, kind + 1, memory_order_relaxed);
	return true;
}

/* --- filling --- */

static uint32_t saturate(uint64_t n)
{
	return n < UINT32_MAX ? (uint32_t)n : UINT32_MAX;
}

static const char *escape(struct build *b, const uint8_t *bytes, uint32_t n)
{
	static const char digits[] = "0123456789abcdef";
	char *text = b->end;

	for (uint32_t i = 0; i < n; i++) {
		*b->end++ = '\\';
		*b->end++ = 'x';
		*b->end++ = digits[bytes[i] >> 4];
		*b->end++ = digits[bytes[i] & 15];
	}
	*b->end++ = '\0';
	return text;
}

static void add_expression(struct build *b, struct hm_pattern *p, const char *text, unsigned flags,
			   struct hm_expression e)
{
	uint32_t i = b->db->n_expressions++;

	b->db->expressions[i] = e;
	b->texts[i] = text;
	b->flags[i] = flags;
	b->ids[i] = i;
	b->owners[i] = p;
}

static void add_literal(struct build *b, struct hm_pattern *p)
{
	bool anywhere = p->offset == 0 && p->depth == 0;
	const uint8_t *bytes;
	uint32_t at = 0, n;

	while (hm_pattern_alternative(p, &at, &bytes, &n)) {
		struct hm_expression e = {
			.slot = p->slot,
			.first = saturate((uint64_t)p->offset + n),
			.last = p->depth ? saturate((uint64_t)p->offset + p->depth) : UINT32_MAX,
		};
		// with bounds the first match may not be the one that counts
		add_expression(b, p, escape(b, bytes, n), anywhere ? HS_FLAG_SINGLEMATCH : 0, e);
	}
}

static void add_regexp(struct build *b, struct hm_pattern *p)
{
	enum hm_pattern_kind kind = decide(p);
	struct hm_expression e = {.slot = p->slot, .last = UINT32_MAX};

	if (kind != HM_PATTERN_PCRE)
		add_expression(b, p, (const char *)p->bytes, flags_of(kind), e);
	if (kind != HM_PATTERN_HS) {
		b->db->confirm_of[p->slot] = b->db->n_confirms;
		b->db->confirms[b->db->n_confirms++] = (struct hm_confirm){
			.regexp = hm_regexp_ref(p->regexp),
			.everything = kind == HM_PATTERN_PCRE,
		};
	}
}

static void forget_confirms(struct hm_search_db *db)
{
	for (uint32_t i = 0; i < db->n_confirms; i++)
		hm_regexp_unref(db->confirms[i].regexp);
	db->n_confirms = 0;
}

static void fill(struct build *b)
{
	struct hm_search_db *db = b->db;

	forget_confirms(db);
	db->n_expressions = 0;
	b->end = b->arena;
	for (uint32_t slot = 0; slot < db->n_slots; slot++)
		db->confirm_of[slot] = HM_NO_CONFIRM;
	for (uint32_t i = 0; i < b->set->n; i++) {
		struct hm_pattern *p = b->set->at[i];

		db->ids[p->slot] = p->id;
		if (p->literal)
			add_literal(b, p);
		else
			add_regexp(b, p);
	}
}

/* --- compiling --- */

/* 0, -EAGAIN after a demotion, or another error. */
static int compile_once(struct build *b, struct hm_error *err)
{
	hs_compile_error_t *why = NULL;
	int at, rc;

	if (b->db->n_expressions == 0)
		return 0;
	if (hs_compile_multi(b->texts, b->flags, b->ids, b->db->n_expressions, HS_MODE_BLOCK, NULL,
			     &b->db->hs, &why) == HS_SUCCESS)
		return 0;
	at = why->expression;
	if (at >= 0 && demote(b->owners[at]))
		rc = -EAGAIN;
	else if (at >= 0)
		rc = hm_error_set(err, -EINVAL, 0,
				  "Hyperscan cannot compile the pattern %.100s: %s", b->texts[at],
				  why->message);
	else
		rc = hm_error_set(err, -EINVAL, 0, "Hyperscan cannot compile these %u patterns: %s",
				  b->set->n, why->message);
	hs_free_compile_error(why);
	return rc;
}

struct hm_search_db *hm_search_compile(const struct hm_pattern_set *set, struct hm_error *err)
{
	struct build b;
	int rc;

	if (hm_search_check(err) < 0 || build_init(&b, set, err) < 0)
		return NULL;
	do {
		fill(&b);
		rc = compile_once(&b, err);
	} while (rc == -EAGAIN);
	if (rc < 0) {
		hm_search_db_unref(b.db);
		b.db = NULL;
	}
	build_fini(&b);
	return b.db;
}

/* --- using --- */

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
	forget_confirms(db);
	hs_free_database(db->hs);
	free(db->ids);
	free(db->expressions);
	free(db->confirm_of);
	free(db->confirms);
	free(db);
}

bool hm_search_db_holds(const struct hm_search_db *db, const struct hm_pattern *p)
{
	return p->slot < db->n_slots && db->ids[p->slot] == p->id;
}

bool hm_search_db_matches(const struct hm_search_db *db, const struct hm_pattern_set *set)
{
	if (db->n_ids != set->n)
		return false;
	for (uint32_t i = 0; i < set->n; i++) {
		if (!hm_search_db_holds(db, set->at[i]))
			return false;
	}
	return true;
}

uint32_t hm_search_db_size(const struct hm_search_db *db)
{
	return db->n_ids;
}

uint64_t hm_search_db_bytes(const struct hm_search_db *db)
{
	uint64_t bytes = sizeof(*db) + db->n_slots * sizeof(*db->ids) +
			 db->n_expressions * sizeof(*db->expressions) +
			 db->n_slots * sizeof(*db->confirm_of) +
			 db->n_confirms * sizeof(*db->confirms);
	size_t n = 0;

	if (db->hs && hs_database_size(db->hs, &n) == HS_SUCCESS)
		bytes += n;
	for (uint32_t i = 0; i < db->n_confirms; i++) {
		const pcre2_code *code = db->confirms[i].regexp->code;

		if (pcre2_pattern_info(code, PCRE2_INFO_SIZE, &n) == 0)
			bytes += n;
		if (pcre2_pattern_info(code, PCRE2_INFO_JITSIZE, &n) == 0)
			bytes += n;
	}
	return bytes;
}
