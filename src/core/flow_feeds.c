/* SPDX-License-Identifier: BSD-3-Clause */
/* flow_feeds: ties functions to those of other flows whose values they read (feed.h).
 *
 * A tap is made when both flows are connected, whichever is the later one, and is in the programs while both are.
 * It belongs to both: whoever goes first takes it away. The reader is never in a program with a tap that is gone:
 * the feed is cleared when the read flow begins to close, and the tap freed when no worker can see that flow.
 *
 * Readers detour (detour.h) by the order in which they were applied. A function can only be read by one that was
 * applied after it, so all that a reader needs comes before it: flows may read each other.
 */
#include <errno.h>
#include <stdlib.h>

#include "core/detour.h"
#include "core/engine_internal.h"
#include "core/handover.h"
#include "core/ordered.h"
#include "core/policy.h"
#include "core/tap.h"

/* --- at apply --- */

int hm_flow_other(const struct hm_apply_ctx *ctx, const struct hm_flow_name *which,
		  struct hm_other *found, struct hm_error *err)
{
	const struct hm_flow *reader = ctx->place, *f;
	struct hm_engine *e = reader->engine;

	if (which->name)
		f = hm_flow_by_name(e, which->name, true);
	else
		f = which->number > 0 && which->number <= UINT32_MAX
			    ? hm_flow_by_id(e, (uint32_t)which->number)
			    : NULL;
	if (!f || f->state >= HM_FLOW_FAILED)
		return which->name ? hm_error_set(err, -ENOENT, 0, "there is no flow \"%s\"",
						  which->name)
				   : hm_error_set(err, -ENOENT, 0, "there is no flow %lld",
						  (long long)which->number);
	if (f->owner.uid != reader->owner.uid && !reader->owner.administrator)
		return hm_error_set(err, -EACCES, 0, "flow %u is of another user", f->id);
	if (reader->owner.policy && !hm_policy_equal(f->owner.policy, reader->owner.policy))
		return hm_error_set(err, -EACCES, 0,
				    "flow %u does not have the policy of this one, \"%s\"", f->id,
				    hm_policy_name(reader->owner.policy));
	if (f->device != reader->device)
		return hm_error_set(
			err, -EINVAL, 0,
			"flow %u is on device %s, this one on %s: their packets have no "
			"order in common",
			f->id, f->device->config->name, reader->device->config->name);
	found->flow = f->id;
	found->n = 0;
	for (uint32_t i = f->head; i < f->n; i++)
		found->functions[found->n++] = (struct hm_applied){
			.fn = f->instances[i]->fn,
			.unit = f->instances[i]->unit,
			.workers = i < f->split ? f->device->n_lanes
						: hm_ordered_runners(f->order, f->device->n_lanes),
			.apart = i >= f->split && f->order != HM_ORDER_ALL};
	return 0;
}

/* --- taps --- */

/* The packets of a counter on all lanes, in order, where a reader in the ordered part can count them. */
static struct hm_node *bring(struct hm_wire *w, struct hm_device *d, struct hm_node *counter,
			     struct hm_core_ctx *ctx, struct hm_error *err)
{
	struct hm_runners *s = hm_ordered_get(d->ordered, HM_ORDER_ALL);

	w->order_ref = hm_runners_flow_add(s);
	if (!w->order_ref) {
		hm_error_set(err, -E2BIG, 3084,
			     "device %s puts the packets of %d flows in order already",
			     d->config->name, HM_ORDER_FLOWS_MAX);
		return NULL;
	}
	w->mark = hm_handover_mark(counter, s, w->order_ref, ctx, err);
	if (w->mark)
		w->pick = hm_handover_pick(s, w->order_ref, ctx, err);
	return w->pick;
}

static int make_tap(struct hm_wire *w, struct hm_flow *of, struct hm_error *err)
{
	struct hm_core_ctx ctx = {.n_workers = of->device->n_lanes};
	struct hm_node *node = hm_flow_function(of, w->read.function)->node, *parent = node;

	if (node->nodes != w->reader->node->nodes)
		parent = bring(w, of->device, node, &ctx, err);
	if (parent)
		w->tap = hm_tap_node(parent, node, &ctx, err);
	return w->tap ? 0 : -ENOMEM;
}

