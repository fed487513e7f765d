/* SPDX-License-Identifier: BSD-3-Clause */
/* Packets that are held: while others come, over a stop, over a close, and by clones. */
#include "dag_trace.h"

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
		cmocka_unit_test(test_late_and_reversed_frees_harm_nothing),
		cmocka_unit_test(test_clones_hold_their_record),
		cmocka_unit_test(test_stop_with_mbufs_out_refuses_restart),
		cmocka_unit_test(test_restart_goes_on_where_it_stopped),
		cmocka_unit_test(test_close_with_mbufs_out_keeps_them_readable),
		cmocka_unit_test(test_small_pool_counts_and_loses_nothing),
		cmocka_unit_test(test_second_port_on_a_stream_is_busy),
	};
	return run_trace_tests(tests, RTE_DIM(tests));
}
