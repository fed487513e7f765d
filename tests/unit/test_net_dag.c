/* SPDX-License-Identifier: BSD-3-Clause */
/* The driver and the simulator together: every frame of a trace, exactly once, unharmed, in order.
 */
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
static char trace[64], cut_trace[64];

/* --- frames that can be made again from their number --- */

static uint32_t frame_len(uint32_t i)
{
	return 60 + i * 37 % (LONGEST - 60 + 1);
}

static uint64_t frame_ns(uint32_t i)
{
	return START_NS + (uint64_t)i * 1001;
}

// Ethernet, IPv4, UDP. Frames i and i^1 are the two directions of a flow.
static void make_frame(uint32_t i, uint8_t *f)
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

static uint32_t frame_number(const struct rte_mbuf *m)
{
	uint32_t i;
	memcpy(&i, rte_pktmbuf_mtod_offset(m, const uint8_t *, 42), sizeof(i));
	return i;
}

static void check_frame(const struct rte_mbuf *m, uint32_t i)
{
	uint8_t f[LONGEST];
	make_frame(i, f);
	assert_int_equal(m->data_len, frame_len(i));
	assert_int_equal(m->pkt_len, frame_len(i));
	assert_memory_equal(rte_pktmbuf_mtod(m, const uint8_t *), f, frame_len(i));
	assert_int_equal(dag_port_capture(m)->wire_len, frame_len(i));
}

// A nanosecond pcap; every record is cut to snaplen bytes, the file to file_len if not 0.
static void write_trace(const char *path, uint32_t n, uint32_t snaplen, long file_len)
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

static struct dag_sim_card defaults(void)
{
	struct dag_sim_card card = DAG_SIM_CARD_DEFAULTS;
	card.path = trace;
	return card;
}

static void add(const struct dag_sim_card *card)
{
	struct hm_error err = {0};
	if (dag_sim_card_add("dag0", card, &err) < 0)
		fail_msg("%s", err.text);
}

static struct dag_sim_status status(void)
{
	struct dag_sim_status s;
	assert_int_equal(dag_sim_card_status("dag0", &s), 0);
	return s;
}

static void finish(uint16_t port)
{
	dag_port_close(port);
	assert_int_equal(status().violations, 0);
	assert_int_equal(dag_sim_card_remove("dag0"), 0);
	assert_int_equal(rte_mempool_in_use_count(pool), 0);
}

static bool ended(void)
{
	enum dag_sim_state state = status().state;
	return state == DAG_SIM_FINISHED || state == DAG_SIM_FAILED;
}

// Receives up to `want` packets of queue 0, checks that they are numbers first, first + 1 ...
static uint32_t receive_in_order(uint16_t port, uint32_t first, uint32_t want, uint32_t modulo,
				 uint16_t burst)
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
static void wait_for_end(uint16_t port, enum dag_sim_state state)
{
	struct rte_mbuf *pkts[64];
	for (time_t late = time(NULL) + 60; !ended() && time(NULL) < late;)
		assert_int_equal(rte_eth_rx_burst(port, 0, pkts, 64), 0);
	assert_int_equal(status().state, state);
}

static void drain(uint16_t port)
{
	struct rte_mbuf *pkts[64];
	for (int i = 0; i < 4; i++)
		assert_int_equal(rte_eth_rx_burst(port, 0, pkts, 64), 0);
}

/* Loaded and fed; the fed ring is smaller than the trace and poisoned behind the reader. */
static struct dag_sim_card variant(int fed)
{
	struct dag_sim_card card = defaults();
	if (fed) {
		card.preload_mb = 0;
		card.buffer_mb = 2;
		card.poison = true;
	}
	return card;
}

