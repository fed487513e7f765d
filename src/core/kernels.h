/* SPDX-License-Identifier: BSD-3-Clause */
/* kernels: loops over a batch's lanes that a wider instruction set does faster. kernels_impl.c is built
 * once per instruction set and holds plain loops, or intrinsics where compilers find no vector code;
 * the best one that this CPU runs is chosen once.
 */
#pragma once

#include <stdint.h>

struct hm_kernels {
	const char *isa; // "sse4.2", "avx2", "avx512"
	/* Sum of the 64 values whose mask bit is set. */
	uint64_t (*sum_u32)(const uint32_t *values, uint64_t mask);
	/* Which of the 64 values, each ANDed with `mask`, are equal to `number`; at most `number`. */
	uint64_t (*equal_u32)(const uint32_t *values, uint32_t mask, uint32_t number);
	uint64_t (*at_most_u32)(const uint32_t *values, uint32_t mask, uint32_t number);
	/* hm_hash_words() (hash.h) of 64 times three words. */
	void (*hash_words)(uint32_t *restrict hash, const uint32_t *a, const uint32_t *b,
			   const uint32_t *c, uint32_t seed);
};

extern struct hm_kernels hm_kernels; // valid from program start, by constructor

/* All versions that this CPU can run, for tests and the bench; NULL ends. */
const struct hm_kernels *const *hm_kernels_all(void);
