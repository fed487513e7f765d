/* SPDX-License-Identifier: BSD-3-Clause */
/* encode: packets as the bytes of pcap, pcapng and ERF files, in memory; in this machine's byte order, but ERF, which
 * has one of its own. Writes to where it is told and knows nothing of files: the writer (trace.h) and captures to
 * disk use it.
 */
#pragma once

#include "trace/trace.h"

#define HM_TRACE_APPLICATION_MAX 1024u
#define HM_TRACE_HEADER_MAX      (2 * HM_TRACE_APPLICATION_MAX) // bytes of what a file begins with
#define HM_TRACE_RECORD_EXTRA    64u // most bytes of headers and padding around a packet

struct hm_trace_encoder {
	enum hm_trace_format format;
	enum hm_link link;
	uint32_t snaplen;        // longer packets are cut
	const char *application; // pcapng, may be NULL
	uint32_t n_interfaces;   // pcapng: described so far in this file
};

/* Checks `conf` and takes it over; `name` is for the error. 0 or a negative errno with err. */
int hm_trace_encoder_init(struct hm_trace_encoder *e, const char *name,
			  const struct hm_trace_writer_conf *conf, struct hm_error *err);
/* What a file begins with: at most HM_TRACE_HEADER_MAX bytes. Returns how many. */
size_t hm_trace_encode_header(struct hm_trace_encoder *e, uint8_t *to);
/* pcapng: whether an interface must be described before this packet can be written. */
static inline bool hm_trace_needs_interface(const struct hm_trace_encoder *e, uint16_t ifindex)
{
	return e->format == HM_TRACE_PCAPNG && ifindex >= e->n_interfaces;
}
/* Describes the next interface in at most HM_TRACE_RECORD_EXTRA bytes. Returns how many. */
size_t hm_trace_encode_interface(struct hm_trace_encoder *e, uint8_t *to);
/* Writes at most caplen, cut to the snap length, and HM_TRACE_RECORD_EXTRA bytes. Returns how many, or a negative
 * errno: -ERANGE, a time after 2106 (pcap, ERF); -EMSGSIZE, over 65,531 wire bytes (ERF). */
int hm_trace_encode(const struct hm_trace_encoder *e, const struct hm_trace_packet *p, uint8_t *to);
