/* SPDX-License-Identifier: BSD-3-Clause */
/* methods_flow: the methods about flows. Anybody may see which flows there are; what a flow counts
 * and carries is for its owner and for administrators. */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>

#include "control/config_keys.h"
#include "control/rpc.h"
#include "control/terms_keys.h"
#include "core/registry.h"

#define FLOW                                                            \
	{                                                               \
		.name = "flow", .type = HM_KEY_WHICH, .required = true, \
		.help = "a flow, by number or name"                     \
	}
#define FUNCTION(needed, words)                                                                 \
	{                                                                                       \
		.name = "function", .type = HM_KEY_WHICH, .required = (needed), .help = (words) \
	}

static const struct hm_key create_params[] = {
	{.name = "device",
	 .type = HM_KEY_WHICH,
	 .required = true,
	 .help = "the device whose packets it sees, by name or number"},
	{.name = "name",
	 .type = HM_KEY_STRING,
	 .min = 1,
	 .max = HM_NAME_MAX,
	 .pattern = HM_NAME_PATTERN,
	 .shape = HM_NAME_SHAPE,
	 .help = "a name of its own"},
	{.name = "persistent",
	 .type = HM_KEY_FLAG,
	 .fallback = "false",
	 .help = "whether it stays when this connection ends"},
	{.name = "functions",
	 .type = HM_KEY_CALLS,
	 .min = 0,
	 .max = 1024,
	 .fallback = "[]",
	 .help = "what is applied to it at once, each [\"FUNCTION\", argument ...]"},
	{.name = "connect",
	 .type = HM_KEY_FLAG,
	 .fallback = "false",
	 .help = "whether it is connected at once; then the answer comes when it sees packets"},
	HM_TERMS_KEYS("{}", "50", "\"sample\""),
	{0},
};
static const struct hm_key budget_params[] = {
	FLOW,
	HM_TERMS_KEYS(NULL, NULL, NULL),
	{0},
};
static const struct hm_key apply_params[] = {
	FLOW,
	{.name = "function",
	 .type = HM_KEY_STRING,
	 .required = true,
	 .min = 1,
	 .max = 128,
	 .help = "the name of a function, in any case"},
	{.name = "args",
	 .type = HM_KEY_ARGS,
	 .min = 0,
	 .max = 31,
	 .fallback = "[]",
	 .help = "its arguments, see docs/functions"},
	{0},
};
static const struct hm_key flow_params[] = {
	FLOW,
	{0},
};
static const struct hm_key close_params[] = {
	FLOW,
	{.name = "wait",
	 .type = HM_KEY_FLAG,
	 .fallback = "false",
	 .help = "answer when files are complete and flow records sent, which may take seconds"},
	{0},
};

struct reading {
	uint32_t records; // taken out at most
};

static const struct hm_key read_params[] = {
	FLOW,
	FUNCTION(false, "one function, by number, or by name if the flow has one of it; without it "
			"all that have a result"),
	{.name = "records",
	 .type = HM_KEY_INT,
	 .min = 0,
	 .max = 10000,
	 .fallback = "1000",
	 .HM_KEY_AT(struct reading, records),
	 .help = "how many at most of the records that a function hands out once are taken out; "
		 "without `function` none are"},
	{0},
};
static const struct hm_key function_params[] = {
	FLOW,
	FUNCTION(true, "one function, by number, or by name if the flow has one of it"),
	{0},
};
static const struct hm_key wait_params[] = {
	FLOW,
	FUNCTION(true, "one function, by number, or by name if the flow has one of it"),
	{.name = "after",
	 .type = HM_KEY_INT,
	 .min = 0,
	 .max = INT64_MAX,
	 .fallback = "0",
	 .help = "of a sequence: how many the client has seen"},
	{0},
};
static const struct hm_key explain_params[] = {
	{.name = "flow",
	 .type = HM_KEY_WHICH,
	 .help = "one flow, by number or name; without it all"},
	{0},
};
static const struct hm_key sample_params[] = {
	{.name = "batches",
	 .type = HM_KEY_INT,
	 .required = true,
	 .min = 0,
	 .max = 1000000,
	 .help = "one batch of so many is timed on each worker; 0: none"},
	{0},
};
static const struct hm_key cache_params[] = {
	FLOW,
	FUNCTION(false,
		 "its FLOW_REPORT, by number; by name it is found if the flow has one of it"),
	{.name = "top",
	 .type = HM_KEY_INT,
	 .min = 0,
	 .max = 1000,
	 .fallback = "10",
	 .help = "how many of the largest records are told"},
	{.name = "by",
	 .type = HM_KEY_CHOICE,
	 .choices = "bytes|packets",
	 .fallback = "\"bytes\"",
	 .help = "which are the largest"},
	{0},
};
static const struct hm_key set_params[] = {
	FLOW,
	FUNCTION(false,
		 "its FLOW_REPORT, by number; by name it is found if the flow has one of it"),
	{.name = "active_timeout_s",
	 .type = HM_KEY_INT,
	 .min = 1,
	 .max = 604800,
	 .help = "from now on; without it it stays"},
	{.name = "inactive_timeout_s",
	 .type = HM_KEY_INT,
	 .min = 1,
	 .max = 604800,
	 .help = "from now on; without it it stays"},
	{.name = "exporters",
	 .type = HM_KEY_OBJECTS,
	 .keys = hm_exporter_keys,
	 .min = 1,
	 .max = 8,
	 .help = "all there are from now on; those that are not changed go on"},
	{0},
};
static const struct hm_key no_params[] = {
	{0},
};

