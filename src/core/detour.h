/* SPDX-License-Identifier: BSD-3-Clause */
/* detour: how a flow waits within a batch until other flows have values for it to read (feed.h). Its packets
 * leave where they are, and come back behind the root, later than all that the reader needs (layout.h). Two nodes
 * like those of functions, which no user sees.
 */
#pragma once

#include "core/node.h"

/* What leaves behind `parent`. NULL with err. */
struct hm_node *hm_detour_leave(struct hm_node *parent, struct hm_core_ctx *ctx,
				struct hm_error *err);
/* The same packets again, behind the root; of such nodes those with a lower `late` run first. NULL with err. */
struct hm_node *hm_detour_return(const struct hm_node *leave, uint64_t late,
				 struct hm_core_ctx *ctx, struct hm_error *err);
