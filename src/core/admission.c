/* SPDX-License-Identifier: BSD-3-Clause */
#include "core/admission.h"

#include <errno.h>
#include <math.h>
#include <rte_cycles.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/cost.h"
#include "core/engine_internal.h"
#include "core/gate.h"
#include "core/log.h"
#include "core/ordered.h"
#include "filter/filter.h"

HM_LOG_TYPE(admission)

#define LOOK_BATCHES 16 // timed batches that a look takes

static bool has_limit(const struct hm_budget *b)
{
	return b->cycles_per_packet || b->worker_share > 0;
}

/* In cycles a packet of the device; < 0: none. A share of a worker that has nothing to do is any number of them. */
static double limit_of(const struct hm_device *d, const struct hm_budget *b)
{
	double of_packet = hm_cost_worker_part(d, 1);

	if (b->cycles_per_packet)
		return b->cycles_per_packet;
	if (b->worker_share > 0)
		return of_packet > 0 ? b->worker_share / of_packet : INFINITY;
	return -1;
}

/* --- gates --- */

static bool costs(const struct hm_node *n)
{
	if (n->kind == HM_NODE_FILTER)
		return hm_filter_is_lazy(hm_node_filter(n)); // an indexed one is evaluated anyhow
	return !hm_node_is_counter(n);
}

/* Where the flow's gate is to stand: before the first function that costs and that no other flow has, or before
 * the first that no other flow has and that runs at all. NULL: it has nothing of its own. Everything behind it
 * is the flow's own, too: who had it would have this one on its way. */
static struct hm_instance *gate_place(const struct hm_flow *f)
{
	struct hm_instance *first = NULL;

	for (uint32_t i = 0; i < f->n; i++) {
		struct hm_instance *in = f->instances[i];

		if (!in->node || in->node->n_instances > 1 || in->node->kind == HM_NODE_PASSIVE)
			continue;
		if (costs(in->node))
			return in;
		first = first ? first : in;
	}
	return first;
}

static void place_gate(struct hm_flow *f)
{
	struct hm_instance *in = gate_place(f);

	if (in && !in->gate)
		in->gate = hm_gate_create(in->node->nodes, f->id);
	if (!in || !in->gate)
		return; // without memory it is tried again with the next programs
	hm_gate_set(in->gate, f->level);
	in->node->gate = in->gate;
}

void hm_admission_place_gates(struct hm_device *d)
{
	struct hm_flow *f;

	TAILQ_FOREACH (f, &d->engine->flows, next)
		if (f->device == d && f->generation == d->last_generation &&
		    f->level != HM_GATE_OPEN)
			place_gate(f);
}

/* The flow's level is another, or its functions are shared with others than before. */
static void update_gate(struct hm_flow *f)
{
	unsigned level = hm_governed_level(&f->governed), before = f->level;
	const struct hm_instance *in = gate_place(f);

	if (level != before && level != HM_GATE_OPEN && level != HM_GATE_CLOSED)
		HM_LOG(NOTICE,
		       "flow=%u sampled=1/%u cycles=%.1f limit=%.1f all_cycles=%.1f all_limit=%.1f",
		       f->id, 1u << level, f->governed.cost, f->governed.limit,
		       f->device->looked.total, f->device->governed.limit);
	else if (level != before)
		HM_LOG(NOTICE, "flow=%u %s cycles=%.1f limit=%.1f all_cycles=%.1f all_limit=%.1f",
		       f->id, level ? "suspended" : "gets all its packets", f->governed.cost,
		       f->governed.limit, f->device->looked.total, f->device->governed.limit);
	f->level = level;
	for (uint32_t i = 0; i < f->n; i++)
		if (f->instances[i]->gate)
			hm_gate_set(f->instances[i]->gate, level);
	if (level != HM_GATE_OPEN)
		f->device->dirty |= in && (!in->gate || in->node->gate != in->gate);
	else
		f->device->dirty |= before != HM_GATE_OPEN;
}

static void open_gate(struct hm_flow *f)
{
	hm_governed_reset(&f->governed);
	if (f->level != HM_GATE_OPEN)
		update_gate(f);
}

/* --- terms --- */

void hm_flow_set_terms(struct hm_flow *f, const struct hm_terms *terms)
{
	f->terms = *terms;
	if (f->state == HM_FLOW_ACTIVE)
		open_gate(f); // by the new terms it is judged anew
}

const struct hm_terms *hm_flow_terms(const struct hm_flow *f)
{
	return &f->terms;
}

void hm_engine_set_admission(struct hm_engine *e, const struct hm_admission_config *c)
{
	e->admission = *c;
}

