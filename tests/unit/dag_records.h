/* SPDX-License-Identifier: BSD-3-Clause */
/* dag_records: ERF records made by hand, and what comes out of a net_dag port for them. */
#pragma once

#include "dag_port.h"

#include <endian.h>
#include <stdbool.h>
#include <stdlib.h>

#include "fake_dag.h"
#include "trace/erf.h"

#define RING 65536
#define PKTS 512
// by its name: it is loaded already, and a build folder may lie where the driver refuses paths
#define ARGS "lib=libdag_fake.so,card=dag0"
#define TIME (UINT64_C(1700000000) << 32)

static struct rte_mempool *pool; // main() makes it

struct made {
	uint8_t bytes[65536];
	uint32_t len;
};

struct spec {
	uint64_t ts;
	const uint64_t
		*ext; // extension headers' bytes as numbers, NULL: those of type 16 with no hash
	uint8_t type, flags;
	uint16_t lctr;
	int rlen; // 0: header + extensions + 2 + data, rounded up to 8
	int wlen; // 0: data + 4; -1: really 0
	int data;
	int exts;
};

static inline uint8_t frame_byte(uint32_t i)
{
	return (uint8_t)(i * 7 + 1);
}

// Appends a record.
static inline void make(struct made *m, struct spec s)
{
	uint8_t *rec = m->bytes + m->len;
	int head = 16 + 8 * s.exts + 2;
	int rlen = s.rlen ? s.rlen : (head + s.data + 7) / 8 * 8;
	int wlen = s.wlen ? (s.wlen < 0 ? 0 : s.wlen) : s.data + 4;
	int bytes = rlen >= head + s.data ? rlen : (head + s.data + 7) / 8 * 8;
	assert_true(m->len + (uint32_t)bytes <= sizeof(m->bytes));
	memset(rec, 0, (size_t)bytes);
	memcpy(rec, &s.ts, 8);
	rec[8] = (uint8_t)(s.type | (s.exts ? 0x80 : 0));
	rec[9] = s.flags;
	rec[10] = (uint8_t)(rlen >> 8);
	rec[11] = (uint8_t)rlen;
	rec[12] = (uint8_t)(s.lctr >> 8);
	rec[13] = (uint8_t)s.lctr;
	rec[14] = (uint8_t)(wlen >> 8);
	rec[15] = (uint8_t)wlen;
	for (int i = 0; i < s.exts; i++) {
		uint64_t ext = s.ext ? htobe64(s.ext[i]) : 16;
		memcpy(rec + 16 + 8 * i, &ext, 8);
		if (i + 1 < s.exts)
			rec[16 + 8 * i] |= 0x80;
	}
	for (int i = 0; i < s.data; i++)
		rec[head + i] = frame_byte((uint32_t)i);
	m->len += (uint32_t)(s.rlen && s.rlen < bytes ? s.rlen : bytes);
}

static inline struct spec eth(int data)
{
	return (struct spec){.ts = TIME, .type = HM_ERF_ETH, .flags = 4, .data = data};
}

static inline uint16_t open_port(const char *args)
{
	return dag_port_open("net_dag_fake", args, 1, 1024, pool);
}

// Sends everything to the driver and takes what comes; a few empty polls end it.
static inline unsigned receive(uint16_t port, struct rte_mbuf **pkts)
{
	unsigned n = 0;
	for (int idle = 0; idle < 8; idle++) {
		unsigned got = rte_eth_rx_burst(port, 0, pkts + n, (uint16_t)(PKTS - n));
		n += got;
		if (got > 0)
			idle = 0;
	}
	return n;
}

static inline void close_clean(uint16_t port)
{
	dag_port_close(port);
	assert_int_equal(fake_dag_violations(), 0);
	assert_int_equal(rte_mempool_in_use_count(pool), 0);
}

static inline void check_data(const struct rte_mbuf *m, uint32_t len)
{
	const uint8_t *data = rte_pktmbuf_mtod(m, const uint8_t *);
	assert_int_equal(m->pkt_len, len);
	assert_int_equal(m->data_len, len);
	assert_int_equal(m->nb_segs, 1);
	assert_int_equal(rte_mbuf_refcnt_read(m), 1);
	assert_null(m->next);
	for (uint32_t i = 0; i < len; i++)
		assert_int_equal(data[i], frame_byte(i));
}
