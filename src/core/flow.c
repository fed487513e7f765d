/* SPDX-License-Identifier: BSD-3-Clause */
#include "core/flow.h"

#include <ctype.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "core/admission.h"
#include "core/clock.h"
#include "core/engine_internal.h"
#include "core/handed.h"
#include "core/log.h"
#include "core/pktring.h"
#include "core/policy.h"
#include "core/registry.h"
#include "filter/filter.h"

HM_LOG_TYPE(flow);

static int apply_policy(struct hm_flow *f, struct hm_error *err);

struct hm_flow *hm_flow_create(struct hm_engine *e, struct hm_device *d, const char *name,
			       const struct hm_owner *owner, struct hm_error *err)
{
	struct hm_flow *f = name ? hm_flow_by_name(e, name, true) : NULL;

	if (f) {
		hm_error_set(err, -EEXIST, 0,
			     "flow %u is named \"%s\" already: choose another name, or close it",
			     f->id, name);
		return NULL;
	}
	f = calloc(1, sizeof(*f));
	if (!f)
		goto no_memory;
	f->engine = e;
	f->device = d;
	f->split = HM_FLOW_NO_SPLIT;
	f->owner = *owner;
	hm_policy_get(f->owner.policy);
	if (!owner->configured && !(f->account = hm_account_get(&e->accounts, owner)))
		goto no_memory;
	f->terms.priority = HM_PRIORITY_DEFAULT;
	f->governed = (struct hm_governed){.limit = -1, .cost = -1};
	if (name && !hm_flow_set_name(f, name, false))
		goto no_memory;
	f->id = ++e->last_flow_id;
	hm_flow_index_add(f);
	if (apply_policy(f, err) == 0)
		return f;
	hm_flow_free(f);
	return NULL;
no_memory:
	if (f) {
		hm_account_put(&e->accounts, f->account);
		hm_policy_put(f->owner.policy);
	}
	free(f);
	hm_error_set(err, -ENOMEM, 3084, "out of memory");
	return NULL;
}

uint32_t hm_flow_id(const struct hm_flow *f)
{
	return f->id;
}

const struct hm_owner *hm_flow_owner(const struct hm_flow *f)
{
	return &f->owner;
}

/* The number in a JSON integer or a string of digits; -1 for others. */
static json_int_t as_number(const json_t *which)
{
	const char *s = json_string_value(which);
	char *end;
	long long n;

	if (json_is_integer(which))
		return json_integer_value(which);
	if (!s || !isdigit((unsigned char)*s))
		return -1;
	errno = 0;
	n = strtoll(s, &end, 10);
	return *end || errno ? -1 : n;
}

struct hm_flow *hm_flow_find(struct hm_engine *e, const json_t *which, struct hm_error *err)
{
	const char *name = json_string_value(which);
	json_int_t id = as_number(which);
	struct hm_flow *f = name ? hm_flow_by_name(e, name, false) : NULL;

	if (!f && id > 0 && id <= UINT32_MAX)
		f = hm_flow_by_id(e, (uint32_t)id);
	if (f && f->state < HM_FLOW_CLOSING)
		return f;
	if (name)
		hm_error_set(err, -ENOENT, 6145, "there is no flow \"%s\"", name);
	else
		hm_error_set(err, -ENOENT, 6145, "there is no flow %lld", (long long)id);
	return NULL;
}

struct hm_flow *hm_flow_next(struct hm_engine *e, struct hm_flow *f)
{
	f = f ? TAILQ_NEXT(f, next) : TAILQ_FIRST(&e->flows);
	while (f && f->state >= HM_FLOW_CLOSING)
		f = TAILQ_NEXT(f, next);
	return f;
}

static unsigned count_transforms(const struct hm_flow *f)
{
	unsigned n = 0;

	for (uint32_t i = 0; i < f->n; i++)
		n += f->instances[i]->fn->transform != NULL;
	return n;
}

static unsigned count_head_transforms(const struct hm_flow *f)
{
	unsigned n = 0;

	for (uint32_t i = 0; i < f->head && i < f->n; i++)
		n += f->instances[i]->fn->transform != NULL;
	return n;
}

