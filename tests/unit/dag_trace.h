/* SPDX-License-Identifier: BSD-3-Clause */
/* dag_trace: a card of this process that plays a trace of numbered frames, and the port on it. */
#pragma once

#include "dag_port.h"

#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <time.h>

#include "pmd_dag/sim/dag_sim.h"
#include "pmd_dag/sim/libdag.h"
#include "trace/erf.h"

#define ARGS     "lib=libdag_sim.so,card=dag0"
#define START_NS UINT64_C(1700000000123456789)
#define LONGEST  1514u

static struct rte_mempool *pool;
static char folder[] = "/tmp/test_net_dag_XXXXXX";
static char trace[64];

/* --- frames that can be made again from their number --- */

static inline uint32_t frame_len(uint32_t i)
{
	return 60 + i * 37 % (LONGEST - 60 + 1);
}

static inline uint64_t frame_ns(uint32_t i)
{
	return START_NS + (uint64_t)i * 1001;
}

// Ethernet, IPv4, UDP. Frames i and i^1 are the two directions of a flow.
static inline void make_frame(uint32_t i, uint8_t *f)
{
	uint32_t len = frame_len(i), flow = i / 2 % 50;
	uint8_t here = (uint8_t)(1 + i % 2), there = (uint8_t)(2 - i % 2);
	for (uint32_t k = 0; k < len; k++)
		f[k] = (uint8_t)(k * 13 + i);
	memset(f + 12, 0, 30);
	f[12] = 0x08;
	f[14] = 0x45;
	f[16] = (uint8_t)((len - 14) >> 8);
	f[17] = (uint8_t)(len - 14);
	f[22] = 64;
	f[23] = 17;
	memcpy(f + 26, (uint8_t[]){10, 0, (uint8_t)flow, here}, 4);
	memcpy(f + 30, (uint8_t[]){10, 0, (uint8_t)flow, there}, 4);
	f[34] = f[36] = 10;
	f[35] = here;
	f[37] = there;
	f[38] = (uint8_t)((len - 34) >> 8);
	f[39] = (uint8_t)(len - 34);
	memcpy(f + 42, &i, sizeof(i));
}

static inline uint32_t frame_number(const struct rte_mbuf *m)
{
	uint32_t i;
	memcpy(&i, rte_pktmbuf_mtod_offset(m, const uint8_t *, 42), sizeof(i));
	return i;
}

static inline void check_frame(const struct rte_mbuf *m, uint32_t i)
{
	uint8_t f[LONGEST];
	make_frame(i, f);
	assert_int_equal(m->data_len, frame_len(i));
	assert_int_equal(m->pkt_len, frame_len(i));
	assert_memory_equal(rte_pktmbuf_mtod(m, const uint8_t *), f, frame_len(i));
	assert_int_equal(dag_port_capture(m)->wire_len, frame_len(i));
}

// A nanosecond pcap; every record is cut to snaplen bytes, the file to file_len if not 0.
static inline void write_trace(const char *path, uint32_t n, uint32_t snaplen, long file_len)
{
	static const uint32_t head[6] = {0xa1b23c4d, 0x00040002, 0, 0, 65535, 1};
	uint8_t f[LONGEST];
	FILE *out = fopen(path, "w");
	assert_non_null(out);
	fwrite(head, sizeof(head), 1, out);
	for (uint32_t i = 0; i < n; i++) {
		uint32_t len = frame_len(i), cap = len < snaplen ? len : snaplen;
		uint64_t ns = frame_ns(i);
		uint32_t record[4] = {(uint32_t)(ns / 1000000000), (uint32_t)(ns % 1000000000), cap,
				      len};
		make_frame(i, f);
		fwrite(record, sizeof(record), 1, out);
		fwrite(f, cap, 1, out);
	}
	fclose(out);
	if (file_len)
		assert_int_equal(truncate(path, file_len), 0);
}

/* --- one card, one port --- */

static inline struct dag_sim_card defaults(void)
{
	struct dag_sim_card card = DAG_SIM_CARD_DEFAULTS;
	card.path = trace;
	return card;
}

static inline void add(const struct dag_sim_card *card)
{
	struct hm_error err = {0};
	if (dag_sim_card_add("dag0", card, &err) < 0)
		fail_msg("%s", err.text);
}

static inline struct dag_sim_status status(void)
{
	struct dag_sim_status s;
	assert_int_equal(dag_sim_card_status("dag0", &s), 0);
	return s;
}

static inline void finish(uint16_t port)
{
	dag_port_close(port);
	assert_int_equal(status().violations, 0);
	assert_int_equal(dag_sim_card_remove("dag0"), 0);
	assert_int_equal(rte_mempool_in_use_count(pool), 0);
}

static inline bool ended(void)
{
	enum dag_sim_state state = status().state;
	return state == DAG_SIM_FINISHED || state == DAG_SIM_FAILED;
}

// Receives up to `want` packets of queue 0, checks that they are numbers first, first + 1 ...
static inline uint32_t receive_in_order(uint16_t port, uint32_t first, uint32_t want,
					uint32_t modulo, uint16_t burst)
{
	struct rte_mbuf *pkts[512 + 1];
	uint32_t n = 0;
	time_t late = time(NULL) + 60;
	while (n < want && time(NULL) < late) {
		uint16_t ask = (uint16_t)(want - n < burst ? want - n : burst);
		pkts[ask] = (void *)(uintptr_t)0x5a5a;
		uint16_t got = rte_eth_rx_burst(port, 0, pkts, ask);
		assert_true(got <= ask);
		assert_ptr_equal(pkts[ask], (void *)(uintptr_t)0x5a5a);
		for (uint16_t k = 0; k < got; k++, n++)
			check_frame(pkts[k], (first + n) % modulo);
		rte_pktmbuf_free_bulk(pkts, got);
	}
	return n;
}

// Polls an idle port until the card knows that everything has come back.
static inline void wait_for_end(uint16_t port, enum dag_sim_state state)
{
	struct rte_mbuf *pkts[64];
	for (time_t late = time(NULL) + 60; !ended() && time(NULL) < late;)
		assert_int_equal(rte_eth_rx_burst(port, 0, pkts, 64), 0);
	assert_int_equal(status().state, state);
}

static inline void drain(uint16_t port)
{
	struct rte_mbuf *pkts[64];
	for (int i = 0; i < 4; i++)
		assert_int_equal(rte_eth_rx_burst(port, 0, pkts, 64), 0);
}

/* Loaded and fed; the fed ring is smaller than the trace and poisoned behind the reader. */
static inline struct dag_sim_card variant(int fed)
{
	struct dag_sim_card card = defaults();
	if (fed) {
		card.preload_mb = 0;
		card.buffer_mb = 2;
		card.poison = true;
	}
	return card;
}

static inline int run_trace_tests(const struct CMUnitTest *tests, size_t n)
{
	char remove[128];
	if (!mkdtemp(folder) || dag_port_eal() < 0)
		return 1;
	snprintf(trace, sizeof(trace), "%s/trace.pcap", folder);
	write_trace(trace, 5000, LONGEST, 0);
	pool = dag_port_pool("pool", 1023, 2048);
	int failed = _cmocka_run_group_tests("tests", tests, n, NULL, NULL);
	rte_eal_cleanup();
	snprintf(remove, sizeof(remove), "rm -r %s", folder);
	return system(remove) != 0 ? 1 : failed;
}
