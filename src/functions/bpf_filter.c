/* SPDX-License-Identifier: BSD-3-Clause */
/* BPF_FILTER passes the packets that match a capture filter (pcap-filter(7)), as captured. Costs a
 * run of libpcap's interpreter a packet. */
#include <errno.h>

#include "core/function.h"
#include "filter/filter.h"

struct bpf_filter_conf {
	struct hm_filter *filter;
};

struct bpf_filter_core {
	const struct hm_filter *filter; // the conf's, for all workers
};

static uint64_t bpf_filter_process(void *core, const struct hm_batch *b, uint64_t in)
{
	const struct bpf_filter_core *c = core;

	return hm_filter_run(c->filter, b, in);
}

static int bpf_filter_core_init(void *core, const struct hm_core_ctx *ctx, struct hm_error *err)
{
	const struct bpf_filter_conf *conf = ctx->conf;
	struct bpf_filter_core *c = core;

	c->filter = conf->filter;
	return 0;
}

static int bpf_filter_init(void *conf, const union hm_value *args, const struct hm_apply_ctx *ctx,
			   struct hm_error *err)
{
	struct bpf_filter_conf *c = conf;

	c->filter = hm_filter_create(args[0].s, ctx->link, ctx->snaplen, err);
	return c->filter ? 0 : -EINVAL;
}

static void bpf_filter_fini(void *conf)
{
	struct bpf_filter_conf *c = conf;

	hm_filter_destroy(c->filter);
}

static const struct hm_arg bpf_filter_args[] = {
	{.name = "expression",
	 .type = HM_ARG_STRING,
	 .help = "capture filter, see pcap-filter(7); addresses in numbers only"},
	{.name = "optimise",
	 .type = HM_ARG_INT,
	 .optional = true,
	 .value_default = 1,
	 .help = "accepted for old programs and ignored"},
	{0},
};

static const struct hm_function bpf_filter_function = {
	.name = "BPF_FILTER",
	.summary = "passes packets that match a capture filter",
	.flags = HM_FN_FILTERS | HM_FN_STATELESS,
	.args = bpf_filter_args,
	.conf_size = sizeof(struct bpf_filter_conf),
	.core_size = sizeof(struct bpf_filter_core),
	.conf_init = bpf_filter_init,
	.conf_fini = bpf_filter_fini,
	.core_init = bpf_filter_core_init,
	.process = bpf_filter_process,
};

HM_FUNCTION_REGISTER(bpf_filter_function);
