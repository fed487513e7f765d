/* SPDX-License-Identifier: BSD-3-Clause */
/* sze2_sim: simulated COMBO cards for the process that links libsze2_sim.so.
 *
 * A card plays a trace (or made traffic) into receive channels which are read through the calls of
 * libsze2 that this library implements. Cards come from the JSON file named by the environment
 * variable SZE2_SIM_CARDS, or from sze2_sim_card_add(). The card works inside the reader's own call
 * that looks for data: there is no thread, and the same calls always see the same card. Control
 * threads only.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/error.h"
#include "trace/generator.h"

#define SZE2_SIM_CHANNELS_MAX 32

enum sze2_sim_label {         // what the 16 bits at offset 2 of the hardware data are
	SZE2_SIM_LABEL_COLOR, // always 0xc0de
	SZE2_SIM_LABEL_WIRE,
	SZE2_SIM_LABEL_SEQUENCE, // counts the channel's frames, also those that are lost
};

enum sze2_sim_what {
	// at: number of the segment in its channel, from 0
	SZE2_SIM_SIZE,    // seg_size says `value`
	SZE2_SIM_HW_SIZE, // hw_size says `value`
	SZE2_SIM_HW_DATA, // `value` bytes of hardware data
	SZE2_SIM_NS,      // nanoseconds say `value`
	SZE2_SIM_NO_TIME, // the 8 bytes of the time are all `value`
	SZE2_SIM_CUT,     // the lock ends `value` bytes into this segment, its rest never comes
	SZE2_SIM_UNPLUG,  // from this segment on nothing comes, locks fail with errno `value`
	// at: number of the call for this channel, from 0
	SZE2_SIM_LOCK,      // fails with errno `value`
	SZE2_SIM_UNLOCK,    // fails with errno `value`
	SZE2_SIM_AREA,      // the lock names channel `value`
	SZE2_SIM_LENGTH,    // the lock is `value` bytes longer than the ring
	SZE2_SIM_SUBSCRIBE, // grants nothing (value 0), or answers `value`
	SZE2_SIM_START,     // answers `value`
};

struct sze2_sim_fault {
	enum sze2_sim_what what;
	uint32_t channel;
	uint64_t at;
	uint64_t count; // in a row, 0: one
	uint32_t value;
};

struct sze2_sim_card {
	const char *path;                          // trace file, or NULL
	const struct hm_generator_conf *generator; // if path is NULL; packets == 0: for ever
	uint64_t loop;                             // laps, 0: for ever
	double pace;         // 0: as fast as the reader; 1: by the timestamps; N: N times faster
	uint32_t arrive;     // frames that arrive between two looks; what finds no room is lost. 0:
			     // the card waits for room
	uint32_t channels;   // frames are split by flow
	uint64_t ring_bytes; // of each channel, any number from 64 on
	uint32_t hw_bytes;   // hardware data of each segment
	uint32_t lock_frames; // most segments under one lock, 0: all that are there
	enum sze2_sim_label label;
	bool fcs;     // append an FCS to frames that are not snapped
	bool poison;  // overwrite what has been given back
	bool preload; // one lap fills the ring, which is shown again and again as it is
	const struct sze2_sim_fault *faults; // copied
	size_t n_faults;
};

#define SZE2_SIM_CARD_DEFAULTS                                                                   \
	{                                                                                        \
		.loop = 1, .channels = 1, .ring_bytes = 1 << 20, .hw_bytes = 12, .poison = true, \
	}

struct sze2_sim_status {
	uint64_t sent;       // frames that came to the card
	uint64_t written;    // put into rings
	uint64_t lost;       // found no room, or nobody reads their channel
	uint64_t cut;        // longer than a segment may be
	uint64_t violations; // wrong calls of the reader: always 0 with a correct driver
	uint32_t handles;    // open now
	bool finished;       // all frames have come and gone
	struct {
		uint64_t written, lost;
	} channel[SZE2_SIM_CHANNELS_MAX];
};

#pragma GCC visibility push(default)

/* Makes card `name` ("szedataII0" ... "szedataII9999"). 0, -EEXIST, or another negative errno; err
 * says what is wrong. */
int sze2_sim_card_add(const char *name, const struct sze2_sim_card *card, struct hm_error *err);
int sze2_sim_card_remove(const char *name); // 0, -ENOENT, or -EBUSY while somebody has it open
int sze2_sim_card_status(const char *name, struct sze2_sim_status *status); // 0 or -ENOENT

#pragma GCC visibility pop
