/* SPDX-License-Identifier: BSD-3-Clause */
/* worker: the whole life of a packet on a polling core, in worker.c: burst, parse, program, release.
 *
 * A lane is what one worker has of one device: its queues, and the program it runs over their batches.
 * The control core publishes a program with one pointer store and frees the old one after a quiescent
 * state (librte_rcu). A worker writes its blocks, nothing else is shared.
 */
#pragma once

#include <rte_rcu_qsbr.h>
#include <stdalign.h>
#include <stdatomic.h>

#include "core/config.h"
#include "core/program.h"

/* What one queue has received, for the ledger. One writer, its worker; hm_rx_read() is consistent:
 * received = parsed + sum of rejected + in_flight. */
struct hm_rx_block {
	alignas(64) _Atomic uint32_t sequence; // odd while it is written
	_Atomic uint64_t received, parsed, in_flight;
	_Atomic uint64_t bytes; // on the wire, of all received
	_Atomic uint64_t cut;   // chained buffers of which only the first segment was looked at
	_Atomic uint64_t newest_ns;
	_Atomic uint64_t rejected[HM_PARSE_OUTCOMES]; // [HM_PARSE_OK] stays 0
};

struct hm_rx_counts {
	uint64_t received, parsed, in_flight, bytes, cut, newest_ns;
	uint64_t rejected[HM_PARSE_OUTCOMES];
};

struct hm_queue {
	uint16_t port, queue, burst;
	// for the order across queues (ordered.h)
	const _Atomic uint64_t *source_floor; // a trace's: dag_sim_stream_floor(); else NULL
	uint64_t last_key;                    // of its newest packet
	uint64_t seen_ns, seen_clock_ns;      // a time, and the host's when it was new here
	struct hm_rx_block block;
};

struct hm_ordered;  // core/ordered.h
struct hm_injector; // core/injector.h

struct hm_lane {
	_Atomic(struct hm_program *) program; // control core writes
	_Atomic(struct hm_program *)
		adopted; // worker: its marks are taken, the one before is never run again
	_Atomic(struct hm_ordered *) ordered; // the same; NULL as long as no flow needs it
	struct hm_device *device;
	struct hm_injector *injector; // whose packets its worker sends; NULL: of none
	uint16_t number;              // among the device's lanes
	// how to read a packet buffer, set before the device starts
	int ts_offset, capture_offset, sequence_offset; // of the dynamic fields, < 0: none
	uint64_t ts_flag;
	// ns = ts_base_ns + (time stamp - ts_base_ticks) * ts_factor / 2^32
	uint64_t ts_base_ns, ts_base_ticks;
	_Atomic uint64_t ts_factor; // 2^32 for nanoseconds; the control core calibrates others
	enum hm_link link;
	uint16_t device_index;
	struct hm_parse_conf parse;
	bool adaptive;    // may sleep when nothing comes
	bool lossless;    // the source waits: nothing is received while an output is full
	bool packet_time; // a trace: time passes with packets only

	_Atomic bool running; // control core: poll it
	_Atomic bool ending;  // control core: the source has nothing more to offer
	_Atomic bool drained; // worker: ending, everything received has been counted and moved
	_Atomic uint32_t sample_batches; // control core: one batch of so many is timed, 0: none
	uint32_t unsampled;              // batches since
	struct hm_sample stages[HM_STAGES];
	uint64_t newest_ns;
	uint64_t aged_ns, aged_clock_ns; // the newest packet's time, and the host's when it was new
	uint16_t n_queues;
	struct hm_queue *queues[HM_QUEUES_MAX];
};

struct hm_worker {
	unsigned index, lcore;
	int socket;
	struct rte_rcu_qsbr *qsbr;
	_Atomic bool *stop;
	_Atomic bool done;
	// control core writes: at most one of a device; NULL where one has gone
	_Atomic(struct hm_lane *) lanes[HM_DEVICES_MAX];
	_Atomic uint16_t n_lanes; // of these places, never fewer
	struct hm_workspace workspace;
	struct hm_batch batch;
};

/* The lcore function: runs until *w->stop, drains, sets w->done. */
int hm_worker_main(void *worker);

/* Control core: from now on the worker polls the lane, or no longer: then it may be freed after a quiescent state. */
void hm_worker_add(struct hm_worker *w, struct hm_lane *l);
void hm_worker_remove(struct hm_worker *w, struct hm_lane *l);

/* A consistent copy. Any thread. */
void hm_rx_read(const struct hm_rx_block *block, struct hm_rx_counts *c);
