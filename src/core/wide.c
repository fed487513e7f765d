/* SPDX-License-Identifier: BSD-3-Clause */
#include "core/wide.h"

#include <string.h>

struct hm_wide hm_wide_multiply(const struct hm_wide *a, const struct hm_wide *b)
{
	struct hm_wide product = {{0}};

	for (unsigned i = 0; i < 4; i++) {
		unsigned __int128 carry = 0;

		for (unsigned k = 0; i + k < 4; k++) {
			carry += (unsigned __int128)a->w[i] * b->w[k] + product.w[i + k];
			product.w[i + k] = (uint64_t)carry;
			carry >>= 64;
		}
	}
	return product;
}

struct hm_wide hm_wide_subtract(const struct hm_wide *a, const struct hm_wide *b)
{
	struct hm_wide rest;
	unsigned char borrow = 0;

	for (unsigned i = 0; i < 4; i++) {
		unsigned __int128 taken = (unsigned __int128)b->w[i] + borrow;

		borrow = taken > a->w[i];
		rest.w[i] = (uint64_t)(a->w[i] - taken);
	}
	return rest;
}

long double hm_wide_real(const struct hm_wide *a)
{
	long double real = 0;

	for (unsigned i = 4; i-- > 0;)
		real = real * 0x1p64L + (long double)a->w[i];
	return real;
}

/* Divides by 10 and returns the remainder. */
static unsigned divide_by_ten(struct hm_wide *a)
{
	unsigned __int128 rest = 0;

	for (unsigned i = 4; i-- > 0;) {
		rest = rest << 64 | a->w[i];
		a->w[i] = (uint64_t)(rest / 10);
		rest %= 10;
	}
	return (unsigned)rest;
}

const char *hm_wide_decimal(const struct hm_wide *a, char text[HM_WIDE_DECIMAL])
{
	struct hm_wide left = *a;
	char *at = text + HM_WIDE_DECIMAL - 1;

	*at = '\0';
	do {
		*--at = (char)('0' + divide_by_ten(&left));
	} while (left.w[0] | left.w[1] | left.w[2] | left.w[3]);
	return memmove(text, at, (size_t)(text + HM_WIDE_DECIMAL - at));
}
