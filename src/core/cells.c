/* SPDX-License-Identifier: BSD-3-Clause */
#include "core/cells.h"

#include <rte_malloc.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#define CELL_BYTES  sizeof(uint64_t)
#define CHUNK_CELLS 1024u // a piece lies within a chunk
#define CLASSES     4     // pieces of 1, 2, 4 and 8 cells

struct stack {
	uint32_t *at;
	uint32_t n, room;
};

struct hm_cells {
	unsigned n_lanes;
	uint32_t n_chunks, room; // room: length of chunks[]
	uint64_t **chunks;       // of lane l: chunks[i * n_lanes + l]
	uint32_t fresh;          // cells from here on were never used
	struct stack free[CLASSES];
	int socket_of[];
};

static unsigned class_of(size_t bytes)
{
	unsigned class = 0;

	while (CELL_BYTES << class < bytes)
		class ++;
	return class;
}

static bool push(struct stack *s, uint32_t cell)
{
	if (s->n == s->room) {
		uint32_t room = s->room ? 2 * s->room : 64;
		uint32_t *more = realloc(s->at, room * sizeof(*more));

		if (!more)
			return false;
		s->at = more;
		s->room = room;
	}
	s->at[s->n++] = cell;
	return true;
}

struct hm_cells *hm_cells_create(unsigned n_lanes, const int *sockets)
{
	struct hm_cells *c = calloc(1, sizeof(*c) + n_lanes * sizeof(c->socket_of[0]));

	if (!c)
		return NULL;
	c->n_lanes = n_lanes;
	memcpy(c->socket_of, sockets, n_lanes * sizeof(c->socket_of[0]));
	return c;
}

void hm_cells_destroy(struct hm_cells *c)
{
	if (!c)
		return;
	for (uint32_t i = 0; i < c->n_chunks * c->n_lanes; i++)
		rte_free(c->chunks[i]);
	for (unsigned k = 0; k < CLASSES; k++)
		free(c->free[k].at);
	free(c->chunks);
	free(c);
}

static bool add_chunk(struct hm_cells *c)
{
	uint64_t **at;

	if (c->n_chunks == c->room) {
		uint32_t room = c->room ? 2 * c->room : 4;
		uint64_t **more = realloc(c->chunks, room * c->n_lanes * sizeof(uint64_t *));

		if (!more)
			return false;
		c->chunks = more;
		c->room = room;
	}
	at = &c->chunks[c->n_chunks * c->n_lanes];
	for (unsigned lane = 0; lane < c->n_lanes; lane++) {
		at[lane] = rte_zmalloc_socket("cells", CHUNK_CELLS * CELL_BYTES,
					      RTE_CACHE_LINE_SIZE, c->socket_of[lane]);
		if (at[lane])
			continue;
		while (lane-- > 0)
			rte_free(at[lane]);
		return false;
	}
	c->n_chunks++;
	return true;
}

/* Behind what was never used, aligned; what that skips becomes free pieces of one cell. */
static uint32_t take_fresh(struct hm_cells *c, uint32_t size)
{
	uint32_t cell = (c->fresh + size - 1) & ~(size - 1);

	if (cell + size > c->n_chunks * CHUNK_CELLS && !add_chunk(c))
		return HM_NO_CELL;
	while (c->fresh < cell)
		push(&c->free[0], c->fresh++); // without memory it is lost, no more
	c->fresh = cell + size;
	return cell;
}

uint32_t hm_cells_take(struct hm_cells *c, size_t bytes)
{
	unsigned class = class_of(bytes);
	struct stack *s = &c->free[class];
	uint32_t cell = s->n ? s->at[--s->n] : take_fresh(c, 1u << class);

	for (unsigned lane = 0; lane < c->n_lanes && cell != HM_NO_CELL; lane++)
		memset(hm_cells_at(c, lane, cell), 0, CELL_BYTES << class);
	return cell;
}

void hm_cells_give(struct hm_cells *c, uint32_t cell, size_t bytes)
{
	if (cell != HM_NO_CELL)
		push(&c->free[class_of(bytes)], cell); // without memory it is lost, no more
}

void *hm_cells_at(const struct hm_cells *c, unsigned lane, uint32_t cell)
{
	return &c->chunks[cell / CHUNK_CELLS * c->n_lanes + lane][cell % CHUNK_CELLS];
}

uint64_t hm_cells_bytes(const struct hm_cells *c)
{
	return (uint64_t)c->n_chunks * c->n_lanes * CHUNK_CELLS * CELL_BYTES;
}
