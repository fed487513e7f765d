/* SPDX-License-Identifier: BSD-3-Clause */
/* A card that loses packets, dies, comes back, and has many streams: whatever happens, what was
 * sent is what was received, dropped and spoiled.
 *
 *	test_dag_loss [PACKETS]   only the ledger of so many packets with random faults
 */
#include "dag_card.h"

#include <errno.h>
#include <inttypes.h>

#define LONG_RUN 50000000 // packets

static int removals;

static int count_removal(uint16_t port, enum rte_eth_event_type type, void *arg, void *ret)
{
	(void)port, (void)type, (void)arg, (void)ret;
	removals++;
	return 0;
}

/* --- loss --- */

// Made faster than it is read, through a ring of 1 MB; `pause_us` after each burst.
static void read_slowly(struct tally *t, uint16_t port, unsigned pause_us)
{
	for (time_t late = time(NULL) + 60; !card_ended() && time(NULL) < late;)
		if (tally_burst(t, port, 0, 64) > 0)
			usleep(pause_us);
	while (tally_burst(t, port, 0, 64) > 0)
		;
}

static struct card *lossy(uint64_t packets, const char *faults)
{
	struct card *c = card_new(packets, faults);
	c->conf.lossy = true;
	return c;
}

static void test_lagging_reader_knows_every_loss_by_loss_counters(void **state)
{
	struct card *c = lossy(30000, NULL);
	struct tally t = {0};
	(void)state;
	c->conf.rate_pps = 200000;
	card_add(c);
	uint16_t port = dag_port_open("net_dag_t", CARD_ARGS, 1, 1024, pool);
	read_slowly(&t, port, 2000);
	struct dag_sim_status status = card_status();
	assert_true(status.dropped > 1000);
	assert_int_equal(dag_port_xstat(port, "rx_lctr_saturated"), 0);
	assert_int_equal(port_missed(port), status.dropped);
	assert_int_equal(t.packets + port_missed(port), status.sent);
	// but for what came before the start of the stream, or behind the last record
	assert_in_range(status.dropped - t.gaps, 0, 30000 - t.packets - t.gaps);
	check_ledger(port, &t, 1);
	card_finish(c, port);
}

static void test_lagging_reader_knows_every_loss_by_the_cards_counter(void **state)
{
	struct card *c = lossy(300000, NULL);
	struct tally t = {0};
	(void)state;
	c->conf.drop_base = 0xffffff00; // wraps soon
	c->conf.drop_bits = 32;
	card_add(c);
	uint16_t port = dag_port_open("net_dag_t", CARD_ATTR, 1, 1024, pool);
	assert_in_range(port_missed(port), 0, 300000); // not the base
	read_slowly(&t, port, 5000);                   // as fast as records can be made
	struct dag_sim_status status = card_status();
	assert_true(status.dropped > 65536);
	assert_int_equal(port_missed(port), status.dropped);
	assert_int_equal(t.packets + port_missed(port), status.sent);
	assert_int_equal(dag_port_xstat(port, "rx_counter_resets"), 0);
	check_ledger(port, &t, 1);
	assert_int_equal(rte_eth_stats_reset(port), 0);
	assert_int_equal(port_missed(port), 0);
	card_finish(c, port);
}

static void test_lagging_reader_knows_every_loss_by_meta(void **state)
{
	struct card *c = lossy(60000, "[{\"fault\": \"meta\", \"every\": 1000},"
				      " {\"fault\": \"drops\", \"at\": 50000, \"count\": 100000},"
				      " {\"fault\": \"meta\", \"at\": 59999}]");
	struct tally t = {0};
	(void)state;
	c->conf.drop_base = 77;
	c->conf.rate_pps = 400000;
	card_add(c);
	uint16_t port = dag_port_open("net_dag_t", CARD_ARGS, 1, 1024, pool);
	read_slowly(&t, port, 500);
	struct dag_sim_status status = card_status();
	// the last packet came behind the last META record
	assert_in_range(status.dropped - port_missed(port), 0, 1);
	assert_true(port_missed(port) >= 100000);
	card_finish(c, port);
}

static void test_loss_counter_saturates_and_says_so(void **state)
{
	struct card *c = card_new(10, "[{\"fault\": \"drops\", \"at\": 5, \"count\": 70000}]");
	struct tally t = {0};
	(void)state;
	card_add(c);
	uint16_t port = dag_port_open("net_dag_t", CARD_ARGS, 1, 64, pool);
	tally_all(&t, port, 1, 60);
	assert_int_equal(t.packets, 10);
	assert_int_equal(port_missed(port), 65535);
	assert_int_equal(dag_port_xstat(port, "rx_lctr_saturated"), 1);
	check_ledger(port, &t, 1);
	card_finish(c, port);
}

