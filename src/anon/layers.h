/* SPDX-License-Identifier: BSD-3-Clause */
/* layers: where a packet has IP addresses, one layer a pair or a single one, and how they are replaced so that the
 * checksums around them stay as right, or as wrong, as they were (RFC 1624).
 *
 * Those of the IP header, with that of the tunnel around it; of the packet that an ICMP or ICMPv6 error quotes; of
 * ICMP's redirect, and of ICMPv6's neighbour solicitation and advertisement, redirect and multicast listener (RFC
 * 792, 4861, 2710). Addresses in IP options, routing headers and payloads are not looked for.
 */
#pragma once

#include "core/batch.h"

#define HM_LAYERS_MAX    4 // a tunnel's, the packet's, a message's own, the quoted packet's
#define HM_ADDRESSES_MAX (2 * HM_LAYERS_MAX)

/* Offsets are from the first byte of the frame. */
struct hm_layer {
	uint16_t addresses; // of the first; others follow it at once
	uint16_t n;         // of them, 0 to 2
	uint16_t cut;       // bytes behind them: of one that is not wholly there, which are blanked
	uint16_t header_sum; // the IPv4 header's checksum; 0: none
	uint16_t sum;        // the checksum of what the IP packet carries; 0: none
	uint16_t first;      // the user's: number of the first address among all of its kind
	bool v6;
	bool pseudo;     // sum covers the addresses, too
	bool never_zero; // as sum: UDP's 0 says that there is none
};

/* Of packet i, which is in b's ipv4 or ipv6: at most three layers behind each other, from outside to inside. Returns
 * how many. */
unsigned hm_layers_find(const struct hm_batch *b, unsigned i, struct hm_layer *layers);

/* Only those within the ICMP or ICMPv6 message from l4 on: at most two, and at least a byte is there. */
unsigned hm_layers_find_message(const uint8_t *frame, uint32_t l4, uint32_t end, bool v6,
				struct hm_layer *layers);

/* Replaces the addresses of n layers, from outside to inside, by v4[first ...] or v6[first ...]. */
void hm_layers_replace(uint8_t *frame, const struct hm_layer *layers, unsigned n,
		       const uint32_t *v4, const uint8_t (*v6)[16]);
