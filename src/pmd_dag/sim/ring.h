/* SPDX-License-Identifier: BSD-3-Clause */
/* ring: the memory of a stream. Its first `mirror` bytes appear a second time behind its end, so
 * that records across the seam are contiguous for a reader that is not further than that ahead.
 *
 *	[ shared, mirror bytes ][ anonymous, huge pages where possible ][ shared again ]
 *
 * Only the mirrored part is shared memory: the kernel gives huge pages to the rest alone.
 * An inaccessible page on both sides catches who reads too far.
 */
#pragma once

#include <stdint.h>

struct sim_ring {
	uint8_t *mem;
	uint64_t size; // multiple of the page size
	uint64_t mirror;
	uint64_t window;   // of it, that is accessible
	uint64_t capacity; // bound of size
	uint64_t extent;   // address space reserved for ring and mirror
	int fd;
};

/* Reserves address space; memory comes as it is written. 0 or negative errno. */
int sim_ring_reserve(struct sim_ring *r, uint64_t capacity, uint64_t mirror);
/* Fixes the size, at most the capacity, and puts the mirror behind it. */
int sim_ring_seal(struct sim_ring *r, uint64_t size);
/* The whole ring twice, from a file that others map as well. */
int sim_ring_map(struct sim_ring *r, int fd, uint64_t offset, uint64_t size);
/* Lets a reader see only the first `window` bytes of the mirror; what is behind faults. */
int sim_ring_window(struct sim_ring *r, uint64_t window);
void sim_ring_free(struct sim_ring *r); // also of a zeroed one
