/* SPDX-License-Identifier: BSD-3-Clause */
/* mapi_conf_read: the lines of an original mapi.conf: sections, and in them keys with values.
 *
 * Lines are `key=value`, `[section]`, or comments that begin with `;` or `#`. Keys before any section
 * are global. A section name may repeat, each time it is another entry. Blanks around keys, values and
 * section names are dropped; the original took them for a part, so that such keys were never found.
 */
#pragma once

#include <stddef.h>

#include "control/keys.h"

#define HM_MAPI_CONF_BYTES_MAX (1u << 20)
#define HM_MAPI_CONF_LINE_MAX  1023 // as in the original, and so are keys and sections
#define HM_MAPI_CONF_NAME_MAX  63
#define HM_MAPI_CONF_KEYS_MAX  64 // of a section; the original knows 13

struct hm_mapi_entry {
	unsigned line; // from 1
	const char *key, *value;
};

struct hm_mapi_section {
	unsigned line;    // 0: the global one
	const char *name; // "": the global one
	struct hm_mapi_entry *entries;
	size_t n_entries;
};

struct hm_mapi_lines {
	struct hm_mapi_section *sections; // the first is the global one
	size_t n_sections;
	char *text; // holds all keys and values
};

/* Reads the text; mistakes go to *m with their lines. -ENOMEM, -EINVAL if there were mistakes, or 0. Free
 * it in any case. Keys and values are UTF-8 without control characters. */
int hm_mapi_lines_read(struct hm_mapi_lines *l, const char *text, size_t n, struct hm_mistakes *m);
void hm_mapi_lines_free(struct hm_mapi_lines *l);

/* NULL if the section has no such key. */
const struct hm_mapi_entry *hm_mapi_entry(const struct hm_mapi_section *s, const char *key);

/* A mistake of that line. */
void hm_mapi_mistake(struct hm_mistakes *m, unsigned line, const char *format, ...)
	__attribute__((format(printf, 3, 4)));
