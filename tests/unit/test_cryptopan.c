/* SPDX-License-Identifier: BSD-3-Clause */
#include <arpa/inet.h>
#include <endian.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "anon/cryptopan.h"

#define PAIRS 1000000
#define GROUP 1000

// of the authors' own test, sample_trace_raw.dat and sample_trace_sanitized.dat
static const uint8_t key[HM_CRYPTOPAN_KEY] = {21,  34, 23,  141, 51, 164, 207, 128, 19,  10,  91,
					      22,  73, 144, 125, 16, 216, 152, 143, 131, 121, 121,
					      101, 39, 98,  87,  76, 45,  42,  132, 34,  2};

static struct hm_cryptopan *make(void)
{
	struct hm_cryptopan *c = hm_cryptopan_create(key);

	assert_non_null(c);
	return c;
}

static void test_published_pairs(void **state)
{
	static const char *const pairs[][2] = {
		{"128.11.68.132", "135.242.180.132"},  {"129.118.74.4", "134.136.186.123"},
		{"130.132.252.244", "133.68.164.234"}, {"141.223.7.43", "141.167.8.160"},
		{"192.102.249.13", "252.138.62.131"},
	};
	static const char *const pairs6[][2] = {
		{"::1", "78ff:f001:9fc0:20df:8380:b1f1:704:ed"},
		{"2001:db8::1", "4401:2bc:603f:d91d:27f:ff8e:e6f1:dc1e"},
	};
	struct hm_cryptopan *c = make();

	(void)state;
	for (size_t i = 0; i < sizeof(pairs) / sizeof(pairs[0]); i++) {
		uint32_t address, wanted;
		assert_int_equal(inet_pton(AF_INET, pairs[i][0], &address), 1);
		assert_int_equal(inet_pton(AF_INET, pairs[i][1], &wanted), 1);
		hm_cryptopan_ipv4(c, &address, 1);
		assert_int_equal(address, wanted);
	}
	for (size_t i = 0; i < sizeof(pairs6) / sizeof(pairs6[0]); i++) {
		uint8_t address[1][16], wanted[16];
		assert_int_equal(inet_pton(AF_INET6, pairs6[i][0], address[0]), 1);
		assert_int_equal(inet_pton(AF_INET6, pairs6[i][1], wanted), 1);
		hm_cryptopan_ipv6(c, address, 1);
		assert_memory_equal(address[0], wanted, 16);
	}
	hm_cryptopan_destroy(c);
}

static uint64_t number(void)
{
	static uint64_t x = 88172645463325252; // xorshift64

	x ^= x << 13;
	x ^= x >> 7;
	return x ^= x << 17;
}

static unsigned common4(uint32_t a, uint32_t b)
{
	return a == b ? 32 : (unsigned)__builtin_clz(ntohl(a ^ b));
}

/* Pairs with every length of a common prefix, which their pseudonyms have, and not a bit more. */
static void test_common_prefixes_stay_as_long(void **state)
{
	struct hm_cryptopan *c = make();

	(void)state;
	for (unsigned done = 0; done < PAIRS; done += GROUP) {
		uint32_t before[2 * GROUP], after[2 * GROUP];
		for (unsigned i = 0; i < GROUP; i++) {
			before[2 * i] = (uint32_t)number();
			before[2 * i + 1] =
				before[2 * i] ^ htonl((uint32_t)(number() >> 32 >> i % 33));
		}
		memcpy(after, before, sizeof(after));
		hm_cryptopan_ipv4(c, after, 2 * GROUP);
		for (unsigned i = 0; i < 2 * GROUP; i += 2)
			assert_int_equal(common4(after[i], after[i + 1]),
					 common4(before[i], before[i + 1]));
	}
	hm_cryptopan_destroy(c);
}

static unsigned common6(const uint8_t *a, const uint8_t *b)
{
	unsigned i = 0;

	while (i < 128 && !((a[i / 8] ^ b[i / 8]) >> (7 - i % 8) & 1))
		i++;
	return i;
}

static void test_common_prefixes_of_ipv6_stay_as_long(void **state)
{
	struct hm_cryptopan *c = make();

	(void)state;
	for (unsigned length = 0; length < 128 * 40; length++) {
		uint8_t before[2][16], after[2][16];
		uint64_t halves[2] = {number(), number()};
		memcpy(before[0], halves, 16);
		memcpy(before[1], halves, 16);
		before[1][length % 128 / 8] ^= (uint8_t)(128 >> length % 8);
		memcpy(after, before, sizeof(after));
		hm_cryptopan_ipv6(c, after, 2);
		assert_int_equal(common6(before[0], before[1]), length % 128);
		assert_int_equal(common6(after[0], after[1]), length % 128);
	}
	hm_cryptopan_destroy(c);
}

/* One call for all gives what one call for each gives, at every number around the size of a group. */
static void test_numbers_of_addresses_do_not_matter(void **state)
{
	struct hm_cryptopan *c = make();

	(void)state;
	for (unsigned n = 0; n <= 130; n++) {
		uint32_t all[130], single[130];
		uint8_t all6[130][16], single6[130][16];
		for (unsigned i = 0; i < n; i++) {
			uint64_t halves[2] = {number(), number()};
			all[i] = single[i] = (uint32_t)number();
			memcpy(all6[i], halves, 16);
			memcpy(single6[i], halves, 16);
			hm_cryptopan_ipv4(c, &single[i], 1);
			hm_cryptopan_ipv6(c, &single6[i], 1);
		}
		hm_cryptopan_ipv4(c, all, n);
		hm_cryptopan_ipv6(c, all6, n);
		assert_memory_equal(all, single, n * sizeof(all[0]));
		assert_memory_equal(all6, single6, n * sizeof(all6[0]));
	}
	hm_cryptopan_destroy(c);
}

/* What docs/privacy.md says: of random keys, one in 2 (4/3)^15, which is 150, leaves a network of 16 bits as it is. */
static void test_networks_that_keep_their_name(void **state)
{
	unsigned same = 0;

	(void)state;
	for (unsigned i = 0; i < 30000; i++) {
		uint64_t drawn[4] = {number(), number(), number(), number()};
		struct hm_cryptopan *c = hm_cryptopan_create((const uint8_t *)drawn);
		uint32_t address = htobe32(0x0a4d0001);
		hm_cryptopan_ipv4(c, &address, 1);
		same += be32toh(address) >> 16 == 0x0a4d;
		hm_cryptopan_destroy(c);
	}
	assert_in_range(same, 150, 250); // 200.4 are expected, with a standard deviation of 14
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_published_pairs),
		cmocka_unit_test(test_common_prefixes_stay_as_long),
		cmocka_unit_test(test_common_prefixes_of_ipv6_stay_as_long),
		cmocka_unit_test(test_numbers_of_addresses_do_not_matter),
		cmocka_unit_test(test_networks_that_keep_their_name),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
