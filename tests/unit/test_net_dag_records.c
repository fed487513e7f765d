/* SPDX-License-Identifier: BSD-3-Clause */
/* Records made by hand: what the driver delivers, skips, counts and survives. */
#include "dag_records.h"

#include <errno.h>

static void test_extension_headers_move_the_frame(void **state)
{
	static const int exts[] = {0, 1, 2, 16, 17, 300};
	struct rte_mbuf *pkts[PKTS];
	struct made m = {0};
	(void)state;
	fake_dag_reset(RING);
	for (unsigned i = 0; i < RTE_DIM(exts); i++) {
		struct spec s = eth(100 + (int)i);
		s.exts = exts[i];
		make(&m, s);
	}
	uint16_t port = open_port(ARGS);
	fake_dag_put(m.bytes, m.len);
	assert_int_equal(receive(port, pkts), RTE_DIM(exts));
	for (unsigned i = 0; i < RTE_DIM(exts); i++) {
		check_data(pkts[i], 100 + i);
		assert_int_equal(pkts[i]->data_off, 18 + 8 * exts[i]);
	}
	rte_pktmbuf_free_bulk(pkts, RTE_DIM(exts));
	close_clean(port);
}

static void test_extension_chain_past_rlen_is_corrupt(void **state)
{
	struct rte_mbuf *pkts[PKTS];
	struct made m = {0};
	struct spec s = eth(6);
	(void)state;
	fake_dag_reset(RING);
	make(&m, s);
	m.bytes[8] |= 0x80; // the frame's own bytes become a chain
	memset(m.bytes + 16, 0xff, 8);
	s.rlen = 16; // no room for any
	s.data = 0;
	make(&m, s);
	m.bytes[24 + 8] |= 0x80;
	make(&m, eth(60));
	uint16_t port = open_port(ARGS);
	fake_dag_put(m.bytes, m.len);
	assert_int_equal(receive(port, pkts), 1);
	check_data(pkts[0], 60);
	assert_int_equal(dag_port_xstat(port, "rx_corrupt_records"), 1);
	assert_int_equal(dag_port_xstat(port, "rx_empty_records"), 1);
	rte_pktmbuf_free(pkts[0]);
	close_clean(port);
}

static void test_every_type_only_ethernet_is_delivered(void **state)
{
	struct rte_mbuf *pkts[PKTS];
	struct made m = {0};
	char name[32];
	(void)state;
	fake_dag_reset(RING);
	for (int type = 0; type <= 48; type++) {
		struct spec s = eth(64);
		s.type = (uint8_t)type;
		make(&m, s);
	}
	uint16_t port = open_port(ARGS);
	fake_dag_put(m.bytes, m.len);
	assert_int_equal(receive(port, pkts), 4);
	for (int i = 0; i < 4; i++)
		check_data(pkts[i], 64);
	for (int type = 0; type <= 48; type++) {
		bool frame = type == 2 || type == 11 || type == 16 || type == 20;
		snprintf(name, sizeof(name), "rx_type_%d_skipped", type);
		assert_int_equal(dag_port_xstat(port, name), !frame);
	}
	assert_int_equal(dag_port_xstat(port, "rx_meta_records"), 1);
	assert_int_equal(dag_port_xstat(port, "rx_pad_records"), 1);
	assert_int_equal(dag_port_xstat(port, "rx_other_records"), 43);
	rte_pktmbuf_free_bulk(pkts, 4);
	close_clean(port);
}

static void test_loss_counter_sums_without_colors_and_first(void **state)
{
	struct rte_mbuf *pkts[PKTS];
	struct rte_eth_stats stats;
	struct made m = {0};
	struct spec s = eth(60);
	(void)state;
	fake_dag_reset(RING);
	s.lctr = 1000; // before the start
	make(&m, s);
	s.lctr = 5;
	make(&m, s);
	s.flags |= 1; // another interface: its first
	make(&m, s);
	make(&m, s);
	s.type = HM_ERF_PAD;
	make(&m, s);
	s.type = HM_ERF_COLOR_ETH;
	s.lctr = 0xffff;
	make(&m, s);
	s.type = HM_ERF_ETH;
	make(&m, s);
	uint16_t port = open_port(ARGS);
	fake_dag_put(m.bytes, m.len);
	assert_int_equal(receive(port, pkts), 6);
	assert_int_equal(rte_eth_stats_get(port, &stats), 0);
	assert_int_equal(stats.imissed, 5 + 5 + 5 + 0xffff);
	assert_int_equal(dag_port_xstat(port, "rx_lctr_saturated"), 1);
	assert_int_equal(dag_port_capture(pkts[4])->color_or_flags, 0xffff);
	assert_int_equal(dag_port_capture(pkts[5])->color_or_flags, s.flags);
	assert_int_equal(dag_port_capture(pkts[5])->ifindex, 1);
	assert_int_equal(rte_eth_stats_reset(port), 0);
	assert_int_equal(rte_eth_stats_get(port, &stats), 0);
	assert_int_equal(stats.imissed, 0);
	assert_int_equal(stats.ipackets, 0);
	rte_pktmbuf_free_bulk(pkts, 6);
	close_clean(port);
}

