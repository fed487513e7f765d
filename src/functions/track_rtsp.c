/* SPDX-License-Identifier: BSD-3-Clause */
/* TRACK_RTSP passes RTSP: what is said on its port, and the media that it announces. */
#include "track/media_tracker.h"

static int track_rtsp_conf_init(void *conf, const union hm_value *args,
				const struct hm_apply_ctx *ctx, struct hm_error *err)
{
	(void)ctx;
	return hm_media_tracker_conf_init(conf, "TRACK_RTSP", 554, false, args, err);
}

static const struct hm_function track_rtsp = {
	.name = "TRACK_RTSP",
	.summary = "passes RTSP, what is said and the media that it announces",
	.conf_init = track_rtsp_conf_init,
	HM_MEDIA_TRACKER,
};

HM_FUNCTION_REGISTER(track_rtsp);
