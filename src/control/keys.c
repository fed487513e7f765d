/* SPDX-License-Identifier: BSD-3-Clause */
/* keys: checks a JSON object against its table (see keys.h). */
#include "control/keys.h"

#include <errno.h>
#include <inttypes.h>
#include <regex.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#define PATH_TEXT 256 // of a JSON path in a mistake; longer ones are cut
#define SHOWN     40  // bytes of a wrong value that are shown

/* --- the list of mistakes --- */

void hm_mistake(struct hm_mistakes *m, const char *path, const char *format, ...)
{
	char *what = NULL, *line = NULL;
	va_list ap;
	if (m->lines.n == HM_MISTAKES_MAX) {
		m->more++;
		return;
	}
	va_start(ap, format);
	int n = vasprintf(&what, format, ap);
	va_end(ap);
	if (n < 0 || asprintf(&line, "%s%s%s%s%s", m->file ? m->file : "", m->file ? ": " : "",
			      path, path[0] ? ": " : "", what) < 0)
		line = NULL;
	free(what);
	char **at = realloc(m->lines.at, (m->lines.n + 1) * sizeof(*at));
	if (at)
		m->lines.at = at;
	if (!at || !line) {
		free(line);
		m->more++; // the check still fails
		return;
	}
	m->lines.at[m->lines.n++] = line;
}

void hm_mistakes_free(struct hm_mistakes *m)
{
	for (size_t i = 0; i < m->lines.n; i++)
		free(m->lines.at[i]);
	free(m->lines.at);
	m->lines = (struct hm_strings){0};
	m->more = 0;
}

/* --- words for a mistake --- */

/* `path` and `key` joined; foreign keys may hold anything, a terminal must not see it. */
static const char *join(char to[PATH_TEXT], const char *path, const char *key)
{
	snprintf(to, PATH_TEXT, "%.180s%s%.64s", path, path[0] ? "." : "", key);
	for (char *c = to; *c; c++)
		if ((unsigned char)*c < ' ' || *c == 127)
			*c = '?';
	return to;
}

static const char *element(char to[PATH_TEXT], const char *path, size_t i)
{
	snprintf(to, PATH_TEXT, "%.200s[%zu]", path, i);
	return to;
}

static const char *show(char to[SHOWN + 16], const json_t *v)
{
	switch (json_typeof(v)) {
	case JSON_STRING:
		snprintf(to, SHOWN + 16, "\"%.*s%s", SHOWN, json_string_value(v),
			 json_string_length(v) > SHOWN ? "...\"" : "\"");
		for (char *c = to; *c; c++)
			if ((unsigned char)*c < ' ' || *c == 127)
				*c = '?';
		return to;
	case JSON_INTEGER:
		snprintf(to, SHOWN + 16, "%" JSON_INTEGER_FORMAT, json_integer_value(v));
		return to;
	case JSON_REAL:
		snprintf(to, SHOWN + 16, "%.10g (not an integer)", json_real_value(v));
		return to;
	case JSON_OBJECT:
		return "an object";
	case JSON_ARRAY:
		return "an array";
	case JSON_TRUE:
		return "true";
	case JSON_FALSE:
		return "false";
	default:
		return "null";
	}
}

/* Edits (insert, remove, replace) that turn one word into the other. */
static unsigned distance(const char *a, const char *b)
{
	unsigned row[PATH_TEXT];
	size_t n = strnlen(b, PATH_TEXT - 1);
	for (size_t j = 0; j <= n; j++)
		row[j] = (unsigned)j;
	for (size_t i = 0; a[i]; i++) {
		unsigned diagonal = row[0];
		row[0] = (unsigned)i + 1;
		for (size_t j = 0; j < n; j++) {
			unsigned best = diagonal + (a[i] != b[j]);
			diagonal = row[j + 1];
			if (row[j + 1] + 1 < best)
				best = row[j + 1] + 1;
			if (row[j] + 1 < best)
				best = row[j] + 1;
			row[j + 1] = best;
		}
	}
	return row[n];
}

static void unknown_key(const struct hm_key *keys, const char *key, const char *path,
			struct hm_mistakes *m)
{
	const struct hm_key *nearest = NULL;
	unsigned best = strlen(key) < 64 ? 2 + (unsigned)strlen(key) / 4 : 0;
	char at[PATH_TEXT], known[PATH_TEXT * 2] = "";
	size_t used = 0;
	for (const struct hm_key *k = keys; k->name; k++) {
		unsigned d = best ? distance(k->name, key) : 1;
		if (d <= best && (!nearest || d < best)) {
			best = d;
			nearest = k;
		}
		if (used < sizeof(known))
			used += (size_t)snprintf(known + used, sizeof(known) - used, "%s%s",
						 used ? ", " : "", k->name);
	}
	if (nearest)
		hm_mistake(m, join(at, path, key), "unknown key; did you mean \"%s\"?",
			   nearest->name);
	else
		hm_mistake(m, join(at, path, key), "unknown key; known here: %s",
			   known[0] ? known : "none");
}

