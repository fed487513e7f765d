/* SPDX-License-Identifier: BSD-3-Clause */
/* digest: ANONYMIZE's HASHED, and keys that are made of the one key.
 *
 * HMAC (RFC 2104, with SHA-256) depends on the key: without it nobody can try which value a digest is of. SHA, SHA_2,
 * MD5 and CRC32 are MAPI's and protect nothing whose values can be tried, like addresses. AES (256 bit), DES and
 * TRIPLEDES encrypt whole blocks one by one, as MAPI does, with keys of the one key. */
#pragma once

#include <stdint.h>

#include "anon/names.h"

#define HM_ANON_DIGEST_MAX 32

struct hm_anon_digest;

/* One user at a time. NULL: no memory. */
struct hm_anon_digest *hm_anon_digest_create(const uint8_t key[32]);
void hm_anon_digest_destroy(struct hm_anon_digest *d); // NULL is allowed

/* HMAC-SHA-256 with the key. */
void hm_anon_hmac(struct hm_anon_digest *d, const uint8_t *in, uint32_t n, uint8_t out[32]);

/* HASHED of a field of n bytes; returns how many bytes it has then. A digest that is shorter than the field is followed
 * by '0' (PAD_WITH_ZERO), by what was there (UNCHANGED) or by nothing (STRIP_REST); one that is longer makes the field
 * longer. Never more than `room`. */
uint32_t hm_anon_hashed(struct hm_anon_digest *d, enum hm_anon_word algorithm,
			enum hm_anon_word padding, const uint8_t *in, uint32_t n, uint8_t *out,
			uint32_t room);
