/* SPDX-License-Identifier: BSD-3-Clause */
/* spool_disk: what the two files of a spool's thread share: spool_files.c (what there is, and what can be
 * read of it) and spool_disk.c (writing, and the thread's rounds). Nobody else's business. */
#pragma once

#include "netflow/spool_state.h"

#define HM_SPOOL_NAME_MAX 32

struct hm_spool_segment {
	uint64_t number, bytes;
	struct hm_segment_sums all;  // written; not known of those from before
	struct hm_segment_sums left; // not sent
	uint32_t done;               // sent, as the file says
};

struct hm_spool_disk {
	struct hm_spool *s;
	int dir;
	struct hm_spool_segment *segment; // oldest first
	size_t n, room;
	uint64_t most, limit; // bytes of all segments, and of one
	int fd;               // of the segment that is being written, -1: none
	uint64_t writing;     // its number
	bool front;           // it is one of a run of older ones
	uint64_t front_next;
	struct hm_spool_page *lent;
	uint64_t round_ms; // when it was last written down how much of that has been sent
};

const char *hm_spool_name(uint64_t number, char name[HM_SPOOL_NAME_MAX]);
void hm_spool_note_error(struct hm_spool_disk *d, int error);
void hm_spool_count_failed(struct hm_spool_disk *d, struct hm_segment_sums lost);
void hm_spool_count_bad_file(struct hm_spool_disk *d);

struct hm_spool_segment *hm_spool_find(struct hm_spool_disk *d, uint64_t number);
/* A new one in its place; NULL: no memory. */
struct hm_spool_segment *hm_spool_insert(struct hm_spool_disk *d, uint64_t number);
void hm_spool_forget(struct hm_spool_disk *d, struct hm_spool_segment *g);
void hm_spool_unlink(struct hm_spool_disk *d, struct hm_spool_segment *g); // and forget

/* A segment in memory, with what is left of it; `right`: it is of this protocol and version. NULL: it cannot
 * be read. */
struct hm_spool_page *hm_spool_load(struct hm_spool_disk *d, uint64_t number, bool *right,
				    struct hm_segment_sums *left);
struct hm_segment_sums hm_spool_left(const struct hm_spool_page *page); // of one that was lent
void hm_spool_free_page(struct hm_spool_page *page);
/* What there is from before. 0 or a negative errno. */
int hm_spool_scan(struct hm_spool_disk *d);
