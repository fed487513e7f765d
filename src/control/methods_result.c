/* SPDX-License-Identifier: BSD-3-Clause */
/* methods_result: what flows tell: results, packets, flow records, costs. */
#include <errno.h>
#include <fcntl.h>
#include <string.h>

#include "control/methods_flow.h"
#include "control/restrict.h"

struct reading {
	uint32_t records; // taken out at most
};

static const struct hm_key read_params[] = {
	HM_FLOW_PARAM,
	HM_FUNCTION_PARAM(
		false, "one function, by number, or by name if the flow has one of it; without it "
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
	HM_FLOW_PARAM,
	HM_FUNCTION_PARAM(true, "one function, by number, or by name if the flow has one of it"),
	{0},
};
static const struct hm_key wait_params[] = {
	HM_FLOW_PARAM,
	HM_FUNCTION_PARAM(true, "one function, by number, or by name if the flow has one of it"),
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
	HM_FLOW_PARAM,
	HM_FUNCTION_PARAM(
		false, "its FLOW_REPORT, by number; by name it is found if the flow has one of it"),
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
	HM_FLOW_PARAM,
	HM_FUNCTION_PARAM(
		false, "its FLOW_REPORT, by number; by name it is found if the flow has one of it"),
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
	struct hm_flow *f = hm_call_own_flow(c, params);
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
	struct hm_flow *f = hm_call_own_flow(c, params);
	if (!f)
		return;
	if (hm_flow_reset(f, json_object_get(params, "function"), &err) < 0)
		hm_call_fail(c, &err);
	else
		hm_call_result(c, json_object());
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
	struct hm_flow *f = hm_call_own_flow(c, params);
	const json_t *after = json_object_get(params, "after");
	if (f)
		hm_flow_wait(f, json_object_get(params, "function"),
			     (uint64_t)json_integer_value(after), c->peer->owner.client,
			     answer_later, c);
}

static void netflow_cache(struct hm_call *c, const json_t *params)
{
	struct hm_flow *f = hm_call_own_flow(c, params);
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
	struct hm_flow *f = hm_call_refuse_stopping(c) ? NULL : hm_call_own_flow(c, params);
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
	struct hm_flow *f = which ? hm_call_flow(c, params) : NULL;
	if (!which && c->peer->owner.policy)
		hm_call_refuse(c, HM_RPC_RIGHTS, json_pack("{s:i}", "mapi_errno", 3139),
			       "users with a policy see what their own flows cost: name one");
	else if (f || !which)
		hm_call_result(
			c, hm_restrict_explain(c->peer, hm_explain(c->peer->control->engine, f)));
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
	struct hm_flow *f = hm_call_own_flow(c, params);
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

const struct hm_method hm_methods_result[] = {
	{"flow.read", HM_ROLE_RESTRICTED, read_params, flow_read, "what functions have counted"},
	{"flow.wait", HM_ROLE_RESTRICTED, wait_params, flow_wait,
	 "answers when a function has packets or records that nobody has taken"},
	{"flow.reset", HM_ROLE_RESTRICTED, function_params, flow_reset, "sets a result back to 0"},
	{"netflow.cache", HM_ROLE_RESTRICTED, cache_params, netflow_cache,
	 "the open records of a flow cache: how old they are, and the largest"},
	{"netflow.set", HM_ROLE_RESTRICTED, set_params, netflow_set,
	 "changes timeouts and exporters of a FLOW_REPORT while it runs"},
	{"explain", HM_ROLE_RESTRICTED, explain_params, explain,
	 "where each function runs, which flows share it, and what it costs"},
	{"explain.sample", HM_ROLE_ADMINISTRATOR, sample_params, explain_sample,
	 "how often a batch is timed"},
	{"flow.buffer", HM_ROLE_RESTRICTED, function_params, flow_buffer,
	 "the packet ring of TO_BUFFER: its memory's descriptor comes with the answer"},
	{0},
};
