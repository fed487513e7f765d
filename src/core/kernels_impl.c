/* SPDX-License-Identifier: BSD-3-Clause */
/* Built once per instruction set with HM_KERNELS (the table's name) and HM_ISA (its text) defined. Plain
 * loops over all 64 lanes: the compiler turns the bit test into a blend. */
#include "core/kernels.h"

static uint64_t sum_u32(const uint32_t *values, uint64_t mask)
{
	uint64_t sum = 0;

	for (unsigned i = 0; i < 64; i++)
		sum += mask >> i & 1 ? values[i] : 0;
	return sum;
}

extern const struct hm_kernels HM_KERNELS;
const struct hm_kernels HM_KERNELS = {.isa = HM_ISA, .sum_u32 = sum_u32};
