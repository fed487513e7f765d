/* SPDX-License-Identifier: BSD-3-Clause */
/* ring: mapped once, with an inaccessible page before and behind it. The end is flush with the page
 * behind: who reads too far faults at the first byte.
 */
#include <errno.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "pmd_dag/sim_sze2/card.h"

int sze2_ring_init(struct sze2_ring *r, uint64_t size)
{
	const uint64_t page = (uint64_t)sysconf(_SC_PAGESIZE);
	const uint64_t room = (size + page - 1) / page * page;
	uint8_t *map = mmap(NULL, room + 2 * page, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (map == MAP_FAILED)
		return -errno;
	if (mprotect(map + page, room, PROT_READ | PROT_WRITE) < 0) {
		int ret = -errno;
		munmap(map, room + 2 * page);
		return ret;
	}
	*r = (struct sze2_ring){
		.mem = map + page + room - size,
		.size = size,
		.map = map,
		.map_size = room + 2 * page,
	};
	return 0;
}

void sze2_ring_fini(struct sze2_ring *r)
{
	if (r->map)
		munmap(r->map, r->map_size);
	*r = (struct sze2_ring){0};
}

void sze2_ring_write(struct sze2_ring *r, uint64_t pos, const uint8_t *from, uint64_t n)
{
	uint64_t at = pos % r->size, first = n < r->size - at ? n : r->size - at;
	memcpy(r->mem + at, from, first);
	memcpy(r->mem, from + first, n - first);
}

void sze2_ring_poison(struct sze2_ring *r, uint64_t pos, uint64_t n)
{
	uint64_t at = pos % r->size, first = n < r->size - at ? n : r->size - at;
	memset(r->mem + at, 0xde, first);
	memset(r->mem, 0xde, n - first);
}
