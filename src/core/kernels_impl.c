/* SPDX-License-Identifier: BSD-3-Clause */
/* Built once per instruction set with HM_KERNELS (the table's name) and HM_ISA (its text) defined. Plain
 * loops over all 64 lanes, in the form that both compilers turn into vector code: everything in 32 bits
 * (11, 13 and 22 cycles with AVX-512, AVX2 and SSE4.2), since a test of the 64-bit mask beside 32-bit
 * values stays a loop of branches (100 cycles).
 */
#include "core/kernels.h"

#define B4(i)  1u << (i), 1u << ((i) + 1), 1u << ((i) + 2), 1u << ((i) + 3)
#define B16(i) B4(i), B4((i) + 4), B4((i) + 8), B4((i) + 12)

static const uint32_t bit[32] = {B16(0), B16(16)};

static uint64_t sum_u32(const uint32_t *values, uint64_t mask)
{
	uint32_t first = (uint32_t)mask, second = (uint32_t)(mask >> 32);
	uint32_t low = 0, high = 0; // sums of 64 halves of 16 bits

	for (unsigned i = 0; i < 32; i++) {
		uint32_t v = values[i] & -(uint32_t)((first & bit[i]) != 0);
		uint32_t w = values[32 + i] & -(uint32_t)((second & bit[i]) != 0);

		low += (v & 0xffff) + (w & 0xffff);
		high += (v >> 16) + (w >> 16);
	}
	return low + ((uint64_t)high << 16);
}

extern const struct hm_kernels HM_KERNELS;
const struct hm_kernels HM_KERNELS = {.isa = HM_ISA, .sum_u32 = sum_u32};