static void test_every_frame_arrives_at_any_burst_size(void **state)
{
	static const uint16_t bursts[] = {1, 3, 33, 64, 512};
	struct rte_eth_stats stats;
	uint64_t bytes = 0;
	(void)state;
	for (uint32_t i = 0; i < 5000; i++)
		bytes += frame_len(i);
	for (int fed = 0; fed < 2; fed++) {
		for (unsigned b = 0; b < RTE_DIM(bursts); b++) {
			struct dag_sim_card card = variant(fed);
			add(&card);
			uint16_t port = dag_port_open("net_dag_t", ARGS, 1, 1024, pool);
			assert_int_equal(receive_in_order(port, 0, 5000, 5000, bursts[b]), 5000);
			wait_for_end(port, DAG_SIM_FINISHED);
			assert_int_equal(status().packets, 5000);
			assert_int_equal(status().stream[0].packets, 5000);
			assert_int_equal(status().preloaded, !fed);
			assert_int_equal(rte_eth_stats_get(port, &stats), 0);
			assert_int_equal(stats.ipackets, 5000);
			assert_int_equal(stats.ibytes, bytes);
			assert_int_equal(stats.imissed + stats.ierrors + stats.rx_nombuf, 0);
			assert_int_equal(stats.q_ipackets[0], 5000);
			finish(port);
		}
	}
}

static void test_times_are_those_of_the_trace(void **state)
{
	struct dag_sim_card card = defaults();
	struct rte_mbuf *pkts[64];
	uint32_t n = 0;
	(void)state;
	add(&card);
	uint16_t port = dag_port_open("net_dag_t", ARGS, 1, 1024, pool);
	while (n < 5000) {
		uint16_t got = rte_eth_rx_burst(port, 0, pkts, 64);
		for (uint16_t k = 0; k < got; k++, n++) {
			assert_true(dag_port_ts(pkts[k]) == frame_ns(n));
			assert_int_equal(pkts[k]->port, port);
		}
		rte_pktmbuf_free_bulk(pkts, got);
	}
	finish(port);
}

static void test_laps_repeat_frames_with_rising_times(void **state)
{
	struct rte_mbuf *pkts[64];
	char few[64];
	(void)state;
	snprintf(few, sizeof(few), "%s/few.pcap", folder);
	write_trace(few, 7, LONGEST, 0);
	for (int fed = 0; fed < 2; fed++) {
		for (int big = 0; big < 2; big++) {
			// the few are copied within the ring, the many wrap it
			const uint32_t in_lap = big ? 5000 : 7, laps = big ? 5 : 1001;
			const uint64_t lap_ns = (uint64_t)in_lap * 1001 + 1;
			struct dag_sim_card card = variant(fed);
			uint32_t n = 0;
			uint64_t last = 0;
			card.path = big ? trace : few;
			card.loop = laps;
			add(&card);
			uint16_t port = dag_port_open("net_dag_t", ARGS, 1, 1024, pool);
			time_t late = time(NULL) + 60;
			while (n < in_lap * laps && time(NULL) < late) {
				uint16_t got = rte_eth_rx_burst(port, 0, pkts, 64);
				for (uint16_t k = 0; k < got; k++, n++) {
					uint64_t ts = dag_port_ts(pkts[k]);
					uint64_t want = frame_ns(n % in_lap) + n / in_lap * lap_ns;
					check_frame(pkts[k], n % in_lap);
					assert_true(ts > last);
					// each lap of a ring adds a whole number of 2^-32 s
					uint64_t off = ts > want ? ts - want : want - ts;
					if (off > 1 + n / in_lap / 4)
						fail_msg("fed %d packet %u: time %lu, not %lu", fed,
							 n, ts, want);
					last = ts;
				}
				rte_pktmbuf_free_bulk(pkts, got);
			}
			assert_int_equal(n, in_lap * laps);
			wait_for_end(port, DAG_SIM_FINISHED);
			assert_int_equal(status().laps, laps);
			finish(port);
		}
	}
}

