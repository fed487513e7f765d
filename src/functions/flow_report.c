/* SPDX-License-Identifier: BSD-3-Clause */
/* FLOW_REPORT: meters packets into flow records and exports them; passes every packet. Costs one
 * table look-up a packet. Each worker has a flow cache of its own and a ring to the control core,
 * which encodes and sends. Configured by MAPI's four strings or by an options object,
 * docs/netflow.md. */
#include <errno.h>
#include <rte_ring.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "core/config.h"
#include "core/function.h"
#include "core/outbox.h"
#include "core/pages.h"
#include "netflow/exporter.h"
#include "netflow/meter.h"
#include "netflow/options.h"
#include "netflow/report.h"
#include "netflow/selection.h"

#define NS_A_S       UINT64_C(1000000000)
#define MOVE_BURST   HM_EXPORTER_PUT_MAX // records from a ring at a time
#define MOVE_BUDGET  8192                // records a poll and ring
#define TICK_BUDGET  1024                // entries that timers look at in a tick
#define DATAGRAMS    512                 // that wait for the client
#define DRAIN_BUDGET 4096                // entries handed out by one call of drain
/* Room that a lossless source waits for: more than a batch can end records, with its timers. */
#define READY_ROOM 1024

#define MFUNCT_INVALID_ARGUMENT    7000
#define MFUNCT_INVALID_ARGUMENT_2  7002
#define MFUNCT_INVALID_ARGUMENT_4  7004
#define MAPID_MEM_ALLOCATION_ERROR 3084

enum { ARG_RECORD_TYPE, ARG_TRANSPORT, ARG_KEY_TEMPLATE, ARG_RECORD_TEMPLATE, ARG_OPTIONS };

struct report_conf {
	struct hm_report_options options;
	unsigned n_workers;
	struct hm_report *report;
};

struct report_core {
	struct hm_meter *meter;
	const struct hm_report *report;
	uint64_t active_ns, inactive_ns;           // that the cache has had since a change
	bool sealed;                               // drained by keeping
	uint64_t packets, bytes, records, entries; // results, copied from the cache once a batch
};

static uint64_t clock_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * NS_A_S + (uint64_t)t.tv_nsec;
}

static uint64_t load(const uint64_t *counter)
{
	return __atomic_load_n(counter, __ATOMIC_RELAXED);
}

/* --- worker --- */

static void set(uint64_t *counter, uint64_t value)
{
	__atomic_store_n(counter, value, __ATOMIC_RELAXED);
}

static void publish(struct report_core *core)
{
	const struct hm_cache_counts *c = hm_cache_counts(core->meter->cache);

	set(&core->packets, c->packets);
	set(&core->bytes, c->bytes);
	set(&core->records, c->records);
	set(&core->entries, hm_cache_used(core->meter->cache));
}

static uint64_t process(void *state, const struct hm_batch *b, uint64_t in)
{
	struct report_core *core = state;

	hm_cache_add(core->meter->cache, b, in);
	publish(core);
	if (core->meter->warm)
		hm_warm_note_time(core->meter->warm, core->meter->number, b->ts_ns[b->n - 1]);
	return in;
}

static bool ready(void *state)
{
	const struct report_core *core = state;

	return hm_meter_room(core->meter, READY_ROOM) == READY_ROOM;
}

/* The control core changes timeouts in the report; the cache is the worker's. */
static void look_at_timeouts(struct report_core *core)
{
	uint64_t active_ns = load(&core->report->active_ns);
	uint64_t inactive_ns = load(&core->report->inactive_ns);

	if (active_ns == core->active_ns && inactive_ns == core->inactive_ns)
		return;
	core->active_ns = active_ns;
	core->inactive_ns = inactive_ns;
	if (active_ns != 0 && inactive_ns != 0) // both have been written
		hm_cache_set_timeouts(core->meter->cache, active_ns, inactive_ns);
}

