/* SPDX-License-Identifier: BSD-3-Clause */
/* SYNC lets no packet pass until all flows of a list are connected, and from then on every one: flows that list each
 * other begin with the same packet. Until then nothing behind it is in the programs of the workers, and the programs
 * that have it all have all these flows. Costs nothing before that, and then a call a batch.
 */
#include "core/function.h"

#include <ctype.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define FLOWS_MAX 64

struct sync_conf {
	uint32_t n;
	uint32_t flows[FLOWS_MAX];
};

static uint64_t sync_process(void *core, const struct hm_batch *b, uint64_t in)
{
	return in;
}

/* --- control core --- */

static const uint32_t *sync_awaits(const void *conf, uint32_t *n)
{
	const struct sync_conf *c = conf;

	*n = c->n;
	return c->flows;
}

/* "7", or a name. */
static int add_flow(struct sync_conf *c, const char *text, const struct hm_apply_ctx *ctx,
		    struct hm_error *err)
{
	struct hm_flow_name which = {.name = text};
	struct hm_error cause;
	struct hm_other other;
	char *end;

	errno = 0;
	which.number = strtoll(text, &end, 10);
	if (end != text && *end == '\0' && errno == 0)
		which.name = NULL;
	if (c->n == FLOWS_MAX)
		return hm_error_set(err, -E2BIG, 7002, "SYNC: it waits for %d flows at most",
				    FLOWS_MAX);
	if (!ctx->other)
		return hm_error_set(err, -ENOENT, 7002, "SYNC: there is no other flow");
	if (ctx->other(ctx, &which, &other, &cause) < 0)
		return hm_error_set(err, -EINVAL, 7002, "SYNC: argument 1 (flows): %s", cause.text);
	c->flows[c->n++] = other.flow;
	return 0;
}

static int sync_conf_init(void *conf, const union hm_value *args, const struct hm_apply_ctx *ctx,
			  struct hm_error *err)
{
	struct sync_conf *c = conf;
	char *list = strdup(args[0].s), *next = list;
	int ret = list ? 0 : hm_error_set(err, -ENOMEM, 3084, "SYNC: out of memory");

	while (ret == 0 && next) {
		char *flow = strsep(&next, ",");

		while (isspace((unsigned char)*flow))
			flow++;
		for (size_t n = strlen(flow); n && isspace((unsigned char)flow[n - 1]); n--)
			flow[n - 1] = '\0';
		ret = *flow ? add_flow(c, flow, ctx, err)
			    : hm_error_set(
				      err, -EINVAL, 7002,
				      "SYNC: argument 1 (flows) must be a list of flows, such as "
				      "\"3,4\"");
	}
	free(list);
	return ret;
}

static const struct hm_arg sync_args[] = {
	{.name = "flows",
	 .type = HM_ARG_FLOWS,
	 .help = "those that must be connected, by number or name: \"3,4\""},
	{0},
};

static const struct hm_function sync_function = {
	.name = "SYNC",
	.summary = "lets nothing pass until other flows are connected",
	.flags = HM_FN_FILTERS,
	.args = sync_args,
	.conf_size = sizeof(struct sync_conf),
	.conf_init = sync_conf_init,
	.awaits = sync_awaits,
	.process = sync_process,
};

HM_FUNCTION_REGISTER(sync_function);