static void test_streams_split_flows_and_lose_nothing(void **state)
{
	struct rte_mbuf *pkts[64];
	(void)state;
	for (int fed = 0; fed < 2; fed++) {
		for (uint16_t streams = 2; streams <= 4; streams += 2) {
			uint8_t *queue_of = calloc(5000, 1);
			uint32_t n = 0, per_queue[4] = {0}, last[4] = {0};
			struct dag_sim_card card = variant(fed);
			card.streams = streams;
			add(&card);
			uint16_t port = dag_port_open("net_dag_t", ARGS, streams, 1024, pool);
			time_t late = time(NULL) + 60;
			while (n < 5000 && time(NULL) < late) {
				for (uint16_t q = 0; q < streams; q++) {
					uint16_t got = rte_eth_rx_burst(port, q, pkts, 64);
					for (uint16_t k = 0; k < got; k++) {
						uint32_t i = frame_number(pkts[k]);
						assert_in_range(i, 0, 4999);
						check_frame(pkts[k], i);
						assert_int_equal(queue_of[i], 0);
						queue_of[i] = (uint8_t)(q + 1);
						assert_true(per_queue[q] == 0 || i > last[q]);
						last[q] = i;
						per_queue[q]++;
					}
					n += got;
					rte_pktmbuf_free_bulk(pkts, got);
				}
			}
			assert_int_equal(n, 5000);
			for (uint32_t i = 0; i < 5000; i += 2) // both directions
				assert_int_equal(queue_of[i], queue_of[i + 1]);
			for (uint16_t q = 0; q < streams; q++) {
				assert_in_range(per_queue[q], 1, 4999);
				assert_int_equal(rte_eth_rx_burst(port, q, pkts, 64), 0);
				assert_int_equal(rte_eth_rx_burst(port, q, pkts, 64), 0);
			}
			wait_for_end(port, DAG_SIM_FINISHED);
			free(queue_of);
			finish(port);
		}
	}
}

// Every packet of every queue once, in an order that can be told again from the sequence alone.
static void test_sequence_orders_packets_across_streams(void **state)
{
	struct rte_mbuf *pkts[64];
	(void)state;
	for (int fed = 0; fed < 2; fed++) {
		const uint32_t laps = 4, all = 5000 * laps;
		uint8_t *seen = calloc(all, 1);
		struct dag_sim_card card = variant(fed);
		uint32_t n = 0;
		card.streams = 3;
		card.loop = laps;
		add(&card);
		uint16_t port = dag_port_open("net_dag_t", ARGS ",sequence=card", 3, 1024, pool);
		time_t late = time(NULL) + 60;
		for (uint16_t q = 0; n < all && time(NULL) < late; q = (uint16_t)((q + 1) % 3)) {
			uint16_t got = rte_eth_rx_burst(port, q, pkts, 64);
			for (uint16_t k = 0; k < got; k++) {
				uint64_t place = dag_port_sequence(pkts[k]) - (UINT64_C(1) << 32);
				assert_true(place < all);
				assert_int_equal(seen[place]++, 0);
				check_frame(pkts[k], (uint32_t)place % 5000);
				assert_true(pkts[k]->ol_flags & dag_port_card_sequence_flag());
			}
			n += got;
			rte_pktmbuf_free_bulk(pkts, got);
		}
		assert_int_equal(n, all);
		for (uint32_t i = 0; i < all; i++)
			assert_int_equal(seen[i], 1);
		free(seen);
		finish(port);
	}
}

static void test_sequence_of_one_queue_counts_it(void **state)
{
	struct dag_sim_card card = defaults();
	struct rte_mbuf *pkts[64];
	uint64_t n = 0;
	(void)state;
	add(&card);
	uint16_t port = dag_port_open("net_dag_t", ARGS, 1, 1024, pool);
	while (n < 5000) {
		uint16_t got = rte_eth_rx_burst(port, 0, pkts, 33);
		for (uint16_t k = 0; k < got; k++, n++) {
			assert_true(dag_port_sequence(pkts[k]) == n);
			assert_false(pkts[k]->ol_flags & dag_port_card_sequence_flag());
		}
		rte_pktmbuf_free_bulk(pkts, got);
	}
	finish(port);
}

static void test_named_streams_become_queues(void **state)
{
	struct dag_sim_card card = defaults();
	struct rte_eth_dev_info info;
	(void)state;
	card.streams = 4;
	add(&card);
	int port = dag_port_probe("net_dag_t", ARGS ",streams=[2,6]");
	assert_true(port >= 0);
	assert_int_equal(rte_eth_dev_info_get((uint16_t)port, &info), 0);
	assert_int_equal(info.max_rx_queues, 2);
	dag_port_close((uint16_t)port);
	port = dag_port_probe("net_dag_t", "lib=libdag_sim.so,card=/dev/dag0:4");
	assert_true(port >= 0);
	assert_int_equal(rte_eth_dev_info_get((uint16_t)port, &info), 0);
	assert_int_equal(info.max_rx_queues, 1);
	finish((uint16_t)port);
}

