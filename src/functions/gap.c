/* SPDX-License-Identifier: BSD-3-Clause */
/* GAP tells how long after its predecessor each packet came, and passes them all. Its value of a packet is
 * there for functions behind it; its result is that of the last packet. Costs a subtraction a packet.
 */
#include "core/function.h"

struct gap_core {
	uint64_t gap_ns[HM_BATCH_MAX];
	uint64_t last_ns; // time of the packet before
	uint64_t value;   // gap of the newest packet
	bool seen;        // there was one before
};

static uint64_t gap_process(void *core, const struct hm_batch *b, uint64_t in)
{
	struct gap_core *c = core;
	uint64_t last = c->seen ? c->last_ns : UINT64_MAX, gap = 0;

	hm_mask_foreach (i, in) {
		uint64_t ts = b->ts_ns[i];

		gap = ts > last ? ts - last
				: 0; // a clock that steps back makes no gap of 584 years
		c->gap_ns[i] = gap;
		last = ts;
	}
	c->last_ns = last;
	c->seen = true;
	__atomic_store_n(&c->value, gap, __ATOMIC_RELAXED);
	return in;
}

static const struct hm_values gap_values = {.offset = offsetof(struct gap_core, gap_ns),
					    .unit = HM_UNIT_NS};

static const struct hm_field gap_results[] = {
	{.name = "value",
	 .type = HM_FIELD_TIME_NS,
	 .merge = HM_MERGE_MAX,
	 .unit = "ns",
	 .offset = offsetof(struct gap_core, value),
	 .help = "time between the last two packets; 0 until there are two"},
	{0},
};

static const struct hm_function gap = {
	.name = "GAP",
	.summary = "tells the time between a packet and the one before",
	.flags = HM_FN_ORDERED,
	.results = gap_results,
	.values = &gap_values,
	.core_size = sizeof(struct gap_core),
	.process = gap_process,
};

HM_FUNCTION_REGISTER(gap);
