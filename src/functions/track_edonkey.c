/* SPDX-License-Identifier: BSD-3-Clause */
/* TRACK_EDONKEY passes connections of eDonkey, eMule and Overnet: those that have carried one of their messages. */
#include "track/edonkey.h"
#include "track/tracker.h"

static const struct hm_signature signatures[] = {
	HM_SIGNATURE("\x03\x02\x00pr\x01\x00\x00\x00", 100),
	{0},
};

static const struct hm_track_protocol protocol = {
	.function = "TRACK_EDONKEY",
	.signatures = signatures,
	.udp = true,
	.is_message = hm_edonkey_is_message,
	.message_begins = hm_edonkey_begins,
};

static int track_edonkey_conf_init(void *conf, const union hm_value *args,
				   const struct hm_apply_ctx *ctx, struct hm_error *err)
{
	(void)ctx;
	return hm_tracker_conf_init(conf, &protocol, args, err);
}

static const struct hm_function track_edonkey = {
	.name = "TRACK_EDONKEY",
	.summary = "passes connections of eDonkey, eMule and Overnet",
	.conf_init = track_edonkey_conf_init,
	HM_TRACKER,
};

HM_FUNCTION_REGISTER(track_edonkey);
