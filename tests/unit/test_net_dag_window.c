/* SPDX-License-Identifier: BSD-3-Clause */
/* The window into the stream: its wraps, its ends inside records, what is held and what is copied.
 */
#include "dag_records.h"

static void test_record_in_two_pieces_is_delivered_once(void **state)
{
	struct rte_mbuf *pkts[PKTS];
	struct made m = {0};
	(void)state;
	make(&m, eth(60));
	make(&m, eth(100));
	for (uint32_t cut = 1; cut < m.len; cut++) {
		fake_dag_reset(RING);
		uint16_t port = open_port(ARGS);
		fake_dag_put(m.bytes, cut);
		unsigned n = receive(port, pkts);
		fake_dag_put(m.bytes + cut, m.len - cut);
		n += receive(port, pkts + n);
		assert_int_equal(n, 2);
		check_data(pkts[0], 60);
		check_data(pkts[1], 100);
		rte_pktmbuf_free_bulk(pkts, n);
		assert_int_equal(receive(port, pkts), 0);
		assert_int_equal(fake_dag_released(), m.len);
		close_clean(port);
	}
}

static void test_padding_bounds_the_work_of_a_burst(void **state)
{
	struct rte_mbuf *pkt;
	struct made m = {0};
	struct spec pad = {.ts = TIME, .type = HM_ERF_PAD, .rlen = 16};
	unsigned polls = 0;
	(void)state;
	fake_dag_reset(RING);
	for (int i = 0; i < 2000; i++)
		make(&m, pad);
	make(&m, eth(60));
	uint16_t port = open_port(ARGS);
	fake_dag_put(m.bytes, m.len);
	while (rte_eth_rx_burst(port, 0, &pkt, 1) == 0 && polls < 100)
		polls++;
	assert_in_range(polls, 2, 10);
	check_data(pkt, 60);
	assert_int_equal(dag_port_xstat(port, "rx_pad_records"), 2000);
	rte_pktmbuf_free(pkt);
	close_clean(port);
}

static void test_many_wraps_with_records_across_the_end(void **state)
{
	struct rte_mbuf *pkts[PKTS];
	uint64_t put = 0;
	(void)state;
	fake_dag_reset(4096);
	uint16_t port = open_port(ARGS);
	for (unsigned round = 0; put < 40 * 4096; round++) {
		struct made m = {0};
		unsigned want[3];
		for (unsigned i = 0; i < 3; i++) {
			want[i] = 40 + (round * 3 + i) * 13 % 700;
			make(&m, eth((int)want[i]));
		}
		fake_dag_put(m.bytes, m.len);
		put += m.len;
		assert_int_equal(receive(port, pkts), 3);
		for (unsigned i = 0; i < 3; i++)
			check_data(pkts[i], want[i]);
		rte_pktmbuf_free_bulk(pkts, 3);
		assert_int_equal(rte_eth_rx_burst(port, 0, pkts, 1), 0);
		assert_true(fake_dag_released() == put);
	}
	close_clean(port);
}

static void test_release_waits_for_the_oldest_record(void **state)
{
	struct rte_mbuf *pkts[PKTS];
	struct made m = {0};
	(void)state;
	fake_dag_reset(RING);
	for (int i = 0; i < 10; i++)
		make(&m, eth(60));
	uint16_t port = open_port(ARGS);
	fake_dag_put(m.bytes, m.len);
	assert_int_equal(receive(port, pkts), 10);
	for (int i = 9; i > 0; i--) { // newest first: nothing can go back
		rte_pktmbuf_free(pkts[i]);
		assert_int_equal(rte_eth_rx_burst(port, 0, pkts + 10, 1), 0);
		assert_int_equal(fake_dag_released(), 0);
		check_data(pkts[0], 60);
	}
	rte_pktmbuf_free(pkts[0]);
	assert_int_equal(rte_eth_rx_burst(port, 0, pkts, 1), 0);
	assert_int_equal(fake_dag_released(), m.len);
	close_clean(port);
}

