/* SPDX-License-Identifier: BSD-3-Clause */
/* combo_port: a simulated COMBO card with known frames, and a net_combo6 port on it. */
#pragma once

#include "dag_port.h"

#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <time.h>

#include "pmd_dag/sim_sze2/libsze2.h"
#include "pmd_dag/sim_sze2/sze2_sim.h"
#include "trace/generator.h"
#include "trace/trace.h"

#define COMBO_CARD  "szedataII0"
#define COMBO_ARGS  "lib=libsze2_sim.so,card=0,idle_us=0"
#define COMBO_START UINT64_C(1700000000999999000)
#define COMBO_COUNT 320 // frames in a lap of combo_trace()
#define COMBO_LONG  UINT32_MAX

static struct rte_mempool *pool;
static char folder[] = "/tmp/test_combo_XXXXXX";

static inline uint8_t combo_byte(uint32_t i, uint32_t k)
{
	return (uint8_t)(i * 31 + k * 7 + k / 251);
}

/* Frames i = 0 ... n - 1 of len[i] bytes, cut to snaplen; from interface i % 16, at COMBO_START +
 * 1001 i. Returns the file's name. */
static inline const char *combo_trace(const char *name, const uint32_t *len, uint32_t n,
				      uint32_t snaplen)
{
	static char path[128];
	static uint8_t data[65536];
	struct hm_error err = {0};
	const struct hm_trace_writer_conf conf = {.format = HM_TRACE_PCAPNG,
						  .link = HM_LINK_ETHERNET};
	snprintf(path, sizeof(path), "%s/%s.pcapng", folder, name);
	struct hm_trace_writer *w = hm_trace_create(path, &conf, &err);
	if (!w)
		fail_msg("%s", err.text);
	for (uint32_t i = 0; i < n; i++) {
		for (uint32_t k = 0; k < len[i]; k++)
			data[k] = combo_byte(i, k);
		struct hm_trace_packet p = {.ts_ns = COMBO_START + UINT64_C(1001) * i,
					    .data = data,
					    .caplen = len[i] < snaplen ? len[i] : snaplen,
					    .wirelen = len[i],
					    .ifindex = (uint16_t)(i % 16)};
		assert_int_equal(hm_trace_write(w, &p), 0);
	}
	assert_int_equal(hm_trace_finish(w), 0);
	return path;
}

static inline uint32_t combo_len(uint32_t i)
{
	return 60 + i * 89 % 700;
}

static inline const char *combo_usual_trace(void)
{
	uint32_t len[COMBO_COUNT];
	for (uint32_t i = 0; i < COMBO_COUNT; i++)
		len[i] = combo_len(i);
	return combo_trace("usual", len, COMBO_COUNT, COMBO_LONG);
}

static inline struct sze2_sim_card combo_card(const char *path)
{
	struct sze2_sim_card card = SZE2_SIM_CARD_DEFAULTS;
	card.path = path;
	return card;
}

/* Made traffic in one lap: to open a trace again and again is slow under sanitizers. */
static inline struct sze2_sim_card combo_generated(uint64_t packets)
{
	static struct hm_generator_conf traffic;
	struct sze2_sim_card card = combo_card(NULL);
	hm_generator_defaults(&traffic);
	traffic.packets = packets;
	traffic.flows = 200;
	card.generator = &traffic;
	return card;
}

static inline void combo_add(const struct sze2_sim_card *card)
{
	struct hm_error err = {0};
	if (sze2_sim_card_add(COMBO_CARD, card, &err) < 0)
		fail_msg("%s", err.text);
}

static inline struct sze2_sim_status combo_status(void)
{
	struct sze2_sim_status s;
	assert_int_equal(sze2_sim_card_status(COMBO_CARD, &s), 0);
	return s;
}

static inline void combo_remove(void)
{
	assert_int_equal(combo_status().violations, 0);
	assert_int_equal(combo_status().handles, 0);
	assert_int_equal(sze2_sim_card_remove(COMBO_CARD), 0);
	assert_int_equal(rte_mempool_in_use_count(pool), 0);
}

static inline uint16_t combo_open(const char *args, uint16_t queues)
{
	return dag_port_open("net_combo6_t", args, queues, 64, pool);
}