static void wrong(struct hm_mistakes *m, const char *path, const json_t *v, const char *right)
{
	char shown[SHOWN + 16];
	hm_mistake(m, path, "is %s; must be %s", show(shown, v), right);
}

/* --- one check a type --- */

static bool fits(const char *pattern, const char *text)
{
	regex_t r;
	if (regcomp(&r, pattern, REG_EXTENDED | REG_NOSUB) != 0)
		abort(); // our own table is wrong
	int found = regexec(&r, text, 0, NULL, 0);
	regfree(&r);
	return found == 0;
}

static void check_string(const struct hm_key *k, const json_t *v, const char *path,
			 struct hm_mistakes *m)
{
	char right[PATH_TEXT];
	size_t n = json_string_length(v);
	snprintf(right, sizeof(right), "a string of %" PRId64 " to %" PRId64 " bytes", k->min,
		 k->max);
	if (!json_is_string(v) || n < (size_t)k->min || n > (size_t)k->max ||
	    (k->pattern && !fits(k->pattern, json_string_value(v))))
		wrong(m, path, v, k->shape ? k->shape : right);
}

static void check_int(const struct hm_key *k, const json_t *v, const char *path,
		      struct hm_mistakes *m)
{
	char right[PATH_TEXT];
	json_int_t i = json_integer_value(v);
	snprintf(right, sizeof(right), "an integer from %" PRId64 " to %" PRId64, k->min, k->max);
	if (!json_is_integer(v) || i < k->min || i > k->max)
		wrong(m, path, v, right);
}

static void check_share(const json_t *v, const char *path, struct hm_mistakes *m)
{
	double share = json_number_value(v);
	if (json_is_real(v) && !(share > 0 && share <= 1))
		hm_mistake(m, path, "is %.10g; must be a number above 0, at most 1", share);
	else if (!json_is_number(v) || !(share > 0 && share <= 1))
		wrong(m, path, v, "a number above 0, at most 1");
}

static void check_object(const struct hm_key *k, const json_t *v, const char *path,
			 struct hm_mistakes *m)
{
	hm_keys_check(k->keys, v, path, m);
	if (k->max > 0 && json_object_size(v) > (size_t)k->max)
		hm_mistake(m, path, "has %zu keys; must have at most %" PRId64, json_object_size(v),
			   k->max);
}

int hm_key_choice(const char *choices, const char *text)
{
	size_t n = strlen(text);
	for (int i = 0;; i++) {
		size_t len = strcspn(choices, "|");
		if (len == n && memcmp(choices, text, n) == 0)
			return i;
		if (!choices[len])
			return -1;
		choices += len + 1;
	}
}

static void check_choice(const struct hm_key *k, const json_t *v, const char *path,
			 struct hm_mistakes *m)
{
	char right[PATH_TEXT];
	size_t used = (size_t)snprintf(right, sizeof(right), "one of \"");
	for (const char *c = k->choices; *c && used + 8 < sizeof(right); c++)
		used += (size_t)snprintf(right + used, sizeof(right) - used,
					 *c == '|' ? "\", \"" : "%c", *c);
	snprintf(right + used, sizeof(right) - used, "\"");
	if (!json_is_string(v) || hm_key_choice(k->choices, json_string_value(v)) < 0)
		wrong(m, path, v, right);
}

/* Whether v is an array of min to max elements; notes it if not. */
static bool check_array(const struct hm_key *k, const json_t *v, const char *path, const char *of,
			struct hm_mistakes *m)
{
	char right[PATH_TEXT];
	size_t n = json_array_size(v);
	snprintf(right, sizeof(right), "an array of %" PRId64 " to %" PRId64 " %s", k->min, k->max,
		 of);
	if (!json_is_array(v)) {
		wrong(m, path, v, right);
		return false;
	}
	if (n < (size_t)k->min || n > (size_t)k->max)
		hm_mistake(m, path, "has %zu elements; must be %s", n, right);
	return n <= (size_t)k->max;
}

static void check_args(const json_t *v, size_t first, const char *path, struct hm_mistakes *m)
{
	char at[PATH_TEXT];
	for (size_t i = first; i < json_array_size(v); i++) {
		const json_t *a = json_array_get(v, i);
		if (!json_is_string(a) && !json_is_integer(a) && !json_is_object(a) &&
		    !json_is_null(a))
			wrong(m, element(at, path, i), a,
			      "a string, an integer, an object or null");
	}
}

