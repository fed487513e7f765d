/* SPDX-License-Identifier: BSD-3-Clause */
/* Verdict on one ERF record of a stream: the only place where the driver reads record lengths.
 *
 * Shared by the driver and its fuzzer. Reads nothing outside [rec, rec + avail).
 */
#ifndef DAG_RECORD_H
#define DAG_RECORD_H

#include <stddef.h>

#include "dag_ext.h"

#define DAG_NUMBERED (HM_ERF_HEADER + HM_ERF_EXT_HEADER + 2) /* frame's offset in such a record */

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

/* Bytes 8-15 of a record as one little-endian word: type, flags, rlen, lctr, wlen. */
static inline uint64_t
dag_record_word(const uint8_t *rec)
{
	uint64_t word;

	memcpy(&word, rec + 8, sizeof(word));
#if __BYTE_ORDER__ == __ORDER_BIG_ENDIAN__
	word = __builtin_bswap64(word);
#endif
	return word;
}

static inline uint16_t
dag_word_rlen(uint64_t word)
{
	return __builtin_bswap16((uint16_t)(word >> 16));
}

static inline uint16_t
dag_word_wlen(uint64_t word)
{
	return __builtin_bswap16((uint16_t)(word >> 48));
}

/* Of a record without error, nothing lost before it, a multiple of 8 long: type and extension bit.
 * Of others what is no such type. */
static inline uint64_t
dag_word_type(uint64_t word)
{
	const uint64_t mask = UINT64_C(0xffff) << 32 /* lctr */ |
			      UINT64_C(7) << 24 /* low byte of rlen */ |
			      (HM_ERF_FLAG_RXERROR | HM_ERF_FLAG_DSERROR) << 8 | 0xff;

	return word & mask;
}

/* Nearly every record of a card: type ETH without extension header. */
static inline int
dag_word_is_plain(uint64_t word)
{
	return __builtin_expect(dag_word_type(word) == HM_ERF_ETH, 1);
}

/* The same with one extension header, the Classification that numbers it: of a card with several
 * streams all records are such. Looks behind the generic header, so rlen must be above that. */
static inline int
dag_record_is_numbered(const uint8_t *rec, uint64_t word)
{
	return dag_word_type(word) == (HM_ERF_ETH | HM_ERF_MORE) &&
	       rec[HM_ERF_HEADER] == DAG_EXT_CLASSIFICATION;
}

static inline uint32_t
dag_record_number(const uint8_t *rec)
{
	uint32_t number;

	memcpy(&number, rec + HM_ERF_HEADER + 4, sizeof(number));
	return be32toh(number);
}

static inline enum dag_verdict
dag_record_look(const uint8_t *rec, size_t avail, struct dag_record *r)
{
	uint64_t word;

	if (avail < HM_ERF_HEADER)
		return DAG_RECORD_WAIT;
	word = dag_record_word(rec);
	r->rlen = dag_word_rlen(word);
	if (dag_word_is_plain(word) && r->rlen > HM_ERF_HEADER && r->rlen <= avail) {
		r->offset = HM_ERF_HEADER + 2;
		return DAG_RECORD_FRAME;
	}
	if (r->rlen < HM_ERF_HEADER)
		return DAG_RECORD_LOST;
	if (r->rlen > avail)
		return DAG_RECORD_WAIT;
	if (r->rlen > DAG_NUMBERED && dag_record_is_numbered(rec, word)) {
		r->offset = DAG_NUMBERED;
		return DAG_RECORD_FRAME;
	}
	if (hm_erf_class(hm_erf_type(rec)) != HM_ERF_CLASS_ETH)
		return dag_record_look_other(rec, r->rlen);
	if (r->rlen == HM_ERF_HEADER)
		return DAG_RECORD_EMPTY;
	r->offset = hm_erf_payload_offset(rec, r->rlen);
	if (r->offset == 0)
		return DAG_RECORD_CORRUPT;
	if (hm_erf_flags(rec) & (HM_ERF_FLAG_RXERROR | HM_ERF_FLAG_DSERROR))
		return DAG_RECORD_ERROR_FRAME;
	return DAG_RECORD_FRAME;
}

#endif
