/* SPDX-License-Identifier: BSD-3-Clause */
/* reference: how a function reads the values of another one, given by the arguments "flow, function" of MAPI's
 * STATS, DIST, BUCKET, THRESHOLD.
 *
 * The other one lies before the reader in the same flow, so that each packet that reaches the reader has a
 * value, in the same batch. So nothing that changes packets lies between them; and nothing that takes
 * packets away if it is a counter, since the reader counts its own packets then: it needs no copy of every
 * count a packet, and the counter itself may be shared with other flows, and run on many workers.
 */
#pragma once

#include "core/function.h"

struct hm_reference {
	uint32_t number; // of the function in its flow, from 1
	const struct hm_values *values;
};

/* Arguments `at` and `at` + 1 (from 0) are the flow, 0 for the function's own, and the function. 0, or
 * negative errno with err: `mapi_errno` if there is no such function, or it has no values. Control core. */
int hm_reference_parse(struct hm_reference *r, const union hm_value *args, unsigned at,
		       const struct hm_apply_ctx *ctx, int mapi_errno, struct hm_error *err);
/* The two rows for them in a table of arguments. */
#define HM_REFERENCE_ARGS                                                                      \
	{.name = "flow",                                                                       \
	 .type = HM_ARG_INT,                                                                   \
	 .help = "number of the flow that has the function: 0, or this flow's own"},           \
	{                                                                                      \
		.name = "function", .type = HM_ARG_INT,                                        \
		.help = "number of a function before this one that has values: GAP, PKTINFO, " \
			"PKT_COUNTER"                                                          \
	}

/* A worker's. */
struct hm_reader {
	const uint64_t *values; // of the function; NULL: a counter
	enum hm_unit unit;
	uint64_t total;                // of a counter
	uint64_t counts[HM_BATCH_MAX]; // of a counter, at each packet of this batch
};

/* In core_init. */
void hm_reader_init(struct hm_reader *r, const struct hm_reference *ref,
		    const struct hm_core_ctx *ctx);
/* Once a batch: the values at the packets of `in`, by number of packet. A counter's has the packet in it. */
const uint64_t *hm_reader_values(struct hm_reader *r, const struct hm_batch *b, uint64_t in);
const char *hm_unit_name(enum hm_unit unit);
