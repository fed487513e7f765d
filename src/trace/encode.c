/* SPDX-License-Identifier: BSD-3-Clause */
#include "trace/encode.h"

#include <endian.h>
#include <errno.h>
#include <string.h>

#include "trace/erf.h"

#define NS_PER_S     1000000000u
#define NS_PER_US    1000u
#define PAD4(n)      (((n) + 3u) & ~3u)
#define ERF_WIRE_MAX (65535u - HM_ERF_FCS)
#define TSRESOL_NS   9
#define OPT_USERAPPL 4
#define OPT_TSRESOL  9

/* Each puts something and returns where the next byte goes. */

static uint8_t *put(uint8_t *to, const void *data, size_t n)
{
	if (n)
		memcpy(to, data, n);
	return to + n;
}

static uint8_t *put16(uint8_t *to, uint16_t v)
{
	return put(to, &v, sizeof(v));
}

static uint8_t *put32(uint8_t *to, uint32_t v)
{
	return put(to, &v, sizeof(v));
}

static uint8_t *put_padding(uint8_t *to, size_t n)
{
	memset(to, 0, n);
	return to + n;
}

/* --- what a file begins with --- */

static uint8_t *put_pcap_header(const struct hm_trace_encoder *e, uint8_t *to)
{
	to = put32(to, e->format == HM_TRACE_PCAP_US ? 0xa1b2c3d4 : 0xa1b23c4d);
	to = put16(to, 2);
	to = put16(to, 4);
	to = put32(to, 0);
	to = put32(to, 0);
	to = put32(to, e->snaplen);
	return put32(to, e->link);
}

static uint8_t *put_section(const struct hm_trace_encoder *e, uint8_t *to)
{
	const uint32_t n = e->application ? (uint32_t)strlen(e->application) : 0;
	const uint32_t length = 28 + (n ? 4 + PAD4(n) + 4 : 0);

	to = put32(to, 0x0a0d0d0a);
	to = put32(to, length);
	to = put32(to, 0x1a2b3c4d);
	to = put16(to, 1);
	to = put16(to, 0);
	to = put32(to, 0xffffffff); // section length: not known
	to = put32(to, 0xffffffff);
	if (n) {
		to = put16(to, OPT_USERAPPL);
		to = put16(to, (uint16_t)n);
		to = put(to, e->application, n);
		to = put_padding(to, PAD4(n) - n + 4); // and the end of options
	}
	return put32(to, length);
}

size_t hm_trace_encode_interface(struct hm_trace_encoder *e, uint8_t *to)
{
	const uint32_t length = 32;
	uint8_t *const start = to;

	to = put32(to, 1);
	to = put32(to, length);
	to = put16(to, (uint16_t)e->link);
	to = put16(to, 0);
	to = put32(to, e->snaplen);
	to = put16(to, OPT_TSRESOL);
	to = put16(to, 1);
	*to = TSRESOL_NS;
	put_padding(to + 1, 3);
	to += 4;
	to = put32(to, 0); // end of options
	to = put32(to, length);
	e->n_interfaces++;
	return (size_t)(to - start);
}

size_t hm_trace_encode_header(struct hm_trace_encoder *e, uint8_t *to)
{
	uint8_t *at = to;

	switch (e->format) {
	case HM_TRACE_PCAP:
	case HM_TRACE_PCAP_US:
		at = put_pcap_header(e, at);
		break;
	case HM_TRACE_PCAPNG:
		e->n_interfaces = 0;
		at = put_section(e, at);
		at += hm_trace_encode_interface(e, at);
		break;
	case HM_TRACE_ERF:
		break;
	}
	return (size_t)(at - to);
}

/* --- packets --- */

static int encode_pcap(const struct hm_trace_encoder *e, const struct hm_trace_packet *p,
		       uint32_t caplen, uint8_t *to)
{
	const uint32_t unit = e->format == HM_TRACE_PCAP_US ? NS_PER_US : 1;
	uint8_t *at = to;

	if (p->ts_ns / NS_PER_S > UINT32_MAX)
		return -ERANGE;
	at = put32(at, (uint32_t)(p->ts_ns / NS_PER_S));
	at = put32(at, (uint32_t)(p->ts_ns % NS_PER_S) / unit);
	at = put32(at, caplen);
	at = put32(at, p->wirelen);
	at = put(at, p->data, caplen);
	return (int)(at - to);
}

