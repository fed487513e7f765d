/* SPDX-License-Identifier: BSD-3-Clause */
/* BUCKET publishes another function's value once an interval of packet time ("1s"), at every packet ("0"), or once at
 * the end ("-1"). The newest 1,000 values are kept. Costs a comparison a packet.
 */
#include "core/reference.h"
#include "core/ticks.h"
#include "core/timespan.h"

#include <errno.h>
#include <string.h>

#define ENTRIES UINT64_C(1000)

enum when { EVERY_PACKET, BY_INTERVAL, AT_END };

struct bucket_conf {
	struct hm_reference reference;
	enum when when;
	uint64_t interval_ns;
	bool reset;
};

struct entry {
	uint64_t ts_ns, data;
};

struct bucket_core {
	const struct bucket_conf *conf;
	struct hm_reader reader;
	struct hm_ticks ticks;
	uint64_t last_ns, last; // of the packet before, for the end
	bool seen, ended;
	uint64_t published; // entries so far; the newest ENTRIES are there
	struct entry entries[ENTRIES];
};

static void put(struct bucket_core *c, uint64_t ts_ns, uint64_t data)
{
	struct entry *e = &c->entries[c->published % ENTRIES];

	__atomic_store_n(&e->ts_ns, ts_ns, __ATOMIC_RELAXED);
	__atomic_store_n(&e->data, data, __ATOMIC_RELAXED);
	__atomic_store_n(&c->published, c->published + 1, __ATOMIC_RELEASE); // reader: bucket_stats
}

static void tick(void *core, uint64_t start_ns, uint64_t value, uint64_t times)
{
	struct bucket_core *c = core;
	uint64_t skipped = times > ENTRIES ? times - ENTRIES : 0;

	// a long silence: of its zeros only the newest are kept, but all are counted
	__atomic_store_n(&c->published, c->published + skipped, __ATOMIC_RELEASE);
	for (uint64_t i = skipped; i < times; i++)
		put(c, start_ns + i * c->ticks.interval_ns, value);
}

static uint64_t bucket_process(void *core, const struct hm_batch *b, uint64_t in)
{
	struct bucket_core *c = core;
	const uint64_t *values = hm_reader_values(&c->reader, b, in);

	hm_mask_foreach (i, in) {
		if (c->conf->when == BY_INTERVAL)
			hm_ticks_packet(&c->ticks, b->ts_ns[i], values[i], tick, c);
		else if (c->conf->when == EVERY_PACKET)
			put(c, b->ts_ns[i], values[i]);
		c->last_ns = b->ts_ns[i];
		c->last = values[i];
		c->seen = true;
	}
	return in;
}

static bool bucket_drain(void *core)
{
	struct bucket_core *c = core;

	if (c->conf->when == AT_END && c->seen && !c->ended)
		put(c, c->last_ns, c->last);
	c->ended = true;
	return true;
}

/* --- control core --- */

/* It is ordered, so there is one core, which goes on writing meanwhile. */
static json_t *bucket_stats(const void *conf, void *const *cores, unsigned n)
{
	const struct bucket_conf *c = conf;
	const struct bucket_core *core = cores[0];
	uint64_t published = __atomic_load_n(&core->published, __ATOMIC_ACQUIRE), first, gone;
	static struct entry copy[ENTRIES]; // the control core's
	json_t *entries = json_array();

	for (uint64_t i = 0; i < ENTRIES; i++) {
		copy[i].ts_ns = __atomic_load_n(&core->entries[i].ts_ns, __ATOMIC_RELAXED);
		copy[i].data = __atomic_load_n(&core->entries[i].data, __ATOMIC_RELAXED);
	}
	// what has been written over since, or is just being, is left out
	__atomic_thread_fence(__ATOMIC_ACQUIRE);
	gone = __atomic_load_n(&core->published, __ATOMIC_RELAXED);
	gone = gone == published ? published : gone + 1;
	first = gone > ENTRIES ? gone - ENTRIES : 0;
	for (uint64_t i = first; i < published; i++) {
		const struct entry *e = &copy[i % ENTRIES];

		json_array_append_new(entries,
				      json_pack("{s:o, s:o}", "ts_ns", hm_json_u64(e->ts_ns),
						"data", hm_json_u64(e->data)));
	}
	return json_pack("{s:I, s:o, s:s}", "published", (json_int_t)published, "entries", entries,
			 "unit", hm_unit_name(c->reference.unit));
}

