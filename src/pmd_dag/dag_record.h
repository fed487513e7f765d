/* SPDX-License-Identifier: BSD-3-Clause */
/* Verdict on one ERF record of a stream: the only place where the driver reads record lengths.
 *
 * Shared by the driver and its fuzzer. Reads nothing outside [rec, rec + avail).
 */
#ifndef DAG_RECORD_H
#define DAG_RECORD_H

#include <stddef.h>

#include "trace/erf.h"

enum dag_verdict {
	DAG_RECORD_FRAME,       /* an Ethernet frame: rlen and offset are valid */
	DAG_RECORD_ERROR_FRAME, /* the same with rxerror or dserror set */
	/* not for the application; rlen is valid: the next record starts there */
	DAG_RECORD_PAD,
	DAG_RECORD_META,
	DAG_RECORD_OTHER,   /* a legal type without Ethernet frames */
	DAG_RECORD_EMPTY,   /* nothing but the generic header */
	DAG_RECORD_CORRUPT, /* extension headers or sub-header do not fit */
	DAG_RECORD_INVALID, /* type 49-127 */
	/* the next record's position is unknown */
	DAG_RECORD_WAIT, /* not wholly there yet */
	DAG_RECORD_LOST, /* rlen below 16: the stream is out of step */
};

struct dag_record {
	uint32_t rlen;   /* of the whole record */
	uint32_t offset; /* of the frame */
};

#define DAG_ERF_FRAME 0x1u /* carries an Ethernet frame */
#define DAG_ERF_LCTR  0x2u /* ... and a loss counter, not a color */

/* hm_erf_class() and hm_erf_has_lctr() of the frame types as one load for the receive path. */
static const uint8_t dag_erf_frame[128] = {
	[HM_ERF_ETH] = DAG_ERF_FRAME | DAG_ERF_LCTR,
	[HM_ERF_COLOR_ETH] = DAG_ERF_FRAME,
	[HM_ERF_DSM_COLOR_ETH] = DAG_ERF_FRAME,
	[HM_ERF_COLOR_HASH_ETH] = DAG_ERF_FRAME,
};

static inline enum dag_verdict
dag_record_look_other(const uint8_t *rec, uint32_t rlen)
{
	switch (hm_erf_class(hm_erf_type(rec))) {
	case HM_ERF_CLASS_INVALID:
		return DAG_RECORD_INVALID;
	case HM_ERF_CLASS_PAD:
		return DAG_RECORD_PAD;
	case HM_ERF_CLASS_META:
		return rlen == HM_ERF_HEADER ? DAG_RECORD_EMPTY : DAG_RECORD_META;
	default:
		return rlen == HM_ERF_HEADER ? DAG_RECORD_EMPTY : DAG_RECORD_OTHER;
	}
}

static inline enum dag_verdict
dag_record_look(const uint8_t *rec, size_t avail, struct dag_record *r)
{
	if (avail < HM_ERF_HEADER)
		return DAG_RECORD_WAIT;
	r->rlen = hm_erf_rlen(rec);
	if (r->rlen < HM_ERF_HEADER)
		return DAG_RECORD_LOST;
	if (r->rlen > avail)
		return DAG_RECORD_WAIT;
	if (__builtin_expect(!dag_erf_frame[hm_erf_type(rec)], 0))
		return dag_record_look_other(rec, r->rlen);
	if (r->rlen == HM_ERF_HEADER)
		return DAG_RECORD_EMPTY;

	r->offset = HM_ERF_HEADER + 2;
	if (__builtin_expect(rec[8] & HM_ERF_MORE, 0)) {
		r->offset = hm_erf_payload_offset(rec, r->rlen);
		if (r->offset == 0)
			return DAG_RECORD_CORRUPT;
	}
	if (r->offset > r->rlen)
		return DAG_RECORD_CORRUPT;
	if (__builtin_expect(hm_erf_flags(rec) & (HM_ERF_FLAG_RXERROR | HM_ERF_FLAG_DSERROR), 0))
		return DAG_RECORD_ERROR_FRAME;
	return DAG_RECORD_FRAME;
}

#endif
