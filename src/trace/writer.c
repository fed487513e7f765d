/* SPDX-License-Identifier: BSD-3-Clause */
/* writer: pcap and pcapng with nanoseconds in this machine's byte order, and ERF. Packets gather in
 * one buffer that is written out when full, on flush and at the end.
 */
#include <endian.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "trace/erf.h"
#include "trace/trace.h"

#define BUFFER          (1u << 20)
#define RECORD_EXTRA    64u // most bytes of headers and padding around a packet
#define NS_PER_S        1000000000u
#define PAD4(n)         (((n) + 3u) & ~3u)
#define ERF_WIRE_MAX    (65535u - HM_ERF_FCS)
#define TSRESOL_NS      9
#define OPT_USERAPPL    4
#define OPT_TSRESOL     9
#define APPLICATION_MAX 1024u

struct hm_trace_writer {
	uint8_t *buf;
	size_t used;
	int fd;
	struct hm_trace_writer_conf conf;
	uint32_t n_interfaces; // pcapng: described so far
	char *application;
};

static void put(struct hm_trace_writer *w, const void *data, size_t n)
{
	if (n)
		memcpy(w->buf + w->used, data, n);
	w->used += n;
}

static void put16(struct hm_trace_writer *w, uint16_t v)
{
	put(w, &v, sizeof(v));
}

static void put32(struct hm_trace_writer *w, uint32_t v)
{
	put(w, &v, sizeof(v));
}

static void put_padding(struct hm_trace_writer *w, size_t n)
{
	memset(w->buf + w->used, 0, n);
	w->used += n;
}

/* Keeps what could not be written, so that a later call goes on where this one stopped. */
int hm_trace_writer_flush(struct hm_trace_writer *w)
{
	size_t done = 0;
	int rc = 0;
	while (done < w->used) {
		ssize_t n = write(w->fd, w->buf + done, w->used - done);
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0) {
			rc = -errno;
			break;
		}
		done += (size_t)n;
	}
	if (done) {
		memmove(w->buf, w->buf + done, w->used - done);
		w->used -= done;
	}
	return rc;
}

static int make_room(struct hm_trace_writer *w, size_t n)
{
	if (BUFFER - w->used >= n)
		return 0;
	return hm_trace_writer_flush(w);
}

static void put_pcap_header(struct hm_trace_writer *w)
{
	put32(w, 0xa1b23c4d);
	put16(w, 2);
	put16(w, 4);
	put32(w, 0);
	put32(w, 0);
	put32(w, w->conf.snaplen);
	put32(w, w->conf.link);
}

static void put_section(struct hm_trace_writer *w)
{
	uint32_t n = w->application ? (uint32_t)strlen(w->application) : 0;
	uint32_t length = 28 + (n ? 4 + PAD4(n) + 4 : 0);
	put32(w, 0x0a0d0d0a);
	put32(w, length);
	put32(w, 0x1a2b3c4d);
	put16(w, 1);
	put16(w, 0);
	put32(w, 0xffffffff); // section length: not known
	put32(w, 0xffffffff);
	if (n) {
		put16(w, OPT_USERAPPL);
		put16(w, (uint16_t)n);
		put(w, w->application, n);
		put_padding(w, PAD4(n) - n + 4); // and the end of options
	}
	put32(w, length);
}

static void put_interface(struct hm_trace_writer *w)
{
	const uint32_t length = 32;
	put32(w, 1);
	put32(w, length);
	put16(w, (uint16_t)w->conf.link);
	put16(w, 0);
	put32(w, w->conf.snaplen);
	put16(w, OPT_TSRESOL);
	put16(w, 1);
	put32(w, 0);
	w->buf[w->used - 4] = TSRESOL_NS;
	put32(w, 0); // end of options
	put32(w, length);
	w->n_interfaces++;
}

static int write_pcap(struct hm_trace_writer *w, const struct hm_trace_packet *p, uint32_t caplen)
{
	if (p->ts_ns / NS_PER_S > UINT32_MAX)
		return -ERANGE;
	put32(w, (uint32_t)(p->ts_ns / NS_PER_S));
	put32(w, (uint32_t)(p->ts_ns % NS_PER_S));
	put32(w, caplen);
	put32(w, p->wirelen);
	put(w, p->data, caplen);
	return 0;
}

