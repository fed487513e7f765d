/* SPDX-License-Identifier: BSD-3-Clause */
/* args: from the JSON array of a request or the configuration to the arguments of a function.
 * Positions are counted from 1, as MAPI's error numbers 7001, 7002 ... count them. */
#include <errno.h>
#include <inttypes.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "core/registry.h"

#define MFUNCT_INVALID_ARGUMENT   7000
#define MFUNCT_INVALID_ARGUMENT_5 7005
#define MFUNCT_INVALID_ARGUMENT_6 7011 // there is none for later arguments
#define MAPI_ERROR_FILE           6155

struct place {
	const struct hm_function *f;
	const struct hm_arg *arg;
	unsigned position;
	struct hm_error *err;
};

static int mapi_errno_of(unsigned position)
{
	int number = MFUNCT_INVALID_ARGUMENT + (int)position;

	if (position == 6)
		return MFUNCT_INVALID_ARGUMENT_6;
	return number <= MFUNCT_INVALID_ARGUMENT_5 ? number : MFUNCT_INVALID_ARGUMENT;
}

/* Whatever is wrong with a file has one number, whichever argument it is. */
static int number_of(const struct place *p)
{
	if (p->arg->mapi_errno)
		return p->arg->mapi_errno;
	return p->arg->type == HM_ARG_OUTPUT ? MAPI_ERROR_FILE : mapi_errno_of(p->position);
}

static int __attribute__((format(printf, 2, 3))) refuse(const struct place *p, const char *why, ...)
{
	char sentence[HM_ERROR_MAX];
	va_list ap;

	va_start(ap, why);
	vsnprintf(sentence, sizeof(sentence), why, ap);
	va_end(ap);
	return hm_error_set(p->err, -EINVAL, number_of(p), "%s: argument %u (%s) %s", p->f->name,
			    p->position, p->arg->name, sentence);
}

static const char *json_type_name(const json_t *v)
{
	static const char *const names[] = {
		[JSON_OBJECT] = "an object", [JSON_ARRAY] = "an array",
		[JSON_STRING] = "a string",  [JSON_INTEGER] = "an integer",
		[JSON_REAL] = "a real",      [JSON_TRUE] = "true",
		[JSON_FALSE] = "false",      [JSON_NULL] = "null",
	};

	return names[json_typeof(v)];
}

static int parse_string(const struct place *p, const json_t *v, union hm_value *value)
{
	if (!json_is_string(v))
		return refuse(p, "must be a string, not %s", json_type_name(v));
	if (strlen(json_string_value(v)) != json_string_length(v))
		return refuse(p, "contains a zero byte");
	value->s = json_string_value(v);
	return 0;
}

/* Whether `v` is a string of nothing but decimal digits, with a sign before them if that is
 * allowed. */
static bool is_decimal(const json_t *v, bool sign)
{
	const char *s = json_string_value(v);
	const char *digits = s && sign && (*s == '-' || *s == '+') ? s + 1 : s;

	return s && strlen(s) == json_string_length(v) && *digits != '\0' &&
	       digits[strspn(digits, "0123456789")] == '\0';
}

/* Whether `v` is one of the argument's names, which stand for min, min + 1 ... */
static bool is_name(const struct hm_arg *arg, const json_t *v, int64_t *value)
{
	const char *s = json_string_value(v);

	for (int64_t i = 0; s && arg->names && arg->names[i]; i++) {
		*value = arg->min + i;
		if (strlen(s) == json_string_length(v) && strcasecmp(s, arg->names[i]) == 0)
			return true;
	}
	return false;
}

static int parse_int(const struct place *p, const json_t *v, union hm_value *value)
{
	bool any = p->arg->min == 0 && p->arg->max == 0;
	int64_t min = any ? INT_MIN : p->arg->min, max = any ? INT_MAX : p->arg->max;

	if (is_name(p->arg, v, &value->i))
		return 0;
	errno = 0;
	if (json_is_integer(v))
		value->i = json_integer_value(v);
	else if (is_decimal(v, true))
		value->i = strtoll(json_string_value(v), NULL, 10);
	else
		return refuse(p, "must be an integer between %" PRId64 " and %" PRId64 "%s", min,
			      max, p->arg->names ? ", or its name" : "");
	if (errno == ERANGE || value->i < min || value->i > max)
		return refuse(p, "must be between %" PRId64 " and %" PRId64, min, max);
	return 0;
}

