/* SPDX-License-Identifier: BSD-3-Clause */
/* What is wrong with a function by itself. The tables that it consists of are written by people; an end that was
 * forgotten shows by what lies behind it: too many rows, or one that is none. */
#include <ctype.h>
#include <stdio.h>
#include <string.h>

#include "core/registry.h"

#define NAME_BYTES_MAX  40
#define ALIASES_MAX     16
#define ANY_NAMES_MAX   256 // of an argument without range
#define RESULTS_MAX     128 // in all levels together
#define RESULT_DEPTH    4
#define STATE_BYTES_MAX (UINT32_C(64) << 20) // of a worker's state: more is allocated in core_init

static bool is_name(const char *name)
{
	size_t n = 0;

	if (!name || !isalpha((unsigned char)name[0]))
		return false;
	while (n <= NAME_BYTES_MAX && (isalnum((unsigned char)name[n]) || name[n] == '_'))
		n++;
	return n <= NAME_BYTES_MAX && !name[n];
}

static const char *names_fault(const struct hm_function *f)
{
	unsigned n = 0;

	for (const char *const *alias = f->aliases; alias && *alias; alias++) {
		if (++n > ALIASES_MAX)
			return "it has more than 16 aliases, or no NULL at their end";
		if (!is_name(*alias))
			return "an alias is no name";
	}
	return NULL;
}

/* What flows may share has nothing that is one flow's own, and results that can begin anywhere. */
static const char *shared_fault(const struct hm_function *f)
{
	unsigned n = 0;

	if (!(f->flags & (HM_FN_STATELESS | HM_FN_SHARED_COUNTER)))
		return NULL;
	if (f->poll || f->idle || f->closing || f->stats || f->pktring || f->outbox || f->ready ||
	    f->drain)
		return "flows may share it, and it has something that is one flow's own";
	for (const struct hm_field *field = f->results; field && field->name; field++) {
		if (field->merge != HM_MERGE_IN &&
		    (field->merge != HM_MERGE_SUM || field->type != HM_FIELD_U64))
			return "flows may share it, and a result is no 64-bit sum";
		if (++n > HM_SHARED_RESULTS_MAX)
			return "flows may share it, and it has too many results";
	}
	return NULL;
}

static const char *arg_fault(const struct hm_arg *a, unsigned number, char *text)
{
	// both 0: any int
	int64_t n_names = 0, names_max = a->min || a->max ? a->max - a->min + 1 : ANY_NAMES_MAX;

	if (!hm_arg_type_name(a->type)) {
		snprintf(
			text, HM_FAULT_MAX,
			"argument %u has no type that there is, or its table has no {0} at its end",
			number);
		return text;
	}
	if (a->secret && a->type != HM_ARG_STRING) {
		snprintf(text, HM_FAULT_MAX, "argument %u (%.40s): only a string can be secret",
			 number, a->name);
		return text;
	}
	if (a->min > a->max) {
		snprintf(text, HM_FAULT_MAX, "argument %u (%.40s): min is more than max", number,
			 a->name);
		return text;
	}
	for (const char *const *name = a->names; name && *name; name++)
		if (++n_names > names_max) {
			snprintf(text, HM_FAULT_MAX,
				 "argument %u (%.40s): more names than numbers, or no NULL at "
				 "their end",
				 number, a->name);
			return text;
		}
	return NULL;
}

static const char *args_fault(const struct hm_function *f, char *text)
{
	unsigned n = 0, n_options = 0, n_outputs = 0;
	const char *fault = NULL;

	for (const struct hm_arg *a = f->args; a && a->name && !fault; a++) {
		if (++n > HM_ARGS_MAX)
			return "it has more than 10 arguments, or no {0} at the end of their table";
		n_options += a->type == HM_ARG_OPTIONS;
		n_outputs += a->type == HM_ARG_OUTPUT;
		fault = arg_fault(a, n, text);
	}
	if (n_options > 1)
		return "it has more than one options argument";
	if (n_outputs > 1)
		return "it has more than one output argument";
	return fault;
}

