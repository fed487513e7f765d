/* SPDX-License-Identifier: BSD-3-Clause */
/* explain: what the running programs consist of, where each function runs, which flows share it, and what it costs.
 * Entries are nodes, numbered parents before children; a flow's answer has the entries on its way only. */
#include <stdlib.h>

#include "core/admission.h"
#include "core/clock.h"
#include "core/cost.h"
#include "core/engine_internal.h"
#include "core/ordered.h"
#include "filter/filter.h"

#define FLOWS_LISTED 32 // of an entry that more flows share

/* One use of an entry by a flow. */
struct use {
	const struct hm_flow *flow;
	const struct hm_instance *instance;
};

struct explain {
	struct hm_device *d;
	const struct hm_flow *only; // NULL: all
	json_t *entries;
	uint32_t n_nodes;
	uint32_t *first;  // by entry number: where its uses begin; [n_nodes + 1] ends them
	struct use *uses; // of all entries
	struct hm_sample timed;
};

/* Cycles with two decimals: nobody measures them more closely. */
static json_t *cycles_json(double cycles)
{
	return cycles < 0 ? json_null() : json_real((double)(int64_t)(cycles * 100 + 0.5) / 100);
}

static json_t *per_packet(const struct hm_sample *s, uint64_t packets)
{
	return cycles_json(packets ? (double)s->cycles / (double)packets : -1);
}

/* --- where a function runs --- */

static const char *runs(const struct hm_node *n)
{
	static const char *const names[] = {
		[HM_NODE_PROCESS] = "called once a batch",
		[HM_NODE_VISIT] = "called once a batch",
		[HM_NODE_TRANSFORM] = "copies packets",
		[HM_NODE_PASSIVE] = "counter, runs nothing",
	};

	if (n->kind == HM_NODE_FILTER)
		return hm_filter_engine(hm_node_filter(n));
	if (n->kind == HM_NODE_PATTERN)
		return hm_pattern_engine(hm_node_pattern(n));
	return names[n->kind];
}

/* --- entries --- */

static uint32_t number_nodes(struct hm_node *n, uint32_t number)
{
	struct hm_node *child;

	TAILQ_FOREACH (child, &n->children, sibling) {
		child->number = ++number;
		number = number_nodes(child, number);
	}
	return number;
}

static bool is_shown(const struct explain *x, const struct hm_flow *f)
{
	return f->device == x->d && f->state == HM_FLOW_ACTIVE;
}

/* Who uses which entry: sorted by entry, flows in the order of their making. */
static bool collect_uses(struct explain *x)
{
	const struct hm_flow *f;
	uint32_t n = 0;

	x->n_nodes = number_nodes(hm_nodes_root(x->d->nodes), 0);
	hm_runners_foreach (s, x->d->ordered)
		x->n_nodes = number_nodes(hm_nodes_root(s->nodes), x->n_nodes);
	x->first = calloc(x->n_nodes + 3, sizeof(*x->first));
	if (!x->first)
		return false;
	TAILQ_FOREACH (f, &x->d->engine->flows, next)
		for (uint32_t i = 0; is_shown(x, f) && i < f->n; i++, n++)
			x->first[f->instances[i]->node->number + 2]++;
	x->uses = calloc(n + 1, sizeof(*x->uses));
	if (!x->uses)
		return false;
	for (uint32_t i = 2; i < x->n_nodes + 3; i++)
		x->first[i] += x->first[i - 1];
	TAILQ_FOREACH (f, &x->d->engine->flows, next)
		for (uint32_t i = 0; is_shown(x, f) && i < f->n; i++) {
			const struct hm_instance *in = f->instances[i];

			x->uses[x->first[in->node->number + 1]++] = (struct use){f, in};
		}
	return true;
}

static json_t *flows_json(const struct explain *x, const struct hm_node *n)
{
	uint32_t first = x->first[n->number], end = x->first[n->number + 1];
	json_t *list = json_array();

	for (uint32_t i = first; i < end && i < first + FLOWS_LISTED; i++)
		json_array_append_new(list, json_pack("{s:I, s:s*, s:i}", "flow",
						      (json_int_t)x->uses[i].flow->id, "name",
						      x->uses[i].flow->name, "function",
						      (int)x->uses[i].instance->number));
	return list;
}

