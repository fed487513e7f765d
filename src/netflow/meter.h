/* SPDX-License-Identifier: BSD-3-Clause */
/* meter: one worker's flow cache and its ring of finished records to the control core. Making the memory
 * present, and taking over what a warm file holds, take long and are done in a thread of the meter's own;
 * until hm_meter_prepared() no worker may have it.
 */
#pragma once

#include <pthread.h>
#include <stdatomic.h>

#include "netflow/announcement.h"
#include "netflow/cache.h"
#include "netflow/survey.h"
#include "netflow/warm.h"

struct rte_ring;

struct hm_meter {
	struct rte_ring *ring; // of struct hm_flow_record, single producer and consumer
	size_t ring_bytes;
	struct hm_cache *cache; // the worker's; NULL: it is not in use
	struct hm_survey_lane *survey;
	struct hm_shortfall lost; // directions that found the ring full; written by the worker
	uint64_t taken;           // directions moved on; written by the control core

	struct hm_warm *warm; // NULL: none
	unsigned number;
	bool has_thread;
	pthread_t thread;
	_Atomic int state; // 0: being prepared, 1: prepared, a negative errno: failed
};

/* Makes the cache of `conf` (its output and memory are set here) and begins to prepare it. A zeroed meter.
 * 0 or a negative errno. */
int hm_meter_init(struct hm_meter *l, const struct hm_cache_conf *conf, struct hm_warm *warm,
		  unsigned number);
void hm_meter_fini(struct hm_meter *l); // waits for the thread; a zeroed or half-built one, too
/* 1, 0: not yet, or a negative errno. */
int hm_meter_prepared(const struct hm_meter *l);

/* Records that the ring takes now, at most `budget`. */
unsigned hm_meter_room(const struct hm_meter *l, unsigned budget);

/* The control core: shows records in the ring to `put`, up to `max`, in pieces, and takes them out. */
unsigned hm_meter_move(struct hm_meter *l, unsigned max, uint64_t now_ns,
		       void (*put)(void *arg, const struct hm_flow_record *r, unsigned n,
				   uint64_t now_ns),
		       void *arg);