static void test_held_records_force_copying_and_it_ends(void **state)
{
	struct rte_mbuf *held[PKTS], *pkts[PKTS];
	unsigned n = 0, got;
	(void)state;
	fake_dag_reset(RING);
	uint16_t port = dag_port_open("net_dag_fake", ARGS, 1, 64, pool); // 64 slots
	for (int round = 0; round < 8; round++) {
		struct made m = {0};
		for (int i = 0; i < 32; i++)
			make(&m, eth(60 + round));
		fake_dag_put(m.bytes, m.len);
		got = receive(port, held + n);
		assert_int_equal(got, 32);
		n += got;
	}
	assert_int_equal(dag_port_xstat(port, "rx_copy_fallbacks"), 1);
	assert_in_range(dag_port_xstat(port, "rx_copied"), 160, 224);
	for (unsigned i = 0; i < n; i++)
		check_data(held[i], 60 + i / 32);
	rte_pktmbuf_free_bulk(held, n);
	uint64_t copied = dag_port_xstat(port, "rx_copied");
	struct made m = {0};
	make(&m, eth(60));
	assert_int_equal(rte_eth_rx_burst(port, 0, pkts, 1), 0);
	fake_dag_put(m.bytes, m.len);
	assert_int_equal(receive(port, pkts), 1);
	assert_int_equal(dag_port_xstat(port, "rx_copied"), copied);
	rte_pktmbuf_free(pkts[0]);
	close_clean(port);
}

static void test_all_slots_held_without_room_waits(void **state)
{
	struct rte_mempool *bare = dag_port_pool("bare", 511, 0);
	struct rte_mbuf *pkts[PKTS];
	struct made m = {0};
	(void)state;
	fake_dag_reset(RING);
	for (int i = 0; i < 100; i++)
		make(&m, eth(60));
	uint16_t port = dag_port_open("net_dag_fake", ARGS, 1, 64, bare);
	fake_dag_put(m.bytes, m.len);
	assert_int_equal(receive(port, pkts), 64);
	rte_pktmbuf_free_bulk(pkts, 64);
	assert_int_equal(receive(port, pkts), 36);
	rte_pktmbuf_free_bulk(pkts, 36);
	dag_port_close(port);
	assert_int_equal(fake_dag_violations(), 0);
	rte_mempool_free(bare);
}

static void test_copy_mode_copies_and_drops_what_is_too_long(void **state)
{
	struct rte_mbuf *pkts[PKTS];
	struct made m = {0};
	(void)state;
	fake_dag_reset(RING);
	make(&m, eth(60));
	make(&m, eth(3000));
	make(&m, eth(1500));
	uint16_t port = open_port(ARGS ",zero_copy=0");
	fake_dag_put(m.bytes, m.len);
	assert_int_equal(receive(port, pkts), 2);
	check_data(pkts[0], 60);
	check_data(pkts[1], 1500);
	assert_true(RTE_MBUF_DIRECT(pkts[0]));
	assert_int_equal(dag_port_xstat(port, "rx_too_long"), 1);
	assert_int_equal(fake_dag_released(), m.len); // though nothing has been freed
	rte_pktmbuf_free_bulk(pkts, 2);
	close_clean(port);
}

