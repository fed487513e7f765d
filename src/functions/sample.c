/* SPDX-License-Identifier: BSD-3-Clause */
/* SAMPLE passes some of the packets: every value-th one, or each with a probability of value percent.
 *
 * Chance is a hash of the packet's number in this function, so that the same packets give the same sample,
 * whatever the batches and the workers are. Costs a counter or a multiplication a packet.
 */
#include "core/function.h"

#include <errno.h>

enum mode { PERIODIC = 2, PROBABILISTIC = 3 }; // as <mapi/sample.h> has them

struct sample_core {
	enum mode mode;
	uint64_t period;
	uint64_t left;      // packets until the next that passes, that one included
	uint64_t threshold; // a hash below it passes
	bool all;           // 100 %: no hash is above
	uint64_t n;         // packets seen
};

static uint64_t every_nth(struct sample_core *c, uint64_t in)
{
	uint64_t out = 0;

	if (c->left > hm_mask_count(in)) {
		c->left -= hm_mask_count(in);
		return 0;
	}
	hm_mask_foreach (i, in) {
		if (--c->left == 0) {
			out |= UINT64_C(1) << i;
			c->left = c->period;
		}
	}
	return out;
}

/* The output function of SplitMix64 (Steele, Lea, Flood, 2014): well mixed even for 0, 1, 2 ... */
static uint64_t mix(uint64_t n)
{
	n *= UINT64_C(0x9e3779b97f4a7c15);
	n = (n ^ (n >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
	n = (n ^ (n >> 27)) * UINT64_C(0x94d049bb133111eb);
	return n ^ (n >> 31);
}

static uint64_t by_chance(struct sample_core *c, uint64_t in)
{
	uint64_t out = 0;

	hm_mask_foreach (i, in) {
		uint64_t passes = c->all || mix(++c->n) < c->threshold;

		out |= passes << i;
	}
	return out;
}

static uint64_t sample_process(void *core, const struct hm_batch *b, uint64_t in)
{
	struct sample_core *c = core;

	return c->mode == PERIODIC ? every_nth(c, in) : by_chance(c, in);
}

/* --- control core --- */

struct sample_conf {
	int64_t value;
	enum mode mode;
};

static int sample_conf_init(void *conf, const union hm_value *args, const struct hm_apply_ctx *ctx,
			    struct hm_error *err)
{
	struct sample_conf *c = conf;
	int64_t least = args[1].i == PERIODIC ? 1 : 0;

	if (args[1].i == PROBABILISTIC && args[0].i > 100)
		c->value = 100;
	else
		c->value = args[0].i < least ? least : args[0].i;
	c->mode = (enum mode)args[1].i;
	return 0;
}

static int sample_core_init(void *core, const struct hm_core_ctx *ctx, struct hm_error *err)
{
	const struct sample_conf *conf = ctx->conf;
	struct sample_core *c = core;

	c->mode = conf->mode;
	c->period = c->left = (uint64_t)conf->value;
	c->all = conf->mode == PROBABILISTIC && conf->value == 100;
	c->threshold = UINT64_MAX / 100 * (uint64_t)conf->value;
	// several samples in a row take different packets
	c->n = (uint64_t)ctx->function_id << 48;
	return 0;
}

static void sample_selector(const void *conf, struct hm_selector *s)
{
	const struct sample_conf *c = conf;

	if (c->value == (c->mode == PERIODIC ? 1 : 100))
		return; // all packets
	s->algorithm = c->mode == PERIODIC ? HM_SELECT_COUNT : HM_SELECT_CHANCE;
	s->interval = 1;
	s->space = (uint32_t)c->value - 1;
	s->probability = (double)c->value / 100;
}

static const struct hm_arg sample_args[] = {
	{.name = "value",
	 .type = HM_ARG_INT,
	 .help = "PERIODIC: the period, below 1 means 1; PROBABILISTIC: percent, 0 to 100"},
	{.name = "mode",
	 .type = HM_ARG_INT,
	 .min = PERIODIC,
	 .max = PROBABILISTIC,
	 .help = "PERIODIC (also called DETERMINISTIC) 2, PROBABILISTIC 3"},
	{0},
};

static const struct hm_function sample = {
	.name = "SAMPLE",
	.summary = "passes every n-th packet, or some by chance",
	.flags = HM_FN_FILTERS | HM_FN_ORDERED,
	.args = sample_args,
	.conf_size = sizeof(struct sample_conf),
	.core_size = sizeof(struct sample_core),
	.conf_init = sample_conf_init,
	.core_init = sample_core_init,
	.selector = sample_selector,
	.process = sample_process,
};

HM_FUNCTION_REGISTER(sample);