static int read_interval(struct bucket_conf *c, const char *text, struct hm_error *err)
{
	struct hm_timespan t;

	if (!strcmp(text, "-1"))
		c->when = AT_END;
	else if (!strcmp(text, "0"))
		c->when = EVERY_PACKET;
	else if (hm_timespan_parse(text, &t) && t.ns > 0)
		c->when = BY_INTERVAL;
	else
		return hm_error_set(err, -EINVAL, 7003,
				    "BUCKET: interval is \"%s\"; it must be a time such as \"1s\", "
				    "\"0\" for every packet, or \"-1\" for once at the end",
				    text);
	c->interval_ns = c->when == BY_INTERVAL ? t.ns : 0;
	return 0;
}

static int bucket_conf_init(void *conf, const union hm_value *args, const struct hm_apply_ctx *ctx,
			    struct hm_error *err)
{
	struct bucket_conf *c = conf;

	if (hm_reference_parse(&c->reference, args, 0, ctx, 7000, err) < 0)
		return -EINVAL;
	if (args[3].i != 0 && args[3].i != 1)
		return hm_error_set(err, -EINVAL, 7000,
				    "BUCKET: argument 4 (reset) must be 0 or 1");
	c->reset = args[3].i == 1;
	return read_interval(c, args[2].s, err);
}

static int bucket_core_init(void *core, const struct hm_core_ctx *ctx, struct hm_error *err)
{
	const struct bucket_conf *conf = ctx->conf;
	struct bucket_core *c = core;

	c->conf = conf;
	hm_reader_init(&c->reader, &conf->reference, ctx);
	hm_ticks_init(&c->ticks, conf->interval_ns, conf->reset && conf->reference.values->running);
	return 0;
}

static const struct hm_arg bucket_args[] = {
	HM_REFERENCE_ARGS,
	{.name = "interval",
	 .type = HM_ARG_STRING,
	 .help = "\"1s\": once an interval; \"0\": every packet; \"-1\": once at the end"},
	{.name = "reset",
	 .type = HM_ARG_INT,
	 .optional = true,
	 .help = "1: of a counter, what it has counted in the interval; 0: all that it has "
		 "counted"},
	{0},
};

static const struct hm_field bucket_entry[] = {
	{.name = "ts_ns",
	 .type = HM_FIELD_TIME_NS,
	 .merge = HM_MERGE_TOLD,
	 .unit = "ns",
	 .help = "when the interval began, or of the packet"},
	{.name = "data", .type = HM_FIELD_BIG_U64, .merge = HM_MERGE_TOLD, .unit = "value"},
	{0},
};

static const struct hm_field bucket_results[] = {
	{.name = "published",
	 .type = HM_FIELD_U64,
	 .merge = HM_MERGE_SUM, // it is ordered, so there is one core
	 .offset = offsetof(struct bucket_core, published),
	 .c = HM_C_NONE,
	 .sequence = true,
	 .help = "values so far"},
	{.name = "entries",
	 .type = HM_FIELD_ARRAY,
	 .of = bucket_entry,
	 .merge = HM_MERGE_TOLD,
	 .help = "the newest of them"},
	{.name = "unit", .type = HM_FIELD_TEXT, .merge = HM_MERGE_TOLD, .help = "of data"},
	{0},
};

static const struct hm_function bucket = {
	.name = "BUCKET",
	.summary = "publishes another function's value once an interval",
	.flags = HM_FN_ORDERED,
	.args = bucket_args,
	.results = bucket_results,
	.conf_size = sizeof(struct bucket_conf),
	.core_size = sizeof(struct bucket_core),
	.conf_init = bucket_conf_init,
	.core_init = bucket_core_init,
	.stats = bucket_stats,
	.process = bucket_process,
	.drain = bucket_drain,
};

HM_FUNCTION_REGISTER(bucket);
