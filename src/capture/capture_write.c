/* SPDX-License-Identifier: BSD-3-Clause */
/* capture_write: see capture_state.h. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "capture/capture_state.h"
#include "core/log.h"

HM_LOG_TYPE(capture_write)

/* --- trouble --- */

static enum hm_capture_cause cause_of(int error)
{
	return error == ENOSPC || error == EDQUOT || error == EFBIG ? HM_CAPTURE_DISK_FULL
								    : HM_CAPTURE_IO_ERROR;
}

void hm_capture_get_in_trouble(struct hm_capture *c, enum hm_capture_cause cause, const char *words)
{
	if (atomic_exchange_explicit(&c->trouble, cause, memory_order_relaxed) != (int)cause)
		HM_LOG(ERR, "capture in trouble, packets will be dropped file=\"%s\" cause=%s: %s",
		       hm_output_name(c->output), hm_capture_cause_name(cause), words);
	c->retry_ns = hm_capture_now_ns() + HM_CAPTURE_RETRY_NS;
}

void hm_capture_get_well(struct hm_capture *c)
{
	if (atomic_exchange_explicit(&c->trouble, HM_CAPTURE_FINE, memory_order_relaxed))
		HM_LOG(NOTICE, "capture goes on file=\"%s\"", hm_output_name(c->output));
}

/* --- how far the files have come --- */

/* The last end of a record at or before the position, as far as it is known. */
static const struct hm_stream_mark *whole_before(const struct hm_capture *c, uint64_t position)
{
	const uint64_t block = hm_stream_block(c->stream);

	for (uint64_t end = position; end > c->file.begin;) {
		const uint64_t i = (end - 1) / block;
		const struct hm_stream_mark *const m = &c->wholes[i % c->n_blocks];

		if (m->position > i * block && m->position <= position)
			return m;
		if (i == 0 || i * block <= c->file.begin)
			break;
		end = i * block;
		if (position - end > c->n_blocks * block)
			break;
	}
	return NULL;
}

/* The file has the stream up to here. */
static void reached(struct hm_capture *c, uint64_t position, off_t length)
{
	const struct hm_stream_mark *const m = whole_before(c, position);

	atomic_store_explicit(&c->moved_ns, hm_capture_now_ns(), memory_order_relaxed);
	if (length > c->file.length) { // else a block again, of which a part was there
		hm_capture_add(&c->bytes, (uint64_t)(length - c->file.length));
		c->file.length = length;
	}
	if (c->conf.zstd_level)
		c->file.whole = length;
	if (!m || m->packets < c->whole_packets)
		return; // written once more, behind trouble
	hm_capture_add(&c->written, m->packets - c->whole_packets);
	c->whole_packets = m->packets;
	if (!c->conf.zstd_level)
		c->file.whole = (off_t)(m->position - c->file.begin);
}

/* --- pieces, through the page cache --- */

/* Goes on writing the piece. True: all of it is written. */
static bool push(struct hm_capture *c)
{
	struct piece *const p = &c->piece;

	while (p->done < p->n) {
		const ssize_t n = c->disk->write(c->disk_state, c->file.fd, p->data + p->done,
						 p->n - p->done, p->offset + (off_t)p->done);
		if (n <= 0) {
			hm_capture_get_in_trouble(c, cause_of(n ? (int)-n : ENOSPC),
						  strerror(n ? (int)-n : ENOSPC));
			return false;
		}
		p->done += (size_t)n;
	}
	hm_capture_get_well(c);
	return true;
}

/* The piece is in the file. */
static void piece_done(struct hm_capture *c)
{
	struct piece *const p = &c->piece;

	c->flushed = p->to;
	if (c->file.direct < 0)
		c->read = p->to;
	reached(c, p->to, p->offset + (off_t)p->n);
	if (c->file.direct < 0 && c->n == 0)
		hm_stream_free(c->stream, c->read);
	p->n = 0;
}

bool hm_capture_push(struct hm_capture *c)
{
	if (!push(c))
		return false;
	piece_done(c);
	return true;
}