static int encode_pcapng(const struct hm_trace_packet *p, uint32_t caplen, uint8_t *to)
{
	const uint32_t length = 32 + PAD4(caplen);
	uint8_t *at = to;

	at = put32(at, 6);
	at = put32(at, length);
	at = put32(at, p->ifindex);
	at = put32(at, (uint32_t)(p->ts_ns >> 32));
	at = put32(at, (uint32_t)p->ts_ns);
	at = put32(at, caplen);
	at = put32(at, p->wirelen);
	at = put(at, p->data, caplen);
	at = put_padding(at, PAD4(caplen) - caplen);
	put32(at, length);
	return (int)length;
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
static int encode_erf(const struct hm_trace_encoder *e, const struct hm_trace_packet *p,
		      uint32_t caplen, uint8_t *to)
{
	static const uint8_t ppp_framing[2] = {0xff, 0x03};
	const uint8_t type = erf_type(e->link, p, caplen);
	const uint32_t framing = lacks_ppp_framing(e->link, p, caplen) ? sizeof(ppp_framing) : 0;
	const uint32_t offset = HM_ERF_HEADER + hm_erf_sub_header(type) + framing;
	const uint32_t wlen = p->wirelen + framing + hm_erf_fcs(type);
	const uint64_t ts = erf_time(p->ts_ns);
	const uint8_t flags =
		(uint8_t)((p->ifindex & 3) | (p->ifindex & 4) << 4 | HM_ERF_FLAG_VLEN);
	uint8_t *at = to;

	if (p->ts_ns / NS_PER_S > UINT32_MAX)
		return -ERANGE;
	if (p->wirelen > ERF_WIRE_MAX - framing)
		return -EMSGSIZE;
	if (caplen > HM_ERF_RLEN_MAX - offset)
		caplen = HM_ERF_RLEN_MAX - offset;
	at = put(at, &ts, sizeof(ts));
	at = put(at, &type, 1);
	at = put(at, &flags, 1);
	at = put16(at, htobe16((uint16_t)(offset + caplen)));
	at = put16(at, 0);
	at = put16(at, htobe16((uint16_t)wlen));
	at = put_padding(at, hm_erf_sub_header(type));
	at = put(at, ppp_framing, framing);
	at = put(at, p->data, caplen);
	return (int)(at - to);
}

int hm_trace_encode(const struct hm_trace_encoder *e, const struct hm_trace_packet *p, uint8_t *to)
{
	const uint32_t caplen = p->caplen < e->snaplen ? p->caplen : e->snaplen;

	switch (e->format) {
	case HM_TRACE_PCAP:
	case HM_TRACE_PCAP_US:
		return encode_pcap(e, p, caplen, to);
	case HM_TRACE_PCAPNG:
		return encode_pcapng(p, caplen, to);
	case HM_TRACE_ERF:
		return encode_erf(e, p, caplen, to);
	}
	return -EINVAL;
}

/* --- */

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
	if (conf->application && strlen(conf->application) > HM_TRACE_APPLICATION_MAX)
		return hm_error_set(err, -EINVAL, 0,
				    "%s: the application's name is over %u bytes long", name,
				    HM_TRACE_APPLICATION_MAX);
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

int hm_trace_encoder_init(struct hm_trace_encoder *e, const char *name,
			  const struct hm_trace_writer_conf *conf, struct hm_error *err)
{
	const int code = check_conf(name, conf, err);

	if (code < 0)
		return code;
	*e = (struct hm_trace_encoder){.format = conf->format,
				       .link = conf->link,
				       .snaplen =
					       conf->snaplen ? conf->snaplen : HM_TRACE_CAPLEN_MAX,
				       .application = conf->application};
	return 0;
}
