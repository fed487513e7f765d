/* SPDX-License-Identifier: BSD-3-Clause */
/* TRACK_SKYPE passes what nDPI recognizes as Skype: its calls, and its connections to servers. */
#include <errno.h>

#include "track/application.h"

#define MFUNCT_INVALID_ARGUMENT_1 7001

static int track_skype_conf_init(void *conf, const union hm_value *args,
				 const struct hm_apply_ctx *ctx, struct hm_error *err)
{
	static const char *const names[] = {"SkypeCall", "Skype_Teams"};
	struct hm_application_conf *c = conf;
	char near[1];

	(void)ctx;
	for (unsigned i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		int protocol = hm_dissector_find(names[i], near, sizeof(near));

		if (protocol >= 0) // versions of nDPI know one or both
			c->protocols.at[c->protocols.n++] = (unsigned)protocol;
	}
	if (c->protocols.n == 0)
		return hm_error_set(err, -ENOENT, MFUNCT_INVALID_ARGUMENT_1,
				    "TRACK_SKYPE: the installed nDPI knows no Skype");
	return hm_application_conf_init(c, "TRACK_SKYPE", args[0].options,
					MFUNCT_INVALID_ARGUMENT_1, err);
}

static const struct hm_arg track_skype_args[] = {
	HM_APPLICATION_OPTIONS,
	{0},
};

static const struct hm_function track_skype = {
	.name = "TRACK_SKYPE",
	.summary = "passes connections of Skype",
	.args = track_skype_args,
	.conf_init = track_skype_conf_init,
	HM_APPLICATION,
};

HM_FUNCTION_REGISTER(track_skype);