/* --- finding a flow --- */

static struct hm_flow *find_flow(struct hm_call *c, const json_t *params)
{
	struct hm_error err = {0};
	struct hm_flow *f =
		hm_flow_find(c->peer->control->engine, json_object_get(params, "flow"), &err);
	if (!f)
		hm_call_fail(c, &err);
	return f;
}

/* The flow, if the caller may use it; else the call is answered. */
static struct hm_flow *find_own_flow(struct hm_call *c, const json_t *params)
{
	struct hm_flow *f = find_flow(c, params);
	if (!f || c->peer->owner.administrator || hm_flow_owner(f)->uid == c->peer->owner.uid)
		return f;
	hm_call_refuse(c, HM_RPC_RIGHTS, json_pack("{s:i}", "mapi_errno", 3139),
		       "flow %u belongs to user %u; only that user and administrators may do this",
		       hm_flow_id(f), hm_flow_owner(f)->uid);
	return NULL;
}

static bool refuse_stopping(struct hm_call *c)
{
	if (!c->peer->control->stopping)
		return false;
	hm_call_refuse(c, HM_RPC_FAILED, json_pack("{s:i}", "mapi_errno", 6140),
		       "the daemon is stopping");
	return true;
}

/* --- how many flows somebody has --- */

/* Where a flow of this owner is counted; NULL if nowhere: the configuration's, or that connection has gone. */
static uint32_t *flow_counter(struct hm_control *control, const struct hm_owner *owner)
{
	if (owner->configured)
		return NULL;
	if (owner->client == 0)
		return hm_control_user_flows(control, owner->uid);
	for (struct hm_peer *p = control->peers; p; p = p->next)
		if (p->owner.client == owner->client)
			return &p->n_flows;
	return NULL;
}

void hm_control_close_flow(struct hm_control *control, struct hm_flow *f, hm_done_cb done,
			   void *arg)
{
	uint32_t *n = flow_counter(control, hm_flow_owner(f));
	if (n && *n > 0)
		--*n;
	hm_flow_close(f, done, arg);
}

/* --- flow.create --- */

/* A flow that is made and connected by one call: nothing is left of it if that fails. */
struct making {
	struct hm_call *call;
	struct hm_control *control;
	uint32_t flow;
};

static void made(void *arg, const struct hm_error *err)
{
	struct making *m = arg;
	struct hm_error gone;
	json_t *id = json_integer((json_int_t)m->flow);
	if (!err) {
		hm_call_result(m->call, json_pack("{s:O, s:s}", "flow", id, "status", "active"));
	} else {
		struct hm_flow *f = hm_flow_find(m->control->engine, id, &gone);
		if (f) // else it was closed, and that is the error
			hm_control_close_flow(m->control, f, NULL, NULL);
		hm_call_fail(m->call, err);
	}
	json_decref(id);
	free(m);
}

static void connect_made(struct hm_call *c, struct hm_flow *f)
{
	struct making *m = malloc(sizeof(*m));
	if (!m) {
		hm_control_close_flow(c->peer->control, f, NULL, NULL);
		hm_call_refuse(c, HM_RPC_INTERNAL, NULL, "out of memory");
		return;
	}
	*m = (struct making){.call = c, .control = c->peer->control, .flow = hm_flow_id(f)};
	hm_flow_connect(f, made, m);
}

