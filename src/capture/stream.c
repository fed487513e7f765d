/* SPDX-License-Identifier: BSD-3-Clause */
#include "capture/stream.h"

#include <errno.h>
#include <stdalign.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#define MARKS 1024u // a power of two
#define MARKS_OF_FILE \
	8u // kept for the begin and end of files: what records are there may be said later

struct hm_stream {
	uint8_t *memory;
	uint64_t bytes;
	uint32_t block;

	// the producer's
	alignas(64) uint64_t position; // of the next byte
	uint64_t published, packets;
	uint64_t begin;       // of the present file
	uint64_t freed_seen;  // `freed` when it looked last
	uint64_t marked;      // marks made
	uint64_t marks_taken; // `taken` when it looked last
	bool open, closed;
	bool in_scratch; // what was reserved last would have wrapped around the end
	uint8_t scratch[HM_STREAM_RECORD_MAX];

	struct hm_stream_mark marks[MARKS];
	alignas(64) _Atomic uint64_t shown; // marks; producer writes

	alignas(64) _Atomic uint64_t freed; // position; consumer writes
	_Atomic uint64_t taken;             // marks; consumer writes
};

/* --- memory --- */

struct hm_stream *hm_stream_create(uint64_t bytes, uint32_t block, struct hm_error *err)
{
	struct hm_stream *s = NULL;
	void *memory;

	if (block < HM_STREAM_BLOCK_MIN || block > HM_STREAM_BLOCK_MAX || block & (block - 1) ||
	    bytes % block || bytes < 4 * (uint64_t)block || bytes < 4 * HM_STREAM_RECORD_MAX) {
		errno = EINVAL;
		hm_error_set(err, -EINVAL, 0,
			     "a buffer is made of four blocks at least and holds four packets of "
			     "any length; a block is a power of two from %u to %u bytes",
			     HM_STREAM_BLOCK_MIN, HM_STREAM_BLOCK_MAX);
		return NULL;
	}
	// touched now, so that no worker faults
	memory = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (memory != MAP_FAILED) {
		madvise(memory, bytes, MADV_HUGEPAGE);
		if (madvise(memory, bytes, MADV_POPULATE_WRITE) == 0)
			s = aligned_alloc(alignof(struct hm_stream), sizeof(*s));
	}
	if (!s) {
		if (memory != MAP_FAILED)
			munmap(memory, bytes);
		hm_error_set(err, -ENOMEM, 3084, "no memory for a buffer of %llu bytes",
			     (unsigned long long)bytes);
		errno = ENOMEM;
		return NULL;
	}
	memset(s, 0, sizeof(*s));
	s->memory = memory;
	s->bytes = bytes;
	s->block = block;
	return s;
}

void hm_stream_destroy(struct hm_stream *s)
{
	if (!s)
		return;
	munmap(s->memory, s->bytes);
	free(s);
}

uint32_t hm_stream_block(const struct hm_stream *s)
{
	return s->block;
}

/* --- the producer --- */

static uint64_t next_block(const struct hm_stream *s)
{
	return (s->position + s->block - 1) & ~(uint64_t)(s->block - 1);
}

/* Whether the bytes up to `end` are free. */
static bool is_free(struct hm_stream *s, uint64_t end)
{
	if (end - s->freed_seen <= s->bytes)
		return true;
	// acquire: the consumer has read what lay there
	s->freed_seen = atomic_load_explicit(&s->freed, memory_order_acquire);
	return end - s->freed_seen <= s->bytes;
}

static bool has_marks(struct hm_stream *s, unsigned n)
{
	if (MARKS - (s->marked - s->marks_taken) >= n)
		return true;
	// acquire: the consumer has read the marks that lay there
	s->marks_taken = atomic_load_explicit(&s->taken, memory_order_acquire);
	return MARKS - (s->marked - s->marks_taken) >= n;
}

static void show(struct hm_stream *s, enum hm_stream_event event, uint64_t position,
		 uint64_t time_ns)
{
	s->marks[s->marked % MARKS] = (struct hm_stream_mark){
		.event = event, .position = position, .packets = s->packets, .time_ns = time_ns};
	s->marked++;
	s->published = s->position;
	// release: with the mark the consumer sees the bytes before it
	atomic_store_explicit(&s->shown, s->marked, memory_order_release);
}

bool hm_stream_has_room(struct hm_stream *s, uint64_t bytes, unsigned files)
{
	return is_free(s, next_block(s) + bytes + (uint64_t)files * s->block) &&
	       has_marks(s, MARKS_OF_FILE + 2 * files);
}

bool hm_stream_begin(struct hm_stream *s, uint64_t time_ns)
{
	const uint64_t begin = next_block(s);

	if (!is_free(s, begin + s->block) || !has_marks(s, 3)) // with its end, and the stream's
		return false;
	s->position = s->begin = begin;
	s->open = true;
	show(s, HM_STREAM_BEGIN, begin, time_ns);
	return true;
}

uint8_t *hm_stream_reserve(struct hm_stream *s, size_t n)
{
	const uint64_t offset = s->position % s->bytes;

	if (!is_free(s, s->position + n))
		return NULL;
	s->in_scratch = s->bytes - offset < n;
	return s->in_scratch ? s->scratch : s->memory + offset;
}

void hm_stream_commit(struct hm_stream *s, size_t n, unsigned packets)
{
	const uint64_t offset = s->position % s->bytes, left = s->bytes - offset;

	if (s->in_scratch) {
		const size_t here = n < left ? n : left;

		memcpy(s->memory + offset, s->scratch, here);
		memcpy(s->memory, s->scratch + here, n - here);
	}
	s->position += n;
	s->packets += packets;
}

void hm_stream_publish(struct hm_stream *s)
{
	if (s->position != s->published && has_marks(s, MARKS_OF_FILE))
		show(s, HM_STREAM_RECORDS, s->position, 0);
}

// the begin of a file has left room for the marks of its end and of the stream's

void hm_stream_end(struct hm_stream *s)
{
	if (s->open)
		show(s, HM_STREAM_END, s->position, 0);
	s->open = false;
}

void hm_stream_close(struct hm_stream *s)
{
	hm_stream_end(s);
	if (!s->closed)
		show(s, HM_STREAM_LAST, s->position, 0);
	s->closed = true;
}

/* --- the consumer --- */

bool hm_stream_mark(struct hm_stream *s, struct hm_stream_mark *m)
{
	const uint64_t taken = atomic_load_explicit(&s->taken, memory_order_relaxed); // our own

	// acquire: the producer's bytes before the mark
	if (atomic_load_explicit(&s->shown, memory_order_acquire) == taken)
		return false;
	*m = s->marks[taken % MARKS];
	return true;
}

void hm_stream_take(struct hm_stream *s)
{
	// release: the mark has been read before the producer writes over it
	atomic_store_explicit(&s->taken, atomic_load_explicit(&s->taken, memory_order_relaxed) + 1,
			      memory_order_release);
}

const uint8_t *hm_stream_at(const struct hm_stream *s, uint64_t position)
{
	return s->memory + position % s->bytes;
}

void hm_stream_free(struct hm_stream *s, uint64_t position)
{
	// release: it has been read before the producer writes over it
	atomic_store_explicit(&s->freed, position, memory_order_release);
}