static void test_colors_are_no_loss(void **state)
{
	struct card *c = card_new(3000, NULL);
	struct rte_mbuf *pkts[64];
	unsigned n = 0, marked[3] = {0};
	json_error_t err;
	(void)state;
	c->conf.streams = 2;
	c->rules = json_loads(
		"[{\"protocol\": \"udp\", \"port\": 53, \"color\": 65535, \"stream\": 2},"
		" {\"protocol\": 6, \"color\": 7},"
		" {\"protocol\": \"udp\", \"drop\": true}]",
		0, &err);
	c->conf.rules = c->rules;
	card_add(c);
	uint16_t port = dag_port_open("net_dag_t", CARD_ATTR ",mark=1", 2, 1024, pool);
	for (time_t late = time(NULL) + 60; !card_ended() && time(NULL) < late;)
		for (uint16_t q = 0; q < 2; q++) {
			uint16_t got = rte_eth_rx_burst(port, q, pkts, 64);
			for (uint16_t i = 0; i < got; i++) {
				uint32_t color = pkts[i]->hash.fdir.hi;
				assert_true(pkts[i]->ol_flags & RTE_MBUF_F_RX_FDIR_ID);
				assert_true(color == 0 || color == 7 || color == 65535);
				marked[color == 7 ? 1 : color == 65535 ? 2 : 0]++;
				if (color == 65535)
					assert_int_equal(q, 1);
			}
			n += got;
			rte_pktmbuf_free_bulk(pkts, got);
		}
	struct dag_sim_status status = card_status();
	assert_true(status.filtered > 0 && marked[1] > 0 && marked[2] > 0);
	assert_int_equal(n + status.filtered, 3000);
	assert_int_equal(status.sent, n);
	assert_int_equal(dag_port_xstat(port, "rx_lctr_drops"), 0);
	assert_int_equal(port_missed(port), 0);
	card_finish(c, port);
}

/* --- end --- */

static void test_unplugged_card_tells_once_and_closes(void **state)
{
	static const char *const errors[] = {"EIO", "ENODEV"};
	(void)state;
	for (unsigned i = 0; i < RTE_DIM(errors); i++) {
		char faults[96];
		struct rte_mbuf *pkts[512];
		struct rte_eth_link link;
		unsigned n = 0;
		snprintf(faults, sizeof(faults),
			 "[{\"fault\": \"error\", \"at\": 300, \"value\": \"%s\"}]", errors[i]);
		struct card *c = card_new(1000, faults);
		card_add(c);
		uint16_t port = dag_port_open("net_dag_t", CARD_ARGS, 1, 1024, pool);
		removals = 0;
		rte_eth_dev_callback_register(port, RTE_ETH_EVENT_INTR_RMV, count_removal, NULL);
		for (time_t late = time(NULL) + 60; !removals && time(NULL) < late;)
			n += rte_eth_rx_burst(port, 0, pkts + n, 64);
		assert_int_equal(n, 300); // all that was there before
		for (int k = 0; k < 100; k++)
			assert_int_equal(rte_eth_rx_burst(port, 0, pkts + n, 64), 0);
		assert_int_equal(removals, 1);
		assert_int_equal(rte_eth_dev_is_removed(port), 1);
		assert_int_equal(rte_eth_link_get_nowait(port, &link), 0);
		assert_int_equal(link.link_status, RTE_ETH_LINK_DOWN);
		struct tally t = {0};
		for (unsigned k = 0; k < n; k++)
			tally_packet(&t, pkts[k]); // still readable
		assert_int_equal(t.damaged + t.gaps, 0);
		rte_pktmbuf_free_bulk(pkts, n);
		rte_eth_dev_callback_unregister(port, RTE_ETH_EVENT_INTR_RMV, count_removal, NULL);
		card_finish(c, port);
	}
}

static void test_dead_feeder_is_quiet_or_unplugged(void **state)
{
	(void)state;
	for (uint32_t unplug = 0; unplug <= 50; unplug += 50) {
		struct card *c = card_new(1000, "[{\"fault\": \"die\", \"at\": 300}]");
		struct tally t = {0};
		c->conf.unplug_ms = unplug;
		card_add(c);
		uint16_t port = dag_port_open("net_dag_t", CARD_ARGS, 1, 1024, pool);
		for (int i = 0; i < 300 && !rte_eth_dev_is_removed(port); i++) {
			tally_burst(&t, port, 0, 64);
			usleep(1000);
		}
		assert_int_equal(t.packets, 300);
		assert_int_equal(rte_eth_dev_is_removed(port), unplug > 0);
		card_finish(c, port);
	}
}