static void tick(void *state, uint64_t now_ns)
{
	struct report_core *core = state;

	if (core->sealed)
		return;
	look_at_timeouts(core);
	hm_cache_expire(core->meter->cache, now_ns, hm_meter_room(core->meter, TICK_BUDGET));
	hm_survey_step(core->meter->survey, now_ns);
	publish(core);
}

static bool drain(void *state)
{
	struct report_core *core = state;
	bool done;

	if (hm_meter_prepared(core->meter) != 1)
		return true; // the flow goes before it came
	if (__atomic_load_n(&core->report->keep, __ATOMIC_ACQUIRE)) { // hurry()
		if (!core->sealed)
			hm_warm_seal(core->meter->warm, core->meter->number, core->meter->cache);
		core->sealed = true;
		return true;
	}
	done = hm_cache_drain(core->meter->cache, hm_meter_room(core->meter, DRAIN_BUDGET));
	publish(core);
	return done;
}

/* --- control core --- */

static void put_records(void *arg, const struct hm_flow_record *records, unsigned n,
			uint64_t now_ns)
{
	struct hm_report *r = arg;

	hm_exporters_put(r->exporters, records, n, now_ns);
}

static unsigned move_records(struct hm_report *r, struct hm_meter *meter, uint64_t now_ns)
{
	unsigned moved = 0, n = MOVE_BURST;

	if (!meter->ring || (r->routes && !hm_routes_file_settled(r->routes)))
		return 0; // the first records wait for the first reading
	while (n == MOVE_BURST && moved < MOVE_BUDGET) {
		if (r->lossless && !hm_exporters_room(r->exporters))
			break;
		n = hm_meter_move(meter, MOVE_BURST, now_ns, put_records, r);
		moved += n;
	}
	return moved;
}

/* For the next daemon, should this one be killed. */
static void note_exporters(struct hm_report *r)
{
	uint64_t settled = 0;

	for (unsigned i = 0; i < HM_WORKERS_MAX; i++)
		settled += r->meter[i].taken + load(&r->meter[i].lost.flows);
	for (unsigned i = 0; i < hm_exporters_n(r->exporters); i++) {
		const struct hm_exporter *x = hm_exporters_at(r->exporters, i);
		struct hm_exporter_counts c;
		hm_exporter_counts(x, &c);
		hm_warm_note_exporter(r->warm, i, settled - c.queued, hm_exporter_sequence(x));
	}
}

static unsigned poll_report(void *state, uint64_t now_ns)
{
	struct hm_report *r = ((struct report_conf *)state)->report;
	uint64_t now = clock_ns(); // packet time and wall clock may step
	unsigned work = 0;

	for (unsigned i = 0; i < HM_WORKERS_MAX; i++)
		work += move_records(r, &r->meter[i], now);
	work += hm_exporters_poll(r->exporters, now);
	hm_surveyor_poll(r->surveyor, now);
	if (r->warm)
		note_exporters(r);
	return work;
}

/* {"top": N, "by": "bytes" or "packets"}, checked by whoever asks. */
static int ask(void *state, const json_t *question, hm_answer_cb answer, void *arg,
	       struct hm_error *err)
{
	struct hm_report *r = ((struct report_conf *)state)->report;
	const char *by = json_string_value(json_object_get(question, "by"));

	return hm_surveyor_ask(r->surveyor,
			       (unsigned)json_integer_value(json_object_get(question, "top")),
			       !by || strcmp(by, "bytes") == 0, answer, arg, err);
}

static bool is_idle(const void *state)
{
	const struct hm_report *r = ((const struct report_conf *)state)->report;

	for (unsigned i = 0; i < HM_WORKERS_MAX; i++)
		if (r->meter[i].ring && !rte_ring_empty(r->meter[i].ring))
			return false;
	return hm_exporters_idle(r->exporters);
}

static struct hm_outbox *outbox(const void *state)
{
	const struct hm_report *r = ((const struct report_conf *)state)->report;

	return r ? r->outbox : NULL;
}

