/* SPDX-License-Identifier: BSD-3-Clause */
/* ordered: the parts of a device's flows that see packets in the order of the wire, though several queues bring
 * them. Such a part begins in each flow with the first function that is ordered (function.h) or read by one. What lies
 * before it runs on every lane, whose last entry marks the packets that go on; behind the program, the lane puts them
 * into its queue's rings (order.h).
 *
 * There are two orders. Either all packets are one after another, on one worker of the device, with one state a
 * function; or only those between the same two addresses are (pairs.h), and each worker owns its share of such pairs.
 * A runner has a ring from each queue, a program and, of each function, a state.
 *
 * The order is that of a trace's records, by the numbers that the simulated card gives them; of other devices by
 * time, with a slack: a queue that is empty is trusted to bring nothing older than that.
 */
#pragma once

#include "core/node.h"
#include "core/order.h"
#include "core/pairs.h"
#include "core/worker.h"

struct rte_mbuf;

enum hm_order_kind { HM_ORDER_ALL, HM_ORDER_PAIRS, HM_ORDER_KINDS };

/* What one worker owns and runs. */
struct hm_runner {
	struct hm_order *order;
	struct hm_lane *lane;
	// the ordered parts of all flows; control core writes
	_Atomic(struct hm_program *) program;
	_Atomic bool drained; // worker: all queues have ended, everything is done
	uint64_t newest_ns;   // worker: time of the newest packet run
	uint32_t unsampled;   // batches since one was timed
	struct hm_sample stages[HM_STAGES];
	// publish.c
	struct hm_searches *searches;
	struct hm_program *next, *old;
};

/* Which packets of a lane's present batch are whose. */
struct hm_shares {
	alignas(64) uint64_t number, known; // of the batch; the packets that have been looked at
	uint64_t of[HM_PAIR_PARTS];         // runner
};

struct hm_runners {
	unsigned n, first_lane; // runner k runs on lane first_lane + k, modulo the device's lanes
	struct hm_nodes *nodes; // of the ordered parts of all flows, with a state for each runner
	struct hm_filter_index *filter_index; // publish.c
	struct hm_shares *shares;             // by lane; NULL with one runner
	struct hm_runner runner[HM_PAIR_PARTS];
};

/* Of a device. */
struct hm_ordered {
	uint32_t n_queues, n_lanes;
	bool by_number;    // keys are the records' numbers, not times
	uint64_t slack_ns; // by time only
	_Atomic(struct hm_runners *) runners[HM_ORDER_KINDS]; // NULL until a flow needs them
	alignas(64) _Atomic uint64_t seen_ns; // about the newest time on any queue; by time only
};

/* Those of this order, NULL as long as no flow needs them. `o` may be NULL. Any thread. */
static inline struct hm_runners *hm_ordered_get(const struct hm_ordered *o, enum hm_order_kind kind)
{
	return o ? atomic_load_explicit(&o->runners[kind], memory_order_acquire) // hm_ordered_make
		 : NULL;
}

/* Runs the body for those of each order that there are, `s`; for each runner of each of them, `r`. */
#define hm_runners_foreach(s, o)                                         \
	for (enum hm_order_kind kind = 0; kind < HM_ORDER_KINDS; kind++) \
		for (struct hm_runners *s = hm_ordered_get(o, kind); s; s = NULL)
#define hm_runner_foreach(r, o)                                 \
	hm_runners_foreach (runners_##r, o)                     \
		for (struct hm_runner *r = runners_##r->runner; \
		     r < runners_##r->runner + runners_##r->n; r++)

/* --- control core --- */

/* How many workers own a share of the packets, of a device with so many lanes. */
unsigned hm_ordered_runners(enum hm_order_kind kind, unsigned n_lanes);
/* What all rings will take, outside of EAL's memory, if flows need both orders. */
uint64_t hm_ordered_memory(const struct hm_device_config *c, unsigned n_lanes);
/* What the device's lanes share, before the first flow needs it; and the runners. NULL with err. */
struct hm_ordered *hm_ordered_create(const struct hm_device *d, struct hm_error *err);
struct hm_runners *hm_ordered_make(struct hm_ordered *o, const struct hm_device *d,
				   enum hm_order_kind kind, struct hm_error *err);
/* When its flows are gone and publish.c has freed its programs. NULL is allowed. */
void hm_ordered_destroy(struct hm_ordered *o);
/* Everything is done, behind the end of all queues. NULL: there was nothing. */
bool hm_ordered_drained(const struct hm_ordered *o);

/* As hm_order_flow_...(): a flow has the same ref with all runners; counts are their sums. */
uint32_t hm_runners_flow_add(struct hm_runners *s);
void hm_runners_flow_stop(struct hm_runners *s, uint32_t ref);
void hm_runners_flow_remove(struct hm_runners *s, uint32_t ref);
void hm_runners_flow_counts(const struct hm_runners *s, uint32_t ref, struct hm_order_counts *c);
void hm_runners_counts(const struct hm_runners *s, struct hm_order_counts *c);
/* The lcores that run the ordered parts. */
json_t *hm_runners_lcores(const struct hm_runners *s, const struct hm_device *d);

/* --- workers --- */

/* The flow wants these packets of the lane's present batch. */
void hm_runners_mark(struct hm_runners *s, unsigned lane, uint32_t ref, const struct hm_batch *b,
		     uint64_t mask);
/* Whether a lossless source may be asked for a batch of this queue. */
bool hm_ordered_ready(struct hm_ordered *o, const struct hm_queue *q);
/* Behind the program: hands over what it has marked. */
void hm_ordered_put(struct hm_ordered *o, struct hm_lane *l, struct hm_queue *q,
		    const struct hm_batch *b, struct rte_mbuf *const *mbufs);
/* Before a look at the queue: the time of the device, as far as this queue may rely on it. */
uint64_t hm_ordered_now(const struct hm_ordered *o, struct hm_queue *q);
/* After the look, that brought n packets: how far the queue has come. */
void hm_ordered_publish(struct hm_ordered *o, const struct hm_queue *q, unsigned n,
			uint64_t now_ns);
/* The source has nothing more for this lane. */
void hm_ordered_end(struct hm_ordered *o, const struct hm_lane *l);
/* Runs the next packets that the lane's worker owns, as many batches as all queues bring in the time of one look at
 * each. `wait`: not while an output is full. Returns how many packets. */
unsigned hm_ordered_run(struct hm_ordered *o, struct hm_lane *l, struct hm_worker *w, bool wait);
void hm_ordered_tick(struct hm_ordered *o, struct hm_lane *l, struct hm_worker *w);
/* The source has ended; when all lanes have, what the lane's worker owns becomes drained. */
void hm_ordered_finish(struct hm_ordered *o, struct hm_lane *l, struct hm_worker *w, bool wait);
/* The worker ends: runs what has been put; true: nothing is left that it owns. */
bool hm_ordered_drain(struct hm_ordered *o, struct hm_lane *l, struct hm_worker *w, bool wait);