// Long frames in copies of 256 bytes each; with too few mbufs they wait.
static void test_copies_are_scattered_if_asked_for(void **state)
{
	static const int lengths[] = {60, 255, 256, 257, 512, 513, 3000, 9000};
	const struct rte_eth_conf conf = {.rxmode.offloads = RTE_ETH_RX_OFFLOAD_SCATTER};
	struct rte_mempool *small = dag_port_pool("small", 127, 256);
	struct rte_mbuf *pkts[PKTS], *kept[PKTS];
	struct made m = {0};
	(void)state;
	fake_dag_reset(RING);
	for (unsigned i = 0; i < RTE_DIM(lengths); i++)
		make(&m, eth(lengths[i]));
	int port = dag_port_probe("net_dag_fake", ARGS ",zero_copy=0");
	assert_true(port >= 0);
	assert_int_equal(rte_eth_dev_configure((uint16_t)port, 1, 0, &conf), 0);
	assert_int_equal(rte_eth_rx_queue_setup((uint16_t)port, 0, 64, 0, NULL, small), 0);
	assert_int_equal(rte_eth_dev_start((uint16_t)port), 0);
	fake_dag_put(m.bytes, m.len);
	assert_int_equal(rte_pktmbuf_alloc_bulk(small, kept, 100), 0); // 27 are left
	unsigned n = receive((uint16_t)port, pkts);
	assert_int_equal(n, RTE_DIM(lengths) - 1); // the last one needs 36
	assert_true(rte_mempool_in_use_count(small) < 127);
	rte_pktmbuf_free_bulk(kept, 100);
	n += receive((uint16_t)port, pkts + n);
	assert_int_equal(n, RTE_DIM(lengths));
	for (unsigned i = 0; i < n; i++) {
		uint32_t at = 0;
		assert_int_equal(pkts[i]->pkt_len, lengths[i]);
		assert_int_equal(pkts[i]->nb_segs, (lengths[i] + 255) / 256);
		rte_mbuf_sanity_check(pkts[i], 1);
		for (const struct rte_mbuf *s = pkts[i]; s; s = s->next)
			for (uint32_t k = 0; k < s->data_len; k++, at++)
				assert_int_equal(rte_pktmbuf_mtod(s, const uint8_t *)[k],
						 frame_byte(at));
		assert_int_equal(at, lengths[i]);
	}
	rte_pktmbuf_free_bulk(pkts, n);
	assert_int_equal(rte_mempool_in_use_count(small), 0);
	assert_int_equal(dag_port_xstat((uint16_t)port, "rx_too_long"), 0);
	close_clean((uint16_t)port);
	rte_mempool_free(small);
}

static void test_wrap_at_every_byte_of_a_record(void **state)
{
	struct rte_mbuf *pkts[PKTS];
	struct made m = {0};
	(void)state;
	make(&m, eth(60));
	for (uint32_t cut = 0; cut <= m.len; cut++) {
		struct made pad = {0};
		fake_dag_reset(4096);
		make(&pad, (struct spec){.type = HM_ERF_PAD, .rlen = 4096});
		uint16_t port = open_port(ARGS);
		// the record's first byte comes to lie `cut` bytes before the ring's end
		pad.bytes[10] = (uint8_t)((4096 - cut) >> 8);
		pad.bytes[11] = (uint8_t)(4096 - cut);
		fake_dag_put(pad.bytes, 4096 - cut);
		assert_int_equal(receive(port, pkts), 0);
		assert_int_equal(fake_dag_released(), 4096 - cut);
		fake_dag_put(m.bytes, m.len);
		assert_int_equal(receive(port, pkts), 1);
		check_data(pkts[0], 60);
		rte_pktmbuf_free(pkts[0]);
		assert_int_equal(rte_eth_rx_burst(port, 0, pkts, 1), 0);
		assert_int_equal(fake_dag_released(), 4096 - cut + m.len);
		close_clean(port);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_record_in_two_pieces_is_delivered_once),
		cmocka_unit_test(test_padding_bounds_the_work_of_a_burst),
		cmocka_unit_test(test_many_wraps_with_records_across_the_end),
		cmocka_unit_test(test_release_waits_for_the_oldest_record),
		cmocka_unit_test(test_held_records_force_copying_and_it_ends),
		cmocka_unit_test(test_all_slots_held_without_room_waits),
		cmocka_unit_test(test_copy_mode_copies_and_drops_what_is_too_long),
		cmocka_unit_test(test_copies_are_scattered_if_asked_for),
		cmocka_unit_test(test_wrap_at_every_byte_of_a_record),
	};
	if (dag_port_eal() < 0)
		return 1;
	pool = dag_port_pool("pool", 1023, 2048);
	int failed = cmocka_run_group_tests(tests, NULL, NULL);
	rte_eal_cleanup();
	return failed;
}