static json_t *datagram(void *state, const void *record)
{
	static const char digits[] = "0123456789abcdef";
	const struct hm_datagram *d = record;
	char hex[2 * HM_DATAGRAM_MAX];

	for (uint32_t i = 0; i < d->bytes; i++) {
		hex[2 * i] = digits[d->message[i] >> 4];
		hex[2 * i + 1] = digits[d->message[i] & 15];
	}
	return json_pack("{s:I, s:i, s:s%}", "recno", (json_int_t)d->number, "size", (int)d->bytes,
			 "bytes", hex, (size_t)2 * d->bytes);
}

/* A source that waits for exporters goes on waiting, but not for those who are away. */
static void finish(struct hm_report *r)
{
	hm_exporters_finish(r->exporters, clock_ns());
}

static void closing(void *state)
{
	struct hm_report *r = ((struct report_conf *)state)->report;

	r->closing = true;
	finish(r);
}

static void hurry(void *state)
{
	struct hm_report *r = ((struct report_conf *)state)->report;

	__atomic_store_n(&r->keep, r->warm && !r->closing, __ATOMIC_RELEASE); // drain()
	finish(r);
}

static json_t *stats(const void *state, void *const *cores, unsigned n)
{
	const struct report_conf *conf = state;

	return hm_report_stats(conf->report, &conf->options);
}

/* --- life --- */

static bool given(const char *s)
{
	return s && s[0] != '\0';
}

static int parse_arguments(struct hm_report_options *o, const union hm_value *args,
			   struct hm_error *err)
{
	const char *type = given(args[ARG_RECORD_TYPE].s) ? args[ARG_RECORD_TYPE].s : "IPFIX";
	const char *transport = args[ARG_TRANSPORT].s, *template = args[ARG_RECORD_TEMPLATE].s;
	int r = 0;

	if (!hm_format_by_mapi_name(type))
		return hm_error_set(err, -ENOTSUP, MFUNCT_INVALID_ARGUMENT,
				    "record type \"%.80s\" is not supported; supported: IPFIX, "
				    "NETFLOW_V9, NETFLOW_V5",
				    type);
	if (!given(transport) && !args[ARG_OPTIONS].options)
		transport = "SHMEM";
	if (given(template) && !given(transport))
		return hm_error_set(
			err, -EINVAL, MFUNCT_INVALID_ARGUMENT_4,
			"record template \"%.80s\" is for the exporter of the transport "
			"argument, and that is empty",
			template);
	if (args[ARG_OPTIONS].options)
		r = hm_report_parse(o, args[ARG_OPTIONS].options, "options", err);
	if (r == 0 && given(transport))
		r = hm_report_add_mapi(o, type, transport, given(template) ? template : "", err);
	if (r == 0 && o->n_exporters == 0)
		r = hm_error_set(err, -EINVAL, MFUNCT_INVALID_ARGUMENT_2,
				 "nowhere to export to: options.exporters is missing, and the "
				 "transport");
	return r;
}

/* The daemon may read and write where its users may not. */
static int check_files(const struct hm_report_options *o, uint32_t uid, struct hm_error *err)
{
	for (unsigned i = 0; i < o->n_exporters; i++)
		if (hm_exporter_names_files(&o->exporter[i]) && uid != 0 && uid != geteuid())
			return hm_error_set(err, -EACCES, MFUNCT_INVALID_ARGUMENT_2,
					    "exporter %u: only root and the daemon's own user may "
					    "name files that the daemon reads or writes",
					    i);
	if (o->warm_file[0] != '\0' && uid != 0 && uid != geteuid())
		return hm_error_set(
			err, -EACCES, MFUNCT_INVALID_ARGUMENT,
			"options.warm_file: only root and the daemon's own user may have files "
			"written");
	if (o->routes[0] != '\0' && uid != 0 && uid != geteuid())
		return hm_error_set(
			err, -EACCES, MFUNCT_INVALID_ARGUMENT,
			"options.routes: only root and the daemon's own user may have files "
			"read");
	return 0;
}