static const char *state_fault(const struct hm_function *f, char *text)
{
	bool runs = f->process || f->transform;

	if (f->process && f->transform)
		return "process and transform are set: it takes one";
	if (f->core_size > 0 && !runs)
		return "it has a core state and nothing that runs";
	if (f->more && !f->transform)
		return "more is for transforms";
	if ((f->tick || f->ready || f->drain) && !runs)
		return "it has tick, ready or drain and nothing that runs";
	if (f->core_size == 0 && (f->core_init || f->core_fini))
		return "it has core_init or core_fini and no core_size";
	if (f->core_size > STATE_BYTES_MAX || f->conf_size > STATE_BYTES_MAX) {
		snprintf(text, HM_FAULT_MAX,
			 "core_size is %zu, conf_size %zu: 64 MiB is the most; what may grow is "
			 "allocated in core_init or conf_init",
			 f->core_size, f->conf_size);
		return text;
	}
	if (!f->outbox != !f->record || (f->taken && !f->outbox))
		return "outbox and record go together, and taken with them";
	if (f->any_order && !(f->flags & HM_FN_ORDERED))
		return "any_order is for ordered functions";
	if (f->by_pair && !(f->flags & HM_FN_ORDERED))
		return "by_pair is for ordered functions";
	return NULL;
}

static size_t bytes_of(enum hm_field_type type)
{
	switch (type) {
	case HM_FIELD_U32:
		return sizeof(uint32_t);
	case HM_FIELD_U64:
	case HM_FIELD_I64:
	case HM_FIELD_TIME_NS:
	case HM_FIELD_BIG_U64:
		return sizeof(uint64_t);
	case HM_FIELD_BIG_DECIMAL:
	case HM_FIELD_REAL:
	case HM_FIELD_TEXT:
	case HM_FIELD_OBJECT:
	case HM_FIELD_ARRAY:
		break;
	}
	return 0; // only told
}

static const char *field_fault(const struct hm_function *f, const struct hm_field *field)
{
	size_t size = bytes_of(field->type);

	if ((unsigned)field->type > HM_FIELD_ARRAY || (unsigned)field->merge > HM_MERGE_TOLD)
		return "has no type or merge that there is, or its table has no {0} at its end";
	if (field->merge == HM_MERGE_TOLD)
		return f->stats || f->record ? NULL : "is told by stats(), and there is none";
	if (field->merge == HM_MERGE_IN)
		return NULL;
	if (!size)
		return "has a type that only stats() can tell";
	if (field->offset % size != 0 || field->offset > f->core_size ||
	    f->core_size - field->offset < size)
		return "does not lie in the core state";
	return NULL;
}

static const char *fields_fault(const struct hm_function *f, const struct hm_field *fields,
				unsigned depth, unsigned *n, char *text)
{
	const char *fault = NULL;

	if (fields && depth == RESULT_DEPTH)
		return "its results are nested deeper than 4 levels";
	for (const struct hm_field *field = fields; field && field->name && !fault; field++) {
		if (++*n > RESULTS_MAX)
			return "it has more than 128 results, or no {0} at the end of their table";
		fault = field_fault(f, field);
		if (fault) {
			snprintf(text, HM_FAULT_MAX, "result %u %s", *n, fault);
			return text;
		}
		fault = fields_fault(f, field->of, depth + 1, n, text);
	}
	return fault;
}

static const char *results_fault(const struct hm_function *f, char *text)
{
	unsigned n = 0;

	return fields_fault(f, f->results, 0, &n, text);
}

const char *hm_function_fault(const struct hm_function *f, char text[HM_FAULT_MAX])
{
	const char *fault;

	if (!is_name(f->name))
		return "its name is not a letter, then letters, digits and underscores, 40 at most";
	if (f->flags & ~(uint32_t)HM_FN_ALL) {
		snprintf(text, HM_FAULT_MAX, "flags has 0x%x, which is no flag that there is",
			 (unsigned)(f->flags & ~(uint32_t)HM_FN_ALL));
		return text;
	}
	fault = names_fault(f);
	fault = fault ? fault : state_fault(f, text);
	fault = fault ? fault : args_fault(f, text);
	fault = fault ? fault : results_fault(f, text);
	return fault ? fault : shared_fault(f);
}
