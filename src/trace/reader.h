/* SPDX-License-Identifier: BSD-3-Clause */
/* reader: what the readers of the three formats share; only src/trace includes it.
 *
 * The file passes through one buffer. A format's next() looks at the bytes from r->head on, asks
 * with hm_reader_need() for more, and moves head only past what it has understood: after an error
 * head still stands on the bad record, so the next call finds the same error again, and a read that
 * failed (EAGAIN, EINTR of a signal) can be tried again.
 */
#pragma once

#include "trace/trace.h"

#define HM_READER_BUFFER  (1u << 20)
#define HM_READER_NS      1000000000u
#define HM_READER_LINKERF 197 // LINKTYPE_ERF: whole ERF records in pcap or pcapng

/* A pcapng interface; a pcap file is one of them. */
struct hm_reader_interface {
	uint32_t link;    // LINKTYPE_ as the file has it
	uint32_t snaplen; // 0: none; simple packet blocks need it
	uint32_t fcs;     // bytes at the end of each packet
	uint32_t shift;   // ns = (ts * mul / div) >> shift, plus offset_s
	uint64_t mul, div;
	int64_t offset_s;
};

struct hm_trace_reader {
	uint8_t *buf; // of HM_READER_BUFFER bytes
	size_t head, tail;
	uint64_t base; // place in the file of buf[0]
	int fd;
	bool eof;
	bool swapped;     // pcap, pcapng: not this machine's byte order
	bool link_known;  // link is that of the first packet, or of the file header
	bool have_first;  // read by open, not yet returned
	bool hdlc_is_ppp; // ERF HDLC records hold PPP
	enum hm_link link;
	enum hm_trace_format format;
	int (*next)(struct hm_trace_reader *r, struct hm_trace_packet *p, struct hm_error *err);
	uint64_t skip;                          // bytes of a block to throw away first
	struct hm_reader_interface *interfaces; // of this pcapng section
	uint32_t n_interfaces, max_interfaces;
	int lengths; // old pcap: order of the two lengths
	struct hm_trace_packet first;
	struct hm_trace_counts counts;
	char *name;
};

/* 1: at least n (<= HM_READER_BUFFER) bytes are at buf + head; 0: the file ends before; or a
 * negative errno. May move the bytes: pointers into the buffer die. */
int hm_reader_fill(struct hm_trace_reader *r, size_t n, struct hm_error *err);

static inline int hm_reader_need(struct hm_trace_reader *r, size_t n, struct hm_error *err)
{
	return r->tail - r->head >= n ? 1 : hm_reader_fill(r, n, err);
}

/* Throws r->skip bytes away. 1, or 0 if the file ends before, or a negative errno. */
int hm_reader_skip(struct hm_trace_reader *r, struct hm_error *err);

/* -EBADMSG with "file: byte N: ..." where N is the place of buf + head. */
int hm_reader_bad(const struct hm_trace_reader *r, struct hm_error *err, const char *format, ...)
	__attribute__((format(printf, 3, 4)));

/* The file ended inside `what`, which should have `length` bytes from head on. */
int hm_reader_cut(const struct hm_trace_reader *r, struct hm_error *err, const char *what,
		  uint64_t length);

/* The packets from here on are of this link type: 0, or -ENOTSUP if the parser does not know it or
 * if the file had another one before. */
int hm_reader_set_link(struct hm_trace_reader *r, uint32_t link, struct hm_error *err);

/* Corrects and counts caplen > wirelen, then takes the FCS off both. */
static inline void hm_reader_lengths(struct hm_trace_reader *r, struct hm_trace_packet *p,
				     uint32_t fcs)
{
	if (p->caplen > p->wirelen) {
		p->wirelen = p->caplen;
		r->counts.corrected++;
	}
	if (fcs) {
		p->wirelen -= fcs < p->wirelen ? fcs : p->wirelen;
		if (p->caplen > p->wirelen)
			p->caplen = p->wirelen;
	}
}

static inline uint32_t hm_reader_u32(const struct hm_trace_reader *r, const uint8_t *p)
{
	uint32_t v;
	__builtin_memcpy(&v, p, sizeof(v));
	return r->swapped ? __builtin_bswap32(v) : v;
}

static inline uint16_t hm_reader_u16(const struct hm_trace_reader *r, const uint8_t *p)
{
	uint16_t v;
	__builtin_memcpy(&v, p, sizeof(v));
	return r->swapped ? __builtin_bswap16(v) : v;
}

/* Each format: whether the file begins like it (r->tail - r->head bytes are there), and its start,
 * which reads the file header and sets r->next. */
bool hm_pcap_sniff(const struct hm_trace_reader *r);
int hm_pcap_start(struct hm_trace_reader *r, struct hm_error *err);
bool hm_pcapng_sniff(const struct hm_trace_reader *r);
int hm_pcapng_start(struct hm_trace_reader *r, struct hm_error *err);
bool hm_erf_sniff(const struct hm_trace_reader *r);
int hm_erf_start(struct hm_trace_reader *r, struct hm_error *err);

/* One ERF record of which `length` bytes are at rec (>= HM_ERF_HEADER). 1: *p filled; 0: no packet,
 * counted; or a negative errno. */
int hm_erf_record(struct hm_trace_reader *r, const uint8_t *rec, uint32_t length,
		  struct hm_trace_packet *p, struct hm_error *err);