static void test_late_and_reversed_frees_harm_nothing(void **state)
{
	(void)state;
	for (int fed = 0; fed < 2; fed++) {
		struct rte_mbuf *held[400], *pkts[33];
		uint32_t number[400], n = 0, n_held = 0;
		struct dag_sim_card card = variant(fed);
		card.loop = 4;
		add(&card);
		uint16_t port = dag_port_open("net_dag_t", ARGS, 1, 256, pool);
		time_t late = time(NULL) + 60;
		while (n < 20000 && time(NULL) < late) {
			uint16_t got = rte_eth_rx_burst(port, 0, pkts, 33);
			for (uint16_t k = 0; k < got; k++, n++) {
				if (n % 7 != 0) {
					check_frame(pkts[k], n % 5000);
					rte_pktmbuf_free(pkts[k]);
					continue;
				}
				number[n_held] = n % 5000;
				held[n_held++] = pkts[k];
			}
			if (n_held < 360)
				continue;
			while (n_held-- > 0) {
				check_frame(held[n_held], number[n_held]);
				rte_pktmbuf_free(held[n_held]);
			}
			n_held = 0;
		}
		assert_int_equal(n, 20000);
		assert_true(dag_port_xstat(port, "rx_copy_fallbacks") > 0);
		while (n_held-- > 0) {
			check_frame(held[n_held], number[n_held]);
			rte_pktmbuf_free(held[n_held]);
		}
		wait_for_end(port, DAG_SIM_FINISHED);
		finish(port);
	}
}

static void test_clones_hold_their_record(void **state)
{
	struct rte_mbuf *pkt, *clone;
	struct dag_sim_card card = defaults();
	(void)state;
	add(&card);
	uint16_t port = dag_port_open("net_dag_t", ARGS, 1, 256, pool);
	while (rte_eth_rx_burst(port, 0, &pkt, 1) == 0)
		;
	clone = rte_pktmbuf_clone(pkt, pool);
	assert_non_null(clone);
	rte_pktmbuf_free(pkt);
	assert_int_equal(rte_eth_rx_burst(port, 0, &pkt, 1), 1);
	rte_pktmbuf_free(pkt);
	assert_int_equal(status().stream[0].released_bytes, 0);
	check_frame(clone, 0);
	rte_pktmbuf_free(clone);
	finish(port);
}

static void test_stop_with_mbufs_out_refuses_restart(void **state)
{
	struct rte_mbuf *pkts[8];
	struct dag_sim_card card = defaults();
	(void)state;
	add(&card);
	uint16_t port = dag_port_open("net_dag_t", ARGS ",flush=0", 1, 256, pool);
	while (rte_eth_rx_burst(port, 0, pkts, 8) == 0)
		;
	assert_int_equal(rte_eth_dev_stop(port), 0);
	assert_int_equal(rte_eth_dev_start(port), -EBUSY);
	for (uint32_t i = 0; i < 8; i++)
		check_frame(pkts[i], i);
	rte_pktmbuf_free_bulk(pkts, 8);
	assert_int_equal(rte_eth_dev_start(port), 0);
	rte_eth_dev_stop(port);
	finish(port);
}

static void test_restart_goes_on_where_it_stopped(void **state)
{
	(void)state;
	for (int fed = 0; fed < 2; fed++) {
		struct dag_sim_card card = variant(fed);
		add(&card);
		uint16_t port = dag_port_open("net_dag_t", ARGS ",flush=0", 1, 256, pool);
		for (uint32_t i = 0; i < 5000; i += 250) {
			assert_int_equal(receive_in_order(port, i, 250, 5000, 64), 250);
			assert_int_equal(rte_eth_dev_stop(port), 0);
			assert_int_equal(rte_eth_dev_start(port), 0);
		}
		finish(port);
	}
}

