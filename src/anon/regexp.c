/* SPDX-License-Identifier: BSD-3-Clause */
#define PCRE2_CODE_UNIT_WIDTH 8
#include "anon/regexp.h"

#include <errno.h>
#include <pcre2.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#define GROUPS_MAX  32
#define STEPS_MAX   20000 // of PCRE2's matcher, a field
#define ARENA_BYTES (256u << 10)
#define WRONG       7004

struct hm_anon_regexp {
	pcre2_code *code;
	uint32_t groups;
	char *text[GROUPS_MAX]; // NULL: the group stays
};

/* PCRE2's memory for matching: it takes a block, and a larger one when that is too small, and keeps it, so that none
 * is ever given back. Full: PCRE2 gives the field up. */
struct arena {
	uint32_t used;
	_Alignas(16) uint8_t bytes[ARENA_BYTES];
};

struct hm_anon_matcher {
	pcre2_general_context *general;
	pcre2_match_context *context;
	pcre2_match_data *data;
	struct arena arena;
};

static void *take(PCRE2_SIZE n, void *arena)
{
	struct arena *a = arena;
	void *at = a->bytes + a->used;

	n = (n + 15) & ~(PCRE2_SIZE)15;
	if (n > ARENA_BYTES - a->used)
		return NULL;
	a->used += (uint32_t)n;
	return at;
}

static void give(void *at, void *arena)
{
	(void)at;
	(void)arena;
}

struct hm_anon_matcher *hm_anon_matcher_create(void)
{
	struct hm_anon_matcher *m = calloc(1, sizeof(*m));

	if (!m)
		return NULL;
	m->general = pcre2_general_context_create(take, give, &m->arena);
	m->context = m->general ? pcre2_match_context_create(m->general) : NULL;
	m->data = m->context ? pcre2_match_data_create(GROUPS_MAX + 1, m->general) : NULL;
	if (!m->data) {
		free(m);
		return NULL;
	}
	pcre2_set_match_limit(m->context, STEPS_MAX);
	return m;
}

void hm_anon_matcher_destroy(struct hm_anon_matcher *m)
{
	free(m); // everything is in its arena
}

/* Up to the next comma. */
static char *copy_word(const char **text)
{
	const char *at = *text, *comma = strchr(at, ',');
	size_t n = comma ? (size_t)(comma - at) : strlen(at);

	*text = comma ? comma + 1 : NULL;
	return strndup(at, n);
}

static int compile(struct hm_anon_regexp *r, const char *pattern, struct hm_error *err)
{
	PCRE2_UCHAR message[120];
	PCRE2_SIZE at;
	int number;

	r->code =
		pcre2_compile((PCRE2_SPTR)pattern, PCRE2_ZERO_TERMINATED,
			      PCRE2_CASELESS | PCRE2_DOTALL | PCRE2_NEVER_UTF, &number, &at, NULL);
	if (r->code) {
		pcre2_pattern_info(r->code, PCRE2_INFO_CAPTURECOUNT, &r->groups);
		return 0;
	}
	pcre2_get_error_message(number, message, sizeof(message));
	return hm_error_set(err, -EINVAL, WRONG, "REGEXP's pattern, character %zu: %s", at + 1,
			    (const char *)message);
}

static int read_texts(struct hm_anon_regexp *r, const char *text, struct hm_error *err)
{
	for (uint32_t i = 0; i < r->groups; i++) {
		if (!text)
			return hm_error_set(err, -EINVAL, WRONG,
					    "REGEXP needs a text for each of its %u groups",
					    r->groups);
		r->text[i] = copy_word(&text);
		if (!r->text[i])
			return hm_error_set(err, -ENOMEM, WRONG, "out of memory");
		if (strcmp(r->text[i], "NULL") == 0) {
			free(r->text[i]);
			r->text[i] = NULL;
		}
	}
	if (text)
		return hm_error_set(err, -EINVAL, WRONG,
				    "REGEXP has more texts than groups (%u); a pattern cannot have "
				    "a comma",
				    r->groups);
	return 0;
}

static int read_all(struct hm_anon_regexp *r, const char *text, struct hm_error *err)
{
	char *pattern = text ? copy_word(&text) : NULL, *number = text ? copy_word(&text) : NULL;
	int rc;

	if (!pattern || !number || !pattern[0]) {
		rc = hm_error_set(
			err, -EINVAL, WRONG,
			"REGEXP needs a pattern, the number of its groups, and a text for "
			"each");
	} else {
		rc = compile(r, pattern, err);
		if (rc == 0 && (r->groups < 1 || r->groups > GROUPS_MAX ||
				strtoul(number, NULL, 10) != r->groups))
			rc = hm_error_set(err, -EINVAL, WRONG,
					  "REGEXP's pattern has %u groups and not %.20s; it must "
					  "have 1 to %d",
					  r->groups, number, GROUPS_MAX);
		if (rc == 0)
			rc = read_texts(r, text, err);
	}
	free(pattern);
	free(number);
	return rc;
}

struct hm_anon_regexp *hm_anon_regexp_create(const char *parameters, struct hm_error *err)
{
	struct hm_anon_regexp *r = calloc(1, sizeof(*r));

	if (!r) {
		hm_error_set(err, -ENOMEM, WRONG, "out of memory");
		return NULL;
	}
	if (read_all(r, parameters, err) == 0)
		return r;
	hm_anon_regexp_destroy(r);
	return NULL;
}

void hm_anon_regexp_destroy(struct hm_anon_regexp *r)
{
	if (!r)
		return;
	pcre2_code_free(r->code);
	for (uint32_t i = 0; i < GROUPS_MAX; i++)
		free(r->text[i]);
	free(r);
}

/* What has been written so far, and how much more fits. */
struct writer {
	uint8_t *out;
	uint32_t n, room;
};

static void put(struct writer *w, const void *from, size_t n)
{
	if (n > w->room - w->n)
		n = w->room - w->n;
	memcpy(w->out + w->n, from, n);
	w->n += (uint32_t)n;
}

/* The group that begins first at or behind `at`, of those that are replaced; the outer one of two. */
static int next_group(const struct hm_anon_regexp *r, const PCRE2_SIZE *places, PCRE2_SIZE at)
{
	int found = -1;

	for (int i = 0; i < (int)r->groups; i++) {
		const PCRE2_SIZE *place = &places[2 * (i + 1)];

		if (r->text[i] && place[0] != PCRE2_UNSET && place[0] >= at &&
		    place[1] > place[0] && (found < 0 || place[0] < places[2 * (found + 1)]))
			found = i;
	}
	return found;
}

uint32_t hm_anon_regexp_replace(struct hm_anon_matcher *m, const struct hm_anon_regexp *r,
				const uint8_t *in, uint32_t n, uint8_t *out, uint32_t room)
{
	const PCRE2_SIZE *places = pcre2_get_ovector_pointer(m->data);
	struct writer w = {out, 0, room};
	PCRE2_SIZE at = 0;
	int rc;

	rc = pcre2_match(r->code, in, n, 0, 0, m->data, m->context);
	if (rc < 0 && rc != PCRE2_ERROR_NOMATCH) {
		n = n < room ? n : room;
		memset(out, 0, n);
		return n;
	}
	for (int i; rc > 0 && (i = next_group(r, places, at)) >= 0;) {
		put(&w, in + at, places[2 * (i + 1)] - at);
		put(&w, r->text[i], strlen(r->text[i]));
		at = places[2 * (i + 1) + 1];
	}
	put(&w, in + at, n - at);
	return w.n;
}
