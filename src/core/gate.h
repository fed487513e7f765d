/* SPDX-License-Identifier: BSD-3-Clause */
/* gate: lets one batch of so many into a part of a program that is one flow's alone, or none at all, and counts
 * the packets that it keeps out (admission.h). It stands before the first function of the flow that costs and
 * that no other flow has. A program has a gate only while it is not wide open; from then on its level changes
 * with one store, without a new program.
 *
 * Batches are taken by lot, not each n-th one: traffic has periods, and so has the timing of batches. All gates
 * draw by the worker's number of the batch and a seed of their own.
 */
#pragma once

#include "core/node.h"

/* One batch in 2^level is let in. */
#define HM_GATE_OPEN   0
#define HM_GATE_MAX    6 // one in 64
#define HM_GATE_CLOSED 7 // none

/* On one worker. */
struct hm_gate_lane {
	uint64_t skipped; // packets; worker
	uint32_t level;   // control core
	uint32_t seed;
};

struct hm_gate;

/* Closed to nobody yet. NULL without memory. */
struct hm_gate *hm_gate_create(struct hm_nodes *nodes, uint32_t seed);
void hm_gate_destroy(struct hm_gate *g); // when no worker can see it; NULL is allowed
void hm_gate_set(struct hm_gate *g, unsigned level);
struct hm_gate_lane *hm_gate_lane(const struct hm_gate *g, unsigned lane);
/* Packets kept out, all workers. NULL: 0. */
uint64_t hm_gate_skipped(const struct hm_gate *g);

/* Worker: whether the gate lets its batch of that number in. */
static inline bool hm_gate_passes(const struct hm_gate_lane *g, uint64_t batch)
{
	uint32_t level = __atomic_load_n(&g->level, __ATOMIC_RELAXED);
	uint64_t lot = (batch + g->seed) * UINT64_C(0x9e3779b97f4a7c15);

	lot = (lot ^ (lot >> 29)) * UINT64_C(0xbf58476d1ce4e5b9);
	return level != HM_GATE_CLOSED && !(lot >> 32 & ((UINT64_C(1) << level) - 1));
}
