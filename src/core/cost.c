/* SPDX-License-Identifier: BSD-3-Clause */
#include "core/cost.h"

#include <rte_cycles.h>
#include <string.h>

#include "core/engine_internal.h"
#include "filter/filter.h"

#define LEARN_BATCHES  4     // timed batches before a measurement counts
#define PATTERN_PACKET 250.0 // cycles of the scan of a packet, until it has been measured
#define FILTER_PACKET  8.0   // cycles a packet that one filter more costs at most in the index
#define BATCH_PACKETS  32.0  // packets of a batch, until they have been counted

/* --- sums of samples --- */

void hm_cost_stage(const struct hm_device *d, enum hm_stage stage, struct hm_sample *sum)
{
	*sum = (struct hm_sample){0};
	for (unsigned lane = 0; lane < d->n_lanes; lane++)
		hm_sample_read(&d->lanes[lane]->stages[stage], sum);
}

void hm_cost_device(const struct hm_device *d, struct hm_sample *sum)
{
	static const enum hm_stage stages[] = {HM_STAGE_PARSE, HM_STAGE_RELEASE};

	hm_cost_stage(d, HM_STAGE_RECEIVE, sum); // first: what is read later is not less
	for (unsigned i = 0; i < 2; i++) {
		struct hm_sample one;

		hm_cost_stage(d, stages[i], &one);
		sum->cycles += one.cycles;
	}
}

void hm_cost_node(const struct hm_node *n, struct hm_sample *sum)
{
	*sum = (struct hm_sample){0};
	for (unsigned lane = 0; n->sample != HM_NO_CELL && lane < hm_nodes_lanes(n->nodes); lane++)
		hm_sample_read(hm_node_sample(n, lane), sum);
}

/* Packets and batches that were timed since the node came. */
static struct hm_sample timed_since(const struct hm_device *d, const struct hm_node *n)
{
	struct hm_sample all;

	hm_cost_stage(d, HM_STAGE_RECEIVE, &all);
	all.packets -= n->since.packets;
	all.batches -= n->since.batches;
	return all;
}

double hm_cost_measured(const struct hm_device *d, const struct hm_node *n)
{
	struct hm_sample all = timed_since(d, n), own;

	hm_cost_node(n, &own);
	return all.packets ? (double)own.cycles / (double)all.packets : -1;
}

/* --- the model --- */

/* Functions of one kind cost alike; a filter or pattern that is asked packet by packet is another kind. */
static bool is_slow(const struct hm_node *n)
{
	const struct hm_filter *f = hm_node_filter(n);

	if (f)
		return hm_filter_is_lazy(f);
	return n->kind == HM_NODE_PATTERN && hm_pattern_is_confirmed(hm_node_pattern(n));
}

static struct hm_cost prior_of(const struct hm_node *n)
{
	static const struct hm_cost priors[] = {
		[HM_NODE_FILTER] = {15, 0},       [HM_NODE_PATTERN] = {15, 0},
		[HM_NODE_PROCESS] = {20, 20},     [HM_NODE_VISIT] = {20, 20},
		[HM_NODE_TRANSFORM] = {200, 300}, [HM_NODE_PASSIVE] = {0, 0},
	};
	static const struct hm_cost slow = {20, 300};

	if (n->fn && (n->fn->cost.batch || n->fn->cost.packet))
		return n->fn->cost;
	return is_slow(n) ? slow : priors[n->kind];
}

static struct hm_learned *learned_of(struct hm_engine *e, const struct hm_node *n)
{
	bool slow = is_slow(n);
	uint32_t i = 0;

	while (i < e->n_learned && (e->learned[i].fn != n->fn || e->learned[i].slow != slow))
		i++;
	if (i == e->n_learned) {
		if (i == HM_LEARNED_MAX)
			return NULL;
		e->learned[e->n_learned++] =
			(struct hm_learned){.fn = n->fn, .slow = slow, .factor = 1, .passes = -1};
	}
	return &e->learned[i];
}

