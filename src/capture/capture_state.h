/* SPDX-License-Identifier: BSD-3-Clause */
/* capture_state: what the files of a capture share; nobody else includes this. capture.c leads the thread through the
 * stream and its files, capture_write.c brings the bytes of one file to the disk.
 *
 * Positions of the stream: `whole` <= `read` <= `known.position`. Up to `read` it is written or under way: whole
 * blocks where the file is open past the page cache (`direct`), several at a time; else pieces that end with a record
 * where possible, one at a time. Once a second what is behind `read` is written, too, through the page cache, so that
 * the file has it: up to `flushed`. A direct file's block is written again when it is complete.
 */
#pragma once

#include <pthread.h>
#include <time.h>
#include <zstd.h>

#include "capture/capture.h"

#define HM_CAPTURE_RETRY_NS UINT64_C(100000000) // between two tries

/* A block that is under way, past the page cache. */
struct block {
	uint64_t at; // position
	bool done;
};

/* What is written through the page cache, until all of it is. */
struct piece {
	const uint8_t *data;
	size_t n, done;
	off_t offset;
	uint64_t to; // position in the stream that it brings the file to
};

struct file {
	int fd, direct; // -1: none
	uint64_t begin, end;
	uint64_t packets; // before it in the stream
	off_t length;     // so far
	off_t whole;      // length up to the last whole record, or whole frame of compressed ones
	struct stat st;
	char made[HM_OUTPUT_NAME_MAX];
};

struct hm_capture {
	struct hm_output *output;
	struct hm_stream *stream;
	struct hm_capture_conf conf;
	struct hm_hook *hook;
	ZSTD_CCtx *zstd;
	uint8_t *packed; // a compressed piece
	size_t packed_room;
	const struct hm_disk_ops *disk;
	void *disk_state;

	struct file file;
	struct hm_stream_mark known;   // the last one taken
	struct hm_stream_mark *wholes; // by block: the last end of a record in it
	uint64_t n_blocks;
	uint64_t read, flushed;
	uint64_t whole_packets; // before the last whole record that is in a file
	struct block blocks[HM_DISK_DEPTH];
	unsigned first, n;  // under way
	struct piece piece; // n > 0: is being written
	uint64_t flush_ns, tidy_ns, retry_ns, close_ns;
	bool last, gives_up;

	// shared
	pthread_t thread;
	_Atomic int opened; // 1, or a negative errno: then with `err`
	struct hm_error err;
	_Atomic unsigned refs; // owner and thread
	_Atomic int trouble;   // enum hm_capture_cause
	_Atomic bool closing, abandoned, wants_file, done, is_direct;
	_Atomic uint64_t moved_ns; // when the disk took something last
	_Atomic uint64_t written, lost[HM_CAPTURE_CAUSES], bytes, files, deleted;
};

/* Of the monotonic clock. */
uint64_t hm_capture_now_ns(void);

static inline void hm_capture_add(_Atomic uint64_t *counter, uint64_t n)
{
	// release: whoever sees the packets here sees them in the producer's counts, too
	atomic_fetch_add_explicit(counter, n, memory_order_release);
}

/* --- capture_write.c: on the thread --- */

void hm_capture_get_in_trouble(struct hm_capture *c, enum hm_capture_cause cause,
			       const char *words);
void hm_capture_get_well(struct hm_capture *c);
/* Goes on with the piece that was in trouble. False: it still is. */
bool hm_capture_push(struct hm_capture *c);
/* Writes the stream up to `to`, or as much as lies in one piece; c->piece.n > 0 if it got into trouble with that.
 * False: there is nothing to write. */
bool hm_capture_write_piece(struct hm_capture *c, uint64_t to);
/* Sends off the next whole blocks: half of what may be under way or more, if so much is there. False: nothing. */
bool hm_capture_write_blocks(struct hm_capture *c, uint64_t to);
/* Waits for the blocks under way. False: some of it failed; then `read` is before the first that did, and the file
 * goes on through the page cache. */
bool hm_capture_settle(struct hm_capture *c);
/* Takes the results that are there, or waits for one. False: there was none. */
bool hm_capture_reap(struct hm_capture *c, bool wait);
/* From here on the file goes through the page cache. */
void hm_capture_stop_direct(struct hm_capture *c);