static void test_close_with_mbufs_out_keeps_them_readable(void **state)
{
	struct rte_mbuf *pkts[8];
	struct dag_sim_card card = defaults();
	(void)state;
	add(&card);
	uint16_t port = dag_port_open("net_dag_t", ARGS, 1, 256, pool);
	while (rte_eth_rx_burst(port, 0, pkts, 8) == 0)
		;
	dag_port_close(port);
	assert_int_equal(dag_sim_card_remove("dag0"), -EBUSY); // parked
	for (uint32_t i = 0; i < 8; i++)
		check_frame(pkts[i], i);
	// the stream is still taken
	port = dag_port_setup("net_dag_t", ARGS, 1, 256, pool);
	assert_int_equal(rte_eth_dev_start(port), -EBUSY);
	rte_pktmbuf_free_bulk(pkts, 8);
	assert_int_equal(rte_eth_dev_start(port), 0);
	finish(port);
}

static void test_small_pool_counts_and_loses_nothing(void **state)
{
	struct rte_mempool *small = dag_port_pool("small", 100, 0);
	struct rte_mbuf *held[128], *pkts[64];
	struct dag_sim_card card = defaults();
	struct rte_eth_stats stats;
	uint32_t n = 0, n_held = 0;
	(void)state;
	add(&card);
	uint16_t port = dag_port_open("net_dag_t", ARGS, 1, 1024, small);
	time_t late = time(NULL) + 60;
	while (n < 5000 && time(NULL) < late) {
		uint16_t got = rte_eth_rx_burst(port, 0, pkts, 64);
		for (uint16_t k = 0; k < got; k++, n++) {
			check_frame(pkts[k], n);
			held[n_held++] = pkts[k];
		}
		if (got == 0) { // the pool is empty to the last mbuf
			rte_pktmbuf_free_bulk(held, n_held);
			n_held = 0;
		}
	}
	assert_int_equal(n, 5000);
	rte_pktmbuf_free_bulk(held, n_held);
	assert_int_equal(rte_eth_stats_get(port, &stats), 0);
	assert_true(stats.rx_nombuf > 0);
	assert_int_equal(stats.ipackets, 5000);
	finish(port);
	rte_mempool_free(small);
}

static void test_copy_mode_is_byte_exact(void **state)
{
	(void)state;
	for (int fed = 0; fed < 2; fed++) {
		struct dag_sim_card card = variant(fed);
		add(&card);
		uint16_t port = dag_port_open("net_dag_t", ARGS ",zero_copy=0", 1, 64, pool);
		assert_int_equal(receive_in_order(port, 0, 5000, 5000, 33), 5000);
		assert_int_equal(dag_port_xstat(port, "rx_copied"), 5000);
		finish(port);
	}
}

static void test_snapped_frames_keep_their_wire_length(void **state)
{
	struct rte_mbuf *pkts[64];
	struct dag_sim_card card = defaults();
	char snapped[64];
	uint32_t n = 0;
	(void)state;
	snprintf(snapped, sizeof(snapped), "%s/snapped.pcap", folder);
	write_trace(snapped, 500, 96, 0);
	card.path = snapped;
	for (card.fcs = 0; card.fcs <= 32; card.fcs += 32, n = 0) {
		add(&card);
		uint16_t port =
			dag_port_open("net_dag_t", card.fcs ? ARGS : ARGS ",fcs=0", 1, 256, pool);
		while (n < 500) {
			uint16_t got = rte_eth_rx_burst(port, 0, pkts, 64);
			for (uint16_t k = 0; k < got; k++, n++) {
				uint32_t len = frame_len(n);
				assert_int_equal(pkts[k]->pkt_len, len < 96 ? len : 96);
				assert_int_equal(dag_port_capture(pkts[k])->wire_len, len);
			}
			rte_pktmbuf_free_bulk(pkts, got);
		}
		finish(port);
	}
}

