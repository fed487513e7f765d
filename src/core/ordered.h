/* SPDX-License-Identifier: BSD-3-Clause */
/* ordered: the part of a device's flows that sees packets in the order of the wire, though several queues bring
 * them. It begins in each flow with the first function that is ordered (function.h) or read by one, and runs on
 * one worker of the device, with one state a function. What lies before it runs on every lane, whose last entry
 * marks the packets that go on; behind the program, the lane puts them into its queue's ring (order.h).
 *
 * The order is that of a trace's records, by the numbers that the simulated card gives them; of other devices by
 * time, with a slack: a queue that is empty is trusted to bring nothing older than that.
 */
#pragma once

#include "core/node.h"
#include "core/order.h"
#include "core/worker.h"

struct rte_mbuf;

struct hm_ordered {
	struct hm_order *order;
	struct hm_nodes *nodes; // of the ordered parts of all flows
	// publish.c
	struct hm_filter_index *filter_index;
	struct hm_searches *searches;

	// of its worker
	struct hm_lane *lane; // whose worker runs the ordered part
	uint32_t n_queues;
	bool by_number;    // keys are the records' numbers, not times
	uint64_t slack_ns; // by time only
	// the ordered parts of all flows; control core writes
	_Atomic(struct hm_program *) program;
	_Atomic bool drained; // worker: all queues have ended, everything is done
	uint64_t newest_ns;   // worker: time of the newest packet run
	uint32_t unsampled;   // batches since one was timed
	struct hm_sample stages[HM_STAGES];
	alignas(64) _Atomic uint64_t seen_ns; // about the newest time on any queue; by time only
};

/* What its rings will be like; hm_order_memory() says what they take, outside of EAL's memory. */
struct hm_order_conf hm_ordered_conf(const struct hm_device_config *c, unsigned n_lanes,
				     int socket);
/* Control core: what the device's lanes share, before the first flow needs it. NULL with err. */
struct hm_ordered *hm_ordered_create(const struct hm_device *d, struct hm_error *err);
/* When its flows are gone and publish.c has freed its program. NULL is allowed. */
void hm_ordered_destroy(struct hm_ordered *o);

/* --- workers --- */

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
/* On its own worker: runs the next packets. `wait`: not while an output is full. Returns how many. */
unsigned hm_ordered_run(struct hm_ordered *o, struct hm_worker *w, bool wait);
void hm_ordered_tick(struct hm_ordered *o, struct hm_worker *w);
/* On its own worker, when all lanes have ended: true: nothing is left. */
bool hm_ordered_drain(struct hm_ordered *o, struct hm_worker *w, bool wait);
