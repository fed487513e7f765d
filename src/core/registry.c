/* SPDX-License-Identifier: BSD-3-Clause */
/* registry: all packet functions of the program, by name. Filled before main() by the last line of
 * each file in src/functions/, never changed afterwards, so reading it needs no lock. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "core/function.h"

#define NAMES_MAX 256

static struct {
	const char *name; // the function's own, or an alias
	const struct hm_function *f;
} names[NAMES_MAX]; // sorted
static unsigned n_names;

/* The place of `name` in the sorted table, or where it would have to be put. */
static unsigned place_of(const char *name)
{
	unsigned low = 0, high = n_names;

	while (low < high) {
		unsigned middle = (low + high) / 2;
		if (strcasecmp(names[middle].name, name) < 0)
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
	if (f->poll || f->idle || f->closing || f->stats || f->pktring || f->outbox || f->ready ||
	    f->drain)
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
	unsigned n = 0, n_options = 0, n_outputs = 0;

	if (f->process && f->transform)
		refuse(f, "process and transform are set: it takes one");
	if (f->core_size > 0 && !f->process && !f->transform)
		refuse(f, "it has a core state and nothing that runs");
	if (!f->outbox != !f->record || (f->taken && !f->outbox))
		refuse(f, "outbox and record go together, and taken with them");
	if (f->any_order && !(f->flags & HM_FN_ORDERED))
		refuse(f, "any_order is for ordered functions");
	check_shared(f);
	for (const struct hm_arg *a = f->args; a && a->name; a++) {
		if (++n > HM_ARGS_MAX)
			refuse(f, "it has more than HM_ARGS_MAX arguments");
		n_options += a->type == HM_ARG_OPTIONS;
		n_outputs += a->type == HM_ARG_OUTPUT;
	}
	if (n_options > 1)
		refuse(f, "it has more than one options argument");
	if (n_outputs > 1)
		refuse(f, "it has more than one output argument");
}

static void add_name(const struct hm_function *f, const char *name)
{
	unsigned at = place_of(name);

	if (at < n_names && strcasecmp(names[at].name, name) == 0)
		refuse(f, "a name is taken");
	if (n_names == NAMES_MAX)
		refuse(f, "there are too many functions");
	memmove(&names[at + 1], &names[at], (n_names - at) * sizeof(*names));
	names[at].name = name;
	names[at].f = f;
	n_names++;
}

void hm_function_register(const struct hm_function *f)
{
	check(f);
	add_name(f, f->name);
	for (const char *const *alias = f->aliases; alias && *alias; alias++)
		add_name(f, *alias);
}

const struct hm_function *hm_function_find(const char *name)
{
	unsigned at = place_of(name);

	return at < n_names && strcasecmp(names[at].name, name) == 0 ? names[at].f : NULL;
}

const struct hm_function *hm_function_next(const struct hm_function *f)
{
	unsigned at = f ? place_of(f->name) + 1 : 0;

	while (at < n_names && names[at].name != names[at].f->name)
		at++; // an alias: its function has its place elsewhere
	return at < n_names ? names[at].f : NULL;
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
	case HM_ARG_FLOW:
		return "flow";
	case HM_ARG_FLOWS:
		return "flows";
	case HM_ARG_FUNCTION:
		return "function";
	case HM_ARG_TIME:
		return "time";
	case HM_ARG_OUTPUT:
		return "output";
	case HM_ARG_OPTIONS:
		return "options";
	}
	return "";
}

/* An array of the names in a list that ends with NULL. */
static json_t *describe_names(const char *const *list)
{
	json_t *array = json_array();

	for (; *list; list++)
		json_array_append_new(array, json_string(*list));
	return array;
}

static json_t *describe_arg(const struct hm_arg *a)
{
	json_t *o = json_pack("{s:s, s:s, s:b}", "name", a->name, "type", arg_type_name(a->type),
			      "optional", a->optional);
	char letter = (char)(a->type == HM_ARG_TIME ? HM_ARG_STRING : a->type); // MAPI's

	if (a->type != HM_ARG_OPTIONS)
		json_object_set_new(o, "mapi", json_stringn(&letter, 1));
	if (a->type == HM_ARG_INT && (a->min != 0 || a->max != 0)) {
		json_object_set_new(o, "min", json_integer(a->min));
		json_object_set_new(o, "max", json_integer(a->max));
	}
	if (a->optional && (a->type == HM_ARG_INT || a->type == HM_ARG_U64))
		json_object_set_new(o, "default", json_integer(a->value_default));
	if (a->names)
		json_object_set_new(o, "names", describe_names(a->names));
	if (a->help)
		json_object_set_new(o, "help", json_string(a->help));
	return o;
}

