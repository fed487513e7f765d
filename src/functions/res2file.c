/* SPDX-License-Identifier: BSD-3-Clause */
/* RES2FILE writes what other functions tell into a file, a row at every packet ("-1"), once an interval of packet time
 * ("1s"), or once at the end ("0"). It passes all packets. A thread of its own formats and writes the rows (core/rows.h).
 * Costs a copy of each value, at every packet or once a batch.
 */
#include "core/moments.h"
#include "core/output.h"
#include "core/reference.h"
#include "core/rows.h"
#include "core/ticks.h"
#include "core/timespan.h"

#include <ctype.h>
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#define ENTRIES_MAX 64
#define ROWS        1024
#define SILENCE_MAX UINT64_C(1000000) // rows of one silence
#define NUMBER_MAX  40                // bytes of text, with a blank
#define STATS_MAX   512
#define NS_PER_S    UINT64_C(1000000000)
#define MAPI_PER_NS (4294967296.0L / 1e9L)

enum format { RAW, ULLSTR, ULLSEC, STATS, FORMATS }; // as <mapi/res2file.h> has them
enum when { EVERY_PACKET, BY_INTERVAL, AT_END };

enum { TYPES, LIST, HEADER, FILE_NAME, INTERVAL, RESET };

struct entry {
	struct hm_reference reference;
	enum format format;
	uint32_t offset, size; // of its value in a record
};

struct res2file_conf {
	uint32_t n;
	struct entry entries[ENTRIES_MAX];
	uint32_t record_size;
	enum when when;
	uint64_t interval_ns;
	bool reset;
	char *header;
	struct hm_output *output; // until connect
	struct hm_rows *rows;     // from then on
};

struct res2file_core {
	const struct res2file_conf *conf;
	struct hm_reader *readers;
	const uint64_t **numbers; // of each entry, in this batch; NULL: no number
	uint8_t *last;            // record of the newest packet
	uint8_t *base;            // at the beginning of the interval
	struct hm_ticks ticks;
	bool ended;
	uint64_t left_out; // rows of long silences
};

/* --- the worker --- */

static void fill(const struct res2file_core *c, const struct hm_batch *b, unsigned i,
		 uint8_t *record)
{
	for (uint32_t k = 0; k < c->conf->n; k++) {
		const struct entry *e = &c->conf->entries[k];

		if (c->numbers[k])
			memcpy(record + e->offset, &c->numbers[k][i], sizeof(uint64_t));
		else
			memcpy(record + e->offset, hm_reader_at(&c->readers[k], b, i), e->size);
	}
}

/* Puts what was at the last packet; of counters that are reset, what has come since the interval began. */
static void put_last(struct res2file_core *c)
{
	const struct res2file_conf *conf = c->conf;
	uint8_t *record = hm_rows_room(conf->rows, 1);

	if (record) {
		memcpy(record, c->last, conf->record_size);
		for (uint32_t k = 0; k < conf->n && conf->reset; k++) {
			const struct entry *e = &conf->entries[k];
			uint64_t now, before;

			if (!e->reference.values->running)
				continue;
			memcpy(&now, c->last + e->offset, sizeof(now));
			memcpy(&before, c->base + e->offset, sizeof(before));
			now -= before;
			memcpy(record + e->offset, &now, sizeof(now));
		}
		hm_rows_put(conf->rows);
	}
	memcpy(c->base, c->last, conf->record_size);
}

static void put_silence(struct res2file_core *c, uint64_t intervals)
{
	uint64_t rows = intervals < SILENCE_MAX ? intervals : SILENCE_MAX;
	uint8_t *record;

	if (!intervals)
		return;
	__atomic_store_n(&c->left_out, c->left_out + intervals - rows, __ATOMIC_RELAXED);
	record = hm_rows_room(c->conf->rows, rows);
	if (!record)
		return;
	memset(record, 0, c->conf->record_size);
	hm_rows_put(c->conf->rows);
}

