/* SPDX-License-Identifier: BSD-3-Clause */
/* registry: all packet functions that there are, by name, and what is said about them. Filled before main() by the
 * last line of each file in src/functions/, and by libraries (load_library.h) while the configuration is read; never
 * changed afterwards, so that reading it needs no lock.
 */
#pragma once

#include "core/function.h"

/* The function that has that name, or alias, letters in any case; NULL if there is none. */
const struct hm_function *hm_function_find(const char *name);

/* All functions, sorted by name; next(NULL) is the first, NULL ends. */
const struct hm_function *hm_function_next(const struct hm_function *f);

/* The name of the library that has it: of one that was loaded, or that of MAPI; "homard" for what MAPI had not.
 * libraries.c, as the next. */
const char *hm_function_library(const struct hm_function *f);
/* [{"library": 0, "name":..., "functions": [names in the library's order]}...], those that have any. */
json_t *hm_function_libraries(void);

/* Whether it writes to a file or folder that a client may pass with flow.apply. */
static inline bool hm_function_has_output(const struct hm_function *f)
{
	const struct hm_arg *a = f->args;

	while (a && a->name && a->type != HM_ARG_OUTPUT)
		a++;
	return a && a->name;
}

/* Checks and converts a JSON array against f->args. Strings given for numbers are read as decimal
 * numbers (MAPI's apply_function_array). Errors are 7000 + argument number and name argument and
 * range. `values` point into `args`. */
int hm_args_parse(const struct hm_function *f, const json_t *args, union hm_value *values,
		  struct hm_error *err);

/* The arguments as they may be shown to anybody: "***" in the place of secret ones. The caller's. */
json_t *hm_args_shown(const struct hm_function *f, const json_t *args);

/* {"name":..., "aliases":[...], "library":..., "summary":..., "arguments":[...], "result":[...], "flags":[...]} for
 * function.list; aliases only if there are any. */
json_t *hm_function_describe(const struct hm_function *f);

/* As descriptions call it; NULL: there is no such type. */
const char *hm_arg_type_name(enum hm_arg_type type);

/* --- for load_library.c and libraries.c --- */

/* Until hm_registry_end() functions that register are the library's, whose name must stay. */
void hm_registry_begin(const char *library);
/* How many did, all of them good; or negative errno with err, which says what is wrong with one of them: then it
 * is as if none had registered. */
int hm_registry_end(struct hm_error *err);

/* The name of the library that it was loaded with; NULL: none, it is the program's own. */
const char *hm_registry_loaded(const struct hm_function *f);

/* What is wrong with a function by itself; NULL: nothing. `text` is for the answer. function_check.c. */
#define HM_FAULT_MAX 160
const char *hm_function_fault(const struct hm_function *f, char text[HM_FAULT_MAX]);
