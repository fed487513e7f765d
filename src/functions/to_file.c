/* SPDX-License-Identifier: BSD-3-Clause */
/* TO_FILE: writes the packets that reach it to a file, or to one file after the other; all packets pass. Costs one
 * copy: the worker puts records, as the file has them, into a buffer (capture/stream.h), from which a thread writes
 * (capture/capture.h). With several queues it runs on one worker, in the order of the wire, so that a file is in order.
 */
#include "core/function.h"
#include "core/output.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "capture/capture.h"
#include "core/clock.h"
#include "trace/encode.h"

#define NS_PER_S           UINT64_C(1000000000)
#define STATE_WRITING      11 // as MAPI has it; 0: the count is reached, or the flow has ended
#define BLOCK_DEFAULT      (1u << 20)
#define BUFFER_DEFAULT     (32u << 20)
#define BUFFER_MAX         (256u << 20)
#define BUFFER_MAX_TRUSTED (UINT64_C(4) << 30) // of the configuration and administrators
#define SCRIPT_DEFAULT_S   60
#define TICK_SLACK_NS      NS_PER_S // a file ends so long after its time, if no packet says so

struct to_file_conf {
	struct hm_output *output; // until connect
	struct hm_capture *capture;
	struct hm_capture_conf capture_conf;
	struct hm_trace_encoder encoder;
	uint64_t count; // packets, 0: any number
	uint64_t rotate_bytes, rotate_packets, rotate_ns;
	uint64_t batch_bytes; // of the longest packets, with what begins a file
	bool begins_at_once;
	char *script;
};

struct to_file_core {
	const struct to_file_conf *conf;
	struct hm_capture *capture;
	struct hm_stream *stream;
	struct hm_trace_encoder encoder;
	uint32_t state;
	bool open, ended;
	uint64_t file_bytes, file_packets; // in the present file
	uint64_t next_slot_ns;             // when it ends
	uint64_t accepted, ignored;        // put into the stream; behind the last one wanted
	uint64_t dropped[HM_CAPTURE_CAUSES];
};

/* --- the packet path --- */

static void count_up(uint64_t *counter)
{
	__atomic_store_n(counter, *counter + 1, __ATOMIC_RELAXED);
}

static void end_file(struct to_file_core *c)
{
	hm_stream_end(c->stream);
	c->open = false;
}

static bool begin_file(struct to_file_core *c, uint64_t ts_ns)
{
	uint8_t *to;

	if (!hm_stream_begin(c->stream, ts_ns))
		return false;
	to = hm_stream_reserve(c->stream, HM_TRACE_HEADER_MAX); // there is room for a block
	c->file_bytes = hm_trace_encode_header(&c->encoder, to);
	hm_stream_commit(c->stream, c->file_bytes, 0);
	c->file_packets = 0;
	c->open = true;
	return true;
}

/* Whether the packet belongs to the next file. */
static bool is_full(const struct to_file_core *c, uint64_t ts_ns, uint64_t bytes)
{
	const struct to_file_conf *const conf = c->conf;

	if (c->file_packets == 0)
		return false;
	return ts_ns >= c->next_slot_ns ||
	       (conf->rotate_packets && c->file_packets >= conf->rotate_packets) ||
	       (conf->rotate_bytes && c->file_bytes + bytes > conf->rotate_bytes);
}

/* Files begin at multiples of their time: on the hour, not an hour after the first packet. */
static uint64_t end_of_slot(uint64_t slot_ns, uint64_t ts_ns)
{
	return slot_ns ? (ts_ns / slot_ns + 1) * slot_ns : UINT64_MAX;
}

