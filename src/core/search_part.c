/* SPDX-License-Identifier: BSD-3-Clause */
/* search_part: from a set of patterns to a part of a database, on any thread.
 *
 * Literals are written as \xHH: Hyperscan sees that these are plain strings and treats them so, and
 * one part holds them and regular expressions. Offset and depth are left to the match callback:
 * Hyperscan's own min_offset and max_offset give the same answers, but make the compiler two
 * hundred times slower.
 *
 * Expressions are sorted by what they are and not by whose they are: the same texts are the same
 * key, whatever slots they have in this run of the daemon. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "core/search_private.h"

/* What a key knows of an expression: whether Hyperscan is to report no match behind the first. */
enum expression_type { TYPE_EACH = 'e', TYPE_ONCE = 'o', TYPE_REGEXP = 'r' };

struct expression {
	enum expression_type type;
	uint32_t n;
	const uint8_t *bytes; // the literal, or the regular expression's text and a zero
	struct hm_pattern *pattern;
	struct hm_part_item item;
};

struct build {
	const struct hm_pattern_set *set;
	uint32_t n;
	struct expression *expressions; // sorted
	struct hm_search_key key;

	// what hs_compile_multi() wants
	const char **texts;
	unsigned *flags, *ids;
	uint32_t n_texts;
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

// calloc(0) may be NULL, which would look like "no memory"
static void *new_array(size_t n, size_t size)
{
	return calloc(n > 0 ? n : 1, size);
}

/* --- expressions --- */

static uint32_t count_expressions(const struct hm_pattern_set *set)
{
	uint32_t n = 0;

	for (uint32_t i = 0; i < set->n; i++) {
		const struct hm_pattern *p = set->at[i];
		const uint8_t *bytes;
		uint32_t at = 0, length;

		if (!p->literal)
			n++;
		else
			while (hm_pattern_alternative(p, &at, &bytes, &length))
				n++;
	}
	return n;
}

static uint32_t saturate(uint64_t n)
{
	return n < UINT32_MAX ? (uint32_t)n : UINT32_MAX;
}

/* To remember what was reported costs Hyperscan more than to report it again, a quarter of the scan with
 * ten thousand strings that occur; unless they occur all the time. With offset or depth every match must
 * be reported: the first may not be the one that counts. */
static bool once_is_enough(const struct hm_pattern *p, uint32_t n)
{
	return p->offset == 0 && p->depth == 0 && hm_literal_abounds(n);
}

static void add_literal(struct build *b, struct hm_pattern *p)
{
	const uint8_t *bytes;
	uint32_t at = 0, n;

	while (hm_pattern_alternative(p, &at, &bytes, &n))
		b->expressions[b->n++] = (struct expression){
			.type = once_is_enough(p, n) ? TYPE_ONCE : TYPE_EACH,
			.n = n,
			.bytes = bytes,
			.pattern = p,
			.item = {.id = p->id,
				 .slot = p->slot,
				 .first = saturate((uint64_t)p->offset + n),
				 .last = p->depth ? saturate((uint64_t)p->offset + p->depth)
						  : UINT32_MAX},
		};
}

static void add_regexp(struct build *b, struct hm_pattern *p)
{
	b->expressions[b->n++] = (struct expression){
		.type = TYPE_REGEXP,
		.n = p->n_bytes,
		.bytes = p->bytes,
		.pattern = p,
		.item = {.id = p->id, .slot = p->slot, .last = UINT32_MAX, .regexp = p->regexp},
	};
}

static int compare(const void *left, const void *right)
{
	const struct expression *a = left, *b = right;

	if (a->type != b->type)
		return a->type < b->type ? -1 : 1;
	if (a->n != b->n)
		return a->n < b->n ? -1 : 1;
	return memcmp(a->bytes, b->bytes, a->n);
}

static int list_expressions(struct build *b)
{
	b->expressions = new_array(count_expressions(b->set), sizeof(*b->expressions));
	if (!b->expressions)
		return -ENOMEM;
	for (uint32_t i = 0; i < b->set->n; i++) {
		struct hm_pattern *p = b->set->at[i];

		if (p->literal)
			add_literal(b, p);
		else
			add_regexp(b, p);
	}
	qsort(b->expressions, b->n, sizeof(*b->expressions), compare);
	return 0;
}

/* --- key --- */

static void put(struct hm_search_key *key, const void *bytes, size_t n)
{
	memcpy(key->bytes + key->n, bytes, n);
	key->n += n;
}

/* FNV-1a. */
static uint64_t hash(const uint8_t *bytes, size_t n)
{
	uint64_t h = UINT64_C(0xcbf29ce484222325);

	for (size_t i = 0; i < n; i++)
		h = (h ^ bytes[i]) * UINT64_C(0x100000001b3);
	return h;
}

static int make_key(struct build *b)
{
	struct hm_search_key *key = &b->key;
	const char *version = hs_version();
	hs_platform_info_t cpu = {0};
	size_t room = strlen(version) + 1 + sizeof(cpu);

	for (uint32_t i = 0; i < b->n; i++)
		room += 1 + sizeof(b->expressions[i].n) + b->expressions[i].n;
	key->bytes = malloc(room);
	if (!key->bytes)
		return -ENOMEM;
	hs_populate_platform(&cpu);
	put(key, version, strlen(version) + 1);
	put(key, &cpu, sizeof(cpu));
	for (uint32_t i = 0; i < b->n; i++) {
		const struct expression *e = &b->expressions[i];
		uint8_t type = (uint8_t)e->type;

		put(key, &type, 1);
		put(key, &e->n, sizeof(e->n));
		put(key, e->bytes, e->n);
	}
	key->n_expressions = b->n;
	while (key->n_literals < b->n && b->expressions[key->n_literals].type != TYPE_REGEXP)
		key->n_literals++;
	key->hash = hash(key->bytes, key->n);
	return 0;
}

/* --- what runs a regular expression --- */

static unsigned flags_of(enum hm_pattern_kind kind)
{
	return HS_FLAG_SINGLEMATCH | (kind == HM_PATTERN_LITERAL ? 0 : HS_FLAG_ALLOWEMPTY) |
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

/* --- compiling --- */

static const char *escape(struct build *b, const struct expression *e)
{
	static const char digits[] = "0123456789abcdef";
	char *text = b->end;

	for (uint32_t i = 0; i < e->n; i++) {
		*b->end++ = '\\';
		*b->end++ = 'x';
		*b->end++ = digits[e->bytes[i] >> 4];
		*b->end++ = digits[e->bytes[i] & 15];
	}
	*b->end++ = '\0';
	return text;
}

static int make_room(struct build *b)
{
	size_t text_bytes = 0;

	for (uint32_t i = 0; i < b->n; i++)
		if (b->expressions[i].type != TYPE_REGEXP)
			text_bytes += 4 * (size_t)b->expressions[i].n + 1;
	b->texts = new_array(b->n, sizeof(*b->texts));
	b->flags = new_array(b->n, sizeof(*b->flags));
	b->ids = new_array(b->n, sizeof(*b->ids));
	b->arena = new_array(text_bytes, 1);
	return b->texts && b->flags && b->ids && b->arena ? 0 : -ENOMEM;
}

static void fill(struct build *b, uint8_t *kinds)
{
	b->n_texts = 0;
	b->end = b->arena;
	for (uint32_t i = 0; i < b->n; i++) {
		const struct expression *e = &b->expressions[i];
		bool literal = e->type != TYPE_REGEXP;
		enum hm_pattern_kind kind = literal ? HM_PATTERN_LITERAL : decide(e->pattern);

		kinds[i] = (uint8_t)kind;
		if (kind == HM_PATTERN_PCRE)
			continue;
		b->texts[b->n_texts] = literal ? escape(b, e) : (const char *)e->bytes;
		b->flags[b->n_texts] = e->type == TYPE_EACH ? 0 : flags_of(kind);
		b->ids[b->n_texts++] = i;
	}
}

/* 0, -EAGAIN after a demotion, or another error. */
static int compile_once(struct build *b, struct hm_search_code *code, struct hm_error *err)
{
	hs_compile_error_t *why = NULL;
	int at, rc;

	fill(b, code->kinds);
	if (b->n_texts == 0)
		return 0;
	if (hs_compile_multi(b->texts, b->flags, b->ids, b->n_texts, HS_MODE_BLOCK, NULL, &code->hs,
			     &why) == HS_SUCCESS)
		return 0;
	at = why->expression;
	if (at >= 0 && demote(b->expressions[b->ids[at]].pattern))
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

static uint64_t now_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t); // others may use the core, too
	return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

static struct hm_search_code *compile(struct build *b, struct hm_error *err)
{
	struct hm_search_code *code = hm_search_code_create(&b->key);
	uint64_t start = now_ns();
	int rc;

	if (!code || make_room(b) < 0) {
		hm_search_code_unref(code);
		hm_error_set(err, -ENOMEM, 0, "no memory to compile %u patterns", b->set->n);
		return NULL;
	}
	do {
		rc = compile_once(b, code, err);
	} while (rc == -EAGAIN);
	code->compile_ns = now_ns() - start;
	if (rc == 0)
		return code;
	hm_search_code_unref(code);
	return NULL;
}

/* --- parts --- */

/* Tells the patterns what runs them, which cached code has found out before. */
static void tell_kinds(const struct build *b, const struct hm_search_code *code)
{
	for (uint32_t i = 0; i < b->n; i++)
		if (b->expressions[i].type == TYPE_REGEXP)
			atomic_store_explicit(&b->expressions[i].pattern->kind, code->kinds[i],
					      memory_order_relaxed); // for display
}

/* Takes over code. */
static struct hm_search_part *create_part(const struct build *b, struct hm_search_code *code,
					  struct hm_error *err)
{
	struct hm_search_part *part = calloc(1, sizeof(*part) + b->n * sizeof(part->items[0]));

	if (!part) {
		hm_search_code_unref(code);
		hm_error_set(err, -ENOMEM, 0, "no memory for %u patterns", b->set->n);
		return NULL;
	}
	part->refs = 1;
	part->code = code;
	part->n = b->n;
	part->gathers = true;
	for (uint32_t i = 0; i < b->set->n; i++)
		part->gathers &= b->set->at[i]->gathers;
	for (uint32_t i = 0; i < b->n; i++) {
		part->items[i] = b->expressions[i].item;
		if (part->items[i].regexp)
			hm_regexp_ref(part->items[i].regexp);
	}
	return part;
}

struct hm_search_part *hm_search_part_compile(const struct hm_pattern_set *set,
					      struct hm_search_cache *cache, struct hm_error *err)
{
	struct build b = {.set = set};
	struct hm_search_part *part = NULL;
	struct hm_search_code *code = NULL;

	if (hm_search_check(err) < 0)
		return NULL;
	if (list_expressions(&b) < 0 || make_key(&b) < 0) {
		hm_error_set(err, -ENOMEM, 0, "no memory to compile %u patterns", set->n);
		goto end;
	}
	code = hm_search_cache_find(cache, &b.key);
	if (!code) {
		code = compile(&b, err);
		if (code)
			hm_search_cache_add(cache, code);
	}
	if (code) {
		tell_kinds(&b, code);
		part = create_part(&b, code, err);
	}
end:
	free(b.expressions);
	free(b.key.bytes);
	free(b.texts);
	free(b.flags);
	free(b.ids);
	free(b.arena);
	return part;
}

struct hm_search_part *hm_search_part_ref(struct hm_search_part *part)
{
	atomic_fetch_add_explicit(&part->refs, 1, memory_order_relaxed);
	return part;
}

void hm_search_part_unref(struct hm_search_part *part)
{
	// acq_rel: what the other holders did with the part is done before it is freed
	if (!part || atomic_fetch_sub_explicit(&part->refs, 1, memory_order_acq_rel) > 1)
		return;
	for (uint32_t i = 0; i < part->n; i++)
		hm_regexp_unref(part->items[i].regexp);
	hm_search_code_unref(part->code);
	free(part);
}

/* --- code --- */

struct hm_search_code *hm_search_code_create(const struct hm_search_key *key)
{
	struct hm_search_code *code = calloc(1, sizeof(*code) + key->n_expressions);

	if (!code)
		return NULL;
	code->refs = 1;
	code->key = *key;
	code->key.bytes = malloc(key->n);
	if (!code->key.bytes) {
		free(code);
		return NULL;
	}
	memcpy(code->key.bytes, key->bytes, key->n);
	return code;
}

struct hm_search_code *hm_search_code_ref(struct hm_search_code *code)
{
	atomic_fetch_add_explicit(&code->refs, 1, memory_order_relaxed);
	return code;
}

void hm_search_code_unref(struct hm_search_code *code)
{
	// acq_rel: as parts
	if (!code || atomic_fetch_sub_explicit(&code->refs, 1, memory_order_acq_rel) > 1)
		return;
	hs_free_database(code->hs);
	free(code->key.bytes);
	free(code);
}

uint64_t hm_search_code_bytes(const struct hm_search_code *code)
{
	uint64_t bytes = sizeof(*code) + code->key.n_expressions + code->key.n;
	size_t n = 0;

	if (code->hs && hs_database_size(code->hs, &n) == HS_SUCCESS)
		bytes += n;
	return bytes;
}
