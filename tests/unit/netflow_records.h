/* SPDX-License-Identifier: BSD-3-Clause */
/* netflow_records: flow records for tests of encodings, and a look into messages. */
#pragma once

#include <stdint.h>
#include <string.h>

#include "netflow/message.h"

#define T0_MS UINT64_C(1700000000000)
#define MS    UINT64_C(1000000)

/* 192.0.2.2:1025 -> 192.0.2.1:80, TCP; the sender is the second endpoint. */
static inline struct hm_flow_record record_ipv4(void)
{
	struct hm_flow_record r = {
		.key = {{.addr = {{192, 0, 2, 1}, {192, 0, 2, 2}},
			 .proto = 6,
			 .version = 4,
			 .vlan = 0x123}},
		.initiator = 1,
		.end_reason = HM_END_DETECTED,
		.tos = {0, 0xb8},
		.first = {{.ifindex = 3, .tcp_flags = {0x12, 0x1b}}},
		.first_ns = {(T0_MS + 500) * MS + 999999, (T0_MS + 250) * MS},
		.last_ns = {(T0_MS + 1000) * MS, (T0_MS + 2000) * MS},
		.packets = {5, 7},
		.bytes = {500, 0x01020304},
	};

	r.key.port_be[0] = __builtin_bswap16(80);
	r.key.port_be[1] = __builtin_bswap16(1025);
	return r;
}

static inline uint16_t get16(const uint8_t *p)
{
	return (uint16_t)(p[0] << 8 | p[1]);
}

static inline uint64_t get64(const uint8_t *p)
{
	return (uint64_t)hm_get32(p) << 32 | hm_get32(p + 4);
}