static void test_thousand_restarts(void **state)
{
	(void)state;
	for (int flush = 0; flush < 2; flush++) {
		struct card *c = card_new(0, NULL);
		struct rte_mbuf *held = NULL;
		struct tally t = {0};
		uint64_t sent, stale;
		card_add(c);
		uint16_t port = dag_port_open("net_dag_t", flush ? CARD_ARGS : CARD_ARGS ",flush=0",
					      1, 64, pool);
		for (int i = 0; i < 1000; i++) {
			for (int k = 0; k < 100 && tally_burst(&t, port, 0, 8) == 0; k++)
				usleep(10);
			if (rte_eth_rx_burst(port, 0, &held, 1) == 1) {
				tally_packet(&t, held);
				assert_int_equal(rte_eth_dev_stop(port), 0);
				rte_pktmbuf_free(held); // outstanding over the stop
			} else {
				assert_int_equal(rte_eth_dev_stop(port), 0);
			}
			assert_int_equal(rte_eth_dev_start(port), 0);
		}
		stale = dag_port_xstat(port, "rx_stale_bytes");
		assert_true(t.packets > 1000);
		assert_int_equal(t.damaged, 0);
		if (!flush) {
			assert_int_equal(t.gaps, 0); // it goes on where it stopped
			assert_int_equal(stale, 0);
		} else {
			assert_true(stale > 0 && t.gaps > 0);
		}
		sent = card_status().sent;
		assert_true(sent >= t.packets + t.gaps);
		card_finish(c, port);
	}
}

static void test_reconfigured_port_goes_on(void **state)
{
	const struct rte_eth_conf conf = {0};
	struct card *c = card_new(0, NULL);
	struct rte_mbuf *held[2][32];
	struct tally t[2] = {0};
	unsigned n[2] = {0};
	(void)state;
	c->conf.streams = 2;
	card_add(c);
	uint16_t port = dag_port_open("net_dag_t", CARD_ARGS ",flush=0", 2, 64, pool);
	for (int round = 0; round < 20; round++) {
		for (uint16_t q = 0; q < 2; q++) // held over stop, release and set-up of the queue
			for (int k = 0; k < 1000 && n[q] < 32; k++, usleep(10))
				n[q] += rte_eth_rx_burst(port, q, held[q] + n[q],
							 (uint16_t)(32 - n[q]));
		assert_int_equal(rte_eth_dev_stop(port), 0);
		assert_int_equal(rte_eth_dev_configure(port, 2, 0, &conf), 0);
		for (uint16_t q = 0; q < 2; q++)
			assert_int_equal(rte_eth_rx_queue_setup(port, q,
								(uint16_t)(64 << round % 3), 0,
								NULL, pool),
					 0);
		if (n[0] > 0) // the stream is still attached by the parked queue
			assert_int_equal(rte_eth_dev_start(port), -EBUSY);
		for (uint16_t q = 0; q < 2; q++) {
			for (unsigned k = 0; k < n[q]; k++)
				tally_packet(&t[q], held[q][k]);
			rte_pktmbuf_free_bulk(held[q], n[q]);
			n[q] = 0;
		}
		assert_int_equal(rte_eth_dev_start(port), 0);
	}
	assert_true(t[0].packets + t[1].packets > 600);
	struct rte_eth_stats stats; // of all queues that there have been
	assert_int_equal(rte_eth_stats_get(port, &stats), 0);
	assert_int_equal(stats.ipackets, t[0].packets + t[1].packets);
	assert_int_equal(t[0].damaged + t[1].damaged, 0);
	card_finish(c, port);
}

/* --- streams --- */

static void test_streams_add_up(void **state)
{
	static const uint16_t streams[] = {1, 2, 8, 31};
	(void)state;
	for (unsigned i = 0; i < RTE_DIM(streams); i++) {
		struct card *c = card_new(20000, "[{\"fault\": \"random\", \"at\": 100, "
						 "\"every\": 100, \"seed\": 9}]");
		struct tally t[31] = {0};
		uint64_t gaps = 0, packets = 0;
		c->conf.streams = streams[i];
		card_add(c);
		uint16_t port = dag_port_open("net_dag_t", CARD_ARGS, streams[i], 128, pool);
		tally_all(t, port, streams[i], 60);
		check_ledger(port, t, streams[i]);
		for (uint16_t q = 0; q < streams[i]; q++) {
			gaps += t[q].gaps;
			packets += t[q].packets;
			assert_true(t[q].packets > 0);
		}
		if (streams[i] == 1)
			assert_true(gaps <= card_status().spoiled);
		assert_int_equal(packets + card_status().spoiled, 20000);
		card_finish(c, port);
	}
}