/* --- looking at what runs --- */

/* Whether anything on the device is limited, or was until now. */
static bool is_governed(const struct hm_device *d)
{
	bool governed = has_limit(&d->engine->admission.budget);
	const struct hm_flow *f;

	TAILQ_FOREACH (f, &d->engine->flows, next)
		governed |= f->device == d && (has_limit(&f->terms.budget) || f->level);
	return governed;
}

/* Cycles of each node since the last look; returns those of all. */
static uint64_t look_at_nodes(struct hm_node *n)
{
	struct hm_node *child;
	uint64_t sum = 0;

	TAILQ_FOREACH (child, &n->children, sibling) {
		struct hm_sample own;

		hm_cost_node(child, &own);
		child->recent = own.cycles - child->looked;
		child->looked = own.cycles;
		sum += child->recent + look_at_nodes(child);
	}
	return sum;
}

/* What was timed since the last look, of a stage. */
static struct hm_sample since(const struct hm_device *d, enum hm_stage stage,
			      struct hm_sample *looked)
{
	struct hm_sample now, before = *looked;

	hm_cost_stage(d, stage, &now);
	*looked = now;
	return (struct hm_sample){.cycles = now.cycles - before.cycles,
				  .packets = now.packets - before.packets,
				  .batches = now.batches - before.batches};
}

static bool is_looked_at(const struct hm_flow *f, const struct hm_device *d)
{
	return f->device == d && f->state == HM_FLOW_ACTIVE;
}

/* Packets that the flow's patterns were asked for since the last look: by these the cycles of the scan are divided. */
static uint64_t look_at_searches(struct hm_flow *f)
{
	uint64_t sum = 0;

	for (uint32_t i = 0; i < f->n && f->searches; i++) {
		struct hm_counts c;

		if (f->instances[i]->node->kind != HM_NODE_PATTERN)
			continue;
		hm_instance_counts(f->instances[i], &c);
		sum += c.in - c.skipped;
	}
	f->searches_recent = sum > f->searched ? sum - f->searched : 0;
	f->searched = sum;
	return f->searches_recent;
}

/* What was timed since the last look. */
struct look {
	bool measured;   // false: too little
	double packets;  // timed, of the device
	double scan;     // cycles of the scan for patterns
	double searches; // packets that patterns were asked for
	double saved;    // cycles a packet that gates could save, of all flows
};

/* Cycles a packet that the flow's gate could save; `rest` is what else is its own. */
static double look_at_flow(const struct look *l, const struct hm_flow *f, double *rest)
{
	const struct hm_instance *gate = gate_place(f);
	double behind = 0, before = 0;
	bool behind_gate = false;

	for (uint32_t i = 0; i < f->n; i++) {
		const struct hm_node *n = f->instances[i]->node;

		if (n->n_instances > 1)
			continue;
		behind_gate |= f->instances[i] == gate;
		if (behind_gate)
			behind += (double)n->recent;
		else
			before += (double)n->recent;
	}
	if (gate && l->searches > 0)
		behind += l->scan * (double)f->searches_recent / l->searches;
	*rest = before / l->packets;
	return behind / l->packets;
}

static void govern(struct hm_flow *f, struct look *l)
{
	double rest = 0, cycles = l->measured ? look_at_flow(l, f, &rest) : -1;
	double limit = limit_of(f->device, &f->terms.budget);
	struct hm_governed *g = &f->governed;

	if (!l->measured && isinf(limit))
		cycles = 0; // no packet comes
	g->limit = limit < 0 ? limit : RTE_MAX(limit - rest, 0.0);
	g->suspends = f->terms.over_budget == HM_OVER_SUSPEND;
	g->priority = f->terms.priority;
	g->can_yield = gate_place(f) != NULL;
	l->saved += RTE_MAX(cycles, 0.0);
	// a share of a worker may fit now that packets are few, though none of them was timed
	if (l->measured || f->terms.budget.worker_share > 0)
		hm_govern(g, cycles);
}

static void govern_all(struct hm_device *d, const struct look *l)
{
	const struct hm_admission_config *c = &d->engine->admission;
	struct hm_governed **flows = calloc(d->uses.flows + 1, sizeof(struct hm_governed *));
	struct hm_flow *f;
	size_t n = 0;

	d->governed.limit = limit_of(d, &c->budget);
	d->governed.suspends = c->over_budget == HM_OVER_SUSPEND;
	TAILQ_FOREACH (f, &d->engine->flows, next)
		if (is_looked_at(f, d) && flows && n < d->uses.flows)
			flows[n++] = &f->governed;
	if (flows && (l->measured || c->budget.worker_share > 0 || d->governed.limit < 0))
		hm_govern_all(&d->governed, flows, n, d->looked.total);
	free(flows);
}

