/* SPDX-License-Identifier: BSD-3-Clause */
/* fake_engine: core/engine.h in memory, for tests of what stands on it. No packets: a counter of a
 * connected flow grows by one at each poll. A flow whose name starts with "slow" takes 400 ms to
 * connect, one that starts with "never" connects only when it is closed (with an error), all others
 * take one poll. TO_NAMED writes its argument to the descriptor passed. One with a budget of one cycle is refused. Close and stop answer what waits. */
#include "core/engine.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

#include "core/handed.h"
#include "core/registry.h"

struct hm_device {
	struct hm_engine *e;
	const struct hm_device_config *conf;
	struct hm_device_config *own; // of a client's, which `release` frees
	void (*release)(struct hm_device_config *c);
	struct hm_owner owner;
	bool gone;
	uint32_t number;
	bool running;
};

struct hm_flow {
	struct hm_flow *next;
	struct hm_engine *e;
	struct hm_device *device;
	uint32_t id;
	char name[64];
	struct hm_owner owner;
	json_t *functions; // [{"number", "name", "args"}]
	uint64_t packets, base;
	struct hm_terms terms;
	bool connected, configured;
	hm_done_cb done; // of a connect that waits
	void *arg;
	uint64_t due_ns;
};

struct hm_engine {
	struct hm_device devices[HM_DEVICES_MAX];
	uint32_t n_devices, last_flow;
	struct hm_flow *flows;
	int ring; // memfd that stands for TO_BUFFER's
	bool stopping;
	unsigned drain_polls; // left until it has stopped
};

static uint64_t now_ns(void)
{
	struct timespec t;
	clock_gettime(CLOCK_REALTIME, &t);
	return (uint64_t)t.tv_sec * 1000000000 + (uint64_t)t.tv_nsec;
}

/* --- functions --- */

static const struct hm_arg to_named_args[] = {
	{.name = "file", .type = HM_ARG_OUTPUT, .help = "what is written to it"},
	{0},
};
static const struct hm_function functions[] = {
	{.name = "BPF_FILTER", .summary = "keeps the packets that a tcpdump expression matches"},
	{.name = "BYTE_COUNTER", .summary = "counts bytes on the wire"},
	{.name = "PKT_COUNTER", .summary = "counts packets"},
	{.name = "TO_BUFFER", .summary = "hands packets to a client"},
	{.name = "TO_NAMED", .summary = "writes a name", .args = to_named_args},
};
#define N_FUNCTIONS (sizeof(functions) / sizeof(functions[0]))

const struct hm_function *hm_function_find(const char *name)
{
	for (size_t i = 0; i < N_FUNCTIONS; i++)
		if (strcasecmp(functions[i].name, name) == 0)
			return &functions[i];
	return NULL;
}

const struct hm_function *hm_function_next(const struct hm_function *f)
{
	if (!f)
		return functions;
	return f + 1 < functions + N_FUNCTIONS ? f + 1 : NULL;
}

json_t *hm_args_shown(const struct hm_function *f, const json_t *args)
{
	(void)f;
	return json_deep_copy(args);
}

int hm_args_parse(const struct hm_function *f, const json_t *args, union hm_value *values,
		  struct hm_error *err)
{
	if (f == functions && !json_is_string(json_array_get(args, 0)))
		return hm_error_set(err, -EINVAL, 7001, "argument 1 (filter) is missing");
	return 0;
}

json_t *hm_function_describe(const struct hm_function *f)
{
	bool filter = strcmp(f->name, "BPF_FILTER") == 0;
	bool counts = strstr(f->name, "COUNTER") != NULL;
	json_t *d = json_pack("{s:s, s:s, s:s, s:[], s:[], s:[]}", "name", f->name, "library",
			      "stdflib", "summary", f->summary, "arguments", "result", "flags");
	if (filter)
		json_array_append_new(json_object_get(d, "arguments"),
				      json_pack("{s:s, s:s, s:b, s:s}", "name", "filter", "type",
						"s", "optional", 0, "help",
						"a tcpdump expression"));
	if (counts)
		json_array_append_new(json_object_get(d, "result"),
				      json_pack("{s:s, s:s, s:s, s:s}", "name", "value", "type",
						"u64", "unit",
						strstr(f->name, "PKT") ? "packets" : "bytes",
						"help", "what it has counted"));
	return d;
}

