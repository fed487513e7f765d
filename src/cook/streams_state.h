/* SPDX-License-Identifier: BSD-3-Clause */
/* streams_state: what the files of streams share; nobody else includes this. streams.c keeps the connections,
 * streams_add.c takes segments in, streams_take.c hands on what is due. */
#pragma once

#include "cook/streams.h"

#define FIRST_PLACE \
	((uint64_t)HM_BYTES_BLOCK << 32) // of a direction; what is before it has a place, too
#define NO_PLACE UINT64_MAX
#define FAR      (INT64_C(1) << 30) // the largest window that there can be (RFC 7323)

enum way_state { WAY_UNKNOWN, WAY_OPEN, WAY_ENDED };

/* One direction: what one end sends. */
struct way {
	struct hm_bytes bytes;
	uint64_t fin;     // place behind the last byte; NO_PLACE: not known
	uint64_t hole_to; // what was not captured of the last packet; 0: nothing
	uint64_t right;   // place up to which the other end has asked; 0: not known
	uint64_t ts_ns;   // of the last packet that is in it
	uint32_t seq_of_0;
	uint32_t next_due;
	uint16_t ifindex;
	uint8_t state;   // enum way_state
	uint8_t shift;   // of its windows
	bool queued;     // among what is due
	bool flush, all; // what is in order is due, be it ever so little; and what is behind holes
	bool had_first;  // with first_only: its chunk has gone on
	bool v6, pppoe;
	uint8_t header_n, l3;
	uint8_t header[HM_STREAMS_HEADER_MAX];
};

/* A record of the table. */
struct connection {
	struct hm_track_key key;
	uint32_t hash;
	uint32_t older, newer; // records
	uint8_t client;        // end of the key
	bool ending;           // is forgotten when nothing is due any more
	uint64_t last_ns, queued_ns;
	struct way way[2];
};

static inline struct connection *hm_streams_connection(const struct hm_streams *s, uint32_t index)
{
	return hm_table_record(&s->table, index);
}

static inline struct hm_bytes_block **hm_streams_slots(const struct hm_streams *s, uint32_t index,
						       unsigned w)
{
	return s->slots + ((size_t)index * 2 + w) * s->n_slots;
}

static inline uint32_t hm_streams_seq(const struct way *way, uint64_t place)
{
	return way->seq_of_0 + (uint32_t)place;
}

/* --- streams.c --- */

/* 0: something is due first, or with `refuse` there is no room. */
uint32_t hm_streams_make(struct hm_streams *s, const struct hm_track_key *key, uint32_t hash);
void hm_streams_touch(struct hm_streams *s, uint32_t index);
void hm_streams_remove(struct hm_streams *s, uint32_t index); // holds nothing
/* All that it holds is due; then it is forgotten, and now if it holds nothing. */
void hm_streams_finish(struct hm_streams *s, uint32_t index);
/* Some of what others hold, or this one if there are none, is due. */
void hm_streams_evict_for(struct hm_streams *s, uint32_t index);
bool hm_streams_is_idle(const struct hm_streams *s, const struct connection *c);

/* --- streams_take.c --- */

/* What the direction has in order is due, with `all` what is behind holes, too, if it holds anything. */
void hm_streams_flush(struct hm_streams *s, uint32_t index, unsigned w, bool all);
/* Makes the direction due if it has enough. */
void hm_streams_look(struct hm_streams *s, uint32_t index, unsigned w);
/* With nothing in order: goes on behind the hole, at what was held there or at `place`. */
void hm_streams_give_up_hole(struct hm_streams *s, struct way *way, uint64_t place);