static void test_lengths_follow_wlen_and_rlen(void **state)
{
	static const struct {
		int wlen, rlen, data;
		uint32_t caplen, wire;
	} cases[] = {
		{-1, 0, 60, 0, 0},             // wlen 0
		{3, 0, 60, 0, 0},              // less than an FCS
		{64, 0, 64, 60, 60},           // FCS is there and goes
		{1518, 18 + 94, 94, 94, 1514}, // snapped: no FCS among the data
		{64, 18 + 1534, 60, 60, 60},   // padded up to the snap length
		{9600, 0, 9600, 9596, 9596},
		{65535, 18 + 60000, 60000, 60000, 65531},
		{100, 18 + 6, 0, 6, 96},
	};
	struct rte_mbuf *pkt;
	(void)state;
	for (unsigned i = 0; i < RTE_DIM(cases); i++) {
		struct made *m = calloc(1, sizeof(*m));
		struct spec s = eth(cases[i].data);
		s.wlen = cases[i].wlen;
		s.rlen = cases[i].rlen ? (cases[i].rlen + 7) / 8 * 8 : 0;
		if (cases[i].rlen == 18 + 6 || cases[i].rlen == 18 + 94 ||
		    cases[i].rlen == 18 + 60000)
			s.rlen = cases[i].rlen; // no padding
		fake_dag_reset(2 * RING);
		make(m, s);
		uint16_t port = open_port(ARGS);
		fake_dag_put(m->bytes, m->len);
		assert_int_equal(receive(port, &pkt), 1);
		assert_int_equal(pkt->pkt_len, cases[i].caplen);
		assert_int_equal(dag_port_capture(pkt)->wire_len, cases[i].wire);
		assert_int_equal(dag_port_xstat(port, "rx_short_wlen"),
				 cases[i].wlen == 3 || cases[i].wlen == -1);
		assert_true(rte_pktmbuf_headroom(pkt) == 18);
		rte_pktmbuf_free(pkt);
		close_clean(port);
		free(m);
	}
}

static void test_fcs_kept_is_part_of_the_frame(void **state)
{
	struct rte_mbuf *pkt;
	struct made m = {0};
	(void)state;
	fake_dag_reset(RING);
	struct spec s = eth(64);
	s.wlen = 64;
	make(&m, s);
	uint16_t port = open_port(ARGS ",keep_fcs=1");
	fake_dag_put(m.bytes, m.len);
	assert_int_equal(receive(port, &pkt), 1);
	check_data(pkt, 64);
	assert_int_equal(dag_port_capture(pkt)->wire_len, 64);
	rte_pktmbuf_free(pkt);
	close_clean(port);
}

static void test_errors_are_dropped_or_delivered_and_counted(void **state)
{
	struct rte_mbuf *pkts[PKTS];
	struct made m = {0};
	(void)state;
	make(&m, eth(60));
	for (int flag = 0x10; flag <= 0x20; flag *= 2) {
		struct spec s = eth(60);
		s.flags = (uint8_t)(4 | flag);
		make(&m, s);
	}
	for (int deliver = 0; deliver < 2; deliver++) {
		fake_dag_reset(RING);
		uint16_t port = open_port(deliver ? ARGS ",rxerror=deliver" : ARGS);
		unsigned want = deliver ? 3 : 1;
		fake_dag_put(m.bytes, m.len);
		assert_int_equal(receive(port, pkts), want);
		assert_int_equal(dag_port_xstat(port, "rx_error_records"), 2);
		assert_int_equal(dag_port_xstat(port, "rx_error_drops"), deliver ? 0 : 2);
		if (deliver)
			assert_int_equal(dag_port_capture(pkts[1])->color_or_flags, 0x14);
		rte_pktmbuf_free_bulk(pkts, want);
		close_clean(port);
	}
}

static void test_interface_uses_bit_6_not_vlen(void **state)
{
	struct rte_mbuf *pkts[PKTS];
	struct made m = {0};
	(void)state;
	fake_dag_reset(RING);
	for (unsigned i = 0; i < 16; i++) {
		struct spec s = eth(60);
		s.flags = (uint8_t)((i & 3) | (i & 4 ? 0x40 : 0) | (i & 8 ? 4 : 0));
		make(&m, s);
	}
	uint16_t port = open_port(ARGS);
	fake_dag_put(m.bytes, m.len);
	assert_int_equal(receive(port, pkts), 16);
	for (unsigned i = 0; i < 16; i++)
		assert_int_equal(dag_port_capture(pkts[i])->ifindex, i % 8);
	rte_pktmbuf_free_bulk(pkts, 16);
	close_clean(port);
}

