/* SPDX-License-Identifier: BSD-3-Clause */
/* PKT_COUNTER counts the packets that reach it, and passes them all. Costs a popcount a batch. */
#include "core/function.h"

struct pkt_counter_core {
	uint64_t packets;
};

static uint64_t pkt_counter_process(void *core, const struct hm_batch *b, uint64_t in)
{
	struct pkt_counter_core *c = core;

	(void)b;
	__atomic_store_n(&c->packets, c->packets + hm_mask_count(in), __ATOMIC_RELAXED);
	return in;
}

static const struct hm_field pkt_counter_results[] = {
	{.name = "value",
	 .type = HM_FIELD_U64,
	 .merge = HM_MERGE_SUM,
	 .unit = "packets",
	 .offset = offsetof(struct pkt_counter_core, packets),
	 .help = "packets since connect or reset"},
	{0},
};

static const struct hm_function pkt_counter = {
	.name = "PKT_COUNTER",
	.summary = "counts packets",
	.results = pkt_counter_results,
	.core_size = sizeof(struct pkt_counter_core),
	.process = pkt_counter_process,
};

HM_FUNCTION_REGISTER(pkt_counter);
