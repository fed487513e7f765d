/* SPDX-License-Identifier: BSD-3-Clause */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "track/arena.h"

#define PIECES 512

static void test_pieces_are_apart_and_come_back(void **state)
{
	struct hm_arena *a = hm_arena_create(64);
	uint8_t *pieces[PIECES] = {0};
	size_t sizes[PIECES];
	uint32_t chance = 1;

	assert_int_equal(hm_arena_largest(a), 65536);
	for (unsigned step = 0; step < 200000; step++) {
		unsigned i;

		chance = chance * 1664525 + 1013904223;
		i = chance >> 16 & (PIECES - 1);
		if (pieces[i]) { // nobody has written into it
			for (size_t k = 0; k < sizes[i]; k++)
				assert_int_equal(pieces[i][k], i & 255);
			assert_true(hm_arena_give(a, pieces[i]));
			pieces[i] = NULL;
			continue;
		}
		sizes[i] = chance % 1500 + 1;
		pieces[i] = hm_arena_take(a, sizes[i]);
		if (pieces[i])
			memset(pieces[i], (int)(i & 255), sizes[i]);
		else
			assert_true(hm_arena_largest(a) < sizes[i]);
	}
	for (unsigned i = 0; i < PIECES; i++)
		if (pieces[i])
			assert_true(hm_arena_give(a, pieces[i]));
	assert_int_equal(hm_arena_used(a), 0);
	assert_int_equal(hm_arena_largest(a), 65536); // all in one piece again
	hm_arena_destroy(a);
}

static void test_full_and_foreign(void **state)
{
	struct hm_arena *a = hm_arena_create(1);
	void *all = hm_arena_take(a, 1024);
	char foreign;

	assert_non_null(all);
	assert_null(hm_arena_take(a, 1));
	assert_false(hm_arena_give(a, &foreign));
	assert_true(hm_arena_give(a, all));
	assert_null(hm_arena_take(a, 1025));
	assert_null(hm_arena_take(a, SIZE_MAX));
	assert_int_equal(hm_arena_largest(a), 1024);
	hm_arena_destroy(a);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_pieces_are_apart_and_come_back),
		cmocka_unit_test(test_full_and_foreign),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
