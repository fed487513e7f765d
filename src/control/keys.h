/* SPDX-License-Identifier: BSD-3-Clause */
/* keys: a table of the keys that a JSON object may have. The configuration and the parameters of
 * every method are such tables; checking, filling a structure, the JSON schema and the reference in
 * docs/ all come from the same rows, so that they cannot disagree.
 *
 * Checking never stops at the first mistake. A mistake is one line, "FILE: PATH: what is wrong;
 * what would have been right", in a list that is cut at HM_MISTAKES_MAX.
 */
#pragma once

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include "core/config.h"

#define HM_MISTAKES_MAX 100

struct hm_mistakes {
	const char *file; // put before each line; NULL: nothing (not kept beyond the check)
	struct hm_strings lines;
	size_t more; // mistakes beyond HM_MISTAKES_MAX, only counted
	/* Loads a library of the configuration, before its functions are looked for; NULL: they are there. */
	void (*load_library)(const char *library, const char *path, struct hm_mistakes *m);
	/* Checks one ["FUNCTION", argument ...] more closely; NULL: any function will do. */
	void (*check_function)(const json_t *call, const char *path, struct hm_mistakes *m);
};

enum hm_key_type {
	HM_KEY_STRING,  // char *; min and max are its length, pattern its form
	HM_KEY_INT,     // uint32_t; min and max are its range
	HM_KEY_FLAG,    // bool
	HM_KEY_CHOICE,  // one of choices, stored as int: number in the list + min
	HM_KEY_CHOICES, // array of choices, stored as uint32_t set of 1 << number in the list
	HM_KEY_STRINGS, // array of strings, stored as struct hm_strings; max is their number
	HM_KEY_SHARE,   // double; more than 0, at most 1
	HM_KEY_OBJECT,  // of `keys`, at most max of them (0: all); stored in place
	HM_KEY_OBJECTS, // array of objects of `keys`, min to max of them
	HM_KEY_CALLS,   // array of ["FUNCTION", argument ...], min to max of them
	HM_KEY_WHICH,   // a name or a number (flow, function, device)
	HM_KEY_ARGS,    // array of a function's arguments
};

struct hm_key {
	const char *name; // NULL ends a table
	enum hm_key_type type;
	bool required;
	bool stored; // hm_keys_fill() puts it at `offset`
	int64_t min, max;
	const char *fallback; // default, as JSON; NULL: none
	const char *choices;  // "poll|adaptive"
	const char *pattern;  // POSIX extended expression
	const char *shape;    // the same in words
	const struct hm_key *keys;
	size_t offset;
	const char *help; // one line
};

/* In a row: .HM_KEY_AT(struct hm_device_config, burst) */
#define HM_KEY_AT(type, field) stored = true, .offset = offsetof(type, field)

/* The pattern that names of devices and flows share: never a number, nothing that a DiMAPI scope
 * ("host:device, host:device") or a shell needs. */
#define HM_NAME_PATTERN "^[A-Za-z_/][A-Za-z0-9_./-]*$"
#define HM_NAME_SHAPE                                                                          \
	"a letter, \"_\" or \"/\" and then letters, digits, \"_\", \".\", \"/\" or \"-\", at " \
	"most 63"
#define HM_NAME_MAX 63

/* Notes a mistake at the JSON path (may be ""). */
void hm_mistake(struct hm_mistakes *m, const char *path, const char *format, ...)
	__attribute__((format(printf, 3, 4)));
void hm_mistakes_free(struct hm_mistakes *m);

/* Checks `object` against the table, noting each mistake; `path` is "" at the top. */
void hm_keys_check(const struct hm_key *keys, const json_t *object, const char *path,
		   struct hm_mistakes *m);
/* Stores a checked object, defaults for what is missing. -ENOMEM or 0; frees nothing. */
int hm_keys_fill(const struct hm_key *keys, const json_t *object, void *to);
/* Frees what hm_keys_fill() stored. */
void hm_keys_free(const struct hm_key *keys, void *from);
/* Position of `text` in "a|b|c", -1 if it is not there. */
int hm_key_choice(const char *choices, const char *text);

/* The table as JSON schema (draft 2020-12), and as rows of a Markdown table. */
json_t *hm_keys_schema(const struct hm_key *keys);
void hm_keys_markdown(const struct hm_key *keys, FILE *out);

/* Refuses text that would make the JSON parser recurse deeper than `limit`; 0 or -EINVAL with the
 * line and column (from 1) of the bracket that is too deep. Needs no valid JSON. */
int hm_json_nesting(const char *text, size_t n, unsigned limit, unsigned *line, unsigned *column);
