/* SPDX-License-Identifier: BSD-3-Clause */
/* generator: realistic, repeatable traffic. The same configuration and seed give the same packets,
 * byte for byte, on every machine. TCP connections with handshake, data, acknowledgements and FIN
 * or RST; DNS, NTP, QUIC-like and other UDP, ICMP, ARP; IPv4 and IPv6; VLAN and MPLS shares;
 * fragments; heavy-tailed flow sizes and a Zipf-like choice of hosts and ports; correct lengths and
 * checksums; a search string planted in a known number of payloads. Flows are bidirectional; one
 * that has ended makes room for a new one, about 11 packets after it began. Uses no DPDK.
 */
#pragma once

#include "trace/trace.h"

struct hm_generator_conf {
	uint64_t seed;
	uint64_t packets; // to make, 0: for ever
	uint64_t flows; // concurrent bidirectional flows, 1..HM_GENERATOR_FLOWS_MAX, default 1,000
	uint64_t start_ns; // time of the first packet
	uint64_t rate_pps; // packets a second of trace time, 1..10^9, default 100,000
	uint32_t snaplen;  // 0: whole packets
	// shares of flows; of TCP and UDP packets with 160 bytes of payload or more for fragments
	uint32_t ipv6_percent, udp_percent, vlan_percent, mpls_percent, fragment_percent;
	const char *plant;    // string put into some payloads, NULL: none; 1..1,024 bytes
	uint32_t plant_every; // into the payload of every n-th TCP or UDP flow's first data packet
};

#define HM_GENERATOR_FLOWS_MAX 16777216u
#define HM_GENERATOR_RATE_MAX  1000000000u

/* What was made: the test's independent truth. A packet counts for each line that fits it. */
struct hm_generator_truth {
	uint64_t packets, bytes; // wire bytes
	/* Packets whose transport payload holds the planted string, all of it within the snap
	 * length. A string so short that protocol text holds it as well ("GET") is counted there,
	 * too. */
	uint64_t planted;
	uint64_t ipv4, ipv6;     // by the IP header
	uint64_t tcp, udp, icmp; // by the IP protocol, so that every fragment counts; with ICMPv6
	uint64_t arp, vlan, mpls;
	uint64_t fragments; // packets that are fragments: two for each packet split
	uint64_t flows;     // begun
};

struct hm_generator;

void hm_generator_defaults(struct hm_generator_conf *conf);
/* NULL with errno EINVAL (a value out of range) or ENOMEM. Copies conf and the string. */
struct hm_generator *hm_generator_create(const struct hm_generator_conf *conf);
/* 1: *p filled (valid until the next call); 0: conf.packets have been made. Ethernet frames. */
int hm_generator_next(struct hm_generator *g, struct hm_trace_packet *p);
const struct hm_generator_truth *hm_generator_truth(const struct hm_generator *g);
void hm_generator_destroy(struct hm_generator *g);