static void read_losses(const void *device, struct hm_losses *losses)
{
	struct rte_eth_stats s = {0};

	rte_eth_stats_get(((const struct hm_device *)device)->port, &s);
	*losses = (struct hm_losses){.missed = s.imissed, .errors = s.ierrors};
}

struct hm_apply_ctx hm_flow_apply_ctx(const struct hm_flow *f, struct hm_applied *before,
				      uint32_t n)
{
	const bool by_policy = n < f->head;
	uint32_t n_before = 0;

	for (uint32_t i = f->head; i < n; i++)
		before[n_before++] = (struct hm_applied){.fn = f->instances[i]->fn,
							 .unit = f->instances[i]->unit,
							 .selector = f->instances[i]->selector,
							 .workers = 1};
	return (struct hm_apply_ctx){.link = f->device->link,
				     .snaplen = f->device->config->snaplen,
				     .lossless = f->device->lossless,
				     .device = f->device->config->name,
				     .owner_uid = f->owner.uid,
				     .administrator = by_policy || f->owner.administrator,
				     .configured = by_policy || f->owner.configured,
				     .flow_id = f->id,
				     .capture_dir = f->engine->config->capture.dir,
				     .flow_report = &f->engine->config->flow_report,
				     .anonymize_key = f->engine->config->anonymize.key_file,
				     .losses = {read_losses, f->device},
				     .before = before,
				     .n_before = n_before,
				     .other = hm_flow_other,
				     .injector = hm_flow_injector,
				     .place = f};
}

/* --- apply --- */

static const char unusable[] = "unusable since its connect failed: close it";

static int check_apply(const struct hm_flow *f, const char *function, const json_t *args,
		       bool by_policy, struct hm_error *err)
{
	const struct hm_function *fn = hm_function_find(function);

	if (f->state != HM_FLOW_INIT)
		return hm_error_set(err, -EBUSY, 7006, "flow %u is %s", f->id,
				    f->state == HM_FLOW_FAILED
					    ? unusable
					    : "connected: functions are applied before that");
	if (!fn)
		return hm_error_set(err, -ENOENT, 6144,
				    "there is no function \"%s\" (homardctl functions lists them)",
				    function);
	if (f->n == HM_FLOW_FUNCTIONS_MAX)
		return hm_error_set(err, -E2BIG, 7006, "a flow has at most %u functions",
				    HM_FLOW_FUNCTIONS_MAX - f->head);
	if (fn->transform && count_transforms(f) == HM_TRANSFORM_DEPTH)
		return hm_error_set(err, -E2BIG, 7006,
				    "a flow has at most %u functions that change packets",
				    HM_TRANSFORM_DEPTH - count_head_transforms(f));
	if (by_policy || !f->owner.policy)
		return 0;
	return hm_policy_check(f->owner.policy, fn, args, err);
}

/* The function behind all others; `number` is what users know it by, 0: not at all. */
static int apply(struct hm_flow *f, const char *function, const json_t *args,
		 struct hm_handed *handed, uint32_t number, struct hm_error *err)
{
	const struct hm_function *fn = hm_function_find(function);
	struct hm_applied before[HM_FLOW_FUNCTIONS_MAX];
	struct hm_apply_ctx ctx = hm_flow_apply_ctx(f, before, f->n);
	struct hm_instance **instances;
	uint64_t bytes;

	ctx.handed = handed;
	ctx.n_workers = hm_flow_workers(f, fn);
	instances = realloc(f->instances, (f->n + 1) * sizeof(struct hm_instance *));
	if (!instances)
		return hm_error_set(err, -ENOMEM, 3084, "out of memory");
	f->instances = instances;
	f->instances[f->n] = hm_instance_create(fn, number, args, &ctx, err);
	if (!f->instances[f->n])
		return errno ? -errno : -EINVAL;
	bytes = hm_instance_bytes(f->instances[f->n], ctx.n_workers);
	if (hm_account_charge(&f->engine->accounts, f->account, bytes, err) < 0)
		goto refused;
	f->bytes += bytes;
	if (f->instances[f->n]->n_wires)
		f->instances[f->n]->late = ++f->engine->last_late;
	f->searches |= fn->pattern != NULL;
	f->n++;
	if (hm_flow_split(f, err) == 0)
		return 0;
	f->n--; // what was refused is not in the flow
	f->bytes -= bytes;
	hm_account_release(&f->engine->accounts, f->account, bytes);
refused:
	hm_instance_destroy(f->instances[f->n]);
	return -EINVAL;
}

