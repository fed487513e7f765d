/* SPDX-License-Identifier: BSD-3-Clause */
/* IPFIX, RFC 7011: the message header (section 3.1). The sequence number counts the data records
 * sent before this message, and only those. */
#include "netflow/message.h"

#define VERSION         10
#define OFFSET_LENGTH   2
#define OFFSET_TIME     4
#define OFFSET_SEQUENCE 8
#define OFFSET_DOMAIN   12
#define NS_A_S          UINT64_C(1000000000)

static void open_header(uint8_t *message, const struct hm_origin *origin)
{
	hm_put16(message, VERSION);
	hm_put32(message + OFFSET_DOMAIN, origin->domain);
}

static void close_header(const struct hm_message *m)
{
	hm_put16(m->at + OFFSET_LENGTH, (uint16_t)m->used);
}

static void stamp(uint8_t *message, uint32_t sequence, uint64_t now_ns)
{
	hm_put32(message + OFFSET_TIME, (uint32_t)(now_ns / NS_A_S));
	hm_put32(message + OFFSET_SEQUENCE, sequence);
}

const struct hm_format hm_ipfix = {
	.name = "ipfix",
	.mapi_name = "IPFIX",
	.port = 4739,
	.header = 16,
	.set_header = 4,
	.set_align = 1,
	.template_set = 2,
	.options_set = 3,
	.records_max = UINT16_MAX,
	.domain_max = UINT32_MAX,
	.sampling_max = UINT32_MAX,
	.open_elements = true,
	.streams = true,
	.open_header = open_header,
	.close_header = close_header,
	.stamp = stamp,
};
