/* SPDX-License-Identifier: BSD-3-Clause */
/* card: a simulated card, its channels and its readers. Everything is guarded by sze2_lock.
 *
 * Positions in a channel are running byte counts: released <= locked <= written. The ring is mapped
 * once, ends against an inaccessible page, and its length may be any number: so a segment can be cut
 * by the seam at any of its bytes.
 */
#pragma once

#include <pthread.h>

#include "pmd_dag/sim/source.h"
#include "pmd_dag/sim/split.h"
#include "pmd_dag/sim_sze2/libsze2.h"
#include "pmd_dag/sim_sze2/sze2_sim.h"

#define SZE2_SEGMENT_MAX 24576u
#define SZE2_NO_CUT      UINT32_MAX

struct sze2_ring {
	uint8_t *mem;
	uint64_t size;
	void *map;
	uint64_t map_size;
};

struct sze2_segment {
	uint64_t end; // position behind it
	uint32_t cut; // bytes after which the lock ends, SZE2_NO_CUT: none
};

struct sze2_channel {
	struct sze2_ring ring;
	uint64_t written, locked, released;
	struct sze2_segment *segments; // those between released and written, in a circle
	uint64_t n_segments;           // size of the circle
	uint64_t head, tail;           // running: written, released
	uint64_t lock_tail;            // what the lock covers
	uint64_t frames, lost;
	uint64_t locks, unlocks, subscribes, starts; // calls so far, for the faults
	uint32_t unplugged;                          // errno, 0: no
	bool fresh;                                  // just started: nothing new has arrived yet
	const struct szedata *reader;
};

struct sze2_card {
	char name[32];
	struct sze2_sim_card conf; // generator and path are the source's
	struct sze2_sim_fault *faults;
	struct sim_source source;
	struct sim_split split;
	struct hm_trace_packet packet; // waits for room
	bool waiting;
	bool exhausted;
	uint64_t add_ns;   // to the times of this lap
	uint64_t start_ns; // CLOCK_MONOTONIC of the first look, 0: none yet
	uint64_t sent, cut, violations;
	uint32_t handles;
	uint32_t n_unplugged; // channels
	uint32_t *lengths;    // preloaded: of the segments in the ring
	uint64_t n_lengths, next_length;
	struct sze2_card *next;
	struct sze2_channel channels[SZE2_SIM_CHANNELS_MAX];
};

extern pthread_mutex_t sze2_lock;

/* card.c; with sze2_lock held. NULL with errno. */
struct sze2_card *sze2_card_find(const char *name);
struct sze2_card *sze2_card_create(const char *name, const struct sze2_sim_card *conf,
				   struct hm_error *err);

/* cards.c: the card of the file named by SZE2_SIM_CARDS. NULL with errno. */
struct sze2_card *sze2_card_from_file(const char *name);

/* feed.c: lets frames arrive, as far as the pace and the room allow. */
void sze2_card_feed(struct sze2_card *c);
int sze2_card_preload(struct sze2_card *c, struct hm_error *err);

/* The fault that strikes call or segment `at` of a channel, NULL: none. */
const struct sze2_sim_fault *sze2_card_fault(const struct sze2_card *c, enum sze2_sim_what what,
					     uint32_t channel, uint64_t at);

/* ring.c: 0 or negative errno. */
int sze2_ring_init(struct sze2_ring *r, uint64_t size);
void sze2_ring_fini(struct sze2_ring *r); // also of a zeroed one
void sze2_ring_write(struct sze2_ring *r, uint64_t pos, const uint8_t *from, uint64_t n);
void sze2_ring_poison(struct sze2_ring *r, uint64_t pos, uint64_t n);
