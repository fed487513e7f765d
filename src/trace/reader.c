/* SPDX-License-Identifier: BSD-3-Clause */
/* reader: opens a trace, finds out its format, and moves it through the buffer; the formats
 * themselves are in read_pcap.c, read_pcapng.c and read_erf.c.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "trace/reader.h"

#define SNIFF_BYTES 64 // enough for a pcap header and for an ERF header with extensions

static const struct {
	uint8_t n, magic[6];
	const char *name, *tool;
} compressions[] = {
	{2, {0x1f, 0x8b}, "gzip", "gunzip"},
	{4, {0x28, 0xb5, 0x2f, 0xfd}, "zstd", "unzstd"},
	{6, {0xfd, '7', 'z', 'X', 'Z', 0}, "xz", "unxz"},
	{3, {'B', 'Z', 'h'}, "bzip2", "bunzip2"},
	{4, {0x04, 0x22, 0x4d, 0x18}, "lz4", "unlz4"},
};

int hm_reader_fill(struct hm_trace_reader *r, size_t n, struct hm_error *err)
{
	if (r->head) {
		memmove(r->buf, r->buf + r->head, r->tail - r->head);
		r->base += r->head;
		r->tail -= r->head;
		r->head = 0;
	}
	while (r->tail < n && !r->eof) {
		ssize_t got = read(r->fd, r->buf + r->tail, HM_READER_BUFFER - r->tail);
		if (got < 0 && errno == EINTR)
			continue;
		if (got < 0)
			return hm_error_set(err, -errno, 0, "%s: byte %llu: cannot read: %s",
					    r->name, (unsigned long long)(r->base + r->tail),
					    strerror(errno));
		r->eof = got == 0;
		r->tail += (size_t)got;
	}
	return r->tail >= n;
}

int hm_reader_skip(struct hm_trace_reader *r, struct hm_error *err)
{
	while (r->skip) {
		size_t have = r->tail - r->head, n = r->skip < have ? (size_t)r->skip : have;
		r->head += n;
		r->skip -= n;
		if (r->skip) {
			int rc = hm_reader_need(r, 1, err);
			if (rc != 1)
				return rc;
		}
	}
	return 1;
}

int hm_reader_bad(const struct hm_trace_reader *r, struct hm_error *err, const char *format, ...)
{
	char text[HM_ERROR_MAX];
	va_list ap;
	va_start(ap, format);
	vsnprintf(text, sizeof(text), format, ap);
	va_end(ap);
	return hm_error_set(err, -EBADMSG, 0, "%s: byte %llu: %s", r->name,
			    (unsigned long long)(r->base + r->head), text);
}

int hm_reader_cut(const struct hm_trace_reader *r, struct hm_error *err, const char *what,
		  uint64_t length)
{
	return hm_reader_bad(r, err, "%s of %llu bytes is cut: the file ends after %zu bytes of it",
			     what, (unsigned long long)length, r->tail - r->head);
}

int hm_reader_set_link(struct hm_trace_reader *r, uint32_t link, struct hm_error *err)
{
	if (!hm_link_supported(link))
		return hm_error_set(
			err, -ENOTSUP, 0,
			"%s: byte %llu: link type %s (%u) is not supported; supported: %s", r->name,
			(unsigned long long)(r->base + r->head), hm_link_name(link), link,
			hm_link_supported_names());
	if (r->link_known && r->link != link) {
		char before[64];
		snprintf(before, sizeof(before), "%s", hm_link_name(r->link));
		return hm_error_set(err, -ENOTSUP, 0,
				    "%s: byte %llu: a packet of link type %s after packets of link "
				    "type %s: a trace "
				    "with several link types is not supported",
				    r->name, (unsigned long long)(r->base + r->head),
				    hm_link_name(link), before);
	}
	r->link = (enum hm_link)link;
	r->link_known = true;
	return 0;
}

static int refuse_compressed(const struct hm_trace_reader *r, struct hm_error *err)
{
	for (size_t i = 0; i < sizeof(compressions) / sizeof(compressions[0]); i++)
		if (r->tail >= compressions[i].n &&
		    memcmp(r->buf, compressions[i].magic, compressions[i].n) == 0)
			return hm_reader_bad(
				r, err, "the trace is compressed with %s: decompress it first (%s)",
				compressions[i].name, compressions[i].tool);
	return 0;
}

static int refuse_unknown(const struct hm_trace_reader *r, struct hm_error *err)
{
	const uint8_t *b = r->buf;
	if (r->tail < 4)
		return hm_reader_bad(r, err, "the file has only %zu bytes and is no trace",
				     r->tail);
	return hm_reader_bad(r, err,
			     "neither pcap, pcapng nor ERF: it begins with %02x %02x %02x %02x",
			     b[0], b[1], b[2], b[3]);
}

static int start_format(struct hm_trace_reader *r, struct hm_error *err)
{
	int rc = hm_reader_fill(r, SNIFF_BYTES, err);
	if (rc < 0)
		return rc;
	if (hm_pcap_sniff(r))
		return hm_pcap_start(r, err);
	if (hm_pcapng_sniff(r))
		return hm_pcapng_start(r, err);
	rc = refuse_compressed(r, err);
	if (rc < 0)
		return rc;
	if (hm_erf_sniff(r))
		return hm_erf_start(r, err);
	return refuse_unknown(r, err);
}

/* Reads the first packet, so that the link type is known and a broken start is told at once. */
static int start(struct hm_trace_reader *r, struct hm_error *err)
{
	int rc = start_format(r, err);
	if (rc < 0)
		return rc;
	rc = r->next(r, &r->first, err);
	if (rc < 0)
		return rc;
	r->have_first = rc == 1;
	if (!r->link_known && r->n_interfaces && r->interfaces[0].link != HM_READER_LINKERF)
		return hm_reader_set_link(r, r->interfaces[0].link, err);
	if (!r->link_known)
		r->link = HM_LINK_ETHERNET; // no packets: nothing contradicts it
	return 0;
}

