/* SPDX-License-Identifier: BSD-3-Clause */
/* entry: an open flow record as the cache holds it. It has what struct hm_flow_record has, laid out by
 * how often it is touched: the first cache line is all that a packet of IPv4 reads and changes, the
 * second is for what changes once a direction, what only IPv6 compares, and what the key may have
 * besides. What it may have of frames is in an array beside the entries, of those caches that want it.
 * hm_entry_record() makes the flow record of both when it ends.
 */
#pragma once

#include <assert.h>
#include <stddef.h>
#include <stdint.h>

#include "netflow/record.h"

#define HM_ENTRY_KEY_MASK UINT64_C(0x00000fffffffffff) // of the name's second word

/* What tells entries apart at first sight; of IPv6 addresses the last four bytes. */
union hm_entry_name {
	struct {
		uint8_t addr[2][4];
		uint16_t port_be[2];
		uint8_t proto;
		uint8_t version : 4; // 0: nothing is here
		uint8_t fins : 2;    // bit d: endpoint d has sent a FIN, in this record or before
		uint8_t initiator : 1;
		uint8_t tcp_flags[2]; // OR of all
	};
	uint64_t word[2];
};

/* The first twelve bytes of IPv6 addresses, 0 for IPv4. */
union hm_entry_rest {
	uint8_t addr[2][12];
	uint64_t word[3];
};

struct hm_entry {
	union hm_entry_name name;
	uint64_t start_ns; // first packet of the record, HM_FLOW_NO_TIME while it has none
	uint64_t last_ns[2];
	uint32_t packets[2]; // modulo 2^32
	uint64_t bytes[2];

	union hm_entry_rest rest;
	uint64_t first_ns[2];
	uint32_t packets_high[2]; // what does not fit into `packets`
	union hm_flow_first first;
	uint32_t hash;
	uint16_t vlan;
	uint8_t tos[2];
};

static_assert(sizeof(union hm_entry_name) == 16, "");
static_assert(offsetof(struct hm_entry, rest) == 64, "what every packet touches is one line");
static_assert(sizeof(struct hm_entry) == 128, "two cache lines");

static inline uint64_t hm_entry_packets(const struct hm_entry *e, unsigned direction)
{
	return (uint64_t)e->packets_high[direction] << 32 | e->packets[direction];
}

/* What an entry has of the frames of each direction. One without packets yet has them the other way round. */
struct hm_entry_frames {
	union hm_flow_frame of[2];
};

/* The flow record so far; NULL: frames are not wanted. */
void hm_entry_record(const struct hm_entry *e, const struct hm_entry_frames *frames,
		     struct hm_flow_record *to);
