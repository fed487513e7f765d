/* SPDX-License-Identifier: BSD-3-Clause */
/* methods_flow: what the methods about flows have in common. */
#pragma once

#include "control/config_keys.h"
#include "control/rpc.h"

#define HM_FLOW_PARAM                                                   \
	{                                                               \
		.name = "flow", .type = HM_KEY_WHICH, .required = true, \
		.help = "a flow, by number or name"                     \
	}
#define HM_FUNCTION_PARAM(needed, words)                                                        \
	{                                                                                       \
		.name = "function", .type = HM_KEY_WHICH, .required = (needed), .help = (words) \
	}

/* The flow that `params` names; NULL: there is none, and the call is answered. */
struct hm_flow *hm_call_flow(struct hm_call *c, const json_t *params);
/* The same, if the caller may use it. */
struct hm_flow *hm_call_own_flow(struct hm_call *c, const json_t *params);
/* True: the daemon is stopping, and the call is answered. */
bool hm_call_refuse_stopping(struct hm_call *c);
