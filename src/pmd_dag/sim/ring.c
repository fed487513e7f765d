/* SPDX-License-Identifier: BSD-3-Clause */
#include "pmd_dag/sim/ring.h"

#include <errno.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#define GUARD UINT64_C(0x200000) // one huge page before the ring keeps it aligned to huge pages

static uint64_t round_up(uint64_t n, uint64_t to)
{
	return (n + to - 1) / to * to;
}

static int map_shared(struct sim_ring *r, uint64_t at)
{
	void *p = mmap(r->mem + at, r->mirror, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_FIXED,
		       r->fd, 0);
	return p == MAP_FAILED ? -errno : 0;
}

int sim_ring_reserve(struct sim_ring *r, uint64_t capacity, uint64_t mirror)
{
	int ret;
	*r = (struct sim_ring){.fd = -1};
	capacity = round_up(capacity, GUARD);
	mirror = round_up(mirror < capacity ? mirror : capacity, GUARD);
	uint8_t *p = mmap(NULL, capacity + mirror + 3 * GUARD, PROT_NONE,
			  MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	if (p == MAP_FAILED)
		return -errno;
	uint8_t *start = (uint8_t *)round_up((uintptr_t)p + GUARD, GUARD);
	r->mem = start;
	r->capacity = capacity;
	r->mirror = mirror;
	r->extent = capacity + mirror;
	// what is left of the alignment goes back, so that the extent is known from the fields
	munmap(p, (size_t)(start - GUARD - p));
	munmap(start + capacity + mirror + GUARD,
	       (size_t)(p + capacity + mirror + 3 * GUARD - (start + capacity + mirror + GUARD)));
	r->fd = memfd_create("dag_sim", MFD_CLOEXEC);
	if (r->fd < 0 || ftruncate(r->fd, (off_t)mirror) < 0)
		goto fail;
	if (map_shared(r, 0) < 0)
		goto fail;
	if (capacity > mirror) {
		if (mprotect(start + mirror, capacity - mirror, PROT_READ | PROT_WRITE) < 0)
			goto fail;
		madvise(start + mirror, capacity - mirror, MADV_HUGEPAGE); // as good as it gets
	}
	return 0;
fail:
	ret = -errno;
	sim_ring_free(r);
	return ret;
}

int sim_ring_seal(struct sim_ring *r, uint64_t size)
{
	if (size == 0 || size > r->capacity || size % (uint64_t)sysconf(_SC_PAGESIZE) != 0)
		return -EINVAL;
	if (r->mirror > size)
		r->mirror = size;
	r->size = size;
	r->window = r->mirror;
	if (map_shared(r, size) < 0)
		return -errno;
	// the unused rest becomes the guard behind the mirror
	uint8_t *rest = r->mem + size + r->mirror;
	uint8_t *end = r->mem + r->extent;
	if (rest < end &&
	    mmap(rest, (size_t)(end - rest), PROT_NONE,
		 MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | MAP_FIXED, -1, 0) == MAP_FAILED)
		return -errno;
	return 0;
}

int sim_ring_map(struct sim_ring *r, int fd, uint64_t offset, uint64_t size)
{
	*r = (struct sim_ring){.fd = -1, .size = size, .mirror = size, .capacity = size};
	r->extent = 2 * size;
	uint8_t *p = mmap(NULL, r->extent + 2 * GUARD, PROT_NONE,
			  MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	if (p == MAP_FAILED)
		return -errno;
	r->mem = p + GUARD;
	r->window = size;
	for (int i = 0; i < 2; i++) {
		if (mmap(r->mem + (uint64_t)i * size, size, PROT_READ | PROT_WRITE,
			 MAP_SHARED | MAP_FIXED, fd, (off_t)offset) == MAP_FAILED) {
			int ret = -errno;
			sim_ring_free(r);
			return ret;
		}
	}
	return 0;
}

int sim_ring_window(struct sim_ring *r, uint64_t window)
{
	window = window == 0 || window > r->mirror
			 ? r->mirror
			 : round_up(window, (uint64_t)sysconf(_SC_PAGESIZE));
	if (window == r->window)
		return 0;
	uint8_t *mirror = r->mem + r->size;
	if (mprotect(mirror, window, PROT_READ | PROT_WRITE) < 0 ||
	    (window < r->mirror && mprotect(mirror + window, r->mirror - window, PROT_NONE) < 0))
		return -errno;
	r->window = window;
	return 0;
}

void sim_ring_free(struct sim_ring *r)
{
	if (r->mem)
		munmap(r->mem - GUARD, r->extent + 2 * GUARD);
	if (r->mem && r->fd >= 0)
		close(r->fd);
	*r = (struct sim_ring){.fd = -1};
}
