/* SPDX-License-Identifier: BSD-3-Clause */
/* string_list: the strings that benchmarks search, one a line, and the plain Hyperscan database of
 * them that homard is measured against. */
#pragma once

#include <hs.h>
#include <stddef.h>

struct string_list {
	char **at;
	size_t n;
};

/* Lines as they are, without their ends; empty ones are skipped. Says on stderr what is wrong. 0 or -1. */
int string_list_load(struct string_list *s, const char *file);
void string_list_free(struct string_list *s);
/* The first n strings, literal, no flags: every occurrence is reported. NULL: said on stderr. */
hs_database_t *string_list_compile(const struct string_list *s, size_t n);
