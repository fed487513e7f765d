/* SPDX-License-Identifier: BSD-3-Clause */
/* The driver and the simulator together: every frame of a trace, exactly once, unharmed, in order.
 */
#include "dag_trace.h"

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
	char cut_trace[64];
	long len = 24 + 20;
	(void)state;
	for (uint32_t i = 0; i < 99; i++)
		len += 16 + frame_len(i);
	snprintf(cut_trace, sizeof(cut_trace), "%s/cut.pcap", folder);
	write_trace(cut_trace, 200, LONGEST, len);
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

static void test_port_operations_answer_as_documented(void **state)
{
	const struct rte_eth_conf conf = {.rxmode.offloads = RTE_ETH_RX_OFFLOAD_SCATTER};
	struct dag_sim_card card = defaults();
	struct rte_ether_addr mac = {{2, 0, 0, 0, 0, 1}}, now;
	struct rte_eth_link link;
	struct rte_eth_rxq_info info;
	struct rte_eth_burst_mode mode;
	struct rte_eth_xstat few[1];
	struct rte_eth_stats stats;
	struct rte_mbuf *sent;
	(void)state;
	add(&card);
	int probed = dag_port_probe("net_dag_t", ARGS ",speed=10000");
	assert_true(probed >= 0);
	uint16_t port = (uint16_t)probed;
	assert_int_equal(rte_eth_dev_configure(port, 1, 1, &conf), 0);
	assert_int_equal(rte_eth_rx_burst_mode_get(port, 0, &mode), 0); // there is no queue yet
	assert_string_equal(mode.info, "Scalar Zero Copy");
	assert_int_equal(rte_eth_rx_queue_info_get(port, 0, &info), -EINVAL);
	assert_int_equal(rte_eth_dev_get_supported_ptypes(port, UINT32_MAX, NULL, 0), 0);
	assert_int_equal(rte_eth_rx_queue_setup(port, 0, 100, 0, NULL, pool), 0);
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
	assert_int_equal(rte_eth_dev_default_mac_addr_set(port, &mac), 0);
	assert_int_equal(rte_eth_macaddr_get(port, &now), 0);
	assert_memory_equal(&now, &mac, sizeof(mac));
	assert_int_equal(rte_eth_dev_is_removed(port), 0);
	assert_int_equal(rte_eth_rx_queue_info_get(port, 0, &info), 0);
	assert_ptr_equal(info.mp, pool);
	assert_int_equal(info.nb_desc, 128);
	assert_int_equal(info.scattered_rx, 1);
	int n = rte_eth_xstats_get(port, NULL, 0);
	assert_true(n > 1);
	assert_int_equal(rte_eth_xstats_get(port, few, 1), n);
	assert_int_equal(rte_eth_xstats_get_names(port, NULL, 0), n);
	sent = rte_pktmbuf_alloc(pool);
	assert_non_null(sent);
	assert_int_equal(rte_eth_tx_burst(port, 0, &sent, 1), 1);
	assert_int_equal(rte_eth_stats_get(port, &stats), 0);
	assert_int_equal(stats.oerrors, 1);
	assert_int_equal(rte_eth_xstats_reset(port), 0);
	assert_int_equal(rte_eth_stats_get(port, &stats), 0);
	assert_int_equal(stats.oerrors, 0);
	finish(port);
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
		cmocka_unit_test(test_copy_mode_is_byte_exact),
		cmocka_unit_test(test_snapped_frames_keep_their_wire_length),
		cmocka_unit_test(test_appended_fcs_is_the_right_one),
		cmocka_unit_test(test_damaged_trace_is_played_up_to_the_damage),
		cmocka_unit_test(test_pace_follows_the_timestamps),
		cmocka_unit_test(test_hold_and_pause_offer_nothing),
		cmocka_unit_test(test_port_operations_answer_as_documented),
		cmocka_unit_test(test_wrong_device_arguments_are_refused),
	};
	return run_trace_tests(tests, RTE_DIM(tests));
}
