/* SPDX-License-Identifier: BSD-3-Clause */
/* table: aligned columns for people. Foreign text never reaches a terminal raw: control characters are shown
 * as '?'. */
#pragma once

#include <stddef.h>
#include <stdint.h>

#define HM_TABLE_COLUMNS 64

/* A table that is filled cell by cell, then printed with columns as wide as they need. */
struct hm_table {
	size_t columns, n, room;
	char **cells;
	uint64_t right; // set of columns that are aligned to the right
	int indent;
};

/* Starts a table of columns titled "A|B|C"; a title that starts with '>' is aligned right. */
void hm_table_start(struct hm_table *t, const char *titles);
void hm_table_cell(struct hm_table *t, const char *format, ...)
	__attribute__((format(printf, 2, 3)));
/* Takes over text from malloc(). */
void hm_table_text(struct hm_table *t, char *text);
/* Prints and frees it. */
void hm_table_print(struct hm_table *t);

int hm_text_width(const char *text); // letters, not bytes, of UTF-8
/* p, or the end of the program: there is no memory. */
void *hm_must_have(void *p);
