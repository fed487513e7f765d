/* SPDX-License-Identifier: BSD-3-Clause */
/* toplist: which values packets have most often, by packets or by bytes.
 *
 * Exact while there is room for every value. Then a new value takes the place of the least frequent of those in its
 * two buckets of the table (Space-Saving: A. Metwally and others, 2005; in each bucket for itself), and the counts of
 * the one that went are remembered by its bucket, as the most that any value without a place can have had. A new
 * value begins with them, as its error:
 *
 *	count - error <= packets that had the value <= count
 *
 * Time is packet time, and may be cut into intervals: whole multiples of reset_ns since 1970, so that the lists of
 * several workers have the same ones. What is of an earlier interval counts as nothing and goes little by little.
 *
 * One worker writes a list. The control core reads it meanwhile, record by record: `changes` is odd while one comes
 * or goes. Uses no DPDK.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "core/batch.h"
#include "core/table.h"

#define HM_TOPLIST_ENTRIES_MIN 64
#define HM_TOPLIST_ENTRIES_MAX (UINT32_C(1) << 20)
#define HM_TOPLIST_LISTS_MAX   64 // that can be read as one

enum hm_toplist_kind { HM_TOPLIST_NUMBER = 1, HM_TOPLIST_IP4 = 4, HM_TOPLIST_IP6 = 6 };

struct hm_toplist_record {
	uint64_t word[2]; // the value, or the address as packets have it
	uint32_t kind;    // 0: the record is free
	uint32_t hash;
	uint64_t packets, bytes;
	uint64_t error_packets, error_bytes;
	uint64_t first_ns; // of the earliest packet in this interval
};

static_assert(sizeof(struct hm_toplist_record) == 64, "a record is a cache line");

#define HM_TOPLIST_KEY_SIZE offsetof(struct hm_toplist_record, hash)

/* The most that a value that had to go had; by the value's first bucket. */
struct hm_toplist_floor {
	uint64_t packets, bytes;
	uint64_t start_ns; // of its interval
};

struct hm_toplist {
	struct hm_table table;
	struct hm_toplist_floor *floors;
	uint64_t reset_ns; // length of an interval, UINT64_MAX: there is only one
	bool by_bytes;
	uint32_t sweep; // next record to be looked at for being old, 0: none is
	uint32_t changes;
	// of the interval
	uint64_t start_ns;
	uint64_t packets, bytes;
	struct hm_toplist_floor highest; // of all floors; packets 0: exact
	uint64_t late;                   // packets of intervals that were over: not counted
};

/* What the packets of a batch have. */
struct hm_toplist_values {
	uint64_t word[HM_BATCH_MAX][2];
	uint32_t kind[HM_BATCH_MAX];
	uint32_t bytes[HM_BATCH_MAX];
	uint32_t hash[HM_BATCH_MAX]; // room for hm_toplist_add
};

/* `reset_s` 0: one interval without end. 0, -EINVAL or -ENOMEM. Control core. */
int hm_toplist_init(struct hm_toplist *t, uint32_t entries, bool by_bytes, uint32_t reset_s,
		    int socket);
void hm_toplist_fini(struct hm_toplist *t); // a zeroed or half-built one, too
size_t hm_toplist_bytes(uint32_t entries);

/* --- worker --- */

void hm_toplist_add(struct hm_toplist *t, struct hm_toplist_values *v, const uint64_t *ts_ns,
		    uint64_t mask);
/* Begins a new interval if it is time. */
void hm_toplist_tick(struct hm_toplist *t, uint64_t now_ns);

/* --- control core --- */

struct hm_toplist_result {
	bool exact;
	uint64_t start_ns; // of the newest interval; 0 without intervals
	uint64_t packets, bytes, late;
	uint64_t values;                       // different ones that have a place
	uint64_t absent_packets, absent_bytes; // at most, of any value that has none
	uint32_t n;
	struct hm_toplist_record *top; // n of them, the largest first; the caller frees it
};

/* The first `max` of what the lists say together. 0 or -ENOMEM. */
int hm_toplist_read(struct hm_toplist *const *lists, unsigned n_lists, uint32_t max,
		    struct hm_toplist_result *r);
