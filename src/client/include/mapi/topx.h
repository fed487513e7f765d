/* SPDX-License-Identifier: BSD-3-Clause */
/* The result of TOP: an unsigned int, how many there are, and right behind it that many of these. They are not
 * aligned there: use memcpy(). */
#ifndef MAPI_TOPX_H
#define MAPI_TOPX_H

#include <netinet/ip6.h>
#include <sys/socket.h>

struct topx_result {
	unsigned int value;    /* in host order; an IPv4 address as it was sent */
	struct in6_addr addr6; /* of an IPv6 packet, if it is an address */
	sa_family_t family;    /* of an address, else 0 */
	unsigned int count;    /* packets */
	unsigned long long bytecount;
	unsigned int last_rst_secs;
};

#define TOPX_MAX_X 1000

/* Protocols. */
#define TOPX_IP   1
#define TOPX_TCP  2
#define TOPX_UDP  3
#define TOPX_ICMP 4 /* refused */

/* Fields. */
#define TOPX_IP_TOS       1
#define TOPX_IP_LENGTH    2
#define TOPX_IP_ID        3
#define TOPX_IP_OFFSET    4
#define TOPX_IP_TTL       5
#define TOPX_IP_PROTOCOL  6
#define TOPX_IP_CHECKSUM  7
#define TOPX_IP_SRCIP     8
#define TOPX_IP_DSTIP     9
#define TOPX_TCP_SRCPORT  10
#define TOPX_TCP_DSTPORT  11
#define TOPX_TCP_SEQ      12
#define TOPX_TCP_ACK      13
#define TOPX_TCP_FLAGS    14
#define TOPX_TCP_WIN      15
#define TOPX_TCP_CRC      16
#define TOPX_TCP_URGENT   17
#define TOPX_UDP_SRCPORT  18
#define TOPX_UDP_DSTPORT  19
#define TOPX_UDP_LENGTH   20
#define TOPX_UDP_CHECKSUM 21

/* Orders. */
#define SORT_BY_PACKETS 1
#define SORT_BY_BYTES   2

#endif
