/* SPDX-License-Identifier: BSD-3-Clause */
/* BINOP adds or subtracts the values of two other functions, of this flow or others, at every packet that reaches it;
 * it passes them all. The result is there for functions behind it, and as that of the last packet. Costs an addition
 * a packet.
 */
#include "core/reference.h"

#include <errno.h>

enum type { BINOP_ADD, BINOP_SUB }; // as <mapi/binop.h> has them

struct binop_conf {
	struct hm_reference left, right;
	enum type type;
};

struct binop_core {
	uint64_t values[HM_BATCH_MAX];
	uint64_t value; // of the newest packet
	enum type type;
	struct hm_reader left, right;
};

static uint64_t binop_process(void *core, const struct hm_batch *b, uint64_t in)
{
	struct binop_core *c = core;
	const uint64_t *left = hm_reader_values(&c->left, b, in),
		       *right = hm_reader_values(&c->right, b, in);
	uint64_t value = 0;

	hm_mask_foreach (i, in) {
		value = c->type == BINOP_ADD ? left[i] + right[i] : left[i] - right[i];
		c->values[i] = value;
	}
	__atomic_store_n(&c->value, value, __ATOMIC_RELAXED); // reader: the control core
	return in;
}

static int binop_core_init(void *core, const struct hm_core_ctx *ctx, struct hm_error *err)
{
	const struct binop_conf *conf = ctx->conf;
	struct binop_core *c = core;

	c->type = conf->type;
	hm_reader_init(&c->left, &conf->left, ctx);
	hm_reader_init(&c->right, &conf->right, ctx);
	return 0;
}

/* --- control core --- */

enum { TYPE, LEFT, LEFT_FUNCTION, RIGHT };

static int binop_conf_init(void *conf, const union hm_value *args, const struct hm_apply_ctx *ctx,
			   struct hm_error *err)
{
	struct binop_conf *c = conf;

	if (hm_reference_parse(&c->left, args, LEFT, ctx, 7002, err) < 0 ||
	    hm_reference_parse(&c->right, args, RIGHT, ctx, 7004, err) < 0)
		return -EINVAL;
	if (args[TYPE].i != BINOP_ADD && args[TYPE].i != BINOP_SUB)
		return hm_error_set(err, -EINVAL, 7001,
				    "BINOP: argument 1 (type) must be 0 (ADD) or 1 (SUB)");
	c->type = (enum type)args[TYPE].i;
	return 0;
}

static enum hm_unit binop_unit(const void *conf)
{
	const struct binop_conf *c = conf;

	return c->left.unit == c->right.unit ? c->left.unit : HM_UNIT_NONE;
}

static const char *const type_names[] = {"ADD", "SUB", NULL};

static const struct hm_arg binop_args[] = {
	{.name = "type",
	 .type = HM_ARG_INT,
	 .names = type_names,
	 .help = "0: left + right, 1: left - right"},
	{.name = "left flow",
	 .type = HM_ARG_FLOW,
	 .help = "the flow that has the left function, by number or name; 0: this one"},
	{.name = "left function",
	 .type = HM_ARG_FUNCTION,
	 .help = "number of a function that has values"},
	{.name = "right flow", .type = HM_ARG_FLOW, .help = "as the left one"},
	{.name = "right function", .type = HM_ARG_FUNCTION, .help = "as the left one"},
	{0},
};

static const struct hm_values binop_values = {.offset = offsetof(struct binop_core, values),
					      .unit_of = binop_unit};

static const struct hm_field binop_results[] = {
	{.name = "value",
	 .type = HM_FIELD_BIG_U64,
	 .merge = HM_MERGE_MAX, // it is ordered, so there is one core
	 .unit = "value",
	 .offset = offsetof(struct binop_core, value),
	 .help = "of the last packet, modulo 2^64; 0 until there is one"},
	{0},
};

static const struct hm_function binop = {
	.name = "BINOP",
	.summary = "adds or subtracts the values of two functions",
	.flags = HM_FN_ORDERED,
	.args = binop_args,
	.results = binop_results,
	.values = &binop_values,
	.conf_size = sizeof(struct binop_conf),
	.core_size = sizeof(struct binop_core),
	.conf_init = binop_conf_init,
	.core_init = binop_core_init,
	.process = binop_process,
};

HM_FUNCTION_REGISTER(binop);
