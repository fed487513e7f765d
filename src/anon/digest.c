/* SPDX-License-Identifier: BSD-3-Clause */
#include "anon/digest.h"

#include <openssl/evp.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <zlib.h>

#include "core/wire.h"

#define BLOCK    64 // of SHA-256
#define AES_SIZE 16
#define DES_SIZE 8

struct hm_anon_digest {
	EVP_MD_CTX *sha1, *md5, *sha256;
	EVP_CIPHER_CTX *aes, *des, *triple_des;
	uint8_t inner[BLOCK], outer[BLOCK]; // the key, as HMAC has it before its two hashes
};

/* Of two pieces; the context has its algorithm, and takes no memory to begin anew. */
static uint32_t hash(EVP_MD_CTX *ctx, const uint8_t *first, uint32_t n_first, const uint8_t *second,
		     uint32_t n_second, uint8_t *out)
{
	unsigned n = 0;

	EVP_DigestInit_ex(ctx, EVP_MD_CTX_get0_md(ctx), NULL);
	EVP_DigestUpdate(ctx, first, n_first);
	EVP_DigestUpdate(ctx, second, n_second);
	EVP_DigestFinal_ex(ctx, out, &n);
	return n;
}

void hm_anon_hmac(struct hm_anon_digest *d, const uint8_t *in, uint32_t n, uint8_t out[32])
{
	uint8_t inside[HM_ANON_DIGEST_MAX];

	hash(d->sha256, d->inner, BLOCK, in, n, inside);
	hash(d->sha256, d->outer, BLOCK, inside, sizeof(inside), out);
}

static void make_hmac_key(struct hm_anon_digest *d, const uint8_t key[32])
{
	memset(d->inner, 0x36, BLOCK);
	memset(d->outer, 0x5c, BLOCK);
	for (unsigned i = 0; i < 32; i++) {
		d->inner[i] ^= key[i];
		d->outer[i] ^= key[i];
	}
}

static bool begin_cipher(struct hm_anon_digest *d, EVP_CIPHER_CTX *ctx, const EVP_CIPHER *cipher,
			 const char *name, bool thrice)
{
	uint8_t key[HM_ANON_DIGEST_MAX];
	bool ok;

	hm_anon_hmac(d, (const uint8_t *)name, (uint32_t)strlen(name), key);
	// DES is triple DES with one key: OpenSSL 3 has no DES of its own by default
	for (unsigned i = DES_SIZE; thrice && i < 3 * DES_SIZE; i++)
		key[i] = key[i - DES_SIZE];
	ok = EVP_EncryptInit_ex(ctx, cipher, NULL, key, NULL) == 1 &&
	     EVP_CIPHER_CTX_set_padding(ctx, 0) == 1;
	explicit_bzero(key, sizeof(key));
	return ok;
}

struct hm_anon_digest *hm_anon_digest_create(const uint8_t key[32])
{
	struct hm_anon_digest *d = calloc(1, sizeof(*d));

	if (!d)
		return NULL;
	make_hmac_key(d, key);
	d->sha1 = EVP_MD_CTX_new();
	d->md5 = EVP_MD_CTX_new();
	d->sha256 = EVP_MD_CTX_new();
	d->aes = EVP_CIPHER_CTX_new();
	d->des = EVP_CIPHER_CTX_new();
	d->triple_des = EVP_CIPHER_CTX_new();
	if (d->sha1 && d->md5 && d->sha256 && d->aes && d->des && d->triple_des &&
	    EVP_DigestInit_ex(d->sha1, EVP_sha1(), NULL) == 1 &&
	    EVP_DigestInit_ex(d->md5, EVP_md5(), NULL) == 1 &&
	    EVP_DigestInit_ex(d->sha256, EVP_sha256(), NULL) == 1 &&
	    begin_cipher(d, d->aes, EVP_aes_256_ecb(), "AES", false) &&
	    begin_cipher(d, d->des, EVP_des_ede3_ecb(), "DES", true) &&
	    begin_cipher(d, d->triple_des, EVP_des_ede3_ecb(), "TRIPLEDES", false))
		return d;
	hm_anon_digest_destroy(d);
	return NULL;
}

void hm_anon_digest_destroy(struct hm_anon_digest *d)
{
	if (!d)
		return;
	EVP_MD_CTX_free(d->sha1);
	EVP_MD_CTX_free(d->md5);
	EVP_MD_CTX_free(d->sha256);
	EVP_CIPHER_CTX_free(d->aes);
	EVP_CIPHER_CTX_free(d->des);
	EVP_CIPHER_CTX_free(d->triple_des);
	explicit_bzero(d, sizeof(*d));
	free(d);
}

/* Whole blocks; of the rest, made whole by zeros, as many bytes as there were. */
static uint32_t encrypt(EVP_CIPHER_CTX *ctx, uint32_t block, const uint8_t *in, uint32_t n,
			uint8_t *out)
{
	const uint32_t whole = n - n % block;
	uint8_t last[AES_SIZE] = {0};
	int done;

	if (whole)
		EVP_EncryptUpdate(ctx, out, &done, in, (int)whole);
	memcpy(last, in + whole, n - whole);
	if (n > whole) {
		EVP_EncryptUpdate(ctx, last, &done, last, (int)block);
		memcpy(out + whole, last, n - whole);
	}
	return n;
}

static uint32_t digest_of(struct hm_anon_digest *d, enum hm_anon_word algorithm, const uint8_t *in,
			  uint32_t n, uint8_t out[HM_ANON_DIGEST_MAX])
{
	switch (algorithm) {
	case HM_ANON_SHA:
		return hash(d->sha1, in, n, in, 0, out);
	case HM_ANON_MD5:
		return hash(d->md5, in, n, in, 0, out);
	case HM_ANON_SHA_2:
		return hash(d->sha256, in, n, in, 0, out);
	case HM_ANON_CRC32:
		hm_put32(out, (uint32_t)crc32(0, in, n));
		return 4;
	default:
		hm_anon_hmac(d, in, n, out);
		return HM_ANON_DIGEST_MAX;
	}
}

uint32_t hm_anon_hashed(struct hm_anon_digest *d, enum hm_anon_word algorithm,
			enum hm_anon_word padding, const uint8_t *in, uint32_t n, uint8_t *out,
			uint32_t room)
{
	uint8_t digest[HM_ANON_DIGEST_MAX];
	uint32_t size;

	n = n < room ? n : room;
	if (algorithm == HM_ANON_AES)
		return encrypt(d->aes, AES_SIZE, in, n, out);
	if (algorithm == HM_ANON_DES)
		return encrypt(d->des, DES_SIZE, in, n, out);
	if (algorithm == HM_ANON_TRIPLEDES)
		return encrypt(d->triple_des, DES_SIZE, in, n, out);
	size = digest_of(d, algorithm, in, n, digest);
	size = size < room ? size : room;
	memcpy(out, digest, size);
	if (n <= size || padding == HM_ANON_STRIP_REST)
		return size;
	if (padding == HM_ANON_PAD_WITH_ZERO)
		memset(out + size, '0', n - size);
	else
		memcpy(out + size, in + size, n - size);
	return n;
}
