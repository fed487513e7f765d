/* SPDX-License-Identifier: BSD-3-Clause */
/* Bytes by their place against the plainest thing that does the same: two arrays, of bytes and of whether they came. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "cook/bytes.h"
#include "start_eal.h"

#define SLOTS 6
#define POOL  7
#define FIRST (UINT64_C(5) * HM_BYTES_BLOCK + 1000)
#define ALL   60000

static struct hm_bytes_block *slots[SLOTS];
static struct hm_copies *pool;
static uint8_t came[ALL], value[ALL]; // by place behind FIRST
static uint64_t chance = 20061126;

static uint32_t draw(uint32_t below)
{
	chance = chance * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
	return (uint32_t)((chance >> 33) % below);
}

/* The reference's `next` and number of islands' bytes. */
static uint64_t reference_next(uint64_t base)
{
	uint64_t at = base - FIRST;

	while (at < ALL && came[at])
		at++;
	return at + FIRST;
}

static uint64_t reference_ahead(uint64_t next)
{
	uint64_t n = 0;

	for (uint64_t at = next - FIRST; at < ALL; at++)
		n += came[at];
	return n;
}

static void check(const struct hm_bytes *b)
{
	uint8_t copy[SLOTS * HM_BYTES_BLOCK];
	const uint32_t n = (uint32_t)(b->next - b->base);

	assert_int_equal(b->next, reference_next(b->base));
	assert_int_equal(b->ahead, reference_ahead(b->next));
	hm_bytes_copy(b, copy, n);
	assert_memory_equal(copy, value + (b->base - FIRST), n);
}

/* Puts a random segment; returns how many packets it counts for, 0 or 1. */
static unsigned put(struct hm_bytes *b, bool last_wins)
{
	uint8_t data[3000];
	const uint64_t limit = hm_bytes_limit(b);
	uint64_t place = b->next + (draw(3) ? draw(4000) : 0);
	uint32_t n = 1 + draw(draw(4) ? 1500 : sizeof(data)), new = 0;

	if (place + n > limit || place + n - FIRST > ALL)
		return 0;
	if (hm_copies_free(pool) < hm_bytes_wanted(b, place, place + n))
		return 0;
	for (uint32_t k = 0; k < n; k++) {
		const uint64_t at = place + k - FIRST;

		data[k] = (uint8_t)draw(256);
		new += !came[at];
		if (!came[at] || last_wins)
			value[at] = data[k];
		came[at] = 1;
	}
	assert_int_equal(hm_bytes_put(b, pool, place, data, n, last_wins), new);
	return new > 0;
}

static void overwrite(struct hm_bytes *b)
{
	const uint32_t there = (uint32_t)(b->next - b->base);
	uint8_t data[SLOTS * HM_BYTES_BLOCK];
	uint32_t at, n;

	if (!there)
		return;
	at = draw(there);
	n = draw(there - at) + 1;
	for (uint32_t k = 0; k < n; k++)
		value[b->base - FIRST + at + k] = data[k] = (uint8_t)draw(256);
	hm_bytes_overwrite(b, b->base + at, data, n);
}

static uint32_t drop(struct hm_bytes *b)
{
	const uint32_t there = (uint32_t)(b->next - b->base);
	uint32_t packets = 0, jumped = 0;

	if (there && draw(4))
		return hm_bytes_drop(b, pool, 1 + draw(there));
	packets = hm_bytes_drop(b, pool, there);
	if (b->ahead > 0 || draw(2)) {
		const uint64_t before = b->next, to = before + draw(100);
		uint64_t expected = to;

		if (to - FIRST >= ALL)
			return packets;
		if (b->ahead > 0)
			for (expected = before; !came[expected - FIRST]; expected++)
				;
		assert_int_equal(hm_bytes_jump(b, pool, to, &jumped), expected - before);
		assert_int_equal(b->base, expected);
	}
	return packets + jumped;
}

static void test_bytes_are_those_of_the_reference(void **state)
{
	(void)state;
	for (unsigned round = 0; round < 60; round++) {
		struct hm_bytes b;
		uint64_t put_in = 0, out = 0;

		memset(came, 0, sizeof(came));
		hm_bytes_begin(&b, slots, SLOTS, FIRST);
		for (unsigned k = 0; k < 400; k++) {
			if (draw(3))
				put_in += put(&b, round % 2);
			else if (round % 2 && draw(2))
				overwrite(&b);
			else
				out += drop(&b);
			check(&b);
		}
		while (!hm_bytes_empty(&b))
			out += drop(&b);
		assert_int_equal(put_in, out);
		assert_int_equal(hm_copies_free(pool), POOL); // and no slot has a block any more
		for (unsigned k = 0; k < SLOTS; k++)
			assert_null(slots[k]);
	}
}

static int setup(void **state)
{
	(void)state;
	start_eal();
	pool = hm_copies_create(POOL, sizeof(struct hm_bytes_block), 0);
	return pool ? 0 : -1;
}

static int teardown(void **state)
{
	(void)state;
	hm_copies_destroy(pool);
	return 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_bytes_are_those_of_the_reference),
	};

	return cmocka_run_group_tests(tests, setup, teardown);
}