static void put_packet(struct res2file_core *c, const struct hm_batch *b, unsigned i)
{
	uint8_t *record = hm_rows_room(c->conf->rows, 1);

	if (!record)
		return;
	fill(c, b, i, record);
	hm_rows_put(c->conf->rows);
}

static uint64_t res2file_process(void *core, const struct hm_batch *b, uint64_t in)
{
	struct res2file_core *c = core;
	const struct res2file_conf *conf = c->conf;

	for (uint32_t k = 0; k < conf->n; k++)
		if (!conf->entries[k].reference.values->size)
			c->numbers[k] = hm_reader_values(&c->readers[k], b, in);
	if (conf->when == AT_END) {
		fill(c, b, 63 - (unsigned)__builtin_clzll(in), c->last);
		return in;
	}
	hm_mask_foreach (i, in) {
		uint64_t over;

		if (conf->when == EVERY_PACKET) {
			put_packet(c, b, i);
			continue;
		}
		over = hm_ticks_over(&c->ticks, b->ts_ns[i]);
		if (over) {
			put_last(c);
			put_silence(c, over - 1);
			c->ticks.start_ns += over * conf->interval_ns;
		}
		fill(c, b, i, c->last);
	}
	return in;
}

static bool res2file_ready(void *core)
{
	const struct res2file_core *c = core;

	return hm_rows_ready(c->conf->rows, 2 * HM_BATCH_MAX);
}

static bool res2file_drain(void *core)
{
	struct res2file_core *c = core;

	if (c->conf->when != AT_END || c->ended)
		return true;
	if (!hm_rows_ready(c->conf->rows, 1))
		return false;
	put_last(c);
	c->ended = true;
	return true;
}

/* --- the thread --- */

/* Times are 2^-32 s; what would be after the year 2262 is a difference below 0. */
static uint64_t mapi_number(const struct entry *e, uint64_t value)
{
	bool below = value > INT64_MAX;
	uint64_t ns = below ? -value : value, ticks;

	if (e->reference.unit != HM_UNIT_NS)
		return value;
	ticks = ns / NS_PER_S << 32 | ((ns % NS_PER_S << 32) + NS_PER_S / 2) / NS_PER_S;
	return below ? -ticks : ticks;
}

static int write_seconds(const struct entry *e, uint64_t value, char *to)
{
	bool below = e->reference.unit == HM_UNIT_NS && value > INT64_MAX;
	uint64_t ns = below ? -value : value;

	if (e->reference.unit != HM_UNIT_NS)
		return snprintf(to, NUMBER_MAX, "%.12Lf ", (long double)value / 4294967296.0L);
	return snprintf(to, NUMBER_MAX, "%s%" PRIu64 ".%09" PRIu64 "000 ", below ? "-" : "",
			ns / NS_PER_S, ns % NS_PER_S);
}

/* MAPI's structure of STATS (<mapi/stats.h>). */
struct stats_image {
	unsigned long long count;
	long double sum, sum2;
	double max, min;
};

static void mapi_stats(struct stats_image *image, const struct entry *e, const void *value)
{
	long double factor = e->reference.unit == HM_UNIT_NS ? MAPI_PER_NS : 1;
	struct hm_moments m;

	memcpy(&m, value, sizeof(m));
	memset(image, 0, sizeof(*image));
	image->count = m.count;
	image->sum = hm_wide_real(&m.sum) * factor;
	image->sum2 = hm_wide_real(&m.squares) * factor * factor;
	image->max = (double)((long double)m.max * factor);
	image->min = (double)((long double)m.min * factor);
}

static size_t write_raw(const void *bytes, unsigned long n, char *to)
{
	memcpy(to, &n, sizeof(n));
	memcpy(to + sizeof(n), bytes, n);
	return sizeof(n) + n;
}

