/* SPDX-License-Identifier: BSD-3-Clause */
/* wide: 256-bit unsigned integers, in which the sum of 2^64 64-bit numbers, or of their squares, always fits,
 * and so do the products that an exact variance takes.
 */
#pragma once

#include <stdint.h>

struct hm_wide {
	uint64_t w[4]; // least significant first
};

#define HM_WIDE_DECIMAL 80 // bytes of text that any of them fits in

static inline void hm_wide_add(struct hm_wide *a, unsigned __int128 n)
{
	unsigned __int128 sum = (unsigned __int128)a->w[0] + (uint64_t)n;

	a->w[0] = (uint64_t)sum;
	sum = (sum >> 64) + a->w[1] + (uint64_t)(n >> 64);
	a->w[1] = (uint64_t)sum;
	for (unsigned i = 2; (sum >> 64) != 0 && i < 4; i++) {
		sum = (sum >> 64) + a->w[i];
		a->w[i] = (uint64_t)sum;
	}
}

/* Products above 2^256 lose their upper bits. */
struct hm_wide hm_wide_multiply(const struct hm_wide *a, const struct hm_wide *b);
struct hm_wide hm_wide_subtract(const struct hm_wide *a, const struct hm_wide *b); // a >= b
long double hm_wide_real(const struct hm_wide *a);
/* Writes it in decimal; returns `text`. */
const char *hm_wide_decimal(const struct hm_wide *a, char text[HM_WIDE_DECIMAL]);
