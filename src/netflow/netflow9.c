/* SPDX-License-Identifier: BSD-3-Clause */
/* NetFlow 9, RFC 3954: the packet header (section 5.1). The sequence number counts export packets.
 * The header tells whole seconds, and times in records are uptimes in milliseconds: the second is
 * rounded up and the uptime is that of this second, so that the difference, the boot, is exact. */
#include "netflow/message.h"

#define VERSION         9
#define OFFSET_COUNT    2
#define OFFSET_UPTIME   4
#define OFFSET_SECONDS  8
#define OFFSET_SEQUENCE 12
#define OFFSET_SOURCE   16
#define NS_A_S          UINT64_C(1000000000)

static void open_header(uint8_t *message, const struct hm_origin *origin)
{
	hm_put16(message, VERSION);
	hm_put32(message + OFFSET_SOURCE, origin->domain);
}

static void put_clock(uint8_t *message, uint64_t seconds, uint64_t boot_ms)
{
	hm_put32(message + OFFSET_UPTIME, (uint32_t)(seconds * 1000 - boot_ms));
	hm_put32(message + OFFSET_SECONDS, (uint32_t)seconds);
}

/* The clock of the packets, for the case that the wall clock is beyond what an uptime can tell. */
static void close_header(const struct hm_message *m)
{
	uint64_t boot_ms = m->has_clock ? m->boot_ms : hm_boot_ms();

	hm_put16(m->at + OFFSET_COUNT, (uint16_t)(m->records + m->templates));
	put_clock(m->at, (m->has_clock ? m->latest_ms : boot_ms) / 1000 + 1, boot_ms);
}

static void stamp(uint8_t *message, uint32_t sequence, uint64_t now_ns)
{
	uint64_t boot_ms = hm_get32(message + OFFSET_SECONDS) * UINT64_C(1000) -
			   hm_get32(message + OFFSET_UPTIME);
	uint64_t seconds = (now_ns + NS_A_S - 1) / NS_A_S;

	if (seconds * 1000 >= boot_ms && seconds * 1000 - boot_ms <= UINT32_MAX)
		put_clock(message, seconds, boot_ms);
	hm_put32(message + OFFSET_SEQUENCE, sequence);
}

const struct hm_format hm_netflow9 = {
	.name = "netflow9",
	.mapi_name = "NETFLOW_V9",
	.port = 2055,
	.header = 20,
	.set_header = 4,
	.set_align = 4,
	.template_set = 0,
	.options_set = 1,
	.records_max = UINT16_MAX,
	.domain_max = UINT32_MAX,
	.sampling_max = UINT32_MAX,
	.system_scopes = true,
	.uptime = true,
	.sequence_of_messages = true,
	.open_header = open_header,
	.close_header = close_header,
	.stamp = stamp,
};
