/* SPDX-License-Identifier: BSD-3-Clause */
/* DIST keeps a histogram of another function's values: of GAP's times, or of what a counter has counted at each
 * packet. Costs a division a packet.
 */
#include "core/reference.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>

#define INTERVALS_MAX 65536

struct dist_conf {
	struct hm_reference reference;
	uint64_t min, max, interval;
	uint64_t intervals;
};

struct dist_core {
	const struct dist_conf *conf;
	struct hm_reader reader;
	uint64_t below;   // of those in counts[0], less than min
	uint64_t *counts; // intervals, and one for max and above
};

static inline void count(uint64_t *counter)
{
	__atomic_store_n(counter, *counter + 1, __ATOMIC_RELAXED); // reader: dist_stats
}

static uint64_t dist_process(void *core, const struct hm_batch *b, uint64_t in)
{
	struct dist_core *c = core;
	const struct dist_conf *conf = c->conf;
	const uint64_t *values = hm_reader_values(&c->reader, b, in);

	hm_mask_foreach (i, in) {
		uint64_t value = values[i], slot = 0;

		if (value >= conf->max)
			slot = conf->intervals;
		else if (value >= conf->min)
			slot = (value - conf->min) / conf->interval;
		else
			count(&c->below);
		count(&c->counts[slot]);
	}
	return in;
}

/* --- control core --- */

/* It is ordered, so there is one core. */
static json_t *dist_stats(const void *conf, void *const *cores, unsigned n)
{
	const struct dist_conf *c = conf;
	const struct dist_core *core = cores[0];
	json_t *data = json_array();

	for (uint64_t i = 0; i <= c->intervals; i++)
		json_array_append_new(data, json_integer((json_int_t)__atomic_load_n(
						    &core->counts[i], __ATOMIC_RELAXED)));
	return json_pack("{s:o, s:o, s:o, s:I, s:I, s:o, s:s}", "min", hm_json_u64(c->min), "max",
			 hm_json_u64(c->max), "interval", hm_json_u64(c->interval), "intervals",
			 (json_int_t)c->intervals, "below",
			 (json_int_t)__atomic_load_n(&core->below, __ATOMIC_RELAXED), "data", data,
			 "unit", hm_unit_name(c->reference.unit));
}

/* A number in the unit of the values: of times, one with a unit, or MAPI's 2^-32 s. */
static int read_value(uint64_t *value, const struct dist_conf *c, const char *name,
		      const struct hm_timespan *t, int mapi_errno, struct hm_error *err)
{
	bool times = c->reference.unit == HM_UNIT_NS;

	if (t->has_unit && !times)
		return hm_error_set(
			err, -EINVAL, mapi_errno,
			"DIST: %s is a time; it must be a number without a unit, as the "
			"values are",
			name);
	*value = times ? t->ns : t->plain;
	return 0;
}

static int check_range(struct dist_conf *c, struct hm_error *err)
{
	if (c->min > c->max)
		return hm_error_set(err, -EINVAL, 7000, "DIST: min must not be above max");
	if (c->interval == 0)
		return hm_error_set(err, -EINVAL, 7005, "DIST: interval must not be 0");
	if (c->interval > c->max - c->min)
		return hm_error_set(err, -EINVAL, 7004,
				    "DIST: interval must not be larger than max - min");
	c->intervals = (c->max - c->min - 1) / c->interval + 1;
	if (c->intervals > INTERVALS_MAX)
		return hm_error_set(err, -EINVAL, 7005,
				    "DIST: min, max and interval make %" PRIu64
				    " intervals, there may be %d",
				    c->intervals, INTERVALS_MAX);
	return 0;
}

static int dist_conf_init(void *conf, const union hm_value *args, const struct hm_apply_ctx *ctx,
			  struct hm_error *err)
{
	struct dist_conf *c = conf;

	if (hm_reference_parse(&c->reference, args, 0, ctx, 7001, err) < 0 ||
	    read_value(&c->min, c, "min", &args[2].time, 7003, err) < 0 ||
	    read_value(&c->max, c, "max", &args[3].time, 7004, err) < 0 ||
	    read_value(&c->interval, c, "interval", &args[4].time, 7005, err) < 0)
		return -EINVAL;
	return check_range(c, err);
}

static int dist_core_init(void *core, const struct hm_core_ctx *ctx, struct hm_error *err)
{
	const struct dist_conf *conf = ctx->conf;
	struct dist_core *c = core;

	c->conf = conf;
	hm_reader_init(&c->reader, &conf->reference, ctx);
	c->counts = calloc(conf->intervals + 1, sizeof(*c->counts));
	return c->counts ? 0 : hm_error_set(err, -ENOMEM, 3084, "DIST: out of memory");
}

static void dist_core_fini(void *core)
{
	struct dist_core *c = core;

	free(c->counts);
}

static const struct hm_arg dist_args[] = {
	HM_REFERENCE_ARGS,
	{.name = "min", .type = HM_ARG_TIME, .help = "where the first interval begins"},
	{.name = "max", .type = HM_ARG_TIME, .help = "where the last one ends"},
	{.name = "interval", .type = HM_ARG_TIME, .help = "width of one: \"10us\", or a number"},
	{0},
};

static const struct hm_field dist_counts[] = {
	{.name = "", .type = HM_FIELD_U64, .merge = HM_MERGE_TOLD, .help = "values"},
	{0},
};

static const struct hm_field dist_results[] = {
	{.name = "min",
	 .type = HM_FIELD_BIG_U64,
	 .merge = HM_MERGE_TOLD,
	 .unit = "value",
	 .help = "where the first interval begins"},
	{.name = "max",
	 .type = HM_FIELD_BIG_U64,
	 .merge = HM_MERGE_TOLD,
	 .unit = "value",
	 .help = "where the last one ends"},
	{.name = "intervals", .type = HM_FIELD_U64, .merge = HM_MERGE_TOLD, .help = "how many"},
	{.name = "data",
	 .type = HM_FIELD_ARRAY,
	 .of = dist_counts,
	 .merge = HM_MERGE_TOLD,
	 .help = "values in each interval, and behind them those of max or more"},
	{.name = "interval",
	 .type = HM_FIELD_BIG_U64,
	 .c = HM_C_NONE,
	 .merge = HM_MERGE_TOLD,
	 .unit = "value",
	 .help = "width of one"},
	{.name = "below",
	 .type = HM_FIELD_U64,
	 .c = HM_C_NONE,
	 .merge = HM_MERGE_TOLD,
	 .help = "values below min, which the first interval has, too"},
	{.name = "unit", .type = HM_FIELD_TEXT, .merge = HM_MERGE_TOLD, .help = "of the values"},
	{0},
};

static uint64_t dist_memory(const void *conf, unsigned n_workers)
{
	const struct dist_conf *c = conf;

	return n_workers * (c->intervals + 1) * sizeof(uint64_t);
}

static const struct hm_function dist = {
	.name = "DIST",
	.summary = "keeps a histogram of another function's values",
	.flags = HM_FN_ORDERED,
	.args = dist_args,
	.results = dist_results,
	.conf_size = sizeof(struct dist_conf),
	.core_size = sizeof(struct dist_core),
	.conf_init = dist_conf_init,
	.memory = dist_memory,
	.core_init = dist_core_init,
	.core_fini = dist_core_fini,
	.stats = dist_stats,
	.process = dist_process,
};

HM_FUNCTION_REGISTER(dist);
