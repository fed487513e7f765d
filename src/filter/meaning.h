/* SPDX-License-Identifier: BSD-3-Clause */
/* meaning: what libpcap's primitives ask of a packet, as predicates. The parser calls these in the
 * order of the text, since some of them move the view of all that follow. */
#pragma once

#include "filter/lexer.h"
#include "filter/tree.h"

/* A tree in the making. */
struct hm_builder {
	struct hm_tree *tree;
	uint32_t room_nodes, room_predicates;
	enum hm_parse_result result; // not HM_PARSED: given up, nodes mean nothing any more
	enum hm_link link;
	bool ethernet;                   // the view's link header is Ethernet's
	struct hm_view view, first_view; // of what follows; of the packet
};

enum hm_qualifier_direction { Q_ANY, Q_SRC, Q_DST, Q_SRC_OR_DST, Q_SRC_AND_DST };

/* Qualifiers before an operand; they hold on for the operands that follow. */
struct hm_qualifiers {
	int proto; // token of the protocol, 0: none
	int type;  // token of the type (host, net, port ...), 0: none
	enum hm_qualifier_direction direction;
	bool none; // nothing that an operand could refer to
};

void hm_builder_init(struct hm_builder *b, struct hm_tree *tree, enum hm_link link);
uint32_t hm_give_up(struct hm_builder *b, enum hm_parse_result result);

uint32_t hm_mean_predicate(struct hm_builder *b, const struct hm_predicate *predicate);
uint32_t hm_mean_not(struct hm_builder *b, uint32_t node);
uint32_t hm_mean_and(struct hm_builder *b, uint32_t left, uint32_t right);
uint32_t hm_mean_or(struct hm_builder *b, uint32_t left, uint32_t right);

/* A protocol by itself: `tcp`. */
uint32_t hm_mean_protocol(struct hm_builder *b, int token);
/* An operand: an address, a number, a name. */
uint32_t hm_mean_operand(struct hm_builder *b, const struct hm_qualifiers *q,
			 const struct hm_token *t);
/* An address with the bits of its mask; IPv4: or with the mask itself. */
uint32_t hm_mean_net(struct hm_builder *b, const struct hm_qualifiers *q, const struct hm_token *t,
		     uint32_t bits);
uint32_t hm_mean_mask(struct hm_builder *b, const struct hm_qualifiers *q, const struct hm_token *t,
		      const struct hm_token *mask);
uint32_t hm_mean_broadcast(struct hm_builder *b, int proto);
uint32_t hm_mean_multicast(struct hm_builder *b, int proto);
uint32_t hm_mean_less(struct hm_builder *b, uint32_t length);
uint32_t hm_mean_greater(struct hm_builder *b, uint32_t length);
/* These move the view. `id`: UINT32_MAX for any. */
uint32_t hm_mean_vlan(struct hm_builder *b, uint32_t id);
uint32_t hm_mean_mpls(struct hm_builder *b, uint32_t label);
uint32_t hm_mean_pppoed(struct hm_builder *b);
uint32_t hm_mean_pppoes(struct hm_builder *b, uint32_t session);

/* proto[at:size]. */
struct hm_lane hm_mean_load(struct hm_builder *b, int proto, uint32_t at, uint32_t size);
struct hm_lane hm_mean_length(struct hm_builder *b);
/* (lane & mask) compared with a number. */
uint32_t hm_mean_compare(struct hm_builder *b, const struct hm_lane *lane, uint32_t mask,
			 enum hm_compare compare, uint32_t number);
