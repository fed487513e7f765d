/* SPDX-License-Identifier: BSD-3-Clause */
/* THRESHOLD counts how often another function's value meets a bound: at every packet, once in so many microseconds of
 * packet time (poll), or for what it has grown by in the last so many (moving window). After a given number of such
 * events it tests no more, and the one that tests every packet lets none pass then. Costs a comparison a packet.
 */
#include "core/reference.h"
#include "core/ticks.h"

#include <errno.h>

enum { TYPE, FLOW, FUNCTION, BOUNDARY, THRESHOLD, TIMEOUT, DIVIDER, COUNT };
enum { TYPE_CHAR, TYPE_INT, TYPE_UNSIGNED_LONG_LONG, TYPE_MASK = 63, POLL = 64, WINDOW = 128 };
// as mapi.h numbers types of arguments, which programs give, too: INT is 1 in both
enum { MAPI_UNSIGNED_LONG_LONG = 3, MAPI_CHAR = 4 };
enum bound { EQUAL = 0, GREATER = 1, LESS = 2, D_EQUAL = 4, D_GREATER = 8, D_LESS = 16 };

#define DIVIDER_MAX 1000

struct threshold_conf {
	struct hm_reference reference;
	int64_t type;
	bool poll, window;
	enum bound bound;
	uint64_t threshold;
	uint64_t interval_ns;
	uint32_t divider; // intervals of a window
	uint64_t count;   // events, 0: no end
};

struct threshold_core {
	const struct threshold_conf *conf;
	struct hm_reader reader;
	struct hm_ticks ticks;
	bool tested;
	uint64_t previous;           // value at the last test
	uint64_t grown[DIVIDER_MAX]; // by which, in the intervals of the window
	uint64_t sum;
	uint32_t at;
	// the result
	uint64_t events, last_ns;
};

static bool is_done(const struct threshold_core *c)
{
	return c->conf->count && c->events == c->conf->count;
}

/* Values as a program sees them that reads so many bytes of them. */
static int64_t narrow(int64_t type, uint64_t value)
{
	if (type == TYPE_CHAR)
		return (int8_t)value;
	return type == TYPE_INT ? (int32_t)value : (int64_t)value;
}

/* Differences have a sign, values of unsigned long long have none. */
static bool meets(const struct threshold_conf *c, uint64_t value)
{
	int64_t a = narrow(c->type, value), b = narrow(c->type, c->threshold);
	bool is_unsigned = c->type == TYPE_UNSIGNED_LONG_LONG && c->bound < D_EQUAL;

	switch (c->bound) {
	case EQUAL:
	case D_EQUAL:
		return a == b;
	case GREATER:
	case D_GREATER:
		return is_unsigned ? value > c->threshold : a > b;
	default:
		return is_unsigned ? value < c->threshold : a < b;
	}
}

static void count_events(struct threshold_core *c, uint64_t ts_ns, uint64_t n)
{
	uint64_t left = c->conf->count ? c->conf->count - c->events : UINT64_MAX;

	n = n < left ? n : left;
	if (!n)
		return;
	__atomic_store_n(&c->events, c->events + n, __ATOMIC_RELAXED);
	__atomic_store_n(&c->last_ns, ts_ns, __ATOMIC_RELAXED);
}

/* `times` tests in a row of a value that stays. */
static void test(struct threshold_core *c, uint64_t ts_ns, uint64_t value, uint64_t times)
{
	bool difference = c->conf->bound >= D_EQUAL;
	uint64_t tested = value;

	if (difference)
		tested = c->tested ? value - c->previous : 0;
	c->previous = value;
	c->tested = true;
	if (meets(c->conf, tested))
		count_events(c, ts_ns, 1);
	if (times > 1 && meets(c->conf, difference ? 0 : value))
		count_events(c, ts_ns, times - 1);
}

static void slide(struct threshold_core *c, uint64_t ts_ns, uint64_t value)
{
	uint64_t grown = c->tested ? value - c->previous : 0;

	c->sum += grown - c->grown[c->at];
	c->grown[c->at] = grown;
	c->at = (c->at + 1) % c->conf->divider;
	c->previous = value;
	c->tested = true;
	if (meets(c->conf, c->sum))
		count_events(c, ts_ns, 1);
}

/* Intervals are over: one at whose last packet the value was that, or some without packets, in which it stayed. */
static void tick(void *core, uint64_t start_ns, uint64_t value, uint64_t times)
{
	struct threshold_core *c = core;
	uint64_t slides = times < c->conf->divider ? times : c->conf->divider;

	value = c->ticks.last;
	if (c->conf->poll) {
		test(c, start_ns, value, times);
		return;
	}
	for (uint64_t i = 0; i < slides; i++)
		slide(c, start_ns + i * c->ticks.interval_ns, value);
	if (times > slides && meets(c->conf, 0)) // the window holds silence only
		count_events(c, start_ns, times - slides);
}

static uint64_t threshold_process(void *core, const struct hm_batch *b, uint64_t in)
{
	struct threshold_core *c = core;
	const struct threshold_conf *conf = c->conf;
	const uint64_t *values = hm_reader_values(&c->reader, b, in);
	uint64_t out = 0;

	hm_mask_foreach (i, in) {
		if (conf->interval_ns) {
			hm_ticks_packet(&c->ticks, b->ts_ns[i], values[i], tick, c);
		} else {
			if (is_done(c))
				continue;
			test(c, b->ts_ns[i], values[i], 1);
		}
		out |= UINT64_C(1) << i;
	}
	return out;
}

