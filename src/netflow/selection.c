/* SPDX-License-Identifier: BSD-3-Clause */
#include "netflow/selection.h"

#include <errno.h>
#include <math.h>

#define MFUNCT_INVALID_ARGUMENT 7000

static void add(struct hm_exporter_conf *x, const struct hm_selector *s)
{
	if (x->n_selectors < HM_SELECTORS_MAX)
		x->selectors[x->n_selectors++] = *s;
}

int hm_selection_note(struct hm_exporter_conf *x, const struct hm_applied *before, uint32_t n,
		      uint32_t flow_sampling, struct hm_error *err)
{
	const struct hm_selector outside = {.algorithm = HM_SELECT_COUNT,
					    .interval = 1,
					    .space = x->origin.sampling_interval - 1,
					    .name = "before this meter"};
	double interval = x->origin.sampling_interval;

	x->n_selectors = 0;
	if (x->origin.sampling_interval > 1)
		add(x, &outside);
	for (uint32_t i = 0; i < n; i++) {
		if (before[i].selector.algorithm == HM_SELECT_ALL)
			continue;
		add(x, &before[i].selector);
		interval *= hm_selector_interval(&before[i].selector);
	}
	interval *= flow_sampling;
	x->flow_sampling = flow_sampling;
	if (round(interval) > x->format->sampling_max)
		return hm_error_set(
			err, -ERANGE, MFUNCT_INVALID_ARGUMENT,
			"one of %.0f packets is metered, and %s can tell collectors one of %u at "
			"most: sample less in front of FLOW_REPORT, or lower sampling_interval",
			interval, x->format->name, x->format->sampling_max);
	x->origin.sampling_interval = (uint32_t)lround(interval);
	return 0;
}
