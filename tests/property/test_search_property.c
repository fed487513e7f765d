/* SPDX-License-Identifier: BSD-3-Clause */
/* Random patterns over random packets: the shared scan must give what a naive search and PCRE2 give
 * one packet at a time, for any batch, any way to ask, and in a second database as in the first.
 *
 *	test_search_property [rounds [seed]]
 */
#define PCRE2_CODE_UNIT_WIDTH 8
#include <pcre2.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/search.h"
#include "core/search_cache.h"

#define PATTERNS_MAX     12
#define ALTERNATIVES_MAX 3
#define LITERAL_MAX      6
#define PACKET_MAX       90
#define STEPS            10000

struct wish {
	bool regexp;
	char text[256];
	uint32_t offset, depth;
	uint8_t bytes[ALTERNATIVES_MAX][LITERAL_MAX];
	uint32_t n_bytes[ALTERNATIVES_MAX], n_alternatives;
	pcre2_code *code;
	struct hm_pattern *pattern;
};

static const char alphabet[] = "aabbcA1 .\n|\\\0\xff";
static uint64_t state;
static unsigned failures;
static pcre2_match_context *match_context;
static pcre2_match_data *match_data;

static uint32_t below(uint32_t n)
{
	state = state * 6364136223846793005u + 1442695040888963407u;
	return (uint32_t)(state >> 33) % n;
}

static bool one_in(uint32_t n)
{
	return below(n) == 0;
}

/* --- random wishes --- */

static char *write_byte(char *at, uint8_t byte, bool *in_hex)
{
	bool must = byte == '\0';

	if (must || one_in(4)) {
		if (!*in_hex)
			*at++ = '|';
		*in_hex = true;
		if (one_in(3))
			*at++ = ' ';
		return at + sprintf(at, one_in(2) ? "%02x" : "%02X", byte);
	}
	if (*in_hex)
		*at++ = '|';
	*in_hex = false;
	if (byte == '|' || byte == '\\')
		*at++ = '\\';
	*at++ = (char)byte;
	return at;
}

static void wish_literal(struct wish *w)
{
	char *at = w->text;
	uint32_t longest = 0;

	w->n_alternatives = 1 + below(ALTERNATIVES_MAX);
	for (uint32_t a = 0; a < w->n_alternatives; a++) {
		bool in_hex = false;
		w->n_bytes[a] = 1 + below(LITERAL_MAX);
		if (w->n_bytes[a] > longest)
			longest = w->n_bytes[a];
		for (uint32_t i = 0; i < w->n_bytes[a]; i++) {
			w->bytes[a][i] = (uint8_t)alphabet[below(sizeof(alphabet) - 1)];
			at = write_byte(at, w->bytes[a][i], &in_hex);
		}
		if (in_hex)
			*at++ = '|';
		if (a + 1 < w->n_alternatives)
			at = stpcpy(at, "||");
	}
	*at = '\0';
	w->offset = one_in(2) ? 0 : below(PACKET_MAX);
	w->depth = one_in(2) ? 0 : longest + below(PACKET_MAX);
}

static char *write_regexp(char *at, const char *end, unsigned level)
{
	static const char *const atoms[] = {"a",
					    "b",
					    "c",
					    ".",
					    "\\d",
					    "\\w",
					    "\\W",
					    "\\s",
					    "[ab]",
					    "[^a]",
					    "[a-c1]",
					    "\\x61",
					    "\\n",
					    "\\b",
					    "\\B",
					    "^",
					    "$",
					    "\\A",
					    "\\z",
					    "\\Z",
					    "\\1",
					    "(?=b)",
					    "(?!b)",
					    "(?<=a)",
					    "(?<!a)",
					    "(?i)",
					    "(?s)",
					    "(?m)",
					    "(?-i)",
					    "[[:alpha:]]",
					    "[[:^space:]]",
					    "\\D",
					    "\\S",
					    "\\h",
					    "\\v",
					    "\\H",
					    "\\N",
					    "\\R",
					    "\\Q.|\\E",
					    "\\|",
					    "\\\\",
					    "\\x00",
					    "\\xff",
					    "\\061",
					    "[\\d\\s]",
					    "\\K",
					    "(?:)",
					    "[^\\n]",
					    "\\x{41}",
					    "\\o{61}",
					    "\\t",
					    "\\e",
					    "\\cA",
					    "(?#x)"};
	static const char *const counts[] = {"*",    "+",     "?",  "{2}", "{1,3}",
					     "{2,}", "{0,2}", "*?", "++",  "+?"};
	uint32_t parts = 1 + below(4);

	for (uint32_t i = 0; i < parts && end - at > 60; i++) {
		if (i > 0 && one_in(5))
			*at++ = '|';
		if (level > 0 && one_in(3)) {
			static const char *const opens[] = {"(", "(", "(?:", "(?i:", "(?>"};
			at = write_regexp(stpcpy(at, opens[below(5)]), end - 10, level - 1);
			*at++ = ')';
		} else {
			// half of the atoms plain, so that regular expressions match sometimes
			at = stpcpy(at, atoms[one_in(2) ? below(11)
							: below(sizeof(atoms) / sizeof(*atoms))]);
		}
		if (one_in(3))
			at = stpcpy(at, counts[below(sizeof(counts) / sizeof(*counts))]);
	}
	*at = '\0';
	return at;
}

