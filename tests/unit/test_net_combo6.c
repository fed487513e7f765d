/* SPDX-License-Identifier: BSD-3-Clause */
/* The driver on intact cards: every frame exactly once, unharmed, in order, with its facts. */
#include "combo_port.h"

static void check_lap(const struct rte_mbuf *m, uint32_t n)
{
	combo_check_frame(m, n % COMBO_COUNT);
	assert_int_equal(combo_sequence(m), n);
	assert_true(combo_timed(m));
}

static void test_every_frame_arrives_at_any_burst_size(void **state)
{
	static const uint16_t bursts[] = {1, 3, 33, 64, 512, 65535};
	uint64_t bytes = 0;
	(void)state;
	for (uint32_t i = 0; i < COMBO_COUNT; i++)
		bytes += combo_len(i);
	for (unsigned b = 0; b < RTE_DIM(bursts); b++) {
		struct sze2_sim_card card = combo_card(combo_usual_trace());
		card.loop = 10;
		card.ring_bytes = 60000;
		combo_add(&card);
		uint16_t port = combo_open(COMBO_ARGS, 1);
		assert_int_equal(combo_receive(port, UINT32_MAX, bursts[b], check_lap),
				 10 * COMBO_COUNT);
		struct rte_eth_stats stats = combo_stats(port);
		assert_int_equal(stats.ipackets, 10 * COMBO_COUNT);
		assert_int_equal(stats.ibytes, 10 * bytes);
		assert_int_equal(stats.imissed + stats.ierrors + stats.rx_nombuf, 0);
		assert_int_equal(stats.q_ipackets[0], 10 * COMBO_COUNT);
		assert_true(combo_status().finished);
		combo_finish(port);
	}
}

/* The seam lies at each byte of a segment in turn: in its header, the hardware data, its padding,
 * the frame, the padding behind it. */
static void test_segments_cut_by_the_seam_are_whole_again(void **state)
{
	static const uint32_t len[] = {61, 61, 61, 61};
	char path[128];
	(void)state;
	snprintf(path, sizeof(path), "%s", combo_trace("wrap", len, 4, COMBO_LONG));
	for (uint32_t hw_bytes = 0; hw_bytes <= 20; hw_bytes += 5) {
		const uint32_t size = ((4 + hw_bytes + 7) & ~7u) + 64; // of a segment
		for (uint32_t cut = 1; cut <= size; cut++) {
			struct sze2_sim_card card = combo_card(path);
			struct rte_mbuf *pkts[8];
			uint32_t n = 0;
			card.hw_bytes = hw_bytes;
			card.loop = 5;
			card.ring_bytes = 3 * size + cut;
			combo_add(&card);
			uint16_t port = combo_open(COMBO_ARGS, 1);
			while (n < 20) {
				uint16_t got = rte_eth_rx_burst(port, 0, pkts, 8);
				assert_true(got > 0);
				for (uint16_t k = 0; k < got; k++, n++)
					combo_check_bytes(pkts[k], n % 4, 61);
				rte_pktmbuf_free_bulk(pkts, got);
			}
			if (cut < size)
				assert_true(dag_port_xstat(port, "rx_split_segments") > 0);
			assert_int_equal(combo_stats(port).ierrors, 0);
			combo_finish(port);
		}
	}
}

static void test_small_ring_wraps_many_times(void **state)
{
	struct sze2_sim_card card = combo_card(combo_usual_trace());
	(void)state;
	card.loop = 20;
	card.ring_bytes = 4099;
	card.lock_frames = 3;
	combo_add(&card);
	uint16_t port = combo_open(COMBO_ARGS, 1);
	assert_int_equal(combo_receive(port, UINT32_MAX, 64, check_lap), 20 * COMBO_COUNT);
	assert_true(dag_port_xstat(port, "rx_split_segments") > 500);
	combo_finish(port);
}

static void check_time(const struct rte_mbuf *m, uint32_t n)
{
	assert_true(combo_timed(m));
	assert_true(dag_port_ts(m) == COMBO_START + UINT64_C(1001) * n);
}

/* The first second boundary lies between the first two frames. */
static void test_times_are_nanoseconds_since_1970(void **state)
{
	struct sze2_sim_card card = combo_card(combo_usual_trace());
	(void)state;
	combo_add(&card);
	uint16_t port = combo_open(COMBO_ARGS, 1);
	assert_int_equal(combo_receive(port, UINT32_MAX, 64, check_time), COMBO_COUNT);
	combo_finish(port);
}

