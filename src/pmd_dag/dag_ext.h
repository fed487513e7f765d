/* SPDX-License-Identifier: BSD-3-Clause */
/* What the extension headers of a record say: the only place where the driver reads them.
 *
 * Each is 8 bytes, big-endian: byte 0 has the type and whether another one follows. Shared by the
 * driver and its fuzzer.
 */
#ifndef DAG_EXT_H
#define DAG_EXT_H

#include <endian.h>
#include <stdbool.h>

#include "trace/erf.h"

#define DAG_EXT_MAX 16 /* that are looked at; the frame is found behind any number */

enum dag_ext_type {
	DAG_EXT_CLASSIFICATION = 3,
	DAG_EXT_BFS = 6, /* filter and hash */
	DAG_EXT_SIGNATURE = 14,
	DAG_EXT_FLOW_ID = 16,
	DAG_EXT_HOST_ID = 17,
};

struct dag_ext {
	uint64_t host; /* 48 bits: the capture host, the first of several */
	uint32_t hash; /* of the flow */
	uint32_t sequence;
	uint16_t color; /* of the card's filter */
	uint8_t source; /* the first that is not 0 */
	bool has_hash;
	bool has_sequence;
	bool has_color;
};

/* The headers lie from rec + HM_ERF_HEADER to rec + end (the sub-header's start or later): `end` is
 * what hm_erf_payload_offset() gave, so the chain has been checked. */
static inline void
dag_ext_read(const uint8_t *rec, uint32_t end, struct dag_ext *ext)
{
	uint8_t more = rec[8] & HM_ERF_MORE;
	uint32_t at = HM_ERF_HEADER;
	bool has_host = false;
	uint64_t word;
	unsigned int i;

	*ext = (struct dag_ext){0};
	for (i = 0; i < DAG_EXT_MAX && more && at + HM_ERF_EXT_HEADER <= end; i++) {
		memcpy(&word, rec + at, sizeof(word));
		word = be64toh(word);
		more = rec[at] & HM_ERF_MORE;
		at += HM_ERF_EXT_HEADER;
		switch ((word >> 56) & 0x7f) {
		case DAG_EXT_CLASSIFICATION:
			ext->sequence = (uint32_t)word;
			ext->has_sequence = true;
			break;
		case DAG_EXT_BFS:
			ext->color = (uint16_t)(word >> 32);
			ext->has_color = true;
			if (!ext->has_hash) /* a flow ID's is the better one */
				ext->hash = (uint32_t)word;
			ext->has_hash = true;
			break;
		case DAG_EXT_SIGNATURE:
			if (!ext->has_color)
				ext->color = (uint8_t)(word >> 24);
			ext->has_color = true;
			break;
		case DAG_EXT_FLOW_ID:
			if (ext->source == 0)
				ext->source = (uint8_t)(word >> 48);
			if (((word >> 40) & 0x7f) != 0) { /* a kind of hash is set */
				ext->hash = (uint32_t)word;
				ext->has_hash = true;
			}
			break;
		case DAG_EXT_HOST_ID:
			if (ext->source == 0)
				ext->source = (uint8_t)(word >> 48);
			if (!has_host)
				ext->host = word & UINT64_C(0xffffffffffff);
			has_host = true;
			break;
		default: /* not publicly defined, or of no use to a packet */
			break;
		}
	}
}

#endif