static int parse_u64(const struct place *p, const json_t *v, union hm_value *value)
{
	errno = 0;
	if (json_is_integer(v) && json_integer_value(v) >= 0)
		value->u = (uint64_t)json_integer_value(v);
	else if (is_decimal(v, false))
		value->u = strtoull(json_string_value(v), NULL, 10);
	else
		return refuse(p, "must be an integer between 0 and %" PRIu64, UINT64_MAX);
	if (errno == ERANGE)
		return refuse(p, "must be between 0 and %" PRIu64, UINT64_MAX);
	return 0;
}

/* By number, in digits too, or by name. */
static int parse_flow(const struct place *p, const json_t *v, union hm_value *value)
{
	const char *s = json_string_value(v);

	value->flow = (struct hm_flow_name){.name = s};
	errno = 0;
	if (json_is_integer(v)) {
		value->flow.number = json_integer_value(v);
	} else if (is_decimal(v, true)) {
		value->flow = (struct hm_flow_name){.number = strtoll(s, NULL, 10)};
	} else if (!s || !*s || strlen(s) != json_string_length(v)) {
		return refuse(p, "must be the number or the name of a flow");
	}
	return errno == ERANGE ? refuse(p, "must be the number or the name of a flow") : 0;
}

/* An integer is the same as a string of its digits. */
static int parse_time(const struct place *p, const json_t *v, union hm_value *value)
{
	const char *s = json_string_value(v);
	char digits[24];

	if (json_is_integer(v)) {
		snprintf(digits, sizeof(digits), "%" JSON_INTEGER_FORMAT, json_integer_value(v));
		s = digits;
	} else if (!s || strlen(s) != json_string_length(v)) {
		s = ""; // is none
	}
	if (!hm_timespan_parse(s, &value->time))
		return refuse(p,
			      "must be a time such as \"1.5s\" or \"10us\", or a number from 0 on");
	return 0;
}

/* `v` is NULL or JSON's null when the argument was left out. */
static int parse_one(const struct place *p, const json_t *v, union hm_value *value)
{
	bool missing = !v || json_is_null(v);

	if (missing && !p->arg->optional)
		return refuse(p, "is missing");
	switch (p->arg->type) {
	case HM_ARG_STRING:
	case HM_ARG_FLOWS:
	case HM_ARG_REFERENCES:
	case HM_ARG_OUTPUT:
		value->s = NULL;
		return missing ? 0 : parse_string(p, v, value);
	case HM_ARG_FLOW:
		value->flow = (struct hm_flow_name){0};
		return missing ? 0 : parse_flow(p, v, value);
	case HM_ARG_INT:
	case HM_ARG_FUNCTION:
		value->i = p->arg->value_default;
		return missing ? 0 : parse_int(p, v, value);
	case HM_ARG_U64:
		value->u = (uint64_t)p->arg->value_default;
		return missing ? 0 : parse_u64(p, v, value);
	case HM_ARG_TIME:
		value->time = (struct hm_timespan){0};
		return missing ? 0 : parse_time(p, v, value);
	case HM_ARG_OPTIONS:
		value->options = missing ? NULL : v;
		return 0;
	}
	return refuse(p, "has a type that nobody knows");
}

/* The options object may stand anywhere; `*options` gets it. Returns how many others there are. */
static int find_options(const struct hm_function *f, const json_t *args, const json_t **options,
			struct hm_error *err)
{
	size_t n = json_array_size(args);
	unsigned n_others = 0, n_wanted = 0, wants_options = 0;