static void conf_fini(void *state)
{
	struct report_conf *conf = state;
	struct hm_report *r = conf->report;

	if (!r)
		return;
	hm_exporters_destroy(r->exporters);
	hm_outbox_destroy(r->outbox);
	hm_surveyor_destroy(r->surveyor);
	hm_routes_file_close(r->routes);
	for (unsigned i = 0; i < HM_WORKERS_MAX; i++)
		hm_meter_fini(&r->meter[i]);
	hm_warm_close(r->warm, r->keep);
	free(r);
	conf->report = NULL;
}

/* The cache is made whole at connect: what does not fit must not be tried. */
static int check_memory(const struct hm_report_options *o, struct hm_error *err)
{
	size_t wanted = hm_cache_bytes(o->cache_entries, hm_report_wants_frames(o));
	size_t available = hm_pages_available();

	if (available > 0 && wanted > available / 4 * 3)
		return hm_error_set(
			err, -ENOMEM, MAPID_MEM_ALLOCATION_ERROR,
			"cache_entries: %u take %zu MB, and %zu MB are available on this machine, "
			"of which a cache may have three quarters",
			o->cache_entries, wanted >> 20, available >> 20);
	return 0;
}

static int create_outbox(struct hm_report *report, struct hm_exporter_conf *c, struct hm_error *err)
{
	if (c->transport != &hm_transport_memory)
		return 0;
	if (!report->outbox) // changed exporters go on with it
		report->outbox = hm_outbox_create(1, sizeof(struct hm_datagram), DATAGRAMS, err);
	c->to.outbox = report->outbox;
	return report->outbox ? 0 : -ENOMEM;
}

/* What exporters know of the function that they belong to. */
static int complete_exporters(struct hm_report_options *o, struct hm_report *report,
			      const struct hm_apply_ctx *ctx, struct hm_error *err)
{
	for (unsigned i = 0; i < o->n_exporters; i++) {
		struct hm_exporter_conf *c = &o->exporter[i];
		int r = hm_selection_note(c, ctx->before, ctx->n_before, o->flow_sampling, err);
		if (r == 0)
			r = create_outbox(report, c, err);
		if (r < 0)
			return r;
		c->layout.key = o->key;
		c->device = report->device;
		c->routes = report->routes;
		c->shortfalls = hm_report_shortfalls;
		c->shortfalls_arg = report;
	}
	return 0;
}

static int conf_init(void *state, const union hm_value *args, const struct hm_apply_ctx *ctx,
		     struct hm_error *err)
{
	struct report_conf *conf = state;
	int r;

	conf->report = NULL;
	hm_report_defaults(&conf->options, ctx->flow_report);
	r = parse_arguments(&conf->options, args, err);
	if (r == 0)
		r = check_files(&conf->options, ctx->owner_uid, err);
	if (r == 0)
		r = check_memory(&conf->options, err);
	if (r < 0)
		return r;
	conf->report = calloc(1, sizeof(*conf->report));
	if (!conf->report)
		goto no_memory;
	conf->report->surveyor = hm_surveyor_create(HM_WORKERS_MAX);
	if (!conf->report->surveyor)
		goto no_memory;
	conf->report->lossless = ctx->lossless;
	conf->n_workers = ctx->n_workers;
	if (conf->options.routes[0] != '\0') {
		conf->report->routes = hm_routes_file_open(conf->options.routes, err);
		if (!conf->report->routes) {
			conf_fini(conf);
			return -EINVAL;
		}
	}
	snprintf(conf->report->device, sizeof(conf->report->device), "%s", ctx->device);
	r = complete_exporters(&conf->options, conf->report, ctx, err);
	if (r == 0) {
		conf->report->exporters =
			hm_exporters_create(conf->options.exporter, conf->options.n_exporters, err);
		r = conf->report->exporters ? 0 : -ENOMEM;
	}
	if (r < 0)
		conf_fini(conf);
	return r;
no_memory:
	conf_fini(conf);
	return hm_error_set(err, -ENOMEM, MAPID_MEM_ALLOCATION_ERROR, "no memory for exporters");
}

