/* SPDX-License-Identifier: BSD-3-Clause */
#include "filter/dag.h"

#include <stdlib.h>
#include <string.h>

#include "filter/finder.h"
#include "filter/grow.h"

#define NONE UINT32_MAX

/* --- equal nodes are one --- */

static const void *key_of(const struct hm_dag *d, const struct hm_node *n, size_t *size)
{
	if (n->op == HM_LEAF) {
		*size = sizeof(struct hm_predicate);
		return &d->predicates[n->children];
	}
	*size = n->n_children * sizeof(uint32_t);
	return &d->links[n->children];
}

static bool rehash(struct hm_dag *d)
{
	uint32_t n = d->n_buckets ? 2 * d->n_buckets : 64;
	uint32_t *buckets = malloc(n * sizeof(*buckets));

	if (!buckets)
		return false;
	memset(buckets, 0xff, n * sizeof(*buckets));
	for (uint32_t i = 0; i < d->n_nodes; i++) {
		size_t size;
		const void *key = key_of(d, &d->nodes[i], &size);
		uint32_t at = hm_hash_bytes(key, size, d->nodes[i].op) & (n - 1);

		while (buckets[at] != NONE)
			at = (at + 1) & (n - 1);
		buckets[at] = i;
	}
	free(d->buckets);
	d->buckets = buckets;
	d->n_buckets = n;
	return true;
}

/* The node with this operation and key: a predicate, or numbers of children. */
static uint32_t intern(struct hm_dag *d, enum hm_op op, const void *key, size_t size)
{
	uint32_t at, n_children = (uint32_t)(size / sizeof(uint32_t));
	struct hm_node *n;

	if (2 * (d->n_nodes + 1) > d->n_buckets && !rehash(d))
		return NONE;
	for (at = hm_hash_bytes(key, size, op) & (d->n_buckets - 1); d->buckets[at] != NONE;
	     at = (at + 1) & (d->n_buckets - 1)) {
		const struct hm_node *other = &d->nodes[d->buckets[at]];
		size_t other_size;
		const void *other_key = key_of(d, other, &other_size);

		if (other->op == op && other_size == size && memcmp(other_key, key, size) == 0)
			return d->buckets[at];
	}
	if (!hm_grow(&d->nodes, d->n_nodes, &d->room_nodes, sizeof(*d->nodes)) ||
	    !hm_grow(&d->predicates, d->n_predicates, &d->room_predicates,
		     sizeof(*d->predicates)) ||
	    !hm_grow(&d->links, d->n_links + n_children, &d->room_links, sizeof(*d->links)))
		return NONE;
	n = &d->nodes[d->n_nodes];
	*n = (struct hm_node){.op = (uint8_t)op};
	if (op == HM_LEAF) {
		n->children = d->n_predicates;
		memcpy(&d->predicates[d->n_predicates++], key, size);
	} else {
		n->children = d->n_links;
		n->n_children = n_children;
		memcpy(&d->links[d->n_links], key, size);
		d->n_links += n_children;
	}
	d->buckets[at] = d->n_nodes;
	return d->n_nodes++;
}

static uint32_t add_node(struct hm_dag *d, const struct hm_tree *t, uint32_t i);

/* Pushes the operands of a chain of the same operation. */
static bool push_operands(struct hm_dag *d, const struct hm_tree *t, uint32_t i, uint32_t op)
{
	uint32_t node;

	if (t->nodes[i].op == op)
		return push_operands(d, t, t->nodes[i].a, op) &&
		       push_operands(d, t, t->nodes[i].b, op);
	node = add_node(d, t, i);
	if (node == NONE || !hm_grow(&d->stack, d->n_stack, &d->room_stack, sizeof(*d->stack)))
		return false;
	d->stack[d->n_stack++] = node;
	return true;
}

static int compare_numbers(const void *a, const void *b)
{
	uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;

	return (x > y) - (x < y);
}

static uint32_t add_chain(struct hm_dag *d, const struct hm_tree *t, uint32_t i)
{
	uint32_t base = d->n_stack, n = 0, node = NONE;

	if (push_operands(d, t, i, t->nodes[i].op)) {
		uint32_t *operands = d->stack + base, all = d->n_stack - base;

		qsort(operands, all, sizeof(*operands), compare_numbers);
		for (uint32_t k = 0; k < all; k++)
			if (k == 0 || operands[k] != operands[n - 1])
				operands[n++] = operands[k];
		node = n == 1 ? operands[0]
			      : intern(d, t->nodes[i].op, operands, n * sizeof(*operands));
	}
	d->n_stack = base;
	return node;
}

