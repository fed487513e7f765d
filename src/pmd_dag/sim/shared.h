/* SPDX-License-Identifier: BSD-3-Clause */
/* shared: what the feeder and the reader of a card have in common, in one process or in two.
 *
 * Each stream is a ring of bytes with running counts: released <= exposed <= produced <= released +
 * ring size. Produced and the drop counter are the feeder's, released and exposed the reader's; the
 * index in the ring is the count modulo its size. A card that a process of its own feeds is a file:
 * this structure, then the rings. Locks on bytes of that file say who has a stream attached, and
 * who feeds; the kernel gives them back when their owner dies.
 */
#pragma once

#include <stdalign.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "pmd_dag/sim/dag_sim.h"
#include "pmd_dag/sim/ring.h"

struct sim_shared_stream {
	// the feeder's
	alignas(64) _Atomic uint64_t produced; // loaded: UINT64_MAX until all is exposed
	_Atomic uint64_t packets;
	_Atomic uint64_t drops;    // the card's counter: it begins anywhere and never goes back
	_Atomic uint64_t error_at; // running count at which the stream fails with `error`
	_Atomic int error;         // errno, 0: none; EAGAIN goes away again

	// the reader's
	alignas(64) _Atomic uint64_t released;
	_Atomic uint64_t exposed;
	_Atomic uint64_t violations;
	_Atomic int reader_cpu; // -1 until known
	_Atomic bool started;
};

struct sim_shared {
	uint64_t magic; // set last
	uint32_t version;
	uint32_t n_streams;
	uint64_t ring_size;
	_Atomic uint32_t link;
	_Atomic uint64_t generation; // feeders so far
	_Atomic uint64_t heartbeat;  // ms of CLOCK_MONOTONIC, 0: the feeder said goodbye
	_Atomic bool hold;           // nothing is offered yet
	_Atomic bool paused;
	_Atomic uint64_t
		fed; // packets below this number are in a ring, or nowhere; stored behind `produced`
	_Atomic bool exhausted; // nothing will be produced any more; after the last change of it
	_Atomic int failed;     // negative errno, set before exhausted
	_Atomic uint64_t laps, read_packets, skipped, corrected, cut, file_bytes;
	_Atomic uint64_t sent, dropped, spoiled, filtered, unread; // see struct dag_sim_status
	struct sim_shared_stream stream[DAG_SIM_STREAMS_MAX];
};

/* A card file, opened by a feeder or by a reader. */
struct sim_shared_file {
	int fd;
	struct sim_shared *shared;
};

void sim_shared_init(struct sim_shared *s, const struct dag_sim_card *conf, uint64_t ring_size);

/* Opens the card's file, or makes it if there is none; whoever comes second finds it made. Without
 * conf->shared the descriptor `fd`, which is taken over on success. */
int sim_shared_open(struct sim_shared_file *f, const struct dag_sim_card *conf, int fd,
		    struct hm_error *err);
void sim_shared_close(struct sim_shared_file *f);
/* Maps a stream's ring. */
int sim_shared_ring(const struct sim_shared_file *f, uint32_t stream, struct sim_ring *ring);

/* Locks the card for this opening's feeder: 0 or -1 with EBUSY. */
int sim_shared_lock_feeder(const struct sim_shared_file *f);
/* Locks a stream for this opening of the file: 0 or -1 with EBUSY. */
int sim_shared_attach(const struct sim_shared_file *f, uint32_t stream);
void sim_shared_detach(const struct sim_shared_file *f, uint32_t stream);

uint64_t sim_now_ns(void); // CLOCK_MONOTONIC, the same in all processes
