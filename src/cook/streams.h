/* SPDX-License-Identifier: BSD-3-Clause */
/* streams: TCP connections and what each end has sent, in order (RFC 9293), in bounded memory.
 *
 * A segment is added; what has become due is taken, a cooked packet at a time, before the next one is added:
 *
 *	while (!hm_streams_add(s, keys, b, i))
 *		hm_streams_take(s, to, room, &packet);
 *
 * A direction's bytes are due when there are `threshold` of them in order, when the direction or the connection
 * ends, when it has been idle for too long in packet time, when its room is needed or when a hole in it can be filled
 * no more. Then the bytes before the hole go on, and the next packet's sequence number shows how many are missing.
 *
 * A cooked packet has the headers of a packet of its direction, without TCP options, with lengths and checksums that
 * are right, the sequence number of its first byte, and the time of the last packet that has come.
 *
 * One writer, its worker; allocates in init only.
 */
#pragma once

#include "cook/bytes.h"
#include "core/batch.h"
#include "core/table.h"
#include "track/connections.h"

#define HM_STREAMS_HEADER_MAX 160u // link header to TCP header

enum { HM_STREAMS_CLIENT = 1, HM_STREAMS_SERVER = 2, HM_STREAMS_BOTH = 3 }; // as MAPI has it

struct hm_streams_conf {
	uint32_t threshold;   // bytes, 1 to 65,535 - HM_STREAMS_HEADER_MAX
	uint32_t connections; // that are known at a time
	uint32_t blocks;      // of HM_BYTES_BLOCK bytes, at least hm_streams_blocks_min()
	uint32_t window;      // bytes that a direction may be ahead of a hole, 65,536 at least
	uint64_t timeout_ns;
	uint8_t collect; // what who has sent: HM_STREAMS_CLIENT ...
	bool first_only; // of each direction its first chunk
	bool midstream;  // follow connections whose begin was not seen
	bool last_wins;  // of bytes that come twice
	bool refuse; // when there is no room: what is new has to go; else what is idle for longest
};

/* Why a packet with data was dropped, at once or after it was held. */
enum hm_streams_cause {
	HM_STREAMS_NO_HANDSHAKE,  // of a connection that is not followed
	HM_STREAMS_DUPLICATE,     // all its bytes were there, or had gone on
	HM_STREAMS_OUT_OF_WINDOW, // no bytes that the other end can have asked for
	HM_STREAMS_AFTER_END,     // the direction has ended
	HM_STREAMS_NOT_WANTED,    // of the other direction, or behind the first chunk
	HM_STREAMS_CUT,           // nothing of its data was captured
	HM_STREAMS_LONG_HEADERS,  // more than HM_STREAMS_HEADER_MAX bytes
	HM_STREAMS_NO_ROOM,       // with `refuse`
	HM_STREAMS_NO_COPY,       // due, but there was no copy to hand it on
	HM_STREAMS_UNFINISHED,    // held when the flow was closed
	HM_STREAMS_CAUSES
};

const char *hm_streams_cause_name(enum hm_streams_cause cause);

/* In packets, if nothing else is said: segments = used + held + dropped. */
struct hm_streams_counts {
	uint64_t segments;
	uint64_t used; // no data; or their data went on
	uint64_t held;
	uint64_t connections;       // that were followed
	uint64_t open;              // connections now
	uint64_t cooked, bytes;     // packets handed on, and their data
	uint64_t gaps, missing;     // holes in what was handed on, and their bytes
	uint64_t repeated;          // bytes that came again
	uint64_t reordered;         // that came ahead of others
	uint64_t timeouts, evicted; // connections
	uint64_t dropped[HM_STREAMS_CAUSES];
};

struct hm_streams {
	struct hm_streams_conf conf;
	struct hm_table table;
	struct hm_copies *blocks;
	uint32_t oldest, newest;       // records, a list by their last use, roughly
	uint32_t due, due_last;        // directions
	uint32_t n_slots;              // of each direction
	struct hm_bytes_block **slots; // of all directions
	uint64_t now_ns;               // newest packet
	struct hm_streams_counts *counts;
};

/* Of the segments of a batch. */
struct hm_streams_keys {
	struct hm_track_key key[HM_BATCH_MAX];
	uint32_t hash[HM_BATCH_MAX];
	uint8_t sender[HM_BATCH_MAX];
};

/* A cooked packet. */
struct hm_cooked {
	uint32_t caplen; // the whole packet
	uint64_t ts_ns;
	uint16_t ifindex;
};

/* In hm_streams_mapped() zeroed bytes of the caller's, which begin as hm_table_init_in() has it and outlive it: so several can
 * have one piece of memory, with few page table entries. Blocks are taken besides. *counts goes on from what it is, and
 * may be theirs in common. 0, -EINVAL or -ENOMEM; fini in any case. */
int hm_streams_init(struct hm_streams *s, const struct hm_streams_conf *conf,
		    struct hm_streams_counts *counts, void *memory, int socket);
size_t hm_streams_mapped(const struct hm_streams_conf *conf);
void hm_streams_fini(struct hm_streams *s); // a zeroed one, too
uint32_t hm_streams_blocks_min(void);
uint64_t hm_streams_bytes(const struct hm_streams_conf *conf); // in all

/* Before packets of `mask`, which are TCP with their header, are added: their keys; then for each of them what will be
 * needed to find its connection; then for each of them what will be needed of that. */
void hm_streams_prepare(struct hm_streams_keys *k, const struct hm_batch *b, uint64_t mask);
void hm_streams_expect(const struct hm_streams *s, const struct hm_streams_keys *k, unsigned i);
void hm_streams_fetch(const struct hm_streams *s, const struct hm_streams_keys *k, unsigned i);
/* Packet i, prepared. False: something is due and must be taken first; nothing has happened yet. */
bool hm_streams_add(struct hm_streams *s, const struct hm_streams_keys *k, const struct hm_batch *b,
		    unsigned i);
static inline bool hm_streams_due(const struct hm_streams *s)
{
	return s->due != 0;
}
/* Writes the next packet that is due into `room` bytes, more than HM_STREAMS_HEADER_MAX and up to 65,535. False: nothing was due after
 * all. With to == NULL it is dropped, and true. */
bool hm_streams_take(struct hm_streams *s, uint8_t *to, uint32_t room, struct hm_cooked *cooked);

/* Packet time goes on, never back. Connections idle for too long become due; true: one did. */
bool hm_streams_tell(struct hm_streams *s, uint64_t now_ns);
/* When the connection that is idle for longest was used last, roughly; UINT64_MAX: there is none. */
uint64_t hm_streams_oldest_ns(const struct hm_streams *s);
/* What this one holds is due; false: there is none. */
bool hm_streams_end_oldest(struct hm_streams *s);
/* Drops all that is held. */
void hm_streams_drop_all(struct hm_streams *s);
