/* SPDX-License-Identifier: BSD-3-Clause */
/* BURST keeps histograms of trains of back-to-back packets, by their bytes, and of the gaps between them. Two packets
 * are back to back if the second comes when the first has left the wire and an interframe gap is over, give or
 * take some time. Costs a multiplication a packet, and five counters for each burst.
 */
#include "core/function.h"

#include <errno.h>
#include <stdlib.h>

#define CATEGORIES_MAX 65536

enum { MIN, MAX, STEP, IFTIME, LATE, EARLY, LINK_SPEED };

struct burst_conf {
	uint64_t min, step;    // bytes
	uint64_t step_inverse; // 2^64 / step, rounded up; step is 31 bits long
	uint64_t categories;
	// of the next packet, after the end of one, in bits of the link, times 1,000
	int64_t earliest, latest;
	int64_t mbps;
};

struct category {
	uint64_t bytes, packets, bursts, gap_bytes, gaps;
};

struct burst_core {
	const struct burst_conf *conf;
	struct category *categories;
	uint64_t bytes, packets; // of the burst in progress
	uint64_t last_ns;        // the packet before,
	uint32_t last_wirelen;
};

static inline void add(uint64_t *counter, uint64_t n)
{
	__atomic_store_n(counter, *counter + n, __ATOMIC_RELAXED); // reader: burst_stats
}

/* n / step. Multiplied by the inverse it is exact for 32 bits (D. Lemire and others, "Faster remainder by direct
 * computation", 2019), and takes a fourth of the time. */
static uint64_t count_steps(const struct burst_conf *conf, uint64_t n)
{
	if (n >> 32 || conf->step == 1)
		return n / conf->step;
	return (uint64_t)((unsigned __int128)n * conf->step_inverse >> 64);
}

static struct category *category_of(struct burst_core *c, uint64_t bytes)
{
	const struct burst_conf *conf = c->conf;
	uint64_t i = bytes < conf->min ? 0 : count_steps(conf, bytes - conf->min) + 1;

	return &c->categories[i < conf->categories ? i : conf->categories - 1];
}

static void end_burst(struct burst_core *c, uint64_t gap_bytes)
{
	struct category *burst = category_of(c, c->bytes), *before;

	add(&burst->bytes, c->bytes);
	add(&burst->packets, c->packets);
	add(&burst->bursts, 1);
	before = category_of(c, gap_bytes);
	add(&before->gap_bytes, gap_bytes);
	add(&before->gaps, 1);
	c->bytes = c->packets = 0;
}

/* A packet that comes so long after the one before, or before it, that 64 bits may be too few. */
static void __attribute__((noinline)) end_late(struct burst_core *c, int64_t passed_ns)
{
	const struct burst_conf *conf = c->conf;
	__int128 gap = (__int128)passed_ns * conf->mbps - (__int128)c->last_wirelen * 8000;

	if (gap < conf->earliest || gap > conf->latest)
		end_burst(c, gap > 0 ? (uint64_t)(gap / 8000) : 0);
}

static uint64_t burst_process(void *core, const struct hm_batch *b, uint64_t in)
{
	struct burst_core *c = core;
	const int64_t mbps = c->conf->mbps, earliest = c->conf->earliest, latest = c->conf->latest;

	hm_mask_foreach (i, in) {
		int64_t passed_ns = (int64_t)(b->ts_ns[i] - c->last_ns);
		// what the link could have carried between the two packets, in bits, times 1,000
		int64_t gap = (int32_t)passed_ns * mbps - (int64_t)c->last_wirelen * 8000;

		if (c->packets && passed_ns != (int32_t)passed_ns)
			end_late(c, passed_ns);
		else if (c->packets && (gap < earliest || gap > latest))
			end_burst(c, gap > 0 ? (uint64_t)gap / 8000 : 0);
		c->bytes += b->wirelen[i];
		c->packets++;
		c->last_ns = b->ts_ns[i];
		c->last_wirelen = b->wirelen[i];
	}
	return in;
}

/* --- control core --- */

static json_int_t read_counter(const uint64_t *counter)
{
	return (json_int_t)__atomic_load_n(counter, __ATOMIC_RELAXED);
}