static void compress_piece(struct hm_capture *c)
{
	struct piece *const p = &c->piece;

	p->n = ZSTD_compress2(c->zstd, c->packed, c->packed_room, p->data, p->n); // has room
	p->data = c->packed;
	p->offset = c->file.length;
}

bool hm_capture_write_piece(struct hm_capture *c, uint64_t to)
{
	const uint64_t from = c->flushed > c->read ? c->flushed : c->read;
	const uint64_t block = hm_stream_block(c->stream), room = c->n_blocks * block;
	const uint64_t wrap = from - from % room + room;
	const uint64_t most = c->conf.zstd_level ? from + block : wrap;

	if (to > wrap)
		to = wrap;
	if (to > most) {
		const struct hm_stream_mark *const m = whole_before(c, most);

		to = m && m->position > from ? m->position : most;
	}
	if (to == from)
		return false;
	c->piece = (struct piece){.data = hm_stream_at(c->stream, from),
				  .n = (size_t)(to - from),
				  .offset = (off_t)(from - c->file.begin),
				  .to = to};
	if (c->conf.zstd_level)
		compress_piece(c);
	hm_capture_push(c);
	return true;
}

/* --- blocks, past it --- */

static void blocks_done(struct hm_capture *c)
{
	const uint32_t block = hm_stream_block(c->stream);

	while (c->n > 0 && c->blocks[c->first].done) {
		const uint64_t end = c->blocks[c->first].at + block;

		reached(c, end, (off_t)(end - c->file.begin));
		hm_stream_free(c->stream, end);
		c->first = (c->first + 1) % HM_DISK_DEPTH;
		c->n--;
	}
}

void hm_capture_stop_direct(struct hm_capture *c)
{
	if (c->file.direct >= 0)
		close(c->file.direct);
	c->file.direct = -1;
	atomic_store_explicit(&c->is_direct, false, memory_order_relaxed);
}

/* A block that the disk has not taken, or not all of: from here on the file goes through the page cache, where any
 * length may be written. What was under way has ended, so `read` goes back to the first that failed. */
static void fall_back(struct hm_capture *c)
{
	c->read = c->flushed = c->blocks[c->first].at;
	c->n = 0;
	hm_capture_stop_direct(c);
}

/* Takes one result. False: there is none. */
static bool take_result(struct hm_capture *c, bool wait, bool *good)
{
	const uint32_t block = hm_stream_block(c->stream);
	unsigned tag;
	ssize_t result;

	if (c->n == 0 || !c->disk->reap(c->disk_state, wait, &tag, &result))
		return false;
	*good = c->blocks[tag].done = result == (ssize_t)block;
	return true;
}

bool hm_capture_settle(struct hm_capture *c)
{
	bool good;

	while (take_result(c, true, &good))
		;
	blocks_done(c);
	if (c->n == 0)
		return true;
	fall_back(c);
	return false;
}

bool hm_capture_reap(struct hm_capture *c, bool wait)
{
	bool any = false, good = true;

	while (good && take_result(c, wait && !any, &good))
		any = true;
	if (!good)
		hm_capture_settle(c);
	else if (any)
		blocks_done(c);
	return any;
}

bool hm_capture_write_blocks(struct hm_capture *c, uint64_t to)
{
	const uint32_t block = hm_stream_block(c->stream);
	const unsigned room = HM_DISK_DEPTH - c->n;
	uint64_t left = c->read < to ? (to - c->read) / block : 0;

	if (left == 0 || room < HM_DISK_DEPTH / 2)
		return false;
	for (left = left < room ? left : room; left > 0; left--) {
		const unsigned tag = (c->first + c->n) % HM_DISK_DEPTH;

		c->blocks[tag] = (struct block){.at = c->read};
		c->n++;
		c->disk->submit(c->disk_state, c->file.direct, hm_stream_at(c->stream, c->read),
				block, (off_t)(c->read - c->file.begin), tag, left > 1);
		c->read += block;
	}
	return true;
}
