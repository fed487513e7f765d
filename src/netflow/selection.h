/* SPDX-License-Identifier: BSD-3-Clause */
/* selection: what packets went through before they were metered: sampling outside of the appliance, which the
 * exporter's sampling_interval tells, and the functions in front of FLOW_REPORT. Collectors are told each of
 * them, and by how much to multiply.
 */
#pragma once

#include "core/function.h"
#include "netflow/exporter.h"

/* Notes the functions `before`, and that one of `flow_sampling` flows is metered, in the exporter's configuration. -ERANGE: its format has no room for the sampling
 * interval that comes out; the sentence names the function or key to change. */
int hm_selection_note(struct hm_exporter_conf *x, const struct hm_applied *before, uint32_t n,
		      uint32_t flow_sampling, struct hm_error *err);
