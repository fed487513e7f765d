/* SPDX-License-Identifier: BSD-3-Clause */
/* REGEXP: passes the packets in which a Perl-compatible regular expression matches, without
 * options, from the link-layer header to the last captured byte. It shares one scan with all
 * strings and regular expressions of all flows; what Hyperscan cannot decide costs a PCRE2 match
 * more. */
#include <errno.h>

#include "core/function.h"
#include "core/search.h"

#define NO_REGEXP 7000

struct regexp_conf {
	struct hm_pattern *pattern;
};

static int init(void *conf, const union hm_value *args, const struct hm_apply_ctx *ctx,
		struct hm_error *err)
{
	struct regexp_conf *c = conf;

	if (!args[0].s)
		return hm_error_set(err, -EINVAL, NO_REGEXP,
				    "REGEXP: argument 1 (pattern) is missing");
	c->pattern = hm_pattern_regexp(args[0].s, err);
	return c->pattern ? 0 : -EINVAL;
}

static void fini(void *conf)
{
	struct regexp_conf *c = conf;

	hm_pattern_release(c->pattern);
}

static const struct hm_pattern *pattern(const void *conf)
{
	const struct regexp_conf *c = conf;

	return c->pattern;
}

static const struct hm_arg args[] = {
	{.name = "pattern",
	 .type = HM_ARG_STRING,
	 .optional = true, // it is not, but MAPI's number for a missing one is 7000, not 7001
	 .help = "Perl-compatible regular expression"},
	{0},
};

static const struct hm_function regexp = {
	.name = "REGEXP",
	.summary = "passes packets in which a regular expression matches",
	.flags = HM_FN_FILTERS | HM_FN_STATELESS | HM_FN_PAYLOAD,
	.args = args,
	.conf_size = sizeof(struct regexp_conf),
	.conf_init = init,
	.conf_fini = fini,
	.pattern = pattern,
};
HM_FUNCTION_REGISTER(regexp);