static void test_one_stream_fails_and_the_others_go_on(void **state)
{
	struct card *c =
		card_new(20000, "[{\"fault\": \"error\", \"at\": 5000, \"value\": \"EIO\"}]");
	struct tally t[4] = {0};
	uint64_t packets = 0;
	unsigned idle = 0;
	(void)state;
	c->conf.streams = 4;
	c->conf.buffer_mb = 16; // so that the feeder need not wait for the failed one
	card_add(c);
	uint16_t port = dag_port_open("net_dag_t", CARD_ARGS, 4, 256, pool);
	for (time_t late = time(NULL) + 60; idle < 500 && time(NULL) < late;) {
		unsigned got = 0;
		for (uint16_t q = 0; q < 4; q++)
			got += tally_burst(&t[q], port, q, 64);
		idle = got ? 0 : idle + 1;
		if (!got)
			usleep(1000);
	}
	struct dag_sim_status status = card_status();
	unsigned failed = 0;
	for (uint16_t q = 0; q < 4; q++) {
		packets += t[q].packets;
		failed += t[q].packets < status.stream[q].packets;
	}
	assert_int_equal(failed, 1);
	assert_true(packets > 12000);
	assert_int_equal(rte_eth_dev_is_removed(port), 1);
	card_finish(c, port);
}

/* --- everything at once --- */

static void run_ledger(uint64_t packets)
{
	char faults[128];
	snprintf(faults, sizeof(faults),
		 "[{\"fault\": \"random\", \"at\": 1, \"every\": 97, \"seed\": 20260101}]");
	struct card *c = card_new(10000, faults);
	struct tally t[2] = {{.trusted = packets >= LONG_RUN}, {.trusted = packets >= LONG_RUN}};
	c->conf.loop = packets / 10000;
	c->conf.streams = 2;
	// the long run leaves out what costs: checksums and poison
	c->conf.fcs = packets < LONG_RUN ? 32 : 0;
	c->conf.poison = packets < LONG_RUN;
	card_add(c);
	uint16_t port = dag_port_open(
		"net_dag_t", packets < LONG_RUN ? CARD_ATTR : CARD_ATTR ",fcs=0", 2, 1024, pool);
	tally_all(t, port, 2, packets < LONG_RUN ? 600 : 36000);
	struct dag_sim_status status = card_status();
	printf("{\"name\":\"dag_ledger\",\"sent\":%" PRIu64 ",\"received\":%" PRIu64
	       ",\"dropped\":%" PRIu64 ",\"spoiled\":%" PRIu64 ",\"violations\":%" PRIu64 "}\n",
	       status.sent, t[0].packets + t[1].packets, status.dropped, status.spoiled,
	       status.violations);
	fflush(stdout); // also if what follows fails
	check_ledger(port, t, 2);
	assert_int_equal(port_missed(port), status.dropped);
	assert_int_equal(status.sent - status.dropped, packets / 10000 * 10000);
	assert_int_equal(t[0].packets + t[1].packets + status.spoiled + status.dropped,
			 status.sent);
	card_finish(c, port);
}

static uint64_t ledger_packets;

static void test_ledger_of_random_faults(void **state)
{
	(void)state;
	run_ledger(ledger_packets);
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_lagging_reader_knows_every_loss_by_loss_counters),
		cmocka_unit_test(test_lagging_reader_knows_every_loss_by_the_cards_counter),
		cmocka_unit_test(test_lagging_reader_knows_every_loss_by_meta),
		cmocka_unit_test(test_loss_counter_saturates_and_says_so),
		cmocka_unit_test(test_colors_are_no_loss),
		cmocka_unit_test(test_unplugged_card_tells_once_and_closes),
		cmocka_unit_test(test_dead_feeder_is_quiet_or_unplugged),
		cmocka_unit_test(test_thousand_restarts),
		cmocka_unit_test(test_reconfigured_port_goes_on),
		cmocka_unit_test(test_streams_add_up),
		cmocka_unit_test(test_one_stream_fails_and_the_others_go_on),
		cmocka_unit_test(test_ledger_of_random_faults),
	};
	const struct CMUnitTest ledger[] = {cmocka_unit_test(test_ledger_of_random_faults)};
	ledger_packets = argc > 1 ? strtoull(argv[1], NULL, 10) : 200000;
	if (dag_port_eal() < 0)
		return 1;
	pool = dag_port_pool("pool", 4095, 2048);
	int failed = argc > 1 ? cmocka_run_group_tests(ledger, NULL, NULL)
			      : cmocka_run_group_tests(tests, NULL, NULL);
	rte_eal_cleanup();
	return failed;
}
