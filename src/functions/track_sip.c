/* SPDX-License-Identifier: BSD-3-Clause */
/* TRACK_SIP passes SIP: what is said on its port, and the media that it announces. */
#include "track/media_tracker.h"

static int track_sip_conf_init(void *conf, const union hm_value *args,
			       const struct hm_apply_ctx *ctx, struct hm_error *err)
{
	(void)ctx;
	return hm_media_tracker_conf_init(conf, "TRACK_SIP", 5060, true, args, err);
}

static const struct hm_function track_sip = {
	.name = "TRACK_SIP",
	.summary = "passes SIP, what is said and the media that it announces",
	.conf_init = track_sip_conf_init,
	HM_MEDIA_TRACKER,
};

HM_FUNCTION_REGISTER(track_sip);