static inline uint16_t open_scattered(struct rte_mempool *p)
{
	const struct rte_eth_conf conf = {.rxmode.offloads = RTE_ETH_RX_OFFLOAD_SCATTER};
	int port = dag_port_probe("net_combo6_t", COMBO_ARGS);
	assert_true(port >= 0);
	assert_int_equal(rte_eth_dev_configure((uint16_t)port, 1, 0, &conf), 0);
	assert_int_equal(rte_eth_rx_queue_setup((uint16_t)port, 0, 64, 0, NULL, p), 0);
	assert_int_equal(rte_eth_dev_start((uint16_t)port), 0);
	return (uint16_t)port;
}

static inline void combo_finish(uint16_t port)
{
	dag_port_close(port);
	combo_remove();
}

static inline uint64_t combo_sequence(const struct rte_mbuf *m)
{
	int offset = rte_mbuf_dynfield_lookup(NET_DAG_SEQUENCE_NAME, NULL);
	assert_true(offset >= 0);
	return *RTE_MBUF_DYNFIELD(m, offset, const uint64_t *);
}

static inline bool combo_timed(const struct rte_mbuf *m)
{
	int flag = rte_mbuf_dynflag_lookup(RTE_MBUF_DYNFLAG_RX_TIMESTAMP_NAME, NULL);
	assert_true(flag >= 0);
	return (m->ol_flags >> flag & 1) != 0;
}

/* Byte for byte, over all segments. */
static inline void combo_check_bytes(const struct rte_mbuf *m, uint32_t i, uint32_t len)
{
	uint32_t k = 0, segments = 0;
	assert_int_equal(m->pkt_len, len);
	for (const struct rte_mbuf *s = m; s; s = s->next, segments++)
		for (uint32_t j = 0; j < s->data_len; j++, k++)
			if (*rte_pktmbuf_mtod_offset(s, const uint8_t *, j) != combo_byte(i, k))
				fail_msg("frame %u of %u bytes differs at byte %u", i, len, k);
	assert_int_equal(k, len);
	assert_int_equal(m->nb_segs, segments);
}

static inline void combo_check_frame(const struct rte_mbuf *m, uint32_t i)
{
	combo_check_bytes(m, i, combo_len(i));
	assert_int_equal(dag_port_capture(m)->wire_len, combo_len(i));
	assert_int_equal(dag_port_capture(m)->ifindex, i % 16);
}

typedef void combo_check(const struct rte_mbuf *m, uint32_t n);

/* Receives until `want` packets have come or the card has nothing more; calls check for each. */
static inline uint32_t combo_receive(uint16_t port, uint32_t want, uint16_t burst,
				     combo_check *check)
{
	struct rte_mbuf **pkts = calloc((size_t)burst + 1, sizeof(*pkts));
	uint32_t n = 0, idle = 0;
	assert_non_null(pkts);
	while (n < want && idle < 100) {
		uint16_t ask = want - n < burst ? (uint16_t)(want - n) : burst;
		pkts[ask] = (void *)(uintptr_t)0x5a5a;
		uint16_t got = rte_eth_rx_burst(port, 0, pkts, ask);
		assert_true(got <= ask);
		assert_ptr_equal(pkts[ask], (void *)(uintptr_t)0x5a5a);
		for (uint16_t k = 0; k < got; k++, n++)
			if (check)
				check(pkts[k], n);
		rte_pktmbuf_free_bulk(pkts, got);
		idle = got == 0 ? idle + 1 : 0;
	}
	free(pkts);
	return n;
}

static inline struct rte_eth_stats combo_stats(uint16_t port)
{
	struct rte_eth_stats stats;
	assert_int_equal(rte_eth_stats_get(port, &stats), 0);
	return stats;
}

static inline int combo_main(const struct CMUnitTest *tests, size_t n)
{
	char remove[64];
	if (!mkdtemp(folder) || dag_port_eal() < 0)
		return 1;
	pool = dag_port_pool("pool", 1023, 2048);
	int failed = _cmocka_run_group_tests("combo", tests, n, NULL, NULL);
	rte_eal_cleanup();
	snprintf(remove, sizeof(remove), "rm -r %s", folder);
	return system(remove) != 0 ? 1 : failed;
}