json_t *hm_function_libraries(void)
{
	return json_pack("[{s:i, s:s, s:[s,s]}]", "library", 0, "name", "stdflib", "functions",
			 "BPF_FILTER", "PKT_COUNTER");
}

/* --- start and stop --- */

static void create_configured(struct hm_engine *e, const struct hm_flow_config *c)
{
	const struct hm_owner daemon = {.uid = (uint32_t)geteuid(), .administrator = true};
	json_t *which = json_string(c->device);
	struct hm_device *d = hm_device_find(e, &daemon, which, NULL);
	struct hm_flow *f = hm_flow_create(e, d, c->name, &daemon, NULL);
	json_decref(which);
	hm_flow_apply_all(f, c->functions, c->path, NULL, NULL);
	f->connected = f->configured = true;
}

struct hm_engine *hm_engine_create(const struct hm_config *config, struct hm_error *err)
{
	struct hm_engine *e = calloc(1, sizeof(*e));
	e->ring = memfd_create("ring", MFD_CLOEXEC);
	if (write(e->ring, "packets", 7) != 7)
		abort();
	for (size_t i = 0; i < config->n_devices; i++)
		e->devices[e->n_devices++] = (struct hm_device){
			.e = e, .conf = &config->devices[i], .number = (uint32_t)i + 1};
	for (size_t i = 0; i < config->n_flows; i++)
		create_configured(e, &config->flows[i]);
	return e;
}

int hm_engine_start(struct hm_engine *e, struct hm_error *err)
{
	return 0;
}

static void answer(struct hm_flow *f, const char *error)
{
	struct hm_error err = {0};
	hm_done_cb done = f->done;
	f->done = NULL;
	f->connected = !error;
	if (error)
		hm_error_set(&err, -ECANCELED, 6142, "%s", error);
	done(f->arg, error ? &err : NULL);
}

unsigned hm_engine_poll(struct hm_engine *e)
{
	for (struct hm_flow *f = e->flows, *next; f; f = next) {
		next = f->next;
		f->packets += f->connected && !e->stopping;
		if (f->done && f->due_ns <= now_ns())
			answer(f, NULL);
	}
	if (e->stopping && e->drain_polls > 0)
		e->drain_polls--;
	return 0;
}

bool hm_engine_ready(const struct hm_engine *e)
{
	return e != NULL;
}

void hm_engine_stop(struct hm_engine *e)
{
	e->stopping = true;
	e->drain_polls = 20;
	for (struct hm_flow *f = e->flows, *next; f; f = next) {
		next = f->next;
		if (f->done)
			answer(f, "the daemon is stopping");
	}
}

bool hm_engine_stopped(const struct hm_engine *e)
{
	return e->stopping && e->drain_polls == 0;
}

bool hm_engine_destroy(struct hm_engine *e)
{
	while (e->flows)
		hm_flow_close(e->flows, NULL, NULL);
	for (uint32_t i = 0; i < e->n_devices; i++)
		if (e->devices[i].release)
			e->devices[i].release(e->devices[i].own);
	close(e->ring);
	free(e);
	return true;
}

json_t *hm_engine_plan(const struct hm_config *config)
{
	return json_object();
}

void hm_engine_reload(struct hm_engine *e, const struct hm_config *config, hm_done_cb done,
		      void *arg)
{
	struct hm_error err;
	if (config->n_devices != e->n_devices) {
		hm_error_set(&err, -EINVAL, 0, "devices cannot change while the daemon runs");
		done(arg, &err);
		return;
	}
	for (struct hm_flow *f = e->flows, *next; f; f = next) {
		next = f->next;
		if (f->configured)
			hm_flow_close(f, NULL, NULL);
	}
	for (size_t i = 0; i < config->n_flows; i++)
		create_configured(e, &config->flows[i]);
	done(arg, NULL);
}

/* --- devices --- */

bool hm_device_visible(const struct hm_device *d, const struct hm_owner *who)
{
	return !d->gone && (!d->release || who->administrator || who->client == d->owner.client);
}

const struct hm_owner *hm_device_owner(const struct hm_device *d)
{
	return d->release ? &d->owner : NULL;
}

uint32_t hm_device_number(const struct hm_device *d)
{
	return d->number;
}

const char *hm_device_name(const struct hm_device *d)
{
	return d->conf->name;
}

