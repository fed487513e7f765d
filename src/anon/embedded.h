/* SPDX-License-Identifier: BSD-3-Clause */
/* embedded: addresses in messages that tell of hosts: answers of DNS (RFC 1035, 3596) with the client's subnet that
 * resolvers hand on (RFC 7871), and DHCP for both families (RFC 2131, 2132, 8415). Names are not looked into: those of
 * reverse look-ups hold addresses, too.
 *
 * What is cut, or contradicts itself, is looked at up to there.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#define HM_EMBEDDED_MAX 1024

struct hm_embedded {
	uint16_t at;  // from the message's first byte
	uint8_t n;    // bytes that are there: of an address 1 to 4 or 16, of a MAC address 6
	uint8_t size; // of a whole one: 4, 16 or 6
};

struct hm_embeddeds {
	unsigned n;
	uint32_t rest; // there were more than HM_EMBEDDED_MAX, from this byte on; else UINT32_MAX
	struct hm_embedded at[HM_EMBEDDED_MAX];
};

/* Of a message of n bytes, 65,535 at most. */
void hm_embedded_dns(const uint8_t *message, uint32_t n, struct hm_embeddeds *found);
void hm_embedded_dhcp4(const uint8_t *message, uint32_t n, struct hm_embeddeds *found);
void hm_embedded_dhcp6(const uint8_t *message, uint32_t n, struct hm_embeddeds *found);
