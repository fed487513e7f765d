/* SPDX-License-Identifier: BSD-3-Clause */
/* parse: the one place where packet headers are read.
 *
 * Knows the link types of core/link.h; 802.1Q/802.1ad/QinQ, MPLS, PPPoE; IPv4 with options, IPv6
 * with extension headers, ARP; TCP, UDP, SCTP, ICMP, ICMPv6. On request it goes on inside GRE,
 * ERSPAN (I, II, III), VXLAN, Geneve, GTP-U and IP-in-IP; l3, l4 and payload then describe the
 * innermost packet found. A tunnel in which no network header is found does not count: the packet
 * is what it looks like from outside. First fragments are looked into, later ones cannot be. UDP
 * tunnels are known by their destination port. Of PPTP (GRE version 1) only the header is stepped
 * over: payload is behind it, the packet stays the outer one.
 *
 * Never reads past caplen; every loop is bounded by HM_PARSE_DEPTH. Prefetches the headers itself.
 * Uses no DPDK: tests, fuzzers and the card simulator link it alone.
 */
#pragma once

#include "core/batch.h"

enum hm_tunnel {
	HM_TUNNEL_GRE = 1 << 0,
	HM_TUNNEL_ERSPAN = 1 << 1,
	HM_TUNNEL_VXLAN = 1 << 2,
	HM_TUNNEL_GENEVE = 1 << 3,
	HM_TUNNEL_GTPU = 1 << 4,
	HM_TUNNEL_IPIP = 1 << 5, // IPv4/IPv6 in IPv4/IPv6 (protocols 4 and 41)
};

struct hm_parse_conf {
	uint32_t tunnels; // set of enum hm_tunnel to look inside; 0: none
};

/* Fills everything of `b` that batch.h marks as the parser's. n, link, all, data, caplen (at most
 * 65,535) and wirelen are set. Keeps nothing: any thread, any batch. */
void hm_parse(struct hm_batch *b, const struct hm_parse_conf *conf);

/* Offset of the IPv6 fragment header of packet i, which is in the batch's ipv6 and fragment; and, unless NULL, that of
 * the "next header" field before it, which names it. */
uint32_t hm_parse_fragment_header(const struct hm_batch *b, unsigned i, uint32_t *named_at);

/* The name of an outcome, as the ledger and the documentation have it ("l2_short"). */
const char *hm_parse_outcome_name(enum hm_parse_outcome outcome);

/* The tunnel named "gre", "erspan", "vxlan", "geneve", "gtpu" or "ipip"; 0 for other names. */
uint32_t hm_tunnel_by_name(const char *name);
