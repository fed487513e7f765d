/* SPDX-License-Identifier: BSD-3-Clause */
/* datagrams: puts IP fragments together (RFC 791, RFC 8200 section 4.5), in bounded memory.
 *
 * A datagram is a record of a table and some blocks, each with a kilobyte of its payload and a bit for each of its
 * units of eight bytes, in which fragments are counted: so neither their order nor their number matters, and there is
 * no list that somebody could make long. The first fragment's headers have a block, too. Of bytes that come
 * twice the first ones stay. Where there is no room the oldest datagram goes. Time is that of the packets: the oldest
 * datagram is also the first to time out.
 *
 * One writer, its worker; allocates in init only.
 */
#pragma once

#include "core/batch.h"
#include "core/copies.h"
#include "core/table.h"

#define HM_DATAGRAM_BYTES_MAX 65535u
#define HM_DATAGRAM_BLOCK     1024u // bytes of payload
#define HM_DATAGRAM_BLOCKS    (HM_DATAGRAM_BYTES_MAX / HM_DATAGRAM_BLOCK + 1)
/* A block in memory; and as many as there must be, so that one datagram always finds room. */
#define HM_DATAGRAM_BLOCK_ROOM  (64 + HM_DATAGRAM_BLOCK)
#define HM_DATAGRAMS_BLOCKS_MIN (2 * HM_DATAGRAM_BLOCKS)

/* Why a fragment was dropped: at once, or after it was held. */
enum hm_datagrams_cause {
	HM_DATAGRAMS_CUT,          // not wholly captured
	HM_DATAGRAMS_BAD_LENGTH,   // empty; or more follow, and it is no multiple of 8 bytes long
	HM_DATAGRAMS_TOO_LONG,     // the datagram would be longer than 65,535 bytes
	HM_DATAGRAMS_LONG_HEADERS, // more than HM_DATAGRAM_BLOCK bytes before the payload
	HM_DATAGRAMS_CONFLICT,     // contradicts others about where the datagram ends
	HM_DATAGRAMS_DUPLICATE,    // all of it was there
	HM_DATAGRAMS_TIMEOUT,      // the datagram was not whole in time
	HM_DATAGRAMS_EVICTED,      // the datagram was the oldest, and its room was needed
	HM_DATAGRAMS_UNFINISHED,   // the datagram was not whole when the packets ended
	HM_DATAGRAMS_NO_COPY,      // whole, but there was no copy to hand it on
	HM_DATAGRAMS_CAUSES
};

const char *hm_datagrams_cause_name(enum hm_datagrams_cause cause);

/* In packets, but for waiting and whole: fragments = joined + held + dropped. */
struct hm_datagrams_counts {
	uint64_t fragments;
	uint64_t whole;    // datagrams
	uint64_t joined;   // fragments in them
	uint64_t held;     // fragments of those that are not whole yet
	uint64_t waiting;  // these datagrams
	uint64_t overlaps; // of which some bytes were there, and some were not
	uint64_t tiny;     // first ones too short for the transport header (RFC 1858)
	uint64_t dropped[HM_DATAGRAMS_CAUSES];
};

struct hm_datagrams {
	struct hm_table table;
	struct hm_copies *blocks;
	uint32_t oldest, newest; // records, a list by their making
	uint32_t seed;
	uint64_t timeout_ns;
	uint64_t now_ns; // newest packet
	struct hm_datagrams_counts counts;
};

/* For `n` datagrams and `n_blocks` blocks (at least HM_DATAGRAMS_BLOCKS_MIN). 0, -EINVAL or -ENOMEM; fini in any case. */
int hm_datagrams_init(struct hm_datagrams *d, uint32_t n, uint32_t n_blocks, uint64_t timeout_ns,
		      int socket);
void hm_datagrams_fini(struct hm_datagrams *d); // a zeroed one, too
uint64_t hm_datagrams_bytes(uint32_t n, uint32_t n_blocks);

/* Packet time goes on, never back. What has timed out is dropped. */
void hm_datagrams_tell(struct hm_datagrams *d, uint64_t now_ns);
/* Packet i, which is in b's fragment and not in its tunnel. Returns the datagram that it made whole, which is to be
 * taken before the next call; 0: none. */
uint32_t hm_datagrams_add(struct hm_datagrams *d, const struct hm_batch *b, unsigned i);
/* Writes up to `room` bytes of it as one frame: the first fragment's headers, changed to tell its length, and its
 * payload. Returns how many; *wirelen has the frame's length. Then it is gone. With to == NULL it is dropped. */
uint32_t hm_datagrams_take(struct hm_datagrams *d, uint32_t datagram, uint8_t *to, uint32_t room,
			   uint32_t *wirelen);
/* Drops all that wait. */
void hm_datagrams_end(struct hm_datagrams *d);