static void test_times_are_nanoseconds_by_default(void **state)
{
	static const struct {
		uint64_t ts, ns;
	} cases[] = {
		{0, 0},
		{TIME, UINT64_C(1700000000000000000)},
		{TIME | 0x80000000, UINT64_C(1700000000500000000)},
		{TIME | 0xffffffff, UINT64_C(1700000001000000000)},
		{TIME | 4, UINT64_C(1700000000000000001)},
		{TIME | 2, UINT64_C(1700000000000000000)},
		{UINT64_C(0xffffffff) << 32, UINT64_C(4294967295000000000)},
	};
	struct rte_mbuf *pkts[PKTS];
	struct made m = {0};
	(void)state;
	for (unsigned i = 0; i < RTE_DIM(cases); i++) {
		struct spec s = eth(60);
		s.ts = cases[i].ts;
		make(&m, s);
	}
	for (int raw = 0; raw < 2; raw++) {
		fake_dag_reset(RING);
		uint16_t port = open_port(raw ? ARGS ",timestamp=erf" : ARGS);
		fake_dag_put(m.bytes, m.len);
		assert_int_equal(receive(port, pkts), RTE_DIM(cases));
		for (unsigned i = 0; i < RTE_DIM(cases); i++) {
			assert_true(dag_port_ts(pkts[i]) == (raw ? cases[i].ts : cases[i].ns));
			assert_true(pkts[i]->ol_flags &
				    (UINT64_C(1) << rte_mbuf_dynflag_lookup(
					     RTE_MBUF_DYNFLAG_RX_TIMESTAMP_NAME, NULL)));
		}
		rte_pktmbuf_free_bulk(pkts, RTE_DIM(cases));
		close_clean(port);
	}
}

static void test_incomplete_for_a_second_resyncs(void **state)
{
	struct rte_mbuf *pkts[PKTS];
	struct made m = {0};
	(void)state;
	fake_dag_reset(RING);
	struct spec s = eth(60);
	make(&m, s);
	m.bytes[10] = 0x10; // longer than anything that will come
	uint16_t port = open_port(ARGS);
	fake_dag_put(m.bytes, m.len);
	for (int i = 0; i < 60 && dag_port_xstat(port, "rx_bad_rlen") == 0; i++) {
		assert_int_equal(receive(port, pkts), 0);
		usleep(50000);
	}
	assert_int_equal(dag_port_xstat(port, "rx_bad_rlen"), 1);
	assert_int_equal(dag_port_xstat(port, "rx_resync_bytes"), m.len);
	m.len = 0;
	make(&m, s);
	fake_dag_put(m.bytes, m.len);
	assert_int_equal(receive(port, pkts), 1);
	rte_pktmbuf_free(pkts[0]);
	close_clean(port);
}

static int removals;

static int count_removal(uint16_t port, enum rte_eth_event_type type, void *arg, void *ret)
{
	(void)port, (void)type, (void)arg, (void)ret;
	removals++;
	return 0;
}

static void test_impossible_rlen_resyncs_then_gives_up(void **state)
{
	struct rte_mbuf *pkts[PKTS];
	struct rte_eth_link link;
	(void)state;
	for (uint16_t rlen = 0; rlen < 16; rlen++) {
		struct made m = {0};
		fake_dag_reset(RING);
		uint16_t port = open_port(ARGS);
		removals = 0;
		rte_eth_dev_callback_register(port, RTE_ETH_EVENT_INTR_RMV, count_removal, NULL);
		make(&m, eth(60));
		make(&m, eth(60));
		m.bytes[m.len / 2 + 10] = 0;
		m.bytes[m.len / 2 + 11] = (uint8_t)rlen;
		fake_dag_put(m.bytes, m.len);
		assert_int_equal(receive(port, pkts), 1);
		rte_pktmbuf_free(pkts[0]);
		assert_int_equal(dag_port_xstat(port, "rx_bad_rlen"), 1);
		assert_int_equal(dag_port_xstat(port, "rx_resync_bytes"), m.len / 2);
		assert_int_equal(removals, 0);
		for (int i = 0; i < 3; i++) { // nothing but damage
			fake_dag_put(m.bytes + m.len / 2, m.len / 2);
			assert_int_equal(receive(port, pkts), 0);
		}
		assert_int_equal(removals, 1);
		assert_int_equal(rte_eth_dev_is_removed(port), 1);
		assert_int_equal(rte_eth_link_get_nowait(port, &link), 0);
		assert_int_equal(link.link_status, RTE_ETH_LINK_DOWN);
		rte_eth_dev_callback_unregister(port, RTE_ETH_EVENT_INTR_RMV, count_removal, NULL);
		close_clean(port);
	}
}