/* One use of a function: ["NAME", argument ...]. */
static void check_call(const json_t *v, const char *path, struct hm_mistakes *m)
{
	const char *name = json_string_value(json_array_get(v, 0));
	size_t before = m->lines.n + m->more;
	if (!name || !name[0]) {
		hm_mistake(m, path,
			   "must be an array whose first element is a function's name, like "
			   "[\"BPF_FILTER\", \"port 80\"]");
		return;
	}
	if (json_array_size(v) > 32)
		hm_mistake(m, path, "has %zu elements; no function has so many arguments",
			   json_array_size(v));
	else
		check_args(v, 1, path, m);
	if (m->check_function && m->lines.n + m->more == before)
		m->check_function(v, path, m);
}

static void check_elements(const struct hm_key *k, const json_t *v, const char *path,
			   struct hm_mistakes *m)
{
	static const char *const of[] = {[HM_KEY_CHOICES] = "words",
					 [HM_KEY_STRINGS] = "strings",
					 [HM_KEY_OBJECTS] = "objects",
					 [HM_KEY_CALLS] = "functions",
					 [HM_KEY_ARGS] = "arguments"};
	char at[PATH_TEXT];
	if (!check_array(k, v, path, of[k->type], m))
		return;
	if (k->type == HM_KEY_ARGS) {
		check_args(v, 0, path, m);
		return;
	}
	for (size_t i = 0; i < json_array_size(v); i++) {
		const json_t *e = json_array_get(v, i);
		element(at, path, i);
		if (k->type == HM_KEY_CHOICES)
			check_choice(k, e, at, m);
		else if (k->type == HM_KEY_CALLS)
			check_call(e, at, m);
		else if (k->type == HM_KEY_OBJECTS)
			hm_keys_check(k->keys, e, at, m);
		else if (!json_is_string(e) || json_string_length(e) == 0)
			wrong(m, at, e, "a string of at least one byte");
	}
}

static void check_value(const struct hm_key *k, const json_t *v, const char *path,
			struct hm_mistakes *m)
{
	switch (k->type) {
	case HM_KEY_STRING:
		check_string(k, v, path, m);
		break;
	case HM_KEY_INT:
		check_int(k, v, path, m);
		break;
	case HM_KEY_FLAG:
		if (!json_is_boolean(v))
			wrong(m, path, v, "true or false");
		break;
	case HM_KEY_CHOICE:
		check_choice(k, v, path, m);
		break;
	case HM_KEY_SHARE:
		check_share(v, path, m);
		break;
	case HM_KEY_OBJECT:
		check_object(k, v, path, m);
		break;
	case HM_KEY_WHICH:
		if ((!json_is_string(v) || json_string_length(v) == 0) && !json_is_integer(v))
			wrong(m, path, v, "a name or a number");
		break;
	default:
		check_elements(k, v, path, m);
	}
}

static const struct hm_key *find_key(const struct hm_key *keys, const char *name)
{
	for (const struct hm_key *k = keys; k->name; k++)
		if (strcmp(k->name, name) == 0)
			return k;
	return NULL;
}

void hm_keys_check(const struct hm_key *keys, const json_t *object, const char *path,
		   struct hm_mistakes *m)
{
	char at[PATH_TEXT];
	const char *name;
	json_t *v;
	if (!json_is_object(object)) {
		wrong(m, path, object, "an object, { ... }");
		return;
	}
	json_object_foreach ((json_t *)object, name, v) {
		const struct hm_key *k = find_key(keys, name);
		if (k)
			check_value(k, v, join(at, path, name), m);
		else
			unknown_key(keys, name, path, m);
	}
	for (const struct hm_key *k = keys; k->name; k++)
		if (k->required && !json_object_get(object, k->name))
			hm_mistake(m, join(at, path, k->name), "is missing; it is %s", k->help);
}

/* --- nesting --- */

int hm_json_nesting(const char *text, size_t n, unsigned limit, unsigned *line, unsigned *column)
{
	unsigned depth = 0;
	bool quoted = false;
	*line = *column = 1;
	for (size_t i = 0; i < n; i++, ++*column) {
		if (text[i] == '\n') {
			++*line;
			*column = 0;
		} else if (quoted && text[i] == '\\') {
			i++;
			++*column;
		} else if (text[i] == '"') {
			quoted = !quoted;
		} else if (!quoted && (text[i] == '[' || text[i] == '{')) {
			if (++depth > limit)
				return -EINVAL;
		} else if (!quoted && (text[i] == ']' || text[i] == '}')) {
			depth -= depth > 0;
		}
	}
	return 0;
}
