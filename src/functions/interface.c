/* SPDX-License-Identifier: BSD-3-Clause */
/* INTERFACE passes the packets of one capture interface of the card, or of the trace. Costs a comparison a packet. */
#include "core/function.h"

#include <errno.h>
#include <inttypes.h>

struct interface_conf {
	uint16_t ifindex;
};

struct interface_core {
	uint16_t ifindex;
};

static uint64_t interface_process(void *core, const struct hm_batch *b, uint64_t in)
{
	const struct interface_core *c = core;
	uint64_t out = 0;

	for (unsigned i = 0; i < b->n; i++) // without branches: vector code
		out |= (uint64_t)(b->ifindex[i] == c->ifindex) << i;
	return out & in;
}

static int interface_conf_init(void *conf, const union hm_value *args,
			       const struct hm_apply_ctx *ctx, struct hm_error *err)
{
	struct interface_conf *c = conf;

	if (args[0].i < 0 || args[0].i > UINT16_MAX)
		return hm_error_set(err, -EINVAL, 7000,
				    "INTERFACE: argument 1 (interface) is %" PRId64
				    ", must be between 0 and %d",
				    args[0].i, UINT16_MAX);
	c->ifindex = (uint16_t)args[0].i;
	return 0;
}

static int interface_core_init(void *core, const struct hm_core_ctx *ctx, struct hm_error *err)
{
	const struct interface_conf *conf = ctx->conf;
	struct interface_core *c = core;

	c->ifindex = conf->ifindex;
	return 0;
}

static const struct hm_arg interface_args[] = {
	{.name = "interface",
	 .type = HM_ARG_INT,
	 .help = "number of the capture interface of the card or the trace, from 0"},
	{0},
};

static const struct hm_function interface = {
	.name = "INTERFACE",
	.summary = "passes packets of one capture interface",
	.flags = HM_FN_FILTERS | HM_FN_STATELESS,
	.args = interface_args,
	.conf_size = sizeof(struct interface_conf),
	.core_size = sizeof(struct interface_core),
	.conf_init = interface_conf_init,
	.core_init = interface_core_init,
	.process = interface_process,
};

HM_FUNCTION_REGISTER(interface);