/* A priority that makes others yield is given by administrators. */
static bool refuse_priority(struct hm_call *c, const struct hm_terms *terms)
{
	if (c->peer->owner.administrator || terms->priority <= HM_PRIORITY_DEFAULT)
		return false;
	hm_call_refuse(c, HM_RPC_RIGHTS, NULL,
		       "priority %u is for administrators; others have 0 to %u", terms->priority,
		       HM_PRIORITY_DEFAULT);
	return true;
}

/* Nobody is to guess which descriptor is whose: none came, or one for each function that writes. */
static bool refuse_handed(struct hm_call *c, unsigned wanted)
{
	const unsigned n = c->peer->handed.n;

	if (n == 0 || n == wanted)
		return false;
	hm_call_refuse(c, HM_RPC_FAILED, json_pack("{s:i}", "mapi_errno", 6156),
		       "%u descriptor%s came with this line; there must be %s", n,
		       n == 1 ? "" : "s",
		       wanted ? "none, or one for each function that writes a file" : "none");
	return true;
}

static unsigned count_outputs(const json_t *functions)
{
	unsigned n = 0;
	json_t *function;
	size_t i;
	json_array_foreach ((json_t *)functions, i, function) {
		const struct hm_function *fn =
			hm_function_find(json_string_value(json_array_get(function, 0)));
		n += fn && hm_function_has_output(fn);
	}
	return n;
}

/* Flows on a client's own trace are that client's only: others would make it wait. */
static struct hm_device *find_device(struct hm_call *c, const json_t *which, struct hm_error *err)
{
	struct hm_owner who = c->peer->owner;
	who.administrator = false;
	return hm_device_find(c->peer->control->engine, &who, which, err);
}

static void flow_create(struct hm_call *c, const json_t *params)
{
	struct hm_control *control = c->peer->control;
	struct hm_owner owner = c->peer->owner;
	struct hm_terms terms = {0};
	struct hm_error err = {0};
	hm_keys_fill(create_params, params, &terms); // nothing in it takes memory
	if (refuse_stopping(c) || refuse_priority(c, &terms) ||
	    refuse_handed(c, count_outputs(json_object_get(params, "functions"))))
		return;
	if (json_is_true(json_object_get(params, "persistent")))
		owner.client = 0;
	uint32_t *n = flow_counter(control, &owner);
	if (!n || *n >= control->config->control.max_flows_per_client) {
		hm_call_refuse(c, HM_RPC_LIMIT, NULL,
			       "%s has %u flows open already; close some, or raise "
			       "control.max_flows_per_client",
			       owner.client ? "this connection" : "this user", n ? *n : 0);
		return;
	}
	struct hm_device *d = find_device(c, json_object_get(params, "device"), &err);
	struct hm_flow *f =
		d ? hm_flow_create(control->engine, d,
				   json_string_value(json_object_get(params, "name")), &owner, &err)
		  : NULL;
	if (!f) {
		hm_call_fail(c, &err);
		return;
	}
	++*n;
	hm_flow_set_terms(f, &terms);
	if (hm_flow_apply_all(f, json_object_get(params, "functions"), "params", &c->peer->handed,
			      &err) < 0) {
		hm_control_close_flow(control, f, NULL, NULL);
		hm_call_fail(c, &err);
	} else if (json_is_true(json_object_get(params, "connect"))) {
		connect_made(c, f);
	} else {
		hm_call_result(c, json_pack("{s:I}", "flow", (json_int_t)hm_flow_id(f)));
	}
}

/* --- the other methods --- */

static void flow_apply(struct hm_call *c, const json_t *params)
{
	struct hm_error err = {0};
	struct hm_flow *f = refuse_stopping(c) ? NULL : find_own_flow(c, params);
	if (!f)
		return;
	const char *name = json_string_value(json_object_get(params, "function"));
	const struct hm_function *fn = hm_function_find(name);
	if (fn && refuse_handed(c, hm_function_has_output(fn)))
		return;
	json_t *args = json_incref(json_object_get(params, "args"));
	if (!args)
		args = json_array();
	struct hm_handed *handed = hm_handed_take(&c->peer->handed);
	int number = hm_flow_apply(f, name, args, handed, &err);
	hm_handed_put(handed);
	json_decref(args);
	if (number < 0)
		hm_call_fail(c, &err);
	else
		hm_call_result(c, json_pack("{s:i}", "function", number));
}

static void connected(void *arg, const struct hm_error *err)
{
	struct hm_call *c = arg;
	if (err)
		hm_call_fail(c, err);
	else
		hm_call_result(c, json_pack("{s:s}", "status", "active"));
}