static uint32_t add_node(struct hm_dag *d, const struct hm_tree *t, uint32_t i)
{
	const struct hm_tree_node *n = &t->nodes[i];
	uint32_t child;

	if (n->op == HM_LEAF)
		return intern(d, HM_LEAF, &t->predicates[n->a], sizeof(t->predicates[0]));
	if (n->op != HM_NOT)
		return add_chain(d, t, i);
	if (t->nodes[n->a].op == HM_NOT)
		return add_node(d, t, t->nodes[n->a].a);
	child = add_node(d, t, n->a);
	return child == NONE ? NONE : intern(d, HM_NOT, &child, sizeof(child));
}

bool hm_dag_add(struct hm_dag *d, const struct hm_tree *tree)
{
	uint32_t root = add_node(d, tree, tree->n_nodes - 1);

	if (root == NONE || !hm_grow(&d->root_of, d->n_roots, &d->room_roots, sizeof(*d->root_of)))
		return false;
	d->root_of[d->n_roots++] = root;
	return true;
}

/* --- who wakes whom --- */

#define NEVER 0x7fffffff // the weight of what nothing wakes

/* How many packets a predicate is likely to touch, roughly: the smaller, the better it guards. */
static uint32_t weigh_predicate(const struct hm_predicate *p)
{
	switch (p->kind) {
	case HM_IS_ADDR4:
		return 8 + (32u - p->bits) * (32u - p->bits);
	case HM_IS_ADDR6:
		return 8 + (128u - p->bits) * 4;
	case HM_IS_MAC:
		return 100;
	case HM_IS_PORT:
		return p->low == p->high ? 12 : 32 + (p->high - p->low) / 64;
	case HM_IS_PROTO:
		return 2000;
	default:
		return NEVER;
	}
}

static uint32_t weigh(struct hm_dag *d, const uint32_t *weights, struct hm_node *n)
{
	const uint32_t *children = &d->links[n->children];
	uint64_t sum = 0;
	uint32_t least = NEVER;

	if (n->op == HM_LEAF) {
		uint32_t weight = weigh_predicate(&d->predicates[n->children]);

		n->looked_up = weight != NEVER;
		return weight;
	}
	for (uint32_t i = 0; i < n->n_children; i++) {
		uint32_t weight = weights[children[i]];

		sum += weight;
		least = weight < least ? weight : least;
		if (d->nodes[children[i]].level >= n->level)
			n->level = (uint16_t)(d->nodes[children[i]].level + 1);
	}
	if (n->op == HM_AND)
		return least;
	return n->op == HM_OR && sum < NEVER ? (uint32_t)sum : NEVER;
}

/* The children that wake a node: of an `and` the rarest, put first; of an `or` all. */
static uint32_t count_wakers(const struct hm_dag *d, const uint32_t *weights, struct hm_node *n)
{
	uint32_t *children = &d->links[n->children], best = 0;

	if (n->op == HM_OR)
		return n->n_children;
	for (uint32_t i = 1; i < n->n_children; i++)
		if (weights[children[i]] < weights[children[best]])
			best = i;
	uint32_t first = children[0];
	children[0] = children[best];
	children[best] = first;
	return 1;
}

/* The predicate of a pair that does not wake it, as struct hm_pair has it; NONE: it is no pair. */
static uint32_t pair_other(const struct hm_dag *d, const struct hm_node *n)
{
	const uint32_t *children = &d->links[n->children];
	uint32_t other;

	if (n->op != HM_AND || n->n_children != 2 || !d->nodes[children[0]].looked_up)
		return NONE;
	other = children[1];
	if (d->nodes[other].looked_up)
		return 2 * other;
	if (d->nodes[other].op != HM_NOT)
		return NONE;
	other = d->links[d->nodes[other].children];
	return d->nodes[other].looked_up ? 2 * other + 1 : NONE;
}

/* Marks what has to be woken for the filters' sake: from the filters down along the wakers. Counts
 * whom each node wakes. */
static uint32_t mark_woken(struct hm_dag *d, const uint32_t *weights)
{
	uint32_t links = 0;

	for (uint32_t i = 0; i < d->n_roots; i++)
		if (weights[d->root_of[i]] != NEVER)
			d->nodes[d->root_of[i]].woken = true;
	for (uint32_t i = d->n_nodes; i-- > 0;) {
		struct hm_node *n = &d->nodes[i];

		if (!n->woken || n->op == HM_LEAF)
			continue;
		for (uint32_t k = count_wakers(d, weights, n); k-- > 0; links++) {
			uint32_t child = d->links[n->children + k];

			d->nodes[child].woken = true;
			if (pair_other(d, n) != NONE)
				d->wakes[child].n_pairs++;
			else
				d->wakes[child].n_nodes++;
		}
	}
	return links;
}

