/* SPDX-License-Identifier: BSD-3-Clause */
/* record: a biflow that has ended, on its way to the control core; always "flow record", never
 * just "flow". The cache has it in another order, netflow/entry.h.
 *
 * The two endpoints are kept in one canonical order, so that both directions have one key; what is
 * counted per direction is indexed by the endpoint that sent it. Forward (RFC 5103) is what the
 * initiator sent, the endpoint of the first packet.
 *
 * Fields of the first packet that may be wanted in the key (VLAN, interface, ToS, flow label) are
 * where they are in any case; the cache compares those that are wanted, under a mask. What is of the
 * frames around the datagrams (MAC addresses, MPLS label) is there if the key or a template wants it.
 */
#pragma once

#include <assert.h>
#include <stddef.h>
#include <stdint.h>

/* IANA flowEndReason (element 136) */
enum hm_end_reason {
	HM_END_IDLE = 1,
	HM_END_ACTIVE = 2,
	HM_END_DETECTED = 3,  // TCP FIN or RST
	HM_END_FORCED = 4,    // stop, close
	HM_END_RESOURCES = 5, // cache full
	HM_END_REASONS
};

/* Later than any packet, and early enough that a timeout can be added. */
#define HM_FLOW_NO_TIME (UINT64_MAX / 2)

/* What the key has besides addresses, ports and protocol: a set. */
enum {
	HM_FLOW_KEY_VLAN = 1 << 0,
	HM_FLOW_KEY_TOS = 1 << 1,
	HM_FLOW_KEY_DSCP = 1 << 2, // the upper six bits of the ToS
	HM_FLOW_KEY_INTERFACE = 1 << 3,
	HM_FLOW_KEY_LABEL = 1 << 4, // IPv6
	HM_FLOW_KEY_MAC = 1 << 5,   // of both ends of the link
	HM_FLOW_KEY_MPLS = 1 << 6,  // the outermost label
	HM_FLOW_KEY_FRAME = HM_FLOW_KEY_MAC | HM_FLOW_KEY_MPLS,
};
#define HM_FLOW_KEY_NAMES "vlan|tos|dscp|interface|flow_label|mac|mpls_label"

union hm_flow_key {
	struct {
		uint8_t addr[2][16]; // network order; IPv4: first four bytes, the rest 0
		uint16_t port_be[2]; // ICMP: 0, and type and code as the destination's
		uint8_t proto, version;
		uint16_t vlan; // outermost, 12 bits, of the first packet; 0 without
	};
	uint64_t word[5];
};

/* More of the first packet, and by the way the TCP flags, to fill a word. */
union hm_flow_first {
	struct {
		uint32_t label : 24; // IPv6's 20 bits, host order
		uint32_t tos : 8;
		uint16_t ifindex;
		uint8_t tcp_flags[2]; // OR of all
	};
	uint64_t word;
};

/* Of the frame around a datagram. */
union hm_flow_frame {
	struct {
		uint8_t destination[6], source[6]; // MAC addresses; 0: the link has none
		uint32_t mpls; // HM_FLOW_MPLS and label, Exp, S of the outermost label; 0: no label
	};
	uint64_t word[2];
};

#define HM_FLOW_MPLS (UINT32_C(1) << 24)

struct hm_flow_record {
	union hm_flow_key key;
	union hm_flow_first first;
	uint8_t tos[2];    // of the first packet of each direction
	uint8_t initiator; // endpoint that sent the first packet, 0 or 1
	uint8_t end_reason;
	uint32_t reserved;
	uint64_t start_ns; // first packet of the record

	uint64_t first_ns[2], last_ns[2]; // 0 for a direction without packets
	uint64_t packets[2];
	uint64_t bytes[2]; // IP datagrams, as long as they were on the wire

	union hm_flow_frame frame[2]; // of the first packet of each direction, or all 0: not wanted
};

static_assert(sizeof(union hm_flow_key) == 40, "");
static_assert(sizeof(union hm_flow_first) == 8, "");
static_assert(sizeof(union hm_flow_frame) == 16, "");
static_assert(sizeof(struct hm_flow_record) == 160, "rings copy it by value");

/* Data records that this biflow becomes where each direction is one of its own. */
static inline unsigned hm_flow_directions(const struct hm_flow_record *r)
{
	return (r->packets[0] != 0) + (r->packets[1] != 0);
}
