/* SPDX-License-Identifier: BSD-3-Clause */
/* rows: records of a fixed size from one worker into a file, each formatted as a row, by a thread of its own that may
 * wait for the disk.
 *
 *	offered = written + lost + dropped + queued
 *
 * While the disk is in trouble the thread tries again ten times a second; meanwhile the ring fills, and what finds no
 * room is dropped. When it is still in trouble two seconds after the flow began to close, what is left is lost. The
 * file ends behind a whole row at any time that somebody else reads it after trouble.
 *
 * Create, poll, close and destroy on the control core.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/output.h"

struct hm_rows;

struct hm_rows_counts {
	uint64_t offered, written, lost, dropped, queued; // rows
	uint64_t bytes;
	int error; // errno of the present trouble, 0: none
};

struct hm_rows_conf {
	uint32_t record_size;
	uint32_t n_records; // that the ring holds
	size_t row_max;     // bytes of the longest row
	/* Writes the row of a record to `to`, at most row_max bytes, and returns how many. On the thread. */
	size_t (*format)(const void *arg, const void *record, char *to);
	const void *arg;
};

/* Takes over the output, also where it fails. Opens the file and writes the header with a newline; 6155 if it cannot. NULL
 * with err. */
struct hm_rows *hm_rows_create(struct hm_output *output, const char *header,
			       const struct hm_rows_conf *conf, struct hm_error *err);
void hm_rows_destroy(struct hm_rows *r); // NULL is allowed
/* About every millisecond: wakes the thread if there is something. */
void hm_rows_poll(struct hm_rows *r);
void hm_rows_close(struct hm_rows *r);
bool hm_rows_idle(const struct hm_rows *r); // nothing is on its way
void hm_rows_counts(const struct hm_rows *r, struct hm_rows_counts *c);
const char *hm_rows_file(const struct hm_rows *r);

/* --- the worker --- */

/* Whether n more records have room, or none will soon since the disk is in trouble. */
bool hm_rows_ready(const struct hm_rows *r, uint32_t n);
/* Room for a record that stands for so many rows, to be filled and put; NULL: they are dropped and counted. */
void *hm_rows_room(struct hm_rows *r, uint64_t n_rows);
void hm_rows_put(struct hm_rows *r);
