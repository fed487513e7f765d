/* SPDX-License-Identifier: BSD-3-Clause */
/* methods_flow: flows come, are connected, and go. Anybody may see which flows there are; what a flow counts and
 * carries (methods_result.c) is for its owner and for administrators. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "control/methods_flow.h"
#include "control/restrict.h"
#include "control/terms_keys.h"
#include "core/policy.h"
#include "core/registry.h"

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
	HM_FLOW_PARAM,
	HM_TERMS_KEYS(NULL, NULL, NULL),
	{0},
};
static const struct hm_key apply_params[] = {
	HM_FLOW_PARAM,
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
	HM_FLOW_PARAM,
	{0},
};
static const struct hm_key close_params[] = {
	HM_FLOW_PARAM,
	{.name = "wait",
	 .type = HM_KEY_FLAG,
	 .fallback = "false",
	 .help = "answer when files are complete and flow records sent, which may take seconds"},
	{0},
};

static const struct hm_key no_params[] = {
	{0},
};

/* --- finding a flow --- */

static struct hm_flow *refuse_other(struct hm_call *c, const struct hm_flow *f)
{
	hm_call_refuse(
		c, HM_RPC_RIGHTS, json_pack("{s:i}", "mapi_errno", 3139),
		"flow %u belongs to user %u%s; only that user and administrators may do this",
		hm_flow_id(f), hm_flow_owner(f)->uid,
		hm_flow_owner(f)->uid == c->peer->owner.uid ? " with another policy" : "");
	return NULL;
}

struct hm_flow *hm_call_flow(struct hm_call *c, const json_t *params)
{
	struct hm_error err = {0};
	struct hm_flow *f =
		hm_flow_find(c->peer->control->engine, json_object_get(params, "flow"), &err);
	if (!f && c->peer->policy_changed)
		hm_call_refuse(
			c, HM_RPC_FAILED, json_pack("{s:i}", "mapi_errno", err.mapi_errno),
			"%s; the flows of this connection were closed when the configuration "
			"was loaded again, since its policy has changed",
			err.text);
	else if (!f)
		hm_call_fail(c, &err);
	return f && c->peer->owner.policy && !hm_peer_owns(c->peer, f) ? refuse_other(c, f) : f;
}

struct hm_flow *hm_call_own_flow(struct hm_call *c, const json_t *params)
{
	struct hm_flow *f = hm_call_flow(c, params);
	return !f || hm_peer_owns(c->peer, f) ? f : refuse_other(c, f);
}

bool hm_call_refuse_stopping(struct hm_call *c)
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
	if (hm_call_refuse_stopping(c) || refuse_priority(c, &terms) ||
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
	if (d && !hm_peer_has_device(c->peer, d)) {
		hm_call_refuse(c, HM_RPC_RIGHTS, json_pack("{s:i}", "mapi_errno", 3139),
			       "policy \"%s\" does not have device %s",
			       hm_policy_name(owner.policy), hm_device_name(d));
		return;
	}
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
	struct hm_flow *f = hm_call_refuse_stopping(c) ? NULL : hm_call_own_flow(c, params);
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
	struct hm_flow *f = hm_call_refuse_stopping(c) ? NULL : hm_call_own_flow(c, params);
	if (f)
		hm_flow_connect(f, connected, c);
}

/* What is not given stays as it is. */
static void flow_budget(struct hm_call *c, const json_t *params)
{
	struct hm_flow *f = hm_call_flow(c, params);
	if (!f)
		return;
	struct hm_terms terms = *hm_flow_terms(f);
	if (json_object_get(params, "budget"))
		terms.budget = (struct hm_budget){0};
	hm_keys_fill(budget_params, params, &terms);
	hm_flow_set_terms(f, &terms);
	hm_call_result(c, hm_admission_json(f));
}

static void flow_info(struct hm_call *c, const json_t *params)
{
	struct hm_flow *f = hm_call_flow(c, params);
	if (f)
		hm_call_result(c, hm_restrict_flows(c->peer, hm_flow_info(f)));
}

static void closed(void *arg, const struct hm_error *err)
{
	hm_call_result(arg, json_object());
}

static void flow_close(struct hm_call *c, const json_t *params)
{
	struct hm_flow *f = hm_call_own_flow(c, params);
	if (!f)
		return;
	bool wait = json_is_true(json_object_get(params, "wait"));
	hm_control_close_flow(c->peer->control, f, wait ? closed : NULL, c);
	if (!wait)
		hm_call_result(c, json_object());
}

static void flow_list(struct hm_call *c, const json_t *params)
{
	hm_call_result(c, hm_restrict_flows(c->peer, hm_flow_list(c->peer->control->engine)));
}

const struct hm_method hm_methods_flow[] = {
	{"flow.create", HM_ROLE_RESTRICTED, create_params, flow_create,
	 "opens a flow on a device; with functions, and connected, if asked", true},
	{"flow.apply", HM_ROLE_RESTRICTED, apply_params, flow_apply,
	 "adds a function to a flow that is not connected yet", true},
	{"flow.connect", HM_ROLE_RESTRICTED, flow_params, flow_connect,
	 "starts a flow; answers when it really sees packets"},
	{"flow.info", HM_ROLE_RESTRICTED, flow_params, flow_info,
	 "a flow, its state and functions"},
	{"flow.budget", HM_ROLE_ADMINISTRATOR, budget_params, flow_budget,
	 "changes what a flow may cost, and its priority"},
	{"flow.close", HM_ROLE_RESTRICTED, close_params, flow_close, "ends a flow"},
	{"flow.list", HM_ROLE_RESTRICTED, no_params, flow_list, "all flows"},
	{0},
};
