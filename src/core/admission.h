/* SPDX-License-Identifier: BSD-3-Clause */
/* admission: holds flows to what they may cost. A flow that is to be connected is refused, with the numbers, if
 * what it is predicted to add is more than its budget, or if all flows of the device would then cost more than
 * they may and those of lower priority could not make room. While flows run, the governor (governor.h) is told
 * about once a second what each has cost, and opens and closes their gates (gate.h). Control core only.
 *
 * What counts is what would be saved without the flow: entries that no other flow has, and its part of the scan
 * for patterns. Without timed batches (explain.sample_batches 0) only the prediction is enforced, and no gate is
 * closed.
 */
#pragma once

#include "core/flow.h"

/* Of a flow whose instances have their nodes. 0, or -EDQUOT with err. */
int hm_admit(struct hm_flow *f, struct hm_error *err);
/* About once a second, after the costs and rates of devices. */
void hm_admission_look(struct hm_engine *e);
/* Says to the nodes of the generation which gates stand before them. */
void hm_admission_place_gates(struct hm_device *d);
/* The terms of a flow, and the limit of all with what is enforced of it. */
json_t *hm_terms_json(const struct hm_terms *terms);
json_t *hm_admission_limit_json(const struct hm_admission_config *c, uint32_t sample_batches);
/* The same, with what the device's flows cost. */
json_t *hm_admission_device_json(const struct hm_device *d);
