/* SPDX-License-Identifier: BSD-3-Clause */
/* TRACK_GNUTELLA passes connections of Gnutella: handshakes, downloads, and what a well-known program says. */
#include "track/tracker.h"

static const struct hm_signature signatures[] = {
	HM_SIGNATURE("GET /uri-res/N2R?urn:sha1:", 100),
	HM_SIGNATURE("GET /gnutella/", 14), // sums of files (THEX), and whom to ask for a push
	// at the begin: programs name themselves gtk-gnutella/1.2 to others, too, as in what they ask routers
	HM_SIGNATURE("GNUTELLA CONNECT/", 17),
	HM_SIGNATURE("GNUTELLA/", 9),
	HM_SIGNATURE("Server: LimeWire/", 100),
	{0},
};

static const struct hm_track_protocol protocol = {
	.function = "TRACK_GNUTELLA",
	.signatures = signatures,
	.any_case = true,
	.udp = true,
};

static int track_gnutella_conf_init(void *conf, const union hm_value *args,
				    const struct hm_apply_ctx *ctx, struct hm_error *err)
{
	(void)ctx;
	return hm_tracker_conf_init(conf, &protocol, args, err);
}

static const struct hm_function track_gnutella = {
	.name = "TRACK_GNUTELLA",
	.summary = "passes connections of Gnutella",
	.conf_init = track_gnutella_conf_init,
	HM_TRACKER,
};

HM_FUNCTION_REGISTER(track_gnutella);