struct hm_device *hm_device_find(struct hm_engine *e, const struct hm_owner *who,
				 const json_t *which, struct hm_error *err)
{
	for (uint32_t i = 0; i < e->n_devices; i++) {
		struct hm_device *d = &e->devices[i];
		if (hm_device_visible(d, who) &&
		    (json_is_string(which) ? strcmp(json_string_value(which), d->conf->name) == 0
					   : json_integer_value(which) == d->number))
			return d;
	}
	hm_error_set(err, -ENODEV, 3200, "there is no such device");
	return NULL;
}

struct hm_device *hm_device_create(struct hm_engine *e, const struct hm_new_device *new,
				   struct hm_error *err)
{
	struct hm_device *d = &e->devices[e->n_devices];
	char *name;

	if (e->n_devices == HM_DEVICES_MAX || new->max == 0 ||
	    asprintf(&name, "%s@%u", new->config->name, e->n_devices + 1) < 0) {
		hm_error_set(err, -EMFILE, 1026, "there are too many devices");
		new->release(new->config);
		return NULL;
	}
	free(new->config->name);
	new->config->name = name;
	*d = (struct hm_device){.e = e,
				.conf = new->config,
				.own = new->config,
				.release = new->release,
				.owner = new->owner,
				.number = ++e->n_devices};
	return d;
}

struct hm_flow *hm_device_flow(const struct hm_device *d)
{
	for (struct hm_flow *f = d->e->flows; f; f = f->next)
		if (f->device == d)
			return f;
	return NULL;
}

void hm_device_delete(struct hm_device *d, hm_done_cb done, void *arg)
{
	d->gone = true;
	if (done)
		done(arg, NULL);
}

struct hm_device *hm_device_of_client(struct hm_engine *e, uint64_t client)
{
	for (uint32_t i = 0; i < e->n_devices; i++) {
		struct hm_device *d = &e->devices[i];
		if (d->release && !d->gone && d->owner.client == client)
			return d;
	}
	return NULL;
}

int hm_device_start(struct hm_device *d, struct hm_error *err)
{
	if (d->running)
		return hm_error_set(err, -EALREADY, 0, "device %s runs already", d->conf->name);
	d->running = true;
	return 0;
}

int hm_device_stop(struct hm_device *d, struct hm_error *err)
{
	d->running = false;
	return 0;
}

json_t *hm_device_list(struct hm_engine *e, const struct hm_owner *who)
{
	static const char *const kinds[] = {"vdev", "pci", "trace"};
	json_t *list = json_array();
	for (uint32_t i = 0; i < e->n_devices; i++) {
		const struct hm_device *d = &e->devices[i];
		if (!hm_device_visible(d, who))
			continue;
		json_array_append_new(list,
				      json_pack("{s:I, s:s, s:s, s:s, s:s, s:I}", "device",
						(json_int_t)d->number, "name", d->conf->name,
						"status", d->running ? "running" : "stopped",
						"source", kinds[d->conf->source], "link", "EN10MB",
						"queues", (json_int_t)d->conf->queues));
	}
	return list;
}

/* --- flows --- */

struct hm_flow *hm_flow_find(struct hm_engine *e, const json_t *which, struct hm_error *err)
{
	for (struct hm_flow *f = e->flows; f; f = f->next)
		if (json_is_string(which) ? strcmp(json_string_value(which), f->name) == 0
					  : json_integer_value(which) == f->id)
			return f;
	hm_error_set(err, -ENOENT, 6145, "there is no such flow");
	return NULL;
}

struct hm_flow *hm_flow_next(struct hm_engine *e, struct hm_flow *f)
{
	return f ? f->next : e->flows;
}

struct hm_flow *hm_flow_create(struct hm_engine *e, struct hm_device *d, const char *name,
			       const struct hm_owner *owner, struct hm_error *err)
{
	struct hm_flow *f;
	for (f = e->flows; name && f; f = f->next)
		if (strcmp(f->name, name) == 0) {
			hm_error_set(err, -EEXIST, 0, "there is a flow \"%s\" already", name);
			return NULL;
		}
	f = calloc(1, sizeof(*f));
	f->e = e;
	f->device = d;
	f->id = ++e->last_flow;
	f->owner = *owner;
	f->functions = json_array();
	if (name)
		snprintf(f->name, sizeof(f->name), "%s", name);
	else
		snprintf(f->name, sizeof(f->name), "flow%u", f->id);
	f->next = e->flows;
	e->flows = f;
	return f;
}