static void test_appended_fcs_is_the_right_one(void **state)
{
	struct dag_sim_card card = defaults();
	struct rte_mbuf *pkt;
	(void)state;
	add(&card);
	uint16_t port = dag_port_open("net_dag_t", ARGS ",keep_fcs=1", 1, 256, pool);
	while (rte_eth_rx_burst(port, 0, &pkt, 1) == 0)
		;
	// CRC-32 of a frame and its FCS is a constant
	const uint8_t *data = rte_pktmbuf_mtod(pkt, const uint8_t *);
	uint32_t crc = 0xffffffff;
	assert_int_equal(pkt->pkt_len, frame_len(0) + 4);
	for (uint32_t i = 0; i < pkt->pkt_len; i++) {
		crc ^= data[i];
		for (int bit = 0; bit < 8; bit++)
			crc = crc >> 1 ^ (crc & 1 ? 0xedb88320 : 0);
	}
	assert_int_equal(crc, 0xdebb20e3);
	rte_pktmbuf_free(pkt);
	finish(port);
}

static void test_damaged_trace_is_played_up_to_the_damage(void **state)
{
	(void)state;
	for (int fed = 0; fed < 2; fed++) {
		struct dag_sim_card card = variant(fed);
		card.path = cut_trace;
		card.loop = 0;
		add(&card);
		uint16_t port = dag_port_open("net_dag_t", ARGS, 1, 256, pool);
		assert_int_equal(receive_in_order(port, 0, 99, 5000, 64), 99);
		wait_for_end(port, DAG_SIM_FAILED);
		assert_non_null(strstr(status().error, "cut.pcap"));
		assert_int_equal(rte_eth_dev_is_removed(port), 0); // a quiet stream to the driver
		finish(port);
	}
}

static void test_pace_follows_the_timestamps(void **state)
{
	(void)state;
	for (int fed = 0; fed < 2; fed++) {
		struct dag_sim_card card = variant(fed);
		struct timespec a, b;
		card.pace = 0.05; // 5 ms of trace take 100 ms
		add(&card);
		uint16_t port = dag_port_open("net_dag_t", ARGS, 1, 1024, pool);
		clock_gettime(CLOCK_MONOTONIC, &a);
		assert_int_equal(receive_in_order(port, 0, 5000, 5000, 64), 5000);
		clock_gettime(CLOCK_MONOTONIC, &b);
		double took =
			(double)(b.tv_sec - a.tv_sec) + (double)(b.tv_nsec - a.tv_nsec) * 1e-9;
		assert_true(took > 0.098);
		assert_true(took < 5);
		finish(port);
	}
}

static void test_hold_and_pause_offer_nothing(void **state)
{
	(void)state;
	for (int fed = 0; fed < 2; fed++) {
		struct dag_sim_card card = variant(fed);
		card.hold = true;
		add(&card);
		uint16_t port = dag_port_open("net_dag_t", ARGS, 1, 1024, pool);
		drain(port);
		assert_int_equal(status().state, DAG_SIM_WAITING);
		assert_int_equal(dag_sim_card_start("dag0"), 0);
		assert_int_equal(receive_in_order(port, 0, 64, 5000, 64), 64);
		assert_int_equal(dag_sim_card_pause("dag0"), 0);
		uint32_t more = 0;
		struct rte_mbuf *pkt;
		for (int idle = 0; idle < 100;) { // what has been offered already
			if (rte_eth_rx_burst(port, 0, &pkt, 1) == 0) {
				idle++;
				continue;
			}
			rte_pktmbuf_free(pkt);
			more++;
		}
		assert_int_equal(status().state, DAG_SIM_PAUSED);
		assert_int_equal(dag_sim_card_start("dag0"), 0);
		assert_int_equal(receive_in_order(port, 64 + more, 4936 - more, 5000, 64),
				 4936 - more);
		finish(port);
	}
}

