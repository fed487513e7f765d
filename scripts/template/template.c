/* SPDX-License-Identifier: BSD-3-Clause */
/* TEMPLATE passes the packets that have at least so many bytes on the wire, and counts them. Costs one
 * look at the lengths of a batch.
 */
#include "core/function.h"

struct template_conf {
	uint32_t bytes;
};

struct template_core {
	const struct template_conf *conf;
	uint64_t packets;
};

static uint64_t template_process(void *core, const struct hm_batch *b, uint64_t in)
{
	struct template_core *c = core;
	uint64_t out = 0;

	for (unsigned i = 0; i < b->n; i++)
		out |= (uint64_t)(b->wirelen[i] >= c->conf->bytes) << i;
	out &= in;
	// one writer, this worker; the control core reads it in place
	__atomic_store_n(&c->packets, c->packets + hm_mask_count(out), __ATOMIC_RELAXED);
	return out;
}

static int template_conf_init(void *conf, const union hm_value *args,
			      const struct hm_apply_ctx *ctx, struct hm_error *err)
{
	struct template_conf *c = conf;

	(void)ctx;
	(void)err; // the table below has checked the range
	c->bytes = (uint32_t)args[0].i;
	return 0;
}

static int template_core_init(void *core, const struct hm_core_ctx *ctx, struct hm_error *err)
{
	struct template_core *c = core;

	(void)err;
	c->conf = ctx->conf;
	return 0;
}

static const struct hm_arg template_args[] = {
	{.name = "bytes",
	 .type = HM_ARG_INT,
	 .min = 1,
	 .max = UINT16_MAX,
	 .help = "least length on the wire, bytes without FCS"},
	{0},
};

static const struct hm_field template_results[] = {
	{.name = "value",
	 .type = HM_FIELD_U64,
	 .merge = HM_MERGE_SUM,
	 .unit = "packets",
	 .offset = offsetof(struct template_core, packets),
	 .help = "packets passed since connect or reset"},
	{0},
};

static const struct hm_function template = {
	.name = "TEMPLATE",
	.summary = "passes packets of a least length",
	.flags = HM_FN_FILTERS,
	.args = template_args,
	.results = template_results,
	.conf_size = sizeof(struct template_conf),
	.core_size = sizeof(struct template_core),
	.conf_init = template_conf_init,
	.core_init = template_core_init,
	.process = template_process,
};

HM_FUNCTION_REGISTER(template);
