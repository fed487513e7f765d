/* SPDX-License-Identifier: BSD-3-Clause */
/* tree: nodes and predicates of an expression in the making. */
#include "filter/tree.h"

#include <stdlib.h>
#include <string.h>

#include "filter/grow.h"
#include "filter/meaning.h"

uint32_t hm_give_up(struct hm_builder *b, enum hm_parse_result result)
{
	if (b->result == HM_PARSED)
		b->result = result;
	return 0;
}

static uint32_t add_node(struct hm_builder *b, enum hm_op op, uint32_t left, uint32_t right)
{
	struct hm_tree *t = b->tree;

	if (b->result != HM_PARSED)
		return 0;
	if (!hm_grow(&t->nodes, t->n_nodes, &b->room_nodes, sizeof(*t->nodes)))
		return hm_give_up(b, HM_NO_MEMORY);
	t->nodes[t->n_nodes] = (struct hm_tree_node){op, left, right};
	return t->n_nodes++;
}

uint32_t hm_mean_predicate(struct hm_builder *b, const struct hm_predicate *predicate)
{
	struct hm_tree *t = b->tree;

	if (b->result != HM_PARSED)
		return 0;
	if (!hm_grow(&t->predicates, t->n_predicates, &b->room_predicates, sizeof(*t->predicates)))
		return hm_give_up(b, HM_NO_MEMORY);
	t->predicates[t->n_predicates] = *predicate;
	return add_node(b, HM_LEAF, t->n_predicates++, 0);
}

void hm_tree_free(struct hm_tree *tree)
{
	free(tree->nodes);
	free(tree->predicates);
	memset(tree, 0, sizeof(*tree));
}

uint32_t hm_mean_not(struct hm_builder *b, uint32_t node)
{
	return add_node(b, HM_NOT, node, 0);
}

uint32_t hm_mean_and(struct hm_builder *b, uint32_t left, uint32_t right)
{
	return add_node(b, HM_AND, left, right);
}

uint32_t hm_mean_or(struct hm_builder *b, uint32_t left, uint32_t right)
{
	return add_node(b, HM_OR, left, right);
}