static int write_pcapng(struct hm_trace_writer *w, const struct hm_trace_packet *p, uint32_t caplen)
{
	uint32_t length = 32 + PAD4(caplen);
	while (w->n_interfaces <= p->ifindex) {
		int rc = make_room(w, HM_TRACE_CAPLEN_MAX + 2 * RECORD_EXTRA);
		if (rc < 0)
			return rc;
		put_interface(w);
	}
	put32(w, 6);
	put32(w, length);
	put32(w, p->ifindex);
	put32(w, (uint32_t)(p->ts_ns >> 32));
	put32(w, (uint32_t)p->ts_ns);
	put32(w, caplen);
	put32(w, p->wirelen);
	put(w, p->data, caplen);
	put_padding(w, PAD4(caplen) - caplen);
	put32(w, length);
	return 0;
}

static uint8_t erf_type(enum hm_link link, const struct hm_trace_packet *p, uint32_t caplen)
{
	switch (link) {
	case HM_LINK_ETHERNET:
		return HM_ERF_ETH;
	case HM_LINK_RAW:
		return caplen && p->data[0] >> 4 == 6 ? HM_ERF_IPV6 : HM_ERF_IPV4;
	case HM_LINK_IPV4:
		return HM_ERF_IPV4;
	case HM_LINK_IPV6:
		return HM_ERF_IPV6;
	default:
		return HM_ERF_HDLC_POS;
	}
}

/* PPP without its HDLC address and control bytes could not be told from Cisco HDLC. */
static bool lacks_ppp_framing(enum hm_link link, const struct hm_trace_packet *p, uint32_t caplen)
{
	return (link == HM_LINK_PPP || link == HM_LINK_PPP_SERIAL) &&
	       (caplen == 0 || (p->data[0] != 0xff && p->data[0] != 0x0f && p->data[0] != 0x8f));
}

/* One quantum (0.23 ns) more than hm_erf_ts_from_ns(): not only readers that round but also those
 * that cut off, such as libtrace, give back every ns exactly. */
static uint64_t erf_time(uint64_t ns)
{
	return htole64(hm_erf_ts_from_ns(ns) + (ns % NS_PER_S != 0));
}

/* Records are not padded: some readers take padding behind a cut packet for captured bytes. */
static int write_erf(struct hm_trace_writer *w, const struct hm_trace_packet *p, uint32_t caplen)
{
	static const uint8_t ppp_framing[2] = {0xff, 0x03};
	uint8_t type = erf_type(w->conf.link, p, caplen);
	uint32_t framing = lacks_ppp_framing(w->conf.link, p, caplen) ? sizeof(ppp_framing) : 0;
	uint32_t offset = HM_ERF_HEADER + hm_erf_sub_header(type) + framing;
	uint32_t wlen = p->wirelen + framing + hm_erf_fcs(type);
	uint64_t ts = erf_time(p->ts_ns);
	uint8_t flags = (uint8_t)((p->ifindex & 3) | (p->ifindex & 4) << 4 | HM_ERF_FLAG_VLEN);
	if (p->ts_ns / NS_PER_S > UINT32_MAX)
		return -ERANGE;
	if (p->wirelen > ERF_WIRE_MAX - framing)
		return -EMSGSIZE;
	if (caplen > HM_ERF_RLEN_MAX - offset)
		caplen = HM_ERF_RLEN_MAX - offset;
	put(w, &ts, sizeof(ts));
	put(w, &type, 1);
	put(w, &flags, 1);
	put16(w, htobe16((uint16_t)(offset + caplen)));
	put16(w, 0);
	put16(w, htobe16((uint16_t)wlen));
	put_padding(w, hm_erf_sub_header(type));
	put(w, ppp_framing, framing);
	put(w, p->data, caplen);
	return 0;
}