/* --- changes while it runs --- */

static int change(void *state, const union hm_value *args, const struct hm_apply_ctx *ctx, bool dry,
		  struct hm_error *err)
{
	struct report_conf *conf = state;
	struct hm_report_options o;
	int r;

	hm_report_defaults(&o, ctx->flow_report);
	r = parse_arguments(&o, args, err);
	if (r == 0)
		r = check_files(&o, ctx->owner_uid, err);
	if (r == 0)
		r = complete_exporters(&o, conf->report, ctx, err);
	if (r == 0)
		r = hm_report_check_change(&conf->options, &o, err);
	if (r == 0 && !dry)
		r = hm_report_change_exporters(conf->report, &o, err);
	if (r < 0 || dry)
		return r;
	conf->options = o;
	set(&conf->report->active_ns, o.active_ns);
	set(&conf->report->inactive_ns, o.inactive_ns);
	return 0;
}

static uint32_t entries_a_worker(const struct report_conf *conf)
{
	uint32_t share = (conf->options.cache_entries + conf->n_workers - 1) / conf->n_workers;

	return share < HM_CACHE_ENTRIES_MIN ? HM_CACHE_ENTRIES_MIN : share;
}

static int open_warm_file(void *state, struct hm_error *err)
{
	struct report_conf *conf = state;
	struct hm_warm_conf warm = {.path = conf->options.warm_file,
				    .lanes = conf->n_workers,
				    .entries = entries_a_worker(conf),
				    .key = conf->options.key,
				    .frames = hm_report_wants_frames(&conf->options),
				    .exporters = conf->options.n_exporters};

	if (warm.path[0] == '\0')
		return 0;
	for (unsigned i = 0; i < warm.exporters; i++)
		warm.exporter[i] = hm_exporter_id(&conf->options.exporter[i]);
	conf->report->warm = hm_warm_open(&warm, err);
	return conf->report->warm ? 0 : -EINVAL;
}

static int core_init(void *state, const struct hm_core_ctx *ctx, struct hm_error *err)
{
	const struct report_conf *conf = ctx->conf;
	struct report_core *core = state;
	struct hm_report *r = conf->report;
	struct hm_meter *meter = &r->meter[ctx->worker];
	const struct hm_cache_conf cache = {
		.entries = entries_a_worker(conf),
		.active_ns = conf->options.active_ns,
		.inactive_ns = conf->options.inactive_ns,
		.key = conf->options.key,
		.frames = hm_report_wants_frames(&conf->options),
		.overload = conf->options.overload,
		.flow_sampling = conf->options.flow_sampling,
		.socket = ctx->socket,
	};
	int failed = hm_meter_init(meter, &cache, r->warm, ctx->worker);

	if (failed < 0)
		return hm_error_set(err, failed, MAPID_MEM_ALLOCATION_ERROR,
				    "no memory for a flow cache of %u entries (%zu MiB)",
				    cache.entries,
				    hm_cache_bytes(cache.entries, cache.frames) >> 20);
	meter->survey = hm_surveyor_lane(r->surveyor, ctx->worker, meter->cache);
	core->report = r;
	core->meter = meter;
	return 0;
}

/* Exporters go on where those of the daemon before stopped; had it been killed, what its caches had handed out
 * and they had not yet exported is lost. */
static void take_over_exporters(struct hm_report *r)
{
	for (unsigned i = 0; i < hm_exporters_n(r->exporters); i++) {
		struct hm_warm_exporter before;
		uint64_t made = hm_warm_made_before(r->warm);
		if (!hm_warm_exporter_before(r->warm, i, &before))
			continue;
		hm_exporter_resume(hm_exporters_at(r->exporters, i), before.sequence);
		r->lost_before += made > before.settled ? made - before.settled : 0;
	}
}

