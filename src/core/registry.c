/* SPDX-License-Identifier: BSD-3-Clause */
#include "core/registry.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#define NAMES_MAX 256

static struct {
	const char *name; // the function's own, or an alias
	const struct hm_function *f;
	const char *library; // that was loaded; NULL: none
} names[NAMES_MAX];          // sorted
static unsigned n_names;

/* The library that is being loaded. */
static struct {
	const char *library; // NULL: none
	unsigned n;
	bool failed;
	struct hm_error err; // what was wrong first
} loading;

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

/* --- registering --- */

/* What was compiled with another layout may not even be looked at. */
static int check_abi(const struct hm_function_abi *theirs, struct hm_error *err)
{
	static const struct hm_function_abi ours = HM_FUNCTION_ABI;
	static const char *const structs[] = HM_FUNCTION_ABI_STRUCTS;

	if (theirs->number != ours.number)
		return hm_error_set(err, -ENOEXEC, 0,
				    "was built for version %u of the functions' ABI, this program "
				    "has version %u: build it with the headers of this program",
				    theirs->number, ours.number);
	for (size_t i = 0; i < sizeof(structs) / sizeof(*structs); i++)
		if (theirs->sizes[i] != ours.sizes[i])
			return hm_error_set(
				err, -ENOEXEC, 0,
				"was built with a struct %s of %u bytes, this program has "
				"one of %u: build it with the headers of this program",
				structs[i], theirs->sizes[i], ours.sizes[i]);
	return 0;
}

static int add_name(const struct hm_function *f, const char *name, const char *library,
		    struct hm_error *err)
{
	unsigned at = place_of(name);

	if (at < n_names && strcasecmp(names[at].name, name) == 0)
		return hm_error_set(err, -EEXIST, 0,
				    "function %s: library %s has a function of the name %s already",
				    f->name, hm_function_library(names[at].f), name);
	if (n_names == NAMES_MAX)
		return hm_error_set(err, -ENOSPC, 0, "function %s: there are %d names already",
				    f->name, NAMES_MAX);
	memmove(&names[at + 1], &names[at], (n_names - at) * sizeof(*names));
	names[at].name = name;
	names[at].f = f;
	names[at].library = library;
	n_names++;
	return 0;
}

static int add(const struct hm_function *f, const struct hm_function_abi *abi, struct hm_error *err)
{
	char text[HM_FAULT_MAX];
	const char *fault, *library = loading.library;
	int ret = check_abi(abi, err);

	if (ret < 0)
		return ret;
	fault = hm_function_fault(f, text);
	if (fault)
		return hm_error_set(err, -EINVAL, 0, "function %.40s: %s",
				    f->name ? f->name : "without name", fault);
	ret = add_name(f, f->name, library, err);
	for (const char *const *alias = f->aliases; alias && *alias && ret == 0; alias++)
		ret = add_name(f, *alias, library, err);
	return ret;
}

void hm_function_register(const struct hm_function *f, const struct hm_function_abi *abi)
{
	struct hm_error err;

	if (!loading.library) {
		if (add(f, abi, &err) == 0)
			return;
		// a mistake of ours: the program must not start with it
		fprintf(stderr, "homard: %s\n", err.text);
		abort();
	}
	loading.n++;
	if (!loading.failed)
		loading.failed = add(f, abi, &loading.err) < 0;
}

void hm_registry_begin(const char *library)
{
	loading.library = library;
	loading.n = 0;
	loading.failed = false;
}

static void forget(const char *library)
{
	unsigned n = 0;

	for (unsigned i = 0; i < n_names; i++)
		if (names[i].library != library)
			names[n++] = names[i];
	n_names = n;
}

int hm_registry_end(struct hm_error *err)
{
	const char *library = loading.library;

	loading.library = NULL;
	if (!loading.failed)
		return (int)loading.n;
	forget(library);
	*err = loading.err;
	return -EINVAL;
}

/* --- reading --- */

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

const char *hm_registry_loaded(const struct hm_function *f)
{
	return names[place_of(f->name)].library;
}

/* --- describing --- */

const char *hm_arg_type_name(enum hm_arg_type type)
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
	case HM_ARG_REFERENCES:
		return "functions";
	case HM_ARG_FUNCTION:
		return "function";
	case HM_ARG_TIME:
		return "time";
	case HM_ARG_OUTPUT:
		return "output";
	case HM_ARG_OPTIONS:
		return "options";
	}
	return NULL;
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
	json_t *o = json_pack("{s:s, s:s, s:b}", "name", a->name, "type", hm_arg_type_name(a->type),
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
	if (a->secret)
		json_object_set_new(o, "secret", json_true());
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
	if (field->sequence)
		json_object_set_new(o, "sequence", json_true());
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
		{HM_FN_HOLDS, "holds"},
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
	description = json_pack("{s:s, s:s, s:s, s:o, s:o, s:o}", "name", f->name, "library",
				hm_function_library(f), "summary", f->summary ? f->summary : "",
				"arguments", args, "result", describe_fields(f->results), "flags",
				describe_flags(f));
	if (f->records)
		json_object_set_new(description, "records", describe_fields(f->records));
	if (f->aliases)
		json_object_set_new(description, "aliases", describe_names(f->aliases));
	return description;
}
