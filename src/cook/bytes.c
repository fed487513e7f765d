/* SPDX-License-Identifier: BSD-3-Clause */
#include "cook/bytes.h"

#include <rte_memcpy.h>

#include <assert.h>
#include <string.h>

static_assert(sizeof(struct hm_bytes_block) == 2048, "");
static_assert(HM_BYTES_BLOCK % 64 == 0, "whole words");

// Data is copied by rte_memcpy(): gcc makes "rep movs" of a memcpy() of no more than a block, which starts slowly.

static uint32_t least(uint64_t a, uint64_t b)
{
	return (uint32_t)(a < b ? a : b);
}

static struct hm_bytes_block **slot_of(const struct hm_bytes *b, uint64_t place)
{
	return &b->slots[place / HM_BYTES_BLOCK % b->n_slots];
}

void hm_bytes_begin(struct hm_bytes *b, struct hm_bytes_block **slots, uint32_t n_slots,
		    uint64_t place)
{
	*b = (struct hm_bytes){
		.slots = slots, .n_slots = n_slots, .base = place, .next = place, .extent = place};
}

uint32_t hm_bytes_wanted(const struct hm_bytes *b, uint64_t from, uint64_t end)
{
	uint32_t wanted = 0;

	for (uint64_t at = from - from % HM_BYTES_BLOCK; at < end; at += HM_BYTES_BLOCK)
		wanted += !*slot_of(b, at);
	return wanted;
}

/* The block of the place, from the pool if there is none. */
static struct hm_bytes_block *block_at(struct hm_bytes *b, struct hm_copies *pool, uint64_t place)
{
	struct hm_bytes_block **slot = slot_of(b, place);

	if (!*slot) {
		*slot = (struct hm_bytes_block *)hm_copies_take(pool);
		memset((*slot)->have, 0, sizeof((*slot)->have));
		(*slot)->packets = 0;
	}
	return *slot;
}

/* --- putting --- */

/* n bytes of one word of the block's bits, from bit `first` on. Returns how many were new. */
static uint32_t put_word(struct hm_bytes_block *block, uint32_t at, const uint8_t *data, uint32_t n,
			 bool last_wins)
{
	const uint32_t first = at % 64;
	const uint64_t bits = (n == 64 ? UINT64_MAX : (UINT64_C(1) << n) - 1) << first;
	uint64_t *const have = &block->have[at / 64];
	const uint64_t there = *have & bits;

	if (there == 0 || last_wins)
		memcpy(block->bytes + at, data, n);
	else
		for (uint64_t todo = bits & ~there; todo; todo &= todo - 1) {
			const uint32_t k = (uint32_t)__builtin_ctzll(todo);

			block->bytes[at - first + k] = data[k - first];
		}
	*have |= bits;
	return n - (uint32_t)__builtin_popcountll(there);
}

/* Bytes of one block, where some may be there. */
static uint32_t put_among(struct hm_bytes_block *block, uint32_t at, const uint8_t *data,
			  uint32_t n, bool last_wins)
{
	uint32_t new = 0;

	for (uint32_t done = 0, part; done < n; done += part) {
		part = least(n - done, 64 - (at + done) % 64);
		new += put_word(block, at + done, data + done, part, last_wins);
	}
	return new;
}

/* What follows `next` without a hole is in order now. */
static void join_islands(struct hm_bytes *b)
{
	while (b->ahead > 0) {
		const struct hm_bytes_block *block = *slot_of(b, b->next);
		const uint32_t at = (uint32_t)(b->next % HM_BYTES_BLOCK), left = 64 - at % 64;
		uint64_t holes;
		uint32_t run;

		if (!block)
			return;
		holes = ~(block->have[at / 64] >> at % 64);
		run = holes ? (uint32_t)__builtin_ctzll(holes) : 64;
		run = least(run, left);
		b->next += run;
		b->ahead -= run;
		if (run < left)
			return;
	}
}

