/* SPDX-License-Identifier: BSD-3-Clause */
/* dag: the predicates and expressions of many filters, each once.
 *
 * A node is a predicate or not/and/or of other nodes; equal ones are one node, chains of `and` or
 * `or` are one node with many children. A child has a smaller number than its parents.
 *
 * What matters is which nodes need not be looked at in a batch. Predicates that are found by looking
 * up a packet's fields (addresses, ports ...) are false unless something touches them. An `and` with
 * such a child is false unless the rarest of them is touched, and an `or` of such children is false
 * unless one of them is: these wake the node. All other nodes are evaluated on demand, by a parent
 * that was woken, or in each batch if a filter is nothing but such a node (`tcp`, `not port 80`).
 */
#pragma once

#include "filter/tree.h"

/* A node's place in the evaluation. */
struct hm_node {
	uint8_t op;                    // enum hm_op
	bool woken;                    // by what it waits for; else on demand
	bool looked_up;                // a predicate whose mask is filled by look-ups
	uint16_t level;                // above the levels of its children; predicates have 0
	uint32_t children, n_children; // in links[]; a predicate's children is its number
};

/* An `and` of two predicates that are looked up, the second perhaps under `not`: what most filters
 * are. The first one wakes it, and needs nothing but this to evaluate it. */
struct hm_pair {
	uint32_t other, node; // other: 2 * node + 1 if it is under `not`
};

/* What a node that is not false starts. */
struct hm_wakes {
	uint32_t pairs, n_pairs; // in pairs[]
	uint32_t nodes, n_nodes; // in links[]: 2 * node, + 1 if it is an `or`
	uint32_t roots, n_roots; // in roots[]: filters that the node is
};

struct hm_dag {
	uint32_t n_nodes, n_predicates, n_links, n_pairs, n_levels;
	struct hm_node *nodes;
	struct hm_wakes *wakes;
	struct hm_predicate *predicates;
	uint32_t *links;
	struct hm_pair *pairs;
	uint32_t *level_start; // in a queue with room for the woken nodes of each level, and one
	uint32_t n_roots, n_always;
	uint32_t *roots;  // filters (their numbers in the order they were added), by node
	uint32_t *always; // nodes that are filters and that nothing wakes
	// while it is built
	uint32_t room_nodes, room_predicates, room_links, n_buckets, *buckets, *root_of, room_roots;
	uint32_t *stack, n_stack, room_stack;
};

/* Adds filter number n_roots. false: no memory. */
bool hm_dag_add(struct hm_dag *d, const struct hm_tree *tree);
/* After the last one. */
bool hm_dag_finish(struct hm_dag *d);
void hm_dag_free(struct hm_dag *d);
uint64_t hm_dag_bytes(const struct hm_dag *d);
