/* SPDX-License-Identifier: BSD-3-Clause */
/* trace: the one reader and the one writer of pcap (us and ns, both byte orders), pcapng and ERF
 * files.
 *
 * A reader turns every format into the same packets: nanoseconds since 1970, capture and wire
 * length without FCS (where the file says that there is one), one link type for the whole file.
 * Files with several link types, and link types that the parser does not know, are refused by name.
 * Whatever is not a packet (pcapng options, ERF META, PAD) is skipped and counted. Works on regular
 * files and pipes; never maps them, so that a file cut while it is read is an error and not a
 * signal. Uses no DPDK.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/error.h"
#include "core/link.h"

enum hm_trace_format {
	HM_TRACE_PCAP, // read: of any time unit; written: ns
	HM_TRACE_PCAPNG,
	HM_TRACE_ERF,
	HM_TRACE_PCAP_US, // written only
};

#define HM_TRACE_CAPLEN_MAX 262144 // libpcap's MAXIMUM_SNAPLEN: a longer record is a corrupt one

struct hm_trace_packet {
	uint64_t ts_ns;
	const uint8_t *data; // caplen bytes, valid until the next call on this reader
	uint32_t caplen;
	uint32_t wirelen; // >= caplen (a record that says otherwise is corrected and counted)
	uint16_t ifindex; // pcapng interface number, ERF interface id, else 0
};

struct hm_trace_counts {
	uint64_t packets;   // returned by hm_trace_next
	uint64_t skipped;   // records that are no packets (META, PAD, unknown blocks ...)
	uint64_t corrected; // packets with caplen > wirelen, or (pcapng) a time not in 1970..2554
	uint64_t bytes;     // of the file, read so far
};

struct hm_trace_reader;

/* Opens a trace, reads up to the first packet so that format and link type are known.
 * NULL with err filled (file name, offset, what is wrong) and rte-style errno in errno.
 * A pcap or pcapng file of headers only, and an empty file whose name ends in ".erf", are traces of
 * no packets. ERF has no magic number: a file that begins before 1995 is ERF only by that name.
 * Compressed files are refused. `fd` form: owns fd on success only; blocks until a pipe brings the
 * first packet, unless the pipe does not block (then NULL with EAGAIN). */
struct hm_trace_reader *hm_trace_open(const char *path, struct hm_error *err);
struct hm_trace_reader *hm_trace_fdopen(int fd, const char *name, struct hm_error *err);

enum hm_trace_format hm_trace_format(const struct hm_trace_reader *r);
enum hm_link hm_trace_link(const struct hm_trace_reader *r);
const struct hm_trace_counts *hm_trace_counts(const struct hm_trace_reader *r);

/* Next packet. 1: *p filled; 0: end of the file; -EBADMSG: corrupt or cut record (err names file,
 * byte offset and cause; all packets before it have been returned; further calls return the same);
 * -ENOTSUP: a packet of another link type than those before; another negative errno: the read
 * failed, and the call may be repeated (-EAGAIN loses nothing). */
int hm_trace_next(struct hm_trace_reader *r, struct hm_trace_packet *p, struct hm_error *err);

void hm_trace_close(struct hm_trace_reader *r);

/* --- writer --- */

struct hm_trace_writer;

struct hm_trace_writer_conf {
	enum hm_trace_format format;
	enum hm_link link;       // ERF knows Ethernet, raw IP, PPP and HDLC only
	uint32_t snaplen;        // longer packets are cut; 0: 262144
	const char *application; // pcapng user application, may be NULL
};

/* Takes over fd on success. Buffers; hm_trace_writer_flush() writes out, e.g. for a live pipe: 0,
 * or a negative errno (-EAGAIN: the rest stays buffered). pcapng describes an interface for each
 * ifindex up to the highest seen; ERF keeps ifindex % 8, pcap none. */
struct hm_trace_writer *hm_trace_create(const char *path, const struct hm_trace_writer_conf *conf,
					struct hm_error *err);
struct hm_trace_writer *hm_trace_fdcreate(int fd, const char *name,
					  const struct hm_trace_writer_conf *conf,
					  struct hm_error *err);
/* 0 or a negative errno: -ERANGE, a time after 2106 (pcap, ERF); -EMSGSIZE, over 65,531 wire bytes
 * (ERF); or that of a failed write. The packet has not been written then. */
int hm_trace_write(struct hm_trace_writer *w, const struct hm_trace_packet *p);
int hm_trace_writer_flush(struct hm_trace_writer *w);
int hm_trace_finish(struct hm_trace_writer *w); // flush and close; always frees w