static size_t write_entry(const struct entry *e, const uint8_t *value, char *to)
{
	struct stats_image image;
	uint64_t number;

	if (e->reference.values->size) {
		mapi_stats(&image, e, value);
		if (e->format == RAW)
			return write_raw(&image, sizeof(image), to);
		return (size_t)snprintf(to, STATS_MAX, "%llu  %Lf %Lf %f %f ", image.count,
					image.sum, image.sum2, image.min, image.max);
	}
	memcpy(&number, value, sizeof(number));
	if (e->format == ULLSEC)
		return (size_t)write_seconds(e, number, to);
	number = mapi_number(e, number);
	if (e->format == RAW)
		return write_raw(&number, sizeof(number), to);
	return (size_t)snprintf(to, NUMBER_MAX, "%" PRIu64 " ", number);
}

static size_t format_row(const void *arg, const void *record, char *to)
{
	const struct res2file_conf *c = arg;
	size_t n = 0;

	for (uint32_t k = 0; k < c->n; k++)
		n += write_entry(&c->entries[k], (const uint8_t *)record + c->entries[k].offset,
				 to + n);
	to[n++] = '\n';
	return n;
}

/* --- control core --- */

static unsigned res2file_poll(void *conf, uint64_t now_ns)
{
	struct res2file_conf *c = conf;

	if (c->rows)
		hm_rows_poll(c->rows);
	return 0;
}

static void res2file_closing(void *conf)
{
	struct res2file_conf *c = conf;

	if (c->rows)
		hm_rows_close(c->rows);
}

static bool res2file_idle(const void *conf)
{
	const struct res2file_conf *c = conf;

	return !c->rows || hm_rows_idle(c->rows);
}

static json_t *res2file_stats(const void *conf, void *const *cores, unsigned n)
{
	const struct res2file_conf *c = conf;
	const struct res2file_core *core = cores[0]; // it is ordered, so there is one
	struct hm_rows_counts rows;

	hm_rows_counts(c->rows, &rows);
	return json_pack("{s:s, s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:s}", "file",
			 hm_rows_file(c->rows), "offered", (json_int_t)rows.offered, "written",
			 (json_int_t)rows.written, "lost", (json_int_t)rows.lost, "dropped",
			 (json_int_t)rows.dropped, "queued", (json_int_t)rows.queued, "left_out",
			 (json_int_t)__atomic_load_n(&core->left_out, __ATOMIC_RELAXED), "bytes",
			 (json_int_t)rows.bytes, "error", rows.error ? strerror(rows.error) : "");
}

static int res2file_connect(void *conf, struct hm_error *err)
{
	struct res2file_conf *c = conf;
	const struct hm_rows_conf rows = {.record_size = c->record_size,
					  .n_records = ROWS,
					  .row_max = c->n * STATS_MAX + 1,
					  .format = format_row,
					  .arg = c};

	c->rows = hm_rows_create(c->output, c->header, &rows, err);
	c->output = NULL;
	return c->rows ? 0 : -EIO;
}

static void res2file_conf_fini(void *conf)
{
	struct res2file_conf *c = conf;

	hm_rows_destroy(c->rows);
	hm_output_destroy(c->output);
	free(c->header);
}

static void res2file_core_fini(void *core)
{
	struct res2file_core *c = core;

	free(c->readers);
	free(c->numbers);
	free(c->last);
	free(c->base);
}

static int res2file_core_init(void *core, const struct hm_core_ctx *ctx, struct hm_error *err)
{
	const struct res2file_conf *conf = ctx->conf;
	struct res2file_core *c = core;

	c->conf = conf;
	c->readers = calloc(conf->n, sizeof(*c->readers));
	c->numbers = calloc(conf->n, sizeof(*c->numbers));
	c->last = calloc(1, conf->record_size);
	c->base = calloc(1, conf->record_size);
	if (!c->readers || !c->numbers || !c->last || !c->base) {
		res2file_core_fini(c);
		return hm_error_set(err, -ENOMEM, 3084, "RES2FILE: out of memory");
	}
	for (uint32_t k = 0; k < conf->n; k++)
		hm_reader_init(&c->readers[k], &conf->entries[k].reference, ctx);
	hm_ticks_init(&c->ticks, conf->interval_ns, false);
	return 0;
}