static void free_tap(struct hm_wire *w, struct hm_device *d)
{
	hm_node_put(w->tap);
	hm_node_put(w->pick);
	hm_node_put(w->mark);
	w->tap = w->pick = w->mark = NULL;
	if (!w->order_ref)
		return;
	hm_runners_flow_stop(hm_ordered_get(d->ordered, HM_ORDER_ALL), w->order_ref);
	hm_runners_flow_remove(hm_ordered_get(d->ordered, HM_ORDER_ALL), w->order_ref);
	w->order_ref = 0;
}

/* --- at connect --- */

struct hm_node *hm_flow_detour(struct hm_instance *in, struct hm_node *parent,
			       struct hm_core_ctx *ctx, struct hm_error *err)
{
	in->leave = hm_detour_leave(parent, ctx, err);
	if (in->leave)
		in->back = hm_detour_return(in->leave, in->late, ctx, err);
	return in->back;
}

static bool is_connected(const struct hm_flow *f)
{
	return f && (f->state == HM_FLOW_CONNECTING || f->state == HM_FLOW_ACTIVE);
}

static bool is_read(const struct hm_wire *w, const struct hm_flow *of)
{
	return w->read.flow == of->id;
}

static void add_wires(struct hm_flow *f)
{
	for (uint32_t i = 0; i < f->n; i++) {
		struct hm_instance *in = f->instances[i];

		for (uint32_t k = 0; k < in->n_wires; k++) {
			in->wires[k].flow = f;
			in->wires[k].reader = in;
			in->wires[k].feed = &in->feeds[k];
			LIST_INSERT_HEAD(&f->engine->wires, &in->wires[k], next);
		}
	}
}

/* Makes the taps that the flow has been missing for: of those that it reads, and for those that read it. */
static int make_taps(struct hm_flow *f, struct hm_error *err)
{
	struct hm_wire *w;

	LIST_FOREACH (w, &f->engine->wires, next) {
		struct hm_flow *of = f;

		if (w->tap || (w->flow != f && (!is_read(w, f) || !is_connected(w->flow))))
			continue;
		if (!is_read(w, f))
			of = hm_flow_by_id(f->engine, w->read.flow);
		if ((of == f || is_connected(of)) && make_tap(w, of, err) < 0)
			return -ENOMEM;
	}
	return 0;
}

int hm_flow_feeds_connect(struct hm_flow *f, struct hm_error *err)
{
	struct hm_wire *w;

	add_wires(f);
	if (make_taps(f, err) < 0) {
		hm_flow_feeds_free(f); // no worker knows of them
		return -ENOMEM;
	}
	LIST_FOREACH (w, &f->engine->wires, next)
		if (w->tap && (w->flow == f || is_read(w, f)))
			atomic_store_explicit(&w->feed->tap, hm_node_tap(w->tap),
					      memory_order_release); // worker: hm_reader_at
	return 0;
}

static bool runs(const struct hm_flow *f, const struct hm_device *d)
{
	return f && f->device == d && f->generation == d->last_generation;
}

void hm_flow_feeds_use(struct hm_device *d,
		       void (*use)(struct hm_device *d, struct hm_node *n, void *arg), void *arg)
{
	const struct hm_wire *w;

	LIST_FOREACH (w, &d->engine->wires, next) {
		if (!w->tap || !runs(w->flow, d) ||
		    !runs(hm_flow_by_id(d->engine, w->read.flow), d))
			continue;
		use(d, w->tap, arg);
		if (w->order_ref) {
			use(d, w->mark, arg);
			use(d, w->pick, arg);
		}
	}
}

bool hm_flow_feeds_are_kept(const struct hm_flow *f)
{
	const struct hm_wire *w;

	LIST_FOREACH (w, &f->engine->wires, next) {
		const struct hm_flow *of = hm_flow_by_id(f->engine, w->read.flow);

		if (w->flow == f && of && of != f && !of->kept)
			return false;
	}
	return true;
}

/* --- at close --- */

bool hm_flow_feeds_close(struct hm_flow *of)
{
	struct hm_wire *w;
	bool read = false;

	LIST_FOREACH (w, &of->engine->wires, next)
		if (w->tap && is_read(w, of)) {
			atomic_store_explicit(&w->feed->tap, NULL, memory_order_release);
			read = true;
		}
	return read;
}

void hm_flow_feeds_free(struct hm_flow *f)
{
	struct hm_wire *w, *next;

	for (w = LIST_FIRST(&f->engine->wires); w; w = next) {
		next = LIST_NEXT(w, next);
		if (w->flow == f || is_read(w, f))
			free_tap(w, f->device);
		if (w->flow == f)
			LIST_REMOVE(w, next);
	}
}
