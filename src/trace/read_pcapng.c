/* SPDX-License-Identifier: BSD-3-Clause */
/* read_pcapng: sections of either byte order, interfaces with their own time resolution, offset and
 * FCS length; enhanced, simple and old packet blocks (draft-ietf-opsawg-pcapng). Other blocks are
 * skipped and counted.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "trace/reader.h"

enum {
	BLOCK_INTERFACE = 1,
	BLOCK_PACKET_OLD = 2,
	BLOCK_PACKET_SIMPLE = 3,
	BLOCK_PACKET = 6,
	BLOCK_SECTION = 0x0a0d0d0a, // a palindrome: the same in either byte order
};

enum {
	OPTION_END = 0,
	OPTION_PACKET_FLAGS = 2,
	OPTION_TSRESOL = 9,
	OPTION_FCSLEN = 13,
	OPTION_TSOFFSET = 14,
};

#define BYTE_ORDER_MAGIC 0x1a2b3c4du
#define BLOCK_MIN        12u // type, length, length again
#define INTERFACES_MAX   65536u

// where the options or the data of a block begin, and its least length
#define SECTION_MIN        28u
#define INTERFACE_OPTIONS  16u
#define INTERFACE_MIN      20u
#define PACKET_DATA        28u
#define PACKET_MIN         32u
#define SIMPLE_PACKET_DATA 12u
#define SIMPLE_PACKET_MIN  16u

struct block {
	const uint8_t *at;
	uint32_t type, length;
};

struct option {
	uint16_t code, length;
	const uint8_t *value;
};

bool hm_pcapng_sniff(const struct hm_trace_reader *r)
{
	static const uint8_t type[4] = {0x0a, 0x0d, 0x0d, 0x0a};
	return r->tail - r->head >= 4 && memcmp(r->buf + r->head, type, 4) == 0;
}

/* Next option of the block from *at on. 1: *o filled and *at moved; 0: no more; -1: it does not
 * fit. */
static int next_option(const struct hm_trace_reader *r, const struct block *b, uint32_t *at,
		       struct option *o)
{
	uint32_t left = b->length - 4 - *at;
	if (left < 4)
		return left ? -1 : 0;
	o->code = hm_reader_u16(r, b->at + *at);
	o->length = hm_reader_u16(r, b->at + *at + 2);
	o->value = b->at + *at + 4;
	if (o->code == OPTION_END)
		return 0;
	if (((o->length + 3u) & ~3u) > left - 4)
		return -1;
	*at += 4 + ((o->length + 3u) & ~3u);
	return 1;
}

static int set_resolution(struct hm_trace_reader *r, struct hm_reader_interface *in, uint8_t value,
			  struct hm_error *err)
{
	uint32_t exponent = value & 0x7f;
	if (value & 0x80) {
		if (exponent > 63)
			return hm_reader_bad(r, err, "a time resolution of 2^-%u s is not in 0..63",
					     exponent);
		in->mul = HM_READER_NS;
		in->div = 1;
		in->shift = exponent;
		return 0;
	}
	if (exponent > 19)
		return hm_reader_bad(r, err, "a time resolution of 10^-%u s is not in 0..19",
				     exponent);
	in->mul = in->div = 1;
	in->shift = 0;
	for (; exponent < 9; exponent++)
		in->mul *= 10;
	for (; exponent > 9; exponent--)
		in->div *= 10;
	return 0;
}

static int64_t get_i64(const struct hm_trace_reader *r, const uint8_t *p)
{
	uint64_t v;
	memcpy(&v, p, sizeof(v));
	return (int64_t)(r->swapped ? __builtin_bswap64(v) : v);
}

static int read_interface_options(struct hm_trace_reader *r, const struct block *b,
				  struct hm_reader_interface *in, struct hm_error *err)
{
	uint32_t at = INTERFACE_OPTIONS;
	struct option o;
	int rc = set_resolution(r, in, 6, err);
	while (rc == 0) {
		int more = next_option(r, b, &at, &o);
		if (more < 0)
			return hm_reader_bad(
				r, err, "an option of an interface block reaches past its end");
		if (more == 0)
			return 0;
		if (o.code == OPTION_TSRESOL && o.length == 1)
			rc = set_resolution(r, in, o.value[0], err);
		else if (o.code == OPTION_FCSLEN && o.length == 1)
			in->fcs = o.value[0];
		else if (o.code == OPTION_TSOFFSET && o.length == 8)
			in->offset_s = get_i64(r, o.value);
	}
	return rc;
}

static int add_interface(struct hm_trace_reader *r, const struct block *b, struct hm_error *err)
{
	struct hm_reader_interface in = {0};
	int rc;
	if (r->n_interfaces == INTERFACES_MAX)
		return hm_reader_bad(r, err, "more than %u interfaces in a section",
				     INTERFACES_MAX);
	if (r->n_interfaces == r->max_interfaces) {
		uint32_t max = r->max_interfaces ? 2 * r->max_interfaces : 8;
		void *more = realloc(r->interfaces, max * sizeof(in));
		if (!more)
			return hm_error_set(err, -ENOMEM, 0, "%s: no memory for %u interfaces",
					    r->name, max);
		r->interfaces = more;
		r->max_interfaces = max;
	}
	in.link = hm_reader_u16(r, b->at + 8);
	in.snaplen = hm_reader_u32(r, b->at + 12);
	rc = read_interface_options(r, b, &in, err);
	if (rc == 0)
		r->interfaces[r->n_interfaces++] = in;
	return rc;
}

