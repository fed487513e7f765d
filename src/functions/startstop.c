/* SPDX-License-Identifier: BSD-3-Clause */
/* STARTSTOP passes the packets of a window of time, given in absolute times or relative to the first packet
 * that it sees. Costs a comparison a packet.
 */
#include "core/function.h"
#include "core/timespan.h"

#include <errno.h>
#include <string.h>
#include <time.h>

#define NO_END UINT64_MAX

struct startstop_conf {
	bool start_relative, stop_relative;
	uint64_t start_ns, stop_ns; // a relative stop is a duration after the start; 0: no end
};

struct startstop_core {
	const struct startstop_conf *conf;
	bool opened;                // the first packet is known
	uint64_t start_ns, stop_ns; // the window from then on
	uint64_t first, first_processed, last;
};

/* The first packet has been seen: the window is fixed. */
static void open_window(struct startstop_core *c, uint64_t first_ns)
{
	const struct startstop_conf *conf = c->conf;
	uint64_t start = conf->start_relative ? first_ns + conf->start_ns : conf->start_ns;
	uint64_t stop = conf->stop_relative ? start + conf->stop_ns : conf->stop_ns;

	c->start_ns = start;
	c->stop_ns = conf->stop_ns == 0 ? NO_END : stop;
	c->opened = true;
	__atomic_store_n(&c->first, first_ns, __ATOMIC_RELAXED);
}

static uint64_t startstop_process(void *core, const struct hm_batch *b, uint64_t in)
{
	struct startstop_core *c = core;
	uint64_t out = 0;

	if (!c->opened)
		open_window(c, b->ts_ns[__builtin_ctzll(in)]);
	for (unsigned i = 0; i < b->n; i++)
		out |= (uint64_t)(b->ts_ns[i] >= c->start_ns && b->ts_ns[i] <= c->stop_ns) << i;
	out &= in;
	if (!out)
		return 0;
	if (!c->first_processed)
		__atomic_store_n(&c->first_processed, b->ts_ns[__builtin_ctzll(out)],
				 __ATOMIC_RELAXED);
	__atomic_store_n(&c->last, b->ts_ns[63 - __builtin_clzll(out)], __ATOMIC_RELAXED);
	return out;
}

/* --- control core --- */

/* "YYYY-MM-DD HH:MM:SS" in local time; whether it is summer time is for the library to know. */
static bool read_local_time(const char *text, uint64_t *ns)
{
	struct tm tm = {0};
	const char *end = strptime(text, "%Y-%m-%d %H:%M:%S", &tm);
	time_t seconds;

	if (!end || *end != '\0')
		return false;
	tm.tm_isdst = -1;
	seconds = mktime(&tm);
	*ns = (uint64_t)seconds * UINT64_C(1000000000);
	return seconds > 0;
}

static int read_bound(const char *name, const char *text, bool *relative, uint64_t *ns,
		      struct hm_error *err)
{
	struct hm_timespan t;

	*relative = hm_timespan_parse(text, &t);
	if (*relative)
		*ns = t.ns;
	else if (!read_local_time(text, ns))
		return hm_error_set(err, -EINVAL, 7000,
				    "STARTSTOP: %s is \"%s\"; it must be a time such as \"10s\" or "
				    "\"+1.5s\" (units ns, us, ms, s, m) or \"YYYY-MM-DD "
				    "HH:MM:SS\" in local time",
				    name, text);
	return 0;
}

static int startstop_conf_init(void *conf, const union hm_value *args,
			       const struct hm_apply_ctx *ctx, struct hm_error *err)
{
	struct startstop_conf *c = conf;

	if (read_bound("start", args[0].s, &c->start_relative, &c->start_ns, err) < 0 ||
	    read_bound("stop", args[1].s, &c->stop_relative, &c->stop_ns, err) < 0)
		return -EINVAL;
	if (c->start_relative && !c->stop_relative)
		return hm_error_set(err, -EINVAL, 7000,
				    "STARTSTOP: a start relative to the first packet goes with a "
				    "relative stop only");
	if (!c->stop_relative && c->stop_ns < c->start_ns)
		return hm_error_set(err, -EINVAL, 7000, "STARTSTOP: stop %s lies before start %s",
				    args[1].s, args[0].s);
	return 0;
}

static int startstop_core_init(void *core, const struct hm_core_ctx *ctx, struct hm_error *err)
{
	struct startstop_core *c = core;

	c->conf = ctx->conf;
	return 0;
}

static const struct hm_arg startstop_args[] = {
	{.name = "start",
	 .type = HM_ARG_STRING,
	 .help = "\"10s\": after the first packet; or \"YYYY-MM-DD HH:MM:SS\", local time"},
	{.name = "stop",
	 .type = HM_ARG_STRING,
	 .help = "\"10s\": after the start, \"0\": no end; or \"YYYY-MM-DD HH:MM:SS\", local time"},
	{0},
};

#define TIME_FIELD(field, how, text)                                                           \
	{                                                                                      \
		.name = #field, .type = HM_FIELD_TIME_NS, .merge = how, .unit = "ns",          \
		.offset = offsetof(struct startstop_core, field), .help = text " (since 1970)" \
	}

static const struct hm_field startstop_results[] = {
	TIME_FIELD(first, HM_MERGE_MIN, "time of the first packet seen"),
	TIME_FIELD(first_processed, HM_MERGE_MIN, "of the first packet passed"),
	TIME_FIELD(last, HM_MERGE_MAX, "of the last packet passed"),
	{0},
};

static const struct hm_function startstop = {
	.name = "STARTSTOP",
	.summary = "passes the packets between two times",
	.flags = HM_FN_FILTERS | HM_FN_ORDERED,
	.args = startstop_args,
	.results = startstop_results,
	.conf_size = sizeof(struct startstop_conf),
	.core_size = sizeof(struct startstop_core),
	.conf_init = startstop_conf_init,
	.core_init = startstop_core_init,
	.process = startstop_process,
};

HM_FUNCTION_REGISTER(startstop);