static bool wish_regexp(struct wish *w)
{
	pcre2_compile_context *context = pcre2_compile_context_create(NULL);
	PCRE2_SIZE position;
	int number;

	w->regexp = true;
	write_regexp(w->text, w->text + sizeof(w->text), 2);
	pcre2_set_newline(context, PCRE2_NEWLINE_LF);
	w->code = pcre2_compile((PCRE2_SPTR)w->text, PCRE2_ZERO_TERMINATED, PCRE2_NO_START_OPTIMIZE,
				&number, &position, context);
	pcre2_compile_context_free(context);
	return w->code != NULL;
}

static void make_wish(struct wish *w)
{
	struct hm_error err;

	do {
		memset(w, 0, sizeof(*w));
		if (one_in(2))
			wish_literal(w);
	} while (w->n_alternatives == 0 && !wish_regexp(w));
	w->pattern = w->regexp ? hm_pattern_regexp(w->text, &err)
			       : hm_pattern_literal(w->text, w->offset, w->depth, &err);
	if (!w->pattern) {
		printf("refused: %s: %s\n", w->text, err.text);
		exit(1);
	}
}

static void drop_wish(struct wish *w)
{
	hm_pattern_release(w->pattern);
	pcre2_code_free(w->code);
}

/* --- the reference --- */

static bool literal_at(const struct wish *w, uint32_t a, const uint8_t *data, uint32_t n,
		       uint32_t at)
{
	uint32_t len = w->n_bytes[a];

	return at >= w->offset && at + len <= n &&
	       (w->depth == 0 || at + len <= w->offset + w->depth) &&
	       memcmp(data + at, w->bytes[a], len) == 0;
}

/* By the interpreter, since the JIT is what is tested, and without start optimisation, which is
 * wrong for some references of a group to itself. 1, 0, or -1 if it takes PCRE2 more steps
 * than search.c allows for packets of this size. */
static int naive(const struct wish *w, const uint8_t *data, uint32_t n)
{
	if (w->regexp) {
		int rc = pcre2_match(w->code, data, n, 0, 0, match_data, match_context);
		return rc >= 0 ? 1 : rc == PCRE2_ERROR_NOMATCH ? 0 : -1;
	}
	for (uint32_t a = 0; a < w->n_alternatives; a++) {
		for (uint32_t at = 0; at < n; at++) {
			if (literal_at(w, a, data, n, at))
				return 1;
		}
	}
	return 0;
}

/* --- the comparison --- */

static void fill(struct hm_batch *b, uint8_t (*rooms)[PACKET_MAX])
{
	b->n = 1 + below(HM_BATCH_MAX);
	b->all = hm_mask_first(b->n);
	for (uint32_t i = 0; i < b->n; i++) {
		b->data[i] = rooms[i];
		b->caplen[i] = below(one_in(8) ? 4 : PACKET_MAX + 1);
		for (uint32_t k = 0; k < b->caplen[i]; k++)
			rooms[i][k] = (uint8_t)alphabet[below(sizeof(alphabet) - 1)];
	}
}

/* The whole mask, asked for in random portions that may overlap. */
static uint64_t ask(struct hm_search *s, const struct hm_batch *b, const struct wish *w)
{
	uint64_t got = 0, asked = 0;

	while (asked != b->all) {
		uint64_t in = ((uint64_t)below(UINT32_MAX) << 32 | below(UINT32_MAX)) & b->all;
		uint64_t part;

		if (one_in(3))
			in = b->all & ~asked;
		part = hm_search_hits(s, b, in, hm_pattern_slot(w->pattern));
		if (part & ~in) {
			printf("answers packets that were not asked for: %s\n", w->text);
			failures++;
		}
		got |= part;
		asked |= in;
	}
	return got;
}

/* `gave_up`: the JIT, which counts steps in its own way, gave some packet up. */
static void compare(const struct wish *w, const struct hm_batch *b, uint64_t got, bool gave_up)
{
	for (uint32_t i = 0; i < b->n; i++) {
		int want = naive(w, b->data[i], b->caplen[i]);

		if (want < 0 || want == (int)(got >> i & 1) || (want && gave_up))
			continue;
		failures++;
		printf("%s \"%s\" offset %u depth %u (%s) must%s match ",
		       w->regexp ? "regexp" : "literal", w->text, w->offset, w->depth,
		       hm_pattern_engine(w->pattern), want ? "" : " not");
		for (uint32_t k = 0; k < b->caplen[i]; k++)
			printf("%02x", b->data[i][k]);
		printf("\n");
		return;
	}
}