/* Times before 1970 or after 2554 are corrected to the nearest time there is. */
static uint64_t block_time(struct hm_trace_reader *r, const struct hm_reader_interface *in,
			   uint64_t ts)
{
	__int128 ns;
	if (in->mul == 1 && in->div == 1 && in->offset_s == 0 && in->shift == 0)
		return ts;
	ns = (__int128)ts * in->mul;
	if (in->div != 1)
		ns = (__int128)(ts / in->div);
	ns = (ns >> in->shift) + (__int128)in->offset_s * HM_READER_NS;
	if (ns >= 0 && ns <= UINT64_MAX)
		return (uint64_t)ns;
	r->counts.corrected++;
	return ns < 0 ? 0 : UINT64_MAX;
}

/* FCS bytes of one packet: its flags option, else what the interface says. */
static uint32_t packet_fcs(const struct hm_trace_reader *r, const struct block *b,
			   const struct hm_reader_interface *in, uint32_t options)
{
	struct option o;
	while (next_option(r, b, &options, &o) == 1)
		if (o.code == OPTION_PACKET_FLAGS && o.length == 4) {
			uint32_t fcs = hm_reader_u32(r, o.value) >> 5 & 15;
			return fcs ? fcs : in->fcs;
		}
	return in->fcs;
}

static const struct hm_reader_interface *get_interface(const struct hm_trace_reader *r,
						       uint32_t index, struct hm_error *err)
{
	if (index < r->n_interfaces)
		return &r->interfaces[index];
	hm_reader_bad(r, err, "a packet of interface %u, but the section has described only %u",
		      index, r->n_interfaces);
	return NULL;
}

static int finish_packet(struct hm_trace_reader *r, const struct hm_reader_interface *in,
			 uint32_t fcs, struct hm_trace_packet *p, struct hm_error *err)
{
	int rc;
	if (p->caplen > HM_TRACE_CAPLEN_MAX)
		return hm_reader_bad(
			r, err,
			"a captured length of %u bytes, which is over %u: the file is corrupt",
			p->caplen, HM_TRACE_CAPLEN_MAX);
	if (in->link == HM_READER_LINKERF)
		return hm_erf_record(r, p->data, p->caplen, p, err);
	if (!r->link_known || r->link != in->link) {
		rc = hm_reader_set_link(r, in->link, err);
		if (rc < 0)
			return rc;
	}
	hm_reader_lengths(r, p, fcs);
	return 1;
}

/* The enhanced and the old packet block differ only in the width of the interface number. */
static int read_packet(struct hm_trace_reader *r, const struct block *b, struct hm_trace_packet *p,
		       struct hm_error *err)
{
	uint32_t index =
		b->type == BLOCK_PACKET ? hm_reader_u32(r, b->at + 8) : hm_reader_u16(r, b->at + 8);
	const struct hm_reader_interface *in = get_interface(r, index, err);
	uint32_t options, fcs;
	if (!in)
		return -EBADMSG;
	p->caplen = hm_reader_u32(r, b->at + 20);
	p->wirelen = hm_reader_u32(r, b->at + 24);
	p->data = b->at + PACKET_DATA;
	p->ifindex = (uint16_t)index;
	if (p->caplen > b->length - PACKET_MIN)
		return hm_reader_bad(r, err, "a captured length of %u bytes in a block of %u",
				     p->caplen, b->length);
	p->ts_ns = block_time(
		r, in, (uint64_t)hm_reader_u32(r, b->at + 12) << 32 | hm_reader_u32(r, b->at + 16));
	options = PACKET_DATA + ((p->caplen + 3) & ~3u);
	fcs = options + 4 < b->length ? packet_fcs(r, b, in, options) : in->fcs;
	return finish_packet(r, in, fcs, p, err);
}

/* Has no time, and its captured length follows from the interface's snap length. */
static int read_simple_packet(struct hm_trace_reader *r, const struct block *b,
			      struct hm_trace_packet *p, struct hm_error *err)
{
	const struct hm_reader_interface *in = get_interface(r, 0, err);
	if (!in)
		return -EBADMSG;
	p->ts_ns = 0;
	p->ifindex = 0;
	p->data = b->at + SIMPLE_PACKET_DATA;
	p->wirelen = p->caplen = hm_reader_u32(r, b->at + 8);
	if (in->snaplen && p->caplen > in->snaplen)
		p->caplen = in->snaplen;
	if (p->caplen > b->length - SIMPLE_PACKET_MIN)
		return hm_reader_bad(r, err, "a captured length of %u bytes in a block of %u",
				     p->caplen, b->length);
	return finish_packet(r, in, in->fcs, p, err);
}

