/* SPDX-License-Identifier: BSD-3-Clause */
/* random: bytes that nobody can guess, without a system call: AES-128 in counter mode, begun from getrandom(2) once. */
#pragma once

#include <stdint.h>

struct hm_anon_random;

/* One user at a time. NULL: no memory, or the kernel gives no random bytes. */
struct hm_anon_random *hm_anon_random_create(void);
void hm_anon_random_destroy(struct hm_anon_random *r); // NULL is allowed
void hm_anon_random_bytes(struct hm_anon_random *r, uint8_t *out, uint32_t n);
/* ANONYMIZE's FILENAME_RANDOM: up to the last dot, or all without one, characters 33 to 125; the rest as it was. */
void hm_anon_random_filename(struct hm_anon_random *r, const uint8_t *in, uint32_t n, uint8_t *out);