int hm_flow_apply(struct hm_flow *f, const char *function, const json_t *args,
		  struct hm_handed *handed, struct hm_error *err)
{
	const uint32_t number = f->n - f->head + 1;
	int ret = check_apply(f, function, args, false, err);

	if (ret == 0)
		ret = apply(f, function, args, handed, number, err);
	return ret < 0 ? ret : (int)number;
}

/* The functions of the owner's policy, at the head of the flow. What is wrong with them is told to the log only: it may
 * say where keys are. */
static int apply_policy(struct hm_flow *f, struct hm_error *err)
{
	const struct hm_policy *p = f->owner.policy;
	struct hm_error cause;
	json_t *function;
	size_t i;
	int ret = 0;

	if (!p)
		return 0;
	f->head = UINT32_MAX; // all are its, so far
	json_array_foreach ((json_t *)(uintptr_t)hm_policy_functions(p), i, function) {
		const char *name = json_string_value(json_array_get(function, 0));
		json_t *args = json_copy(function);

		json_array_remove(args, 0);
		ret = check_apply(f, name, args, true, &cause);
		if (ret == 0)
			ret = apply(f, name, args, NULL, 0, &cause);
		json_decref(args);
		if (ret < 0)
			break;
	}
	f->head = f->n;
	if (ret == 0)
		return 0;
	HM_LOG(ERR, "policy %s cannot be applied: %s", hm_policy_name(p), cause.text);
	return hm_error_set(err, -EACCES, 3139,
			    "policy \"%s\" cannot be applied: an administrator finds the reason in "
			    "the daemon's log",
			    hm_policy_name(p));
}

/* What was passed for it: the first that nobody has taken, if it writes at all. */
static struct hm_handed *take_for(const char *function, struct hm_handed_list *handed)
{
	const struct hm_function *fn = hm_function_find(function);

	return fn && hm_function_has_output(fn) ? hm_handed_take(handed) : NULL;
}

int hm_flow_apply_all(struct hm_flow *f, const json_t *functions, const char *path,
		      struct hm_handed_list *handed, struct hm_error *err)
{
	struct hm_error cause;
	json_t *function;
	size_t i;

	json_array_foreach (functions, i, function) {
		const char *name = json_string_value(json_array_get(function, 0));
		struct hm_handed *passed = take_for(name, handed);
		json_t *args = json_copy(function);
		int ret;

		json_array_remove(args, 0);
		ret = hm_flow_apply(f, name, args, passed, &cause);
		hm_handed_put(passed);
		json_decref(args);
		if (ret < 0)
			return hm_error_set(err, ret, cause.mapi_errno,
					    "%s.functions[%zu] (%s): %s", path, i, name,
					    cause.text);
	}
	return 0;
}

void hm_flow_answer(struct hm_flow *f, const struct hm_error *err)
{
	hm_done_cb done = f->done;

	f->done = NULL;
	if (done)
		done(f->done_arg, err);
}

static void *state_before(const struct hm_core_ctx *ctx, uint32_t up)
{
	struct hm_instance *const *here = ctx->place;

	return hm_node_state(here[-(ptrdiff_t)up]->node, ctx->worker);
}

/* A flow that may not run holds nothing that others share with it. */
static void destroy_instances(struct hm_flow *f)
{
	hm_flow_feeds_free(f);
	while (f->n > 0)
		hm_instance_destroy(f->instances[--f->n]);
	hm_flow_order_free(f);
	hm_account_release(&f->engine->accounts, f->account, f->bytes);
	f->bytes = 0;
}