uint32_t hm_flow_id(const struct hm_flow *f)
{
	return f->id;
}

const struct hm_owner *hm_flow_owner(const struct hm_flow *f)
{
	return &f->owner;
}

int hm_flow_apply(struct hm_flow *f, const char *function, const json_t *args,
		  struct hm_handed *handed, struct hm_error *err)
{
	const struct hm_function *known = hm_function_find(function);
	int number = (int)json_array_size(f->functions) + 1;
	const char *first = json_string_value(json_array_get(args, 0));
	if (!known && strcmp(function, "FLOW_REPORT") != 0)
		return hm_error_set(err, -ENOENT, 6144, "there is no function %.64s", function);
	if (f->connected || f->done)
		return hm_error_set(err, -EBUSY, 7006, "flow %u is connected already", f->id);
	if (known == functions && (!first || !first[0]))
		return hm_error_set(err, -EINVAL, 7001,
				    "BPF_FILTER: argument 1 (filter) must be a string");
	// writes there what it is called, so that a test sees who has the descriptor
	if (handed &&
	    dprintf(hm_handed_fd(handed), "%s\n", json_string_value(json_array_get(args, 0))) < 0)
		return hm_error_set(err, -errno, 6155, "%s: cannot write", function);
	json_array_append_new(f->functions,
			      json_pack("{s:i, s:s, s:O}", "number", number, "name",
					known ? known->name : function, "args", args));
	return number;
}

int hm_flow_apply_all(struct hm_flow *f, const json_t *calls, const char *path,
		      struct hm_handed_list *handed, struct hm_error *err)
{
	struct hm_error cause = {0};
	json_t *function;
	size_t i;
	json_array_foreach (calls, i, function) {
		json_t *args = json_copy(function);
		json_array_remove(args, 0);
		const char *name = json_string_value(json_array_get(function, 0));
		const struct hm_function *known = hm_function_find(name);
		struct hm_handed *passed =
			known && hm_function_has_output(known) ? hm_handed_take(handed) : NULL;
		int ret = hm_flow_apply(f, name, args, passed, &cause);
		hm_handed_put(passed);
		json_decref(args);
		if (ret < 0)
			return hm_error_set(err, ret, cause.mapi_errno, "%s.functions[%zu]: %s",
					    path, i, cause.text);
	}
	return 0;
}

void hm_flow_connect(struct hm_flow *f, hm_done_cb done, void *arg)
{
	struct hm_error err;
	if (f->connected || f->done) {
		hm_error_set(&err, -EALREADY, 3081, "flow %u is connected already", f->id);
		done(arg, &err);
		return;
	}
	if (f->terms.budget.cycles_per_packet == 1) {
		hm_error_set(&err, -EDQUOT, 0, "flow %u would cost about 2.0 cycles a packet",
			     f->id);
		done(arg, &err);
		return;
	}
	f->done = done;
	f->arg = arg;
	f->due_ns = strncmp(f->name, "never", 5) == 0  ? UINT64_MAX
		    : strncmp(f->name, "slow", 4) == 0 ? now_ns() + 400000000
						       : 0;
}

void hm_flow_close(struct hm_flow *f, hm_done_cb done, void *arg)
{
	struct hm_flow **at = &f->e->flows;
	while (*at != f)
		at = &(*at)->next;
	*at = f->next;
	if (f->done)
		answer(f, "the flow was closed");
	json_decref(f->functions);
	free(f);
	if (done)
		done(arg, NULL);
}

void hm_flow_close_client(struct hm_engine *e, uint64_t client)
{
	for (struct hm_flow *f = e->flows, *next; f; f = next) {
		next = f->next;
		if (client != 0 && f->owner.client == client)
			hm_flow_close(f, NULL, NULL);
	}
}

json_t *hm_explain(struct hm_engine *e, struct hm_flow *only)
{
	return json_pack("{s:s, s:i, s:[]}", "ts_ns", "0", "sample_batches", 512, "devices");
}

void hm_engine_sample(struct hm_engine *e, uint32_t every)
{
	(void)e;
	(void)every;
}

static const json_t *find_function(struct hm_flow *f, const json_t *which, struct hm_error *err)
{
	json_t *function;
	size_t i;
	json_array_foreach (f->functions, i, function) {
		json_t *by = json_object_get(function, json_is_string(which) ? "name" : "number");
		if (json_equal(by, (json_t *)which))
			return function;
	}
	hm_error_set(err, -ENOENT, 6147, "flow %u has no such function", f->id);
	return NULL;
}