static json_t *measured_json(const struct explain *x, const struct hm_node *n)
{
	struct hm_sample own;

	if (n->kind == HM_NODE_PASSIVE)
		return json_pack("{s:f, s:f, s:i}", "cycles", 0.0, "cycles_here", 0.0, "packets",
				 0);
	hm_cost_node(n, &own);
	return json_pack("{s:o, s:o, s:I}", "cycles", cycles_json(hm_cost_measured(x->d, n)),
			 "cycles_here", per_packet(&own, own.packets), "packets",
			 (json_int_t)own.packets);
}

/* The entry whose packets it gets: an ordered part begins behind the part on all lanes, and a function that reads
 * others behind its detour. */
static uint32_t parent_of(const struct hm_flow *f, const struct hm_instance *in,
			  const struct hm_node *n)
{
	const struct hm_node *parent = in->back ? in->leave->parent : n->parent;

	return parent == f->pick ? f->mark->parent->number : parent->number;
}

/* Those of an ordered part; others run on all of the device's. */
static json_t *lcores_json(const struct explain *x, const struct hm_node *n)
{
	hm_runners_foreach (s, x->d->ordered)
		if (n->nodes == s->nodes)
			return hm_runners_lcores(s, x->d);
	return NULL;
}

static json_t *entry_json(const struct explain *x, const struct hm_node *n)
{
	const struct hm_instance *in = x->uses[x->first[n->number]].instance;
	const struct hm_flow *f = x->uses[x->first[n->number]].flow;
	struct hm_counts c;

	hm_instance_counts(in, &c); // of the flow that has it longest
	return json_pack("{s:i, s:i, s:s, s:O, s:s, s:o*, s:o, s:i, s:I, s:I, s:I, s:o, s:o}",
			 "entry", (int)n->number, "parent", (int)parent_of(f, in, n), "function",
			 n->fn->name, "args", in->shown, "runs", runs(n), "ordered_on_lcores",
			 lcores_json(x, n), "flows", flows_json(x, n), "n_flows",
			 (int)(x->first[n->number + 1] - x->first[n->number]), "in",
			 (json_int_t)c.in, "out", (json_int_t)c.out, "dropped",
			 (json_int_t)c.dropped, "predicted",
			 cycles_json(hm_cost_predicted(x->d, n)), "measured", measured_json(x, n));
}

/* Whether the flow's packets come through the node on their way to one of its functions. */
static bool is_on_way(const struct hm_flow *f, const struct hm_node *n)
{
	for (uint32_t i = 0; i < f->n; i++)
		if (f->instances[i]->node == n || f->instances[i]->back == n)
			return true;
	return f->order_ref && n == f->pick;
}

static void add_entries(struct explain *x, const struct hm_node *n)
{
	const struct hm_node *child;

	TAILQ_FOREACH (child, &n->children, sibling) {
		if (x->only && !is_on_way(x->only, child))
			continue;
		// a flow that comes or goes has entries that are nobody's
		if (x->first[child->number] < x->first[child->number + 1])
			json_array_append_new(x->entries, entry_json(x, child));
		add_entries(x, child);
	}
}

static void add_all(struct explain *x)
{
	add_entries(x, hm_nodes_root(x->d->nodes));
	hm_runners_foreach (s, x->d->ordered)
		add_entries(x, hm_nodes_root(s->nodes));
}

/* --- flows --- */

static json_t *cost_json(const struct hm_flow_cost *c)
{
	return json_pack("{s:o, s:o, s:o, s:o}", "cycles", cycles_json(c->cycles), "own",
			 cycles_json(c->own), "shared", cycles_json(c->shared), "worker_percent",
			 cycles_json(c->worker * 100));
}

static json_t *flow_totals(const struct explain *x)
{
	json_t *list = json_array();
	const struct hm_flow *f;

	TAILQ_FOREACH (f, &x->d->engine->flows, next) {
		struct hm_flow_cost measured, added;
		bool known;

		if (!is_shown(x, f) || (x->only && f != x->only))
			continue;
		known = hm_flow_cost_measured(f, &measured);
		hm_flow_cost_predicted(f, &added);
		json_array_append_new(
			list,
			json_pack("{s:I, s:s*, s:o, s:o, s:o}", "flow", (json_int_t)f->id, "name",
				  f->name, "measured", known ? cost_json(&measured) : json_null(),
				  "adds", cost_json(&added), "admission", hm_admission_json(f)));
	}
	return list;
}

/* --- devices --- */