uint32_t hm_bytes_put(struct hm_bytes *b, struct hm_copies *pool, uint64_t place,
		      const uint8_t *data, uint32_t n, bool last_wins)
{
	const bool plain = place == b->next && b->ahead == 0; // nearly always
	struct hm_bytes_block *block = NULL;
	uint32_t new = 0;

	for (uint32_t done = 0, part; done < n; done += part) {
		const uint32_t at = (uint32_t)((place + done) % HM_BYTES_BLOCK);

		part = least(n - done, HM_BYTES_BLOCK - at);
		block = block_at(b, pool, place + done);
		if (plain) {
			rte_memcpy(block->bytes + at, data + done, part);
			new += part;
		} else {
			new += put_among(block, at, data + done, part, last_wins);
		}
	}
	block->packets += new > 0;
	if (place + n > b->extent)
		b->extent = place + n;
	if (place == b->next) {
		b->next += n;
		b->ahead -= n - new;
		join_islands(b);
	} else {
		b->ahead += new;
	}
	return new;
}

void hm_bytes_overwrite(struct hm_bytes *b, uint64_t place, const uint8_t *data, uint32_t n)
{
	for (uint32_t done = 0, part; done < n; done += part) {
		const uint32_t at = (uint32_t)((place + done) % HM_BYTES_BLOCK);

		part = least(n - done, HM_BYTES_BLOCK - at);
		memcpy((*slot_of(b, place + done))->bytes + at, data + done, part);
	}
}

/* --- letting go --- */

void hm_bytes_copy(const struct hm_bytes *b, uint8_t *to, uint32_t n)
{
	for (uint32_t done = 0, part; done < n; done += part) {
		const uint32_t at = (uint32_t)((b->base + done) % HM_BYTES_BLOCK);

		part = least(n - done, HM_BYTES_BLOCK - at);
		rte_memcpy(to + done, (*slot_of(b, b->base + done))->bytes + at, part);
	}
}

/* Gives back the blocks from that of `from` on which begin before `end`; returns the packets counted in them. */
static uint32_t give_blocks(struct hm_bytes *b, struct hm_copies *pool, uint64_t from, uint64_t end)
{
	uint32_t packets = 0;

	for (uint64_t at = from - from % HM_BYTES_BLOCK; at < end; at += HM_BYTES_BLOCK) {
		struct hm_bytes_block **slot = slot_of(b, at);

		if (!*slot)
			continue;
		packets += (*slot)->packets;
		hm_copies_give(pool, (uint8_t *)*slot);
		*slot = NULL;
	}
	return packets;
}

uint32_t hm_bytes_drop(struct hm_bytes *b, struct hm_copies *pool, uint32_t n)
{
	const uint64_t from = b->base;

	b->base += n;
	// the last block stays as long as something is in it
	return give_blocks(b, pool, from,
			   hm_bytes_empty(b) ? b->base : b->base - b->base % HM_BYTES_BLOCK);
}

static uint64_t first_island(const struct hm_bytes *b)
{
	uint64_t at = b->next;

	while (at < b->extent) {
		const struct hm_bytes_block *block = *slot_of(b, at);
		const uint32_t in_block = (uint32_t)(at % HM_BYTES_BLOCK);
		uint64_t bits;

		if (!block) {
			at += HM_BYTES_BLOCK - in_block;
			continue;
		}
		bits = block->have[in_block / 64] >> in_block % 64;
		if (bits)
			return at + (uint32_t)__builtin_ctzll(bits);
		at += 64 - in_block % 64;
	}
	return b->extent; // not reached: `ahead` says that there is one
}

uint64_t hm_bytes_jump(struct hm_bytes *b, struct hm_copies *pool, uint64_t place,
		       uint32_t *packets)
{
	const uint64_t from = b->base, to = b->ahead ? first_island(b) : place;

	b->base = b->next = to;
	*packets = give_blocks(b, pool, from, to - to % HM_BYTES_BLOCK);
	if (b->ahead)
		join_islands(b);
	else
		b->extent = to;
	return to - from;
}