static enum hm_capture_cause put_record(struct to_file_core *c, const struct hm_trace_packet *p,
					size_t most)
{
	uint8_t *to;
	int n;

	while (hm_trace_needs_interface(&c->encoder, p->ifindex)) {
		to = hm_stream_reserve(c->stream, HM_TRACE_RECORD_EXTRA);
		if (!to)
			return hm_capture_trouble(c->capture);
		n = (int)hm_trace_encode_interface(&c->encoder, to);
		hm_stream_commit(c->stream, (size_t)n, 0);
		c->file_bytes += (uint64_t)n;
	}
	to = hm_stream_reserve(c->stream, most);
	if (!to)
		return hm_capture_trouble(c->capture);
	n = hm_trace_encode(&c->encoder, p, to);
	if (n < 0)
		return HM_CAPTURE_NO_FORMAT;
	count_up(&c->accepted); // before the writer can see it
	hm_stream_commit(c->stream, (size_t)n, 1);
	c->file_bytes += (uint64_t)n;
	if (c->file_packets++ == 0)
		c->next_slot_ns = end_of_slot(c->conf->rotate_ns, p->ts_ns);
	return HM_CAPTURE_FINE;
}

static enum hm_capture_cause put_packet(struct to_file_core *c, const struct hm_batch *b,
					unsigned i)
{
	const struct hm_trace_packet p = {.ts_ns = b->ts_ns[i],
					  .data = b->data[i],
					  .caplen = b->caplen[i],
					  .wirelen = b->wirelen[i],
					  .ifindex = b->ifindex[i]};
	const uint32_t caplen = p.caplen < c->encoder.snaplen ? p.caplen : c->encoder.snaplen;
	const size_t most = caplen + HM_TRACE_RECORD_EXTRA;

	if (c->open && is_full(c, p.ts_ns, most))
		end_file(c);
	if (!c->open && !begin_file(c, p.ts_ns))
		return hm_capture_trouble(c->capture);
	return put_record(c, &p, most);
}

/* The last packet that was wanted has come. */
static void stop(struct to_file_core *c)
{
	end_file(c);
	__atomic_store_n(&c->state, 0, __ATOMIC_RELAXED);
}

static uint64_t to_file_process(void *core, const struct hm_batch *b, uint64_t in)
{
	struct to_file_core *const c = core;
	const uint64_t count = c->conf->count;

	if (hm_capture_wants_file(c->capture))
		end_file(c);
	hm_mask_foreach (i, in) {
		if (!c->state) {
			count_up(&c->ignored);
			continue;
		}
		const enum hm_capture_cause cause = put_packet(c, b, i);
		if (cause != HM_CAPTURE_FINE)
			count_up(&c->dropped[cause]);
		if (count && c->accepted >= count)
			stop(c);
	}
	hm_stream_publish(c->stream);
	return in;
}

static void to_file_tick(void *core, uint64_t now_ns)
{
	struct to_file_core *const c = core;

	if (c->open &&
	    (hm_capture_wants_file(c->capture) || (c->file_packets > 0 && now_ns > TICK_SLACK_NS &&
						   now_ns - TICK_SLACK_NS >= c->next_slot_ns)))
		end_file(c);
	hm_stream_publish(c->stream);
}

/* While the disk is in trouble nobody waits for it: packets are dropped, and counted. */
static bool to_file_ready(void *core)
{
	struct to_file_core *const c = core;
	const struct to_file_conf *const conf = c->conf;
	const bool rotates = conf->rotate_bytes || conf->rotate_packets || conf->rotate_ns;

	return !c->state ||
	       hm_stream_has_room(c->stream, conf->batch_bytes, rotates ? HM_BATCH_MAX : 1) ||
	       hm_capture_trouble(c->capture) != HM_CAPTURE_NO_ROOM ||
	       hm_capture_is_closing(c->capture);
}

static bool to_file_drain(void *core)
{
	struct to_file_core *const c = core;

	if (!c->ended)
		hm_stream_close(c->stream);
	c->ended = true;
	c->open = false;
	__atomic_store_n(&c->state, 0, __ATOMIC_RELAXED);
	return true;
}

/* --- arguments --- */