static void flow_connect(struct hm_call *c, const json_t *params)
{
	struct hm_flow *f = refuse_stopping(c) ? NULL : find_own_flow(c, params);
	if (f)
		hm_flow_connect(f, connected, c);
}

/* Every function that has a result, in one answer. */
static void read_all(struct hm_call *c, struct hm_flow *f)
{
	json_t *info = hm_flow_info(f), *list = json_array(), *function;
	size_t i;
	json_array_foreach (json_object_get(info, "functions"), i, function) {
		struct hm_error err = {0};
		json_t *number = json_object_get(function, "number");
		json_t *result = hm_flow_read(f, number, 0, &err);
		if (!result && err.mapi_errno == 6146)
			continue; // it has no result
		if (!result) {
			json_decref(list);
			json_decref(info);
			hm_call_fail(c, &err);
			return;
		}
		json_object_set(result, "function", number);
		json_object_set(result, "name", json_object_get(function, "name"));
		json_array_append_new(list, result);
	}
	json_decref(info);
	hm_call_result(c, json_pack("{s:o}", "functions", list));
}

static void flow_read(struct hm_call *c, const json_t *params)
{
	struct hm_error err = {0};
	const json_t *which = json_object_get(params, "function");
	struct hm_flow *f = find_own_flow(c, params);
	struct reading reading = {0};
	if (!f)
		return;
	if (!which) {
		read_all(c, f);
		return;
	}
	hm_keys_fill(read_params, params, &reading); // nothing in it takes memory
	json_t *result = hm_flow_read(f, which, reading.records, &err);
	if (result)
		hm_call_result(c, result);
	else
		hm_call_fail(c, &err);
}

static void flow_reset(struct hm_call *c, const json_t *params)
{
	struct hm_error err = {0};
	struct hm_flow *f = find_own_flow(c, params);
	if (!f)
		return;
	if (hm_flow_reset(f, json_object_get(params, "function"), &err) < 0)
		hm_call_fail(c, &err);
	else
		hm_call_result(c, json_object());
}

/* What is not given stays as it is. */
static void flow_budget(struct hm_call *c, const json_t *params)
{
	struct hm_flow *f = find_flow(c, params);
	if (!f)
		return;
	struct hm_terms terms = *hm_flow_terms(f);
	if (json_object_get(params, "budget"))
		terms.budget = (struct hm_budget){0};
	hm_keys_fill(budget_params, params, &terms);
	hm_flow_set_terms(f, &terms);
	hm_call_result(c, hm_admission_json(f));
}

static void answer_later(void *arg, json_t *result, const struct hm_error *err)
{
	if (err)
		hm_call_fail(arg, err);
	else
		hm_call_result(arg, result);
}

static void flow_wait(struct hm_call *c, const json_t *params)
{
	struct hm_flow *f = find_own_flow(c, params);
	const json_t *after = json_object_get(params, "after");
	if (f)
		hm_flow_wait(f, json_object_get(params, "function"),
			     (uint64_t)json_integer_value(after), c->peer->owner.client,
			     answer_later, c);
}

static void flow_info(struct hm_call *c, const json_t *params)
{
	struct hm_flow *f = find_flow(c, params);
	if (f)
		hm_call_result(c, hm_flow_info(f));
}

static void closed(void *arg, const struct hm_error *err)
{
	hm_call_result(arg, json_object());
}

static void flow_close(struct hm_call *c, const json_t *params)
{
	struct hm_flow *f = find_own_flow(c, params);
	if (!f)
		return;
	bool wait = json_is_true(json_object_get(params, "wait"));
	hm_control_close_flow(c->peer->control, f, wait ? closed : NULL, c);
	if (!wait)
		hm_call_result(c, json_object());
}

static void flow_list(struct hm_call *c, const json_t *params)
{
	hm_call_result(c, hm_flow_list(c->peer->control->engine));
}

/* --- the open records of a flow cache --- */

static void netflow_cache(struct hm_call *c, const json_t *params)
{
	struct hm_flow *f = find_own_flow(c, params);
	json_t *which = json_object_get(params, "function"), *top = json_object_get(params, "top");
	const char *by = json_string_value(json_object_get(params, "by"));
	if (!f)
		return;
	json_t *question =
		json_pack("{s:I, s:s}", "top", top ? json_integer_value(top) : (json_int_t)10, "by",
			  by ? by : "bytes");
	which = which ? json_incref(which) : json_string("FLOW_REPORT");
	hm_flow_ask(f, which, question, answer_later, c);
	json_decref(which);
	json_decref(question);
}

