/* SPDX-License-Identifier: BSD-3-Clause */
/* TRACK_FTP passes FTP: control connections and the data connections that they announce. */
#include "track/ftp_tracker.h"

static int track_ftp_conf_init(void *conf, const union hm_value *args,
			       const struct hm_apply_ctx *ctx, struct hm_error *err)
{
	(void)ctx;
	return hm_ftp_tracker_conf_init(conf, "TRACK_FTP", 21, false, args, err);
}

static const struct hm_function track_ftp = {
	.name = "TRACK_FTP",
	.summary = "passes FTP, control connections and the data connections that they announce",
	.conf_init = track_ftp_conf_init,
	HM_FTP_TRACKER,
};

HM_FUNCTION_REGISTER(track_ftp);
