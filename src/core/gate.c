/* SPDX-License-Identifier: BSD-3-Clause */
#include "core/gate.h"

#include <stdlib.h>

struct hm_gate {
	struct hm_nodes *nodes;
	uint32_t cell;
};

struct hm_gate *hm_gate_create(struct hm_nodes *nodes, uint32_t seed)
{
	struct hm_gate *g = malloc(sizeof(*g));

	if (!g)
		return NULL;
	g->nodes = nodes;
	g->cell = hm_cells_take(hm_nodes_cells(nodes), sizeof(struct hm_gate_lane));
	if (g->cell == HM_NO_CELL) {
		free(g);
		return NULL;
	}
	for (unsigned lane = 0; lane < hm_nodes_lanes(nodes); lane++)
		hm_gate_lane(g, lane)->seed = seed * UINT32_C(2654435761);
	return g;
}

void hm_gate_destroy(struct hm_gate *g)
{
	if (!g)
		return;
	hm_cells_give(hm_nodes_cells(g->nodes), g->cell, sizeof(struct hm_gate_lane));
	free(g);
}

void hm_gate_set(struct hm_gate *g, unsigned level)
{
	for (unsigned lane = 0; lane < hm_nodes_lanes(g->nodes); lane++)
		__atomic_store_n(&hm_gate_lane(g, lane)->level, level, __ATOMIC_RELAXED);
}

struct hm_gate_lane *hm_gate_lane(const struct hm_gate *g, unsigned lane)
{
	return hm_cells_at(hm_nodes_cells(g->nodes), lane, g->cell);
}

uint64_t hm_gate_skipped(const struct hm_gate *g)
{
	uint64_t sum = 0;

	for (unsigned lane = 0; g && lane < hm_nodes_lanes(g->nodes); lane++)
		sum += __atomic_load_n(&hm_gate_lane(g, lane)->skipped,
				       __ATOMIC_ACQUIRE); // program.c: count
	return sum;
}
