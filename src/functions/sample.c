/* SPDX-License-Identifier: BSD-3-Clause */
/* SAMPLE passes some of the packets: every value-th one, each with a probability of value percent, or about one of
 * value by what is in it, so that every observation point takes the same ones (RFC 5475, hash-based selection).
 *
 * Chance is a hash of the packet's number in this function, so that the same packets give the same sample,
 * whatever the batches and the workers are. Costs a counter, a multiplication, or a hash of 28 bytes a packet.
 */
#include "core/function.h"
#include "core/hash.h"

#include <errno.h>
#include <string.h>

#define PAYLOAD_MAX 1500
#define INVARIANT   12 // bytes of the IP header that no router changes
#define BOB_HASHES  (UINT64_C(1) << 32)

enum { VALUE, MODE, OPTIONS };
enum mode { PERIODIC = 2, PROBABILISTIC, HASH }; // as <mapi/sample.h> has them

struct sample_conf {
	int64_t value;
	enum mode mode;
	uint32_t seed, payload_offset, payload_bytes; // of HASH
};

struct sample_core {
	enum mode mode;
	uint64_t period;
	uint64_t left;      // packets until the next that passes, that one included
	uint64_t threshold; // a hash below it passes
	bool all;           // 100 %: no hash is above
	uint64_t n;         // packets seen
	const struct sample_conf *conf;
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

/* What RFC 5475 (section 6.2.3.1) takes of the headers: of IPv4 identification, flags, fragment offset and addresses,
 * of IPv6 payload length and bytes 10, 11, 14, 15, 16 of each address. Returns where the payload begins. */
static uint32_t take_header(uint8_t *to, const struct hm_batch *b, unsigned i)
{
	static const uint8_t of_ip6[INVARIANT] = {4, 5, 17, 18, 21, 22, 23, 33, 34, 37, 38, 39};
	const uint8_t *ip = b->data[i] + b->l3[i];

	if (b->ipv4 >> i & 1) {
		memcpy(to, ip + 4, 4);
		memcpy(to + 4, ip + 12, 8);
		return b->l3[i] + (ip[0] & 15u) * 4;
	}
	for (unsigned k = 0; k < INVARIANT; k++)
		to[k] = ip[of_ip6[k]];
	return b->l3[i] + 40u;
}

static uint32_t hash_packet(const struct sample_conf *c, const struct hm_batch *b, unsigned i)
{
	uint8_t bytes[INVARIANT + PAYLOAD_MAX];
	uint32_t from = take_header(bytes, b, i) + c->payload_offset, n = 0;

	if (from < b->end[i])
		n = b->end[i] - from;
	n = n < c->payload_bytes ? n : c->payload_bytes;
	memcpy(bytes + INVARIANT, b->data[i] + from, n);
	return hm_hash_bob(bytes, INVARIANT + n, c->seed);
}

static uint64_t by_content(struct sample_core *c, const struct hm_batch *b, uint64_t in)
{
	uint64_t out = 0;

	hm_mask_foreach (i, in & (b->ipv4 | b->ipv6))
		out |= (uint64_t)(hash_packet(c->conf, b, i) < c->threshold) << i;
	return out;
}

static uint64_t sample_process(void *core, const struct hm_batch *b, uint64_t in)
{
	struct sample_core *c = core;

	if (c->mode == HASH)
		return by_content(c, b, in);
	return c->mode == PERIODIC ? every_nth(c, in) : by_chance(c, in);
}

/* --- control core --- */

static bool sample_any_order(const void *conf)
{
	return ((const struct sample_conf *)conf)->mode == HASH;
}

static const struct hm_option hash_options[] = {
	{.name = "seed", .max = UINT32_MAX, .offset = offsetof(struct sample_conf, seed)},
	{.name = "payload_offset",
	 .max = PAYLOAD_MAX,
	 .offset = offsetof(struct sample_conf, payload_offset)},
	{.name = "payload_bytes",
	 .max = PAYLOAD_MAX,
	 .value_default = 16,
	 .offset = offsetof(struct sample_conf, payload_bytes)},
	{0},
};

static int sample_conf_init(void *conf, const union hm_value *args, const struct hm_apply_ctx *ctx,
			    struct hm_error *err)
{
	struct sample_conf *c = conf;
	int64_t least = args[MODE].i == PROBABILISTIC ? 0 : 1;

	c->mode = (enum mode)args[MODE].i;
	if (c->mode == PROBABILISTIC && args[VALUE].i > 100)
		c->value = 100;
	else
		c->value = args[VALUE].i < least ? least : args[VALUE].i;
	if (args[OPTIONS].options && c->mode != HASH)
		return hm_error_set(err, -EINVAL, 7003, "SAMPLE: options are for mode HASH only");
	return hm_options_parse("SAMPLE", hash_options, args[OPTIONS].options, c, 7003, err);
}

static int sample_core_init(void *core, const struct hm_core_ctx *ctx, struct hm_error *err)
{
	const struct sample_conf *conf = ctx->conf;
	struct sample_core *c = core;

	c->conf = conf;
	c->mode = conf->mode;
	c->period = c->left = (uint64_t)conf->value;
	c->all = conf->mode == PROBABILISTIC && conf->value == 100;
	c->threshold = conf->mode == HASH ? BOB_HASHES / (uint64_t)conf->value
					  : UINT64_MAX / 100 * (uint64_t)conf->value;
	// several samples in a row take different packets
	c->n = (uint64_t)ctx->function_id << 48;
	return 0;
}

static void sample_selector(const void *conf, struct hm_selector *s)
{
	const struct sample_conf *c = conf;

	if (c->mode == HASH) {
		s->algorithm = HM_SELECT_HASH;
		s->hashes = BOB_HASHES;
		s->selected = BOB_HASHES / (uint64_t)c->value;
		s->initial = c->seed;
		return;
	}
	if (c->value == (c->mode == PERIODIC ? 1 : 100))
		return; // all packets
	s->algorithm = c->mode == PERIODIC ? HM_SELECT_COUNT : HM_SELECT_CHANCE;
	s->interval = 1;
	s->space = (uint32_t)c->value - 1;
	s->probability = (double)c->value / 100;
}

static const char *const mode_names[] = {"PERIODIC", "PROBABILISTIC", "HASH", NULL};

static const struct hm_arg sample_args[] = {
	{.name = "value",
	 .type = HM_ARG_INT,
	 .help = "PERIODIC: the period; PROBABILISTIC: percent, 0 to 100; HASH: about one of so "
		 "many"},
	{.name = "mode",
	 .type = HM_ARG_INT,
	 .min = PERIODIC,
	 .max = HASH,
	 .names = mode_names,
	 .help = "PERIODIC (in MAPI also DETERMINISTIC) 2, PROBABILISTIC 3, HASH 4"},
	{.name = "options",
	 .type = HM_ARG_OPTIONS,
	 .optional = true,
	 .help = "of HASH: \"seed\" (0), \"payload_offset\" (0), \"payload_bytes\" (16) of the IP "
		 "payload"},
	{0},
};

static const struct hm_function sample = {
	.name = "SAMPLE",
	.summary = "passes every n-th packet, some by chance, or some by a hash of them",
	.flags = HM_FN_FILTERS | HM_FN_ORDERED,
	.args = sample_args,
	.conf_size = sizeof(struct sample_conf),
	.core_size = sizeof(struct sample_core),
	.conf_init = sample_conf_init,
	.any_order = sample_any_order,
	.core_init = sample_core_init,
	.selector = sample_selector,
	.process = sample_process,
};

HM_FUNCTION_REGISTER(sample);
