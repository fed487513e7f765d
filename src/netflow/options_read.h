/* SPDX-License-Identifier: BSD-3-Clause */
/* options_read: values of option objects, checked; a mistake is told with its JSON path. */
#pragma once

#include <jansson.h>

#include "netflow/options.h"

#define HM_OPTION_PATH_MAX 128
#define HM_TIMEOUT_MAX_S   604800 // a week

#define HM_OPTION_INVALID   7000 // MFUNCT_INVALID_ARGUMENT
#define HM_OPTION_INVALID_2 7002
#define HM_OPTION_INVALID_4 7004

/* A whole number in an object: goes to a uint32_t, or as seconds to a uint64_t of nanoseconds. */
struct hm_number {
	const char *name;
	int64_t min, max;
	uint32_t *to;
	uint64_t *to_ns;
};

const char *hm_option_type(const json_t *v); // "an integer"
int hm_option_number(const struct hm_number *n, const json_t *v, const char *path,
		     struct hm_error *err);
const struct hm_number *hm_option_find(const struct hm_number *n, const char *name);
/* A string of less than `room` bytes, without zero bytes in it; borrowed, or copied. */
int hm_option_string(const char **to, size_t room, const json_t *v, const char *path,
		     const char *name, struct hm_error *err);
int hm_option_text(char *to, size_t room, const json_t *v, const char *path, const char *name,
		   struct hm_error *err);
/* The place of a string in "a|b|c", -1: it is none of them. */
int hm_option_choice(const char *choices, const char *text);
/* An array of words of "a|b|c" into a set. */
int hm_option_set(uint32_t *to, const char *choices, const json_t *v, const char *path,
		  const char *name, struct hm_error *err);
int hm_option_unknown(const char *path, const char *name, const char *known, struct hm_error *err);

/* The next exporter of the options, with what holds for all. */
struct hm_exporter_conf *hm_exporter_begin(struct hm_report_options *o);
/* The next one from its object. */
int hm_exporter_parse(struct hm_report_options *o, json_t *object, const char *path,
		      struct hm_error *err);
