/* SPDX-License-Identifier: BSD-3-Clause */
/* filter_oracle: many filters as one index, and each by libpcap's program alone.
 *
 * libpcap's optimiser is not free of faults (1.10.3 drops a branch of some expressions that ask twice
 * for IPv6 nets); where it changes what an expression means, the index must agree with the program
 * that was not optimised. */
#pragma once

#include "filter/filter.h"

struct filter_oracle {
	struct hm_filter **filters; // of the expressions that are filters
	uint32_t n, room, n_indexed;
	struct hm_filter_index *index;
	struct hm_filter_scan *scan;
	uint64_t answers, matches; // compared
	uint64_t faults;           // answers that the optimiser has changed
};

/* Whether libpcap takes it as a filter of the link type. */
bool filter_oracle_add(struct filter_oracle *o, const char *expression, enum hm_link link);
bool filter_oracle_start(struct filter_oracle *o);
/* All filters over one batch, of which n, data, caplen, wirelen and link are set. NULL, or the first
 * filter about which both disagree, with the packets in *wrong. */
const struct hm_filter *filter_oracle_compare(struct filter_oracle *o, struct hm_batch *b,
					      uint64_t *wrong);
void filter_oracle_end(struct filter_oracle *o);
