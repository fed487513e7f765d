/* SPDX-License-Identifier: BSD-3-Clause */
/* ip_length: headers of IP packets that have become longer or shorter, or whose payload is another. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

/* The packet at `ip` has `header` bytes before its payload (IPv6: with the extension headers) and `payload` bytes of that,
 * 65,535 in all at most: changes total length and checksum of IPv4, the payload length of IPv6, and the length of
 * PPPoE before it, if that was right. */
void hm_ip_set_length(uint8_t *ip, uint32_t header, uint32_t payload, bool v6, bool pppoe);

/* The checksum, as a number, of n bytes of transport header and payload, whose own checksum field has 0 (RFC 1071, RFC
 * 9293 section 3.1, RFC 8200 section 8.1). For UDP 0 is to be sent as 0xffff. */
uint16_t hm_ip_l4_checksum(const uint8_t *ip, bool v6, uint8_t protocol, const uint8_t *l4,
			   uint32_t n);

/* The sum of 16-bit words in memory order, for ones' complement arithmetic: of n bytes and of what was summed up before.
 * The n bytes begin at an even distance from where the checksum's words begin. */
uint64_t hm_ip_sum(const uint8_t *bytes, uint32_t n, uint64_t sum);
/* What of it fits into 16 bits, still in memory order. */
uint16_t hm_ip_fold(uint64_t sum);