static int connect_instances(struct hm_flow *f, struct hm_error *err)
{
	struct hm_device *d = f->device;
	struct hm_node *parent = hm_nodes_root(d->nodes);
	struct hm_core_ctx ctx = {.n_workers = d->n_lanes,
				  .lossless = d->lossless,
				  .device = d->config->name,
				  .flow = f->name ? f->name : "",
				  .flow_id = f->id,
				  .before = state_before};

	for (uint32_t i = 0; i < f->n; i++) {
		int ret;

		if (i == f->split)
			parent = hm_flow_order(f, parent, &ctx, err);
		if (!parent)
			return -ENOMEM;
		if (f->instances[i]->late)
			parent = hm_flow_detour(f->instances[i], parent, &ctx, err);
		if (!parent)
			return -ENOMEM;
		ctx.place = &f->instances[i];
		ret = hm_instance_connect(f->instances[i], parent, &ctx, err);
		if (ret < 0)
			return ret;
		f->instances[i]->before =
			i && i != f->split && !f->instances[i]->back ? f->instances[i - 1] : NULL;
		parent = f->instances[i]->node;
	}
	return 0;
}

/* Nobody waits for it any more. */
static void fail(struct hm_flow *f)
{
	f->state = HM_FLOW_FAILED;
	f->device->dirty |= f->device->n_waiting > 0;
}

void hm_flow_connect(struct hm_flow *f, hm_done_cb done, void *arg)
{
	struct hm_error err;

	if (f->state != HM_FLOW_INIT) {
		hm_error_set(&err, -EBUSY, 3081, "flow %u is %s", f->id,
			     f->state == HM_FLOW_FAILED ? unusable : "connected already");
		done(arg, &err);
		return;
	}
	if (connect_instances(f, &err) < 0 || hm_admit(f, &err) < 0 ||
	    hm_flow_feeds_connect(f, &err) < 0) {
		destroy_instances(f);
		fail(f);
		done(arg, &err);
		return;
	}
	for (uint32_t i = 0; i < f->n && !f->polled; i++)
		f->polled = f->instances[i]->fn->poll != NULL;
	if (f->polled)
		LIST_INSERT_HEAD(&f->engine->polled, f, next_polled);
	f->state = HM_FLOW_CONNECTING;
	f->done = done;
	f->done_arg = arg;
	f->device->n_connecting++;
	f->device->dirty = true;
	f->device->patterns_changed |= f->searches;
	for (uint32_t i = 0; i < f->n && !f->preparing; i++)
		f->preparing = f->instances[i]->fn->prepared != NULL;
	f->device->n_preparing += f->preparing;
}

static void stop_preparing(struct hm_flow *f)
{
	f->device->n_preparing -= f->preparing;
	f->preparing = false;
}

void hm_flow_prepare(struct hm_flow *f)
{
	struct hm_error err;

	for (uint32_t i = 0; i < f->n; i++) {
		const struct hm_instance *in = f->instances[i];
		int ret = in->fn->prepared ? in->fn->prepared(in->conf, &err) : 1;

		if (ret == 0)
			return;
		if (ret < 0) {
			hm_flow_refuse(f, &err);
			return;
		}
	}
	stop_preparing(f);
	f->device->dirty = true;
}

void hm_flow_connected(struct hm_flow *f)
{
	f->device->n_connecting--;
	f->state = HM_FLOW_ACTIVE;
	f->connected_ns = hm_clock_now_ns();
	hm_flow_answer(f, NULL);
}

void hm_flow_refuse(struct hm_flow *f, const struct hm_error *err)
{
	stop_preparing(f);
	f->device->n_connecting--;
	fail(f);
	hm_flow_answer(f, err);
}

void hm_flow_close(struct hm_flow *f, hm_done_cb done, void *arg)
{
	bool read = hm_flow_feeds_close(f), seen = f->generation > 0 || read;
	struct hm_error err;

	for (uint32_t i = 0; i < f->n; i++)
		if (f->instances[i]->fn->closing)
			f->instances[i]->fn->closing(f->instances[i]->conf);
	hm_flow_order_stop(f);
	stop_preparing(f);
	f->device->n_connecting -= f->state == HM_FLOW_CONNECTING;
	f->device->patterns_changed |= f->searches;
	f->device->dirty |= seen || f->device->n_waiting > 0;
	if (read &&
	    !f->generation) // readers may look at it until the generation after the last one
		f->generation = f->device->last_generation;
	f->state = seen ? HM_FLOW_CLOSING : HM_FLOW_FINISHING;
	f->engine->n_closing++;
	hm_error_set(&err, -ECANCELED, 6145, "flow %u was closed before it was connected", f->id);
	hm_flow_answer(f, &err);
	f->done = done;
	f->done_arg = arg;
}

