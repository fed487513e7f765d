/* SPDX-License-Identifier: BSD-3-Clause */
/* Built once per instruction set with HM_KERNELS (the table's name) and HM_ISA (its text) defined. Plain
 * loops over all 64 lanes, written so that the compiler sees a mask and no branch. */
#include "core/kernels.h"

#define FEW 8 // so many packets are added up faster one by one

static const uint32_t bit[32] = {
	1u << 0,  1u << 1,  1u << 2,  1u << 3,  1u << 4,  1u << 5,  1u << 6,  1u << 7,
	1u << 8,  1u << 9,  1u << 10, 1u << 11, 1u << 12, 1u << 13, 1u << 14, 1u << 15,
	1u << 16, 1u << 17, 1u << 18, 1u << 19, 1u << 20, 1u << 21, 1u << 22, 1u << 23,
	1u << 24, 1u << 25, 1u << 26, 1u << 27, 1u << 28, 1u << 29, 1u << 30, 1u << 31,
};

static uint64_t sum_half(const uint32_t *values, uint32_t mask)
{
	uint64_t sum = 0;

	// `values[i] & -(mask >> i & 1)` and a conditional become 10 to 500 cycles of branches with gcc 12
	for (unsigned i = 0; i < 32; i++)
		sum += values[i] & -(uint32_t)((mask & bit[i]) != 0);
	return sum;
}

static uint64_t sum_u32(const uint32_t *values, uint64_t mask)
{
	uint64_t sum = 0;

	if (__builtin_popcountll(mask) > FEW)
		return sum_half(values, (uint32_t)mask) + sum_half(values + 32, mask >> 32);
	for (; mask; mask &= mask - 1)
		sum += values[__builtin_ctzll(mask)];
	return sum;
}

extern const struct hm_kernels HM_KERNELS;
const struct hm_kernels HM_KERNELS = {.isa = HM_ISA, .sum_u32 = sum_u32};
