/* SPDX-License-Identifier: BSD-3-Clause */
/* record: a finished biflow on its way from a worker to the control core (RFC 5103 terms: forward
 * is the direction of the first packet). Always written out "flow record", never just "flow".
 */
#pragma once

#include <assert.h>
#include <stdint.h>

/* IANA flowEndReason (element 136) */
enum hm_end_reason {
	HM_END_IDLE = 1,
	HM_END_ACTIVE = 2,
	HM_END_DETECTED = 3, // TCP FIN or RST
	HM_END_FORCED = 4,   // stop, close
	HM_END_RESOURCES = 5 // cache full
};

struct hm_flow_record {
	uint8_t src[16], dst[16];    // IPv4: first four bytes, the rest 0; network order
	uint16_t src_port, dst_port; // host order; ICMP: 0 and type << 8 | code
	uint8_t proto, ip_version, end_reason, tos; // tos of the first packet
	uint64_t first_ns[2], last_ns[2];           // [0] forward, [1] reverse; 0 if no packet
	uint64_t packets[2], bytes[2];              // IP bytes (layer 3 length on the wire)
	uint8_t tcp_flags[2];                       // OR of all
	uint8_t tos_reverse, reserved;
	uint16_t ifindex, vlan;
	uint32_t hash;
};

static_assert(sizeof(struct hm_flow_record) == 120, "copied through rings by value");
static_assert(sizeof(struct hm_flow_record) % 4 == 0, "rte_ring element size");