/* MAPI's numbers, two of ours, and names. */
static const char *const format_names[] = {
	"MFF_PCAP", "MFF_RAW", "MFF_DAG_ERF", "MFF_COMBO6", "MFF_NAPATECH", "PCAP_NS",
	"PCAPNG",   "PCAP",    "RAW",         "ERF",        "MFF_ERF",      NULL,
};
static const int formats[] = {
	HM_TRACE_PCAP_US,
	HM_TRACE_PCAP_US,
	HM_TRACE_ERF,
	-1,
	-1,
	HM_TRACE_PCAP,
	HM_TRACE_PCAPNG,
	HM_TRACE_PCAP_US,
	HM_TRACE_PCAP_US,
	HM_TRACE_ERF,
	HM_TRACE_ERF,
};
#define FORMATS (sizeof(formats) / sizeof(formats[0]))
static_assert(sizeof(format_names) / sizeof(format_names[0]) == FORMATS + 1, "one for each name");

static const struct hm_arg arguments[] = {
	{.name = "format",
	 .type = HM_ARG_INT,
	 .min = 0,
	 .max = FORMATS - 1,
	 .names = format_names,
	 .mapi_errno = 7006,
	 .help = "MFF_PCAP 0 (microseconds), MFF_RAW 1 (the same), MFF_DAG_ERF 2, PCAP_NS 5, "
		 "PCAPNG 6"},
	{.name = "file",
	 .type = HM_ARG_OUTPUT,
	 .help = "the file that is passed, or a name below the folder that is passed or "
		 "capture.dir"},
	{.name = "count",
	 .type = HM_ARG_U64,
	 .optional = true,
	 .help = "packets to write; 0: all that come"},
	{.name = "options",
	 .type = HM_ARG_OPTIONS,
	 .optional = true,
	 .mapi_errno = 7004,
	 .help = "rotate_bytes, rotate_packets, rotate_s, keep_bytes, keep_s, zstd, snaplen, sync, "
		 "script, script_s, block_bytes, buffer_bytes; see docs/functions/to_file.md"},
	{0},
};

struct options {
	struct to_file_conf *conf;
	const struct hm_apply_ctx *ctx;
	const char *script;
	uint64_t snaplen, rotate_s, script_s, zstd, block_bytes;
};

static int __attribute__((format(printf, 2, 3)))
refuse(struct hm_error *err, const char *format, ...)
{
	char text[HM_ERROR_MAX];
	va_list ap;

	va_start(ap, format);
	vsnprintf(text, sizeof(text), format, ap);
	va_end(ap);
	return hm_error_set(err, -EINVAL, 7004, "TO_FILE: %s", text);
}

static int set_sync(struct options *o, const json_t *value, struct hm_error *err)
{
	static const char *const names[] = {"none", "file", "second"};
	const char *const s = json_string_value(value);

	for (int i = HM_CAPTURE_SYNC_NONE; s && i <= HM_CAPTURE_SYNC_SECOND; i++)
		if (!strcmp(s, names[i])) {
			o->conf->capture_conf.sync = i;
			return 0;
		}
	return refuse(err, "option \"sync\" must be \"none\", \"file\" or \"second\"");
}

/* A program is not for clients to choose: it runs with the daemon's rights. */
static int set_script(struct options *o, const json_t *value, struct hm_error *err)
{
	const char *const s = json_string_value(value);

	if (!o->ctx->configured)
		return refuse(err, "option \"script\" is for flows of the configuration only");
	if (!s || s[0] != '/' || access(s, X_OK) < 0)
		return refuse(err, "option \"script\" must be the absolute path of a program: %s",
			      s && s[0] == '/' ? strerror(errno) : "it is none");
	o->script = s;
	return 0;
}