/* Timed by themselves, but as often. */
static uint64_t look_at_ordered(const struct hm_device *d)
{
	uint64_t cycles = 0;

	hm_runners_foreach (s, d->ordered)
		cycles += look_at_nodes(hm_nodes_root(s->nodes));
	return cycles;
}

static void look_at_device(struct hm_device *d)
{
	struct hm_sample all;
	struct look l = {0};
	struct hm_flow *f;

	hm_cost_stage(d, HM_STAGE_RECEIVE, &all);
	l.measured = all.batches - d->looked.timed.batches >= LOOK_BATCHES;
	if (l.measured) {
		l.packets = (double)since(d, HM_STAGE_RECEIVE, &d->looked.timed).packets;
		l.scan = (double)since(d, HM_STAGE_PATTERNS, &d->looked.patterns).cycles;
		d->looked.total = (double)look_at_nodes(hm_nodes_root(d->nodes)) + l.scan;
		d->looked.total += (double)look_at_ordered(d);
		d->looked.total += (double)since(d, HM_STAGE_FILTERS, &d->looked.filters).cycles;
		d->looked.total /= l.packets;
		TAILQ_FOREACH (f, &d->engine->flows, next)
			if (is_looked_at(f, d))
				l.searches += (double)look_at_searches(f);
	}
	TAILQ_FOREACH (f, &d->engine->flows, next)
		if (is_looked_at(f, d))
			govern(f, &l);
	if (l.measured) {
		d->looked.shared = RTE_MAX(d->looked.total - l.saved, 0.0);
		d->looked.known = true;
	}
	govern_all(d, &l);
	TAILQ_FOREACH (f, &d->engine->flows, next)
		if (is_looked_at(f, d))
			update_gate(f);
}

void hm_admission_look(struct hm_engine *e)
{
	struct hm_device *d;
	struct hm_flow *f;

	if (!e->sample_batches) // nothing is measured: nobody is judged
		TAILQ_FOREACH (f, &e->flows, next)
			if (f->level)
				open_gate(f);
	TAILQ_FOREACH (d, &e->devices, next)
		if (e->sample_batches && is_governed(d))
			look_at_device(d);
}

/* --- who may come --- */

/* "REGEXP 120, BPF_FILTER 20": what the flow adds, by function. Returns the sum. */
static double predict(const struct hm_flow *f, char *text, size_t size)
{
	size_t used = 0;
	double sum = 0;

	text[0] = 0;
	for (uint32_t i = 0; i < f->n; i++) {
		const struct hm_node *n = f->instances[i]->node;
		double cycles = hm_cost_more_scans(f->device, n);

		if (n->n_instances == 1)
			cycles += hm_cost_predicted(f->device, n);
		sum += cycles;
		if (cycles > 0 && used < size)
			used += (size_t)snprintf(text + used, size - used, "%s%s %.1f",
						 used ? ", " : "", n->fn->name, cycles);
	}
	if (used >= size) // a long flow: the rest is in the sum
		memcpy(text + size - 4, "...", 4);
	return sum;
}

static const char *budget_text(const struct hm_budget *b, char *text, size_t size)
{
	if (b->cycles_per_packet)
		snprintf(text, size, "%u cycles a packet", b->cycles_per_packet);
	else
		snprintf(text, size, "%.4g of a worker", b->worker_share);
	return text;
}

/* What the flow takes now, as far as is known. */
static double takes(const struct hm_flow *f)
{
	return f->governed.cost < 0 ? f->predicted : hm_governed_cost(&f->governed, f->level);
}

static bool runs_beside(const struct hm_flow *f, const struct hm_flow *fresh)
{
	return f != fresh && f->device == fresh->device &&
	       (f->state == HM_FLOW_ACTIVE || f->state == HM_FLOW_CONNECTING);
}

/* What the other flows of the device take, and how much of it would be given up for the new one. */
static double others_take(const struct hm_flow *fresh, double *yield)
{
	const struct hm_device *d = fresh->device;
	double sum = d->looked.known && d->engine->sample_batches ? d->looked.shared : 0;
	const struct hm_flow *f;

	*yield = 0;
	TAILQ_FOREACH (f, &d->engine->flows, next) {
		if (!runs_beside(f, fresh))
			continue;
		sum += takes(f);
		// without a measurement nobody is asked to yield, but who is being replaced goes
		if (f->leaving ||
		    (f->terms.priority < fresh->terms.priority && d->engine->sample_batches))
			*yield += takes(f);
	}
	return sum;
}

