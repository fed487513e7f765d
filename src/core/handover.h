/* SPDX-License-Identifier: BSD-3-Clause */
/* handover: the two ends of the way from a flow's part that runs on every lane to its ordered part: nodes like those
 * of functions, which no user sees. The first marks the packets that go over, the second picks out of the packets
 * in order those that the flow wants.
 */
#pragma once

#include "core/node.h"
#include "core/ordered.h"

/* A node behind `parent`, on every lane. NULL with err. */
struct hm_node *hm_handover_mark(struct hm_node *parent, struct hm_runners *s, uint32_t ref,
				 struct hm_core_ctx *ctx, struct hm_error *err);
/* A node behind the root of what the runners run. NULL with err. */
struct hm_node *hm_handover_pick(struct hm_runners *s, uint32_t ref, struct hm_core_ctx *ctx,
				 struct hm_error *err);
