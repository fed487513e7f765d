/* SPDX-License-Identifier: BSD-3-Clause */
/* The parts that packets belong to by their two addresses: the same for both directions, whatever the ports, all of
 * them used alike by regular addresses. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "core/pairs.h"

#define PAIRS 16000

static unsigned part4(uint32_t source, uint32_t destination)
{
	static struct hm_batch b;
	static uint8_t frame[14 + 20];

	memcpy(frame + 26, &source, 4);
	memcpy(frame + 30, &destination, 4);
	b.data[3] = frame;
	b.l3[3] = 14;
	b.ipv4 = 1 << 3;
	return hm_pair_part(&b, 3);
}

static unsigned part6(uint64_t source_low, uint64_t destination_low, uint64_t high)
{
	static struct hm_batch b;
	static uint8_t frame[40];

	memcpy(frame + 8, &high, 8);
	memcpy(frame + 16, &source_low, 8);
	memcpy(frame + 24, &high, 8);
	memcpy(frame + 32, &destination_low, 8);
	b.data[0] = frame;
	b.l3[0] = 0;
	b.ipv6 = 1;
	return hm_pair_part(&b, 0);
}

static void test_both_directions_are_of_one_part(void **state)
{
	(void)state;
	for (uint32_t i = 1; i < PAIRS; i++) {
		const uint32_t one = i * 2654435761u, other = i * 40503u + 7;

		assert_int_equal(part4(one, other), part4(other, one));
		assert_int_equal(part6(one, other, i), part6(other, one, i));
		assert_true(part4(one, other) < HM_PAIR_PARTS);
	}
}

/* Within a tenth of what each would have. */
static void expect_even(const unsigned count[HM_PAIR_PARTS])
{
	for (unsigned p = 0; p < HM_PAIR_PARTS; p++) {
		assert_true(count[p] > PAIRS / HM_PAIR_PARTS * 9 / 10);
		assert_true(count[p] < PAIRS / HM_PAIR_PARTS * 11 / 10);
	}
}

static void test_hosts_of_a_network_are_spread(void **state)
{
	unsigned four[HM_PAIR_PARTS] = {0}, six[HM_PAIR_PARTS] = {0}, low[HM_PAIR_PARTS] = {0};

	(void)state;
	for (uint32_t i = 0; i < PAIRS; i++) {
		four[part4(__builtin_bswap32(0x0a000001 + i), __builtin_bswap32(0xc0a80001))]++;
		low[part4(0x0100000a + (i << 8), 0x0a0a0a0a)]++;
		six[part6(__builtin_bswap64(i), __builtin_bswap64(UINT64_C(0xffff0000)),
			  0xb80d0120)]++;
	}
	expect_even(four);
	expect_even(low);
	expect_even(six);
}

static void test_what_is_no_ip_is_of_the_first(void **state)
{
	struct hm_batch b = {.arp = 1, .all = 1, .n = 1};

	(void)state;
	assert_int_equal(hm_pair_part(&b, 0), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_both_directions_are_of_one_part),
		cmocka_unit_test(test_hosts_of_a_network_are_spread),
		cmocka_unit_test(test_what_is_no_ip_is_of_the_first),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