/* --- control core --- */

static int check_type(struct threshold_conf *c, int64_t type, struct hm_error *err)
{
	c->type = type & TYPE_MASK;
	if (c->type == MAPI_UNSIGNED_LONG_LONG)
		c->type = TYPE_UNSIGNED_LONG_LONG;
	else if (c->type == MAPI_CHAR)
		c->type = TYPE_CHAR;
	c->poll = type & POLL;
	c->window = type & WINDOW;
	if (type < 0 || type > (TYPE_MASK | POLL | WINDOW) || c->type > TYPE_UNSIGNED_LONG_LONG ||
	    (c->poll && c->window))
		return hm_error_set(err, -EINVAL, 7001,
				    "THRESHOLD: argument 1 (type) must be 0 (char), 1 (int) or 2 "
				    "(unsigned long long), plus 64 (poll) or 128 (moving window)");
	return 0;
}

static int check_bound(struct threshold_conf *c, int64_t bound, struct hm_error *err)
{
	switch (bound) {
	case EQUAL:
	case GREATER:
	case LESS:
	case D_EQUAL:
	case D_GREATER:
	case D_LESS:
		c->bound = (enum bound)bound;
		return 0;
	default:
		return hm_error_set(err, -EINVAL, 7005,
				    "THRESHOLD: argument 4 (boundary) must be 0 (equal), 1 "
				    "(greater), 2 (less), or for differences 4, 8, 16");
	}
}

static int check_times(struct threshold_conf *c, const union hm_value *args, struct hm_error *err)
{
	int64_t timeout = args[TIMEOUT].i, divider = args[DIVIDER].i;

	c->divider = 1;
	if (!c->poll && !c->window)
		return 0;
	if (timeout < 1 || (c->window && (divider < 1 || divider > DIVIDER_MAX)))
		return hm_error_set(err, -EINVAL, 7000,
				    "THRESHOLD: with poll or window, argument 6 (timeout) must be "
				    "1 us or more, and with window argument 7 (divider) 1 to %d",
				    DIVIDER_MAX);
	c->interval_ns = (uint64_t)timeout * 1000;
	if (c->window) {
		c->divider = (uint32_t)divider;
		c->interval_ns /= c->divider;
	}
	return 0;
}

static int threshold_conf_init(void *conf, const union hm_value *args,
			       const struct hm_apply_ctx *ctx, struct hm_error *err)
{
	struct threshold_conf *c = conf;

	if (check_type(c, args[TYPE].i, err) < 0 ||
	    hm_reference_parse(&c->reference, args, FLOW, ctx, 7002, err) < 0 ||
	    check_bound(c, args[BOUNDARY].i, err) < 0 || check_times(c, args, err) < 0)
		return -EINVAL;
	c->threshold = args[THRESHOLD].u;
	c->count = (uint64_t)args[COUNT].i;
	return 0;
}

static int threshold_core_init(void *core, const struct hm_core_ctx *ctx, struct hm_error *err)
{
	const struct threshold_conf *conf = ctx->conf;
	struct threshold_core *c = core;

	c->conf = conf;
	hm_reader_init(&c->reader, &conf->reference, ctx);
	hm_ticks_init(&c->ticks, conf->interval_ns, false);
	return 0;
}

static const struct hm_arg threshold_args[] = {
	{.name = "type",
	 .type = HM_ARG_INT,
	 .help = "how the value is read: char 0, int 1, unsigned long long 2; plus 64: poll, or "
		 "128: "
		 "moving window"},
	HM_REFERENCE_ARGS,
	{.name = "boundary",
	 .type = HM_ARG_INT,
	 .help = "equal 0, greater 1, less 2; of the change since the last test 4, 8, 16"},
	{.name = "threshold", .type = HM_ARG_U64, .help = "what the value is compared with"},
	{.name = "timeout", .type = HM_ARG_INT, .optional = true, .help = "of poll and window, us"},
	{.name = "divider",
	 .type = HM_ARG_INT,
	 .optional = true,
	 .value_default = 1,
	 .help = "tests in one timeout of a window"},
	{.name = "count",
	 .type = HM_ARG_INT,
	 .optional = true,
	 .min = 0,
	 .max = INT32_MAX,
	 .help = "events after which it ends, 0: never"},
	{0},
};

static const struct hm_field threshold_results[] = {
	{.name = "events",
	 .type = HM_FIELD_U64,
	 .merge = HM_MERGE_SUM,
	 .offset = offsetof(struct threshold_core, events),
	 .c = HM_C_NONE,
	 .sequence = true,
	 .help = "how often the bound was met"},
	{.name = "last_ns",
	 .type = HM_FIELD_TIME_NS,
	 .merge = HM_MERGE_MAX,
	 .unit = "ns",
	 .offset = offsetof(struct threshold_core, last_ns),
	 .c = HM_C_NONE,
	 .help = "packet time of the last event, or the beginning of its interval; 0: none"},
	{0},
};

static const struct hm_function threshold = {
	.name = "THRESHOLD",
	.summary = "counts how often another function's value meets a bound",
	.flags = HM_FN_FILTERS | HM_FN_ORDERED,
	.args = threshold_args,
	.results = threshold_results,
	.conf_size = sizeof(struct threshold_conf),
	.core_size = sizeof(struct threshold_core),
	.conf_init = threshold_conf_init,
	.core_init = threshold_core_init,
	.process = threshold_process,
};

HM_FUNCTION_REGISTER(threshold);
