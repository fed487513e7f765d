/* SPDX-License-Identifier: BSD-3-Clause */
/* What one read of HASHSAMP gives. The bits of tcp_flags are not those of the TCP header: mapi/protocols.h has
 * these under the same names, and the header included last wins. */
#ifndef MAPI_HASHSAMP_H
#define MAPI_HASHSAMP_H

struct sample {
	unsigned int source_ip; /* network order */
	unsigned int dest_ip;
	unsigned int sourceport; /* host order, like all that follows */
	unsigned int destport;
	unsigned int sequence;
	unsigned int tcp_flags;
	unsigned int protocol;
	unsigned long long timestamp; /* 2^-32 s since 1970 */
};

#undef TCP_SYN
#undef TCP_ACK
#undef TCP_RST
#undef TCP_FIN
#undef TCP_PSH
#define TCP_SYN 1
#define TCP_ACK 2
#define TCP_RST 4
#define TCP_FIN 8
#define TCP_PSH 16

#endif
