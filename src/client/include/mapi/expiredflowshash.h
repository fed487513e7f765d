/* SPDX-License-Identifier: BSD-3-Clause */
/* The result of EXPIRED_FLOWS: a flows_stat, and behind it stat.sent of flow_data. */
#ifndef MAPI_EXPIREDFLOWSHASH_H
#define MAPI_EXPIREDFLOWSHASH_H

#include <mapi/protocols.h>

typedef struct flow_data {
	unsigned long long timestamp; /* of the first packet, 2^-32 s since 1970 */
	unsigned long long packets_count;
	unsigned long long bytes_count;
	ip_addr saddr;
	ip_addr daddr;
	u_short sport; /* host order */
	u_short dport;
	u_char ptcl;
	u_char ttl_pkt1; /* of the first packet */
} flow_data;

typedef struct flows_stat {
	unsigned int sent; /* flows */
	unsigned int received;
	unsigned int expired;
	unsigned int ignored;
	unsigned int dropped;
	struct {
		unsigned int sent;
		unsigned int received;
		unsigned int expired;
		unsigned int ignored;
		unsigned int dropped;
	} packets;
} flows_stat;

#endif
