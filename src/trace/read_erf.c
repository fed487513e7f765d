/* SPDX-License-Identifier: BSD-3-Clause */
/* read_erf: ERF files, a plain run of records, and the ERF records inside pcap and pcapng files.
 * Ethernet, HDLC (Cisco or PPP) and IP records are packets; META, PAD, counters and the card's
 * private types are skipped; records of other links (ATM, Infiniband ...) are refused by name.
 */
#include <errno.h>
#include <string.h>

#include "trace/erf.h"
#include "trace/reader.h"

static const char *const type_names[] = {
	[HM_ERF_ATM] = "ATM",
	[HM_ERF_AAL5] = "AAL5",
	[HM_ERF_MC_RAW] = "MC_RAW",
	[HM_ERF_MC_ATM] = "MC_ATM",
	[HM_ERF_MC_RAW_CHANNEL] = "MC_RAW_CHANNEL",
	[HM_ERF_MC_AAL5] = "MC_AAL5",
	[HM_ERF_MC_AAL2] = "MC_AAL2",
	[HM_ERF_AAL2] = "AAL2",
	[HM_ERF_INFINIBAND] = "INFINIBAND",
	[HM_ERF_RAW_LINK] = "RAW_LINK",
	[HM_ERF_INFINIBAND_LINK] = "INFINIBAND_LINK",
	[HM_ERF_OPA_SNC] = "OPA_SNC",
	[HM_ERF_OPA_9B] = "OPA_9B",
};

static bool never_a_packet(uint8_t type)
{
	switch (type) {
	case HM_ERF_LEGACY:
	case HM_ERF_IP_COUNTER:
	case HM_ERF_TCP_FLOW_COUNTER:
	case HM_ERF_META:
	case HM_ERF_PAD:
		return true;
	default:
		return type >= HM_ERF_INTERNAL_FIRST && type <= HM_ERF_INTERNAL_LAST;
	}
}

/* A file without magic: the first record must make sense and be younger than 1995, unless the
 * file's name says what it is. An empty file has to say so, too. */
bool hm_erf_sniff(const struct hm_trace_reader *r)
{
	const uint8_t *rec = r->buf + r->head;
	size_t name = strlen(r->name);
	uint8_t type;
	if (name >= 4 && strcmp(r->name + name - 4, ".erf") == 0)
		return true;
	if (r->tail - r->head < HM_ERF_HEADER)
		return false;
	type = hm_erf_type(rec);
	return type != HM_ERF_LEGACY && (type <= HM_ERF_OPA_9B || type == HM_ERF_PAD) &&
	       hm_erf_rlen(rec) >= HM_ERF_HEADER && (hm_erf_ts(rec) >> 32) >= HM_ERF_EPOCH_MIN;
}

/* Cisco HDLC and PPP share the record types; the first packet of a file tells them apart. */
static uint32_t hdlc_link(struct hm_trace_reader *r, const uint8_t *data, uint32_t caplen)
{
	if (!r->link_known)
		r->hdlc_is_ppp = caplen && data[0] == 0xff;
	return r->hdlc_is_ppp ? HM_LINK_PPP_SERIAL : HM_LINK_C_HDLC;
}

static int refuse_type(const struct hm_trace_reader *r, uint8_t type, struct hm_error *err)
{
	bool named = type < sizeof(type_names) / sizeof(type_names[0]) && type_names[type];
	return hm_error_set(
		err, -ENOTSUP, 0,
		"%s: byte %llu: ERF records of type %s (%u) are not supported; supported: "
		"Ethernet, HDLC/PPP, IPv4 and IPv6 records",
		r->name, (unsigned long long)(r->base + r->head),
		named ? type_names[type] : "unknown", type);
}

int hm_erf_record(struct hm_trace_reader *r, const uint8_t *rec, uint32_t length,
		  struct hm_trace_packet *p, struct hm_error *err)
{
	uint32_t rlen, offset, fcs, link = HM_LINK_ETHERNET;
	uint8_t type;
	int rc;
	if (length < HM_ERF_HEADER)
		return hm_reader_bad(r, err,
				     "an ERF record of %u bytes, which is under its header's %u",
				     length, HM_ERF_HEADER);
	type = hm_erf_type(rec);
	rlen = hm_erf_rlen(rec) < length ? hm_erf_rlen(rec) : length;
	if (hm_erf_class(type) == HM_ERF_CLASS_INVALID)
		return hm_reader_bad(
			r, err, "ERF record type %u does not exist: the file is corrupt", type);
	if (never_a_packet(type)) {
		r->counts.skipped++;
		return 0;
	}
	offset = hm_erf_payload_offset(rec, rlen);
	if (offset == 0)
		return hm_reader_bad(
			r, err,
			"the headers of an ERF record of type %u do not fit into its %u bytes",
			type, rlen);
	fcs = hm_erf_fcs(type);
	p->ts_ns = hm_erf_ts_to_ns(hm_erf_ts(rec));
	p->data = rec + offset;
	p->wirelen = hm_erf_wirelen(hm_erf_wlen(rec), fcs);
	p->caplen = hm_erf_caplen(rlen, offset, hm_erf_wlen(rec), fcs);
	p->ifindex = hm_erf_interface(hm_erf_flags(rec));
	switch (hm_erf_class(type)) {
	case HM_ERF_CLASS_ETH:
		break;
	case HM_ERF_CLASS_HDLC:
		link = hdlc_link(r, p->data, p->caplen);
		break;
	case HM_ERF_CLASS_IP:
		link = HM_LINK_RAW;
		break;
	default:
		return refuse_type(r, type, err);
	}
	if (r->link_known && r->link == link)
		return 1;
	rc = hm_reader_set_link(r, link, err);
	return rc < 0 ? rc : 1;
}

static int next_erf(struct hm_trace_reader *r, struct hm_trace_packet *p, struct hm_error *err)
{
	int rc;
	do {
		uint32_t rlen;
		rc = hm_reader_need(r, HM_ERF_HEADER, err);
		if (rc < 0)
			return rc;
		if (rc == 0)
			return r->head == r->tail
				       ? 0
				       : hm_reader_cut(r, err, "an ERF header", HM_ERF_HEADER);
		rlen = hm_erf_rlen(r->buf + r->head);
		if (rlen < HM_ERF_HEADER)
			return hm_reader_bad(r, err,
					     "an ERF record length of %u, which is under %u: the "
					     "file is corrupt",
					     rlen, HM_ERF_HEADER);
		rc = hm_reader_need(r, rlen, err);
		if (rc <= 0)
			return rc < 0 ? rc : hm_reader_cut(r, err, "an ERF record", rlen);
		rc = hm_erf_record(r, r->buf + r->head, rlen, p, err);
		if (rc < 0)
			return rc;
		r->head += rlen;
	} while (rc == 0);
	return 1;
}

int hm_erf_start(struct hm_trace_reader *r, struct hm_error *err)
{
	(void)err;
	r->format = HM_TRACE_ERF;
	r->next = next_erf;
	return 0;
}