	*options = NULL;
	for (const struct hm_arg *a = f->args; a && a->name; a++) {
		wants_options += a->type == HM_ARG_OPTIONS;
		n_wanted += a->type != HM_ARG_OPTIONS;
	}
	for (size_t i = 0; i < n; i++) {
		const json_t *v = json_array_get(args, i);
		if (!json_is_object(v) || !wants_options) {
			n_others++;
			continue;
		}
		if (*options)
			return hm_error_set(err, -EINVAL, mapi_errno_of((unsigned)i + 1),
					    "%s: argument %zu is a second object of options",
					    f->name, i + 1);
		*options = v;
	}
	if (n_others > n_wanted)
		return hm_error_set(err, -EINVAL, mapi_errno_of(n_wanted + 1),
				    "%s takes at most %u argument%s, %u given", f->name, n_wanted,
				    n_wanted == 1 ? "" : "s", n_others);
	return 0;
}

int hm_args_parse(const struct hm_function *f, const json_t *args, union hm_value *values,
		  struct hm_error *err)
{
	struct place p = {.f = f, .err = err};
	const json_t *options;
	size_t next = 0;
	int rc;

	if (args && !json_is_array(args))
		return hm_error_set(err, -EINVAL, MFUNCT_INVALID_ARGUMENT,
				    "%s: arguments must be an array, not %s", f->name,
				    json_type_name(args));
	rc = find_options(f, args, &options, err);
	for (p.arg = f->args; rc == 0 && p.arg && p.arg->name; p.arg++) {
		const json_t *v = options;

		p.position++;
		if (p.arg->type != HM_ARG_OPTIONS) {
			if (options && json_array_get(args, next) == options)
				next++;
			v = json_array_get(args, next++);
		}
		rc = parse_one(&p, v, &values[p.position - 1]);
	}
	return rc;
}

json_t *hm_args_shown(const struct hm_function *f, const json_t *args)
{
	const struct hm_arg *a = f->args;
	json_t *shown = json_array();

	for (size_t i = 0; i < json_array_size(args); i++) {
		json_t *v = json_array_get(args, i);
		bool is_options = json_is_object(v); // may stand anywhere

		while (!is_options && a && a->name && a->type == HM_ARG_OPTIONS)
			a++;
		if (is_options || !a || !a->name || !a->secret || json_is_null(v))
			json_array_append_new(shown, json_deep_copy(v));
		else
			json_array_append_new(shown, json_string("***"));
		if (!is_options && a && a->name)
			a++;
	}
	return shown;
}

static const struct hm_option *find_option(const struct hm_option *table, const char *name)
{
	while (table->name && strcmp(table->name, name) != 0)
		table++;
	return table->name ? table : NULL;
}

static int refuse_option(const char *function, const struct hm_option *table, const char *name,
			 int mapi_errno, struct hm_error *err)
{
	char names[HM_ERROR_MAX / 2] = "";

	for (const struct hm_option *o = table; o->name; o++) {
		size_t n = strlen(names);

		snprintf(names + n, sizeof(names) - n, "%s%s", o == table ? "" : ", ", o->name);
	}
	return hm_error_set(err, -EINVAL, mapi_errno, "%s: no option \"%s\"; there is %s", function,
			    name, names);
}

int hm_options_parse(const char *function, const struct hm_option *table, const json_t *options,
		     void *to, int mapi_errno, struct hm_error *err)
{
	const char *key;
	json_t *value;

	for (const struct hm_option *o = table; o->name; o++)
		*(uint32_t *)((char *)to + o->offset) = o->value_default;
	json_object_foreach ((json_t *)(uintptr_t)options, key, value) {
		const struct hm_option *o = find_option(table, key);
		json_int_t n = json_integer_value(value);

		if (!o)
			return refuse_option(function, table, key, mapi_errno, err);
		if (!json_is_integer(value) || n < o->min || n > o->max)
			return hm_error_set(err, -EINVAL, mapi_errno,
					    "%s: option \"%s\" must be an integer between %" PRIu32
					    " and %" PRIu32,
					    function, key, o->min, o->max);
		*(uint32_t *)((char *)to + o->offset) = (uint32_t)n;
	}
	return 0;
}

json_t *hm_json_u64(uint64_t value)
{
	char text[24];

	snprintf(text, sizeof(text), "%" PRIu64, value);
	return json_string(text);
}