static int set_number(struct options *o, const char *key, const json_t *value, struct hm_error *err)
{
	struct to_file_conf *const c = o->conf;
	const bool trusted = o->ctx->administrator;
	const struct {
		const char *key;
		uint64_t *to, min, max;
	} numbers[] = {
		{"rotate_bytes", &c->rotate_bytes, HM_STREAM_RECORD_MAX, INT64_MAX},
		{"rotate_packets", &c->rotate_packets, 1, INT64_MAX},
		{"rotate_s", &o->rotate_s, 1, 366 * 86400},
		{"keep_bytes", &c->capture_conf.shelf.keep_bytes, 1, INT64_MAX},
		{"keep_s", &c->capture_conf.shelf.keep_s, 1, UINT32_MAX},
		{"zstd", &o->zstd, 1, 19},
		{"snaplen", &o->snaplen, 1, 65535},
		{"script_s", &o->script_s, 1, 86400},
		{"block_bytes", &o->block_bytes, HM_STREAM_BLOCK_MIN, HM_STREAM_BLOCK_MAX},
		{"buffer_bytes", &c->capture_conf.buffer_bytes, 4 * HM_STREAM_BLOCK_MIN,
		 trusted ? BUFFER_MAX_TRUSTED : BUFFER_MAX},
	};

	for (size_t i = 0; i < sizeof(numbers) / sizeof(numbers[0]); i++) {
		const json_int_t n = json_integer_value(value);

		if (strcmp(key, numbers[i].key) != 0)
			continue;
		if (!json_is_integer(value) || n < 0 || (uint64_t)n < numbers[i].min ||
		    (uint64_t)n > numbers[i].max)
			return refuse(err,
				      "option \"%s\" must be an integer from %" PRIu64
				      " to %" PRIu64,
				      key, numbers[i].min, numbers[i].max);
		*numbers[i].to = (uint64_t)n;
		return 0;
	}
	return refuse(err,
		      "no option \"%.64s\"; there are rotate_bytes, rotate_packets, rotate_s, "
		      "keep_bytes, keep_s, zstd, snaplen, sync, script, script_s, block_bytes and "
		      "buffer_bytes",
		      key);
}

static int set_options(struct options *o, const json_t *options, struct hm_error *err)
{
	const char *key;
	json_t *value;
	int code = 0;

	json_object_foreach ((json_t *)(uintptr_t)options, key, value) {
		if (!strcmp(key, "sync"))
			code = set_sync(o, value, err);
		else if (!strcmp(key, "script"))
			code = set_script(o, value, err);
		else
			code = set_number(o, key, value, err);
		if (code < 0)
			return code;
	}
	return 0;
}

/* Room for what a lossless source may bring at once; a multiple of the block. */
static uint64_t buffer_needed(const struct to_file_conf *c, bool lossless)
{
	const bool rotates = c->rotate_bytes || c->rotate_packets || c->rotate_ns;
	const uint64_t block = c->capture_conf.block_bytes;
	uint64_t bytes =
		4 * block > 4 * HM_STREAM_RECORD_MAX ? 4 * block : 4 * HM_STREAM_RECORD_MAX;

	if (lossless)
		bytes = c->batch_bytes + (rotates ? HM_BATCH_MAX + 2 : 3) * block;
	return (bytes + block - 1) / block * block;
}

static int set_sizes(struct options *o, struct hm_error *err)
{
	struct to_file_conf *const c = o->conf;
	struct hm_capture_conf *const k = &c->capture_conf;
	uint64_t needed;

	if (o->block_bytes & (o->block_bytes - 1))
		return refuse(err, "option \"block_bytes\" must be a power of two");
	k->block_bytes = (uint32_t)o->block_bytes;
	c->batch_bytes = (uint64_t)HM_BATCH_MAX * (c->encoder.snaplen + HM_TRACE_RECORD_EXTRA) +
			 HM_TRACE_HEADER_MAX;
	needed = buffer_needed(c, o->ctx->lossless);
	if (k->buffer_bytes == 0)
		k->buffer_bytes = needed > BUFFER_DEFAULT ? needed : BUFFER_DEFAULT;
	k->buffer_bytes = k->buffer_bytes / o->block_bytes * o->block_bytes;
	if (k->buffer_bytes < needed)
		return refuse(err,
			      "option \"buffer_bytes\" must be at least %" PRIu64
			      " with these blocks%s",
			      needed, o->ctx->lossless ? " on a source that waits" : "");
	return 0;
}

static int check_together(const struct options *o, const struct to_file_conf *c,
			  struct hm_error *err)
{
	const bool many = c->rotate_bytes || c->rotate_packets || c->rotate_ns ||
			  c->capture_conf.shelf.keep_bytes || c->capture_conf.shelf.keep_s;

	if (many && hm_output_is_file(c->output))
		return refuse(err, "a file was passed, and rotate_... and keep_... make and remove "
				   "files: pass its folder");
	if (o->script_s && !o->script)
		return refuse(err, "option \"script_s\" goes with \"script\"");
	return 0;
}