static const uint32_t lengths[] = {1,    3,    4,    5,    13,   14,   59,    60,   64,
				   1514, 1518, 2047, 2048, 2049, 9600, 24500, 60000};

static uint32_t segment_len(uint32_t i)
{
	return lengths[i] < 24576 - 16 ? lengths[i] : 24576 - 16; // what a segment can hold
}

static void check_length(const struct rte_mbuf *m, uint32_t n)
{
	combo_check_bytes(m, n, segment_len(n));
}

static void test_long_frames_are_scattered_or_dropped(void **state)
{
	const uint32_t n = RTE_DIM(lengths);
	char path[128];
	(void)state;
	snprintf(path, sizeof(path), "%s", combo_trace("lengths", lengths, n, COMBO_LONG));
	struct sze2_sim_card card = combo_card(path);
	combo_add(&card);
	uint16_t port = open_scattered(pool);
	assert_int_equal(combo_receive(port, UINT32_MAX, 64, check_length), n);
	assert_int_equal(dag_port_xstat(port, "rx_scattered"), 4);
	assert_int_equal(combo_status().cut, 1);
	combo_finish(port);

	combo_add(&card);
	port = combo_open(COMBO_ARGS, 1);
	assert_int_equal(combo_receive(port, UINT32_MAX, 64, check_length), n - 4);
	assert_int_equal(dag_port_xstat(port, "rx_too_long"), 4);
	assert_int_equal(combo_stats(port).ierrors, 4);
	combo_finish(port);
}

/* A pool that is empty, also in the middle of a frame: counted, nothing lost. */
static void test_empty_pool_loses_nothing(void **state)
{
	struct rte_mempool *small = dag_port_pool("small", 50, 256);
	struct rte_mbuf *held[64], *pkts[64];
	uint32_t n = 0, n_held = 0;
	struct sze2_sim_card card = combo_card(combo_usual_trace());
	(void)state;
	card.loop = 10;
	combo_add(&card);
	uint16_t port = open_scattered(small);
	while (n < 10 * COMBO_COUNT) {
		uint16_t got = rte_eth_rx_burst(port, 0, pkts, 64);
		for (uint16_t k = 0; k < got; k++, n++) {
			check_lap(pkts[k], n);
			held[n_held++] = pkts[k];
		}
		if (got == 0) {
			assert_true(n_held > 0);
			rte_pktmbuf_free_bulk(held, n_held);
			n_held = 0;
		}
	}
	rte_pktmbuf_free_bulk(held, n_held);
	assert_true(combo_stats(port).rx_nombuf > 0);
	assert_int_equal(combo_stats(port).ipackets, n);
	assert_int_equal(rte_mempool_in_use_count(small), 0);
	combo_finish(port);
	rte_mempool_free(small);
}

static void test_fcs_is_stripped_or_kept(void **state)
{
	static const uint32_t len[] = {1, 4, 60, 1514};
	char path[128];
	(void)state;
	snprintf(path, sizeof(path), "%s", combo_trace("fcs", len, 4, COMBO_LONG));
	for (int keep = 0; keep < 2; keep++) {
		struct sze2_sim_card card = combo_card(path);
		struct rte_mbuf *pkts[4];
		card.fcs = true;
		combo_add(&card);
		uint16_t port = combo_open(
			keep ? COMBO_ARGS ",fcs=32,keep_fcs=1" : COMBO_ARGS ",fcs=32", 1);
		assert_int_equal(rte_eth_rx_burst(port, 0, pkts, 4), 4);
		for (uint32_t i = 0; i < 4; i++) {
			assert_int_equal(pkts[i]->pkt_len, len[i] + (keep ? 4 : 0));
			assert_int_equal(dag_port_capture(pkts[i])->wire_len, pkts[i]->pkt_len);
			if (!keep) {
				combo_check_bytes(pkts[i], i, len[i]);
				continue;
			}
			// CRC-32 of a frame and its FCS is a constant
			uint32_t crc = 0xffffffff;
			for (uint32_t k = 0; k < pkts[i]->pkt_len; k++) {
				crc ^= *rte_pktmbuf_mtod_offset(pkts[i], const uint8_t *, k);
				for (int bit = 0; bit < 8; bit++)
					crc = crc >> 1 ^ (crc & 1 ? 0xedb88320 : 0);
			}
			assert_int_equal(crc, 0xdebb20e3);
		}
		rte_pktmbuf_free_bulk(pkts, 4);
		combo_finish(port);
	}
	// frames without an FCS, taken for frames with one: 1 and 4 bytes are too short
	struct sze2_sim_card card = combo_card(path);
	combo_add(&card);
	uint16_t port = combo_open(COMBO_ARGS ",fcs=32", 1);
	assert_int_equal(combo_receive(port, UINT32_MAX, 64, NULL), 2);
	assert_int_equal(dag_port_xstat(port, "rx_short_frames"), 2);
	assert_int_equal(combo_stats(port).ierrors, 2);
	combo_finish(port);
}

