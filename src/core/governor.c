/* SPDX-License-Identifier: BSD-3-Clause */
#include "core/governor.h"

#include "core/gate.h"

#define SMOOTH 0.25 // what a look says of the smoothed cost
#define CALM \
	(4 * HM_PATIENCE_MAX) // looks since it was over the limit, after which that is forgotten

unsigned hm_governed_level(const struct hm_governed *g)
{
	return g->own > g->total ? g->own : g->total;
}

double hm_governed_cost(const struct hm_governed *g, unsigned level)
{
	return level == HM_GATE_CLOSED || g->cost < 0 ? 0 : g->cost / (double)(1u << level);
}

/* --- patience --- */

static void tripped(struct hm_patience *p)
{
	p->needed = p->calm < CALM && p->needed ? 2 * p->needed : HM_PATIENCE_MIN;
	if (p->needed > HM_PATIENCE_MAX)
		p->needed = HM_PATIENCE_MAX;
	p->over = p->under = p->calm = 0;
}

static void look(struct hm_patience *p, bool over, bool under)
{
	p->over = over ? p->over + 1 : 0;
	p->under = under ? p->under + 1 : 0;
	p->calm += p->calm < CALM;
}

/* --- one flow --- */

void hm_governed_reset(struct hm_governed *g)
{
	g->own = g->total = 0;
	g->patience = (struct hm_patience){0};
	g->on_trial = false;
}

static void close_own(struct hm_governed *g)
{
	g->own = HM_GATE_CLOSED;
	tripped(&g->patience);
}

/* The next level at which the flow fits. */
static void lower(struct hm_governed *g)
{
	unsigned level = g->own + 1;

	while (level <= HM_GATE_MAX && hm_governed_cost(g, level) > g->limit)
		level++;
	if (g->suspends || level > HM_GATE_MAX) {
		close_own(g);
		return;
	}
	g->own = level;
	tripped(&g->patience);
}

/* A flow that is suspended and not sampled, let in to be measured: it goes on, or back. */
static void judge_trial(struct hm_governed *g)
{
	if (hm_governed_cost(g, 0) > HM_GOVERNOR_ROOM * g->limit)
		close_own(g);
	else
		g->own = HM_GATE_OPEN;
	g->patience.under = g->patience.over = 0;
}

/* `now` is what it would cost with all its packets, by this look alone. */
static void move_own(struct hm_governed *g, double now)
{
	double here = now / (double)(1u << g->own);
	struct hm_patience *p = &g->patience;

	look(p, here > g->limit, g->own && 2 * here <= HM_GOVERNOR_ROOM * g->limit);
	if (g->suspends && g->own) {
		if (p->calm >= HM_OVER_LOOKS)
			judge_trial(g);
	} else if (p->over >= HM_OVER_LOOKS) {
		lower(g);
	} else if (g->own && p->under >= p->needed) {
		g->own--;
		p->under = 0;
	}
}

void hm_govern(struct hm_governed *g, double measured)
{
	unsigned level = hm_governed_level(g);
	double now = g->cost;

	if (level != HM_GATE_CLOSED && measured >= 0) {
		now = measured * (double)(1u << level);
		g->cost = g->cost < 0 ? now : g->cost + SMOOTH * (now - g->cost);
	}
	if (g->limit < 0 || !g->can_yield) {
		g->own = HM_GATE_OPEN;
		return;
	}
	if (level == HM_GATE_CLOSED && g->own != HM_GATE_CLOSED)
		return; // kept out for the limit of all
	if (g->own == HM_GATE_CLOSED) {
		look(&g->patience, false, true);
		if (g->patience.under < g->patience.needed)
			return;
		g->own = HM_GATE_MAX; // on trial: what it cost long ago says nothing
		g->cost = -1;
		g->patience.under = g->patience.calm = 0;
	} else if (now >= 0) {
		move_own(g, now);
	}
}

/* --- all flows --- */

static bool yields_before(const struct hm_governed *a, const struct hm_governed *b)
{
	if (a->priority != b->priority)
		return a->priority < b->priority;
	return hm_governed_cost(a, hm_governed_level(a)) >
	       hm_governed_cost(b, hm_governed_level(b));
}

static struct hm_governed *next_to_yield(struct hm_governed *const *flows, size_t n)
{
	struct hm_governed *first = NULL;

	for (size_t i = 0; i < n; i++)
		if (flows[i]->can_yield && flows[i]->cost > 0 &&
		    hm_governed_level(flows[i]) != HM_GATE_CLOSED &&
		    (!first || yields_before(flows[i], first)))
			first = flows[i];
	return first;
}

static void take_away(const struct hm_governed_all *all, struct hm_governed *const *flows, size_t n,
		      double cost)
{
	struct hm_governed *g;

	while (cost > all->limit && (g = next_to_yield(flows, n))) {
		unsigned level = hm_governed_level(g);

		cost -= hm_governed_cost(g, level);
		g->total = all->suspends ? HM_GATE_CLOSED : level + 1;
		g->on_trial = false;
		cost += hm_governed_cost(g, g->total);
	}
}

/* The level that a flow which yields would have next. */
static unsigned next_level(const struct hm_governed_all *all, const struct hm_governed *g)
{
	if (g->total == HM_GATE_CLOSED)
		return HM_GATE_MAX;
	return all->suspends ? HM_GATE_OPEN : g->total - 1;
}

/* Gives one flow more, if all then still fit: below 4/5 of the limit. */
static void give_back(struct hm_governed_all *all, struct hm_governed *const *flows, size_t n,
		      double cost)
{
	struct hm_governed *first = NULL;
	double more;
	unsigned to;

	for (size_t i = 0; i < n; i++)
		if (flows[i]->total && (!first || yields_before(first, flows[i])))
			first = flows[i];
	if (!first)
		return;
	to = next_level(all, first);
	more = to > first->own ? hm_governed_cost(first, to) : hm_governed_cost(first, first->own);
	more -= hm_governed_cost(first, hm_governed_level(first));
	// from a closed gate: what it cost long ago says nothing
	if (first->total != HM_GATE_CLOSED && cost + more > HM_GOVERNOR_ROOM * all->limit) {
		if (all->suspends && first->on_trial) {
			first->total = HM_GATE_CLOSED;
			tripped(&all->patience);
		}
		return;
	}
	first->on_trial = first->total == HM_GATE_CLOSED;
	if (first->on_trial)
		first->cost = -1;
	first->total = to;
	all->patience.under = 0;
}

void hm_govern_all(struct hm_governed_all *all, struct hm_governed *const *flows, size_t n,
		   double measured)
{
	struct hm_patience *p = &all->patience;

	if (all->limit < 0) {
		for (size_t i = 0; i < n; i++)
			flows[i]->total = HM_GATE_OPEN;
		return;
	}
	look(p, measured > all->limit, measured <= HM_GOVERNOR_ROOM * all->limit);
	if (p->over >= HM_OVER_LOOKS) {
		take_away(all, flows, n, measured);
		tripped(p);
	} else if (p->under >= p->needed) {
		give_back(all, flows, n, measured);
	}
}
