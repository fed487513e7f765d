/* SPDX-License-Identifier: BSD-3-Clause */
/* dag_sim: simulated DAG cards for the process that links libdag_sim.so.
 *
 * A card plays a trace (or made traffic) into receive streams which are read through the calls of
 * libdag that this library implements. Cards come from the JSON file named by the environment
 * variable DAG_SIM_CARDS, or from dag_sim_card_add().
 *
 * A trace that fits into memory is loaded into the ring before the first packet, and each lap
 * only raises the timestamps where they are; nothing is lost then. Everything else is fed: by a
 * thread of the card, or, if the card is a file (`shared`), by the program homard-cardfeed. A
 * fed card may lose packets, and may do all that goes wrong with cards (script.h). All functions
 * here are for control threads: they lock, allocate and may read whole files.
 */
#pragma once

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include <jansson.h>

#include "core/error.h"
#include "trace/generator.h"

#define DAG_SIM_STREAMS_MAX 32
#define DAG_SIM_DROP_ATTR   1000 // code of the stream drop attribute

enum dag_sim_sequence { DAG_SIM_NUMBER_STREAMS, DAG_SIM_NUMBER_NEVER, DAG_SIM_NUMBER_ALWAYS };

struct dag_sim_card {
	const char *path; // trace file, or NULL
	int fd;           // trace if path is NULL, taken over on success; -1: none
	const struct hm_generator_conf *generator; // if neither; packets == 0: for ever
	double pace;         // 0: as fast as the reader; 1: by the timestamps; N: N times faster
	uint64_t loop;       // laps, 0: for ever; a pipe can be played once only
	uint32_t streams;    // receive streams 0, 2, 4 ...; packets are split by flow
	uint32_t fcs;        // 32: an FCS is computed and appended to whole frames; 0: none
	uint32_t buffer_mb;  // ring of each stream of a trace that is not loaded
	uint32_t preload_mb; // traces up to this size are loaded; 0: none
	enum dag_sim_sequence sequence; // number the records as they come (extension header 3)
	const json_t *rules;            // the card's filter: split.h
	bool poison;                    // overwrite what the reader has released (fed cards)
	bool hold;                      // wait for dag_sim_card_start()

	// cards that are fed
	const char *shared; // the card is this file, and a process of its own feeds it
	uint64_t rate_pps;  // packets a second by the host's clock; 0: as `pace` says
	bool lossy;         // what finds no room is dropped, counted and told by loss counters
	uint64_t drop_base; // what the drop counters begin with
	uint32_t drop_bits; // and when they wrap: 32 or 64
	uint32_t unplug_ms; // feeder silent for so long: the card is gone (ENODEV); 0: it is quiet
	const json_t *faults; // what goes wrong: script.h
};

#define DAG_SIM_CARD_DEFAULTS                                                                      \
	{                                                                                          \
		.fd = -1, .loop = 1, .streams = 1, .fcs = 32, .buffer_mb = 64, .preload_mb = 1536, \
		.drop_bits = 64,                                                                   \
	}

enum dag_sim_state {
	DAG_SIM_WAITING, // for its start, or for a reader
	DAG_SIM_RUNNING,
	DAG_SIM_PAUSED,
	DAG_SIM_FINISHED, // the reader has given back every record
	DAG_SIM_FAILED,   // the same, but the trace ended with an error
};

struct dag_sim_stream_status {
	uint64_t packets;        // put before the reader
	uint64_t bytes;          // of records, put before the reader
	uint64_t released_bytes; // given back by it
	uint64_t buffer_bytes;   // size of the ring
	uint64_t drops;          // its drop counter
};

struct dag_sim_status {
	enum dag_sim_state state;
	char error[HM_ERROR_MAX]; // why it failed: file, offset, cause
	enum hm_link link;
	bool preloaded;
	uint64_t laps;      // done: put before the reader wholly
	uint64_t packets;   // read from the source; a loaded trace is read once
	uint64_t skipped;   // records of the trace that are no packets, one lap
	uint64_t corrected; // packets whose captured length exceeded the wire length, one lap
	uint64_t cut;       // packets longer than an ERF record can hold, one lap
	uint64_t file_bytes;
	// fed cards: sent = put before readers as intact frames + dropped + spoiled
	uint64_t sent;       // packets that the card took in: all but `filtered` and `unread`
	uint64_t dropped;    // no room; the drop counters of the streams say it, too
	uint64_t spoiled;    // a fault made something else of the packet than a good frame
	uint64_t filtered;   // dropped by a rule of the card's filter
	uint64_t unread;     // lossy: for streams that nobody had started
	uint64_t violations; // wrong calls of the reader: always 0 with a correct driver
	uint32_t streams;
	struct dag_sim_stream_status stream[DAG_SIM_STREAMS_MAX];
};

#pragma GCC visibility push(default)

/* Makes card `name` ("dag0" ... "dag9999"). Opens and, if it fits, loads the trace. 0, -EEXIST, or
 * another negative errno; err says what is wrong. */
int dag_sim_card_add(const char *name, const struct dag_sim_card *card, struct hm_error *err);

/* Lets a held or paused card go on; 0 or -ENOENT. */
int dag_sim_card_start(const char *name);

/* The card offers nothing new until it is started again; 0 or -ENOENT. */
int dag_sim_card_pause(const char *name);

/* 0, -ENOENT, or -EBUSY while somebody has it open. */
int dag_sim_card_remove(const char *name);

int dag_sim_card_status(const char *name, struct dag_sim_status *status); // 0 or -ENOENT

/* The floor of the i-th stream of a card that numbers its records, NULL if there is none: every record
 * with a lower number has been given back by the reader, whether or not others follow. UINT64_MAX: it
 * has all been. Rises as the reader asks for more, even if nothing comes. The address stays valid
 * until the card is removed; any thread may read there. */
const _Atomic uint64_t *dag_sim_stream_floor(const char *name, uint32_t i);

#pragma GCC visibility pop
