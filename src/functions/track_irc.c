/* SPDX-License-Identifier: BSD-3-Clause */
/* TRACK_IRC passes connections of IRC that have carried a message or notice (RFC 2812 §3.3) or one of the words that bots use. */
#include "track/tracker.h"

static const struct hm_signature signatures[] = {
	HM_SIGNATURE("PRIVMSG ", 100),   HM_SIGNATURE("NOTICE ", 100),
	HM_SIGNATURE(" :DOWN// ", 100),  HM_SIGNATURE(" :EFTP// ", 100),
	HM_SIGNATURE("\001ACTION", 100), {0},
};

static const struct hm_track_protocol protocol = {
	.function = "TRACK_IRC",
	.signatures = signatures,
};

static int track_irc_conf_init(void *conf, const union hm_value *args,
			       const struct hm_apply_ctx *ctx, struct hm_error *err)
{
	(void)ctx;
	return hm_tracker_conf_init(conf, &protocol, args, err);
}

static const struct hm_function track_irc = {
	.name = "TRACK_IRC",
	.summary = "passes connections of IRC",
	.conf_init = track_irc_conf_init,
	HM_TRACKER,
};

HM_FUNCTION_REGISTER(track_irc);
