/* SPDX-License-Identifier: BSD-3-Clause */
/* print: JSON for people: tables, lines of key and value, and what is inside of either, indented. */
#pragma once

#include <jansson.h>

#include "client/table.h"

/* A value on one line: text as it is, objects as "key=value key=value". Caller frees. */
char *hm_print_value(const json_t *v);
/* An array of objects as a table with a column for each key, anything else line by line. */
void hm_print(const json_t *v);
/* The same, `indent` spaces to the right. */
void hm_print_indented(const json_t *v, int indent);
/* 1234567.8 -> "1.23 M"; `to` has room for 32 bytes and is returned. */
const char *hm_print_rate(char *to, double value);
