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

static uint32_t load_word(const uint8_t *p)
{
	return p[0] | (uint32_t)p[1] << 8 | (uint32_t)p[2] << 16 | (uint32_t)p[3] << 24;
}

uint32_t hm_hash_bob(const uint8_t *bytes, uint32_t n, uint32_t seed)
{
	uint32_t a = HM_HASH_GOLDEN, b = HM_HASH_GOLDEN, c = seed, left = n;
	uint8_t last[12] = {0}; // the ninth byte is where the length goes

	for (; left >= 12; left -= 12, bytes += 12) {
		a += load_word(bytes);
		b += load_word(bytes + 4);
		c += load_word(bytes + 8);
		hm_hash_mix(&a, &b, &c);
	}
	for (uint32_t i = 0; i < left; i++)
		last[i < 8 ? i : i + 1] = bytes[i];
	a += load_word(last);
	b += load_word(last + 4);
	c += load_word(last + 8) + n;
	hm_hash_mix(&a, &b, &c);
	return c;
}
