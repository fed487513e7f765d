/* SPDX-License-Identifier: BSD-3-Clause */
/* reference: how a function reads the values of another one, given by the arguments "flow, function" of MAPI's
 * BINOP, STATS, DIST, BUCKET, THRESHOLD, or in RES2FILE's list.
 *
 * A function before the reader in its own flow has a value of each packet that reaches the reader, in the same batch:
 * it is read in place. A counter there is not even asked: the reader counts its own packets, so that the counter may
 * be shared with other flows, and run on many workers. Where functions in between take packets away, and of
 * functions of other flows, the reader gets what they hold at each of its packets (feed.h).
 */
#pragma once

#include "core/feed.h"

#define HM_READS_MAX 64 // of one instance, over feeds

/* What an instance reads over feeds, by feed. */
struct hm_reads {
	uint32_t n;
	struct hm_read {
		uint32_t flow, function; // as users know them
	} of[HM_READS_MAX];
};

struct hm_reference {
	uint32_t number; // of the function in its flow, from 1
	enum hm_unit unit;
	int feed; // HM_IN_PLACE, or number of the feed
	const struct hm_values *values;
};

#define HM_IN_PLACE (-1)

/* Finds function `number` of a flow. 0, or negative errno with err, which tells the cause alone, like "there is no
 * flow 7". Control core, in conf_init. */
int hm_reference_find(struct hm_reference *r, const struct hm_flow_name *flow, int64_t number,
		      const struct hm_apply_ctx *ctx, struct hm_error *err);
/* Arguments `at` and `at` + 1 (from 0) are the flow, 0 for the function's own, and the function, which has numbers
 * as values. 0, or negative errno with err: `mapi_errno` if there is no such function, or it has none. */
int hm_reference_parse(struct hm_reference *r, const union hm_value *args, unsigned at,
		       const struct hm_apply_ctx *ctx, int mapi_errno, struct hm_error *err);
/* The two rows for them in a table of arguments. */
#define HM_REFERENCE_ARGS                                                                      \
	{.name = "flow",                                                                       \
	 .type = HM_ARG_FLOW,                                                                  \
	 .help = "the flow that has the function, by number or name; 0: this one"},            \
	{                                                                                      \
		.name = "function", .type = HM_ARG_FUNCTION,                                   \
		.help = "number of a function that has values: GAP, PKTINFO, PKT_COUNTER; in " \
			"this flow one before this function"                                   \
	}

/* A worker's. */
struct hm_reader {
	const char *lane; // of the function; NULL: a counter, or over a feed
	uint32_t size;    // of one value
	enum hm_unit unit;
	const struct hm_feed *feed;     // NULL: in place
	uint64_t total;                 // of a counter
	uint64_t numbers[HM_BATCH_MAX]; // of a counter or feed, at each packet of this batch
	alignas(16) uint8_t last[HM_VALUE_MAX]; // read over the feed
};

/* In core_init. */
void hm_reader_init(struct hm_reader *r, const struct hm_reference *ref,
		    const struct hm_core_ctx *ctx);
/* Once a batch: the numbers at the packets of `in`, by number of packet. A counter's has the packet in it. */
const uint64_t *hm_reader_values(struct hm_reader *r, const struct hm_batch *b, uint64_t in);
/* The value at packet i of any function but a counter that is read in place; valid until the batch ends. */
const void *hm_reader_at(struct hm_reader *r, const struct hm_batch *b, unsigned i);
const char *hm_unit_name(enum hm_unit unit);
