/* SPDX-License-Identifier: BSD-3-Clause */
/* tree: what a capture filter says, as predicates under and/or/not.
 *
 * libpcap's language is about bytes at offsets, not about parsed packets: `ip` asks for the type
 * field of the link header and for nothing else, `vlan` moves all offsets of what stands behind it
 * in the text. So each predicate carries the view it looks through: where the type field and the
 * network header are taken to be. Two predicates that ask the same are equal byte by byte.
 */
#pragma once

#include "filter/filter.h"

/* How a view tells the network protocol. */
enum hm_typing {
	HM_TYPING_ETHERTYPE, // two bytes at type_at
	HM_TYPING_PPP,       // the same, PPP's numbers
	HM_TYPING_VERSION,   // the IP version in the first byte at type_at
	HM_TYPING_MPLS,      // the IP version behind the bottom of the label stack
	HM_TYPING_NULL,      // four bytes, BSD's address family, little-endian
	HM_TYPING_LOOP,      // the same, big-endian
	HM_TYPING_IPV4,      // it is always IPv4
	HM_TYPING_IPV6,
};

struct hm_view {
	uint8_t typing; // enum hm_typing
	uint8_t zero;
	uint16_t type_at, network_at; // type field, network header
	uint16_t link_at;             // link header, for ether[n]
};

/* Which packets of a view a predicate is about. */
enum hm_guard {
	HM_GUARD_ALL,
	HM_GUARD_IP,
	HM_GUARD_IP6,
	HM_GUARD_ARP,
	HM_GUARD_RARP,
	HM_GUARD_TCP, // has TCP ports: IPv4 but no later fragment, IPv6 without extension headers
	HM_GUARD_UDP,
	HM_GUARD_SCTP,
	HM_GUARD_FIRST, // IPv4 but no later fragment
	HM_GUARDS
};

enum hm_direction { HM_SRC = 1, HM_DST = 2, HM_EITHER = 3 };

enum hm_predicate_kind {
	HM_IS_GUARD,   // .guard itself
	HM_IS_PROTO,   // IP protocol .low of what .guard says: IP, IP6, ALL for both
	HM_IS_ADDR4,   // .low / .bits, in IPv4, ARP, RARP as .guard says
	HM_IS_ADDR6,   // .address / .bits
	HM_IS_PORT,    // .low to .high
	HM_IS_MAC,     // .address
	HM_IS_COMPARE, // (.lane & .high) compared with .low
	HM_PREDICATE_KINDS
};

/* Where a lane's values come from. */
enum hm_lane_base {
	HM_LANE_LENGTH,    // on the wire
	HM_LANE_PACKET,    // byte .at of the packet
	HM_LANE_TRANSPORT, // byte .at behind the IPv4 header of the view
};

/* One number of each packet: .size bytes at a place. .proto: of this IPv4 protocol only if the
 * guard is FIRST, of this next header if it is IP6 and not 0. */
struct hm_lane {
	uint8_t base, guard, proto, size;
	uint32_t at;
	struct hm_view view;
};

/* The negated ones follow the others: the guard is not negated with them. */
enum hm_compare { HM_EQUAL, HM_GREATER, HM_GREATER_EQUAL, HM_NOT_EQUAL, HM_LESS_EQUAL, HM_LESS };

struct hm_predicate {
	uint8_t kind, guard, direction, bits;
	uint8_t compare, zero[3];
	uint32_t low, high;
	uint8_t address[16];
	struct hm_lane lane; // .view is each predicate's view
};

enum hm_op { HM_LEAF, HM_NOT, HM_AND, HM_OR };

/* Children stand before their parents: a and b are indexes of nodes, a leaf's a of a predicate. */
struct hm_tree_node {
	uint32_t op, a, b;
};

struct hm_tree {
	uint32_t n_nodes, n_predicates; // the last node is the root
	struct hm_tree_node *nodes;
	struct hm_predicate *predicates;
};

/* What the parser found. */
enum hm_parse_result {
	HM_PARSED,
	HM_NOT_COVERED, // a filter, but one with something in it that no predicate says
	HM_SYNTAX,      // no filter, as far as this parser sees
	HM_NO_MEMORY,
};

/* Fills *tree, to be given to hm_tree_free(). With HM_SYNTAX and HM_NOT_COVERED *at is the word
 * that stopped it. Service and protocol names are looked up in the local tables. */
enum hm_parse_result hm_tree_parse(const char *expression, enum hm_link link, struct hm_tree *tree,
				   const char **at);
void hm_tree_free(struct hm_tree *tree);
