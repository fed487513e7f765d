/* SPDX-License-Identifier: BSD-3-Clause */
/* STR_SEARCH: passes the packets that contain a string (core/search.h has the syntax). The strings
 * of all flows are found in one scan of the packet, and one that is not found costs nothing. */
#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>

#include "core/function.h"
#include "core/search.h"

#define PATTERN_IS_EMPTY 7001

struct str_search_conf {
	char *text;
	uint32_t offset, depth;
	struct hm_pattern *pattern; // NULL before connect
};

static int init(void *conf, const union hm_value *args, const struct hm_apply_ctx *ctx,
		struct hm_error *err)
{
	struct str_search_conf *c = conf;

	if (args[0].s[0] == '\0')
		return hm_error_set(err, -EINVAL, PATTERN_IS_EMPTY,
				    "STR_SEARCH: argument 1 (pattern) is empty");
	c->offset = (uint32_t)args[1].i;
	c->depth = (uint32_t)args[2].i;
	c->text = strdup(args[0].s);
	return c->text ? 0 : hm_error_set(err, -ENOMEM, 0, "STR_SEARCH: no memory for the pattern");
}

/* MAPI looks at the pattern's syntax only here. */
static int connect(void *conf, struct hm_error *err)
{
	struct str_search_conf *c = conf;

	if (!c->pattern)
		c->pattern = hm_pattern_literal(c->text, c->offset, c->depth, err);
	return c->pattern ? 0 : -EINVAL;
}

static void fini(void *conf)
{
	struct str_search_conf *c = conf;

	hm_pattern_release(c->pattern);
	free(c->text);
}

static const struct hm_pattern *pattern(const void *conf)
{
	const struct str_search_conf *c = conf;

	return c->pattern;
}

static const struct hm_arg args[] = {
	{.name = "pattern",
	 .type = HM_ARG_STRING,
	 .help = "text, |hex bytes|, || between alternatives, \\| and \\\\ for | and \\"},
	{.name = "offset",
	 .type = HM_ARG_INT,
	 .max = INT_MAX,
	 .help = "first byte searched, from the link-layer header"},
	{.name = "depth",
	 .type = HM_ARG_INT,
	 .max = INT_MAX,
	 .help = "bytes searched from offset, 0: to the end"},
	{0},
};

static const struct hm_function str_search = {
	.name = "STR_SEARCH",
	.summary = "passes packets that contain a string",
	.flags = HM_FN_FILTERS | HM_FN_STATELESS | HM_FN_PAYLOAD,
	.args = args,
	.conf_size = sizeof(struct str_search_conf),
	.conf_init = init,
	.connect = connect,
	.conf_fini = fini,
	.pattern = pattern,
};
HM_FUNCTION_REGISTER(str_search);
