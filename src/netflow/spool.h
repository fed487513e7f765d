/* SPDX-License-Identifier: BSD-3-Clause */
/* spool: messages that wait on disk while a collector is away, oldest first, up to a size. One
 * exporter's; nobody else may have the folder. A thread of its own reads and writes, so that a slow
 * disk delays nobody.
 *
 *	flows put + recovered = sent + spooled + lost (full, failed)
 *
 * Files are segments (netflow/spool_segment.h) of about a megabyte with numbers for names. A segment
 * goes when all of it has been sent; how far it is sent is written down a few times a second, so that
 * a daemon that is killed repeats no more than that. When the spool or the disk is full the oldest
 * segment goes, and is counted. What a damaged file should have had is counted as failed.
 */
#pragma once

#include "core/error.h"
#include "netflow/spool_segment.h"
#include "netflow/transport.h"

struct hm_spool_conf {
	char dir[HM_FILE_MAX]; // "": there is no spool
	uint32_t max_mb;
};

struct hm_spool_counts {
	uint64_t recovered; // flows found at start
	uint64_t spooled;   // flows in it now
	uint64_t full;      // flows lost: the oldest, for want of room
	uint64_t failed;    // flows lost: could not be written, or not be read again
	uint64_t bytes;     // of its files
	uint64_t bad_files; // that are of another version or protocol, or damaged
	char error[128];    // the last one, "": none
};

struct hm_spool;

/* Refuses a folder that can never be the one. */
int hm_spool_check(const struct hm_spool_conf *conf, struct hm_error *err);
/* `templates` are those of the messages, `format` their protocol; both are copied. NULL: no memory, no
 * thread. The folder may still belong to another exporter: then it is waited for. */
struct hm_spool *hm_spool_open(const struct hm_spool_conf *conf, const char *format,
			       const uint8_t *templates, uint32_t bytes);
/* Writes what was put, and stops; what has not been sent stays. */
void hm_spool_close(struct hm_spool *s);

/* Takes a message. `flags`: FRONT for those that are older than all that is in it. False: no room
 * for the moment. */
bool hm_spool_put(struct hm_spool *s, const struct hm_load *load, const uint8_t *message,
		  uint32_t bytes, uint32_t flags);
bool hm_spool_room(const struct hm_spool *s, uint64_t bytes);
bool hm_spool_is_ready(const struct hm_spool *s);   // what is in it is known
bool hm_spool_is_empty(const struct hm_spool *s);   // ready, and nothing is left to be sent
bool hm_spool_is_flushed(const struct hm_spool *s); // all that was put is on disk

/* Whether the oldest messages are in memory; if not, they soon will be. The bytes of their templates
 * come along. */
bool hm_spool_begin(struct hm_spool *s, const uint8_t **templates, uint32_t *bytes);
/* After that: the message at *at (0: the oldest), which then is the place of the next one. NULL: these
 * were all that are in memory. The message may be changed; it stays until it is taken. */
struct hm_frame *hm_spool_next(const struct hm_spool *s, size_t *at, uint8_t **message);
/* The n oldest have been sent. */
void hm_spool_took(struct hm_spool *s, unsigned n);
/* Gives back what is in memory, before something older is put. */
void hm_spool_withdraw(struct hm_spool *s);

void hm_spool_counts(const struct hm_spool *s, struct hm_spool_counts *c);
