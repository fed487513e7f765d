/* SPDX-License-Identifier: BSD-3-Clause */
/* capture: the thread that writes a stream (stream.h) to files: opens, writes in large pieces, closes, keeps the folder
 * in bounds, calls the script.
 *
 * What it cannot write it does not throw away: it tries again ten times a second, the stream fills, and the producer
 * drops whole packets, by the cause that hm_capture_trouble() tells. Only what is left when the flow is closed while
 * the disk is in trouble is lost here; the file is then cut behind its last whole record.
 *
 * Packets, at any time: put into the stream = written + lost (each by cause) + queued. Written means that the kernel
 * has taken all of it.
 */
#pragma once

#include "capture/disk.h"
#include "capture/hook.h"
#include "capture/shelf.h"
#include "capture/stream.h"

enum hm_capture_cause {
	HM_CAPTURE_FINE,
	HM_CAPTURE_NO_ROOM,   // the stream is full: the disk is too slow
	HM_CAPTURE_DISK_FULL, // or a quota, or a limit of a file's size
	HM_CAPTURE_NO_FOLDER, // no file can be opened
	HM_CAPTURE_IO_ERROR,
	HM_CAPTURE_REMOVED,   // somebody has removed the file while it was written
	HM_CAPTURE_NO_FORMAT, // the format cannot say it: a time after 2106, or too long for ERF
	HM_CAPTURE_CAUSES,
};
const char *hm_capture_cause_name(enum hm_capture_cause c);

enum hm_capture_sync { HM_CAPTURE_SYNC_NONE, HM_CAPTURE_SYNC_FILE, HM_CAPTURE_SYNC_SECOND };

struct hm_capture_conf {
	uint64_t buffer_bytes;
	uint32_t block_bytes;
	int sync;                       // enum hm_capture_sync: when data is made durable
	int zstd_level;                 // 0: not compressed
	struct hm_shelf shelf;          // all 0: everything is kept
	const char *script;             // NULL: none; copied
	uint64_t script_ns;             // that it may take
	const struct hm_disk_ops *disk; // NULL: the best
};

struct hm_capture_counts {
	uint64_t written, lost[HM_CAPTURE_CAUSES]; // packets
	uint64_t bytes;                            // the length of all files together
	uint64_t files;                            // begun
	uint64_t deleted;                          // by retention
	struct hm_hook_counts hook;
	bool direct;      // the present file is written past the page cache
	const char *disk; // how
};

struct hm_capture;

/* Takes over the output on success and starts the thread, which opens the first file if its name can be known now.
 * NULL with err and errno. */
struct hm_capture *hm_capture_create(struct hm_output *o, const struct hm_capture_conf *conf,
				     struct hm_error *err);
/* Whether the first file is open, or will be when its packets come: 1; 0: not yet; a negative errno with err: it cannot
 * be, and the capture can only be destroyed. */
int hm_capture_opened(const struct hm_capture *c, struct hm_error *err);
/* The producer's end. */
struct hm_stream *hm_capture_stream(struct hm_capture *c);
/* Why packets that find no room are dropped: HM_CAPTURE_NO_ROOM, or what is wrong with the disk. Any thread. */
enum hm_capture_cause hm_capture_trouble(const struct hm_capture *c);
/* Whether the producer shall end the file and begin another one: somebody has removed it. Once for each. */
bool hm_capture_wants_file(struct hm_capture *c);
/* From now on the disk has two seconds to get well before what is queued is given up. Any thread. */
void hm_capture_close(struct hm_capture *c);
bool hm_capture_is_closing(const struct hm_capture *c);
/* Whether everything is done, or the disk has not moved for half a minute since hm_capture_close(). */
bool hm_capture_is_done(const struct hm_capture *c);
void hm_capture_counts(const struct hm_capture *c, struct hm_capture_counts *counts); // any thread
/* When no producer has it any more. A thread that hangs in the kernel keeps its memory and frees it if it ever comes
 * back. NULL is allowed. */
void hm_capture_destroy(struct hm_capture *c);
