/* SPDX-License-Identifier: BSD-3-Clause */
/* flow_order: where the ordered part of a flow begins, and its way there (ordered.h).
 *
 * It begins with the first function that is ordered; or before, with a function that such a one behind it may need
 * in the same place: one that changes packets (copies have no place in the order), or has values to be read.
 */
#include <errno.h>

#include "core/engine_internal.h"
#include "core/flow.h"
#include "core/handover.h"
#include "core/ordered.h"

static bool may_go_along(const struct hm_function *fn)
{
	return fn->transform || (fn->values && !fn->values->running);
}

/* With several queues the order is to be made, even if one worker polls them all. */
static bool needs_order(const struct hm_flow *f, const struct hm_function *fn)
{
	return (fn->flags & HM_FN_ORDERED) && f->device->config->queues > 1;
}

/* With its arguments any order will do. */
static bool is_content(const struct hm_instance *in)
{
	return in->fn->any_order && in->fn->any_order(in->conf);
}

static bool is_by_pair(const struct hm_instance *in)
{
	return in->fn->by_pair && in->fn->by_pair(in->conf);
}

static unsigned runners_of(const struct hm_flow *f, enum hm_order_kind order)
{
	return hm_ordered_runners(order, f->device->n_lanes);
}

unsigned hm_flow_workers(const struct hm_flow *f, const struct hm_function *fn)
{
	if (needs_order(f, fn))
		return 1;
	return f->split == HM_FLOW_NO_SPLIT ? f->device->n_lanes : runners_of(f, f->order);
}

/* The order that functions from `split` on need. Those of pairs are enough as long as addresses are what they were when
 * the packet was handed over. */
static enum hm_order_kind order_of(const struct hm_flow *f, uint32_t split)
{
	if (runners_of(f, HM_ORDER_PAIRS) == 1)
		return HM_ORDER_ALL;
	for (uint32_t i = split, last = f->n - 1; i <= last; i++) {
		const struct hm_instance *in = f->instances[i];
		bool ordered = needs_order(f, in->fn) && !is_content(in);

		if ((ordered || (in->fn->transform && i < last)) && !is_by_pair(in))
			return HM_ORDER_ALL;
	}
	return HM_ORDER_PAIRS;
}

/* Makes the instance of function i again, that so many workers will run. */
static struct hm_instance *make_again(const struct hm_flow *f, uint32_t i, unsigned n_workers,
				      struct hm_error *err)
{
	struct hm_applied before[HM_FLOW_FUNCTIONS_MAX];
	const struct hm_instance *old = f->instances[i];
	struct hm_apply_ctx ctx = hm_flow_apply_ctx(f, before, i);

	ctx.handed = old->handed;
	ctx.n_workers = n_workers;
	return hm_instance_create(old->fn, old->number, old->args, &ctx, err);
}

/* All functions from `split` to before the last one, or none. */
static int make_all_again(struct hm_flow *f, uint32_t split, unsigned n_workers,
			  struct hm_error *err)
{
	struct hm_instance *again[HM_FLOW_FUNCTIONS_MAX];
	uint32_t last = f->n - 1, i;

	for (i = split; i < last && (again[i] = make_again(f, i, n_workers, err)); i++)
		;
	if (i < last) {
		while (i-- > split)
			hm_instance_destroy(again[i]);
		return -EINVAL;
	}
	for (i = split; i < last; i++) {
		hm_instance_destroy(f->instances[i]);
		f->instances[i] = again[i];
	}
	return 0;
}

int hm_flow_split(struct hm_flow *f, struct hm_error *err)
{
	uint32_t last = f->n - 1, split = f->split;
	enum hm_order_kind order;

	if (!needs_order(f, f->instances[last]->fn) || is_content(f->instances[last]))
		return 0;
	if (split == HM_FLOW_NO_SPLIT)
		for (split = 0; split < last && !may_go_along(f->instances[split]->fn);)
			split++;
	else if (f->order == HM_ORDER_ALL)
		return 0;
	order = order_of(f, split);
	if ((split != f->split || order != f->order) &&
	    make_all_again(f, split, runners_of(f, order), err) < 0)
		return -EINVAL;
	f->split = split;
	f->order = order;
	return 0;
}

struct hm_node *hm_flow_order(struct hm_flow *f, struct hm_node *parent, struct hm_core_ctx *ctx,
			      struct hm_error *err)
{
	struct hm_runners *s = hm_device_runners(f->device, f->order, err);

	if (!s)
		return NULL;
	f->order_ref = hm_runners_flow_add(s);
	if (!f->order_ref) {
		hm_error_set(
			err, -E2BIG, 3084,
			"device %s puts the packets of %d flows in order already: close one, or "
			"give the device one queue",
			f->device->config->name, HM_ORDER_FLOWS_MAX);
		return NULL;
	}
	f->mark = hm_handover_mark(parent, s, f->order_ref, ctx, err);
	ctx->n_workers = s->n;
	if (f->mark)
		f->pick = hm_handover_pick(s, f->order_ref, ctx, err);
	return f->pick;
}

void hm_flow_order_stop(struct hm_flow *f)
{
	if (f->order_ref)
		hm_runners_flow_stop(hm_ordered_get(f->device->ordered, f->order), f->order_ref);
}

void hm_flow_order_free(struct hm_flow *f)
{
	struct hm_runners *s = hm_ordered_get(f->device->ordered, f->order);

	hm_node_put(f->pick);
	hm_node_put(f->mark);
	f->pick = f->mark = NULL;
	if (!f->order_ref)
		return;
	hm_runners_flow_stop(s, f->order_ref);
	hm_runners_flow_remove(s, f->order_ref);
	f->order_ref = 0;
}

/* offered = handed over + dropped; handed over = run + queued. `late` is of the device, all flows of this order
 * together. */
json_t *hm_flow_order_json(const struct hm_flow *f)
{
	const struct hm_runners *s = hm_ordered_get(f->device->ordered, f->order);
	struct hm_order_counts c, all;

	if (!f->order_ref)
		return NULL;
	hm_runners_flow_counts(s, f->order_ref, &c);
	hm_runners_counts(s, &all);
	return json_pack("{s:i, s:o, s:I, s:I, s:I, s:I, s:{s:I}, s:I}", "function",
			 f->split < f->head ? 1 : (int)(f->split - f->head) + 1, "lcores",
			 hm_runners_lcores(s, f->device), "offered",
			 (json_int_t)(c.handed_over + c.dropped), "handed_over",
			 (json_int_t)c.handed_over, "run", (json_int_t)c.run, "queued",
			 (json_int_t)(c.handed_over - c.run), "dropped", "no_room",
			 (json_int_t)c.dropped, "late", (json_int_t)all.late);
}

void hm_flow_order_line(const struct hm_flow *f, json_t *lines, bool *all_balanced)
{
	json_t *line = hm_flow_order_json(f);
	struct hm_counts first;
	json_int_t run, queued;
	bool balanced;

	if (!line)
		return;
	// what has come out of the order is what the first ordered function has seen, or a batch less
	run = json_integer_value(json_object_get(line, "run"));
	queued = json_integer_value(json_object_get(line, "queued"));
	hm_instance_counts(f->instances[f->split], &first);
	balanced = queued >= 0 && (f->device->state != HM_DEVICE_FINISHED ||
				   (queued == 0 && (json_int_t)first.in == run));
	*all_balanced &= balanced;
	json_object_set_new(line, "flow", json_integer(f->id));
	if (f->name)
		json_object_set_new(line, "name", json_string(f->name));
	json_object_set_new(line, "balanced", json_boolean(balanced));
	json_array_append_new(lines, line);
}
