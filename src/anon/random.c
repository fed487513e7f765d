/* SPDX-License-Identifier: BSD-3-Clause */
#include "anon/random.h"

#include <openssl/evp.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#define SEED      32 // key and first counter
#define POOL      2048
#define PRINTABLE 33
#define LETTERS   (125 - PRINTABLE + 1)

struct hm_anon_random {
	EVP_CIPHER_CTX *aes;
	uint32_t at;
	uint8_t pool[POOL];
};

/* What was handed out is overwritten. */
static void refill(struct hm_anon_random *r)
{
	int n;

	memset(r->pool, 0, POOL);
	EVP_EncryptUpdate(r->aes, r->pool, &n, r->pool, POOL);
	r->at = 0;
}

struct hm_anon_random *hm_anon_random_create(void)
{
	struct hm_anon_random *r = calloc(1, sizeof(*r));
	uint8_t seed[SEED];
	int rc;

	if (!r)
		return NULL;
	r->aes = EVP_CIPHER_CTX_new();
	rc = r->aes && getrandom(seed, sizeof(seed), 0) == SEED &&
	     EVP_EncryptInit_ex(r->aes, EVP_aes_128_ctr(), NULL, seed, seed + SEED / 2) == 1;
	explicit_bzero(seed, sizeof(seed));
	if (!rc) {
		hm_anon_random_destroy(r);
		return NULL;
	}
	refill(r);
	return r;
}

void hm_anon_random_destroy(struct hm_anon_random *r)
{
	if (!r)
		return;
	EVP_CIPHER_CTX_free(r->aes);
	explicit_bzero(r, sizeof(*r));
	free(r);
}

void hm_anon_random_bytes(struct hm_anon_random *r, uint8_t *out, uint32_t n)
{
	while (n) {
		uint32_t part = n < POOL - r->at ? n : POOL - r->at;

		memcpy(out, r->pool + r->at, part);
		r->at += part;
		out += part;
		n -= part;
		if (r->at == POOL)
			refill(r);
	}
}

/* Each as likely as any other: what is above the last multiple is thrown away. */
static uint8_t letter(struct hm_anon_random *r)
{
	uint8_t byte;

	do {
		hm_anon_random_bytes(r, &byte, 1);
	} while (byte >= 256 / LETTERS * LETTERS);
	return (uint8_t)(PRINTABLE + byte % LETTERS);
}

void hm_anon_random_filename(struct hm_anon_random *r, const uint8_t *in, uint32_t n, uint8_t *out)
{
	const uint8_t *dot = n ? memrchr(in, '.', n) : NULL;
	const uint32_t name = dot ? (uint32_t)(dot - in) : n;

	for (uint32_t i = 0; i < name; i++)
		out[i] = letter(r);
	memcpy(out + name, in + name, n - name);
}
