/* SPDX-License-Identifier: BSD-3-Clause */
/* STATS keeps statistics of another function's values: count, sum, sum of squares, least and largest, exactly, and
 * from those mean, variance and quantiles. It samples the value at every packet ("0"), at every packet but the
 * first ("1": for GAP) or first few, or once an interval of packet time ("1s"); then a counter is taken from the last
 * sample on, so that there are bytes a second. Costs ten additions a packet.
 */
#include "core/moments.h"
#include "core/reference.h"
#include "core/sketch.h"
#include "core/ticks.h"

#include <errno.h>
#include <stdatomic.h>
#include <string.h>

struct stats_conf {
	struct hm_reference reference;
	uint64_t skip;        // packets at the beginning
	uint64_t interval_ns; // 0: sample every packet
};

struct stats_core {
	const struct stats_conf *conf;
	uint64_t skip;
	struct hm_reader reader;
	struct hm_ticks ticks;
	_Atomic uint32_t sequence; // odd while the sums are written
	struct hm_moments sums;
	struct hm_sketch sketch;
	_Atomic bool watched; // somebody reads the values of packets
	struct hm_moments values[HM_BATCH_MAX];
};

static void sample(void *core, uint64_t ts_ns, uint64_t value, uint64_t times)
{
	struct stats_core *c = core;
	struct hm_moments *s = &c->sums;

	s->min = s->count && s->min < value ? s->min : value;
	s->max = s->max > value ? s->max : value;
	s->count += times;
	hm_sketch_add(&c->sketch, value, times);
	if (times > 1)
		return; // intervals without packets: 0
	hm_wide_add(&s->sum, value);
	hm_wide_add(&s->squares, (unsigned __int128)value * value);
}

static uint64_t stats_process(void *core, const struct hm_batch *b, uint64_t in)
{
	struct stats_core *c = core;
	const uint64_t *values = hm_reader_values(&c->reader, b, in);
	uint32_t sequence = atomic_load_explicit(&c->sequence, memory_order_relaxed);
	bool watched = atomic_load_explicit(&c->watched, memory_order_relaxed); // stats_watch

	atomic_store_explicit(&c->sequence, sequence + 1, memory_order_relaxed);
	atomic_thread_fence(memory_order_release); // reader: read_sums
	hm_mask_foreach (i, in) {
		if (c->skip)
			c->skip--;
		else if (c->conf->interval_ns)
			hm_ticks_packet(&c->ticks, b->ts_ns[i], values[i], sample, c);
		else
			sample(c, b->ts_ns[i], values[i], 1);
		if (watched)
			c->values[i] = c->sums;
	}
	atomic_store_explicit(&c->sequence, sequence + 2, memory_order_release);
	return in;
}

/* --- control core --- */

static void read_sums(struct stats_core *c, struct hm_moments *s)
{
	uint32_t before;

	do {
		before = atomic_load_explicit(&c->sequence, memory_order_acquire);
		memcpy(s, &c->sums, sizeof(*s));
		atomic_thread_fence(memory_order_acquire); // writer: stats_process
	} while ((before & 1) ||
		 before != atomic_load_explicit(&c->sequence, memory_order_relaxed));
}

/* (n * squares - sum^2) / n^2, the upper part exactly. */
static double variance(const struct hm_moments *s)
{
	const struct hm_wide n = {{s->count}};
	struct hm_wide scaled = hm_wide_multiply(&n, &s->squares),
		       square = hm_wide_multiply(&s->sum, &s->sum),
		       rest = hm_wide_subtract(&scaled, &square);

	return (double)(hm_wide_real(&rest) / ((long double)s->count * (long double)s->count));
}

static json_t *quantiles(const struct hm_sketch *sketch)
{
	static const struct {
		const char *name;
		unsigned permille;
	} wanted[] = {{"0.25", 250}, {"0.5", 500},  {"0.75", 750},
		      {"0.9", 900},  {"0.99", 990}, {"0.999", 999}};
	json_t *found = json_object();

	for (size_t i = 0; i < sizeof(wanted) / sizeof(wanted[0]); i++)
		json_object_set_new(found, wanted[i].name,
				    hm_json_u64(hm_sketch_quantile(sketch, wanted[i].permille)));
	return found;
}

/* It is ordered, so there is one core. */
static json_t *stats_stats(const void *conf, void *const *cores, unsigned n)
{
	char sum[HM_WIDE_DECIMAL], squares[HM_WIDE_DECIMAL];
	struct stats_core *c = cores[0];
	struct hm_moments s;

	read_sums(c, &s);
	return json_pack(
		"{s:I, s:s, s:s, s:o, s:o, s:f, s:f, s:o, s:s}", "count", (json_int_t)s.count,
		"sum", hm_wide_decimal(&s.sum, sum), "sum2", hm_wide_decimal(&s.squares, squares),
		"max", hm_json_u64(s.max), "min", hm_json_u64(s.min), "mean",
		s.count ? (double)(hm_wide_real(&s.sum) / (long double)s.count) : 0.0, "variance",
		s.count ? variance(&s) : 0.0, "quantiles", quantiles(&c->sketch), "unit",
		hm_unit_name(((const struct stats_conf *)conf)->reference.unit));
}

