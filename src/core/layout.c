/* SPDX-License-Identifier: BSD-3-Clause */
#include "core/layout.h"

#include <stdlib.h>

#include "filter/filter.h"

#define MANY 8 // filters or patterns on one entry that are worth a switch

struct build {
	struct hm_layout *layout;
	uint64_t generation;
	const struct hm_search *search;
	struct hm_node **stack; // children of the entries that are being placed
	uint32_t n_stack;
};

static uint32_t count_nodes(const struct hm_node *n, uint64_t generation, uint32_t *gates)
{
	const struct hm_node *child;
	uint32_t sum = 1;

	*gates += n->gate != NULL;
	TAILQ_FOREACH (child, &n->children, sibling)
		if (child->generation == generation)
			sum += count_nodes(child, generation, gates);
	return sum;
}

static void push_children(struct build *b, const struct hm_node *n)
{
	struct hm_node *child;

	TAILQ_FOREACH (child, &n->children, sibling)
		if (child->generation == b->generation && child->kind != HM_NODE_PASSIVE)
			b->stack[b->n_stack++] = child;
}

static enum hm_entry_kind entry_kind(const struct hm_node *n)
{
	static const enum hm_entry_kind kinds[] = {
		[HM_NODE_ROOT] = HM_ENTRY_ROOT,       [HM_NODE_FILTER] = HM_ENTRY_FILTER,
		[HM_NODE_PATTERN] = HM_ENTRY_PATTERN, [HM_NODE_PROCESS] = HM_ENTRY_PROCESS,
		[HM_NODE_VISIT] = HM_ENTRY_VISIT,     [HM_NODE_TRANSFORM] = HM_ENTRY_TRANSFORM,
	};

	return kinds[n->kind];
}

/* The switch that could reach it: one that looks at what a scan has found. */
static enum hm_entry_kind switch_of(const struct build *b, const struct hm_node *n)
{
	if (n->gate)
		return entry_kind(n);
	if (n->kind == HM_NODE_FILTER && !hm_filter_is_lazy(hm_node_filter(n)))
		return HM_ENTRY_FILTERS;
	if (n->kind == HM_NODE_PATTERN && b->search && hm_search_is_direct(b->search, n->slot))
		return HM_ENTRY_PATTERNS;
	return entry_kind(n);
}

static void place_subtree(struct build *b, struct hm_node *n, uint32_t parent, unsigned depth);

/* A node with what is before it. */
static void place(struct build *b, struct hm_node *n, uint32_t parent, unsigned depth)
{
	uint32_t at = b->layout->n;

	b->layout->n += n->gate != NULL;
	place_subtree(b, n, parent, depth);
	if (n->gate)
		b->layout->at[at] = (struct hm_place){.gate = n->gate,
						      .kind = HM_ENTRY_GATE,
						      .parent = parent,
						      .skip = b->layout->n - at};
}

static void place_switch(struct build *b, enum hm_entry_kind kind, uint32_t first, uint32_t end,
			 uint32_t parent, unsigned depth)
{
	uint32_t at = b->layout->n++, slots = 0;

	for (uint32_t i = first; i < end; i++)
		if (switch_of(b, b->stack[i]) == kind) {
			slots = b->stack[i]->slot >= slots ? b->stack[i]->slot + 1 : slots;
			place_subtree(b, b->stack[i], parent, depth);
		}
	b->layout->at[at] = (struct hm_place){
		.kind = kind, .parent = parent, .skip = b->layout->n - at, .slots = slots};
	b->layout->n_slots += slots;
}

static void place_children(struct build *b, const struct hm_node *n, uint32_t parent,
			   unsigned depth)
{
	uint32_t first = b->n_stack, end, n_of[HM_ENTRY_PATTERNS + 1] = {0};

	push_children(b, n);
	end = b->n_stack;
	for (uint32_t i = first; i < end; i++)
		n_of[switch_of(b, b->stack[i])]++;
	for (uint32_t i = first; i < end; i++) {
		enum hm_entry_kind kind = switch_of(b, b->stack[i]);

		if (b->stack[i]->late)
			continue;
		if (kind < HM_ENTRY_FILTERS || n_of[kind] < MANY)
			place(b, b->stack[i], parent, depth);
	}
	if (n_of[HM_ENTRY_FILTERS] >= MANY)
		place_switch(b, HM_ENTRY_FILTERS, first, end, parent, depth);
	if (n_of[HM_ENTRY_PATTERNS] >= MANY)
		place_switch(b, HM_ENTRY_PATTERNS, first, end, parent, depth);
	for (uint32_t i = first; i < end; i++) // in their order (hm_node_set_late)
		if (b->stack[i]->late)
			place(b, b->stack[i], parent, depth);
	b->n_stack = first;
}

static void place_subtree(struct build *b, struct hm_node *n, uint32_t parent, unsigned depth)
{
	struct hm_layout *l = b->layout;
	uint32_t at = l->n++;

	if (n->fn) {
		l->n_ticks += n->fn->tick != NULL;
		l->n_drains += n->fn->drain != NULL;
		l->n_readies += n->fn->ready != NULL;
		l->n_mores += n->fn->more != NULL;
	}
	if (n->kind == HM_NODE_TRANSFORM && ++depth > l->depth)
		l->depth = depth;
	place_children(b, n, at, depth);
	l->at[at] = (struct hm_place){
		.node = n, .kind = entry_kind(n), .parent = parent, .skip = l->n - at};
}

struct hm_layout *hm_layout_create(struct hm_nodes *nodes, uint64_t generation,
				   const struct hm_search *search)
{
	struct hm_node *root = hm_nodes_root(nodes);
	struct build b = {.generation = generation, .search = search};
	uint32_t gates = 0, n = count_nodes(root, generation, &gates);

	// a switch has MANY nodes behind it
	b.layout = calloc(1, sizeof(*b.layout) + (n + n / MANY + gates) * sizeof(b.layout->at[0]));
	b.stack = calloc(n, sizeof(struct hm_node *));
	if (b.layout && b.stack) {
		b.layout->n_nodes = n;
		place_subtree(&b, root, 0, 0);
	} else {
		free(b.layout);
		b.layout = NULL;
	}
	free(b.stack);
	return b.layout;
}

void hm_layout_destroy(struct hm_layout *l)
{
	free(l);
}
