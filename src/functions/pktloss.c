/* SPDX-License-Identifier: BSD-3-Clause */
/* PKTLOSS tells how many packets its device has lost since the flow was connected, by cause, as the ledger does; it
 * passes all packets. Its value at a packet is what was known then: the control core looks at the device a hundred
 * times a second. Costs a copy of a number a packet.
 */
#include "core/function.h"

#include <stdatomic.h>

#define LOOK_NS UINT64_C(10000000)

struct pktloss_conf {
	struct hm_losses_of device;
	struct hm_losses base;
	uint64_t looked_ns;
	_Atomic uint64_t lost;
};

struct pktloss_core {
	const struct pktloss_conf *conf;
	uint64_t values[HM_BATCH_MAX];
};

static uint64_t pktloss_process(void *core, const struct hm_batch *b, uint64_t in)
{
	struct pktloss_core *c = core;
	uint64_t lost = atomic_load_explicit(&c->conf->lost, memory_order_relaxed); // pktloss_poll

	hm_mask_foreach (i, in)
		c->values[i] = lost;
	return in;
}

/* --- control core --- */

static struct hm_losses look(const struct pktloss_conf *c)
{
	struct hm_losses now = {0};

	if (c->device.read)
		c->device.read(c->device.place, &now);
	return (struct hm_losses){.missed = now.missed - c->base.missed,
				  .errors = now.errors - c->base.errors};
}

static unsigned pktloss_poll(void *conf, uint64_t now_ns)
{
	struct pktloss_conf *c = conf;
	struct hm_losses lost;

	if (now_ns - c->looked_ns < LOOK_NS)
		return 0;
	c->looked_ns = now_ns;
	lost = look(c);
	atomic_store_explicit(&c->lost, lost.missed + lost.errors, memory_order_relaxed);
	return 0; // nobody waits for it
}

static json_t *pktloss_stats(const void *conf, void *const *cores, unsigned n)
{
	struct hm_losses lost = look(conf);

	return json_pack("{s:I, s:I, s:I}", "lost", (json_int_t)(lost.missed + lost.errors),
			 "missed", (json_int_t)lost.missed, "errors", (json_int_t)lost.errors);
}

static int pktloss_connect(void *conf, struct hm_error *err)
{
	struct pktloss_conf *c = conf;

	c->base = look(c);
	return 0;
}

static int pktloss_conf_init(void *conf, const union hm_value *args, const struct hm_apply_ctx *ctx,
			     struct hm_error *err)
{
	struct pktloss_conf *c = conf;

	c->device = ctx->losses;
	return 0;
}

static int pktloss_core_init(void *core, const struct hm_core_ctx *ctx, struct hm_error *err)
{
	((struct pktloss_core *)core)->conf = ctx->conf;
	return 0;
}

static const struct hm_values pktloss_values = {.offset = offsetof(struct pktloss_core, values),
						.unit = HM_UNIT_PACKETS};

static const struct hm_field pktloss_results[] = {
	{.name = "lost",
	 .type = HM_FIELD_U64,
	 .merge = HM_MERGE_TOLD,
	 .unit = "packets",
	 .help = "all of them"},
	{.name = "missed",
	 .type = HM_FIELD_U64,
	 .c = HM_C_NONE,
	 .merge = HM_MERGE_TOLD,
	 .unit = "packets",
	 .help = "for which the device had no room"},
	{.name = "errors",
	 .type = HM_FIELD_U64,
	 .c = HM_C_NONE,
	 .merge = HM_MERGE_TOLD,
	 .unit = "packets",
	 .help = "that came broken"},
	{0},
};

static const struct hm_function pktloss = {
	.name = "PKTLOSS",
	.summary = "tells what the device has lost, by cause",
	.results = pktloss_results,
	.values = &pktloss_values,
	.conf_size = sizeof(struct pktloss_conf),
	.core_size = sizeof(struct pktloss_core),
	.conf_init = pktloss_conf_init,
	.connect = pktloss_connect,
	.core_init = pktloss_core_init,
	.poll = pktloss_poll,
	.stats = pktloss_stats,
	.process = pktloss_process,
};

HM_FUNCTION_REGISTER(pktloss);