/* --- arguments --- */

/* The next part of a list with commas, without blanks around it; NULL: the list has ended. */
static char *next_part(char **list)
{
	char *part = strsep(list, ","), *end;

	if (!part)
		return NULL;
	while (isspace((unsigned char)*part))
		part++;
	for (end = part + strlen(part); end > part && isspace((unsigned char)end[-1]); end--)
		end[-1] = '\0';
	return part;
}

/* By number, or by name: "R2F_STATS", "STATS". FORMATS: there is no such. */
static enum format read_format(const char *text)
{
	static const struct {
		const char *name;
		enum format format;
	} known[] = {{"0", RAW},   {"1", ULLSTR},      {"2", ULLSEC},      {"3", STATS},
		     {"RAW", RAW}, {"ULLSTR", ULLSTR}, {"ULLSEC", ULLSEC}, {"STATS", STATS}};

	if (!strncasecmp(text, "R2F_", 4))
		text += 4;
	for (size_t i = 0; i < sizeof(known) / sizeof(known[0]); i++)
		if (!strcasecmp(text, known[i].name))
			return known[i].format;
	return FORMATS;
}

/* "2@7", "2@web", or "2" of this flow. */
static int read_reference(struct hm_reference *r, char *text, const struct hm_apply_ctx *ctx,
			  struct hm_error *err)
{
	char *flow = strchr(text, '@'), *end;
	struct hm_flow_name name = {0};
	struct hm_error cause;
	long long number;

	if (flow) {
		*flow++ = '\0';
		errno = 0;
		name.number = strtoll(flow, &end, 10);
		if (end == flow || *end || errno)
			name.name = flow;
	}
	errno = 0;
	number = strtoll(text, &end, 10);
	if (end == text || *end || errno || (flow && !*flow))
		return hm_error_set(err, -EINVAL, 7002,
				    "RES2FILE: the list of functions must be like \"2@7,1@7\"");
	if (hm_reference_find(r, &name, number, ctx, &cause) < 0)
		return hm_error_set(err, -EINVAL, 7002, "RES2FILE: function %lld: %s", number,
				    cause.text);
	return 0;
}

static int add_entry(struct res2file_conf *c, char *reference, const char *type,
		     const struct hm_apply_ctx *ctx, struct hm_error *err)
{
	struct entry *e = &c->entries[c->n];

	if (c->n == ENTRIES_MAX)
		return hm_error_set(err, -E2BIG, 7002, "RES2FILE: it writes %d functions at most",
				    ENTRIES_MAX);
	if (!type)
		return hm_error_set(err, -EINVAL, 7001,
				    "RES2FILE: there are fewer types than functions");
	if (read_reference(&e->reference, reference, ctx, err) < 0)
		return -EINVAL;
	e->format = read_format(type);
	if (e->format == FORMATS)
		return hm_error_set(err, -EINVAL, 7002,
				    "RES2FILE: type \"%s\" must be 0 (RAW), 1 (ULLSTR), 2 (ULLSEC) "
				    "or 3 (STATS)",
				    type);
	if (e->format != RAW && (e->format == STATS) != (e->reference.values->size != 0))
		return hm_error_set(err, -EINVAL, 7002,
				    "RES2FILE: type STATS is for the function STATS, ULLSTR and "
				    "ULLSEC for those with a number");
	e->offset = c->record_size;
	e->size = e->reference.values->size ? e->reference.values->size : sizeof(uint64_t);
	c->record_size += (e->size + 7) & ~7u;
	c->n++;
	return 0;
}

/* The tutorial has the functions first, and they have an "@". */
static bool is_turned(const union hm_value *args)
{
	return strchr(args[TYPES].s, '@') && !strchr(args[LIST].s, '@');
}