int hm_trace_write(struct hm_trace_writer *w, const struct hm_trace_packet *p)
{
	uint32_t caplen = p->caplen < w->conf.snaplen ? p->caplen : w->conf.snaplen;
	int rc = make_room(w, caplen + RECORD_EXTRA);
	if (rc < 0)
		return rc;
	switch (w->conf.format) {
	case HM_TRACE_PCAP:
		return write_pcap(w, p, caplen);
	case HM_TRACE_PCAPNG:
		return write_pcapng(w, p, caplen);
	case HM_TRACE_ERF:
		return write_erf(w, p, caplen);
	}
	return -EINVAL;
}

static int check_conf(const char *name, const struct hm_trace_writer_conf *conf,
		      struct hm_error *err)
{
	if (conf->snaplen > HM_TRACE_CAPLEN_MAX)
		return hm_error_set(err, -EINVAL, 0, "%s: a snap length of %u is not in 0..%u",
				    name, conf->snaplen, HM_TRACE_CAPLEN_MAX);
	if (!hm_link_supported(conf->link))
		return hm_error_set(
			err, -ENOTSUP, 0, "%s: link type %s (%u) is not supported; supported: %s",
			name, hm_link_name(conf->link), conf->link, hm_link_supported_names());
	if (conf->application && strlen(conf->application) > APPLICATION_MAX)
		return hm_error_set(err, -EINVAL, 0,
				    "%s: the application's name is over %u bytes long", name,
				    APPLICATION_MAX);
	if (conf->format != HM_TRACE_ERF)
		return 0;
	switch (conf->link) {
	case HM_LINK_ETHERNET:
	case HM_LINK_RAW:
	case HM_LINK_IPV4:
	case HM_LINK_IPV6:
	case HM_LINK_PPP:
	case HM_LINK_PPP_SERIAL:
	case HM_LINK_C_HDLC:
		return 0;
	default:
		return hm_error_set(err, -ENOTSUP, 0,
				    "%s: ERF has no records of link type %s; use pcap or pcapng",
				    name, hm_link_name(conf->link));
	}
}

static void release(struct hm_trace_writer *w)
{
	free(w->application);
	free(w->buf);
	free(w);
}

static struct hm_trace_writer *create_writer(int fd, const struct hm_trace_writer_conf *conf)
{
	struct hm_trace_writer *w = calloc(1, sizeof(*w));
	if (!w)
		return NULL;
	w->fd = fd;
	w->conf = *conf;
	if (w->conf.snaplen == 0)
		w->conf.snaplen = HM_TRACE_CAPLEN_MAX;
	w->buf = malloc(BUFFER);
	if (conf->application)
		w->application = strdup(conf->application);
	if (w->buf && (w->application || !conf->application))
		return w;
	release(w);
	return NULL;
}

struct hm_trace_writer *hm_trace_fdcreate(int fd, const char *name,
					  const struct hm_trace_writer_conf *conf,
					  struct hm_error *err)
{
	struct hm_trace_writer *w;
	int rc = check_conf(name, conf, err);
	if (rc < 0) {
		errno = -rc;
		return NULL;
	}
	w = create_writer(fd, conf);
	if (!w) {
		hm_error_set(err, -ENOMEM, 0, "%s: no memory to write a trace", name);
		errno = ENOMEM;
		return NULL;
	}
	if (conf->format == HM_TRACE_PCAP)
		put_pcap_header(w);
	if (conf->format == HM_TRACE_PCAPNG) {
		put_section(w);
		put_interface(w);
	}
	return w;
}

struct hm_trace_writer *hm_trace_create(const char *path, const struct hm_trace_writer_conf *conf,
					struct hm_error *err)
{
	struct hm_trace_writer *w;
	int fd, rc = check_conf(path, conf, err); // before the file is emptied
	if (rc < 0) {
		errno = -rc;
		return NULL;
	}
	fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
	if (fd < 0) {
		int code = errno;
		hm_error_set(err, -code, 0, "%s: cannot create: %s", path, strerror(code));
		errno = code;
		return NULL;
	}
	w = hm_trace_fdcreate(fd, path, conf, err);
	if (!w) {
		int code = errno;
		close(fd);
		errno = code;
	}
	return w;
}

int hm_trace_finish(struct hm_trace_writer *w)
{
	int rc;
	if (!w)
		return 0;
	rc = hm_trace_writer_flush(w);
	if (close(w->fd) < 0 && rc == 0)
		rc = -errno;
	release(w);
	return rc;
}