static void test_invalid_types_are_skipped_until_three_in_a_row(void **state)
{
	struct rte_mbuf *pkts[PKTS];
	struct made m = {0};
	(void)state;
	fake_dag_reset(RING);
	for (int type = 49; type < 128; type++) {
		struct spec s = eth(60);
		if (type % 2 == 0)
			make(&m, s);
		s.type = (uint8_t)type;
		make(&m, s);
	}
	uint16_t port = open_port(ARGS);
	fake_dag_put(m.bytes, m.len);
	unsigned n = receive(port, pkts);
	assert_int_equal(n, 39);
	assert_int_equal(dag_port_xstat(port, "rx_invalid_records"), 79);
	rte_pktmbuf_free_bulk(pkts, n);
	close_clean(port);
}

static void test_unplugged_keeps_handed_out_records(void **state)
{
	struct rte_mbuf *pkts[PKTS];
	struct made m = {0};
	(void)state;
	fake_dag_reset(RING);
	make(&m, eth(60));
	make(&m, eth(90));
	uint16_t port = open_port(ARGS);
	removals = 0;
	rte_eth_dev_callback_register(port, RTE_ETH_EVENT_INTR_RMV, count_removal, NULL);
	fake_dag_put(m.bytes, m.len);
	assert_int_equal(receive(port, pkts), 2);
	fake_dag_unplug(EIO);
	for (int i = 0; i < 100; i++)
		assert_int_equal(rte_eth_rx_burst(port, 0, pkts + 2, 64), 0);
	assert_int_equal(removals, 1);
	check_data(pkts[0], 60);
	check_data(pkts[1], 90);
	rte_pktmbuf_free_bulk(pkts, 2);
	rte_eth_dev_callback_unregister(port, RTE_ETH_EVENT_INTR_RMV, count_removal, NULL);
	close_clean(port);
}

static void test_nothing_now_is_no_error(void **state)
{
	struct rte_mbuf *pkts[PKTS];
	struct made m = {0};
	(void)state;
	fake_dag_reset(RING);
	make(&m, eth(60));
	uint16_t port = open_port(ARGS);
	fake_dag_unplug(EAGAIN);
	assert_int_equal(receive(port, pkts), 0);
	assert_int_equal(rte_eth_dev_is_removed(port), 0);
	fake_dag_unplug(0);
	fake_dag_put(m.bytes, m.len);
	assert_int_equal(receive(port, pkts), 1);
	rte_pktmbuf_free(pkts[0]);
	close_clean(port);
}

static void test_stale_records_are_flushed_unless_kept(void **state)
{
	struct rte_mbuf *pkts[PKTS];
	struct made m = {0};
	(void)state;
	make(&m, eth(60));
	for (int flush = 0; flush < 2; flush++) {
		fake_dag_reset(RING);
		fake_dag_put(m.bytes, m.len);
		uint16_t port = open_port(flush ? ARGS : ARGS ",flush=0");
		unsigned n = receive(port, pkts);
		assert_int_equal(n, !flush);
		assert_int_equal(dag_port_xstat(port, "rx_stale_bytes"), flush ? m.len : 0);
		rte_pktmbuf_free_bulk(pkts, n);
		close_clean(port);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_extension_headers_move_the_frame),
		cmocka_unit_test(test_extension_chain_past_rlen_is_corrupt),
		cmocka_unit_test(test_every_type_only_ethernet_is_delivered),
		cmocka_unit_test(test_loss_counter_sums_without_colors_and_first),
		cmocka_unit_test(test_lengths_follow_wlen_and_rlen),
		cmocka_unit_test(test_fcs_kept_is_part_of_the_frame),
		cmocka_unit_test(test_errors_are_dropped_or_delivered_and_counted),
		cmocka_unit_test(test_interface_uses_bit_6_not_vlen),
		cmocka_unit_test(test_times_are_nanoseconds_by_default),
		cmocka_unit_test(test_incomplete_for_a_second_resyncs),
		cmocka_unit_test(test_impossible_rlen_resyncs_then_gives_up),
		cmocka_unit_test(test_invalid_types_are_skipped_until_three_in_a_row),
		cmocka_unit_test(test_unplugged_keeps_handed_out_records),
		cmocka_unit_test(test_nothing_now_is_no_error),
		cmocka_unit_test(test_stale_records_are_flushed_unless_kept),
	};
	if (dag_port_eal() < 0)
		return 1;
	pool = dag_port_pool("pool", 1023, 2048);
	int failed = cmocka_run_group_tests(tests, NULL, NULL);
	rte_eal_cleanup();
	return failed;
}