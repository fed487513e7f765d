/* SPDX-License-Identifier: BSD-3-Clause */
/* batch: up to 64 packets of one device queue, parsed once, processed together.
 *
 * A structure of arrays. Bit i of every mask is packet i. The worker fills the first block from the
 * received burst, hm_parse() fills the rest, and from then on the batch is read-only: a function
 * gets it as const facts, returns a subset of the mask it was given, and never reads a header again
 * that the parser knows. Fields of packets behind the n-th are undefined, masks have 0 there.
 *
 * Offsets are from data[i], in bytes; HM_NONE means "not there or not wholly captured". Everything
 * an offset points at is within caplen and, behind an IP header, within the IP datagram:
 *
 *	l3 != HM_NONE	exactly if the packet is in ipv4, ipv6 or arp: the IPv4 header with its
 *			options, the 40 bytes of the IPv6 header, ARP with its addresses
 *	l4 != HM_NONE	the transport header's fixed part: TCP 20, UDP 8, SCTP 12, ICMP and ICMPv6 8
 *			bytes; other protocols 0. Never of later fragments.
 *	payload		with l4: behind the transport header (TCP options, as far as captured, too;
 *			other protocols: l4). Later fragments: behind the IP headers. Else HM_NONE.
 *
 *	l3 <= l4 <= payload <= end <= caplen	as far as they are there
 *
 * With tunnels wanted (parse.h) everything describes the innermost packet found; only vlan,
 * vlan_tci, mpls, label and pppoe are of the frame around it.
 */
#pragma once

#include <assert.h>
#include <stdalign.h>
#include <stdbool.h>
#include <stdint.h>

#include "core/link.h"

#define HM_BATCH_MAX 64
#define HM_NONE      UINT16_MAX

/* Why a packet has no network or transport header: one outcome a packet, counted by cause. A packet
 * that is not OK keeps what was found before the trouble. */
enum hm_parse_outcome {
	HM_PARSE_OK,         // all headers found that the packet has
	HM_PARSE_L2_SHORT,   // link header or a tag behind it is cut
	HM_PARSE_L2_DEPTH,   // more VLAN tags, MPLS labels and PPPoE headers together than
			     // HM_PARSE_DEPTH; or more tunnels: then the fields are of the
			     // HM_PARSE_DEPTH-th inner packet
	HM_PARSE_L3_UNKNOWN, // neither IP nor ARP (ethertype in .ethertype)
	HM_PARSE_L3_SHORT,   // ARP or IP header is cut; with l3: an IPv6 extension header is cut,
			     // .proto is its number
	HM_PARSE_L3_BAD,     // version, header length or total length contradict each other
	HM_PARSE_L3_DEPTH,   // IPv6 extension headers: more than HM_PARSE_DEPTH (with l3)
	HM_PARSE_L4_SHORT,   // transport header is cut, by the capture or by the datagram's length
	HM_PARSE_L4_BAD,     // transport header contradicts itself or the datagram's length (TCP
			     // data offset < 5 or beyond the datagram, UDP length 1 .. 7)
	HM_PARSE_OUTCOMES
};

#define HM_PARSE_DEPTH 8

struct hm_search;
struct hm_filter_scan;

struct hm_batch {
	// filled by the worker
	uint32_t n;        // packets, 1..64
	uint16_t device;   // index of the device
	uint16_t queue;    // of that device
	enum hm_link link; // of that device
	uint64_t all;      // mask of the n packets
	uint64_t number;   // the worker's own, never twice; its children have the same

	// masks filled by the parser
	uint64_t ipv4, ipv6, arp;
	uint64_t tcp, udp, sctp;    // protocol, whether or not its header is captured
	uint64_t icmp, icmp6;       // the same; ICMP is over IPv4, ICMPv6 over IPv6 only
	uint64_t l4_ok;             // l4[i] != HM_NONE
	uint64_t fragment;          // any fragment of a datagram, the first one too; not
				    // IPv6's whole "atomic fragments" (RFC 6946)
	uint64_t later_fragment;    // fragment with offset > 0: has no transport header
	uint64_t vlan, mpls, pppoe; // at least one tag, label, session header; of the
				    // frame, not of what a tunnel holds
	uint64_t tunnel;            // parsed inside a tunnel, see hm_parse_conf
	uint64_t snapped;           // caplen < wirelen
	uint64_t rejected;          // outcome != HM_PARSE_OK