static void add_nodes(struct hm_engine *e, const struct hm_node *n)
{
	const struct hm_node *child;

	TAILQ_FOREACH (child, &n->children, sibling) {
		struct hm_learned *l = learned_of(e, child);
		struct hm_cost prior = prior_of(child);
		struct hm_sample s;

		hm_cost_node(child, &s);
		if (l) {
			l->cycles += (double)s.cycles;
			l->expected +=
				(double)s.batches * prior.batch + (double)s.packets * prior.packet;
			l->sum.packets += s.packets;
			l->sum.passed += s.passed;
			l->sum.batches += s.batches;
		}
		add_nodes(e, child);
	}
}

void hm_cost_learn(struct hm_engine *e)
{
	const struct hm_device *d;

	for (uint32_t i = 0; i < e->n_learned; i++) {
		e->learned[i].sum = (struct hm_sample){0};
		e->learned[i].cycles = e->learned[i].expected = 0;
	}
	TAILQ_FOREACH (d, &e->devices, next)
		add_nodes(e, hm_nodes_root(d->nodes));
	for (uint32_t i = 0; i < e->n_learned; i++) {
		struct hm_learned *l = &e->learned[i];

		if (l->sum.batches < LEARN_BATCHES)
			continue; // what was learned before stays
		if (l->expected > 0)
			l->factor = l->cycles / l->expected;
		l->passes = (double)l->sum.passed / (double)l->sum.packets;
	}
}

static double model(const struct hm_device *d, const struct hm_node *n, double batches,
		    double packets)
{
	const struct hm_learned *l = learned_of(d->engine, n);
	struct hm_cost prior = prior_of(n);

	if (n->kind == HM_NODE_PASSIVE)
		return 0;
	return (batches * prior.batch + packets * prior.packet) * (l ? l->factor : 1);
}

/* The part of the packets that such a node lets through. */
static double passes(const struct hm_device *d, const struct hm_node *n)
{
	const struct hm_learned *l = learned_of(d->engine, n);

	if (n->out == HM_NO_CELL || n->kind == HM_NODE_TRANSFORM)
		return 1;
	return l && l->passes >= 0 ? l->passes : 0.25;
}

/* Of a device's packet: how many get into the node, in how many batches, and how many of them go on. */
struct reach {
	double packets, batches, passed;
};

static struct reach reach_of(const struct hm_device *d, const struct hm_node *n)
{
	struct hm_sample all = timed_since(d, n), own;
	struct reach above, r;
	double n_batch;

	hm_cost_node(n, &own);
	if (n->kind == HM_NODE_ROOT)
		return (struct reach){1, 0, 1};
	if (own.batches >= LEARN_BATCHES && all.packets)
		return (struct reach){(double)own.packets / (double)all.packets,
				      (double)own.batches / (double)all.packets,
				      (double)own.passed / (double)all.packets};
	above = reach_of(d, n->parent);
	hm_cost_stage(d, HM_STAGE_RECEIVE, &all);
	n_batch = all.batches ? (double)all.packets / (double)all.batches : BATCH_PACKETS;
	r.packets = above.passed;
	r.batches = (r.packets * n_batch < 1 ? r.packets * n_batch : 1) / n_batch;
	r.passed = r.packets * passes(d, n);
	// a switch asks only those that match something
	if ((n->kind == HM_NODE_FILTER || n->kind == HM_NODE_PATTERN) && !is_slow(n) &&
	    r.passed * n_batch < 1)
		r.batches *= r.passed * n_batch;
	return r;
}

double hm_cost_predicted(const struct hm_device *d, const struct hm_node *n)
{
	struct reach r = reach_of(d, n);

	return model(d, n, r.batches, r.packets);
}

/* --- flows --- */

static unsigned count_kind(const struct hm_flow *f, enum hm_node_kind kind)
{
	unsigned n = 0;

	for (uint32_t i = 0; i < f->n; i++)
		n += f->instances[i]->node->kind == kind;
	return n;
}

