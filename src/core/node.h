/* SPDX-License-Identifier: BSD-3-Clause */
/* node: what programs are made of. A node is a function with its arguments behind a chain of others: its
 * parents, up to the root, which is the device. Flows that begin alike share their nodes: a node that is
 * stateless or a plain counter is found again by its key (function, canonical arguments, parent), all others
 * are their flow's own. Nothing hangs on a counter: what follows it in a flow hangs on what the counter does, so
 * that a filter with and without a counter before it is one node. A node has its configuration and its state on every worker, and lives as long as an
 * instance or a child refers to it, through any number of programs: so nothing is lost or counted twice
 * when a program is replaced.
 *
 * Counts. Only what changes a mask has a counter, `out`: filters, transforms (and `dropped`), the root. The
 * packets into a node are those out of its source, the nearest of them above; and a node that passes everything
 * has as many out as in. Each worker counts since the node was made; what a flow sees is that less its base
 * (instance.h). Nodes and their tree are the control core's; workers see states and counters only.
 */
#pragma once

#include <sys/queue.h>

#include "core/cells.h"
#include "core/function.h"
#include "core/stopwatch.h"

struct hm_filter;
struct hm_gate;

enum hm_node_kind {
	HM_NODE_ROOT,
	HM_NODE_FILTER,    // the mask of a filter (function.h, filter)
	HM_NODE_PATTERN,   // the hits of a pattern (function.h, pattern)
	HM_NODE_PROCESS,   // calls process(), which may take packets away
	HM_NODE_VISIT,     // calls process(), and all packets go on
	HM_NODE_TRANSFORM, // calls transform()
	HM_NODE_PASSIVE,   // runs nothing: all that it knows is how many packets reach it
};

TAILQ_HEAD(hm_node_list, hm_node);

struct hm_node {
	struct hm_nodes *nodes;
	const struct hm_function *fn; // NULL: root
	struct hm_node *parent, *source;
	struct hm_node_list children; // in the order of their making
	TAILQ_ENTRY(hm_node) sibling;
	enum hm_node_kind kind;
	uint64_t late; // runs behind all that is less late among its siblings; 0: in any order
	uint32_t slot; // of its filter or pattern
	uint32_t refs; // instances and children
	uint32_t n_instances;
	uint32_t out;    // cell; a transform's `dropped` is behind it. HM_NO_CELL: as many as in
	uint32_t state;  // cell; HM_NO_CELL: none, or in states[]
	uint32_t sample; // cell; HM_NO_CELL: a passive one, or the root
	uint64_t generation;    // the last one whose programs have it
	struct hm_sample since; // what was timed of the device before it came
	uint32_t number;        // in the answer of explain that is being made
	struct hm_gate *gate;   // that stands before it in the next programs (gate.h), or NULL
	uint64_t looked,
		recent; // its cycles at the last look, and since the one before (admission.c)
	void *conf;
	void **states; // by lane, if too large for cells
	// sharing
	struct hm_node *next; // of the same bucket
	char *key;            // canonical arguments; NULL: not shared, or none
	uint32_t hash;
	bool shared; // in the table
};

struct hm_nodes; // of one device

struct hm_nodes *hm_nodes_create(unsigned n_lanes, const int *sockets);
void hm_nodes_destroy(struct hm_nodes *s); // when all nodes are given back; NULL is allowed
struct hm_node *hm_nodes_root(struct hm_nodes *s);
unsigned hm_nodes_lanes(const struct hm_nodes *s);
struct hm_cells *hm_nodes_cells(struct hm_nodes *s);
uint64_t hm_nodes_bytes(const struct hm_nodes *s); // of all nodes, with what workers have of them
uint32_t hm_nodes_count(const struct hm_nodes *s);

/* The node for fn behind parent: one that is there already, or a new one. `key` are the canonical arguments of a
 * function that may be shared, else NULL. Takes over a conf that is connected; if the node was there, the conf
 * is not needed and freed. ctx tells new states where they live. The caller holds a reference as an instance.
 * NULL with err, the conf stays the caller's. */
struct hm_node *hm_node_get(struct hm_node *parent, const struct hm_function *fn, void *conf,
			    const char *key, struct hm_core_ctx *ctx, struct hm_error *err);
/* Its place among its siblings, before a program has it. */
void hm_node_set_late(struct hm_node *n, uint64_t late);
/* When no worker can see it through this instance. NULL is allowed. */
void hm_node_put(struct hm_node *n);

/* Whether flows may have one node of this function in common. */
bool hm_function_is_shared(const struct hm_function *fn);
/* Whether the functions behind it need not know of it: it passes all and changes nothing. */
bool hm_node_is_counter(const struct hm_node *n);
/* What it filters or searches; NULL if it does not. */
const struct hm_filter *hm_node_filter(const struct hm_node *n);
const struct hm_pattern *hm_node_pattern(const struct hm_node *n);

/* The node's state and counters on one lane; NULL where it has none. */
void *hm_node_state(const struct hm_node *n, unsigned lane);
uint64_t *hm_node_out(const struct hm_node *n, unsigned lane);
struct hm_sample *hm_node_sample(const struct hm_node *n, unsigned lane);