static int set_encoder(struct to_file_conf *c, int64_t format, uint64_t snaplen,
		       const struct hm_apply_ctx *ctx, struct hm_error *err)
{
	const uint32_t whole = ctx->snaplen && ctx->snaplen < 65535 ? ctx->snaplen : 65535;
	const struct hm_trace_writer_conf conf = {
		.format = (enum hm_trace_format)formats[format],
		.link = ctx->link,
		.snaplen = snaplen && snaplen < whole ? (uint32_t)snaplen : whole,
		.application = "homard"};
	int code;

	if (formats[format] < 0)
		return hm_error_set(err, -EINVAL, 7006,
				    "TO_FILE: format %s is not written here; there are MFF_PCAP, "
				    "MFF_RAW, MFF_DAG_ERF, PCAP_NS and PCAPNG",
				    format_names[format]);
	code = hm_trace_encoder_init(&c->encoder, "TO_FILE", &conf, err);
	if (code < 0 && err)
		err->mapi_errno = 7006;
	return code;
}

/* --- life --- */

static void to_file_conf_fini(void *conf)
{
	struct to_file_conf *const c = conf;

	hm_capture_destroy(c->capture);
	hm_output_destroy(c->output);
	free(c->script);
}

static int to_file_conf_init(void *conf, const union hm_value *args, const struct hm_apply_ctx *ctx,
			     struct hm_error *err)
{
	struct to_file_conf *const c = conf;
	struct options o = {.conf = c, .ctx = ctx, .block_bytes = BLOCK_DEFAULT};
	int code;

	c->count = args[2].u;
	c->capture_conf.sync = HM_CAPTURE_SYNC_FILE;
	code = set_encoder(c, args[0].i, 0, ctx, err);
	if (code == 0 && args[3].options)
		code = set_options(&o, args[3].options, err);
	if (code == 0 && o.snaplen)
		code = set_encoder(c, args[0].i, o.snaplen, ctx, err);
	c->rotate_ns = o.rotate_s * NS_PER_S;
	c->capture_conf.zstd_level = (int)o.zstd;
	c->capture_conf.script_ns = (o.script_s ? o.script_s : SCRIPT_DEFAULT_S) * NS_PER_S;
	if (code == 0)
		code = set_sizes(&o, err);
	if (code == 0 && !(c->output = hm_output_create(args[1].s, ctx, err)))
		code = -errno;
	if (code == 0)
		code = check_together(&o, c, err);
	if (code == 0 && o.script && !(c->script = strdup(o.script)))
		code = hm_error_set(err, -ENOMEM, 3084, "TO_FILE: out of memory");
	c->capture_conf.script = c->script;
	if (code < 0) {
		to_file_conf_fini(c);
		return code;
	}
	c->begins_at_once =
		hm_output_is_file(c->output) || !hm_output_name_has_time(hm_output_name(c->output));
	return 0;
}

static int to_file_connect(void *conf, struct hm_error *err)
{
	struct to_file_conf *const c = conf;

	c->capture = hm_capture_create(c->output, &c->capture_conf, err);
	if (!c->capture)
		return -errno;
	c->output = NULL; // the capture's
	return 0;
}

static int to_file_prepared(void *conf, struct hm_error *err)
{
	const struct to_file_conf *const c = conf;

	return hm_capture_opened(c->capture, err);
}

static int to_file_core_init(void *core, const struct hm_core_ctx *ctx, struct hm_error *err)
{
	const struct to_file_conf *const conf = ctx->conf;
	struct to_file_core *const c = core;

	*c = (struct to_file_core){.conf = conf,
				   .capture = conf->capture,
				   .stream = hm_capture_stream(conf->capture),
				   .encoder = conf->encoder,
				   .state = STATE_WRITING};
	if (!conf->begins_at_once)
		return 0;
	begin_file(c, hm_clock_now_ns()); // the stream is empty
	if (conf->rotate_ns)              // the slot is the first packet's
		c->next_slot_ns = UINT64_MAX;
	hm_stream_publish(c->stream);
	return 0;
}

