/* SPDX-License-Identifier: BSD-3-Clause */
/* net_dag: what an application may know about packets of the net_dag driver.
 *
 * Every mbuf of a net_dag port carries
 *   - its time in the standard dynamic field RTE_MBUF_DYNFIELD_TIMESTAMP_NAME, marked valid by
 *     RTE_MBUF_DYNFLAG_RX_TIMESTAMP_NAME: nanoseconds since 1970 (or the card's 2^-32 s units with
 *     the device argument timestamp=erf);
 *   - the facts below in the dynamic field NET_DAG_CAPTURE_NAME. Find its offset after the port has
 *     been probed:
 *
 *	int offset = rte_mbuf_dynfield_lookup(NET_DAG_CAPTURE_NAME, NULL);
 *	struct net_dag_capture *c = RTE_MBUF_DYNFIELD(m, offset, struct net_dag_capture *);
 *
 * In zero-copy mode the ERF record's own header lies in the headroom: the record starts at
 * m->buf_addr, and m->data_off is the length of header, extension headers and sub-header.
 */
#ifndef NET_DAG_H
#define NET_DAG_H

#include <stdint.h>

#define NET_DAG_CAPTURE_NAME "homard_dynfield_capture"

/* uint64_t, 8-byte aligned, flags 0: the packet's place in the order of the wire. Always rising
 * within a queue. What NET_DAG_CARD_SEQUENCE_NAME marks may be compared across all queues of the
 * port: the card numbers its records itself (ERF extension header 3; device argument
 * sequence=card). Else it counts the queue's own packets, and nothing orders packets of several
 * queues but their times. */
#define NET_DAG_SEQUENCE_NAME      "homard_dynfield_sequence"
#define NET_DAG_CARD_SEQUENCE_NAME "homard_dynflag_card_sequence"

/* Only with the device argument ids=1: who captured the packet, uint64_t, 8-byte aligned, flags 0.
 * Source ID << 48 | host ID, from the extension headers 16 and 17; 0: none. */
#define NET_DAG_SOURCE_NAME "homard_dynfield_source"

/* 8 bytes, 8-byte aligned. An application that fills the field for ports of other drivers registers
 * it with just these parameters: size and align 8, flags 0. */
struct net_dag_capture {
	uint32_t wire_len;       /* bytes on the wire, as the data: without FCS unless it is kept */
	uint16_t ifindex;        /* capture interface of the card, 0-7 */
	uint16_t color_or_flags; /* color of record types 11, 16, 20; else the ERF flags byte */
} __attribute__((aligned(8)));

#endif
