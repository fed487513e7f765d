/* SPDX-License-Identifier: BSD-3-Clause */
/* NetFlow 5: a header of 24 bytes and up to 30 records of 48, which are a template that nobody sends.
 * The sequence number counts flow records. The observation domain is engine type and engine id. */
#include "netflow/message.h"

#define VERSION         5
#define OFFSET_COUNT    2
#define OFFSET_UPTIME   4
#define OFFSET_SECONDS  8
#define OFFSET_NS       12
#define OFFSET_SEQUENCE 16
#define OFFSET_ENGINE   20
#define OFFSET_SAMPLING 22
#define EACH_OF_N       1 // sampling mode: deterministic
#define PADDING         210
#define NS_A_MS         1000000u

static const struct hm_want
	record[] =
		{
			{8, 4},       {12, 4},      {15, 4}, // addresses, next hop
			{10, 2},      {PADDING, 2},          // interfaces
			{2, 4},       {1, 4},       {22, 4},      {21, 4}, {7, 2},  {11, 2},
			{PADDING, 1}, {6, 1},       {4, 1},       {5, 1},  {16, 2}, {17, 2},
			{9, 1},       {13, 1},      {PADDING, 2}, // AS numbers, prefix lengths
};

static void open_header(uint8_t *message, const struct hm_origin *origin)
{
	hm_put16(message, VERSION);
	hm_put16(message + OFFSET_ENGINE, (uint16_t)origin->domain);
	if (origin->sampling_interval > 1)
		hm_put16(message + OFFSET_SAMPLING,
			 (uint16_t)(EACH_OF_N << 14 | (origin->sampling_interval & 0x3fff)));
}

static void put_clock(uint8_t *message, uint64_t now_ms, uint64_t boot_ms)
{
	hm_put32(message + OFFSET_UPTIME, (uint32_t)(now_ms - boot_ms));
	hm_put32(message + OFFSET_SECONDS, (uint32_t)(now_ms / 1000));
	hm_put32(message + OFFSET_NS, (uint32_t)(now_ms % 1000) * NS_A_MS);
}

/* The clock of the packets, for the case that the wall clock is beyond what an uptime can tell. */
static void close_header(const struct hm_message *m)
{
	hm_put16(m->at + OFFSET_COUNT, m->records);
	put_clock(m->at, m->latest_ms, m->boot_ms);
}

static void stamp(uint8_t *message, uint32_t sequence, uint64_t now_ns)
{
	uint64_t boot_ms = hm_get32(message + OFFSET_SECONDS) * UINT64_C(1000) +
			   hm_get32(message + OFFSET_NS) / NS_A_MS -
			   hm_get32(message + OFFSET_UPTIME);
	uint64_t now_ms = now_ns / NS_A_MS;

	if (now_ms >= boot_ms && now_ms - boot_ms <= UINT32_MAX)
		put_clock(message, now_ms, boot_ms);
	hm_put32(message + OFFSET_SEQUENCE, sequence);
}

const struct hm_format hm_netflow5 = {
	.name = "netflow5",
	.mapi_name = "NETFLOW_V5",
	.port = 2055,
	.header = 24,
	.set_align = 1,
	.records_max = 30,
	.domain_max = UINT16_MAX,
	.sampling_max = 16383,
	.uptime = true,
	.narrow = true,
	.ipv4_only = true,
	.fixed = record,
	.n_fixed = sizeof(record) / sizeof(record[0]),
	.open_header = open_header,
	.close_header = close_header,
	.stamp = stamp,
};
