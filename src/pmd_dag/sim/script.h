/* SPDX-License-Identifier: BSD-3-Clause */
/* script: what goes wrong on a fed card, and when.
 *
 *	"faults": [ { "fault": "pad", "at": 10, "count": 1000 },
 *	            { "fault": "rlen", "at": 50, "value": 7 },
 *	            { "fault": "meta", "every": 100 },
 *	            { "fault": "random", "every": 500, "seed": 3 } ]
 *
 * `at` is the number of a packet of the source, from 0; `every` repeats the fault, `times` limits
 * that. Faults either put something before the packet's record, or change that record, or happen to
 * its stream. docs/nics/dag.md lists them. "random" is one of those that a stream survives with its
 * count of packets known.
 */
#pragma once

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>

#include "core/error.h"

#define SIM_FAULTS_MAX 64
#define SIM_FAULT_HEX  4096 // bytes of a "record"

enum sim_fault {
	// put before the record
	SIM_FAULT_PAD,    // count records of `value` bytes, the first with loss counter `lctr`
	SIM_FAULT_META,   // drops and clock as they are, and a tag of 'value'
	SIM_FAULT_RECORD, // bytes of `hex`, whatever they are
	// change the record
	SIM_FAULT_RLEN,      // length `value`; everything else is kept away from it
	SIM_FAULT_TYPE,      // type `value`
	SIM_FAULT_FLAGS,     // these flags are set
	SIM_FAULT_EXTENSION, // `count` headers of type `value` more
	SIM_FAULT_CHAIN,     // the last extension header says that one more follows
	SIM_FAULT_PARTIAL,   // only `value` bytes of it are there for `ms`
	SIM_FAULT_DAMAGE,    // one bit of the frame is wrong: nobody but its FCS can tell
	// happen to the stream, or to the card
	SIM_FAULT_DROPS, // `count` packets are said to be lost, which never were
	SIM_FAULT_CLOCK, // all times from here on are `value` ns more
	SIM_FAULT_QUIET, // nothing for `ms`
	SIM_FAULT_ERROR, // advance fails with `value` from here on (EAGAIN: for `ms`)
	SIM_FAULT_DIE,   // the feeder is gone without a word
	SIM_FAULT_RANDOM,
	SIM_FAULTS,
};

struct sim_event {
	enum sim_fault fault;
	uint64_t at, every, times, next;
	int64_t value;
	uint64_t count, ms, seed;
	uint16_t lctr;
	uint32_t n_hex;
	uint8_t *hex;
};

struct sim_script {
	uint32_t n_events;
	uint64_t next; // packet before which something happens; UINT64_MAX: never again
	struct sim_event event[SIM_FAULTS_MAX];
};

/* Reads faults (NULL: none). 0, -EINVAL or -ENOMEM, err says which is wrong. */
int sim_script_init(struct sim_script *s, const json_t *faults, struct hm_error *err);
void sim_script_fini(struct sim_script *s); // also of a zeroed one

/* The next event of packet `n`, filled for use; false: no more. Call until it is false. */
bool sim_script_take(struct sim_script *s, uint64_t n, struct sim_event *e);
