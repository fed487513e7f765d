/* SPDX-License-Identifier: BSD-3-Clause */
/* governor: decides how much of its packets a flow gets, from what it costs. Pure arithmetic on what it is told:
 * no flow, no clock. One look is about a second. Costs and limits are in one unit, cycles a packet of the device.
 *
 * A flow over its limit in HM_OVER_LOOKS looks that follow one another is sampled (gate.h) so that what it costs
 * on average fits, or suspended. It gets more again, a level at a time, when it would be below 4/5 of the limit
 * so in as many looks as its patience; that is doubled whenever it goes over soon after. From a closed gate the
 * way leads through a trial at the highest level, since what does not run cannot be measured.
 *
 * The same for all flows of a device together: over the limit, those of the lowest priority yield first, of these
 * the dearest; and those of the highest priority, of these the cheapest, are the first to get more again.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#define HM_OVER_LOOKS    3
#define HM_PATIENCE_MIN  4  // looks
#define HM_PATIENCE_MAX  64 // the same
#define HM_GOVERNOR_ROOM 0.8

/* Looks that said the same one after the other, and how many it takes to believe them. */
struct hm_patience {
	unsigned over, under, needed, calm;
};

struct hm_governed {
	// terms
	double limit;      // < 0: none
	bool suspends;     // when over it, instead of being sampled
	bool can_yield;    // has something that a gate can stand before
	unsigned priority; // the higher, the later it yields to others
	// what it costs with all its packets, smoothed; < 0: not measured yet
	double cost;
	// levels of the gate: for its own limit, and for that of all
	unsigned own, total;
	struct hm_patience patience;
	bool on_trial; // was let in again for the limit of all, to be measured
};

/* The limit of all flows together. */
struct hm_governed_all {
	double limit; // < 0: none
	bool suspends;
	struct hm_patience patience;
};

/* The level that its gate has by both limits. */
unsigned hm_governed_level(const struct hm_governed *g);
/* What it costs at a level; 0 if that is not known. */
double hm_governed_cost(const struct hm_governed *g, unsigned level);
/* No limit any more, or another: what was decided is forgotten, but what it costs is not. */
void hm_governed_reset(struct hm_governed *g);

/* One look at one flow, which costs `measured` at the level that it has; < 0: nothing was measured. */
void hm_govern(struct hm_governed *g, double measured);
/* One look at all flows of a device, which cost `measured` together. After hm_govern() of each. */
void hm_govern_all(struct hm_governed_all *all, struct hm_governed *const *flows, size_t n,
		   double measured);
