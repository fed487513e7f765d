/* SPDX-License-Identifier: BSD-3-Clause */
/* TRACK passes connections of one application protocol, of all that nDPI knows (track/application.h). */
#include <errno.h>

#include "track/application.h"

#define MFUNCT_INVALID_ARGUMENT_1 7001
#define MFUNCT_INVALID_ARGUMENT_2 7002

static int track_conf_init(void *conf, const union hm_value *args, const struct hm_apply_ctx *ctx,
			   struct hm_error *err)
{
	struct hm_application_conf *c = conf;
	char near[120];
	int protocol = hm_dissector_find(args[0].s, near, sizeof(near));

	(void)ctx;
	if (protocol < 0)
		return hm_error_set(err, -EINVAL, MFUNCT_INVALID_ARGUMENT_1,
				    "TRACK: nDPI knows no protocol \"%.64s\"%s%s; "
				    "docs/functions/track.md lists them",
				    args[0].s, near[0] ? "; near it are " : "", near);
	c->protocols = (struct hm_protocols){1, {(unsigned)protocol}};
	return hm_application_conf_init(c, "TRACK", args[1].options, MFUNCT_INVALID_ARGUMENT_2,
					err);
}

static const struct hm_arg track_args[] = {
	{.name = "protocol",
	 .type = HM_ARG_STRING,
	 .help = "a protocol of nDPI, in any case: HTTP, TLS, DNS, SIP, RTP, RTSP, QUIC, SkypeCall "
		 "... "
		 "(docs/functions/track.md)"},
	HM_APPLICATION_OPTIONS,
	{0},
};

static const struct hm_function track = {
	.name = "TRACK",
	.summary = "passes connections of an application protocol that nDPI recognizes",
	.args = track_args,
	.conf_init = track_conf_init,
	HM_APPLICATION,
};

HM_FUNCTION_REGISTER(track);
