/* SPDX-License-Identifier: BSD-3-Clause */
/* feeder: writes packets of a source into the rings of a card, as records, at the card's pace, and
 * does to them what the script says. Runs in a thread of the reader's process or in one of its own;
 * all that it shares with the reader is struct sim_shared and the rings.
 */
#pragma once

#include "pmd_dag/sim/script.h"
#include "pmd_dag/sim/shared.h"
#include "pmd_dag/sim/source.h"
#include "pmd_dag/sim/split.h"

#define SIM_INTERFACES 8

struct sim_feeder_stream {
	struct sim_ring ring; // this feeder's own mapping
	uint64_t filled;      // bytes written; published as `produced`
	uint64_t packets;
	uint32_t lost[SIM_INTERFACES]; // since the interface's last record
	bool cut_off;                  // a partial record that is never completed
};

struct sim_feeder {
	struct sim_shared *shared;
	struct sim_source source;
	struct sim_record_form form;
	struct sim_split split;
	struct sim_script script;
	double pace;
	uint64_t rate_pps;
	bool lossy;
	uint32_t drop_bits;
	_Atomic bool quit; // set by others

	uint64_t n;    // packets of the source so far
	uint64_t done; // the same, without the one that waits for room
	uint64_t start_ns;
	uint64_t base_ns;    // trace time at start_ns
	uint64_t lap_ns;     // added to times: laps
	int64_t clock_ns;    // added to times: the script
	uint32_t pending;    // records written since the last publication
	uint64_t counted[5]; // sent, dropped, spoiled, filtered, unread: published with them
	int cpus[DAG_SIM_STREAMS_MAX];
	bool dead; // the script ended it without a word
	struct sim_feeder_stream stream[DAG_SIM_STREAMS_MAX];
};

/* Opens the source and maps the rings. 0 or negative errno; sim_feeder_fini() in both cases. */
int sim_feeder_init(struct sim_feeder *f, const struct sim_shared_file *file,
		    const struct dag_sim_card *conf, struct hm_error *err);
/* Feeds to the end, or until `quit`. 0, -ECANCELED, or what was wrong with the source. */
int sim_feeder_run(struct sim_feeder *f, struct hm_error *err);
void sim_feeder_fini(struct sim_feeder *f);

/* --- for fault.c --- */

enum sim_count { SIM_SENT, SIM_DROPPED, SIM_SPOILED, SIM_FILTERED, SIM_UNREAD };

/* What a fault does to the next record. */
struct sim_twist {
	int rlen, type; // -1: as it should be
	uint8_t flags;
	uint32_t extensions; // more of them
	uint8_t extension_type;
	bool chain, damage;
	uint32_t partial; // 0: whole
	uint64_t partial_ms;
};

/* Makes what is written visible. */
void sim_feeder_publish(struct sim_feeder *f);
/* Waits 50 us, or shorter; publishes first. False: the feeder must end. */
bool sim_feeder_pause(struct sim_feeder *f);
bool sim_feeder_sleep(struct sim_feeder *f, uint64_t ms);
/* Waits until the stream has room, or until its reader has taken everything. */
bool sim_feeder_wait_room(struct sim_feeder *f, struct sim_feeder_stream *s, uint64_t size);
bool sim_feeder_wait_empty(struct sim_feeder *f, struct sim_feeder_stream *s);
/* Counts packets that the card lost. */
void sim_feeder_lose(struct sim_feeder *f, struct sim_feeder_stream *s, uint8_t interface,
		     uint64_t n);

static inline struct sim_shared_stream *sim_feeder_shared(struct sim_feeder *f,
							  const struct sim_feeder_stream *s)
{
	return &f->shared->stream[s - f->stream];
}

/* fault.c: does what an event says at once, or notes it in `twist`. False: the feeder must end. */
bool sim_fault_fire(struct sim_feeder *f, struct sim_feeder_stream *s, const struct sim_event *e,
		    uint64_t ts_ns, struct sim_twist *twist);
/* Changes the record of *size bytes; its ring has room. True if it is no intact frame any more. */
bool sim_fault_twist(uint8_t *rec, uint32_t *size, const struct sim_twist *twist);