/* The byte order may change with each section, so it is read before the block's length is. */
static int start_section(struct hm_trace_reader *r, struct hm_error *err)
{
	uint32_t magic, length, major;
	const uint8_t *b;
	int rc = hm_reader_need(r, SECTION_MIN, err);
	if (rc <= 0)
		return rc < 0 ? rc : hm_reader_cut(r, err, "a section header", SECTION_MIN);
	b = r->buf + r->head;
	memcpy(&magic, b + 8, sizeof(magic));
	if (magic != BYTE_ORDER_MAGIC && magic != __builtin_bswap32(BYTE_ORDER_MAGIC))
		return hm_reader_bad(r, err,
				     "a section header with the byte order mark %08x, not %08x",
				     magic, BYTE_ORDER_MAGIC);
	r->swapped = magic != BYTE_ORDER_MAGIC;
	length = hm_reader_u32(r, b + 4);
	major = hm_reader_u16(r, b + 12);
	if (length < SECTION_MIN)
		return hm_reader_bad(r, err, "a section header of %u bytes, which is under %u",
				     length, SECTION_MIN);
	if (major != 1)
		return hm_reader_bad(r, err, "pcapng version %u.%u is not supported, only 1.x",
				     major, hm_reader_u16(r, b + 14));
	r->n_interfaces = 0;
	return 0;
}

static uint32_t block_min(uint32_t type)
{
	switch (type) {
	case BLOCK_SECTION:
		return SECTION_MIN;
	case BLOCK_INTERFACE:
		return INTERFACE_MIN;
	case BLOCK_PACKET_OLD:
	case BLOCK_PACKET:
		return PACKET_MIN;
	case BLOCK_PACKET_SIMPLE:
		return SIMPLE_PACKET_MIN;
	default:
		return BLOCK_MIN;
	}
}

/* The whole block, checked, into *b. Blocks of no interest may be longer than the buffer: those
 * give b->at NULL. 1, 0 at the end of the file, or a negative errno. */
static int get_block(struct hm_trace_reader *r, struct block *b, struct hm_error *err)
{
	int rc = hm_reader_need(r, BLOCK_MIN, err);
	if (rc < 0)
		return rc;
	if (rc == 0)
		return r->head == r->tail ? 0 : hm_reader_cut(r, err, "a block header", BLOCK_MIN);
	b->type = hm_reader_u32(r, r->buf + r->head);
	if (b->type == BLOCK_SECTION) {
		rc = start_section(r, err);
		if (rc < 0)
			return rc;
	}
	b->length = hm_reader_u32(r, r->buf + r->head + 4);
	b->at = NULL;
	if (b->length < block_min(b->type) || b->length % 4)
		return hm_reader_bad(
			r, err,
			"a block of type %u with the length %u: not a multiple of 4 from %u on",
			b->type, b->length, block_min(b->type));
	if (b->length > HM_READER_BUFFER)
		return block_min(b->type) == BLOCK_MIN
			       ? 1
			       : hm_reader_bad(r, err,
					       "a block of type %u with %u bytes, which is over %u",
					       b->type, b->length, HM_READER_BUFFER);
	rc = hm_reader_need(r, b->length, err);
	if (rc <= 0)
		return rc < 0 ? rc : hm_reader_cut(r, err, "a block", b->length);
	b->at = r->buf + r->head;
	if (hm_reader_u32(r, b->at + b->length - 4) != b->length)
		return hm_reader_bad(r, err,
				     "a block of type %u with the length %u before and %u after it",
				     b->type, b->length, hm_reader_u32(r, b->at + b->length - 4));
	return 1;
}

static int read_block(struct hm_trace_reader *r, const struct block *b, struct hm_trace_packet *p,
		      struct hm_error *err)
{
	switch (b->type) {
	case BLOCK_SECTION:
		return 0;
	case BLOCK_INTERFACE:
		return add_interface(r, b, err);
	case BLOCK_PACKET:
	case BLOCK_PACKET_OLD:
		return read_packet(r, b, p, err);
	case BLOCK_PACKET_SIMPLE:
		return read_simple_packet(r, b, p, err);
	default:
		r->counts.skipped++;
		return 0;
	}
}

static int next_pcapng(struct hm_trace_reader *r, struct hm_trace_packet *p, struct hm_error *err)
{
	int rc;
	do {
		struct block b = {0};
		if (r->skip) {
			rc = hm_reader_skip(r, err);
			if (rc <= 0)
				return rc < 0 ? rc
					      : hm_reader_bad(
							r, err,
							"the file ends %llu bytes before the end "
							"of a block",
							(unsigned long long)r->skip);
		}
		rc = get_block(r, &b, err);
		if (rc <= 0)
			return rc;
		rc = read_block(r, &b, p, err);
		if (rc < 0)
			return rc;
		if (b.at)
			r->head += b.length;
		else
			r->skip = b.length;
	} while (rc == 0);
	return 1;
}

int hm_pcapng_start(struct hm_trace_reader *r, struct hm_error *err)
{
	(void)err;
	r->format = HM_TRACE_PCAPNG;
	r->next = next_pcapng;
	return 0;
}
