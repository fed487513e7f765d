/* SPDX-License-Identifier: BSD-3-Clause */
/* search_private: what the files of the search know of each other.
 *
 *	search_pattern  patterns and sets of them
 *	search_part     a set, compiled: its code, and whose expression each is
 *	search_file     code as a file
 *	search_cache    code in memory and in a folder
 *	search_db       the parts that answer for a set
 *	search          a worker's side
 */
#pragma once

#define PCRE2_CODE_UNIT_WIDTH 8
#include <pcre2.h>

#include <hs.h>
#include <stdatomic.h>
#include <stddef.h>

#include "core/search.h"

/* What runs a pattern, from cheap to dear. The compiler's thread decides for a regular expression
 * and may move it on, never back. The numbers are in files. */
enum hm_pattern_kind {
	HM_PATTERN_LITERAL,
	HM_PATTERN_REGEXP, // not decided
	HM_PATTERN_HS,
	HM_PATTERN_PREFILTER,
	HM_PATTERN_PCRE
};

/* A regular expression that PCRE2 compiled: databases outlive patterns, and both hold it. */
struct hm_regexp {
	atomic_uint refs;
	pcre2_code *code; // with JIT code if the platform has it
};

/* Immutable but for `refs` and `kind`. A thread that compiles may take references on what a set of the control
 * core holds meanwhile: the last one is always given back by the control core. */
struct hm_pattern {
	uint64_t id; // never used again; slots are
	atomic_uint refs;
	uint32_t slot;
	_Atomic(enum hm_pattern_kind) kind;
	bool literal;
	bool gathers; // may be searched in many packets at once: a literal, neither short nor repetitive
	uint32_t offset, depth;
	struct hm_regexp *regexp; // NULL: literal
	uint32_t n_bytes;
	uint8_t bytes[]; // literal: (length u16, bytes) for each alternative; else text and a zero
};

struct hm_pattern_set {
	uint32_t n;
	struct hm_pattern *at[]; // sorted by slot, each once
};

/* The next alternative of a literal behind *at (0 first); false: no more. */
bool hm_pattern_alternative(const struct hm_pattern *p, uint32_t *at, const uint8_t **bytes,
			    uint32_t *n);
/* Whether a literal of n bytes may occur so often that only the first match in each packet is wanted. */
bool hm_literal_abounds(uint32_t n);
struct hm_regexp *hm_regexp_ref(struct hm_regexp *r);
uint64_t hm_regexp_bytes(const struct hm_regexp *r);
void hm_regexp_unref(struct hm_regexp *r);

/* --- code: what Hyperscan makes of texts, bound to no pattern, so that it can be cached --- */

/* Everything that code depends on: Hyperscan's version, the CPU, and the expressions in the order of
 * their ids. It is compared whole; its hash only finds it. Offsets and depths are not in it, since
 * they are checked when a match is reported. */
struct hm_search_key {
	uint64_t hash;
	size_t n;
	uint8_t *bytes;
	uint32_t n_expressions, n_literals; // these come first
};

struct hm_search_code {
	atomic_uint refs;
	struct hm_search_key key;
	uint64_t compile_ns; // how long Hyperscan took
	hs_database_t *hs;   // NULL: no expression is Hyperscan's
	uint8_t kinds[];     // of each expression: enum hm_pattern_kind
};

/* Copies the key. NULL without memory. */
struct hm_search_code *hm_search_code_create(const struct hm_search_key *key);
struct hm_search_code *hm_search_code_ref(struct hm_search_code *code);
void hm_search_code_unref(struct hm_search_code *code); // NULL is allowed
uint64_t hm_search_code_bytes(const struct hm_search_code *code);

/* search_file.c. A file's bytes, to be freed; NULL without memory. */
uint8_t *hm_search_code_encode(const struct hm_search_code *code, size_t *n);
/* NULL if the bytes are anything but the whole and intact file of just this key, with the reason. */
struct hm_search_code *hm_search_code_decode(const uint8_t *bytes, size_t n,
					     const struct hm_search_key *key, const char **why);
/* What the checksum in a file of these bytes must be; for tests that break files. */
uint64_t hm_search_file_checksum(const uint8_t *bytes, size_t n);
#define HM_SEARCH_FILE_CHECKSUM_AT 8 // where it is, 8 bytes

/* search_cache.c, on the compiler's threads. A reference, or NULL; `cache` may be NULL. */
struct hm_search_code *hm_search_cache_find(struct hm_search_cache *cache,
					    const struct hm_search_key *key);
void hm_search_cache_add(struct hm_search_cache *cache, struct hm_search_code *code);

/* --- parts: a set, compiled --- */

/* Whose the expression is. A match that ends at `to` counts if first <= to <= last: that is offset
 * and depth, with the literal's length worked in. In gathered packets, first also
 * says whether the match began in the packet. */
struct hm_part_item {
	uint64_t id; // of the pattern
	uint32_t slot, first, last;
	struct hm_regexp *regexp; // a reference; NULL: literal
};

struct hm_search_part {
	atomic_uint refs;
	uint32_t n;
	bool gathers; // every pattern does
	struct hm_search_code *code;
	struct hm_part_item items[];
};

struct hm_search_part *hm_search_part_ref(struct hm_search_part *part);

/* --- databases: what workers run --- */

/* Small, since with ten thousand patterns all of them are looked at all the time. */
struct hm_expression {
	uint32_t slot;  // n_slots of the database: nobody's
	uint32_t first; // least end of a match that counts
};

struct hm_db_part {
	const hs_database_t *hs;           // NULL: nothing to scan
	struct hm_expression *expressions; // by Hyperscan's id
	uint32_t *last;                    // as well: greatest end; NULL: no pattern has a depth
	bool gathers;
	struct hm_search_part *part;
};

/* A pattern whose matches PCRE2 confirms. */
struct hm_confirm {
	struct hm_regexp *regexp; // the part has the reference
	bool everything;          // no prefilter: each packet is a candidate
};

struct hm_search_db {
	// hot
	uint32_t n_parts;
	struct hm_db_part *parts;
	uint32_t *confirm_of; // by slot: index in confirms or HM_NO_CONFIRM
	uint32_t n_slots;

	// cold
	atomic_uint refs;
	struct hm_confirm *confirms;
	uint32_t n_confirms, n_held;
	uint64_t *ids; // by slot: of the pattern that is held, 0: none
};
