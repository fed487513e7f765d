/* SPDX-License-Identifier: BSD-3-Clause */
/* Headers of packets. */
#ifndef MAPI_PROTOCOLS_H
#define MAPI_PROTOCOLS_H

#include <net/ethernet.h>
#include <sys/types.h>

typedef struct ether_header ether_header; /* of the C library */

typedef struct ip_addr {
	u_char byte1;
	u_char byte2;
	u_char byte3;
	u_char byte4;
} ip_addr;

typedef struct ip_header {
	u_char ver_ihl; /* version, and length in 4 bytes */
	u_char tos;
	u_short tlen;
	u_short identification;
	u_short flags_fo; /* flags, and offset of the fragment in 8 bytes */
	u_char ttl;
	u_char ptcl;
	u_short crc;
	ip_addr saddr;
	ip_addr daddr;
} ip_header;

typedef struct tcp_header {
	u_short sport;
	u_short dport;
	u_int seq;
	u_int ack;
	u_char off; /* upper half: length in 4 bytes */
	u_char flags;
	u_short win;
	u_short crc;
	u_short urp;
} tcp_header;

typedef struct udp_header {
	u_short sport;
	u_short dport;
	u_short len;
	u_short crc;
} udp_header;

/* The bits of tcp_header.flags. mapi/hashsamp.h has others under the same names, and the header included last wins. */
#undef TCP_FIN
#undef TCP_SYN
#undef TCP_RST
#undef TCP_PSH
#undef TCP_ACK
#undef TCP_URG
#define TCP_FIN 1
#define TCP_SYN 2
#define TCP_RST 4
#define TCP_PSH 8
#define TCP_ACK 16
#define TCP_URG 32

#endif