void hm_flow_hurry(struct hm_flow *f)
{
	for (uint32_t i = 0; i < f->n; i++)
		if (f->instances[i]->node && f->instances[i]->fn->hurry)
			f->instances[i]->fn->hurry(f->instances[i]->conf);
}

void hm_flow_close_client(struct hm_engine *e, uint64_t client)
{
	struct hm_flow *f;

	hm_waits_forget(e, client);
	TAILQ_FOREACH (f, &e->flows, next)
		if (client && f->owner.client == client && f->state < HM_FLOW_CLOSING)
			hm_flow_close(f, NULL, NULL);
}

void hm_flow_free(struct hm_flow *f)
{
	hm_flow_index_remove(f);
	f->engine->n_closing -= f->state >= HM_FLOW_CLOSING;
	if (f->polled)
		LIST_REMOVE(f, next_polled);
	destroy_instances(f);
	hm_account_put(&f->engine->accounts, f->account);
	hm_policy_put(f->owner.policy);
	if (f->state >= HM_FLOW_CLOSING)
		hm_flow_answer(f, NULL);
	free(f->instances);
	json_decref(f->config_functions);
	free(f->config_path);
	free(f->new_name);
	free(f->name);
	free(f);
}

static struct hm_instance *find_instance(struct hm_flow *f, const json_t *which,
					 struct hm_error *err)
{
	const char *name = json_string_value(which);
	json_int_t number = as_number(which);
	struct hm_instance *found = NULL;

	if (number >= 1 && number <= f->n - f->head)
		return hm_flow_function(f, (uint32_t)number);
	for (uint32_t i = f->head; i < f->n && name; i++)
		if (!strcasecmp(f->instances[i]->fn->name, name)) {
			if (found) {
				hm_error_set(err, -EINVAL, 6147,
					     "flow %u has several functions %s: give the number",
					     f->id, name);
				return NULL;
			}
			found = f->instances[i];
		}
	if (!found && name)
		hm_error_set(err, -ENOENT, 6147, "flow %u has no function %s", f->id, name);
	else if (!found)
		hm_error_set(err, -ENOENT, 6147, "flow %u has no function %lld (1 to %u)", f->id,
			     (long long)number, f->n - f->head);
	return found;
}

struct hm_instance *hm_flow_running(struct hm_flow *f, const json_t *which, struct hm_error *err)
{
	if (f->state != HM_FLOW_ACTIVE) {
		hm_error_set(err, -ENOTCONN, 6143, "flow %u is not connected", f->id);
		return NULL;
	}
	return find_instance(f, which, err);
}

json_t *hm_flow_read(struct hm_flow *f, const json_t *which, uint32_t take, struct hm_error *err)
{
	struct hm_instance *in = hm_flow_running(f, which, err);
	bool finished = f->device->state == HM_DEVICE_FINISHED;
	json_t *value, *records;

	if (!in)
		return NULL;
	records = take ? hm_instance_take(in, take) : NULL;
	value = hm_instance_result(in);
	if (!value) {
		hm_error_set(err, -ENODATA, 6146, "%s has no result", in->fn->name);
		return NULL;
	}
	if (records) {
		json_object_set_new(value, "records", records);
		json_object_set_new(value, "end",
				    json_boolean(hm_instance_news(in, 0, finished) == HM_NEWS_END));
	}
	return json_pack("{s:o, s:o, s:s*}", "ts_ns", hm_json_u64(hm_clock_now_ns()), "value",
			 value, "unit", in->fn->values ? hm_unit_name(in->unit) : NULL);
}

int hm_flow_reset(struct hm_flow *f, const json_t *which, struct hm_error *err)
{
	struct hm_instance *in = hm_flow_running(f, which, err);

	if (!in)
		return -EINVAL;
	if (!hm_instance_reset(in))
		return hm_error_set(err, -EINVAL, 6146, "%s has no result that could begin again",
				    in->fn->name);
	return 0;
}

