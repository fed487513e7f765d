/* SPDX-License-Identifier: BSD-3-Clause */
#include "core/ip_length.h"

#include <string.h>

#include "core/wire.h"

#define IPV6_HEADER 40u

/* Eight bytes at a time: a carry is worth 1 wherever the words begin. */
uint64_t hm_ip_sum(const uint8_t *p, uint32_t n, uint64_t sum)
{
	uint64_t word;

	for (; n >= 8; n -= 8, p += 8) {
		memcpy(&word, p, sizeof(word));
		sum += word & UINT32_MAX;
		sum += word >> 32;
	}
	word = 0;
	memcpy(&word, p, n);
	return sum + (word & UINT32_MAX) + (word >> 32);
}

uint16_t hm_ip_fold(uint64_t sum)
{
	while (sum >> 16)
		sum = (sum & UINT16_MAX) + (sum >> 16);
	return (uint16_t)sum;
}

static uint16_t checksum(uint64_t sum)
{
	const uint16_t words = (uint16_t)~hm_ip_fold(sum);
	uint8_t bytes[2];

	memcpy(bytes, &words, sizeof(bytes)); // memory order is the wire's
	return (uint16_t)hm_be16(bytes);
}

void hm_ip_set_length(uint8_t *ip, uint32_t header, uint32_t payload, bool v6, bool pppoe)
{
	const uint32_t length = header + payload;
	const uint32_t before = v6 ? hm_be16(ip + 4) + IPV6_HEADER : hm_be16(ip + 2);

	// PPPoE counts the PPP protocol's two bytes, too
	if (pppoe && hm_be16(ip - 4) == before + 2 && length + 2 <= UINT16_MAX)
		hm_put16(ip - 4, length + 2);
	if (v6) {
		hm_put16(ip + 4, length - IPV6_HEADER);
		return;
	}
	hm_put16(ip + 2, length);
	hm_put16(ip + 10, 0);
	hm_put16(ip + 10, checksum(hm_ip_sum(ip, header, 0)));
}

uint16_t hm_ip_l4_checksum(const uint8_t *ip, bool v6, uint8_t protocol, const uint8_t *l4,
			   uint32_t n)
{
	const uint8_t tail[8] = {(uint8_t)(n >> 24),
				 (uint8_t)(n >> 16),
				 (uint8_t)(n >> 8),
				 (uint8_t)n,
				 0,
				 0,
				 0,
				 protocol};
	uint64_t sum = hm_ip_sum(tail, sizeof(tail), 0);

	sum = v6 ? hm_ip_sum(ip + 8, 32, sum) : hm_ip_sum(ip + 12, 8, sum);
	return checksum(hm_ip_sum(l4, n, sum));
}