static json_t *stages_json(const struct explain *x)
{
	json_t *list = json_array();

	for (unsigned i = 0; i < HM_STAGES; i++) {
		struct hm_sample s;

		hm_cost_stage(x->d, i, &s);
		json_array_append_new(list,
				      json_pack("{s:s, s:o, s:o, s:I}", "stage", hm_stage_name(i),
						"cycles", per_packet(&s, x->timed.packets),
						"cycles_here", per_packet(&s, s.packets), "packets",
						(json_int_t)s.packets));
	}
	return list;
}

static json_t *memory_json(const struct explain *x)
{
	const struct hm_device *d = x->d;
	uint64_t scans = 0, programs = 0;

	for (unsigned i = 0; i < d->n_lanes; i++) {
		const struct hm_program *p =
			atomic_load_explicit(&d->lanes[i]->program, memory_order_relaxed);

		programs += p ? p->bytes : 0;
		for (unsigned k = 0; k <= HM_TRANSFORM_DEPTH; k++) {
			if (p && p->filters[k])
				scans += hm_filter_scan_bytes(p->filters[k]);
			if (d->searches[i] && d->searches[i]->at[k])
				scans += hm_search_bytes(d->searches[i]->at[k]);
		}
	}
	return json_pack("{s:I, s:I, s:I, s:I, s:I}", "programs", (json_int_t)programs, "nodes",
			 (json_int_t)hm_nodes_bytes(d->nodes), "filter_index",
			 (json_int_t)(d->filter_index ? hm_filter_index_bytes(d->filter_index) : 0),
			 "pattern_database", (json_int_t)(d->db ? hm_search_db_bytes(d->db) : 0),
			 "scans", (json_int_t)scans);
}

static uint64_t limit_hits(const struct hm_device *d)
{
	uint64_t n = 0;

	for (unsigned i = 0; i < d->n_lanes; i++)
		for (unsigned k = 0; d->searches[i] && k <= HM_TRANSFORM_DEPTH; k++)
			if (d->searches[i]->at[k])
				n += hm_search_limit_hits(d->searches[i]->at[k]);
	return n;
}

static json_t *workers_json(const struct hm_device *d)
{
	json_t *list = json_array();

	for (unsigned i = 0; i < d->n_lanes; i++)
		json_array_append_new(list, json_integer(d->workers[i]->lcore));
	return list;
}

static json_t *device_json(struct explain *x)
{
	const struct hm_device *d = x->d;

	return json_pack("{s:s, s:o, s:I, s:I, s:I, s:i, s:i, s:i, s:I, s:o, s:o, s:o, s:o, s:o}",
			 "device", d->config->name, "lcores", workers_json(d), "packets_per_s",
			 (json_int_t)d->packets_per_s, "timed_batches",
			 (json_int_t)x->timed.batches, "timed_packets",
			 (json_int_t)x->timed.packets, "n_flows", (int)d->uses.flows, "filters",
			 (int)d->uses.filters, "patterns", (int)d->uses.patterns,
			 "pcre2_limit_hits", (json_int_t)limit_hits(d), "stages", stages_json(x),
			 "memory", memory_json(x), "entries", json_incref(x->entries), "flows",
			 flow_totals(x), "admission", hm_admission_device_json(d));
}

json_t *hm_explain(struct hm_engine *e, struct hm_flow *only)
{
	json_t *devices = json_array();
	struct hm_device *d;

	if (e->sample_batches)
		hm_cost_learn(e);
	TAILQ_FOREACH (d, &e->devices, next) {
		struct explain x = {.d = d, .only = only, .entries = json_array()};

		if (only && only->device != x.d) {
			json_decref(x.entries);
			continue;
		}
		if (collect_uses(&x))
			add_all(&x);
		hm_cost_stage(x.d, HM_STAGE_RECEIVE, &x.timed); // just before the stages are read
		json_array_append_new(devices, device_json(&x));
		json_decref(x.entries);
		free(x.first);
		free(x.uses);
	}
	return json_pack("{s:o, s:i, s:o}", "ts_ns", hm_json_u64(hm_clock_now_ns()),
			 "sample_batches", (int)e->sample_batches, "devices", devices);
}

void hm_engine_sample(struct hm_engine *e, uint32_t every)
{
	const struct hm_device *d;

	e->sample_batches = every;
	TAILQ_FOREACH (d, &e->devices, next)
		for (unsigned k = 0; k < d->n_lanes; k++)
			atomic_store_explicit(&d->lanes[k]->sample_batches, every,
					      memory_order_relaxed); // worker: start_sample
}
