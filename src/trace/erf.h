/* SPDX-License-Identifier: BSD-3-Clause */
/* erf: the facts of an ERF record header, shared by the trace reader, the trace writer, the DAG
 * driver and the card simulator. Depends on nothing but the C library.
 *
 *	0   8  timestamp, little-endian: seconds since 1970 << 32 | fraction in 2^-32 s
 *	8   1  bit 7: extension headers follow; bits 0-6: record type
 *	9   1  flags
 *	10  2  rlen: length of the whole record, big-endian
 *	12  2  lctr (records lost before this one) or a color, big-endian
 *	14  2  wlen: length on the wire, FCS included where the card keeps it, big-endian
 *	16     extension headers (8 bytes each), sub-header (0, 2 or 4 bytes), payload, padding
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>
#include <string.h>

#define HM_ERF_HEADER     16u   // bytes of the generic header
#define HM_ERF_EXT_HEADER 8u    // bytes of one extension header
#define HM_ERF_MORE       0x80u // in the type byte and in byte 0 of an extension header: one more
#define HM_ERF_RLEN_MAX   65535u
#define HM_ERF_FCS        4u          // bytes of an Ethernet FCS, counted in wlen
#define HM_ERF_EPOCH_MIN  0x2f0539b0u // 1995-01-01: a file whose first record is older is not ERF

enum hm_erf_type {
	HM_ERF_LEGACY = 0,
	HM_ERF_HDLC_POS = 1,
	HM_ERF_ETH = 2,
	HM_ERF_ATM = 3,
	HM_ERF_AAL5 = 4,
	HM_ERF_MC_HDLC = 5,
	HM_ERF_MC_RAW = 6,
	HM_ERF_MC_ATM = 7,
	HM_ERF_MC_RAW_CHANNEL = 8,
	HM_ERF_MC_AAL5 = 9,
	HM_ERF_COLOR_HDLC_POS = 10,
	HM_ERF_COLOR_ETH = 11,
	HM_ERF_MC_AAL2 = 12,
	HM_ERF_IP_COUNTER = 13,
	HM_ERF_TCP_FLOW_COUNTER = 14,
	HM_ERF_DSM_COLOR_HDLC_POS = 15,
	HM_ERF_DSM_COLOR_ETH = 16,
	HM_ERF_COLOR_MC_HDLC_POS = 17,
	HM_ERF_AAL2 = 18,
	HM_ERF_COLOR_HASH_POS = 19,
	HM_ERF_COLOR_HASH_ETH = 20,
	HM_ERF_INFINIBAND = 21,
	HM_ERF_IPV4 = 22,
	HM_ERF_IPV6 = 23,
	HM_ERF_RAW_LINK = 24,
	HM_ERF_INFINIBAND_LINK = 25,
	HM_ERF_META = 27, // provenance: tags about the capture, never a packet
	HM_ERF_OPA_SNC = 28,
	HM_ERF_OPA_9B = 29,
	HM_ERF_INTERNAL_FIRST = 32, // 32-47: private to the card
	HM_ERF_INTERNAL_LAST = 47,
	HM_ERF_PAD = 48, // filler; 49-127 are invalid
};

enum hm_erf_flag {
	HM_ERF_FLAG_INTERFACE = 0x03, // low two bits of the interface id
	HM_ERF_FLAG_VLEN = 0x04,      // short records are not padded to the snap length
	HM_ERF_FLAG_TRUNC = 0x08,     // cut for lack of buffer
	HM_ERF_FLAG_RXERROR = 0x10,   // error seen on the wire, e.g. a bad FCS
	HM_ERF_FLAG_DSERROR = 0x20,   // error inside the card
	HM_ERF_FLAG_INTERFACE_HIGH = 0x40,
};

/* What a record carries, as far as this project reads it. */
enum hm_erf_class {
	HM_ERF_CLASS_ETH,
	HM_ERF_CLASS_HDLC, // Cisco HDLC or PPP: the first payload bytes tell
	HM_ERF_CLASS_IP,   // IPv4 or IPv6 without a link header
	HM_ERF_CLASS_META,
	HM_ERF_CLASS_PAD,
	HM_ERF_CLASS_OTHER,   // a legal type whose payload nothing here decodes
	HM_ERF_CLASS_INVALID, // 49-127: the record is corrupt
};

static inline uint16_t hm_erf_be16(const uint8_t *p)
{
	return (uint16_t)(p[0] << 8 | p[1]);
}

/* Raw 2^-32 s timestamp. */
static inline uint64_t hm_erf_ts(const uint8_t *rec)
{
	uint64_t ts;
	memcpy(&ts, rec, sizeof(ts));
#if __BYTE_ORDER__ == __ORDER_BIG_ENDIAN__
	ts = __builtin_bswap64(ts);
#endif
	return ts;
}

static inline uint8_t hm_erf_type(const uint8_t *rec)
{
	return rec[8] & 0x7f;
}

static inline uint8_t hm_erf_flags(const uint8_t *rec)
{
	return rec[9];
}

static inline uint16_t hm_erf_rlen(const uint8_t *rec)
{
	return hm_erf_be16(rec + 10);
}

/* Records lost before this one, only if hm_erf_has_lctr(); else the color. */
static inline uint16_t hm_erf_lctr(const uint8_t *rec)
{
	return hm_erf_be16(rec + 12);
}

