/* SPDX-License-Identifier: BSD-3-Clause */
/* print: JSON for people: aligned tables and lines of key and value. Foreign text never reaches a
 * terminal raw: control characters are shown as '?'. */
#pragma once

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* A table that is filled cell by cell, then printed with columns as wide as they need. */
struct hm_table {
	size_t columns, n, room;
	char **cells;
	uint64_t right; // set of columns that are aligned to the right
};

/* Starts a table of columns titled "A|B|C"; a title that starts with '>' is aligned right. */
void hm_table_start(struct hm_table *t, const char *titles);
void hm_table_cell(struct hm_table *t, const char *format, ...)
	__attribute__((format(printf, 2, 3)));
/* Prints and frees it. */
void hm_table_print(struct hm_table *t);

/* A value on one line: text as it is, objects as "key=value key=value". Caller frees. */
char *hm_print_value(const json_t *v);
/* An array of objects as a table with a column for each key, anything else line by line. */
void hm_print(const json_t *v);
/* 1234567.8 -> "1.23 M"; `to` has room for 32 bytes and is returned. */
const char *hm_print_rate(char *to, double value);
