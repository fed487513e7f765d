/* SPDX-License-Identifier: BSD-3-Clause */
/* source: what a card plays, as packets with times that rise from lap to lap, and as ERF records.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "pmd_dag/sim/dag_sim.h"
#include "trace/trace.h"

/* The packets of a short lap of made traffic, so that it need not be made again. */
struct sim_lap {
	struct hm_trace_packet *packet; // data are set when they are played
	uint8_t *data;
	uint64_t n_packets, n_data;
	uint64_t next_packet, next_data; // to be played
	bool complete;
};

struct sim_source {
	struct hm_trace_reader *reader;
	struct hm_generator *generator;
	char *path; // NULL for a descriptor
	char *plant;
	struct hm_generator_conf conf;
	enum hm_link link;
	uint64_t laps_max;                 // 0: for ever
	uint64_t laps;                     // begun
	uint64_t packets;                  // of this lap
	uint64_t first_ns, min_ns, max_ns; // of the first lap
	uint64_t lap_ns;                   // what each lap adds to the times, known after the first
	struct sim_lap lap;
};

/* 0 or negative errno. Takes over card->fd on success. */
int sim_source_open(struct sim_source *s, const struct dag_sim_card *card, struct hm_error *err);
void sim_source_close(struct sim_source *s); // also of a zeroed one

/* Next packet of this lap, times as in the trace: 1, 0 at its end, or negative errno with err. */
int sim_source_next(struct sim_source *s, struct hm_trace_packet *p, struct hm_error *err);

/* After the end of a lap: computes lap_ns. */
void sim_source_lap_done(struct sim_source *s);
/* Starts the trace again. 0 or negative errno. */
int sim_source_rewind(struct sim_source *s, struct hm_error *err);

struct sim_shared;
/* Publishes what the reader of the trace has counted. */
void sim_source_count(const struct sim_source *s, struct sim_shared *shared);

/* Size of the trace in bytes if it is a regular file, else UINT64_MAX. */
uint64_t sim_source_file_size(const struct dag_sim_card *card);

/* --- records --- */

#define SIM_RECORD_MAX 65528u // the largest multiple of 8 that rlen can say

/* How packets become records. */
struct sim_record_form {
	uint32_t fcs;  // 32: an FCS is computed and appended to whole frames; 0: none
	bool sequence; // a Classification extension header numbers the card's records
	bool color;    // records are COLOR_ETH, without loss counter
};

struct sim_record_form sim_record_form_of(const struct dag_sim_card *card);

struct sim_stamp {
	uint64_t ts_ns;
	uint32_t sequence;
	uint16_t field; // loss counter or color
};

/* Bytes of p's record: a multiple of 8, but for a snapped frame, whose end is the record's. */
uint32_t sim_record_size(const struct hm_trace_packet *p, const struct sim_record_form *form);
/* The number in a record that has one. */
uint32_t sim_record_number(const uint8_t *rec);
/* Writes it, type ETH: frames of every link type are carried as they are. True if p was cut. */
bool sim_record_write(uint8_t *rec, const struct hm_trace_packet *p, const struct sim_stamp *stamp,
		      const struct sim_record_form *form);
/* As rlen, lctr and wlen are written. */
void sim_put_be16(uint8_t *p, uint32_t v);
/* Fills n bytes, at least 16, with PAD records. */
void sim_record_pad(uint8_t *rec, uint64_t n);
/* Raises time (2^-32 s) and sequence of a record where it is. */
void sim_record_raise(uint8_t *rec, uint64_t ts, uint32_t sequence,
		      const struct sim_record_form *form);
