/* SPDX-License-Identifier: BSD-3-Clause */
/* Built once per instruction set with HM_KERNELS (the table's name) and HM_ISA (its text) defined. Plain
 * loops over all 64 lanes, in the form that both compilers turn into vector code: everything in 32 bits
 * (11, 13 and 22 cycles with AVX-512, AVX2 and SSE4.2), since a test of the 64-bit mask beside 32-bit
 * values stays a loop of branches (100 cycles).
 * They make no masks out of comparisons, so that is written out.
 */
#include <immintrin.h>

#include "core/hash.h"
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

#if defined(__AVX512BW__)
#define WIDTH 16
typedef __m512i vector;

static inline vector load(const uint32_t *p, vector mask)
{
	return _mm512_and_si512(_mm512_loadu_si512(p), mask);
}

static inline uint64_t equal(vector a, vector b)
{
	return _mm512_cmpeq_epi32_mask(a, b);
}

#define BROADCAST _mm512_set1_epi32
#define LARGER    _mm512_max_epu32
#elif defined(__AVX2__)
#define WIDTH 8
typedef __m256i vector;

static inline vector load(const uint32_t *p, vector mask)
{
	return _mm256_and_si256(_mm256_loadu_si256((const __m256i *)p), mask);
}

static inline uint64_t equal(vector a, vector b)
{
	return (uint32_t)_mm256_movemask_ps(_mm256_castsi256_ps(_mm256_cmpeq_epi32(a, b)));
}

#define BROADCAST _mm256_set1_epi32
#define LARGER    _mm256_max_epu32
#else
#define WIDTH 4
typedef __m128i vector;

static inline vector load(const uint32_t *p, vector mask)
{
	return _mm_and_si128(_mm_loadu_si128((const __m128i *)p), mask);
}

static inline uint64_t equal(vector a, vector b)
{
	return (uint32_t)_mm_movemask_ps(_mm_castsi128_ps(_mm_cmpeq_epi32(a, b)));
}

#define BROADCAST _mm_set1_epi32
#define LARGER    _mm_max_epu32
#endif

static uint64_t equal_u32(const uint32_t *values, uint32_t mask, uint32_t number)
{
	const vector masks = BROADCAST((int)mask), numbers = BROADCAST((int)number);
	uint64_t out = 0;

	for (unsigned i = 0; i < 64; i += WIDTH)
		out |= equal(load(values + i, masks), numbers) << i;
	return out;
}

static uint64_t at_most_u32(const uint32_t *values, uint32_t mask, uint32_t number)
{
	const vector masks = BROADCAST((int)mask), numbers = BROADCAST((int)number);
	uint64_t out = 0;

	for (unsigned i = 0; i < 64; i += WIDTH)
		out |= equal(LARGER(load(values + i, masks), numbers), numbers) << i;
	return out;
}

static void hash_words(uint32_t *restrict hash, const uint32_t *a, const uint32_t *b,
		       const uint32_t *c, uint32_t seed)
{
	for (unsigned i = 0; i < 64; i++)
		hash[i] = hm_hash_words(a[i], b[i], c[i], seed);
}

extern const struct hm_kernels HM_KERNELS;
const struct hm_kernels HM_KERNELS = {.isa = HM_ISA,
				      .sum_u32 = sum_u32,
				      .equal_u32 = equal_u32,
				      .at_most_u32 = at_most_u32,
				      .hash_words = hash_words};
