/* SPDX-License-Identifier: BSD-3-Clause */
/* hash: the hashes of packets that MAPI's functions and RFCs define, so that other programs and other observation
 * points get the same numbers. The hash of the parser (batch.h) is ours alone.
 */
#pragma once

#include <stdint.h>

#define HM_HASH_SUM_MODULUS 500009

/* HASH's: the number of bytes plus their sum, modulo HM_HASH_SUM_MODULUS. */
uint32_t hm_hash_sum(const uint8_t *bytes, uint32_t n);

#define HM_HASH_GOLDEN UINT32_C(0x9e3779b9)

/* The mixing step of Bob Jenkins' hash of 1996, which RFC 5475 calls BOB and Linux 2.6 jhash. */
static inline void hm_hash_mix(uint32_t *a, uint32_t *b, uint32_t *c)
{
	*a = (*a - *b - *c) ^ *c >> 13;
	*b = (*b - *c - *a) ^ *a << 8;
	*c = (*c - *a - *b) ^ *b >> 13;
	*a = (*a - *b - *c) ^ *c >> 12;
	*b = (*b - *c - *a) ^ *a << 16;
	*c = (*c - *a - *b) ^ *b >> 5;
	*a = (*a - *b - *c) ^ *c >> 3;
	*b = (*b - *c - *a) ^ *a << 10;
	*c = (*c - *a - *b) ^ *b >> 15;
}

/* Of three words, as jhash_3words() of Linux 2.6: HASHSAMP's (kernels.h has it for a batch). */
static inline uint32_t hm_hash_words(uint32_t a, uint32_t b, uint32_t c, uint32_t seed)
{
	a += HM_HASH_GOLDEN;
	b += HM_HASH_GOLDEN;
	c += seed;
	hm_hash_mix(&a, &b, &c);
	return c;
}

/* Of bytes: BOB (RFC 5475, appendix A.2), for hash-based selection of packets. */
uint32_t hm_hash_bob(const uint8_t *bytes, uint32_t n, uint32_t seed);