static void stats_watch(void *core)
{
	struct stats_core *c = core;

	atomic_store_explicit(&c->watched, true, memory_order_relaxed); // stats_process
}

static enum hm_unit stats_unit(const void *conf)
{
	return ((const struct stats_conf *)conf)->reference.unit;
}

static const struct hm_values stats_values = {.offset = offsetof(struct stats_core, values),
					      .size = sizeof(struct hm_moments),
					      .unit_of = stats_unit,
					      .watch = stats_watch};

static int stats_core_init(void *core, const struct hm_core_ctx *ctx, struct hm_error *err)
{
	const struct stats_conf *conf = ctx->conf;
	struct stats_core *c = core;

	c->conf = conf;
	c->skip = conf->skip;
	hm_reader_init(&c->reader, &conf->reference, ctx);
	hm_ticks_init(&c->ticks, conf->interval_ns, conf->reference.values->running);
	return 0;
}

static int stats_conf_init(void *conf, const union hm_value *args, const struct hm_apply_ctx *ctx,
			   struct hm_error *err)
{
	struct stats_conf *c = conf;
	const struct hm_timespan *t = &args[2].time;

	if (hm_reference_parse(&c->reference, args, 0, ctx, 7001, err) < 0)
		return -EINVAL;
	if (t->has_unit && t->ns == 0)
		return hm_error_set(err, -EINVAL, 7003,
				    "STATS: argument 3 (ticks) must not be an interval of 0");
	c->skip = t->has_unit ? 0 : t->plain;
	c->interval_ns = t->has_unit ? t->ns : 0;
	return 0;
}

static const struct hm_arg stats_args[] = {
	HM_REFERENCE_ARGS,
	{.name = "ticks",
	 .type = HM_ARG_TIME,
	 .help = "\"0\": every packet, \"1\": not the first, \"n\": not the first n, \"1s\": once "
		 "an "
		 "interval"},
	{0},
};

static const struct hm_field stats_results[] = {
	{.name = "count", .type = HM_FIELD_U64, .merge = HM_MERGE_TOLD, .help = "values"},
	{.name = "sum",
	 .type = HM_FIELD_BIG_DECIMAL,
	 .c = HM_C_LONG_DOUBLE,
	 .merge = HM_MERGE_TOLD,
	 .unit = "value",
	 .help = "of all values, exactly"},
	{.name = "sum2",
	 .type = HM_FIELD_BIG_DECIMAL,
	 .c = HM_C_LONG_DOUBLE,
	 .merge = HM_MERGE_TOLD,
	 .unit = "value^2",
	 .help = "of their squares, exactly"},
	{.name = "max",
	 .type = HM_FIELD_BIG_U64,
	 .c = HM_C_DOUBLE,
	 .merge = HM_MERGE_TOLD,
	 .unit = "value",
	 .help = "largest value"},
	{.name = "min",
	 .type = HM_FIELD_BIG_U64,
	 .c = HM_C_DOUBLE,
	 .merge = HM_MERGE_TOLD,
	 .unit = "value",
	 .help = "smallest value, also if it is 0"},
	{.name = "mean",
	 .type = HM_FIELD_REAL,
	 .c = HM_C_NONE,
	 .merge = HM_MERGE_TOLD,
	 .unit = "value",
	 .help = "sum / count"},
	{.name = "variance",
	 .type = HM_FIELD_REAL,
	 .c = HM_C_NONE,
	 .merge = HM_MERGE_TOLD,
	 .unit = "value^2",
	 .help = "of the values there were"},
	{.name = "quantiles",
	 .type = HM_FIELD_OBJECT,
	 .c = HM_C_NONE,
	 .merge = HM_MERGE_TOLD,
	 .unit = "value",
	 .help = "the value that such a part of the values does not exceed, \"0.25\" to \"0.999\""},
	{.name = "unit", .type = HM_FIELD_TEXT, .merge = HM_MERGE_TOLD, .help = "of the values"},
	{0},
};

static const char *const stats_aliases[] = {"STAT", NULL}; // in MAPI's tutorial

static const struct hm_function stats = {
	.name = "STATS",
	.aliases = stats_aliases,
	.summary = "keeps statistics of another function's values",
	.flags = HM_FN_ORDERED,
	.args = stats_args,
	.results = stats_results,
	.values = &stats_values,
	.conf_size = sizeof(struct stats_conf),
	.core_size = sizeof(struct stats_core),
	.conf_init = stats_conf_init,
	.core_init = stats_core_init,
	.stats = stats_stats,
	.process = stats_process,
};

HM_FUNCTION_REGISTER(stats);
