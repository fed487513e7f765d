/* SPDX-License-Identifier: BSD-3-Clause */
#include "track/arena.h"

#include <stdlib.h>
#include <string.h>

#define UNIT_BITS 6 // the smallest piece: a cache line
#define ORDERS    26
#define IN_USE    0x80

/* A free piece, in a list of those of its size. */
struct piece {
	struct piece *next, *before;
};

struct hm_arena {
	uint8_t *memory;
	uint8_t *
		order; // of the piece that begins at each unit; IN_USE with it: taken; 0xff: none begins there
	unsigned top; // order of all of it
	size_t used;
	struct piece *free[ORDERS];
};

static size_t bytes_of(unsigned order)
{
	return (size_t)1 << (order + UNIT_BITS);
}

static size_t unit_of(const struct hm_arena *a, const void *at)
{
	return (size_t)((const uint8_t *)at - a->memory) >> UNIT_BITS;
}

static void put(struct hm_arena *a, void *at, unsigned order)
{
	struct piece *p = at;

	p->before = NULL;
	p->next = a->free[order];
	if (p->next)
		p->next->before = p;
	a->free[order] = p;
	a->order[unit_of(a, at)] = (uint8_t)order;
}

static void take_out(struct hm_arena *a, struct piece *p, unsigned order)
{
	if (p->before)
		p->before->next = p->next;
	else
		a->free[order] = p->next;
	if (p->next)
		p->next->before = p->before;
	a->order[unit_of(a, p)] = 0xff;
}

struct hm_arena *hm_arena_create(uint32_t kib)
{
	struct hm_arena *a = calloc(1, sizeof(*a));

	if (!a)
		return NULL;
	while (bytes_of(a->top) < (size_t)kib * 1024 && a->top + 1 < ORDERS)
		a->top++;
	a->memory = aligned_alloc(bytes_of(0), bytes_of(a->top));
	a->order = malloc((size_t)1 << a->top);
	if (!a->memory || !a->order) {
		hm_arena_destroy(a);
		return NULL;
	}
	memset(a->memory, 0, bytes_of(a->top)); // page faults now
	memset(a->order, 0xff, (size_t)1 << a->top);
	put(a, a->memory, a->top);
	return a;
}

void hm_arena_destroy(struct hm_arena *a)
{
	if (!a)
		return;
	free(a->memory);
	free(a->order);
	free(a);
}

void *hm_arena_take(struct hm_arena *a, size_t n)
{
	unsigned wanted = 0, order;
	struct piece *p;

	while (wanted <= a->top && bytes_of(wanted) < n)
		wanted++;
	for (order = wanted; order <= a->top && !a->free[order]; order++)
		;
	if (order > a->top)
		return NULL;
	p = a->free[order];
	take_out(a, p, order);
	while (order > wanted) { // its upper half stays free
		order--;
		put(a, (uint8_t *)p + bytes_of(order), order);
	}
	a->order[unit_of(a, p)] = (uint8_t)(wanted | IN_USE);
	a->used += bytes_of(wanted);
	return p;
}

bool hm_arena_give(struct hm_arena *a, void *piece)
{
	uint8_t *at = piece;
	unsigned order;

	if (at < a->memory || at >= a->memory + bytes_of(a->top))
		return false;
	order = a->order[unit_of(a, at)] & ~IN_USE & 0x7f;
	a->used -= bytes_of(order);
	a->order[unit_of(a, at)] = 0xff;
	while (order < a->top) {
		const size_t offset = (size_t)(at - a->memory) ^ bytes_of(order);
		uint8_t *buddy = a->memory + offset;

		if (a->order[unit_of(a, buddy)] != order) // taken, or in pieces
			break;
		take_out(a, (struct piece *)(void *)buddy, order);
		at = at < buddy ? at : buddy;
		order++;
	}
	put(a, at, order);
	return true;
}

size_t hm_arena_largest(const struct hm_arena *a)
{
	for (unsigned order = a->top + 1; order-- > 0;)
		if (a->free[order])
			return bytes_of(order);
	return 0;
}

size_t hm_arena_used(const struct hm_arena *a)
{
	return a->used;
}
