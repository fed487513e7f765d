/* SPDX-License-Identifier: BSD-3-Clause */
/* TRACK_GRID_FTP passes GridFTP. Its control connections are mostly protected, so that all connections between their hosts are
 * taken for data, as with MAPI, unless the options say otherwise. */
#include "track/ftp_tracker.h"

static int track_grid_ftp_conf_init(void *conf, const union hm_value *args,
				    const struct hm_apply_ctx *ctx, struct hm_error *err)
{
	(void)ctx;
	return hm_ftp_tracker_conf_init(conf, "TRACK_GRID_FTP", 2811, true, args, err);
}

static const struct hm_function track_grid_ftp = {
	.name = "TRACK_GRID_FTP",
	.summary = "passes GridFTP, control connections and the connections between their hosts",
	.conf_init = track_grid_ftp_conf_init,
	HM_FTP_TRACKER,
};

HM_FUNCTION_REGISTER(track_grid_ftp);