static int prepared(void *state, struct hm_error *err)
{
	struct report_conf *conf = state;
	struct hm_report *r = conf->report;
	int done = 1;

	for (unsigned i = 0; i < HM_WORKERS_MAX; i++) {
		int meter = r->meter[i].cache ? hm_meter_prepared(&r->meter[i]) : 1;
		if (meter < 0)
			return hm_error_set(err, meter, MAPID_MEM_ALLOCATION_ERROR,
					    "no memory for a flow cache of %u entries (%zu MiB)",
					    entries_a_worker(conf),
					    hm_cache_memory(r->meter[i].cache) >> 20);
		done &= meter;
	}
	if (!done || !r->warm || r->taken_over)
		return done;
	done = hm_warm_ready(r->warm, err);
	r->taken_over = done == 1;
	if (done == 1)
		take_over_exporters(r);
	return done;
}

static const struct hm_arg arguments[] = {
	{"record type", HM_ARG_STRING, .optional = true,
	 .help = "IPFIX (default), NETFLOW_V9 or NETFLOW_V5"},
	{"transport", HM_ARG_STRING, .optional = true,
	 .help = "ADDRESS:PORT of a collector, over UDP; file:PATH; SHMEM, or empty: the client"},
	{"key template", HM_ARG_STRING, .optional = true, .help = "reserved, ignored"},
	{"record template", HM_ARG_STRING, .optional = true,
	 .help = "elements as MAPI names them, \"%BYTES %PKTS\"; empty: the basic template"},
	{"options", HM_ARG_OPTIONS, .optional = true,
	 .help = "timeouts, cache size and exporters, see docs/netflow.md"},
	{0},
};

static const struct hm_field results[] = {
	{"packets", HM_FIELD_U64, HM_MERGE_SUM, "packets", offsetof(struct report_core, packets),
	 "metered"},
	{"bytes", HM_FIELD_U64, HM_MERGE_SUM, "bytes", offsetof(struct report_core, bytes),
	 "metered, of IP datagrams"},
	{"records", HM_FIELD_U64, HM_MERGE_SUM, "records", offsetof(struct report_core, records),
	 "flow records made"},
	{"entries", HM_FIELD_U64, HM_MERGE_SUM, "entries", offsetof(struct report_core, entries),
	 "of the flow cache in use now"},
	{0},
};

static const struct hm_field datagrams[] = {
	{.name = "recno",
	 .type = HM_FIELD_U64,
	 .c = HM_C_ULONG,
	 .merge = HM_MERGE_TOLD,
	 .help = "number of the message"},
	{.name = "size", .type = HM_FIELD_U32, .merge = HM_MERGE_TOLD, .unit = "bytes"},
	{.name = "bytes",
	 .type = HM_FIELD_TEXT,
	 .c = HM_C_BYTES,
	 .count = HM_DATAGRAM_MAX,
	 .merge = HM_MERGE_TOLD,
	 .help = "the message, in hexadecimal digits"},
	{0},
};

static uint64_t memory(const void *c, unsigned n_workers)
{
	const struct report_conf *conf = c;
	uint32_t share = conf->options.cache_entries / n_workers + 1;

	return n_workers * (uint64_t)hm_cache_bytes(share, hm_report_wants_frames(&conf->options));
}

static const struct hm_function flow_report = {
	.name = "FLOW_REPORT",
	.summary = "meters packets into flow records and exports them as IPFIX or NetFlow",
	.flags = HM_FN_EXPORTS,
	.args = arguments,
	.results = results,
	.conf_size = sizeof(struct report_conf),
	.core_size = sizeof(struct report_core),
	.cost = {.batch = 50, .packet = 75},
	.conf_init = conf_init,
	.conf_fini = conf_fini,
	.connect = open_warm_file,
	.memory = memory,
	.core_init = core_init,
	.prepared = prepared,
	.closing = closing,
	.hurry = hurry,
	.poll = poll_report,
	.idle = is_idle,
	.outbox = outbox,
	.record = datagram,
	.records = datagrams,
	.stats = stats,
	.ask = ask,
	.change = change,
	.process = process,
	.ready = ready,
	.tick = tick,
	.drain = drain,
};

HM_FUNCTION_REGISTER(flow_report);
