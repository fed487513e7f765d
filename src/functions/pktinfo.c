/* SPDX-License-Identifier: BSD-3-Clause */
/* PKTINFO tells the time or the length of each packet, and passes them all. Its value of a packet is there for
 * functions behind it; its result is that of the last packet. Costs a copy of a number a packet.
 */
#include "core/function.h"

enum info { PKT_TS, PKT_SIZE }; // as <mapi/pktinfo.h> has them

struct pktinfo_conf {
	enum info info;
};

struct pktinfo_core {
	uint64_t values[HM_BATCH_MAX];
	uint64_t value; // of the newest packet
	enum info info;
};

static uint64_t pktinfo_process(void *core, const struct hm_batch *b, uint64_t in)
{
	struct pktinfo_core *c = core;
	uint64_t value = 0;

	hm_mask_foreach (i, in) {
		value = c->info == PKT_TS ? b->ts_ns[i] : b->wirelen[i];
		c->values[i] = value;
	}
	__atomic_store_n(&c->value, value, __ATOMIC_RELAXED); // reader: the control core
	return in;
}

static int pktinfo_conf_init(void *conf, const union hm_value *args, const struct hm_apply_ctx *ctx,
			     struct hm_error *err)
{
	struct pktinfo_conf *c = conf;

	c->info = (enum info)args[0].i;
	return 0;
}

static int pktinfo_core_init(void *core, const struct hm_core_ctx *ctx, struct hm_error *err)
{
	const struct pktinfo_conf *conf = ctx->conf;
	struct pktinfo_core *c = core;

	c->info = conf->info;
	return 0;
}

static const char *const info_names[] = {"PKT_TS", "PKT_SIZE", NULL};

static const struct hm_arg pktinfo_args[] = {
	{.name = "info",
	 .type = HM_ARG_INT,
	 .min = PKT_TS,
	 .max = PKT_SIZE,
	 .names = info_names,
	 .help = "PKT_TS: time in ns since 1970 UTC; PKT_SIZE: bytes on the wire, without FCS"},
	{0},
};

static enum hm_unit pktinfo_unit(const void *conf)
{
	return ((const struct pktinfo_conf *)conf)->info == PKT_TS ? HM_UNIT_NS : HM_UNIT_BYTES;
}

static const struct hm_values pktinfo_values = {.offset = offsetof(struct pktinfo_core, values),
						.unit_of = pktinfo_unit};

static const struct hm_field pktinfo_results[] = {
	{.name = "value",
	 .type = HM_FIELD_BIG_U64,
	 .merge = HM_MERGE_MAX, // it is ordered, so there is one core
	 .unit = "value",
	 .offset = offsetof(struct pktinfo_core, value),
	 .help = "time or length of the last packet; 0 until there is one"},
	{0},
};

static const char *const pktinfo_aliases[] = {"PKT_INFO", NULL}; // in MAPI's tutorial

static const struct hm_function pktinfo = {
	.name = "PKTINFO",
	.aliases = pktinfo_aliases,
	.summary = "tells time or length of each packet",
	.flags = HM_FN_ORDERED,
	.args = pktinfo_args,
	.results = pktinfo_results,
	.values = &pktinfo_values,
	.conf_size = sizeof(struct pktinfo_conf),
	.core_size = sizeof(struct pktinfo_core),
	.conf_init = pktinfo_conf_init,
	.core_init = pktinfo_core_init,
	.process = pktinfo_process,
};

HM_FUNCTION_REGISTER(pktinfo);
