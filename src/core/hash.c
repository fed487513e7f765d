/* SPDX-License-Identifier: BSD-3-Clause */
#include "core/hash.h"

#include <emmintrin.h>

uint32_t hm_hash_sum(const uint8_t *bytes, uint32_t n)
{
	const __m128i zero = _mm_setzero_si128();
	__m128i sums = zero; // of the even and of the odd eight bytes
	uint64_t sum = n;
	uint32_t at = 0;

	for (; at + 16 <= n; at += 16) {
		__m128i block = _mm_loadu_si128((const __m128i *)(const void *)(bytes + at));

		sums = _mm_add_epi64(sums, _mm_sad_epu8(block, zero));
	}
	for (; at < n; at++)
		sum += bytes[at];
	sum += (uint64_t)_mm_cvtsi128_si64(sums) +
	       (uint64_t)_mm_cvtsi128_si64(_mm_unpackhi_epi64(sums, sums));
	return (uint32_t)(sum % HM_HASH_SUM_MODULUS);
}