json_t *hm_flow_read(struct hm_flow *f, const json_t *which, uint32_t take, struct hm_error *err)
{
	const json_t *function = find_function(f, which, err);
	char ts[32];
	if (!function)
		return NULL;
	if (!f->connected) {
		hm_error_set(err, -ENOTCONN, 6143, "flow %u is not connected", f->id);
		return NULL;
	}
	if (!strstr(json_string_value(json_object_get(function, "name")), "COUNTER")) {
		hm_error_set(err, -ENODATA, 6146, "the function has no result");
		return NULL;
	}
	snprintf(ts, sizeof(ts), "%llu", (unsigned long long)now_ns());
	return json_pack("{s:s, s:I}", "ts_ns", ts, "value", (json_int_t)(f->packets - f->base));
}

int hm_flow_reset(struct hm_flow *f, const json_t *which, struct hm_error *err)
{
	if (!find_function(f, which, err))
		return -ENOENT;
	f->base = f->packets;
	return 0;
}

/* Packets are always there. */
void hm_flow_wait(struct hm_flow *f, const json_t *which, uint64_t after, uint64_t client,
		  hm_answer_cb tell, void *arg)
{
	struct hm_error err;
	const json_t *function = find_function(f, which, &err);

	if (function &&
	    !strcmp(json_string_value(json_object_get(function, "name")), "TO_BUFFER")) {
		tell(arg, json_pack("{s:b}", "end", 0), NULL);
		return;
	}
	if (function)
		hm_error_set(&err, -ENODATA, 6146, "the function hands out nothing");
	tell(arg, NULL, &err);
}

void hm_flow_ask(struct hm_flow *f, const json_t *which, const json_t *question, hm_answer_cb tell,
		 void *arg)
{
	struct hm_error err;

	if (!find_function(f, which, &err))
		tell(arg, NULL, &err);
	else
		tell(arg,
		     json_pack("{s:i, s:i, s:i, s:[i], s:[i,i], s:[i,i], s:[]}", "records", 0,
			       "packets", 0, "bytes", 0, "below_s", 1, "ages", 0, 0, "idle", 0, 0,
			       "top"),
		     NULL);
}

int hm_flow_change(struct hm_flow *f, const json_t *which, const json_t *options,
		   struct hm_error *err)
{
	return find_function(f, which, err) ? 0 : -ENOENT;
}

json_t *hm_flow_info(struct hm_flow *f)
{
	json_t *info = json_pack("{s:I, s:s, s:s, s:s, s:I, s:b, s:o}", "flow", (json_int_t)f->id,
				 "name", f->name, "device", f->device->conf->name, "status",
				 f->connected ? "active" : "init", "owner",
				 (json_int_t)f->owner.uid, "persistent", f->owner.client == 0,
				 "functions", json_deep_copy(f->functions));
	json_t *function;
	size_t i;
	json_array_foreach (json_object_get(info, "functions"), i, function) {
		json_object_set_new(function, "in", json_integer((json_int_t)f->packets));
		json_object_set_new(function, "out", json_integer((json_int_t)f->packets));
	}
	return info;
}

json_t *hm_flow_list(struct hm_engine *e)
{
	json_t *list = json_array();
	for (struct hm_flow *f = e->flows; f; f = f->next) {
		json_t *info = hm_flow_info(f);
		json_object_set_new(info, "functions",
				    json_integer((json_int_t)json_array_size(f->functions)));
		json_array_insert_new(list, 0, info);
	}
	return list;
}

int hm_flow_pktring_fd(struct hm_flow *f, const json_t *which, struct hm_error *err)
{
	const json_t *function = find_function(f, which, err);
	if (!function)
		return -1;
	if (strcmp(json_string_value(json_object_get(function, "name")), "TO_BUFFER") != 0)
		return hm_error_set(err, -1, 6146, "the function has no packet ring");
	return f->e->ring;
}

/* --- the ledger --- */

/* Balanced, unless the environment's FAKE_ENGINE_LOSES says how many packets nobody accounts for.
 */
