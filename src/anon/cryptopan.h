/* SPDX-License-Identifier: BSD-3-Clause */
/* cryptopan: prefix-preserving pseudonyms of IP addresses: two addresses with their first n bits in common have
 * pseudonyms with their first n bits in common, and no more (Xu, Fan, Ammar, Moon: Prefix-Preserving IP Address
 * Anonymization, ICNP 2002). The same key gives the same pseudonyms of IPv4 addresses as traceanon, nfanon and the
 * authors' own program; for IPv6 each of the 128 bits is treated as each of IPv4's 32.
 *
 * A bit of a pseudonym takes one AES-128 block, so that an IPv4 address takes 32 and an IPv6 one 128; whole
 * groups of addresses go through one call of OpenSSL, which keeps AES-NI's pipeline full.
 */
#pragma once

#include <stdint.h>

#define HM_CRYPTOPAN_KEY 32 // bytes: of the cipher, then of the padding

struct hm_cryptopan;

/* Has memory of its own to work in: one user at a time. NULL with errno. */
struct hm_cryptopan *hm_cryptopan_create(const uint8_t key[HM_CRYPTOPAN_KEY]);
void hm_cryptopan_destroy(struct hm_cryptopan *c); // NULL is allowed

/* Puts the pseudonyms in the place of n addresses, all in network order. */
void hm_cryptopan_ipv4(struct hm_cryptopan *c, uint32_t *addresses, unsigned n);
void hm_cryptopan_ipv6(struct hm_cryptopan *c, uint8_t (*addresses)[16], unsigned n);
