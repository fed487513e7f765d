/* SPDX-License-Identifier: BSD-3-Clause */
/* fake_copies: the pool of copies, each in memory that the sanitizer watches byte by byte. */
#include "core/copies.h"

#include <stdlib.h>

struct hm_copies {
	uint32_t n_free, n, room;
};

struct hm_copies *hm_copies_create(uint32_t n, uint32_t room, int socket)
{
	struct hm_copies *pool = malloc(sizeof(*pool));

	(void)socket;
	if (pool)
		*pool = (struct hm_copies){.n_free = n, .n = n, .room = room};
	return pool;
}

void hm_copies_destroy(struct hm_copies *pool)
{
	free(pool);
}

uint8_t *hm_copies_take(struct hm_copies *pool)
{
	if (pool->n_free == 0)
		return NULL;
	pool->n_free--;
	return malloc(pool->room);
}

void hm_copies_give(struct hm_copies *pool, uint8_t *buffer)
{
	pool->n_free++;
	free(buffer);
}

uint32_t hm_copies_free(const struct hm_copies *pool)
{
	return pool->n_free;
}