/* The daemon stops, or the flow is closed: a disk in trouble is not waited for without end. */
static void to_file_closing(void *conf)
{
	const struct to_file_conf *const c = conf;

	if (c->capture)
		hm_capture_close(c->capture);
}

static bool to_file_idle(const void *conf)
{
	const struct to_file_conf *const c = conf;

	return !c->capture || hm_capture_is_done(c->capture);
}

/* --- results --- */

static uint64_t load(const uint64_t *counter)
{
	return __atomic_load_n(counter, __ATOMIC_RELAXED);
}

static json_t *hook_json(const struct hm_hook_counts *h)
{
	return json_pack("{s:I, s:I, s:I, s:I}", "run", (json_int_t)h->run, "failed",
			 (json_int_t)h->failed, "killed", (json_int_t)h->killed, "skipped",
			 (json_int_t)h->skipped);
}

/* offered = written + dropped (each by cause) + queued; what came behind the last one wanted is not offered. */
static json_t *to_file_stats(const void *conf, void *const *cores, unsigned n)
{
	const struct to_file_conf *const c = conf;
	const struct to_file_core *const core = cores[0]; // ordered: there is one
	struct hm_capture_counts k;
	uint64_t accepted, offered, left = 0;
	json_t *dropped = json_object(), *stats, *line;

	hm_capture_counts(c->capture, &k); // first: what is written was accepted before
	offered = accepted = load(&core->accepted);
	for (unsigned i = HM_CAPTURE_FINE + 1; i < HM_CAPTURE_CAUSES; i++) {
		const uint64_t here = load(&core->dropped[i]);

		offered += here;
		left += k.lost[i];
		json_object_set_new(dropped, hm_capture_cause_name((enum hm_capture_cause)i),
				    json_integer((json_int_t)(here + k.lost[i])));
	}
	left = accepted - k.written - left;
	line = json_pack("{s:I, s:I, s:O, s:I, s:I, s:b}", "offered", (json_int_t)offered,
			 "written", (json_int_t)k.written, "dropped", dropped, "queued",
			 (json_int_t)left, "ignored", (json_int_t)load(&core->ignored), "balanced",
			 left <= accepted);
	stats = json_pack("{s:I, s:I, s:I, s:I, s:o, s:s, s:b, s:o}", "packets",
			  (json_int_t)k.written, "bytes", (json_int_t)k.bytes, "files",
			  (json_int_t)k.files, "queued", (json_int_t)left, "dropped", dropped,
			  "disk", k.disk, "direct", k.direct, "file", line);
	if (c->capture_conf.shelf.keep_bytes || c->capture_conf.shelf.keep_s)
		json_object_set_new(stats, "deleted", json_integer((json_int_t)k.deleted));
	if (c->script)
		json_object_set_new(stats, "scripts", hook_json(&k.hook));
	return stats;
}

static const struct hm_field results[] = {
	{.name = "state",
	 .type = HM_FIELD_U32,
	 .merge = HM_MERGE_MAX,
	 .offset = offsetof(struct to_file_core, state),
	 .help = "11 while packets are written, 0 when the count is reached or the packets have "
		 "ended"},
	{0},
};

static const struct hm_function to_file = {
	.name = "TO_FILE",
	.summary = "writes packets to files",
	.flags = HM_FN_ORDERED | HM_FN_WRITES,
	.args = arguments,
	.results = results,
	.conf_size = sizeof(struct to_file_conf),
	.core_size = sizeof(struct to_file_core),
	.cost = {.batch = 60, .packet = 60},
	.conf_init = to_file_conf_init,
	.connect = to_file_connect,
	.prepared = to_file_prepared,
	.conf_fini = to_file_conf_fini,
	.core_init = to_file_core_init,
	.closing = to_file_closing,
	.hurry = to_file_closing,
	.idle = to_file_idle,
	.stats = to_file_stats,
	.process = to_file_process,
	.tick = to_file_tick,
	.ready = to_file_ready,
	.drain = to_file_drain,
};
HM_FUNCTION_REGISTER(to_file);
