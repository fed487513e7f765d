/* SPDX-License-Identifier: BSD-3-Clause */
#include "anon/cryptopan.h"

#include <endian.h>
#include <errno.h>
#include <openssl/evp.h>
#include <stdlib.h>
#include <string.h>

#define BLOCK       16
#define BLOCKS      2048 // 32 KB, which stay in the first cache
#define BITS4       32
#define BITS6       128
#define ADDRESSES_4 (BLOCKS / BITS4)
#define ADDRESSES_6 (BLOCKS / BITS6)

struct hm_cryptopan {
	EVP_CIPHER_CTX *aes;
	uint64_t pad[2]; // host order
	uint64_t block[BLOCKS][2];
};

static void encrypt(struct hm_cryptopan *c, unsigned blocks)
{
	uint8_t *at = (uint8_t *)c->block;
	int n;

	EVP_EncryptUpdate(c->aes, at, &n, at, (int)(blocks * BLOCK));
}

struct hm_cryptopan *hm_cryptopan_create(const uint8_t key[HM_CRYPTOPAN_KEY])
{
	struct hm_cryptopan *c = aligned_alloc(64, (sizeof(*c) + 63) / 64 * 64);

	if (!c)
		return NULL;
	c->aes = EVP_CIPHER_CTX_new();
	if (!c->aes || EVP_EncryptInit_ex(c->aes, EVP_aes_128_ecb(), NULL, key, NULL) != 1) {
		hm_cryptopan_destroy(c);
		errno = ENOMEM;
		return NULL;
	}
	EVP_CIPHER_CTX_set_padding(c->aes, 0);
	memcpy(c->block[0], key + BLOCK, BLOCK);
	encrypt(c, 1);
	c->pad[0] = be64toh(c->block[0][0]);
	c->pad[1] = be64toh(c->block[0][1]);
	return c;
}

void hm_cryptopan_destroy(struct hm_cryptopan *c)
{
	if (!c)
		return;
	EVP_CIPHER_CTX_free(c->aes); // wipes its key
	explicit_bzero(c, sizeof(*c));
	free(c);
}

/* The first n of 64 bits. */
static uint64_t first(unsigned n)
{
	return n == 0 ? 0 : UINT64_MAX << (64 - n);
}

/* Block `bit` of an address: its first `bit` bits, and the rest of the padding. */
static void fill4(struct hm_cryptopan *c, uint32_t address, uint64_t (*block)[2])
{
	const uint64_t high = (uint64_t)address << 32, pad0 = c->pad[0], pad1 = htobe64(c->pad[1]);

	for (unsigned bit = 0; bit < BITS4; bit++) {
		uint64_t kept = first(bit);

		block[bit][0] = htobe64((high & kept) | (pad0 & ~kept));
		block[bit][1] = pad1;
	}
}

static void fill6(struct hm_cryptopan *c, const uint64_t address[2], uint64_t (*block)[2])
{
	const uint64_t pad0 = c->pad[0], pad1 = c->pad[1];

	for (unsigned bit = 0; bit < BITS6 / 2; bit++) {
		uint64_t kept = first(bit);

		block[bit][0] = htobe64((address[0] & kept) | (pad0 & ~kept));
		block[bit][1] = htobe64(pad1);
		block[64 + bit][0] = htobe64(address[0]);
		block[64 + bit][1] = htobe64((address[1] & kept) | (pad1 & ~kept));
	}
}

/* The first bit of each of n ciphertexts, the first one's highest. */
static uint64_t first_bits(uint64_t (*block)[2], unsigned n)
{
	uint64_t bits = 0;

	for (unsigned i = 0; i < n; i++)
		bits = bits << 1 | (((const uint8_t *)block[i])[0] >> 7);
	return bits;
}

void hm_cryptopan_ipv4(struct hm_cryptopan *c, uint32_t *addresses, unsigned n)
{
	for (unsigned done = 0, group; done < n; done += group) {
		group = n - done < ADDRESSES_4 ? n - done : ADDRESSES_4;
		for (unsigned i = 0; i < group; i++)
			fill4(c, be32toh(addresses[done + i]), &c->block[i * BITS4]);
		encrypt(c, group * BITS4);
		for (unsigned i = 0; i < group; i++)
			addresses[done + i] ^=
				htobe32((uint32_t)first_bits(&c->block[i * BITS4], BITS4));
	}
}

void hm_cryptopan_ipv6(struct hm_cryptopan *c, uint8_t (*addresses)[16], unsigned n)
{
	for (unsigned done = 0, group; done < n; done += group) {
		uint64_t address[2];

		group = n - done < ADDRESSES_6 ? n - done : ADDRESSES_6;
		for (unsigned i = 0; i < group; i++) {
			memcpy(address, addresses[done + i], sizeof(address));
			address[0] = be64toh(address[0]);
			address[1] = be64toh(address[1]);
			fill6(c, address, &c->block[i * BITS6]);
		}
		encrypt(c, group * BITS6);
		for (unsigned i = 0; i < group; i++) {
			memcpy(address, addresses[done + i], sizeof(address));
			address[0] ^= htobe64(first_bits(&c->block[i * BITS6], 64));
			address[1] ^= htobe64(first_bits(&c->block[i * BITS6 + 64], 64));
			memcpy(addresses[done + i], address, sizeof(address));
		}
	}
}