static void test_wrong_device_arguments_are_refused(void **state)
{
	static const char *const wrong[] = {
		"lib=libdag_sim.so",
		"lib=libdag_sim.so,card=",
		"lib=libdag_sim.so,card=eth0",
		"lib=libdag_sim.so,card=dag",
		"lib=libdag_sim.so,card=dag0,2",
		"lib=libdag_sim.so,card=dag0:1",
		"lib=libdag_sim.so,card=dag0:64",
		"lib=libdag_sim.so,card=dag0:2", // there is no such stream
		"lib=libdag_sim.so,card=dag1",   // no such card
		"lib=no_such_library.so,card=dag0",
		"lib=./libdag_sim.so,card=dag0",
		"lib=libm.so.6,card=dag0", // not a libdag
		"lib=,card=dag0",
		ARGS ",colour=red",
		ARGS ",card=dag0",
		ARGS ",streams=[1]",
		ARGS ",streams=[0,0]",
		ARGS ",streams=[0",
		ARGS ",streams=",
		ARGS ",fcs=8",
		ARGS ",fcs=-1",
		ARGS ",keep_fcs=2",
		ARGS ",rxerror=maybe",
		ARGS ",flush=yes",
		ARGS ",zero_copy=",
		ARGS ",timestamp=us",
		ARGS ",speed=fast",
	};
	struct dag_sim_card card = defaults();
	(void)state;
	add(&card);
	for (unsigned i = 0; i < RTE_DIM(wrong); i++)
		if (dag_port_probe("net_dag_t", wrong[i]) >= 0)
			fail_msg("accepted: %s", wrong[i]);
	assert_int_equal(dag_sim_card_remove("dag0"), 0); // nothing has been left open
}

static void test_second_port_on_a_stream_is_busy(void **state)
{
	struct dag_sim_card card = defaults();
	(void)state;
	add(&card);
	uint16_t one = dag_port_open("net_dag_one", ARGS, 1, 64, pool);
	uint16_t two = dag_port_setup("net_dag_two", ARGS, 1, 64, pool);
	assert_int_equal(rte_eth_dev_start(two), -EBUSY);
	dag_port_close(two);
	assert_int_equal(receive_in_order(one, 0, 5000, 5000, 64), 5000);
	finish(one);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_every_frame_arrives_at_any_burst_size),
		cmocka_unit_test(test_times_are_those_of_the_trace),
		cmocka_unit_test(test_laps_repeat_frames_with_rising_times),
		cmocka_unit_test(test_streams_split_flows_and_lose_nothing),
		cmocka_unit_test(test_sequence_orders_packets_across_streams),
		cmocka_unit_test(test_sequence_of_one_queue_counts_it),
		cmocka_unit_test(test_named_streams_become_queues),
		cmocka_unit_test(test_late_and_reversed_frees_harm_nothing),
		cmocka_unit_test(test_clones_hold_their_record),
		cmocka_unit_test(test_stop_with_mbufs_out_refuses_restart),
		cmocka_unit_test(test_restart_goes_on_where_it_stopped),
		cmocka_unit_test(test_close_with_mbufs_out_keeps_them_readable),
		cmocka_unit_test(test_small_pool_counts_and_loses_nothing),
		cmocka_unit_test(test_copy_mode_is_byte_exact),
		cmocka_unit_test(test_snapped_frames_keep_their_wire_length),
		cmocka_unit_test(test_appended_fcs_is_the_right_one),
		cmocka_unit_test(test_damaged_trace_is_played_up_to_the_damage),
		cmocka_unit_test(test_pace_follows_the_timestamps),
		cmocka_unit_test(test_hold_and_pause_offer_nothing),
		cmocka_unit_test(test_wrong_device_arguments_are_refused),
		cmocka_unit_test(test_second_port_on_a_stream_is_busy),
	};
	if (!mkdtemp(folder) || dag_port_eal() < 0)
		return 1;
	snprintf(trace, sizeof(trace), "%s/trace.pcap", folder);
	snprintf(cut_trace, sizeof(cut_trace), "%s/cut.pcap", folder);
	write_trace(trace, 5000, LONGEST, 0);
	long len = 24;
	for (uint32_t i = 0; i < 99; i++)
		len += 16 + frame_len(i);
	write_trace(cut_trace, 200, LONGEST, len + 20);
	pool = dag_port_pool("pool", 1023, 2048);
	int failed = cmocka_run_group_tests(tests, NULL, NULL);
	rte_eal_cleanup();
	char remove[128];
	snprintf(remove, sizeof(remove), "rm -r %s", folder);
	return system(remove) != 0 ? 1 : failed;
}