/* It is ordered, so there is one core. */
static json_t *burst_stats(const void *conf, void *const *cores, unsigned n)
{
	const struct burst_conf *c = conf;
	const struct burst_core *core = cores[0];
	json_t *categories = json_array();

	for (uint64_t i = 0; i < c->categories; i++) {
		const struct category *k = &core->categories[i];

		json_array_append_new(categories, json_pack("{s:I, s:I, s:I, s:I, s:I}", "bytes",
							    read_counter(&k->bytes), "packets",
							    read_counter(&k->packets), "bursts",
							    read_counter(&k->bursts), "gap_bytes",
							    read_counter(&k->gap_bytes), "gaps",
							    read_counter(&k->gaps)));
	}
	return json_pack("{s:o}", "categories", categories);
}

static int burst_conf_init(void *conf, const union hm_value *args, const struct hm_apply_ctx *ctx,
			   struct hm_error *err)
{
	struct burst_conf *c = conf;

	if (args[MAX].i < args[MIN].i)
		return hm_error_set(err, -EINVAL, 7002,
				    "BURST: argument 2 (max) must not be below min");
	c->min = (uint64_t)args[MIN].i;
	c->step = (uint64_t)args[STEP].i;
	c->step_inverse = UINT64_MAX / c->step + 1;
	c->categories = (uint64_t)(args[MAX].i - args[MIN].i) / c->step + 2;
	c->mbps = args[LINK_SPEED].i;
	c->earliest = (args[IFTIME].i - args[EARLY].i) * c->mbps; // each is 31 bits long
	c->latest = (args[IFTIME].i + args[LATE].i) * c->mbps;
	if (c->categories > CATEGORIES_MAX)
		return hm_error_set(err, -EINVAL, 7003,
				    "BURST: min, max and step make %lu categories, there may be %d",
				    c->categories, CATEGORIES_MAX);
	return 0;
}

static int burst_core_init(void *core, const struct hm_core_ctx *ctx, struct hm_error *err)
{
	struct burst_core *c = core;

	c->conf = ctx->conf;
	c->categories = calloc(c->conf->categories, sizeof(*c->categories));
	return c->categories ? 0 : hm_error_set(err, -ENOMEM, 3084, "BURST: out of memory");
}

static void burst_core_fini(void *core)
{
	struct burst_core *c = core;

	free(c->categories);
}

#define NUMBER(argument, least, text)                                                              \
	{                                                                                          \
		.name = argument, .type = HM_ARG_INT, .min = least, .max = INT32_MAX, .help = text \
	}

static const struct hm_arg burst_args[] = {
	NUMBER("min", 0, "smallest burst, bytes: smaller ones are in category 0"),
	NUMBER("max", 0, "bytes from which on bursts are in the last category"),
	NUMBER("step", 1, "width of a category, bytes"),
	NUMBER("iftime", 0, "interframe gap, ns"),
	NUMBER("late", 0, "how much later a packet of a burst may come, ns"),
	NUMBER("early", 0, "how much earlier, ns"),
	NUMBER("link_speed", 1, "of the link, Mbit/s"),
	{0},
};

#define COUNTER(field, text)                                                                   \
	{                                                                                      \
		.name = #field, .type = HM_FIELD_U64, .c = HM_C_ULONG, .merge = HM_MERGE_TOLD, \
		.help = text                                                                   \
	}

static const struct hm_field burst_category[] = {
	COUNTER(bytes, "of its bursts"),
	COUNTER(packets, "of its bursts"),
	COUNTER(bursts, "of that size"),
	COUNTER(gap_bytes, "what the link could have carried in its gaps"),
	COUNTER(gaps, "of that size"),
	{0},
};

static const struct hm_field burst_results[] = {
	{.name = "categories",
	 .type = HM_FIELD_ARRAY,
	 .of = burst_category,
	 .merge = HM_MERGE_TOLD,
	 .help = "below min, each step, max and above"},
	{0},
};

static uint64_t burst_memory(const void *conf, unsigned n_workers)
{
	const struct burst_conf *c = conf;

	return n_workers * c->categories * sizeof(*((struct burst_core *)NULL)->categories);
}

static const struct hm_function burst = {
	.name = "BURST",
	.summary = "keeps histograms of back-to-back packets and the gaps between them",
	.flags = HM_FN_ORDERED,
	.args = burst_args,
	.results = burst_results,
	.conf_size = sizeof(struct burst_conf),
	.core_size = sizeof(struct burst_core),
	.conf_init = burst_conf_init,
	.memory = burst_memory,
	.core_init = burst_core_init,
	.core_fini = burst_core_fini,
	.stats = burst_stats,
	.process = burst_process,
};

HM_FUNCTION_REGISTER(burst);