static void check_snapped(const struct rte_mbuf *m, uint32_t n)
{
	combo_check_bytes(m, n, RTE_MIN(combo_len(n), 96u));
	assert_int_equal(dag_port_capture(m)->wire_len, combo_len(n));
}

static void check_color(const struct rte_mbuf *m, uint32_t n)
{
	(void)n;
	assert_int_equal(dag_port_capture(m)->color_or_flags, 0xc0de);
}

static void test_labels_are_colors_or_wire_lengths(void **state)
{
	uint32_t len[COMBO_COUNT];
	(void)state;
	for (uint32_t i = 0; i < COMBO_COUNT; i++)
		len[i] = combo_len(i);
	struct sze2_sim_card card = combo_card(combo_trace("snapped", len, COMBO_COUNT, 96));
	card.label = SZE2_SIM_LABEL_WIRE;
	combo_add(&card);
	uint16_t port = combo_open(COMBO_ARGS ",label=wire", 1);
	assert_int_equal(combo_receive(port, UINT32_MAX, 64, check_snapped), COMBO_COUNT);
	assert_int_equal(dag_port_xstat(port, "rx_short_labels"), 0);
	combo_finish(port);

	card.label = SZE2_SIM_LABEL_COLOR;
	combo_add(&card);
	port = combo_open(COMBO_ARGS ",label=color", 1);
	assert_int_equal(combo_receive(port, UINT32_MAX, 64, check_color), COMBO_COUNT);
	combo_finish(port);

	// numbers from 0 on, taken for lengths: some are below the frames' own
	uint32_t below = 0;
	for (uint32_t i = 0; i < COMBO_COUNT; i++)
		below += i < RTE_MIN(combo_len(i), 96u);
	card.label = SZE2_SIM_LABEL_SEQUENCE;
	combo_add(&card);
	port = combo_open(COMBO_ARGS ",label=wire", 1);
	assert_int_equal(combo_receive(port, UINT32_MAX, 64, NULL), COMBO_COUNT);
	assert_int_equal(dag_port_xstat(port, "rx_short_labels"), below);
	combo_finish(port);
}

/* A reader that does not keep up: what the numbers say is missing is what the card has lost, over
 * several wraps of the 16 bits, and over a reset of the statistics. */
static void test_lost_frames_are_counted_exactly(void **state)
{
	struct sze2_sim_card card = combo_generated(300020);
	(void)state;
	card.ring_bytes = 20000;
	card.arrive = 100; // more than the ring holds; the last 20 arrive alone, and find room
	card.label = SZE2_SIM_LABEL_SEQUENCE;
	combo_add(&card);
	uint16_t port = combo_open(COMBO_ARGS ",label=sequence", 1);
	uint32_t n = combo_receive(port, 15000, 64, NULL);
	struct rte_eth_stats first = combo_stats(port);
	assert_int_equal(rte_eth_stats_reset(port), 0);
	assert_int_equal(combo_stats(port).imissed, 0);
	n += combo_receive(port, UINT32_MAX, 64, NULL);
	struct rte_eth_stats rest = combo_stats(port);
	struct sze2_sim_status s = combo_status();
	assert_true(s.finished);
	assert_true(s.lost > 100000);
	assert_int_equal(s.sent, s.written + s.lost);
	assert_int_equal(n, s.written);
	assert_int_equal(first.ipackets + rest.ipackets, s.written);
	assert_int_equal(first.imissed + rest.imissed, s.lost);
	assert_int_equal(dag_port_xstat(port, "rx_sequence_resets"), 0);
	combo_finish(port);
}

