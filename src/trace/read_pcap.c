/* SPDX-License-Identifier: BSD-3-Clause */
/* read_pcap: the classic format, microseconds or nanoseconds, either byte order, versions 2.0 to
 * 2.4 (draft-ietf-opsawg-pcap).
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "trace/erf.h"
#include "trace/reader.h"

#define FILE_HEADER   24u
#define RECORD_HEADER 16u
#define MAGIC_US      0xa1b2c3d4u
#define MAGIC_NS      0xa1b23c4du

#define LINK_MASK    0x0000ffffu // of the header's link field; above are the FCS length and its flag
#define FCS_PRESENT  0x04000000u
#define fcs_bytes(x) (((x) >> 28) * 2)

/* Version 2.3 was the time when the order of the two lengths changed: writers did either. */
enum { LENGTHS_NORMAL, LENGTHS_SWAPPED, LENGTHS_MAYBE_SWAPPED };

static uint32_t magic(const struct hm_trace_reader *r)
{
	uint32_t m;
	memcpy(&m, r->buf + r->head, sizeof(m));
	return m;
}

static bool known_magic(uint32_t m)
{
	return m == MAGIC_US || m == MAGIC_NS;
}

bool hm_pcap_sniff(const struct hm_trace_reader *r)
{
	return r->tail - r->head >= 4 &&
	       (known_magic(magic(r)) || known_magic(__builtin_bswap32(magic(r))));
}

static int next_record(struct hm_trace_reader *r, struct hm_trace_packet *p, struct hm_error *err)
{
	const struct hm_reader_interface *in = r->interfaces;
	const uint8_t *h;
	uint32_t first, second;
	int rc = hm_reader_need(r, RECORD_HEADER, err);
	if (rc < 0)
		return rc;
	if (rc == 0)
		return r->head == r->tail ? 0
					  : hm_reader_cut(r, err, "a packet header", RECORD_HEADER);
	h = r->buf + r->head;
	first = hm_reader_u32(r, h + 8);
	second = hm_reader_u32(r, h + 12);
	if (__builtin_expect(r->lengths != LENGTHS_NORMAL, 0) &&
	    (r->lengths == LENGTHS_SWAPPED || first > second)) {
		uint32_t caplen = second;
		second = first;
		first = caplen;
	}
	if (first > HM_TRACE_CAPLEN_MAX)
		return hm_reader_bad(
			r, err,
			"a captured length of %u bytes, which is over %u: the file is corrupt",
			first, HM_TRACE_CAPLEN_MAX);
	rc = hm_reader_need(r, RECORD_HEADER + first, err);
	if (rc <= 0)
		return rc < 0 ? rc : hm_reader_cut(r, err, "a packet", RECORD_HEADER + first);
	h = r->buf + r->head;
	p->ts_ns = (uint64_t)hm_reader_u32(r, h) * HM_READER_NS + hm_reader_u32(r, h + 4) * in->mul;
	p->data = h + RECORD_HEADER;
	p->caplen = first;
	p->wirelen = second;
	p->ifindex = 0;
	return 1;
}

static int next_pcap(struct hm_trace_reader *r, struct hm_trace_packet *p, struct hm_error *err)
{
	int rc = next_record(r, p, err);
	if (rc != 1)
		return rc;
	r->head += RECORD_HEADER + p->caplen;
	hm_reader_lengths(r, p, r->interfaces->fcs);
	return 1;
}

static int next_pcap_erf(struct hm_trace_reader *r, struct hm_trace_packet *p, struct hm_error *err)
{
	int rc;
	do {
		uint32_t length;
		rc = next_record(r, p, err);
		if (rc != 1)
			return rc;
		length = RECORD_HEADER + p->caplen;
		rc = hm_erf_record(r, p->data, p->caplen, p, err);
		if (rc < 0)
			return rc;
		r->head += length;
	} while (rc == 0);
	return 1;
}

int hm_pcap_start(struct hm_trace_reader *r, struct hm_error *err)
{
	struct hm_reader_interface *in;
	uint32_t major, minor, link;
	const uint8_t *h = r->buf + r->head;
	if (r->tail - r->head < FILE_HEADER)
		return hm_reader_cut(r, err, "the pcap file header", FILE_HEADER);
	in = calloc(1, sizeof(*in));
	if (!in)
		return hm_error_set(err, -ENOMEM, 0, "%s: no memory to read the trace", r->name);
	r->interfaces = in;
	r->n_interfaces = r->max_interfaces = 1;
	r->format = HM_TRACE_PCAP;
	r->swapped = !known_magic(magic(r));
	in->mul = hm_reader_u32(r, h) == MAGIC_US ? 1000 : 1;
	major = hm_reader_u16(r, h + 4);
	minor = hm_reader_u16(r, h + 6);
	link = hm_reader_u32(r, h + 20);
	if (major != 2 || minor > 4)
		return hm_reader_bad(r, err, "pcap version %u.%u is not supported, only 2.0 to 2.4",
				     major, minor);
	if (minor < 4)
		r->lengths = minor < 3 ? LENGTHS_SWAPPED : LENGTHS_MAYBE_SWAPPED;
	in->link = link & LINK_MASK;
	in->fcs = link & FCS_PRESENT ? fcs_bytes(link) : 0;
	r->next = in->link == HM_READER_LINKERF ? next_pcap_erf : next_pcap;
	if (in->link != HM_READER_LINKERF) {
		int rc = hm_reader_set_link(r, in->link, err);
		if (rc < 0)
			return rc;
	}
	r->head += FILE_HEADER;
	return 0;
}
