/* SPDX-License-Identifier: BSD-3-Clause */
/* search: all strings and regular expressions of all flows, one database, one scan a packet.
 *
 * A pattern is interned: two flows that search the same bytes with the same offset and depth hold
 * the same pattern. It has a slot, which stays its own as long as it lives, so that its hit mask is
 * found at the same place in every database that contains it. The first search entry that a packet
 * reaches scans it, and every match sets a bit in that pattern's hit mask; an entry's answer is `in
 * & hit[slot]`. What Hyperscan refuses runs as its prefilter and is confirmed by PCRE2 with a match
 * limit, and only for packets that reach the entry.
 *
 * Patterns and sets belong to the control core; parts are compiled on the compiler's threads, and a
 * database is parts put together (search_store.h says which, and why); both are immutable and
 * reference counted. A struct hm_search belongs to one worker and one batch object: the copies that a
 * transform makes are another batch and need their own. Uses no DPDK.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "core/batch.h"
#include "core/error.h"

#define HM_LITERAL_MAX 4000 // bytes of one alternative; Hyperscan's own limit is just above
#define HM_REGEXP_MAX  8000 // bytes of a regular expression's text

struct hm_pattern;
struct hm_pattern_set;
struct hm_search_part;
struct hm_search_db;
struct hm_search_cache;

/* What a search entry looks at; search.c has the rest behind it. */
struct hm_search {
	uint64_t scanned;           // packets of this batch
	uint64_t *hits;             // by slot
	const uint32_t *confirm_of; // by slot: HM_NO_CONFIRM, or how PCRE2 confirms it
	uint32_t n_slots;
	uint32_t n_touched;
	uint32_t *touched; // slots with hits in this batch, each once, in no order
};

#define HM_NO_CONFIRM UINT32_MAX

/* Whether this CPU and the installed Hyperscan can run what we compile; for the start of the
 * daemon. */
int hm_search_check(struct hm_error *err);

/* A literal in Snort syntax: text, |hex|, backslash before a pipe or a backslash, "||" between
 * alternatives. Counted from the first byte of the link-layer frame; depth is the number of bytes
 * searched from offset, 0: to the end of what was captured. Errors: unterminated or malformed hex
 * 3503, 0 < depth < length of an alternative 3504, nothing left to search or too long 3505; empty
 * text 7001, offset < 0 7002, depth < 0 7003 are the caller's. */
struct hm_pattern *hm_pattern_literal(const char *text, uint32_t offset, uint32_t depth,
				      struct hm_error *err);
/* A PCRE over the whole captured frame, no options (case sensitive, dot excludes newline, bytes and
 * not UTF). PCRE2 compiles it here, Hyperscan only in hm_search_compile(). 7000 with PCRE2's
 * message and the position if it is not a regular expression. */
struct hm_pattern *hm_pattern_regexp(const char *text, struct hm_error *err);
void hm_pattern_release(struct hm_pattern *p); // NULL is allowed
uint32_t hm_pattern_slot(const struct hm_pattern *p);
/* "literal", "hyperscan", "prefilter+pcre2" or "pcre2" (Hyperscan cannot even help: PCRE2 runs on
 * every packet that reaches the entry), for EXPLAIN and flow.info. The compiler finds out; before,
 * it is "regexp". */
const char *hm_pattern_engine(const struct hm_pattern *p);
/* Whether PCRE2 looks at packets for it. Until the compiler's thread has decided: whether it looks like that. */
bool hm_pattern_is_confirmed(const struct hm_pattern *p);
/* Bytes that it takes if nobody else has it, with what will be compiled of it: that is an estimate. */
uint64_t hm_pattern_bytes(const struct hm_pattern *p);

/* A snapshot of patterns, taken on the control core, to be compiled on another thread: holds
 * references. The same pattern may be there often, NULLs are skipped. NULL without memory. */
struct hm_pattern_set *hm_pattern_set_create(const struct hm_pattern *const *patterns, uint32_t n);
void hm_pattern_set_destroy(struct hm_pattern_set *set); // on the control core; NULL is allowed
uint32_t hm_pattern_set_size(const struct hm_pattern_set *set); // different patterns

/* A part of a database: Hyperscan's code for a set. Any thread; looks at nothing but the set. Asks the
 * cache first and adds to it (NULL: none). One reference, NULL with err. References are given back on
 * any thread. */
struct hm_search_part *hm_search_part_compile(const struct hm_pattern_set *set,
					      struct hm_search_cache *cache, struct hm_error *err);
void hm_search_part_unref(struct hm_search_part *part); // NULL is allowed

/* The database that answers for the patterns of `set` as far as they are in the parts; for a pattern
 * in several, the first. Compiles nothing. One reference, NULL without memory. References are taken and
 * given back on any thread. */
struct hm_search_db *hm_search_db_create(struct hm_search_part *const *parts, uint32_t n_parts,
					 const struct hm_pattern_set *set);
/* Both at once, for programs without flows. */
struct hm_search_db *hm_search_compile(const struct hm_pattern_set *set, struct hm_error *err);
struct hm_search_db *hm_search_db_ref(struct hm_search_db *db);
void hm_search_db_unref(struct hm_search_db *db); // NULL is allowed
/* Whether it answers for the pattern. Control core, like its size. */
bool hm_search_db_holds(const struct hm_search_db *db, const struct hm_pattern *p);
uint32_t hm_search_db_size(const struct hm_search_db *db); // patterns
/* How many scans a packet costs: one, if not just now something is new. */
uint32_t hm_search_db_parts(const struct hm_search_db *db);
uint64_t hm_search_db_bytes(const struct hm_search_db *db);

/* A worker's scratch and hit masks for one database, on the NUMA node `socket` (-1: any). Holds a
 * reference. NULL without memory. Create and destroy on the control core. */
struct hm_search *hm_search_create(struct hm_search_db *db, int socket);
void hm_search_destroy(struct hm_search *s); // NULL is allowed
uint64_t hm_search_bytes(const struct hm_search *s);

/* Worker. Forgets the hits of the previous batch; costs only what that batch hit. */
void hm_search_begin(struct hm_search *s);
/* Worker. Scans the packets of `in` that no one has scanned yet: then `touched` names every pattern
 * that may match one of them. */
void hm_search_run(struct hm_search *s, const struct hm_batch *b, uint64_t in);
/* Whether the hits of the pattern in `slot` are its answer. Otherwise PCRE2 has a say (it may even
 * match without being in `touched`), and only hm_search_hits() knows. */
static inline bool hm_search_is_direct(const struct hm_search *s, uint32_t slot)
{
	return slot < s->n_slots && s->confirm_of[slot] == HM_NO_CONFIRM;
}
/* Worker. What hm_search_hits() does beyond the simple case. */
uint64_t hm_search_scan(struct hm_search *s, const struct hm_batch *b, uint64_t in, uint32_t slot);
/* Worker. The packets of `in` that the pattern in `slot` matches. A slot that the database does not
 * hold matches nothing. Inline, since a thousand flows ask a thousand times a batch, and all but
 * the first find everything scanned. */
static inline uint64_t hm_search_hits(struct hm_search *s, const struct hm_batch *b, uint64_t in,
				      uint32_t slot)
{
	if (!(in & ~s->scanned) && hm_search_is_direct(s, slot))
		return in & s->hits[slot];
	return hm_search_scan(s, b, in, slot);
}
/* Any thread. Packets given up because PCRE2 hit its limit (counted, treated as no match). */
uint64_t hm_search_limit_hits(const struct hm_search *s);