/* What was lost before the start is not this port's. */
static void test_numbers_before_the_start_are_no_loss(void **state)
{
	struct sze2_sim_card card = combo_card(combo_usual_trace());
	(void)state;
	card.label = SZE2_SIM_LABEL_SEQUENCE;
	card.loop = 10;
	card.lock_frames = 8;
	combo_add(&card);
	uint16_t port = combo_open(COMBO_ARGS ",label=sequence", 1);
	assert_int_equal(combo_receive(port, 80, 16, NULL), 80);
	dag_port_close(port);
	port = combo_open(COMBO_ARGS ",label=sequence,flush=0", 1);
	assert_int_equal(combo_stats(port).imissed, 0);
	assert_int_equal(combo_receive(port, UINT32_MAX, 16, NULL), 10 * COMBO_COUNT - 80);
	assert_int_equal(combo_stats(port).imissed, 0);
	combo_finish(port);
}

static void test_channels_split_flows_and_lose_nothing(void **state)
{
	static const uint16_t counts[] = {1, 2, 8, 31};
	(void)state;
	for (unsigned c = 0; c < RTE_DIM(counts); c++) {
		struct rte_mbuf *pkts[64];
		uint64_t n = 0, per_queue = 0, last[31] = {0};
		struct sze2_sim_card card = combo_generated(20000);
		card.channels = counts[c];
		card.ring_bytes = 65536;
		combo_add(&card);
		uint16_t port = combo_open(COMBO_ARGS, counts[c]);
		for (time_t late = time(NULL) + 60; n < 20000 && time(NULL) < late;)
			for (uint16_t q = 0; q < counts[c]; q++) {
				uint16_t got = rte_eth_rx_burst(port, q, pkts, 64);
				for (uint16_t k = 0; k < got; k++) {
					assert_true(dag_port_ts(pkts[k]) >= last[q]);
					last[q] = dag_port_ts(pkts[k]);
				}
				n += got;
				rte_pktmbuf_free_bulk(pkts, got);
			}
		assert_int_equal(n, 20000);
		struct rte_eth_stats stats = combo_stats(port);
		for (uint16_t q = 0; q < counts[c] && q < RTE_ETHDEV_QUEUE_STAT_CNTRS; q++) {
			assert_int_equal(stats.q_ipackets[q], combo_status().channel[q].written);
			per_queue += stats.q_ipackets[q];
		}
		assert_int_equal(stats.ipackets, 20000);
		if (counts[c] <= RTE_ETHDEV_QUEUE_STAT_CNTRS)
			assert_int_equal(per_queue, 20000);
		combo_finish(port);
	}
}

static void test_named_channels_become_queues(void **state)
{
	struct sze2_sim_card card = combo_card(combo_usual_trace());
	struct rte_eth_dev_info info;
	(void)state;
	card.channels = 6;
	combo_add(&card);
	int port = dag_port_probe("net_combo6_t", COMBO_ARGS ",channels=[5,1,2]");
	assert_true(port >= 0);
	assert_int_equal(rte_eth_dev_info_get((uint16_t)port, &info), 0);
	assert_int_equal(info.max_rx_queues, 3);
	dag_port_close((uint16_t)port);
	port = dag_port_probe("net_combo6_t", "lib=libsze2_sim.so,card=/dev/szedataII0");
	assert_true(port >= 0);
	assert_int_equal(rte_eth_dev_info_get((uint16_t)port, &info), 0);
	assert_int_equal(info.max_rx_queues, 6);
	combo_finish((uint16_t)port);
}

/* Stopped and started a thousand times, in the middle of locks: what was sent is received, flushed
 * as stale, or counted as dropped by the stop. */
