/* SPDX-License-Identifier: BSD-3-Clause */
/* scan_private: a worker's state of an index, of one batch at a time. */
#pragma once

#include "filter/filter_private.h"

/* A lane's numbers of this batch. Bytes that are not captured count as 0. */
struct hm_lane_values {
	const uint32_t *values; // NULL: not read yet
	uint64_t valid;         // packets that the lane's guard lets in
	uint64_t cut;           // those of them whose bytes are not all captured
	uint32_t own[HM_BATCH_MAX];
};

struct hm_scanner {
	struct hm_filter_scan shared; // first: the program's pointer is to it
	struct hm_filter_index *index;
	size_t bytes; // of the mapping that everything lies in

	// fields
	uint64_t *entries; // by entry: packets whose value is of its class
	uint32_t *touched; // entries that are not 0
	uint32_t n_touched;
	uint64_t *guards;                   // by guard
	uint64_t cut;                       // packets that are shorter than a view needs
	uint64_t cut_by[32];                // the same by view; see struct hm_suspect
	uint8_t (*protocols)[HM_BATCH_MAX]; // by view: IPv4's protocol, IPv6's next header
	struct hm_lane_values *lanes;

	// nodes
	uint64_t *nodes;  // masks
	uint32_t *stamps; // == generation: woken, or evaluated on demand
	uint32_t generation;
	uint32_t *queue;    // woken nodes, level by level as the dag's level_start says
	uint32_t *n_queued; // by level
	uint32_t *paired;   // pairs that are not false
	uint32_t n_paired;

	// what is asked of libpcap's program
	uint64_t *known; // by slot: packets that it was run on
	uint32_t *asked; // slots with something known
	uint32_t n_asked;
};

/* sight.c: looks up all fields of all packets through one view. */
void hm_scan_see(struct hm_scanner *s, const struct hm_batch *b, uint32_t view);
/* lanes.c: reads a lane, unless it has been read. */
const struct hm_lane_values *hm_scan_lane(struct hm_scanner *s, const struct hm_batch *b,
					  uint32_t lane);
/* The valid packets for which (value & mask) compares with `number`. */
uint64_t hm_scan_compare(const struct hm_lane_values *l, const struct hm_question *q);
