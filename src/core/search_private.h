/* SPDX-License-Identifier: BSD-3-Clause */
/* search_private: what search_pattern.c, search_db.c and search.c know of each other. */
#pragma once

#define PCRE2_CODE_UNIT_WIDTH 8
#include <pcre2.h>

#include <hs.h>
#include <stdatomic.h>

#include "core/search.h"

/* What runs a pattern, from cheap to dear. The compiler's thread decides for a regular expression
 * and may move it on, never back. */
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

/* Immutable but for `refs`, which only the control core touches, and `kind`. */
struct hm_pattern {
	uint64_t id; // never used again; slots are
	uint32_t refs, slot;
	_Atomic(enum hm_pattern_kind) kind;
	bool literal;
	uint32_t offset, depth;
	struct hm_regexp *regexp; // NULL: literal
	uint32_t n_bytes;
	uint8_t bytes[]; // literal: (length u16, bytes) for each alternative; else text and a zero
};

struct hm_pattern_set {
	uint32_t n;
	struct hm_pattern *at[]; // sorted by slot, each once
};

/* One expression of the Hyperscan database, its id is its index. A match that ends at `to` counts
 * if first <= to <= last: that is offset and depth, with the literal's length worked in. */
struct hm_expression {
	uint32_t slot, first, last;
};

/* A pattern whose matches PCRE2 confirms. */
struct hm_confirm {
	struct hm_regexp *regexp;
	bool everything; // no prefilter: each packet is a candidate
};

struct hm_search_db {
	// hot
	hs_database_t *hs; // NULL: nothing in it
	struct hm_expression *expressions;
	uint32_t *confirm_of; // by slot: index in confirms or HM_NO_CONFIRM
	uint32_t n_slots;

	// cold
	atomic_uint refs;
	struct hm_confirm *confirms;
	uint32_t n_confirms, n_expressions, n_ids;
	uint64_t *ids; // of the patterns, by slot; 0: none
};

/* The next alternative of a literal behind *at (0 first); false: no more. */
bool hm_pattern_alternative(const struct hm_pattern *p, uint32_t *at, const uint8_t **bytes,
			    uint32_t *n);
struct hm_regexp *hm_regexp_ref(struct hm_regexp *r);
void hm_regexp_unref(struct hm_regexp *r);
