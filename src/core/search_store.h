/* SPDX-License-Identifier: BSD-3-Clause */
/* search_store: what a device's flows want to search, and the database that answers for as much of it
 * as is compiled.
 *
 * To compile ten thousand strings again for each new one would take a third of a second each time, and
 * three hundred take longer than a thousand. So what is new is compiled alone, is scanned as one more
 * part of the database at once, and is merged with the rest later, when nobody waits. What takes long,
 * some regular expressions, stays a part of its own and is not compiled with every merge. Patterns that
 * nobody wants any more are not reported from the next database on, and go with the next merge.
 *
 * Control core only.
 */
#pragma once

#include <stdbool.h>

#include "core/compiler.h"

struct hm_search_store;

struct hm_search_store *hm_search_store_create(struct hm_compiler *compiler);
/* After hm_compiler_destroy() or while the compiler goes on. */
void hm_search_store_destroy(struct hm_search_store *s); // NULL is allowed

/* All patterns that are wanted from now on; takes over the set (NULL: none). 0, or -ENOMEM: it is as
 * if nothing had been said. */
int hm_search_store_want(struct hm_search_store *s, struct hm_pattern_set *wanted);
/* Goes on with what is done. True: hm_search_store_db() is another, or a pattern has failed. */
bool hm_search_store_poll(struct hm_search_store *s);
/* Borrowed until the next poll; NULL: nothing is compiled that somebody wants. */
struct hm_search_db *hm_search_store_db(const struct hm_search_store *s);
/* Why a wanted pattern cannot be had; NULL: it is in the database or will be. */
const struct hm_error *hm_search_store_error(const struct hm_search_store *s,
					     const struct hm_pattern *p);
/* Nothing is being compiled. */
bool hm_search_store_rests(const struct hm_search_store *s);