static void netflow_set(struct hm_call *c, const json_t *params)
{
	struct hm_error err = {0};
	struct hm_flow *f = refuse_stopping(c) ? NULL : find_own_flow(c, params);
	json_t *which, *options;
	if (!f)
		return;
	which = json_incref(json_object_get(params, "function"));
	if (!which)
		which = json_string("FLOW_REPORT");
	options = json_copy((json_t *)params);
	json_object_del(options, "flow");
	json_object_del(options, "function");
	if (json_object_size(options) == 0)
		hm_call_refuse(c, HM_RPC_PARAMS, NULL,
			       "params: nothing to change: give active_timeout_s, "
			       "inactive_timeout_s or exporters");
	else if (hm_flow_change(f, which, options, &err) < 0)
		hm_call_fail(c, &err);
	else
		hm_call_result(c, json_object());
	json_decref(options);
	json_decref(which);
}

static void explain(struct hm_call *c, const json_t *params)
{
	const json_t *which = json_object_get(params, "flow");
	struct hm_flow *f = which ? find_flow(c, params) : NULL;
	if (f || !which)
		hm_call_result(c, hm_explain(c->peer->control->engine, f));
}

static void explain_sample(struct hm_call *c, const json_t *params)
{
	json_int_t every = json_integer_value(json_object_get(params, "batches"));
	hm_engine_sample(c->peer->control->engine, (uint32_t)every);
	hm_call_result(c, json_pack("{s:I}", "sample_batches", every));
}

static void flow_buffer(struct hm_call *c, const json_t *params)
{
	struct hm_error err = {0};
	struct hm_flow *f = find_own_flow(c, params);
	if (!f)
		return;
	if (c->batch) {
		hm_call_refuse(c, HM_RPC_FAILED, NULL,
			       "flow.buffer cannot be part of a batch: a descriptor comes with its "
			       "own line");
		return;
	}
	int fd = hm_flow_pktring_fd(f, json_object_get(params, "function"), &err);
	int copy = fd < 0 ? -1 : fcntl(fd, F_DUPFD_CLOEXEC, 3); // the flow may go before the answer
	if (fd >= 0 && copy < 0)
		hm_error_set(&err, -errno, 6156, "no descriptor is free: %s", strerror(errno));
	if (copy < 0)
		hm_call_fail(c, &err);
	else
		hm_call_result_fd(c, json_pack("{s:b}", "fd", 1), copy);
}

const struct hm_method hm_methods_flow[] = {
	{"flow.create", HM_ROLE_READER, create_params, flow_create,
	 "opens a flow on a device; with functions, and connected, if asked", true},
	{"flow.apply", HM_ROLE_READER, apply_params, flow_apply,
	 "adds a function to a flow that is not connected yet", true},
	{"flow.connect", HM_ROLE_READER, flow_params, flow_connect,
	 "starts a flow; answers when it really sees packets"},
	{"flow.read", HM_ROLE_READER, read_params, flow_read, "what functions have counted"},
	{"flow.wait", HM_ROLE_READER, wait_params, flow_wait,
	 "answers when a function has packets or records that nobody has taken"},
	{"flow.reset", HM_ROLE_READER, function_params, flow_reset, "sets a result back to 0"},
	{"flow.info", HM_ROLE_READER, flow_params, flow_info, "a flow, its state and functions"},
	{"flow.budget", HM_ROLE_ADMINISTRATOR, budget_params, flow_budget,
	 "changes what a flow may cost, and its priority"},
	{"flow.close", HM_ROLE_READER, close_params, flow_close, "ends a flow"},
	{"flow.list", HM_ROLE_READER, no_params, flow_list, "all flows"},
	{"netflow.cache", HM_ROLE_READER, cache_params, netflow_cache,
	 "the open records of a flow cache: how old they are, and the largest"},
	{"netflow.set", HM_ROLE_READER, set_params, netflow_set,
	 "changes timeouts and exporters of a FLOW_REPORT while it runs"},
	{"explain", HM_ROLE_READER, explain_params, explain,
	 "where each function runs, which flows share it, and what it costs"},
	{"explain.sample", HM_ROLE_ADMINISTRATOR, sample_params, explain_sample,
	 "how often a batch is timed"},
	{"flow.buffer", HM_ROLE_READER, function_params, flow_buffer,
	 "the packet ring of TO_BUFFER: its memory's descriptor comes with the answer"},
	{0},
};
