/* SPDX-License-Identifier: BSD-3-Clause */
/* Every instruction set's kernels against a scalar reference, on random lanes and masks. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "core/hash.h"
#include "core/kernels.h"

static uint64_t random64(void)
{
	return (uint64_t)random() << 42 ^ (uint64_t)random() << 21 ^ (uint64_t)random();
}

static uint64_t reference_sum(const uint32_t *v, uint64_t mask)
{
	uint64_t sum = 0;

	for (; mask; mask &= mask - 1)
		sum += v[__builtin_ctzll(mask)];
	return sum;
}

static void test_kernels_on_random_lanes_equal_reference(void **state)
{
	(void)state;
	for (const struct hm_kernels *const *k = hm_kernels_all(); *k; k++)
		for (int round = 0; round < 2000; round++) {
			uint32_t v[64];
			uint64_t mask = round == 0 ? 0 : round == 1 ? UINT64_MAX : random64();

			for (int i = 0; i < 64; i++) // also values whose sum does not fit 32 bits
				v[i] = round == 1 ? UINT32_MAX : (uint32_t)random64();
			assert_int_equal((*k)->sum_u32(v, mask), reference_sum(v, mask));
		}
}

/* Numbers near each other and far apart, so that each comparison goes both ways. */
static void test_kernels_comparisons_equal_reference(void **state)
{
	(void)state;
	for (const struct hm_kernels *const *k = hm_kernels_all(); *k; k++)
		for (int round = 0; round < 2000; round++) {
			uint32_t v[64], mask = round % 3 ? UINT32_MAX : (uint32_t)random64();
			uint32_t range = round % 2 ? 8 : UINT32_MAX,
				 number = (uint32_t)random64() % range;
			uint64_t equal = 0, at_most = 0;

			for (int i = 0; i < 64; i++) {
				v[i] = (uint32_t)random64() % range;
				equal |= (uint64_t)((v[i] & mask) == number) << i;
				at_most |= (uint64_t)((v[i] & mask) <= number) << i;
			}
			assert_true((*k)->equal_u32(v, mask, number) == equal);
			assert_true((*k)->at_most_u32(v, mask, number) == at_most);
		}
}

static void test_kernels_hash_of_words_equals_reference(void **state)
{
	(void)state;
	for (const struct hm_kernels *const *k = hm_kernels_all(); *k; k++)
		for (int round = 0; round < 200; round++) {
			uint32_t a[64], b[64], c[64], hash[64], seed = (uint32_t)random64();

			for (int i = 0; i < 64; i++) {
				a[i] = (uint32_t)random64();
				b[i] = (uint32_t)random64();
				c[i] = (uint32_t)random64();
			}
			(*k)->hash_words(hash, a, b, c, seed);
			for (int i = 0; i < 64; i++)
				assert_int_equal(hash[i], hm_hash_words(a[i], b[i], c[i], seed));
		}
}

static void test_kernels_chosen_is_the_last_runnable(void **state)
{
	const struct hm_kernels *const *k = hm_kernels_all();

	(void)state;
	assert_non_null(*k);
	assert_string_equal((*k)->isa, "sse4.2");
	while (k[1])
		k++;
	assert_string_equal(hm_kernels.isa, (*k)->isa);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_kernels_on_random_lanes_equal_reference),
		cmocka_unit_test(test_kernels_comparisons_equal_reference),
		cmocka_unit_test(test_kernels_hash_of_words_equals_reference),
		cmocka_unit_test(test_kernels_chosen_is_the_last_runnable),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
