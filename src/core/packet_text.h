/* SPDX-License-Identifier: BSD-3-Clause */
/* packet_text: a packet as a line for people, as tcpdump -n would begin it. What is in the packet says the parser.
 */
#pragma once

#include <stdint.h>

#include "core/link.h"

#define HM_PACKET_TEXT 256 // room for any line

struct hm_packet_view {
	enum hm_link link;
	uint64_t ts_ns;
	const uint8_t *data;
	uint32_t n;       // bytes at data, which may be fewer than
	uint32_t caplen;  // were captured
	uint32_t wirelen; // were on the wire
};

/* Without a newline. Allocates nothing, but formats and parses: not for the packet path. */
void hm_packet_text(char text[HM_PACKET_TEXT], const struct hm_packet_view *p);
