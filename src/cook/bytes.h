/* SPDX-License-Identifier: BSD-3-Clause */
/* bytes: the bytes of one direction of a connection that have come and have not gone on yet, by their place.
 *
 * Places count from the begin of the direction and never wrap. From `base` to `next` everything is there, in order;
 * behind `next` there may be islands, `ahead` bytes in all, up to `extent`. A byte lies in the block of its place,
 * taken when something comes for it, with a bit for each byte that came ahead of its turn: neither the order nor
 * the number of segments makes a difference, and there is no list that somebody could make long. Slots for blocks
 * are a ring: what is held never spans more than they have room for.
 *
 * A block counts the packets whose last new byte it has. One writer; allocates from the pool only.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "core/copies.h"

#define HM_BYTES_BLOCK 1792u // a bit for each of them makes it 2 KB with its head
#define HM_BYTES_WORDS (HM_BYTES_BLOCK / 64)

struct hm_bytes_block {
	uint64_t have[HM_BYTES_WORDS];
	uint32_t packets;
	uint32_t pad[7];
	uint8_t bytes[HM_BYTES_BLOCK];
};

struct hm_bytes {
	struct hm_bytes_block **slots; // n_slots, NULL where nothing is
	uint32_t n_slots;
	uint64_t base, next, ahead, extent;
};

/* Holds nothing; the next byte is that at `place`. The slots are the caller's, all NULL. */
void hm_bytes_begin(struct hm_bytes *b, struct hm_bytes_block **slots, uint32_t n_slots,
		    uint64_t place);

static inline bool hm_bytes_empty(const struct hm_bytes *b)
{
	return b->next == b->base && b->ahead == 0;
}

/* The first place that is too far away to be held now. */
static inline uint64_t hm_bytes_limit(const struct hm_bytes *b)
{
	return (b->base / HM_BYTES_BLOCK + b->n_slots) * HM_BYTES_BLOCK;
}

/* Blocks that bytes from .. end need and that are not there; end <= limit. */
uint32_t hm_bytes_wanted(const struct hm_bytes *b, uint64_t from, uint64_t end);
/* n > 0 bytes, of which none is before `next` or beyond the limit, with as many blocks in the pool as they want. Of
 * those that are there the first ones stay, or with `last_wins` the last ones. Returns how many were new; if
 * any was, a packet is counted. */
uint32_t hm_bytes_put(struct hm_bytes *b, struct hm_copies *pool, uint64_t place,
		      const uint8_t *data, uint32_t n, bool last_wins);
/* Writes over bytes between base and next that are there. */
void hm_bytes_overwrite(struct hm_bytes *b, uint64_t place, const uint8_t *data, uint32_t n);
/* Copies the first n of those in order. */
void hm_bytes_copy(const struct hm_bytes *b, uint8_t *to, uint32_t n);
/* Lets go of the first n in order; returns the packets that were counted in blocks that went. */
uint32_t hm_bytes_drop(struct hm_bytes *b, struct hm_copies *pool, uint32_t n);
/* With nothing in order: goes on at the first island, or without any at `place`, which is not before next.
 * Returns how many bytes that leaves out, and the packets that were counted in blocks that went. */
uint64_t hm_bytes_jump(struct hm_bytes *b, struct hm_copies *pool, uint64_t place,
		       uint32_t *packets);
