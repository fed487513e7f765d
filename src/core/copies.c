/* SPDX-License-Identifier: BSD-3-Clause */
#include "core/copies.h"

#include <rte_malloc.h>

struct hm_copies {
	uint32_t n_free, n, room;
	uint8_t *memory;
	uint8_t *free[]; // a stack: the buffer given back last is the warmest
};

struct hm_copies *hm_copies_create(uint32_t n, uint32_t room, int socket)
{
	struct hm_copies *pool;
	size_t step;

	room = RTE_ALIGN_CEIL(room, RTE_CACHE_LINE_SIZE);
	// an odd number of cache lines apart, so that a batch's headers do not all want the same places of the cache
	step = (room / RTE_CACHE_LINE_SIZE | 1) * (size_t)RTE_CACHE_LINE_SIZE;
	pool = rte_zmalloc_socket("copies", sizeof(*pool) + n * sizeof(pool->free[0]),
				  RTE_CACHE_LINE_SIZE, socket);
	if (!pool)
		return NULL;
	pool->memory = rte_malloc_socket("copies", n * step, RTE_CACHE_LINE_SIZE, socket);
	if (!pool->memory) {
		rte_free(pool);
		return NULL;
	}
	pool->n = pool->n_free = n;
	pool->room = room;
	for (uint32_t i = 0; i < n; i++)
		pool->free[i] = pool->memory + i * step;
	return pool;
}

void hm_copies_destroy(struct hm_copies *pool)
{
	if (pool)
		rte_free(pool->memory);
	rte_free(pool);
}

uint8_t *hm_copies_take(struct hm_copies *pool)
{
	return pool->n_free ? pool->free[--pool->n_free] : NULL;
}

void hm_copies_give(struct hm_copies *pool, uint8_t *buffer)
{
	RTE_ASSERT(pool->n_free < pool->n);
	pool->free[pool->n_free++] = buffer;
}

uint32_t hm_copies_room(const struct hm_copies *pool)
{
	return pool->room;
}

uint32_t hm_copies_free(const struct hm_copies *pool)
{
	return pool->n_free;
}