	struct hm_search
		*search; // this batch's pattern hits (core/search.h), NULL without patterns
	struct hm_filter_scan
		*filters; // this batch's filter masks (filter/filter.h), NULL without filters

	alignas(64) const uint8_t *data[HM_BATCH_MAX]; // first byte of the link header
	alignas(64) uint64_t ts_ns[HM_BATCH_MAX];      // since 1970 UTC
	alignas(64) uint32_t caplen[HM_BATCH_MAX];     // captured bytes, at most 65,535
	alignas(64) uint32_t wirelen[HM_BATCH_MAX];    // bytes on the wire, without FCS
	alignas(64)
		uint16_t ifindex[HM_BATCH_MAX]; // capture interface of the card or trace, from 0

	// filled by the parser

	// CRC-based hash of the flow, well distributed in all bits, the same in both directions: of
	// addresses, protocol and, for TCP, UDP, SCTP with l4, ports. Fragments, the first one too,
	// go without ports, so that all fragments of a datagram have one hash. 0 without IP.
	alignas(64) uint32_t hash[HM_BATCH_MAX];
	// Network protocol behind all tags, host order: 0x0800, 0x86dd, 0x0806 also where the link
	// says it in another way (PPP, raw IP, MPLS). Else the last ethertype that was read; 0
	// where there is none (LLC, unknown PPP protocols of a PPP link, raw data that is not IP).
	alignas(64) uint16_t ethertype[HM_BATCH_MAX];
	alignas(64) uint16_t l3[HM_BATCH_MAX]; // IPv4/IPv6/ARP header
	alignas(64) uint16_t l4[HM_BATCH_MAX]; // transport header
	alignas(64) uint16_t payload[HM_BATCH_MAX];
	// First byte behind what is captured of the IP datagram; Ethernet padding is not in it.
	// Without IP: caplen. Is always there: 65,535 is not HM_NONE here.
	alignas(64) uint16_t end[HM_BATCH_MAX];
	alignas(64) uint16_t vlan_tci[HM_BATCH_MAX]; // outermost tag, host order; 0 without
	// Outermost MPLS label stack entry, host order: label, Exp and S are its upper 24 bits (RFC
	// 3032 section 2.1). Of packets in `mpls` only.
	alignas(64) uint32_t label[HM_BATCH_MAX];
	// Length of the IP datagram on the wire, header included, as its header says. That says 0
	// (IPv6: 0 bytes and something else than "no next header"): by wirelen. 0 without IP.
	alignas(64) uint32_t ip_len[HM_BATCH_MAX];
	// Transport protocol. IPv6: behind the extension headers hop-by-hop, routing, fragment,
	// destination options, AH, mobility, HIP, shim6; a later fragment's: what its fragment
	// header names. ESP, 59 (nothing follows) and AH over IPv4 are protocols themselves.
	alignas(64) uint8_t proto[HM_BATCH_MAX];
	alignas(64) uint8_t outcome[HM_BATCH_MAX]; // enum hm_parse_outcome
};

/* Runs the body for each set bit of `mask` with `i` as its number, lowest first. */
#define hm_mask_foreach(i, mask)                                                            \
	for (uint64_t m_##i = (mask); m_##i != 0; m_##i &= m_##i - 1)                       \
		for (unsigned i = (unsigned)__builtin_ctzll(m_##i), once_##i = 1; once_##i; \
		     once_##i = 0)

static inline uint64_t hm_mask_first(uint32_t n)
{
	return n >= 64 ? UINT64_MAX : (UINT64_C(1) << n) - 1;
}

static inline unsigned hm_mask_count(uint64_t mask)
{
	return (unsigned)__builtin_popcountll(mask);
}

/* For transforms: packet i of b goes on in `out`, which has room, as these bytes; the rest is as it was. */
static inline void hm_batch_add(struct hm_batch *out, const struct hm_batch *b, unsigned i,
				const uint8_t *data, uint32_t caplen, uint32_t wirelen)
{
	out->data[out->n] = data;
	out->caplen[out->n] = caplen;
	out->wirelen[out->n] = wirelen;
	out->ts_ns[out->n] = b->ts_ns[i];
	out->ifindex[out->n] = b->ifindex[i];
	out->n++;
}