/* What it is in C if the table says nothing. */
static enum hm_c_type usual_c_type(enum hm_field_type type)
{
	switch (type) {
	case HM_FIELD_U64:
	case HM_FIELD_TIME_NS:
	case HM_FIELD_BIG_U64:
		return HM_C_ULONG_LONG;
	case HM_FIELD_I64:
		return HM_C_LONG_LONG;
	case HM_FIELD_U32:
		return HM_C_UINT;
	case HM_FIELD_REAL:
		return HM_C_DOUBLE;
	case HM_FIELD_OBJECT:
		return HM_C_STRUCT;
	case HM_FIELD_ARRAY:
		return HM_C_ARRAY;
	case HM_FIELD_BIG_DECIMAL:
	case HM_FIELD_TEXT:
		break;
	}
	return HM_C_NONE;
}

static json_t *describe_fields(const struct hm_field *fields);

static json_t *describe_field(const struct hm_field *field)
{
	static const char *const types[] = {
		[HM_FIELD_U64] = "uint64",         [HM_FIELD_I64] = "int64",
		[HM_FIELD_U32] = "uint32",         [HM_FIELD_TIME_NS] = "time_ns",
		[HM_FIELD_BIG_U64] = "big_uint64", [HM_FIELD_BIG_DECIMAL] = "big_decimal",
		[HM_FIELD_REAL] = "real",          [HM_FIELD_TEXT] = "text",
		[HM_FIELD_OBJECT] = "object",      [HM_FIELD_ARRAY] = "array",
	};
	static const char *const merges[] = {
		[HM_MERGE_SUM] = "sum", [HM_MERGE_MIN] = "min",   [HM_MERGE_MAX] = "max",
		[HM_MERGE_IN] = "sum",  [HM_MERGE_TOLD] = "told",
	};
	char c = (char)(field->c ? field->c : usual_c_type(field->type));
	json_t *o = json_pack("{s:s, s:s, s:s}", "name", field->name, "type", types[field->type],
			      "merge", merges[field->merge]);

	if (field->unit)
		json_object_set_new(o, "unit", json_string(field->unit));
	if (field->help)
		json_object_set_new(o, "help", json_string(field->help));
	if (c != HM_C_NONE)
		json_object_set_new(o, "c", json_stringn(&c, 1));
	if (field->count)
		json_object_set_new(o, "count", json_integer(field->count));
	if (field->of)
		json_object_set_new(o, "of", describe_fields(field->of));
	return o;
}

static json_t *describe_fields(const struct hm_field *fields)
{
	json_t *list = json_array();

	for (const struct hm_field *field = fields; field && field->name; field++)
		json_array_append_new(list, describe_field(field));
	return list;
}

static json_t *describe_flags(const struct hm_function *f)
{
	static const struct {
		uint32_t flag;
		const char *name;
	} flag_names[] = {
		{HM_FN_FILTERS, "filters"}, {HM_FN_STATELESS, "stateless"},
		{HM_FN_ORDERED, "ordered"}, {HM_FN_SHARED_COUNTER, "shared counter"},
		{HM_FN_EXPORTS, "exports"}, {HM_FN_WRITES, "writes"},
	};
	json_t *flags = json_array();

	for (size_t i = 0; i < sizeof(flag_names) / sizeof(*flag_names); i++) {
		if (f->flags & flag_names[i].flag)
			json_array_append_new(flags, json_string(flag_names[i].name));
	}
	if (f->transform)
		json_array_append_new(flags, json_string("transforms"));
	if (f->outbox)
		json_array_append_new(flags, json_string("hands out records"));
	return flags;
}

json_t *hm_function_describe(const struct hm_function *f)
{
	json_t *args = json_array(), *description;

	for (const struct hm_arg *a = f->args; a && a->name; a++)
		json_array_append_new(args, describe_arg(a));
	description = json_pack("{s:s, s:s, s:o, s:o, s:o}", "name", f->name, "summary",
				f->summary ? f->summary : "", "arguments", args, "result",
				describe_fields(f->results), "flags", describe_flags(f));
	json_object_set_new(description, "library", json_string(hm_function_library(f)));
	if (f->records)
		json_object_set_new(description, "records", describe_fields(f->records));
	if (f->aliases)
		json_object_set_new(description, "aliases", describe_names(f->aliases));
	return description;
}
