/* SPDX-License-Identifier: BSD-3-Clause */
/* TRACK_DC passes connections of Direct Connect that have carried one of its commands. */
#include "track/tracker.h"

static const struct hm_signature signatures[] = {
	HM_SIGNATURE("$MyNick", 0),
	HM_SIGNATURE("$Lock EXTENDEDPROTOCOL", 0),
	HM_SIGNATURE("$Sending", 0),
	HM_SIGNATURE("$Direction Download ", 0),
	HM_SIGNATURE("$Direction Upload ", 0),
	HM_SIGNATURE("$Supports", 0),
	HM_SIGNATURE("$GetNickList|", 0),
	HM_SIGNATURE("$ValidateNick", 0),
	HM_SIGNATURE("$ConnectToMe", 0),
	HM_SIGNATURE("$HubName", 0),
	HM_SIGNATURE("$Hello", 0),
	HM_SIGNATURE("$MyINFO $ALL", 0),
	HM_SIGNATURE("$GetINFO", 0),
	HM_SIGNATURE("$Search Hub:", 0),
	HM_SIGNATURE("$OpList", 0),
	{0},
};

static const struct hm_track_protocol protocol = {
	.function = "TRACK_DC",
	.signatures = signatures,
	.any_case = true,
	.udp = true,
};

static int track_dc_conf_init(void *conf, const union hm_value *args,
			      const struct hm_apply_ctx *ctx, struct hm_error *err)
{
	(void)ctx;
	return hm_tracker_conf_init(conf, &protocol, args, err);
}

static const struct hm_function track_dc = {
	.name = "TRACK_DC",
	.summary = "passes connections of Direct Connect",
	.conf_init = track_dc_conf_init,
	HM_TRACKER,
};

HM_FUNCTION_REGISTER(track_dc);
