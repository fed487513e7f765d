/* SPDX-License-Identifier: BSD-3-Clause */
/* PKT_COUNTER counts the packets that reach it, and passes them all. Costs nothing: the program knows how many
 * packets go where. */
#include "core/function.h"

static const struct hm_field pkt_counter_results[] = {
	{.name = "value",
	 .type = HM_FIELD_U64,
	 .merge = HM_MERGE_IN,
	 .unit = "packets",
	 .help = "packets since connect or reset"},
	{0},
};

static const struct hm_values pkt_counter_values = {.unit = HM_UNIT_PACKETS, .running = true};

static const char *const pkt_counter_aliases[] = {"PKT_COUNT", NULL}; // in one of MAPI's examples

static const struct hm_function pkt_counter = {
	.name = "PKT_COUNTER",
	.aliases = pkt_counter_aliases,
	.summary = "counts packets",
	.flags = HM_FN_SHARED_COUNTER,
	.results = pkt_counter_results,
	.values = &pkt_counter_values,
};

HM_FUNCTION_REGISTER(pkt_counter);