static int read_lists(struct res2file_conf *c, const union hm_value *args,
		      const struct hm_apply_ctx *ctx, struct hm_error *err)
{
	bool turned = is_turned(args);
	char *types = strdup(args[turned ? LIST : TYPES].s);
	char *list = strdup(args[turned ? TYPES : LIST].s), *next = list, *next_type = types;
	int ret = types && list ? 0 : hm_error_set(err, -ENOMEM, 3084, "RES2FILE: out of memory");

	while (ret == 0 && next)
		ret = add_entry(c, next_part(&next), next_part(&next_type), ctx, err);
	if (ret == 0 && next_type)
		ret = hm_error_set(err, -EINVAL, 7001,
				   "RES2FILE: there are more types than functions");
	free(types);
	free(list);
	return ret;
}

static int read_interval(struct res2file_conf *c, const char *text, struct hm_error *err)
{
	struct hm_timespan t;

	if (!strcmp(text, "-1"))
		c->when = EVERY_PACKET;
	else if (!strcmp(text, "0"))
		c->when = AT_END;
	else if (hm_timespan_parse(text, &t) && t.ns > 0)
		c->when = BY_INTERVAL;
	else
		return hm_error_set(err, -EINVAL, 7005,
				    "RES2FILE: interval is \"%s\"; it must be a time such as "
				    "\"1s\", \"-1\" for every packet, or \"0\" for once at the end",
				    text);
	c->interval_ns = c->when == BY_INTERVAL ? t.ns : 0;
	return 0;
}

static int res2file_conf_init(void *conf, const union hm_value *args,
			      const struct hm_apply_ctx *ctx, struct hm_error *err)
{
	struct res2file_conf *c = conf;
	int ret;

	if (args[RESET].i != 0 && args[RESET].i != 1)
		return hm_error_set(err, -EINVAL, 7011,
				    "RES2FILE: argument 6 (reset) must be 0 or 1");
	c->reset = args[RESET].i == 1;
	if (read_lists(c, args, ctx, err) < 0 || read_interval(c, args[INTERVAL].s, err) < 0)
		return -EINVAL;
	c->output = hm_output_create(args[FILE_NAME].s, ctx, err);
	if (!c->output)
		return -errno;
	c->header = strdup(args[HEADER].s);
	if (c->header)
		return 0;
	ret = hm_error_set(err, -ENOMEM, 3084, "RES2FILE: out of memory");
	hm_output_destroy(c->output);
	c->output = NULL;
	return ret;
}

static const struct hm_arg res2file_args[] = {
	{.name = "types",
	 .type = HM_ARG_REFERENCES, // the tutorial has the functions here
	 .help = "for each function 0 (RAW), 1 (ULLSTR), 2 (ULLSEC: seconds) or 3 (STATS), with "
		 "commas"},
	{.name = "functions",
	 .type = HM_ARG_REFERENCES,
	 .help = "those whose results are written: \"2@7,1@web\", or \"2\" of this flow"},
	{.name = "header", .type = HM_ARG_STRING, .help = "first line of the file"},
	{.name = "file", .type = HM_ARG_OUTPUT, .help = "that is written"},
	{.name = "interval",
	 .type = HM_ARG_STRING,
	 .help = "\"1s\": a row an interval; \"-1\": at every packet; \"0\": once at the end"},
	{.name = "reset",
	 .type = HM_ARG_INT,
	 .optional = true,
	 .help = "1: of counters, what they have counted in the interval"},
	{0},
};

static const struct hm_function res2file = {
	.name = "RES2FILE",
	.summary = "writes results of other functions to a file",
	.flags = HM_FN_ORDERED,
	.args = res2file_args,
	.conf_size = sizeof(struct res2file_conf),
	.core_size = sizeof(struct res2file_core),
	.conf_init = res2file_conf_init,
	.connect = res2file_connect,
	.conf_fini = res2file_conf_fini,
	.core_init = res2file_core_init,
	.core_fini = res2file_core_fini,
	.poll = res2file_poll,
	.closing = res2file_closing,
	.idle = res2file_idle,
	.stats = res2file_stats,
	.process = res2file_process,
	.ready = res2file_ready,
	.drain = res2file_drain,
};

HM_FUNCTION_REGISTER(res2file);
