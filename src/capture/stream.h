/* SPDX-License-Identifier: BSD-3-Clause */
/* stream: the bytes of files one after the other, from the worker that makes them to the thread that writes them.
 *
 * One ring of memory with one producer and one consumer. Positions count bytes since the stream was made and never
 * wrap. A file begins at a position that is a multiple of the block, so that block i of a file is one piece of
 * memory, aligned as a disk wants it. What the producer has put is published in marks: each is a position at which
 * a whole record ends, with the packets before it; or the begin or end of a file. Nobody locks, allocates or waits.
 */
#pragma once

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/error.h"

#define HM_STREAM_BLOCK_MIN  4096u // also what memory and blocks are aligned to
#define HM_STREAM_BLOCK_MAX  (16u << 20)
#define HM_STREAM_RECORD_MAX 66000u // bytes put at a time
#define HM_STREAM_FILES_MAX  64u    // that hm_stream_has_room() can be asked for

enum hm_stream_event {
	HM_STREAM_RECORDS, // up to here there are whole records
	HM_STREAM_BEGIN,   // a file begins
	HM_STREAM_END,     // it ends
	HM_STREAM_LAST,    // the file, if there is one, and the stream end
};

struct hm_stream_mark {
	enum hm_stream_event event;
	uint64_t position;
	uint64_t packets; // before it, since the stream was made
	uint64_t time_ns; // HM_STREAM_BEGIN: of the first packet
};

struct hm_stream;

/* `bytes` of ring, a multiple of the block, at least four of them and of the longest record. NULL with err and errno.
 */
struct hm_stream *hm_stream_create(uint64_t bytes, uint32_t block, struct hm_error *err);
void hm_stream_destroy(struct hm_stream *s); // NULL is allowed
uint32_t hm_stream_block(const struct hm_stream *s);

/* --- the producer --- */

/* Whether `bytes` in up to `files` new files have room now, with what the begin of each leaves of a block. */
bool hm_stream_has_room(struct hm_stream *s, uint64_t bytes, unsigned files);
/* Begins a file at the next block; the one before must have ended. False: no room. */
bool hm_stream_begin(struct hm_stream *s, uint64_t time_ns);
/* Where to put up to n bytes, at most HM_STREAM_RECORD_MAX; NULL: no room. */
uint8_t *hm_stream_reserve(struct hm_stream *s, size_t n);
/* So many were put there, as so many whole packets (0: headers). */
void hm_stream_commit(struct hm_stream *s, size_t n, unsigned packets);
/* Shows the consumer what was put. Once a batch. */
void hm_stream_publish(struct hm_stream *s);
/* Ends the file, if there is one. */
void hm_stream_end(struct hm_stream *s);
/* Nothing will follow. */
void hm_stream_close(struct hm_stream *s);

/* --- the consumer --- */

/* The next mark, which stays the next one until it is taken. False: there is none now. */
bool hm_stream_mark(struct hm_stream *s, struct hm_stream_mark *m);
void hm_stream_take(struct hm_stream *s);
/* Memory of a position; runs on to the end of its block. */
const uint8_t *hm_stream_at(const struct hm_stream *s, uint64_t position);
/* What lies before the position may be written over. */
void hm_stream_free(struct hm_stream *s, uint64_t position);