static void release(struct hm_trace_reader *r)
{
	free(r->interfaces);
	free(r->buf);
	free(r->name);
	free(r);
}

struct hm_trace_reader *hm_trace_fdopen(int fd, const char *name, struct hm_error *err)
{
	struct hm_trace_reader *r = calloc(1, sizeof(*r));
	int rc;
	if (r) {
		r->fd = fd;
		r->name = strdup(name);
		r->buf = malloc(HM_READER_BUFFER);
	}
	if (!r || !r->name || !r->buf)
		rc = hm_error_set(err, -ENOMEM, 0, "%s: no memory to read the trace", name);
	else
		rc = start(r, err);
	if (rc == 0)
		return r;
	if (r)
		release(r);
	errno = -rc;
	return NULL;
}

struct hm_trace_reader *hm_trace_open(const char *path, struct hm_error *err)
{
	struct hm_trace_reader *r;
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0) {
		int code = errno;
		hm_error_set(err, -code, 0, "%s: cannot open: %s", path, strerror(code));
		errno = code;
		return NULL;
	}
	(void)posix_fadvise(fd, 0, 0, POSIX_FADV_SEQUENTIAL); // a hint: pipes refuse it
	r = hm_trace_fdopen(fd, path, err);
	if (!r) {
		int code = errno;
		close(fd);
		errno = code;
	}
	return r;
}

enum hm_trace_format hm_trace_format(const struct hm_trace_reader *r)
{
	return r->format;
}

enum hm_link hm_trace_link(const struct hm_trace_reader *r)
{
	return r->link;
}

const struct hm_trace_counts *hm_trace_counts(const struct hm_trace_reader *r)
{
	return &r->counts;
}

int hm_trace_next(struct hm_trace_reader *r, struct hm_trace_packet *p, struct hm_error *err)
{
	int rc = 1;
	if (r->have_first) {
		*p = r->first;
		r->have_first = false;
	} else {
		rc = r->next(r, p, err);
	}
	r->counts.packets += rc == 1;
	r->counts.bytes = r->base + r->head;
	return rc;
}

void hm_trace_close(struct hm_trace_reader *r)
{
	if (!r)
		return;
	close(r->fd);
	release(r);
}
