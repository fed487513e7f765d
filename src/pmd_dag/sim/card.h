/* SPDX-License-Identifier: BSD-3-Clause */
/* card: a simulated card and its streams, as the reader's process has them.
 *
 * What the feeder must know as well is in struct sim_shared, where positions are explained. The
 * reader's thread owns released and exposed (sim_stream_advance() is called by it alone); other
 * threads only look at the published copies. Everything else is guarded by sim_lock.
 */
#pragma once

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/time.h>

#include "pmd_dag/sim/dag_sim.h"
#include "pmd_dag/sim/feeder.h"
#include "pmd_dag/sim/ring.h"
#include "pmd_dag/sim/shared.h"
#include "pmd_dag/sim/source.h"
#include "pmd_dag/sim/split.h"

struct sim_card;

struct sim_stream {
	struct sim_card *card;
	struct sim_shared_stream *shared;
	struct sim_ring ring;

	// the reader's
	uint8_t *bottom; // ring.mem + position of released
	uint64_t position;
	uint64_t released;
	uint64_t exposed;
	bool fresh;             // just started: nothing has arrived yet
	bool joined;            // the feeder knows the reader's CPU
	_Atomic uint64_t floor; // see dag_sim_stream_floor()

	// loaded traces: where each record starts, the padding, and the end
	uint32_t *index;
	uint64_t n_index, index_size;
	uint64_t filled;       // bytes written while loading
	uint64_t ring_packets; // records without padding
	uint64_t ring_records;
	uint64_t next;       // record to offer next
	uint64_t pass_start; // running offset of the ring's start in this pass
	uint64_t left;       // packets still to offer, UINT64_MAX: no end
	uint64_t offered;    // packets
	uint64_t add;        // 2^-32 s that a pass over the ring adds to the times
	bool again;          // not the first pass

	// under sim_lock; the reader's own calls look at them, too
	int attached_by; // descriptor, -1: nobody
	uint64_t mindata;
	struct timeval maxwait, poll;
	uint8_t *record; // end of what dag_rx_stream_next_record() gave out last
};

struct sim_card {
	char name[16];
	struct dag_sim_card conf;    // of what it points to, nothing may be looked at later
	struct sim_shared_file file; // loaded: no file, memory of this process
	struct sim_shared *shared;
	struct sim_card *next;
	uint32_t opens;
	bool from_file; // goes with its last close
	bool numbered;  // its records are
	uint32_t n_streams;
	struct sim_stream streams[DAG_SIM_STREAMS_MAX];

	// loaded
	bool loaded;
	uint64_t copies; // laps in a ring of a loaded trace
	uint64_t lap_ts; // 2^-32 s that a lap adds
	struct sim_record_form form;
	struct sim_split split;
	struct sim_source source;
	_Atomic uint64_t start_ns; // CLOCK_MONOTONIC of the first look, 0: none yet

	// fed by this process
	struct sim_feeder *feeder;
	pthread_t thread;
	bool feeding;

	struct hm_error error; // valid once shared->failed is set
};

extern pthread_mutex_t sim_lock; // registry, handles, control state; never taken by advance

/* All with sim_lock held. */
struct sim_card *sim_card_find(const char *name);
struct sim_card *sim_card_create(const char *name, const struct dag_sim_card *conf,
				 struct hm_error *err);
void sim_card_destroy(struct sim_card *c);
int sim_stream_attach(struct sim_stream *s, int fd, uint64_t window);
void sim_stream_detach(struct sim_stream *s);
int sim_stream_start(struct sim_stream *s);
void sim_stream_stop(struct sim_stream *s);

/* The reader's call: releases up to *bottom, offers what is there. NULL with errno on misuse, and
 * when the card has failed; nothing has changed then. */
uint8_t *sim_stream_advance(struct sim_stream *s, uint8_t **bottom);

/* Whether the configuration makes sense, without opening anything. */
int sim_card_check(const char *name, const struct dag_sim_card *conf, struct hm_error *err);

/* Trace time that has come at this card's pace, UINT64_MAX without one. The first call starts the
 * clock. */
uint64_t sim_card_now_ns(struct sim_card *c);

/* load.c: 0, -EFBIG if the trace does not fit, or another negative errno. */
int sim_card_load(struct sim_card *c, uint64_t limit, struct hm_error *err);
void sim_stream_expose_loaded(struct sim_stream *s);
/* Number of the record to be exposed next; UINT64_MAX: none. */
uint64_t sim_stream_next_number(const struct sim_stream *s);

/* cards.c: what a file of cards says of one is handed to `use`, with everything it points to; its
 * result. A negative errno with err if it says nothing of it, or anything wrong of any card. */
typedef int sim_card_use(const char *name, const struct dag_sim_card *conf, void *arg,
			 struct hm_error *err);
int sim_cards_read(const char *path, const char *name, sim_card_use *use, void *arg,
		   struct hm_error *err);
/* The card of the file named by DAG_SIM_CARDS. NULL with errno; sim_lock held. */
struct sim_card *sim_card_from_file(const char *name);
