/* SPDX-License-Identifier: BSD-3-Clause */
/* filter_expressions: filters as nobody writes them, by the grammar; repeatable. */
#pragma once

#include <stddef.h>
#include <stdint.h>

/* Corner cases, NULL at the end. */
extern const char *const filter_corner_cases[];

/* Writes an expression of up to `terms` primitives. */
void filter_expression_make(char *text, size_t size, unsigned terms, uint64_t *seed);
