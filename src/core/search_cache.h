/* SPDX-License-Identifier: BSD-3-Clause */
/* search_cache: compiled patterns are kept, in memory for devices that search the same and for flows
 * that come back, and in a folder for the daemon's next start.
 *
 * The key is everything that the compiled code depends on: the texts, Hyperscan's version, the CPU.
 * Files are written aside and renamed, checked when they are read (length, checksum, key) and
 * ignored, counted and replaced if anything is wrong. The oldest go when there is too much. Several
 * daemons may share a folder. Since the code in a file is run, the folder must be ours alone to write.
 *
 * Files are read and written on the compiler's threads only.
 */
#pragma once

#include <stdint.h>

#include "core/error.h"

struct hm_search_cache;

struct hm_search_cache_stats {
	uint64_t memory_hits, disk_hits, misses;
	uint64_t rejected;                 // files that were not what they should be
	uint64_t failed;                   // files that could not be written
	uint64_t removed;                  // files, for want of room
	uint64_t memory_bytes, disk_bytes; // disk: after the last file was written
};

/* folder "": memory only. Otherwise it is made if it is missing (0700); refused, with the reason, if
 * it is not ours, or others may write to it. */
struct hm_search_cache *hm_search_cache_create(const char *folder, uint64_t disk_bytes_max,
					       struct hm_error *err);
void hm_search_cache_destroy(struct hm_search_cache *cache); // NULL is allowed
/* Any thread. */
void hm_search_cache_stats(struct hm_search_cache *cache, struct hm_search_cache_stats *stats);
