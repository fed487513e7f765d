/* SPDX-License-Identifier: BSD-3-Clause */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "core/copies.h"
#include "core/parse.h"
#include "function_harness.h"
#include "start_eal.h"

static const char text[] = "Hello, World 123 zZaA@[`{";
static const char rotated[] = "Uryyb, Jbeyq 123 mMnN@[`{";

static void make_batch(struct hm_batch *b, const uint8_t *frame, uint32_t caplen, uint32_t n)
{
	static const struct hm_parse_conf conf;

	memset(b, 0, sizeof(*b));
	b->n = n;
	b->all = hm_mask_first(n);
	b->link = HM_LINK_ETHERNET;
	for (uint32_t i = 0; i < n; i++) {
		b->data[i] = frame;
		b->caplen[i] = caplen;
		b->wirelen[i] = caplen + 7;
		b->ts_ns[i] = 1000 + i;
		b->ifindex[i] = 3;
	}
	hm_parse(b, &conf);
}

static void test_rot13_rotates_payload_in_copies_only(void **state)
{
	const struct hm_function *f = hm_function_find("ROT13");
	uint8_t frame[128], original[128];
	uint32_t n = harness_udp(frame, 1, 2, text, sizeof(text) - 1);
	static struct hm_batch b, out;

	memcpy(original, frame, n);
	make_batch(&b, frame, n, 5);
	memset(&out, 0, sizeof(out));
	assert_int_equal(f->transform(NULL, &b, 0x15, &out, *state), 0);
	assert_int_equal(out.n, 3);
	for (uint32_t i = 0; i < out.n; i++) {
		assert_memory_equal(out.data[i], original, HARNESS_UDP_HEADERS);
		assert_memory_equal(out.data[i] + HARNESS_UDP_HEADERS, rotated, sizeof(text) - 1);
		assert_int_equal(out.caplen[i], n);
		assert_int_equal(out.wirelen[i], n + 7);
		assert_int_equal(out.ts_ns[i], 1000 + 2 * i);
		assert_int_equal(out.ifindex[i], 3);
		hm_copies_give(*state, (uint8_t *)(uintptr_t)out.data[i]);
	}
	assert_memory_equal(frame, original, n);
}

static void test_rot13_cut_at_every_byte_copies_what_there_is(void **state)
{
	const struct hm_function *f = hm_function_find("ROT13");
	uint8_t frame[128];
	uint32_t n = harness_udp(frame, 1, 2, text, sizeof(text) - 1);
	static struct hm_batch b, out;

	for (uint32_t cut = 0; cut <= n; cut++) {
		make_batch(&b, frame, cut, 1);
		out.n = 0;
		assert_int_equal(f->transform(NULL, &b, 1, &out, *state), 0);
		assert_int_equal(out.n, 1);
		assert_int_equal(out.caplen[0], cut);
		if (cut > HARNESS_UDP_HEADERS)
			assert_memory_equal(out.data[0] + HARNESS_UDP_HEADERS, rotated,
					    cut - HARNESS_UDP_HEADERS);
		else
			assert_memory_equal(out.data[0], frame, cut);
		hm_copies_give(*state, (uint8_t *)(uintptr_t)out.data[0]);
	}
}

static void test_rot13_empty_pool_drops_the_rest(void **state)
{
	const struct hm_function *f = hm_function_find("ROT13");
	uint8_t frame[128];
	uint32_t n = harness_udp(frame, 1, 2, text, sizeof(text) - 1);
	static struct hm_batch b, out;
	struct hm_copies *pool = hm_copies_create(2, 128, 0);

	(void)state;
	make_batch(&b, frame, n, 4);
	out.n = 0;
	assert_int_equal(f->transform(NULL, &b, 0xf, &out, pool), 0xc);
	assert_int_equal(out.n, 2);
	hm_copies_destroy(pool);
}

static void test_rot13_longer_than_a_copy_is_dropped(void **state)
{
	const struct hm_function *f = hm_function_find("ROT13");
	uint8_t frame[128];
	uint32_t n = harness_udp(frame, 1, 2, text, sizeof(text) - 1);
	static struct hm_batch b, out;
	struct hm_copies *pool = hm_copies_create(2, 64, 0);

	(void)state;
	assert_true(n > hm_copies_room(pool));
	make_batch(&b, frame, n, 1);
	out.n = 0;
	assert_int_equal(f->transform(NULL, &b, 1, &out, pool), 1);
	assert_int_equal(hm_copies_free(pool), 2);
	hm_copies_destroy(pool);
}

static int setup(void **state)
{
	*state = hm_copies_create(8, 2048, 0);
	return *state ? 0 : -1;
}

static int teardown(void **state)
{
	assert_int_equal(hm_copies_free(*state), 8);
	hm_copies_destroy(*state);
	return 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_rot13_rotates_payload_in_copies_only),
		cmocka_unit_test(test_rot13_cut_at_every_byte_copies_what_there_is),
		cmocka_unit_test(test_rot13_empty_pool_drops_the_rest),
		cmocka_unit_test(test_rot13_longer_than_a_copy_is_dropped),
	};
	if (start_eal() < 0)
		return 1;
	return cmocka_run_group_tests(tests, setup, teardown);
}
