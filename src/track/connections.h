/* SPDX-License-Identifier: BSD-3-Clause */
/* connections: what a tracker remembers, of one worker: a bounded table of records, each known by the two ends of a
 * connection (or by one, where somebody listens) and forgotten idle_s after its last use. Time is that of the packets,
 * and is only looked at when a record is used or its place is needed, so what is remembered depends on the packets
 * alone. When a new record finds no place, the one of its neighbours that is silent for longest is forgotten, and
 * counted if it was not idle. IPv4 and IPv6. Uses no DPDK.
 */
#pragma once

#include "core/batch.h"
#include "core/table.h"

#define HM_TRACK_DEFAULT_CONNECTIONS 16384
#define HM_TRACK_MAX_CONNECTIONS     (1 << 22)
#define HM_TRACK_DEFAULT_IDLE_S      60
#define HM_TRACK_MAX_IDLE_S          3600

/* Addresses and ports as in the packet, IPv4 in the first bytes; the lower end first, so that both directions have one
 * key. */
struct hm_track_key {
	struct hm_track_end {
		uint8_t address[16];
		uint16_t port_be;
	} end[2];
	uint8_t version;
	uint8_t protocol;
	uint8_t kind; // the tracker's own
	uint8_t zero;
};

static_assert(sizeof(struct hm_track_key) == 40, "without padding");

/* The begin of each record. */
struct hm_tracked {
	struct hm_track_key key;
	uint32_t hash;
	uint64_t last_ns;
};

struct hm_track {
	struct hm_table table;
	uint64_t idle_ns;
	uint64_t forgotten; // before they were idle, since there was no place; any thread may read
};

/* For so many records of `record_size` bytes (a multiple of 8, from sizeof(struct hm_tracked) on). 0, -EINVAL, -ENOMEM. */
int hm_track_init(struct hm_track *t, uint32_t capacity, uint32_t record_size, uint32_t idle_s,
		  int socket);
void hm_track_fini(struct hm_track *t); // a zeroed one, too

/* The key of packet i, which has an IP and a transport header with ports. Returns which end has sent it. */
unsigned hm_track_key(struct hm_track_key *k, const struct hm_batch *b, unsigned i, uint8_t kind);

/* Whether packet i begins a connection: a SYN without ACK, since one with ACK is sent again when its answer was lost, and
 * then comes behind the first data of the same connection. */
bool hm_track_begins(const struct hm_batch *b, unsigned i);

/* Where somebody listens: the key of one end, and its hash. */
void hm_track_key_of_end(struct hm_track_key *k, uint8_t version, const uint8_t *address,
			 uint16_t port_be, uint8_t kind);
uint32_t hm_track_hash(const struct hm_track_key *k);

/* The record, which this use keeps from being idle; NULL: there is none. */
void *hm_track_find(struct hm_track *t, uint32_t hash, const struct hm_track_key *k,
		    uint64_t ts_ns);
/* A record for a key that is not there, zeroed behind struct hm_tracked. */
void *hm_track_begin(struct hm_track *t, uint32_t hash, const struct hm_track_key *k,
		     uint64_t ts_ns);
void hm_track_remove(struct hm_track *t, struct hm_tracked *r);