/* Compiles some of the patterns, with code that the cache may have from others with the same texts. */
static struct hm_search_part *new_part(const struct hm_pattern *const *patterns, uint32_t n)
{
	static struct hm_search_cache *cache;
	struct hm_pattern_set *set = hm_pattern_set_create(patterns, n);
	struct hm_search_part *part;
	struct hm_error err;

	if (!cache)
		cache = hm_search_cache_create("", 0, &err);
	part = hm_search_part_compile(set, cache, &err);
	hm_pattern_set_destroy(set);
	if (part)
		return part;
	printf("not compiled: %s\n", err.text);
	exit(1);
}

/* The patterns are in one to four parts, each in one or several, and the parts have some that nobody
 * asked for. */
static struct hm_search *new_search(const struct wish *wishes, uint32_t n,
				    const struct wish *others)
{
	const struct hm_pattern *in[4][PATTERNS_MAX + 2], *all[PATTERNS_MAX];
	uint32_t n_in[4] = {0}, n_parts = 1 + below(4);
	struct hm_search_part *parts[4];
	struct hm_pattern_set *set;
	struct hm_search_db *db;
	struct hm_search *s;

	for (uint32_t i = 0; i < n; i++) {
		uint32_t home = below(n_parts);

		all[i] = wishes[i].pattern;
		for (uint32_t k = 0; k < n_parts; k++)
			if (k == home || one_in(4))
				in[k][n_in[k]++] = wishes[i].pattern;
	}
	for (uint32_t k = 0; k < n_parts; k++) {
		for (uint32_t i = 0; i < 2; i++)
			if (one_in(2))
				in[k][n_in[k]++] = others[i].pattern;
		parts[k] = new_part(in[k], n_in[k]);
	}
	set = hm_pattern_set_create(all, n);
	db = hm_search_db_create(parts, n_parts, set);
	for (uint32_t k = 0; k < n_parts; k++)
		hm_search_part_unref(parts[k]);
	for (uint32_t i = 0; i < n; i++)
		if (!hm_search_db_holds(db, all[i])) {
			printf("not held: %s\n", wishes[i].text);
			failures++;
		}
	s = hm_search_create(db, -1);
	hm_search_db_unref(db);
	hm_pattern_set_destroy(set);
	return s;
}

static void run_batches(struct hm_search *s, const struct wish *wishes, uint32_t n)
{
	static uint8_t rooms[HM_BATCH_MAX][PACKET_MAX];
	static struct hm_batch b;

	for (int batch = 0; batch < 4; batch++) {
		uint64_t given_up = hm_search_limit_hits(s);

		fill(&b, rooms);
		hm_search_begin(s);
		for (uint32_t i = 0; i < 2 * n; i++) {
			const struct wish *w = &wishes[below(n)];
			uint64_t got = ask(s, &b, w);

			compare(w, &b, got, hm_search_limit_hits(s) > given_up);
		}
	}
}

static void run_round(void)
{
	struct wish wishes[PATTERNS_MAX], others[2];
	struct hm_search *first, *second;
	uint32_t n = 1 + below(PATTERNS_MAX), slot;

	for (uint32_t i = 0; i < n; i++)
		make_wish(&wishes[i]);
	make_wish(&others[0]);
	make_wish(&others[1]);
	first = new_search(wishes, n, others);
	run_batches(first, wishes, n);
	// one goes, one comes; the others keep their slots, and the old database still answers
	slot = n > 1 ? hm_pattern_slot(wishes[1].pattern) : 0;
	drop_wish(&wishes[0]);
	make_wish(&wishes[0]);
	second = new_search(wishes, n, others);
	run_batches(second, wishes, n);
	if (n > 1) {
		run_batches(first, wishes + 1, n - 1);
		failures += slot != hm_pattern_slot(wishes[1].pattern);
	}
	hm_search_destroy(first);
	hm_search_destroy(second);
	for (uint32_t i = 0; i < n; i++)
		drop_wish(&wishes[i]);
	drop_wish(&others[0]);
	drop_wish(&others[1]);
}

int main(int argc, char **argv)
{
	unsigned long rounds = argc > 1 ? strtoul(argv[1], NULL, 0) : 200;
	unsigned long seed = argc > 2 ? strtoul(argv[2], NULL, 0) : 1;
	struct hm_error err;

	if (hm_search_check(&err) < 0) {
		printf("skipped: %s\n", err.text);
		return 77;
	}
	match_context = pcre2_match_context_create(NULL);
	match_data = pcre2_match_data_create(1, NULL);
	pcre2_set_match_limit(match_context, STEPS);
	for (unsigned long round = 0; round < rounds && failures == 0; round++) {
		state = seed + round;
		run_round();
		if (failures > 0)
			printf("seed %lu fails\n", seed + round);
	}
	pcre2_match_data_free(match_data);
	pcre2_match_context_free(match_context);
	return failures > 0;
}
