/* SPDX-License-Identifier: BSD-3-Clause */
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "core/cells.h"
#include "start_eal.h"

#define PIECES 5000

struct piece {
	uint32_t cell;
	size_t bytes;
};

/* Fills the piece on each lane with bytes that tell piece and lane. */
static void mark(const struct hm_cells *c, const struct piece *p, unsigned number)
{
	for (unsigned lane = 0; lane < 2; lane++)
		memset(hm_cells_at(c, lane, p->cell), (int)(number * 2 + lane) & 0xff, p->bytes);
}

static void check(const struct hm_cells *c, const struct piece *p, unsigned number)
{
	for (unsigned lane = 0; lane < 2; lane++)
		for (size_t i = 0; i < p->bytes; i++)
			assert_int_equal(((uint8_t *)hm_cells_at(c, lane, p->cell))[i],
					 (number * 2 + lane) & 0xff);
}

static void take(struct hm_cells *c, struct piece *p)
{
	size_t aligned = 8;

	p->bytes = 1 + (size_t)rand() % HM_CELLS_MAX;
	p->cell = hm_cells_take(c, p->bytes);
	assert_int_not_equal(p->cell, HM_NO_CELL);
	while (aligned < p->bytes)
		aligned *= 2;
	for (unsigned lane = 0; lane < 2; lane++) {
		const uint8_t *at = hm_cells_at(c, lane, p->cell);

		assert_int_equal((uintptr_t)at % aligned, 0);
		for (size_t i = 0; i < p->bytes; i++)
			assert_int_equal(at[i], 0);
	}
}

static void test_cells_pieces_are_zeroed_aligned_and_apart(void **state)
{
	static const int sockets[2];
	static struct piece pieces[PIECES];
	struct hm_cells *c = hm_cells_create(2, sockets);
	uint64_t bytes;

	(void)state;
	srand(1);
	assert_non_null(c);
	for (unsigned i = 0; i < PIECES; i++) {
		take(c, &pieces[i]);
		mark(c, &pieces[i], i);
	}
	bytes = hm_cells_bytes(c);
	for (unsigned round = 0; round < 3; round++) {
		for (unsigned i = round; i < PIECES; i += 3) {
			check(c, &pieces[i], i);
			hm_cells_give(c, pieces[i].cell, pieces[i].bytes);
		}
		for (unsigned i = round; i < PIECES; i += 3) {
			take(c, &pieces[i]);
			mark(c, &pieces[i], i);
		}
	}
	for (unsigned i = 0; i < PIECES; i++)
		check(c, &pieces[i], i);
	assert_in_range(hm_cells_bytes(c), bytes, bytes * 2); // what was given back was used again
	hm_cells_destroy(c);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_cells_pieces_are_zeroed_aligned_and_apart),
	};

	if (start_eal() < 0)
		return 1;
	return cmocka_run_group_tests(tests, NULL, NULL);
}