int hm_admit(struct hm_flow *f, struct hm_error *err)
{
	const struct hm_budget *all = &f->device->engine->admission.budget;
	double own = limit_of(f->device, &f->terms.budget), limit = limit_of(f->device, all);
	char parts[160], budget[48], share[48] = "";
	double sum, others, yield;

	if (own < 0 && limit < 0)
		return 0;
	f->predicted = sum = predict(f, parts, sizeof(parts));
	if (hm_cost_worker_part(f->device, 1) > 0)
		snprintf(share, sizeof(share), ", %.4g of a worker",
			 hm_cost_worker_part(f->device, sum));
	if (own >= 0 && sum > own)
		return hm_error_set(err, -EDQUOT, 0,
				    "flow %u would cost about %.1f cycles a packet%s (%s): its "
				    "budget is %s",
				    f->id, sum, share, parts,
				    budget_text(&f->terms.budget, budget, sizeof(budget)));
	if (limit < 0)
		return 0;
	others = others_take(f, &yield);
	if (others - yield + sum > limit)
		return hm_error_set(
			err, -EDQUOT, 0,
			"flow %u would cost about %.1f cycles a packet%s (%s), and the others of "
			"device %s take %.1f, of which %.1f would yield to its priority: all "
			"together may take %s (admission)",
			f->id, sum, share, parts, f->device->config->name, others, yield,
			budget_text(all, budget, sizeof(budget)));
	return 0;
}

/* --- what clients see --- */

static json_t *budget_json(const struct hm_budget *b)
{
	if (b->cycles_per_packet)
		return json_pack("{s:I}", "cycles_per_packet", (json_int_t)b->cycles_per_packet);
	if (b->worker_share > 0)
		return json_pack("{s:f}", "worker_share", b->worker_share);
	return json_object();
}

static const char *policy_name(int over_budget)
{
	return over_budget == HM_OVER_SUSPEND ? "suspend" : "sample";
}

static json_t *cycles_json(double cycles)
{
	return cycles < 0 || !isfinite(cycles)
		       ? json_null()
		       : json_real((double)(int64_t)(cycles * 100 + 0.5) / 100);
}

static const char *state_name(unsigned level)
{
	if (level == HM_GATE_OPEN)
		return "open";
	return level == HM_GATE_CLOSED ? "suspended" : "sampled";
}

json_t *hm_terms_json(const struct hm_terms *terms)
{
	return json_pack("{s:o, s:i, s:s}", "budget", budget_json(&terms->budget), "priority",
			 (int)terms->priority, "over_budget", policy_name(terms->over_budget));
}

json_t *hm_admission_json(const struct hm_flow *f)
{
	const struct hm_governed *g = &f->governed;
	const struct hm_instance *gate = f->level ? gate_place(f) : NULL;
	json_t *info = hm_terms_json(&f->terms);
	uint64_t skipped = 0;

	for (uint32_t i = 0; i < f->n; i++)
		skipped += hm_gate_skipped(f->instances[i]->gate);
	json_object_set_new(info, "state", json_string(state_name(f->level)));
	json_object_set_new(info, "cycles", cycles_json(g->cost));
	json_object_set_new(info, "limit", cycles_json(g->limit));
	json_object_set_new(info, "skipped", json_integer((json_int_t)skipped));
	if (f->level && f->level != HM_GATE_CLOSED)
		json_object_set_new(info, "one_in", json_integer(1 << f->level));
	if (f->level)
		json_object_set_new(info, "because",
				    json_string(g->own >= g->total ? "budget" : "admission"));
	if (gate)
		json_object_set_new(info, "from_function",
				    json_integer(gate->number ? gate->number : 1));
	return info;
}

json_t *hm_admission_limit_json(const struct hm_admission_config *c, uint32_t sample_batches)
{
	return json_pack("{s:o, s:s, s:s}", "budget", budget_json(&c->budget), "over_budget",
			 policy_name(c->over_budget), "enforced",
			 sample_batches ? "predicted and measured"
					: "predicted only: explain.sample_batches is 0");
}

json_t *hm_admission_device_json(const struct hm_device *d)
{
	const struct hm_engine *e = d->engine;
	json_t *info = hm_admission_limit_json(&e->admission, e->sample_batches);

	json_object_set_new(info, "cycles", cycles_json(d->looked.known ? d->looked.total : -1));
	json_object_set_new(info, "limit", cycles_json(limit_of(d, &e->admission.budget)));
	return info;
}
