/* SPDX-License-Identifier: BSD-3-Clause */
/* hash: the hashes of packets that MAPI's functions define, so that other programs get the same numbers. The hash of
 * the parser (batch.h) is ours alone.
 */
#pragma once

#include <stdint.h>

#define HM_HASH_SUM_MODULUS 500009

/* HASH's: the number of bytes plus their sum, modulo HM_HASH_SUM_MODULUS. */
uint32_t hm_hash_sum(const uint8_t *bytes, uint32_t n);
