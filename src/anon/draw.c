/* SPDX-License-Identifier: BSD-3-Clause */
#include <math.h>
#include <openssl/evp.h>
#include <stdlib.h>
#include <string.h>

#include "anon/digest.h"
#include "anon/map.h"

struct hm_anon_draw {
	EVP_CIPHER_CTX *aes;
};

struct hm_anon_draw *hm_anon_draw_create(const uint8_t key[32])
{
	static const char name[] = "MAP_DISTRIBUTION";
	struct hm_anon_draw *d = calloc(1, sizeof(*d));
	struct hm_anon_digest *digest = hm_anon_digest_create(key);
	uint8_t own[HM_ANON_DIGEST_MAX] = {0};
	int ok;

	if (digest)
		hm_anon_hmac(digest, (const uint8_t *)name, sizeof(name) - 1, own);
	if (d)
		d->aes = EVP_CIPHER_CTX_new();
	ok = digest && d && d->aes &&
	     EVP_EncryptInit_ex(d->aes, EVP_aes_128_ecb(), NULL, own, NULL) == 1 &&
	     EVP_CIPHER_CTX_set_padding(d->aes, 0) == 1;
	explicit_bzero(own, sizeof(own));
	hm_anon_digest_destroy(digest);
	if (ok)
		return d;
	hm_anon_draw_destroy(d);
	return NULL;
}

void hm_anon_draw_destroy(struct hm_anon_draw *d)
{
	if (!d)
		return;
	EVP_CIPHER_CTX_free(d->aes);
	free(d);
}

/* In (0, 1]. */
static double unit(const uint8_t *random)
{
	uint64_t bits;

	memcpy(&bits, random, sizeof(bits));
	return (double)((bits >> 11) + 1) * 0x1p-53;
}

/* Box and Muller. */
static double gaussian(const struct hm_anon_rule *r, const uint8_t *random)
{
	const double radius = sqrt(-2 * log(unit(random))), angle = 2 * M_PI * unit(random + 8);

	return round((double)r->a + (double)r->b * radius * cos(angle));
}

uint32_t hm_anon_draw(struct hm_anon_draw *d, const struct hm_anon_rule *r, uint32_t highest,
		      const uint8_t *value, uint32_t n)
{
	uint8_t random[HM_ANON_VALUE_MAX] = {0};
	uint64_t bits;
	double number;
	int done;

	memcpy(random, value, n);
	EVP_EncryptUpdate(d->aes, random, &done, random, sizeof(random));
	if (r->distribution == HM_ANON_UNIFORM) {
		memcpy(&bits, random, sizeof(bits));
		bits >>= 32; // a - b + 1 is at most 2^32
		return (uint32_t)((uint64_t)r->a + (bits * ((uint64_t)(r->b - r->a) + 1) >> 32));
	}
	number = gaussian(r, random);
	return number <= 0 ? 0 : number >= highest ? highest : (uint32_t)number;
}