static inline uint16_t hm_erf_wlen(const uint8_t *rec)
{
	return hm_erf_be16(rec + 14);
}

/* 0-7. On multichannel types the sub-header holds a larger number. */
static inline uint8_t hm_erf_interface(uint8_t flags)
{
	return (uint8_t)(((flags >> 4) & 4) | (flags & HM_ERF_FLAG_INTERFACE));
}

/* Rounds half up; the carry of a full second comes by itself in the sum. */
static inline uint64_t hm_erf_ts_to_ns(uint64_t ts)
{
	return (ts >> 32) * 1000000000u + (((ts & 0xffffffffu) * 1000000000u + 0x80000000u) >> 32);
}

/* hm_erf_ts_to_ns() gives back every ns exactly. Seconds wrap in 2106. */
static inline uint64_t hm_erf_ts_from_ns(uint64_t ns)
{
	return ((ns / 1000000000u) << 32) | (((ns % 1000000000u) << 32) / 1000000000u);
}

static inline enum hm_erf_class hm_erf_class(uint8_t type)
{
	switch (type) {
	case HM_ERF_ETH:
	case HM_ERF_COLOR_ETH:
	case HM_ERF_DSM_COLOR_ETH:
	case HM_ERF_COLOR_HASH_ETH:
		return HM_ERF_CLASS_ETH;
	case HM_ERF_HDLC_POS:
	case HM_ERF_MC_HDLC:
	case HM_ERF_COLOR_HDLC_POS:
	case HM_ERF_DSM_COLOR_HDLC_POS:
	case HM_ERF_COLOR_MC_HDLC_POS:
	case HM_ERF_COLOR_HASH_POS:
		return HM_ERF_CLASS_HDLC;
	case HM_ERF_IPV4:
	case HM_ERF_IPV6:
		return HM_ERF_CLASS_IP;
	case HM_ERF_META:
		return HM_ERF_CLASS_META;
	case HM_ERF_PAD:
		return HM_ERF_CLASS_PAD;
	default:
		return type > HM_ERF_PAD ? HM_ERF_CLASS_INVALID : HM_ERF_CLASS_OTHER;
	}
}

/* Bytes between the extension headers and the payload. */
static inline uint32_t hm_erf_sub_header(uint8_t type)
{
	switch (type) {
	case HM_ERF_ETH:
	case HM_ERF_COLOR_ETH:
	case HM_ERF_DSM_COLOR_ETH:
	case HM_ERF_COLOR_HASH_ETH:
		return 2;
	case HM_ERF_MC_HDLC:
	case HM_ERF_MC_RAW:
	case HM_ERF_MC_ATM:
	case HM_ERF_MC_RAW_CHANNEL:
	case HM_ERF_MC_AAL5:
	case HM_ERF_MC_AAL2:
	case HM_ERF_COLOR_MC_HDLC_POS:
	case HM_ERF_AAL2:
		return 4;
	default:
		return 0;
	}
}

/* False where bytes 12-13 hold a color: those never count as drops. */
static inline bool hm_erf_has_lctr(uint8_t type)
{
	switch (type) {
	case HM_ERF_COLOR_HDLC_POS:
	case HM_ERF_COLOR_ETH:
	case HM_ERF_DSM_COLOR_HDLC_POS:
	case HM_ERF_DSM_COLOR_ETH:
	case HM_ERF_COLOR_MC_HDLC_POS:
	case HM_ERF_COLOR_HASH_POS:
	case HM_ERF_COLOR_HASH_ETH:
		return false;
	default:
		return true;
	}
}

/* FCS bytes that wlen includes by default. */
static inline uint32_t hm_erf_fcs(uint8_t type)
{
	enum hm_erf_class class = hm_erf_class(type);
	return class == HM_ERF_CLASS_ETH || class == HM_ERF_CLASS_HDLC ? HM_ERF_FCS : 0;
}

/* Offset of the payload: generic header, extension headers, sub-header. 0 if they do not fit into
 * rlen bytes (the record is corrupt). Reads at most rlen bytes of rec, which must all be there. */
static inline uint32_t hm_erf_payload_offset(const uint8_t *rec, uint32_t rlen)
{
	uint32_t offset = HM_ERF_HEADER;
	if (rlen < HM_ERF_HEADER)
		return 0;
	for (uint8_t more = rec[8] & HM_ERF_MORE; more; offset += HM_ERF_EXT_HEADER) {
		if (offset + HM_ERF_EXT_HEADER > rlen)
			return 0;
		more = rec[offset] & HM_ERF_MORE;
	}
	offset += hm_erf_sub_header(hm_erf_type(rec));
	return offset <= rlen ? offset : 0;
}

/* Wire length without FCS. */
static inline uint32_t hm_erf_wirelen(uint32_t wlen, uint32_t fcs)
{
	return wlen > fcs ? wlen - fcs : 0;
}

/* Captured bytes without padding and FCS; offset is hm_erf_payload_offset()'s and not 0. */
static inline uint32_t hm_erf_caplen(uint32_t rlen, uint32_t offset, uint32_t wlen, uint32_t fcs)
{
	uint32_t room = rlen - offset, wire = hm_erf_wirelen(wlen, fcs);
	return room < wire ? room : wire;
}