static bool link_wakers(struct hm_dag *d, uint32_t n_links)
{
	uint32_t at = d->n_links, pairs = 0;

	d->pairs = calloc(n_links + 1, sizeof(*d->pairs));
	if (!d->pairs || !hm_grow(&d->links, at + n_links, &d->room_links, sizeof(*d->links)))
		return false;
	for (uint32_t i = 0; i < d->n_nodes; i++) {
		struct hm_wakes *w = &d->wakes[i];

		w->nodes = at;
		w->pairs = pairs;
		at += w->n_nodes;
		pairs += w->n_pairs;
		w->n_nodes = w->n_pairs = 0;
	}
	for (uint32_t i = 0; i < d->n_nodes; i++) {
		const struct hm_node *n = &d->nodes[i];
		uint32_t wakers = n->op == HM_OR ? n->n_children : 1;
		uint32_t other;

		if (!n->woken || n->op == HM_LEAF)
			continue;
		other = pair_other(d, n);
		for (uint32_t k = 0; k < wakers; k++) {
			struct hm_wakes *w = &d->wakes[d->links[n->children + k]];

			if (other != NONE)
				d->pairs[w->pairs + w->n_pairs++] = (struct hm_pair){other, i};
			else
				d->links[w->nodes + w->n_nodes++] = 2 * i + (n->op == HM_OR);
		}
	}
	d->n_links = at;
	d->n_pairs = pairs;
	return true;
}

static bool list_roots(struct hm_dag *d, const uint32_t *weights)
{
	uint32_t at = 0;

	d->roots = calloc(d->n_roots + 1, sizeof(*d->roots));
	d->always = calloc(d->n_roots + 1, sizeof(*d->always));
	if (!d->roots || !d->always)
		return false;
	for (uint32_t i = 0; i < d->n_roots; i++)
		d->wakes[d->root_of[i]].n_roots++;
	for (uint32_t i = 0; i < d->n_nodes; i++) {
		d->wakes[i].roots = at;
		at += d->wakes[i].n_roots;
		if (d->wakes[i].n_roots > 0 && weights[i] == NEVER)
			d->always[d->n_always++] = i;
		d->wakes[i].n_roots = 0;
	}
	for (uint32_t i = 0; i < d->n_roots; i++) {
		struct hm_wakes *w = &d->wakes[d->root_of[i]];

		d->roots[w->roots + w->n_roots++] = i;
	}
	return true;
}

static bool count_levels(struct hm_dag *d)
{
	for (uint32_t i = 0; i < d->n_nodes; i++)
		if (d->nodes[i].level >= d->n_levels)
			d->n_levels = d->nodes[i].level + 1u;
	d->level_start = calloc(d->n_levels + 2, sizeof(*d->level_start));
	if (!d->level_start)
		return false;
	for (uint32_t i = 0; i < d->n_nodes; i++)
		if (d->nodes[i].looked_up ||
		    (d->nodes[i].woken && pair_other(d, &d->nodes[i]) == NONE))
			d->level_start[d->nodes[i].level + 1]++;
	for (uint32_t i = 0; i < d->n_levels; i++)
		d->level_start[i + 1] += d->level_start[i] + 1;
	return true;
}

bool hm_dag_finish(struct hm_dag *d)
{
	uint32_t *weights = calloc(d->n_nodes + 1, sizeof(*weights));
	bool done = false;

	d->wakes = calloc(d->n_nodes + 1, sizeof(*d->wakes));
	if (weights && d->wakes) {
		for (uint32_t i = 0; i < d->n_nodes; i++)
			weights[i] = weigh(d, weights, &d->nodes[i]);
		done = link_wakers(d, mark_woken(d, weights)) && list_roots(d, weights) &&
		       count_levels(d);
	}
	free(weights);
	free(d->buckets);
	free(d->stack);
	free(d->root_of);
	d->buckets = d->stack = d->root_of = NULL;
	return done;
}

void hm_dag_free(struct hm_dag *d)
{
	free(d->nodes);
	free(d->wakes);
	free(d->predicates);
	free(d->links);
	free(d->pairs);
	free(d->level_start);
	free(d->roots);
	free(d->always);
	free(d->buckets);
	free(d->stack);
	free(d->root_of);
	memset(d, 0, sizeof(*d));
}

uint64_t hm_dag_bytes(const struct hm_dag *d)
{
	return d->n_nodes * (sizeof(*d->nodes) + sizeof(*d->wakes)) +
	       d->n_predicates * sizeof(*d->predicates) + d->n_links * sizeof(*d->links) +
	       d->n_levels * sizeof(*d->level_start) + d->n_pairs * sizeof(*d->pairs) +
	       (d->n_roots + d->n_always) * sizeof(*d->roots);
}