static void test_a_thousand_restarts_account_for_every_frame(void **state)
{
	(void)state;
	for (int flush = 0; flush < 2; flush++) {
		struct sze2_sim_card card = combo_generated(100000);
		uint64_t n = 0;
		card.ring_bytes = 10000;
		card.lock_frames = 11;
		combo_add(&card);
		uint16_t port =
			combo_open(flush ? COMBO_ARGS ",flush=1" : COMBO_ARGS ",flush=0", 1);
		for (int i = 0; i < 1000; i++) {
			n += combo_receive(port, 1 + i % 40, 7, NULL);
			assert_int_equal(rte_eth_dev_stop(port), 0);
			assert_int_equal(combo_status().handles, 0);
			assert_int_equal(rte_eth_dev_start(port), 0);
		}
		n += combo_receive(port, UINT32_MAX, 64, NULL);
		uint64_t stale = dag_port_xstat(port, "rx_stale_frames"),
			 stopped = dag_port_xstat(port, "rx_stop_drops");
		assert_int_equal(n, combo_stats(port).ipackets);
		assert_int_equal(stopped, combo_stats(port).imissed);
		assert_int_equal(n + stale + stopped, combo_status().written);
		assert_int_equal(n + stale + stopped, 100000);
		assert_int_equal(stale > 0, flush);
		assert_true(stopped > 0);
		combo_finish(port);
	}
}

/* mbufs are copies: they outlive stop, close and the card. */
static void test_mbufs_outlive_the_card(void **state)
{
	struct sze2_sim_card card = combo_card(combo_usual_trace());
	struct rte_mbuf *pkts[COMBO_COUNT];
	(void)state;
	combo_add(&card);
	uint16_t port = combo_open(COMBO_ARGS, 1);
	assert_int_equal(rte_eth_rx_burst(port, 0, pkts, COMBO_COUNT), COMBO_COUNT);
	assert_int_equal(rte_eth_dev_stop(port), 0);
	assert_int_equal(rte_eth_dev_start(port), 0); // nothing to wait for
	dag_port_close(port);
	assert_int_equal(sze2_sim_card_remove(COMBO_CARD), 0);
	for (uint32_t i = 0; i < COMBO_COUNT; i++)
		combo_check_frame(pkts[i], i);
	rte_pktmbuf_free_bulk(pkts, COMBO_COUNT);
}

static void test_a_port_is_configured_again_with_other_queues(void **state)
{
	const struct rte_eth_conf conf = {0};
	struct rte_mbuf *pkts[64];
	struct sze2_sim_card card = combo_generated(0); // for ever
	(void)state;
	card.channels = 4;
	combo_add(&card);
	uint16_t port = combo_open(COMBO_ARGS, 4);
	uint64_t n = 0;
	for (uint16_t queues = 4; queues > 0; queues--) {
		for (uint16_t q = 0; q < queues; q++) {
			uint16_t got = rte_eth_rx_burst(port, q, pkts, 64);
			assert_true(got > 0);
			n += got;
			rte_pktmbuf_free_bulk(pkts, got);
		}
		assert_int_equal(rte_eth_dev_stop(port), 0);
		assert_int_equal(rte_eth_dev_configure(port, queues, 1, &conf), 0);
		for (uint16_t q = 0; q < queues; q++)
			assert_int_equal(rte_eth_rx_queue_setup(port, q, 64, 0, NULL, pool), 0);
		assert_int_equal(rte_eth_tx_queue_setup(port, 0, 64, 0, NULL), 0);
		assert_int_equal(rte_eth_dev_start(port), 0);
		// what queues have counted stays with the port
		assert_int_equal(combo_stats(port).ipackets, n);
	}
	assert_true(combo_stats(port).imissed > 0); // under locks when it was stopped
	assert_int_equal(dag_port_xstat(port, "rx_stop_drops"), combo_stats(port).imissed);
	assert_int_equal(rte_eth_stats_reset(port), 0);
	assert_int_equal(combo_stats(port).ipackets + combo_stats(port).imissed, 0);
	combo_finish(port);
}

