/* SPDX-License-Identifier: BSD-3-Clause */
/* pseudonyms: prefix-preserving pseudonyms (cryptopan.h) of a batch's addresses, with a cache of those seen lately,
 * which changes what they cost and never what they are. Of one worker. */
#pragma once

#include <stdint.h>

#include "anon/cryptopan.h"

#define HM_PSEUDONYMS_MAX 512 // addresses at a time

struct hm_pseudonyms;

struct hm_pseudonyms *hm_pseudonyms_create(const uint8_t key[HM_CRYPTOPAN_KEY]); // NULL: no memory
void hm_pseudonyms_destroy(struct hm_pseudonyms *p); // NULL is allowed; wipes what it knows

/* In the place of n addresses, up to HM_PSEUDONYMS_MAX, in network order. */
void hm_pseudonyms_ipv4(struct hm_pseudonyms *p, uint32_t *addresses, unsigned n);
void hm_pseudonyms_ipv6(struct hm_pseudonyms *p, uint8_t (*addresses)[16], unsigned n);
