/* SPDX-License-Identifier: BSD-3-Clause */
/* generator: realistic, repeatable traffic. The same configuration and seed give the same packets,
 * byte for byte, on every machine. TCP connections with handshake, data, acknowledgements and FIN
 * or RST; DNS, QUIC-like UDP, ICMP, ARP; IPv4 and IPv6; VLAN and MPLS shares; fragments;
 * heavy-tailed flow sizes and a Zipf-like choice of hosts and ports; correct lengths and checksums;
 * a search string planted in a known number of payloads. Uses no DPDK.
 */
#pragma once

#include "trace/trace.h"

struct hm_generator_conf {
	uint64_t seed;
	uint64_t packets;  // to make, 0: for ever
	uint64_t flows;    // concurrent bidirectional flows, default 1,000
	uint64_t start_ns; // time of the first packet
	uint64_t rate_pps; // packets a second of trace time, default 100,000
	uint32_t snaplen;  // 0: whole packets
	uint32_t ipv6_percent, udp_percent, vlan_percent, mpls_percent, fragment_percent;
	const char *plant;    // string put into some payloads, NULL: none
	uint32_t plant_every; // into the payload of every n-th flow's first data packet
};

/* What was made: the test's independent truth. */
struct hm_generator_truth {
	uint64_t packets, bytes; // wire bytes
	uint64_t planted;        // packets that hold the planted string wholly
	uint64_t ipv4, ipv6, tcp, udp, icmp, arp, vlan, mpls, fragments;
};

struct hm_generator;

void hm_generator_defaults(struct hm_generator_conf *conf);
struct hm_generator *hm_generator_create(const struct hm_generator_conf *conf);
/* 1: *p filled (valid until the next call); 0: conf.packets have been made. Ethernet frames. */
int hm_generator_next(struct hm_generator *g, struct hm_trace_packet *p);
const struct hm_generator_truth *hm_generator_truth(const struct hm_generator *g);
void hm_generator_destroy(struct hm_generator *g);