static double part(const struct hm_sample *stage, uint64_t packets, unsigned uses, uint32_t all)
{
	return packets && all ? (double)stage->cycles / (double)packets * uses / all : 0;
}

double hm_cost_worker_part(const struct hm_device *d, double cycles)
{
	return cycles * d->packets_per_s / (double)rte_get_tsc_hz() / d->n_lanes;
}

bool hm_flow_cost_measured(const struct hm_flow *f, struct hm_flow_cost *c)
{
	const struct hm_device *d = f->device;
	struct hm_sample all, filters, patterns;

	*c = (struct hm_flow_cost){0};
	hm_cost_device(d, &all);
	hm_cost_stage(d, HM_STAGE_FILTERS, &filters);
	hm_cost_stage(d, HM_STAGE_PATTERNS, &patterns);
	for (uint32_t i = 0; i < f->n; i++) {
		const struct hm_node *n = f->instances[i]->node;
		double cycles = n ? hm_cost_measured(d, n) : -1;

		if (cycles < 0)
			return false;
		if (n->n_instances > 1)
			c->shared += cycles / n->n_instances;
		else
			c->own += cycles;
	}
	c->shared += part(&all, all.packets, 1, d->uses.flows);
	c->shared += part(&filters, all.packets, count_kind(f, HM_NODE_FILTER), d->uses.filters);
	c->shared += part(&patterns, all.packets, count_kind(f, HM_NODE_PATTERN), d->uses.patterns);
	c->cycles = c->own + c->shared;
	c->worker = hm_cost_worker_part(d, c->cycles);
	return true;
}

/* What one filter more costs in the index; the first ones cost the most. */
static double one_filter(const struct hm_device *d)
{
	struct hm_sample all, stage;
	double mean;

	hm_cost_stage(d, HM_STAGE_RECEIVE, &all);
	hm_cost_stage(d, HM_STAGE_FILTERS, &stage);
	if (!all.packets || !stage.packets || !d->uses.filters)
		return FILTER_PACKET;
	mean = (double)stage.cycles / (double)all.packets / d->uses.filters;
	return mean < FILTER_PACKET ? mean : FILTER_PACKET;
}

/* What packets cost that are scanned for this one, and for no other. */
static double more_scans(const struct hm_device *d, double reached)
{
	struct hm_sample all, stage;
	double scanned = 0, cycles = PATTERN_PACKET;

	hm_cost_stage(d, HM_STAGE_RECEIVE, &all);
	hm_cost_stage(d, HM_STAGE_PATTERNS, &stage);
	if (all.packets && stage.packets) {
		scanned = (double)stage.packets / (double)all.packets;
		cycles = (double)stage.cycles / (double)stage.packets;
	}
	return reached > scanned ? (reached - scanned) * cycles : 0;
}

double hm_cost_more_scans(const struct hm_device *d, const struct hm_node *n)
{
	if (n->n_instances > 1)
		return 0;
	if (n->kind == HM_NODE_FILTER && !is_slow(n))
		return one_filter(d);
	return n->kind == HM_NODE_PATTERN ? more_scans(d, reach_of(d, n).packets) : 0;
}

void hm_flow_cost_predicted(const struct hm_flow *f, struct hm_flow_cost *c)
{
	const struct hm_device *d = f->device;

	*c = (struct hm_flow_cost){0};
	for (uint32_t i = 0; i < f->n; i++) {
		const struct hm_node *n = f->instances[i]->node;

		c->own += n->n_instances > 1 ? 0 : hm_cost_predicted(d, n);
		c->shared += hm_cost_more_scans(d, n);
	}
	c->cycles = c->own + c->shared;
	c->worker = hm_cost_worker_part(d, c->cycles);
}

void hm_cost_watch_rate(struct hm_device *d, double seconds)
{
	struct hm_rx_counts rx;

	hm_device_rx(d, &rx);
	if (seconds > 0)
		d->packets_per_s = (double)(rx.received - d->received_last) / seconds;
	d->received_last = rx.received;
}
