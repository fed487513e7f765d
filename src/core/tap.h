/* SPDX-License-Identifier: BSD-3-Clause */
/* tap: the node behind a function whose values somebody reads from elsewhere (feed.h), like one of a function, but
 * no user sees it.
 */
#pragma once

#include "core/feed.h"
#include "core/node.h"

/* A node on one lane, behind `parent`; `of` is the node of the function, on the same lane (of a counter: any lanes,
 * it counts itself). NULL with err. */
struct hm_node *hm_tap_node(struct hm_node *parent, const struct hm_node *of,
			    struct hm_core_ctx *ctx, struct hm_error *err);
const struct hm_tap *hm_node_tap(const struct hm_node *n);