static void test_port_operations_answer_as_documented(void **state)
{
	const struct rte_eth_conf conf = {0};
	struct sze2_sim_card card = combo_card(combo_usual_trace());
	struct rte_eth_link link;
	struct rte_eth_rxq_info info;
	struct rte_eth_burst_mode mode;
	struct rte_mbuf *sent;
	(void)state;
	combo_add(&card);
	int probed = dag_port_probe("net_combo6_t", COMBO_ARGS ",speed=10000");
	assert_true(probed >= 0);
	uint16_t port = (uint16_t)probed;
	assert_int_equal(rte_eth_dev_configure(port, 1, 1, &conf), 0);
	assert_int_equal(rte_eth_dev_get_supported_ptypes(port, UINT32_MAX, NULL, 0), 0);
	assert_int_equal(rte_eth_rx_queue_setup(port, 0, 64, 0, NULL, pool), 0);
	assert_int_equal(rte_eth_tx_queue_setup(port, 0, 64, 0, NULL), 0);
	assert_int_equal(rte_eth_link_get_nowait(port, &link), 0);
	assert_int_equal(link.link_status, RTE_ETH_LINK_DOWN);
	assert_int_equal(rte_eth_dev_start(port), 0);
	assert_int_equal(rte_eth_link_get_nowait(port, &link), 0);
	assert_int_equal(link.link_status, RTE_ETH_LINK_UP);
	assert_int_equal(link.link_speed, 10000);
	assert_int_equal(rte_eth_promiscuous_get(port), 1);
	assert_int_equal(rte_eth_promiscuous_enable(port), 0);
	assert_int_equal(rte_eth_promiscuous_disable(port), -ENOTSUP);
	assert_int_equal(rte_eth_allmulticast_disable(port), -ENOTSUP);
	assert_int_equal(rte_eth_dev_set_mtu(port, 9000), 0);
	assert_int_equal(rte_eth_dev_is_removed(port), 0);
	assert_int_equal(rte_eth_rx_queue_info_get(port, 0, &info), 0);
	assert_ptr_equal(info.mp, pool);
	assert_int_equal(info.nb_desc, 64);
	assert_int_equal(rte_eth_rx_burst_mode_get(port, 0, &mode), 0);
	assert_string_equal(mode.info, "Scalar Copy");
	sent = rte_pktmbuf_alloc(pool);
	assert_non_null(sent);
	assert_int_equal(rte_eth_tx_burst(port, 0, &sent, 1), 1);
	assert_int_equal(combo_stats(port).oerrors, 1);
	combo_finish(port);
}

static void test_quiet_channel_is_looked_at_in_intervals(void **state)
{
	// an error that passes counts the looks
	const struct sze2_sim_fault fault = {
		.what = SZE2_SIM_LOCK, .at = 1, .count = UINT32_MAX, .value = ENOBUFS};
	struct sze2_sim_card card = combo_card(combo_usual_trace());
	struct rte_mbuf *pkt;
	(void)state;
	card.faults = &fault;
	card.n_faults = 1;
	combo_add(&card);
	uint16_t port = combo_open("lib=libsze2_sim.so,card=0,idle_us=1000", 1);
	uint64_t tsc = rte_get_tsc_cycles(), polls = 0;
	while (rte_get_tsc_cycles() - tsc < rte_get_tsc_hz() / 20) { // 50 ms
		assert_int_equal(rte_eth_rx_burst(port, 0, &pkt, 1), 0);
		polls++;
	}
	assert_true(polls > 1000);
	assert_in_range(dag_port_xstat(port, "rx_lock_errors"), 1, 51);
	combo_finish(port);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_every_frame_arrives_at_any_burst_size),
		cmocka_unit_test(test_segments_cut_by_the_seam_are_whole_again),
		cmocka_unit_test(test_small_ring_wraps_many_times),
		cmocka_unit_test(test_times_are_nanoseconds_since_1970),
		cmocka_unit_test(test_long_frames_are_scattered_or_dropped),
		cmocka_unit_test(test_empty_pool_loses_nothing),
		cmocka_unit_test(test_fcs_is_stripped_or_kept),
		cmocka_unit_test(test_labels_are_colors_or_wire_lengths),
		cmocka_unit_test(test_lost_frames_are_counted_exactly),
		cmocka_unit_test(test_numbers_before_the_start_are_no_loss),
		cmocka_unit_test(test_channels_split_flows_and_lose_nothing),
		cmocka_unit_test(test_named_channels_become_queues),
		cmocka_unit_test(test_a_thousand_restarts_account_for_every_frame),
		cmocka_unit_test(test_mbufs_outlive_the_card),
		cmocka_unit_test(test_a_port_is_configured_again_with_other_queues),
		cmocka_unit_test(test_port_operations_answer_as_documented),
		cmocka_unit_test(test_quiet_channel_is_looked_at_in_intervals),
	};
	return combo_main(tests, RTE_DIM(tests));
}
