/* SPDX-License-Identifier: BSD-3-Clause */
#include "netflow/options_read.h"

#include <errno.h>
#include <inttypes.h>
#include <string.h>

#define NS_A_S UINT64_C(1000000000)

const char *hm_option_type(const json_t *v)
{
	static const char *const names[] = {
		[JSON_OBJECT] = "an object", [JSON_ARRAY] = "an array",
		[JSON_STRING] = "a string",  [JSON_INTEGER] = "an integer",
		[JSON_REAL] = "a real",      [JSON_TRUE] = "true",
		[JSON_FALSE] = "false",      [JSON_NULL] = "null",
	};
	return names[json_typeof(v)];
}

int hm_option_number(const struct hm_number *n, const json_t *v, const char *path,
		     struct hm_error *err)
{
	json_int_t value;

	if (!json_is_integer(v))
		return hm_error_set(err, -EINVAL, HM_OPTION_INVALID,
				    "%s.%s must be an integer from %" PRId64 " to %" PRId64
				    ", not %s",
				    path, n->name, n->min, n->max, hm_option_type(v));
	value = json_integer_value(v);
	if (value < n->min || value > n->max)
		return hm_error_set(err, -ERANGE, HM_OPTION_INVALID,
				    "%s.%s must be from %" PRId64 " to %" PRId64
				    ", not %" JSON_INTEGER_FORMAT,
				    path, n->name, n->min, n->max, value);
	if (n->to)
		*n->to = (uint32_t)value;
	if (n->to_ns)
		*n->to_ns = (uint64_t)value * NS_A_S;
	return 0;
}

const struct hm_number *hm_option_find(const struct hm_number *n, const char *name)
{
	for (; n->name; n++)
		if (strcmp(n->name, name) == 0)
			return n;
	return NULL;
}

int hm_option_string(const char **to, size_t room, const json_t *v, const char *path,
		     const char *name, struct hm_error *err)
{
	if (!json_is_string(v))
		return hm_error_set(err, -EINVAL, HM_OPTION_INVALID,
				    "%s.%s must be a string, not %s", path, name,
				    hm_option_type(v));
	*to = json_string_value(v);
	if (strlen(*to) != json_string_length(v) || strlen(*to) >= room)
		return hm_error_set(err, -EINVAL, HM_OPTION_INVALID,
				    "%s.%s must be shorter than %zu bytes and have no zero byte",
				    path, name, room);
	return 0;
}

int hm_option_text(char *to, size_t room, const json_t *v, const char *path, const char *name,
		   struct hm_error *err)
{
	const char *text = NULL;
	int r = hm_option_string(&text, room, v, path, name, err);

	if (r == 0)
		strcpy(to, text);
	return r;
}

int hm_option_choice(const char *choices, const char *text)
{
	size_t n = strlen(text);
	int i = 0;

	for (const char *c = choices; c; c = strchr(c, '|'), c = c ? c + 1 : NULL, i++)
		if (n > 0 && strncmp(c, text, n) == 0 && (c[n] == '|' || c[n] == '\0'))
			return i;
	return -1;
}

int hm_option_unknown(const char *path, const char *name, const char *known, struct hm_error *err)
{
	return hm_error_set(err, -EINVAL, HM_OPTION_INVALID, "%s.%.64s is not known; known: %s",
			    path, name, known);
}

int hm_option_set(uint32_t *to, const char *choices, const json_t *v, const char *path,
		  const char *name, struct hm_error *err)
{
	const json_t *e;
	size_t i;

	if (!json_is_array(v))
		return hm_error_set(err, -EINVAL, HM_OPTION_INVALID,
				    "%s.%s must be an array, not %s", path, name,
				    hm_option_type(v));
	*to = 0;
	json_array_foreach ((json_t *)v, i, e) {
		int which =
			json_is_string(e) ? hm_option_choice(choices, json_string_value(e)) : -1;
		if (which < 0)
			return hm_error_set(err, -EINVAL, HM_OPTION_INVALID,
					    "%s.%s[%zu] must be one of %s", path, name, i, choices);
		*to |= 1u << which;
	}
	return 0;
}
