/* SPDX-License-Identifier: BSD-3-Clause */
/* BPF_FILTER passes the packets that match a capture filter (pcap-filter(7)), as captured. The filters of all
 * flows are evaluated together, in filter/filter.h. */
#include <errno.h>

#include "core/function.h"
#include "filter/filter.h"

struct bpf_filter_conf {
	struct hm_filter *filter;
};

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

static struct hm_filter *bpf_filter_filter(const void *conf)
{
	const struct bpf_filter_conf *c = conf;

	return c->filter;
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
	.conf_init = bpf_filter_init,
	.conf_fini = bpf_filter_fini,
	.filter = bpf_filter_filter,
};

HM_FUNCTION_REGISTER(bpf_filter_function);
