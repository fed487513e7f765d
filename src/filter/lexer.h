/* SPDX-License-Identifier: BSD-3-Clause */
/* lexer: cuts a capture filter into words and signs as libpcap's scanner does. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* What a word is. Signs of one character are themselves. */
enum hm_token_kind {
	TOKEN_END = 0,
	TOKEN_BAD = 256, // a character that no filter has
	TOKEN_GE,        // >=
	TOKEN_LE,        // <=
	TOKEN_NE,        // !=
	TOKEN_SHL,       // <<
	TOKEN_SHR,       // >>
	TOKEN_AND,
	TOKEN_OR,
	TOKEN_NOT,
	// operands
	TOKEN_NUMBER, // .number
	TOKEN_IPV4,   // two to four numbers with dots
	TOKEN_IPV6,
	TOKEN_MAC,
	TOKEN_NAME, // any other word, and any word behind a backslash
	// keywords: protocols, in an order of no meaning
	TOKEN_LINK,
	TOKEN_ARP,
	TOKEN_RARP,
	TOKEN_IP,
	TOKEN_IP6,
	TOKEN_SCTP,
	TOKEN_TCP,
	TOKEN_UDP,
	TOKEN_ICMP,
	TOKEN_ICMP6,
	TOKEN_IGMP,
	TOKEN_IGRP,
	TOKEN_PIM,
	TOKEN_VRRP,
	TOKEN_CARP,
	TOKEN_AH,
	TOKEN_ESP,
	// qualifiers
	TOKEN_SRC,
	TOKEN_DST,
	TOKEN_HOST,
	TOKEN_NET,
	TOKEN_MASK,
	TOKEN_PORT,
	TOKEN_PORTRANGE,
	TOKEN_PROTO,
	TOKEN_PROTOCHAIN,
	TOKEN_GATEWAY,
	TOKEN_LEN,
	// primitives without qualifiers behind them
	TOKEN_LESS,
	TOKEN_GREATER,
	TOKEN_BROADCAST,
	TOKEN_MULTICAST,
	TOKEN_VLAN,
	TOKEN_MPLS,
	TOKEN_PPPOED,
	TOKEN_PPPOES,
	// keywords that the index knows nothing of
	TOKEN_TAKES_WORD, // what follows is never an address ("type mgt")
	TOKEN_OTHER,
};

struct hm_token {
	int kind;       // a sign or enum hm_token_kind
	const char *at; // without the backslash
	size_t length;
	bool escaped;
	uint32_t number;
};

/* The token at or behind p; *end is where to go on. */
struct hm_token hm_token_next(const char *p, const char **end);

/* Reads an address, which the lexer has found to be one. Returns the bits it names, 8 to 32, or 0:
 * a number above 255 in it. The rest of *address is 0. */
unsigned hm_token_ipv4(const struct hm_token *t, uint32_t *address);
bool hm_token_ipv6(const struct hm_token *t, uint8_t address[16]);
void hm_token_mac(const struct hm_token *t, uint8_t address[6]);
