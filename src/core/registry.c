/* SPDX-License-Identifier: BSD-3-Clause */
/* registry: all packet functions of the program, by name. Filled before main() by the last line of
 * each file in src/functions/, never changed afterwards, so reading it needs no lock. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "core/function.h"

#define FUNCTIONS_MAX 256

static const struct hm_function *functions[FUNCTIONS_MAX]; // sorted by name
static unsigned n_functions;

/* The place of `name` in the sorted table, or where it would have to be put. */
static unsigned place_of(const char *name)
{
	unsigned low = 0, high = n_functions;

	while (low < high) {
		unsigned middle = (low + high) / 2;
		if (strcasecmp(functions[middle]->name, name) < 0)
			low = middle + 1;
		else
			high = middle;
	}
	return low;
}

// a function that cannot be registered is a mistake of ours: the program must not start with it
static void __attribute__((noreturn)) refuse(const struct hm_function *f, const char *why)
{
	fprintf(stderr, "homard: function %s cannot be registered: %s\n", f->name, why);
	abort();
}

/* What flows may share has nothing that is one flow's own, and results that can begin anywhere. */
static void check_shared(const struct hm_function *f)
{
	unsigned n = 0;

	if (!(f->flags & (HM_FN_STATELESS | HM_FN_SHARED_COUNTER)))
		return;
	if (f->poll || f->idle || f->closing || f->stats || f->pktring || f->ready || f->drain)
		refuse(f, "flows may share it, and it has something that is one flow's own");
	for (const struct hm_field *field = f->results; field && field->name; field++) {
		if (field->merge != HM_MERGE_IN &&
		    (field->merge != HM_MERGE_SUM || field->type != HM_FIELD_U64))
			refuse(f, "flows may share it, and a result is no 64-bit sum");
		if (++n > HM_SHARED_RESULTS_MAX)
			refuse(f, "flows may share it, and it has too many results");
	}
}

static void check(const struct hm_function *f)
{
	unsigned n = 0, n_options = 0;

	if (f->process && f->transform)
		refuse(f, "process and transform are set: it takes one");
	if (f->core_size > 0 && !f->process && !f->transform)
		refuse(f, "it has a core state and nothing that runs");
	check_shared(f);
	for (const struct hm_arg *a = f->args; a && a->name; a++) {
		if (++n > HM_ARGS_MAX)
			refuse(f, "it has more than HM_ARGS_MAX arguments");
		n_options += a->type == HM_ARG_OPTIONS;
	}
	if (n_options > 1)
		refuse(f, "it has more than one options argument");
}

void hm_function_register(const struct hm_function *f)
{
	unsigned at = place_of(f->name);

	check(f);
	if (at < n_functions && strcasecmp(functions[at]->name, f->name) == 0)
		refuse(f, "the name is taken");
	if (n_functions == FUNCTIONS_MAX)
		refuse(f, "there are too many functions");
	memmove(&functions[at + 1], &functions[at], (n_functions - at) * sizeof(*functions));
	functions[at] = f;
	n_functions++;
}

const struct hm_function *hm_function_find(const char *name)
{
	unsigned at = place_of(name);

	return at < n_functions && strcasecmp(functions[at]->name, name) == 0 ? functions[at]
									      : NULL;
}

const struct hm_function *hm_function_next(const struct hm_function *f)
{
	unsigned at = f ? place_of(f->name) + 1 : 0;

	return at < n_functions ? functions[at] : NULL;
}

static const char *arg_type_name(enum hm_arg_type type)
{
	switch (type) {
	case HM_ARG_STRING:
		return "string";
	case HM_ARG_INT:
		return "int";
	case HM_ARG_U64:
		return "uint64";
	case HM_ARG_OPTIONS:
		return "options";
	}
	return "";
}

static json_t *describe_arg(const struct hm_arg *a)
{
	json_t *o = json_pack("{s:s, s:s, s:b}", "name", a->name, "type", arg_type_name(a->type),
			      "optional", a->optional);

	if (a->type == HM_ARG_INT && (a->min != 0 || a->max != 0)) {
		json_object_set_new(o, "min", json_integer(a->min));
		json_object_set_new(o, "max", json_integer(a->max));
	}
	if (a->optional && (a->type == HM_ARG_INT || a->type == HM_ARG_U64))
		json_object_set_new(o, "default", json_integer(a->value_default));
	for (const char *const *name = a->names; name && *name; name++) {
		if (name == a->names)
			json_object_set_new(o, "names", json_array());
		json_array_append_new(json_object_get(o, "names"), json_string(*name));
	}
	if (a->help)
		json_object_set_new(o, "help", json_string(a->help));
	return o;
}

static json_t *describe_field(const struct hm_field *field)
{
	static const char *const types[] = {
		[HM_FIELD_U64] = "uint64",         [HM_FIELD_I64] = "int64",
		[HM_FIELD_U32] = "uint32",         [HM_FIELD_TIME_NS] = "time_ns",
		[HM_FIELD_BIG_U64] = "big_uint64",
	};
	static const char *const merges[] = {
		[HM_MERGE_SUM] = "sum",
		[HM_MERGE_MIN] = "min",
		[HM_MERGE_MAX] = "max",
		[HM_MERGE_IN] = "sum",
	};
	json_t *o = json_pack("{s:s, s:s, s:s}", "name", field->name, "type", types[field->type],
			      "merge", merges[field->merge]);

	if (field->unit)
		json_object_set_new(o, "unit", json_string(field->unit));
	if (field->help)
		json_object_set_new(o, "help", json_string(field->help));
	return o;
}

static json_t *describe_flags(const struct hm_function *f)
{
	static const struct {
		uint32_t flag;
		const char *name;
	} names[] = {
		{HM_FN_FILTERS, "filters"},
		{HM_FN_STATELESS, "stateless"},
		{HM_FN_ORDERED, "ordered"},
		{HM_FN_SHARED_COUNTER, "shared counter"},
	};
	json_t *flags = json_array();

	for (size_t i = 0; i < sizeof(names) / sizeof(*names); i++) {
		if (f->flags & names[i].flag)
			json_array_append_new(flags, json_string(names[i].name));
	}
	if (f->transform)
		json_array_append_new(flags, json_string("transforms"));
	return flags;
}

json_t *hm_function_describe(const struct hm_function *f)
{
	json_t *args = json_array(), *result = json_array();

	for (const struct hm_arg *a = f->args; a && a->name; a++)
		json_array_append_new(args, describe_arg(a));
	for (const struct hm_field *field = f->results; field && field->name; field++)
		json_array_append_new(result, describe_field(field));
	return json_pack("{s:s, s:s, s:o, s:o, s:o}", "name", f->name, "summary",
			 f->summary ? f->summary : "", "arguments", args, "result", result, "flags",
			 describe_flags(f));
}
