/* SPDX-License-Identifier: BSD-3-Clause */
/* LOW_TTL passes the packets whose TTL (IPv4) or hop limit (IPv6) is below a number, and counts them: those of
 * traceroute, of loops, of hosts that hide how far away they are. Costs one look at each IP header.
 */
#include <homard/function.h>

#define IPV4_TTL_AT       8 // RFC 791
#define IPV6_HOP_LIMIT_AT 7 // RFC 8200

/* Of the instance: made once from the arguments, the same on all workers, never changed while they run. */
struct low_ttl_conf {
	uint8_t below;
};

/* Of one worker: nobody else writes it. */
struct low_ttl_core {
	const struct low_ttl_conf *conf;
	uint64_t ipv4, ipv6;
};

/* The packets of `in` whose header has a low number at the place. The parser has seen that the header is there. */
static uint64_t look(const struct hm_batch *b, uint64_t in, unsigned at, uint8_t below)
{
	uint64_t low = 0;

	hm_mask_foreach (i, in)
		low |= (uint64_t)(b->data[i][b->l3[i] + at] < below) << i;
	return low;
}

/* Adds to a counter that the control core reads at any time. */
static void count(uint64_t *counter, uint64_t packets)
{
	__atomic_store_n(counter, *counter + hm_mask_count(packets), __ATOMIC_RELAXED);
}

static uint64_t low_ttl_process(void *core, const struct hm_batch *b, uint64_t in)
{
	struct low_ttl_core *c = core;
	uint8_t below = c->conf->below;
	uint64_t ipv4 = look(b, in & b->ipv4, IPV4_TTL_AT, below);
	uint64_t ipv6 = look(b, in & b->ipv6, IPV6_HOP_LIMIT_AT, below);

	count(&c->ipv4, ipv4);
	count(&c->ipv6, ipv6);
	return ipv4 | ipv6;
}

static int low_ttl_conf_init(void *conf, const union hm_value *args, const struct hm_apply_ctx *ctx,
			     struct hm_error *err)
{
	struct low_ttl_conf *c = conf;

	(void)ctx;
	(void)err; // homardd has checked the range in the table below
	c->below = (uint8_t)args[0].i;
	return 0;
}

static int low_ttl_core_init(void *core, const struct hm_core_ctx *ctx, struct hm_error *err)
{
	struct low_ttl_core *c = core;

	(void)err;
	c->conf = ctx->conf;
	return 0;
}

static const struct hm_arg low_ttl_args[] = {
	{.name = "below",
	 .type = HM_ARG_INT,
	 .min = 1,
	 .max = 255,
	 .help = "TTL or hop limit that is too high to pass"},
	{0},
};

static const struct hm_field low_ttl_results[] = {
	{.name = "ipv4",
	 .type = HM_FIELD_U64,
	 .merge = HM_MERGE_SUM,
	 .unit = "packets",
	 .offset = offsetof(struct low_ttl_core, ipv4),
	 .help = "IPv4 packets passed"},
	{.name = "ipv6",
	 .type = HM_FIELD_U64,
	 .merge = HM_MERGE_SUM,
	 .unit = "packets",
	 .offset = offsetof(struct low_ttl_core, ipv6),
	 .help = "IPv6 packets passed"},
	{0},
};

static const struct hm_function low_ttl = {
	.name = "LOW_TTL",
	.summary = "passes packets with a low TTL or hop limit",
	.flags = HM_FN_FILTERS,
	.args = low_ttl_args,
	.results = low_ttl_results,
	.conf_size = sizeof(struct low_ttl_conf),
	.core_size = sizeof(struct low_ttl_core),
	.conf_init = low_ttl_conf_init,
	.core_init = low_ttl_core_init,
	.process = low_ttl_process,
};

HM_FUNCTION_REGISTER(low_ttl);
