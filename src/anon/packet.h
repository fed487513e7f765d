/* SPDX-License-Identifier: BSD-3-Clause */
/* packet: one packet that rules change: its copy, where its headers are in it, and how lengths and checksums follow.
 *
 * What is known of a packet is known from the parser; as fields grow and shrink the places move with them. A packet in a
 * tunnel has two views, of the innermost and of the outermost packet. Where lengths cannot follow, its fields keep
 * theirs ("stiff"): in tunnels, in fragments, and by choice. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "anon/rule.h"
#include "core/batch.h"

/* Places in the copy; 0 where there is none. */
struct hm_anon_view {
	bool v4, v6, tcp, udp, icmp; // icmp: for v6 ICMPv6
	bool later;                  // fragment: has no transport header
	uint8_t proto;
	uint16_t l3, body; // IP header, and what is behind it and its options or extension headers
	uint16_t fragment; // IPv6 fragment header
	uint16_t l4;       // transport header
	uint16_t payload;  // behind it
	uint16_t end;      // of the IP datagram, as far as it is there
};

enum { HM_ANON_INNER, HM_ANON_OUTER, HM_ANON_VIEWS };

/* Checksums, for sets. */
enum { HM_ANON_SUM_IP = 1 << 0, HM_ANON_SUM_L4 = 1 << 1 };

struct hm_anon_packet {
	const uint8_t *before; // the original
	uint8_t *bytes;        // the copy
	uint32_t caplen, wirelen, room;
	uint64_t ts_ns;
	bool ethernet, arp, pppoe, stiff, fragment, snapped;
	bool changed, payload_changed;
	uint32_t arp_at;
	unsigned n_views;
	int32_t grown_ip,
		grown_l4; // bytes: all of the datagram, and of what is behind the IP header
	uint8_t by_rule;  // checksums that a rule has given a value
	uint8_t anew;     // checksums that are to be summed up anew
	struct hm_anon_view view[HM_ANON_VIEWS], view_before[HM_ANON_VIEWS]; // last: see begin
};

/* Of packet i of b, which `bytes` is a copy of with room for `room`; `outside` is the same packet without looking into
 * tunnels at number `o`, or NULL. */
void hm_anon_packet_begin(struct hm_anon_packet *p, const struct hm_batch *b, unsigned i,
			  uint8_t *bytes, uint32_t room, bool keep_lengths,
			  const struct hm_batch *outside, unsigned o);

/* A field of fixed size, 1 to 16 bytes; of numbers the bits in `mask`, which is in host order. */
struct hm_anon_place {
	uint32_t at;
	uint8_t n;
	uint32_t mask; // 0: all
};

#define HM_ANON_PLACES_MAX 16

/* Where the rule's field is, of what has a fixed size and is not embedded; returns how many there are. */
unsigned hm_anon_packet_find(const struct hm_anon_packet *p, const struct hm_anon_rule *r,
			     struct hm_anon_place *places);
/* Whether the rule's protocol is that of the view. */
bool hm_anon_view_is(const struct hm_anon_packet *p, const struct hm_anon_view *v,
		     enum hm_anon_word protocol);

/* How many bytes the field of n bytes may have, if it becomes longer. */
uint32_t hm_anon_packet_room(const struct hm_anon_packet *p, uint32_t n);
/* The n bytes from `at` on become these others. Those of the outer and the inner packet that follow move; of a stiff
 * packet a shorter field is filled with zeros and a longer one is cut. */
void hm_anon_packet_splice(struct hm_anon_packet *p, uint32_t at, uint32_t n, const uint8_t *with,
			   uint32_t n_with);
/* Of the datagram's bytes from `at` on `keep` stay, captured or not, and what is behind the datagram goes. The headers
 * of a stiff packet go on saying what there was. */
void hm_anon_packet_cut(struct hm_anon_packet *p, uint32_t at, uint32_t keep);

/* Lengths and checksums, when all rules have been applied. */
void hm_anon_packet_finish(struct hm_anon_packet *p);
