/* SPDX-License-Identifier: BSD-3-Clause */
/* layout: the order in which a program runs the nodes of a device: a flat array, parents before children, each
 * with the number of entries to skip when its mask is empty. The same for all workers; program.c makes each
 * worker's program of it. Control core only.
 *
 * Passive nodes have no entry. Where many filters or
 * patterns hang on one entry, they come last and behind an entry of their own, a switch: it looks at those that
 * the scan of the batch found active instead of at all of them. Behind these come the late ones (detour.h).
 */
#pragma once

#include "core/node.h"
#include "core/search.h"

#define HM_TRANSFORM_DEPTH 4 // transforms behind transforms in one flow

enum hm_entry_kind {
	HM_ENTRY_ROOT, // the first one
	HM_ENTRY_FILTER,
	HM_ENTRY_PATTERN,
	HM_ENTRY_PROCESS,
	HM_ENTRY_VISIT,
	HM_ENTRY_TRANSFORM,
	HM_ENTRY_FILTERS,  // switch over the filters behind it
	HM_ENTRY_PATTERNS, // switch over the patterns behind it
	HM_ENTRY_GATE,     // before an entry of one flow alone (gate.h)
};

struct hm_place {
	struct hm_node *node; // NULL: a switch, or a gate
	struct hm_gate *gate; // of a gate
	enum hm_entry_kind kind;
	uint32_t
		parent; // index; of a switch, a gate and of what is behind it: the entry that they hang on
	uint32_t skip;  // entries of this subtree, this one included
	uint32_t slots; // of a switch: the largest slot behind it, plus 1
};

struct hm_layout {
	uint32_t n, n_nodes;
	unsigned depth; // of transforms
	uint32_t n_ticks, n_drains, n_readies, n_mores;
	uint64_t n_slots; // of all switches
	struct hm_place at[];
};

/* Of the nodes whose generation is this one. `search` (NULL: no patterns) knows which patterns can be switched
 * over. NULL without memory. */
struct hm_layout *hm_layout_create(struct hm_nodes *nodes, uint64_t generation,
				   const struct hm_search *search);
void hm_layout_destroy(struct hm_layout *l); // NULL is allowed
