/* SPDX-License-Identifier: BSD-3-Clause */
/* search: all strings and regular expressions of all flows, one Hyperscan database, one scan a
 * packet.
 *
 * A pattern is interned: two flows that search the same text with the same offset and depth hold
 * the same pattern. It has a slot, which stays its own as long as it lives, so that its hit mask is
 * found at the same place in every database that contains it. The first search entry that a packet
 * reaches scans it, and every match sets a bit in that pattern's hit mask; an entry's answer is `in
 * & hit[slot]`. What Hyperscan refuses runs as its prefilter and is confirmed by PCRE2 with a match
 * limit.
 *
 * Patterns belong to the control core; databases are immutable, compiled on the compiler's thread
 * and reference counted; a struct hm_search belongs to one worker.
 */
#pragma once

#include <stdint.h>

#include "core/batch.h"
#include "core/error.h"

struct hm_pattern;
struct hm_search_db;
struct hm_search;

/* A literal in Snort syntax: text, |hex|, backslash escapes, "||" between alternatives. Counted
 * from the first byte of the link-layer frame; depth is the number of bytes searched from offset,
 * 0: to the end. Errors: empty 7001, offset < 0 7002, depth < 0 7003 are the caller's; unterminated
 * or malformed hex 3503, 0 < depth < pattern length 3504, nothing left to search 3505. */
struct hm_pattern *hm_pattern_literal(const char *text, uint32_t offset, uint32_t depth,
				      struct hm_error *err);
/* A PCRE over the whole captured frame, no options (case sensitive, dot excludes newline). Compiled
 * once here to tell whether anybody understands it: 7000 with message and position if not. */
struct hm_pattern *hm_pattern_regexp(const char *text, struct hm_error *err);
void hm_pattern_release(struct hm_pattern *p); // NULL is allowed
uint32_t hm_pattern_slot(const struct hm_pattern *p);
/* "literal", "hyperscan" or "prefilter+pcre2", for EXPLAIN and flow.info. */
const char *hm_pattern_engine(const struct hm_pattern *p);

/* A snapshot of patterns, taken on the control core, to be compiled on another thread: holds
 * references. */
struct hm_pattern_set;
struct hm_pattern_set *hm_pattern_set_create(const struct hm_pattern *const *patterns, uint32_t n);
void hm_pattern_set_destroy(struct hm_pattern_set *set); // on the control core

/* Any thread. Returns a database with one reference, NULL with err. */
struct hm_search_db *hm_search_compile(const struct hm_pattern_set *set, struct hm_error *err);
struct hm_search_db *hm_search_db_ref(struct hm_search_db *db);
void hm_search_db_unref(struct hm_search_db *db);
/* Whether db was compiled from just these patterns (then there is nothing to compile). */
bool hm_search_db_matches(const struct hm_search_db *db, const struct hm_pattern_set *set);
uint64_t hm_search_db_bytes(const struct hm_search_db *db);

/* A worker's scratch and hit masks for one database. */
struct hm_search *hm_search_create(struct hm_search_db *db, int socket);
void hm_search_destroy(struct hm_search *s);
/* Forgets the hits of the previous batch; cheap. */
void hm_search_begin(struct hm_search *s);
/* The packets of `in` that the pattern in `slot` matches; scans those that no one has scanned yet.
 */
uint64_t hm_search_hits(struct hm_search *s, const struct hm_batch *b, uint64_t in, uint32_t slot);
/* Packets given up because PCRE2 hit its match limit (counted, treated as no match). */
uint64_t hm_search_limit_hits(const struct hm_search *s);
