/* SPDX-License-Identifier: BSD-3-Clause */
/* BYTE_COUNTER sums the wire lengths of the packets that reach it, and passes them all. Wire length is
 * without FCS and independent of snaplen. Costs a masked sum a batch.
 */
#include "core/function.h"
#include "core/kernels.h"

struct byte_counter_core {
	uint64_t bytes;
};

static uint64_t byte_counter_process(void *core, const struct hm_batch *b, uint64_t in)
{
	struct byte_counter_core *c = core;

	__atomic_store_n(&c->bytes, c->bytes + hm_kernels.sum_u32(b->wirelen, in),
			 __ATOMIC_RELAXED);
	return in;
}

static const struct hm_field byte_counter_results[] = {
	{.name = "value",
	 .type = HM_FIELD_U64,
	 .merge = HM_MERGE_SUM,
	 .unit = "bytes",
	 .offset = offsetof(struct byte_counter_core, bytes),
	 .help = "bytes on the wire since connect or reset"},
	{0},
};

static const struct hm_values byte_counter_values = {.unit = HM_UNIT_BYTES, .running = true};

static const struct hm_function byte_counter = {
	.name = "BYTE_COUNTER",
	.summary = "sums the lengths of packets on the wire",
	.flags = HM_FN_SHARED_COUNTER,
	.results = byte_counter_results,
	.values = &byte_counter_values,
	.core_size = sizeof(struct byte_counter_core),
	.cost = {.batch = 20},
	.process = byte_counter_process,
};

HM_FUNCTION_REGISTER(byte_counter);