json_t *hm_ledger(struct hm_engine *e)
{
	const char *loses = getenv("FAKE_ENGINE_LOSES");
	json_int_t lost = loses ? atoll(loses) : 0;
	json_t *devices = json_array(), *entries = json_array();
	for (uint32_t i = 0; i < e->n_devices; i++)
		json_array_append_new(devices,
				      json_pack("{s:s, s:b, s:{s:I, s:{s:i, s:i}}, s:i, s:I, s:I, "
						"s:{s:i}, s:i, s:b}",
						"name", e->devices[i].conf->name, "at_rest", 1,
						"wire", "received", (json_int_t)1000, "dropped",
						"no_buffer", 2, "ring_full", 1, "workers", 1,
						"received", (json_int_t)1000, "parsed",
						(json_int_t)990 - lost, "rejected", "l3_short", 10,
						"in_flight", 0, "balanced", lost == 0));
	for (struct hm_flow *f = e->flows; f; f = f->next)
		json_array_append_new(entries,
				      json_pack("{s:I, s:s, s:i, s:s, s:i, s:i, s:i, s:{}}", "flow",
						(json_int_t)f->id, "name", f->name, "function", 1,
						"function_name", "BPF_FILTER", "in", 1000, "out",
						400, "filtered", 600, "dropped"));
	return json_pack("{s:s, s:b, s:o, s:o, s:[{s:i,s:i,s:i,s:i,s:i,s:i,s:i}], "
			 "s:[{s:i,s:i,s:i,s:i,s:i,s:i,s:{s:i},s:b}], "
			 "s:[{s:i,s:i,s:i,s:i,s:i,s:i,s:{s:i},s:i,s:b}], "
			 "s:[{s:i,s:i,s:i,s:i,s:i,s:{s:i},s:b}], "
			 "s:[{s:s,s:s,s:i,s:i,s:i,s:{s:i},s:b}], "
			 "s:[{s:i,s:i,s:i,s:i,s:i,s:i,s:{s:i},s:b}]}",
			 "ts_ns", "1700000000000000000", "balanced", lost == 0, "devices", devices,
			 "entries", entries, "readers", "flow", 1, "function", 2, "offered", 100,
			 "delivered", 80, "overwritten", 0, "dropped", 15, "queued", 5, "netflow",
			 "flow", 1, "function", 3, "made", 50, "exported", 45, "spooled", 0,
			 "queued", 4, "lost", "send_failed", 1, "balanced", 1, "order", "flow", 1,
			 "function", 2, "offered", 70, "handed_over", 67, "run", 60, "queued", 7,
			 "dropped", "no_room", 3, "late", 0, "balanced", 1, "files", "flow", 1,
			 "function", 4, "offered", 90, "written", 80, "queued", 8, "dropped",
			 "disk_full", 2, "balanced", 1, "inject", "name", "out", "link", "up",
			 "offered", 60, "sent", 50, "queued", 9, "dropped", "link_down", 1,
			 "balanced", 1, "held", "flow", 1, "function", 5, "in", 30, "passed", 20,
			 "joined", 6, "held", 3, "dropped", "timeout", 1, "balanced", 1);
}

json_t *hm_search_stats(const struct hm_engine *e)
{
	(void)e;
	return json_pack("{s:[], s:{s:i, s:i, s:i}}", "devices", "cache", "memory_hits", 0,
			 "misses", 0, "disk_hits", 0);
}

json_t *hm_netflow_stats(struct hm_engine *e)
{
	return json_pack("[{s:i, s:s, s:i, s:i, s:i, s:[{s:s, s:s, s:s, s:i, s:i, s:i}]}]", "flow",
			 1, "name", "netflow0", "function", 1, "entries", 12, "made", 50,
			 "exporters", "protocol", "ipfix", "transport", "udp", "host", "127.0.0.1",
			 "port", 4739, "records", 45, "messages", 3);
}

/* --- admission --- */

void hm_flow_set_terms(struct hm_flow *f, const struct hm_terms *terms)
{
	f->terms = *terms;
}

const struct hm_terms *hm_flow_terms(const struct hm_flow *f)
{
	return &f->terms;
}

json_t *hm_admission_json(const struct hm_flow *f)
{
	json_t *b = f->terms.budget.cycles_per_packet
			    ? json_pack("{s:I}", "cycles_per_packet",
					(json_int_t)f->terms.budget.cycles_per_packet)
			    : json_object();

	return json_pack("{s:o, s:i, s:s, s:s}", "budget", b, "priority", (int)f->terms.priority,
			 "over_budget", f->terms.over_budget ? "suspend" : "sample", "state",
			 "open");
}
