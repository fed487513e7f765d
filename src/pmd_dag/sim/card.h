/* SPDX-License-Identifier: BSD-3-Clause */
/* card: a simulated card and its streams.
 *
 * Positions are running byte counts: released <= exposed <= produced. The reader's thread owns
 * released and exposed (sim_card_advance() is called by it alone); produced is the feeder's. Other
 * threads only look at the published copies. Everything else is guarded by sim_lock.
 */
#pragma once

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/time.h>

#include "pmd_dag/sim/dag_sim.h"
#include "pmd_dag/sim/ring.h"
#include "pmd_dag/sim/source.h"

struct sim_card;

struct sim_stream {
	struct sim_card *card;
	struct sim_ring ring;

	// the reader's
	uint8_t *bottom; // ring.mem + position of released
	uint64_t position;
	uint64_t released;
	uint64_t exposed;
	bool fresh;  // just started: nothing has arrived yet
	bool joined; // the feeder knows the reader's CPU

	// loaded traces: where each record starts, the padding, and the end
	uint32_t *index;
	uint64_t n_index, index_size;
	uint64_t filled;       // bytes written: while loading, or by the feeder
	uint64_t ring_packets; // records without padding
	uint64_t ring_records;
	uint64_t next;       // record to offer next
	uint64_t pass_start; // running offset of the ring's start in this pass
	uint64_t left;       // packets still to offer, UINT64_MAX: no end
	uint64_t offered;    // packets
	uint64_t add;        // 2^-32 s that a pass over the ring adds to the times
	bool again;          // not the first pass

	// published
	_Atomic uint64_t packets;
	_Atomic uint64_t exposed_bytes;
	_Atomic uint64_t released_bytes;
	_Atomic uint64_t violations;
	_Atomic uint64_t produced; // by the feeder; loaded: UINT64_MAX until all is exposed
	_Atomic int reader_cpu;    // -1 until known

	// under sim_lock; the reader's own calls look at them, too
	int attached_by; // descriptor, -1: nobody
	bool started;
	uint64_t mindata;
	struct timeval maxwait, poll;
	uint8_t *record; // end of what dag_rx_stream_next_record() gave out last
};

struct sim_card {
	char name[16];
	struct dag_sim_card conf; // path, fd and generator are the source's
	struct sim_record_form form;
	struct sim_source source;
	struct sim_card *next;
	uint32_t opens;
	bool from_file; // goes with its last close
	bool loaded;
	uint64_t copies; // laps in a ring of a loaded trace
	uint64_t lap_ts; // 2^-32 s that a lap adds
	uint32_t n_streams;
	struct sim_stream streams[DAG_SIM_STREAMS_MAX];

	_Atomic bool started; // dag_sim_card_start(), or no hold
	_Atomic bool paused;
	_Atomic uint64_t start_ns; // CLOCK_MONOTONIC of the first look, 0: none yet
	_Atomic uint64_t read_packets, cut, laps, skipped, corrected, file_bytes;
	_Atomic bool exhausted; // nothing will be produced any more
	_Atomic int failed;     // negative errno, set before exhausted
	struct hm_error error;  // valid once failed is set

	pthread_t feeder;
	bool feeding;
	_Atomic bool quit;
};

extern pthread_mutex_t sim_lock; // registry, handles, control state; never taken by advance

/* All with sim_lock held. */
struct sim_card *sim_card_find(const char *name);
struct sim_card *sim_card_create(const char *name, const struct dag_sim_card *conf,
				 struct hm_error *err);
void sim_card_destroy(struct sim_card *c);
int sim_stream_start(struct sim_stream *s);
void sim_stream_stop(struct sim_stream *s);

/* The reader's call: releases up to *bottom, offers what is there. NULL with errno on misuse. */
uint8_t *sim_stream_advance(struct sim_stream *s, uint8_t **bottom);

/* Stream that a packet belongs to: both directions of a flow in one. */
uint32_t sim_card_split(const struct sim_card *c, const struct hm_trace_packet *p);

/* Trace time that has come at this card's pace, UINT64_MAX without one. The first call starts the
 * clock. */
uint64_t sim_card_now_ns(struct sim_card *c);

/* Publishes what the reader of the trace has counted. */
void sim_card_count(struct sim_card *c);

/* load.c: 0, -EFBIG if the trace does not fit, or another negative errno. */
int sim_card_load(struct sim_card *c, uint64_t limit, struct hm_error *err);
void sim_stream_expose_loaded(struct sim_stream *s);

/* feed.c */
int sim_card_make_rings(struct sim_card *c, struct hm_error *err);
int sim_card_feed_start(struct sim_card *c);
void sim_card_feed_stop(struct sim_card *c);

/* cards.c: the card of the file named by DAG_SIM_CARDS. NULL with errno; sim_lock held. */
struct sim_card *sim_card_from_file(const char *name);
