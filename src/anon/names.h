/* SPDX-License-Identifier: BSD-3-Clause */
/* names: the words of ANONYMIZE's rules. Those of MAPI have the numbers of its enumeration anonymizationDefs; what
 * MAPI does not have comes behind them. */
#pragma once

#include <stddef.h>
#include <stdint.h>

enum hm_anon_word {
	HM_ANON_NOTHING,
	// protocols
	HM_ANON_IP,
	HM_ANON_TCP,
	HM_ANON_UDP,
	HM_ANON_ICMP,
	HM_ANON_HTTP,
	HM_ANON_FTP,
	// functions
	HM_ANON_UNCHANGED,
	HM_ANON_MAP,
	HM_ANON_MAP_DISTRIBUTION,
	HM_ANON_STRIP,
	HM_ANON_RANDOM,
	HM_ANON_HASHED,
	HM_ANON_PATTERN_FILL,
	HM_ANON_ZERO,
	HM_ANON_REPLACE,
	HM_ANON_PREFIX_PRESERVING,
	HM_ANON_PREFIX_PRESERVING_MAP,
	HM_ANON_CHECKSUM_ADJUST,
	HM_ANON_FILENAME_RANDOM,
	HM_ANON_REGEXP,
	// what HASHED does with the rest of a field; with it, UNCHANGED
	HM_ANON_PAD_WITH_ZERO,
	HM_ANON_STRIP_REST,
	// its algorithms
	HM_ANON_SHA,
	HM_ANON_MD5,
	HM_ANON_CRC32,
	HM_ANON_SHA_2,
	HM_ANON_TRIPLEDES,
	HM_ANON_AES,
	HM_ANON_DES,
	// fields
	HM_ANON_PAYLOAD = 31,
	HM_ANON_CHECKSUM,
	HM_ANON_SRC_IP,
	HM_ANON_DST_IP,
	HM_ANON_TTL,
	HM_ANON_TOS,
	HM_ANON_ID,
	HM_ANON_VERSION,
	HM_ANON_OPTIONS,
	HM_ANON_PACKET_LENGTH,
	HM_ANON_IP_PROTO,
	HM_ANON_IHL,
	HM_ANON_FRAGMENT_OFFSET,
	HM_ANON_SRC_PORT,
	HM_ANON_DST_PORT,
	HM_ANON_SEQUENCE_NUMBER,
	HM_ANON_OFFSET_AND_RESERVED,
	HM_ANON_ACK_NUMBER,
	HM_ANON_FLAGS,
	HM_ANON_URGENT_POINTER,
	HM_ANON_WINDOW,
	HM_ANON_TCP_OPTIONS,
	HM_ANON_UDP_DATAGRAM_LENGTH,
	HM_ANON_TYPE,
	HM_ANON_CODE,
	HM_ANON_HTTP_VERSION = 57, // up to HM_ANON_HTTP_PAYLOAD: http.h
	HM_ANON_METHOD,
	HM_ANON_URI,
	HM_ANON_USER_AGENT,
	HM_ANON_RESPONSE_CODE = 105,
	HM_ANON_RESP_CODE_DESCR,
	HM_ANON_HTTP_PAYLOAD = 118,
	HM_ANON_USER = 121, // up to HM_ANON_FTP_RESPONSE_ARG: ftp.h
	HM_ANON_STRU = 125,
	HM_ANON_FTP_RESPONSE_CODE = 151,
	HM_ANON_FTP_RESPONSE_ARG,
	HM_ANON_GAUSSIAN = 155, // MAP_DISTRIBUTION's
	HM_ANON_UNIFORM,
	HM_ANON_FLOW,
	// what MAPI does not have: protocols
	HM_ANON_PACKET,
	HM_ANON_ETH,
	HM_ANON_ARP,
	HM_ANON_DNS,
	HM_ANON_DHCP,
	// functions
	HM_ANON_COARSEN,
	HM_ANON_RANGES,
	HM_ANON_OFFSET,
	// an algorithm
	HM_ANON_HMAC,
	// fields
	HM_ANON_TIMESTAMP,
	HM_ANON_SRC_MAC,
	HM_ANON_DST_MAC,
	HM_ANON_SRC_NIC, // the last three bytes of a MAC address
	HM_ANON_DST_NIC,
	HM_ANON_VLAN_ID,
	HM_ANON_SRC_IID, // the last eight bytes of an IPv6 address
	HM_ANON_DST_IID,
	HM_ANON_EMBEDDED_IP,
	HM_ANON_CLIENT_MAC,
	HM_ANON_WORDS
};

enum hm_anon_kind {
	HM_ANON_IS_PROTOCOL = 1 << 0,
	HM_ANON_IS_FIELD = 1 << 1,
	HM_ANON_IS_FUNCTION = 1 << 2,
	HM_ANON_IS_PADDING = 1 << 3,
	HM_ANON_IS_HASH = 1 << 4,
	HM_ANON_IS_DISTRIBUTION = 1 << 5,
};

/* The word of n characters among those of the kind; HM_ANON_NOTHING: there is none. */
enum hm_anon_word hm_anon_find(const char *text, size_t n, unsigned kinds);
const char *hm_anon_name(enum hm_anon_word word);
/* All words of the kind in the order of their numbers, from *at on, which is 0 first; HM_ANON_NOTHING at the end. */
enum hm_anon_word hm_anon_next(unsigned kinds, unsigned *at);