void hm_flow_ask(struct hm_flow *f, const json_t *which, const json_t *question,
		 hm_answer_cb answer, void *arg)
{
	struct hm_error err;
	struct hm_instance *in = hm_flow_running(f, which, &err);
	int r = in ? 0 : -EINVAL;

	if (in && !in->fn->ask)
		r = hm_error_set(&err, -EINVAL, 6147, "%s has no flow cache", in->fn->name);
	else if (in)
		r = in->fn->ask(in->conf, question, answer, arg, &err);
	if (r < 0)
		answer(arg, NULL, &err);
}

static const char *status_of(const struct hm_flow *f)
{
	static const char *const names[] = {"init",   "connecting", "active",
					    "failed", "closing",    "closing"};

	if (f->state == HM_FLOW_ACTIVE && f->device->state == HM_DEVICE_FINISHED)
		return "finished";
	return names[f->state];
}

static json_t *function_info(const struct hm_instance *in)
{
	const char *engine = NULL;
	struct hm_counts c;
	json_t *info;

	hm_instance_counts(in, &c);
	info = json_pack("{s:i, s:s, s:O, s:b, s:I, s:I, s:I}", "number", (int)in->number, "name",
			 in->fn->name, "args", in->shown, "result",
			 in->fn->results || in->fn->stats, "in", (json_int_t)c.in, "out",
			 (json_int_t)c.out, "dropped", (json_int_t)c.dropped);
	if (in->waits)
		json_object_set_new(info, "waits", json_true());
	if (in->fn->values)
		json_object_set_new(info, "unit", json_string(hm_unit_name(in->unit)));
	if (in->fn->filter)
		engine = hm_filter_engine(in->fn->filter(in->conf));
	else if (in->fn->pattern && in->fn->pattern(in->conf))
		engine = hm_pattern_engine(in->fn->pattern(in->conf));
	if (engine)
		json_object_set_new(info, "engine", json_string(engine));
	return info;
}

static json_t *flow_summary(const struct hm_flow *f)
{
	json_t *info = json_pack("{s:i, s:s*, s:s, s:s, s:i, s:b}", "flow", (int)f->id, "name",
				 f->name, "device", f->device->config->name, "status", status_of(f),
				 "owner", (int)f->owner.uid, "persistent", f->owner.client == 0);

	if (f->owner.policy)
		json_object_set_new(info, "policy", json_string(hm_policy_name(f->owner.policy)));
	if (f->connected_ns)
		json_object_set_new(info, "connected_ns", hm_json_u64(f->connected_ns));
	return info;
}

json_t *hm_flow_info(struct hm_flow *f)
{
	json_t *info = flow_summary(f), *functions = json_array();

	for (uint32_t i = f->head; i < f->n; i++)
		json_array_append_new(functions, function_info(f->instances[i]));
	json_object_set_new(info, "functions", functions);
	json_object_set_new(info, "memory_bytes", json_integer((json_int_t)f->bytes));
	json_object_set_new(info, "ordered", hm_flow_order_json(f));
	json_object_set_new(info, "admission", hm_admission_json(f));
	return info;
}

json_t *hm_flow_list(struct hm_engine *e)
{
	json_t *list = json_array();
	struct hm_flow *f;

	TAILQ_FOREACH (f, &e->flows, next)
		if (f->state < HM_FLOW_CLOSING) {
			json_t *info = flow_summary(f), *names = json_array();

			for (uint32_t i = f->head; i < f->n; i++)
				json_array_append_new(names,
						      json_string(f->instances[i]->fn->name));
			json_object_set_new(info, "functions", names);
			json_array_append_new(list, info);
		}
	return list;
}

int hm_flow_pktring_fd(struct hm_flow *f, const json_t *which, struct hm_error *err)
{
	struct hm_instance *in = hm_flow_running(f, which, err);

	if (!in)
		return -1;
	if (!in->fn->pktring || !in->fn->pktring(in->conf))
		return hm_error_set(err, -1, 6147, "%s has no packet ring", in->fn->name);
	return hm_pktring_fd(in->fn->pktring(in->conf));
}
