/* SPDX-License-Identifier: BSD-3-Clause */
#include "core/marks.h"

/* Functions on the lanes: an ordered part is its flow's own and counts from 0. */
static uint32_t n_marked(const struct hm_flow *f)
{
	return f->order_ref ? f->split : f->n;
}

uint32_t hm_marks_count(struct hm_flow *const *flows, uint32_t n)
{
	const uint64_t *from[HM_MARKS_MAX];
	uint32_t sum = 1; // the root's

	for (uint32_t i = 0; i < n; i++)
		for (uint32_t k = 0; k < n_marked(flows[i]); k++)
			sum += hm_instance_marks(flows[i]->instances[k], 0, from);
	return sum;
}

void hm_marks_fill(struct hm_mark *marks, struct hm_nodes *nodes, unsigned lane,
		   struct hm_flow *const *flows, uint32_t n)
{
	const uint64_t *from[HM_MARKS_MAX];

	marks++->from = hm_node_out(hm_nodes_root(nodes), lane);
	for (uint32_t i = 0; i < n; i++)
		for (uint32_t k = 0; k < n_marked(flows[i]); k++) {
			unsigned n_from = hm_instance_marks(flows[i]->instances[k], lane, from);

			for (unsigned m = 0; m < n_from; m++)
				marks++->from = from[m];
		}
}

void hm_marks_begin(const uint64_t *sums, struct hm_flow *const *flows, uint32_t n)
{
	static const uint64_t nothing[HM_MARKS_MAX];
	const uint64_t *from[HM_MARKS_MAX], root = *sums++;

	for (uint32_t i = 0; i < n; i++) {
		uint64_t in_base = root;

		for (uint32_t k = 0; k < n_marked(flows[i]); k++) {
			struct hm_instance *in = flows[i]->instances[k];

			if (in->back) // the flow's own
				in_base = 0;
			in_base = hm_instance_begin(in, in_base, sums);
			sums += hm_instance_marks(in, 0, from);
		}
		for (uint32_t k = n_marked(flows[i]); k < flows[i]->n; k++)
			hm_instance_begin(flows[i]->instances[k], 0, nothing);
	}
}
