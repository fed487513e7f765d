/* SPDX-License-Identifier: BSD-3-Clause */
/* The hard cases of a card, by fault scripts of the simulator: one named test each. Those that need
 * records made by hand are in test_net_dag_records.c, losses in test_dag_loss.c.
 */
#include "dag_card.h"

#include <errno.h>
#include <pthread.h>

#include "pmd_dag/sim/libdag.h"

#define PACKETS 20000

/* --- the oracle: a reader that knows libdag and nothing of the driver --- */

struct oracle {
	uint64_t frames, bytes, lctr, types[128];
};

static void oracle_record(struct oracle *o, const uint8_t *rec, uint32_t rlen)
{
	uint8_t type = rec[8] & 0x7f;
	uint32_t at = 16;
	o->types[type]++;
	for (const uint8_t *more = rec + 8; *more & 0x80; at += 8) {
		if (at + 8 > rlen)
			return;
		more = rec + at;
	}
	if (type == 2)
		o->lctr += (uint32_t)rec[12] << 8 | rec[13];
	if (type != 2 || (rec[9] & 0x30) || at + 2 > rlen)
		return;
	uint32_t wlen = (uint32_t)rec[14] << 8 | rec[15];
	o->frames++;
	o->bytes += wlen < rlen - at - 2 ? wlen : rlen - at - 2;
}

static struct oracle ask_oracle(void)
{
	struct oracle o = {0};
	struct timeval none = {0};
	uint8_t *bottom = NULL, *top;
	char name[] = "dag0";
	int fd = dag_open(name);
	assert_true(fd >= 0);
	assert_int_equal(dag_attach_stream64(fd, 0, 0, 0), 0);
	assert_int_equal(dag_set_stream_poll64(fd, 0, 0, &none, &none), 0);
	assert_int_equal(dag_start_stream(fd, 0), 0);
	for (time_t late = time(NULL) + 60; !card_ended() && time(NULL) < late;) {
		top = dag_advance_stream(fd, 0, &bottom);
		assert_non_null(top);
		while (bottom < top) {
			uint32_t rlen = (uint32_t)bottom[10] << 8 | bottom[11];
			assert_in_range(rlen, 16, top - bottom);
			oracle_record(&o, bottom, rlen);
			bottom += rlen;
		}
	}
	assert_int_equal(dag_close(fd), 0);
	return o;
}

// The same card read by the oracle and by the driver.
static void compare_with_oracle(uint64_t packets, const char *faults, struct oracle *o,
				uint16_t *open_port, struct card **card, const char *args)
{
	struct card *c = card_new(packets, faults);
	card_add(c);
	*o = ask_oracle();
	card_remove(c);
	struct tally t = {0};
	*card = card_new(packets, faults);
	card_add(*card);
	*open_port = dag_port_open("net_dag_t", args, 1, 1024, pool);
	tally_all(&t, *open_port, 1, 60);
	check_ledger(*open_port, &t, 1);
	assert_int_equal(t.packets, o->frames);
	assert_int_equal(t.bytes, o->bytes);
	assert_int_equal(t.gaps, card_status().spoiled);
}

static void test_wrap_inside_a_record_and_renormalisation(void **state)
{
	struct oracle o;
	struct card *c;
	uint16_t port;
	(void)state;
	compare_with_oracle(PACKETS, NULL, &o, &port, &c, CARD_ARGS);
	assert_int_equal(o.frames, PACKETS);
	assert_true(card_status().stream[0].released_bytes > 3 << 20); // wraps
	card_finish(c, port);
}

static void test_attach_window_bounds_what_is_read_ahead(void **state)
{
	static const char *const windows[] = {",window=0", ",window=65536", ",window=8388608"};
	(void)state;
	for (unsigned i = 0; i < RTE_DIM(windows); i++) {
		struct card *c = card_new(PACKETS, NULL);
		struct tally t = {0};
		char args[160];
		snprintf(args, sizeof(args), CARD_ARGS "%s", windows[i]);
		card_add(c);
		uint16_t port = dag_port_open("net_dag_t", args, 1, 1024, pool);
		tally_all(&t, port, 1, 60); // the guard page faults
		assert_int_equal(t.packets, PACKETS);
		assert_true(card_status().stream[0].released_bytes > 3 << 20);
		card_finish(c, port);
	}
}

static void test_odd_burst_sizes(void **state)
{
	static const uint16_t bursts[] = {1, 3, 33, 65535};
	(void)state;
	for (unsigned i = 0; i < RTE_DIM(bursts); i++) {
		struct card *c = card_new(5000, NULL);
		struct tally t = {0};
		card_add(c);
		uint16_t port = dag_port_open("net_dag_t", CARD_ARGS, 1, 1024, pool);
		for (time_t late = time(NULL) + 60; !card_ended() && time(NULL) < late;)
			tally_burst(&t, port, 0, bursts[i]);
		assert_int_equal(t.packets, 5000);
		card_finish(c, port);
	}
}

/* --- late release --- */

#define BELT 512u

struct belt { // from the poller to the core that frees
	struct rte_mbuf *pkts[BELT];
	_Atomic uint32_t head, tail;
	_Atomic bool done;
};

static void *free_in_random_order(void *arg)
{
	struct belt *b = arg;
	struct rte_mbuf *held[256];
	uint32_t n = 0, seed = 1;
	while (!b->done || b->tail != b->head || n > 0) {
		while (b->tail != b->head && n < 256)
			held[n++] = b->pkts[b->tail++ % BELT];
		if (n < 200 && !b->done)
			continue;
		for (; n > 0; held[seed % (n + 1)] = held[n]) {
			seed = seed * 1103515245 + 12345;
			rte_pktmbuf_free(held[seed % n]);
			seed = seed % n--;
		}
	}
	return NULL;
}

static void test_late_release_from_another_core_in_random_order(void **state)
{
	struct card *c = card_new(PACKETS, NULL);
	struct belt *b = calloc(1, sizeof(*b));
	struct rte_mbuf *pkts[33];
	struct tally t = {0};
	pthread_t thread;
	(void)state;
	card_add(c);
	uint16_t port = dag_port_open("net_dag_t", CARD_ARGS, 1, 256, pool);
	assert_int_equal(pthread_create(&thread, NULL, free_in_random_order, b), 0);
	for (time_t late = time(NULL) + 60; !card_ended() && time(NULL) < late;) {
		uint16_t got =
			b->head - b->tail > BELT - 33 ? 0 : rte_eth_rx_burst(port, 0, pkts, 33);
		for (uint16_t i = 0; i < got; i++) {
			tally_packet(&t, pkts[i]);
			b->pkts[(b->head + i) % BELT] = pkts[i];
		}
		b->head += got;
		b->done = t.packets == PACKETS;
	}
	b->done = true;
	pthread_join(thread, NULL);
	assert_int_equal(t.packets, PACKETS);
	check_ledger(port, &t, 1);
	assert_true(dag_port_xstat(port, "rx_copied") < PACKETS); // left again
	free(b);
	card_finish(c, port);
}

static void test_all_slots_held_is_no_deadlock(void **state)
{
	struct card *c = card_new(2000, NULL);
	struct rte_mbuf *pkts[2048];
	unsigned n = 0;
	(void)state;
	card_add(c);
	uint16_t port = dag_port_open("net_dag_t", CARD_ARGS, 1, 64, pool);
	for (time_t late = time(NULL) + 60; n < 1000 && time(NULL) < late;)
		n += rte_eth_rx_burst(port, 0, pkts + n, 64); // nothing is freed: copies
	assert_true(dag_port_xstat(port, "rx_copy_fallbacks") == 1);
	assert_true(dag_port_xstat(port, "rx_copied") > 800);
	rte_pktmbuf_free_bulk(pkts, n);
	struct tally t = {0};
	tally_all(&t, port, 1, 60);
	assert_int_equal(t.packets + n, 2000);
	card_finish(c, port);
}

/* --- what lies between the frames --- */

static void test_padding(void **state)
{
	struct oracle o;
	struct card *c;
	uint16_t port;
	(void)state;
	compare_with_oracle(3000,
			    "[{\"fault\": \"pad\", \"at\": 5},"
			    " {\"fault\": \"pad\", \"at\": 6, \"value\": 65528, \"lctr\": 3},"
			    " {\"fault\": \"pad\", \"at\": 7, \"count\": 5000},"
			    " {\"fault\": \"pad\", \"at\": 8, \"count\": 15, \"value\": 65528},"
			    " {\"fault\": \"pad\", \"at\": 9, \"value\": 24, \"every\": 10}]",
			    &o, &port, &c, CARD_ARGS);
	assert_int_equal(o.frames, 3000);
	assert_int_equal(o.types[48], 1 + 1 + 5000 + 15 + 300);
	assert_int_equal(dag_port_xstat(port, "rx_pad_records"), o.types[48]);
	assert_int_equal(port_missed(port), 3);
	card_finish(c, port);
}

static void test_every_record_type(void **state)
{
	char faults[8192] = "[";
	struct oracle o;
	struct card *c;
	uint16_t port;
	(void)state;
	for (int type = 0; type <= 48; type++)
		if (type != 11 && type != 16 && type != 20) // frames as well, of colors
			sprintf(faults + strlen(faults),
				"%s{\"fault\": \"type\", \"at\": %d, \"value\": %d}",
				type ? "," : "", 1 + type * 3, type);
	strcat(faults, "]");
	compare_with_oracle(1000, faults, &o, &port, &c, CARD_ARGS);
	for (int type = 0; type <= 48; type++) {
		char name[32];
		snprintf(name, sizeof(name), "rx_type_%d_skipped", type);
		assert_int_equal(dag_port_xstat(port, name), type == 2 ? 0 : o.types[type]);
	}
	assert_int_equal(card_status().spoiled, 45);
	card_finish(c, port);
}

static void test_corrupt_types_and_chains(void **state)
{
	struct oracle o;
	struct card *c;
	uint16_t port;
	(void)state;
	for (int first = 49; first < 128; first += 40) {
		char faults[8192] = "[{\"fault\": \"chain\", \"at\": 20, \"every\": 50}";
		for (int type = first; type < first + 40 && type < 128; type++)
			sprintf(faults + strlen(faults),
				",{\"fault\": \"type\", \"at\": %d, \"value\": %d}", 1 + type * 2,
				type);
		strcat(faults, "]");
		compare_with_oracle(1000, faults, &o, &port, &c, CARD_ARGS);
		assert_int_equal(dag_port_xstat(port, "rx_invalid_records"), first == 49 ? 40 : 39);
		assert_int_equal(dag_port_xstat(port, "rx_corrupt_records"), 20);
		assert_int_equal(rte_eth_dev_is_removed(port), 0);
		card_finish(c, port);
	}
}

static void test_extension_headers_of_every_type_and_number(void **state)
{
	static const int counts[] = {1, 2, 15, 16, 17};
	struct oracle o;
	struct card *c;
	uint16_t port;
	(void)state;
	for (unsigned i = 0; i < RTE_DIM(counts); i++) {
		for (int first = 0; first < 128; first += 64) {
			char faults[8192] = "[";
			for (int type = first; type < first + 64; type++)
				sprintf(faults + strlen(faults),
					"%s{\"fault\": \"extension\", \"at\": %d, \"count\": %d, "
					"\"value\": %d}",
					type == first ? "" : ",", type, counts[i], type);
			strcat(faults, "]");
			if (counts[i] <=
			    15) { // then the number is still among the 16 that are read
				compare_with_oracle(200, faults, &o, &port, &c, CARD_ARGS);
			} else {
				struct rte_mbuf *pkts[256];
				unsigned n = 0;
				c = card_new(200, faults);
				card_add(c);
				port = dag_port_open("net_dag_t", CARD_ARGS, 1, 1024, pool);
				for (time_t late = time(NULL) + 60; n < 200 && time(NULL) < late;)
					n += rte_eth_rx_burst(port, 0, pkts + n, 56);
				assert_int_equal(n, 200);
				rte_pktmbuf_free_bulk(pkts, n);
			}
			assert_int_equal(dag_port_xstat(port, "rx_corrupt_records"), 0);
			card_finish(c, port);
		}
	}
}

static void test_error_flags(void **state)
{
	static const char faults[] =
		"[{\"fault\": \"flags\", \"at\": 1, \"every\": 10, \"value\": 16},"
		" {\"fault\": \"flags\", \"at\": 5, \"every\": 10, \"value\": 32},"
		" {\"fault\": \"flags\", \"at\": 7, \"every\": 10, \"value\": 8}]";
	struct oracle o;
	struct card *c;
	uint16_t port;
	(void)state;
	compare_with_oracle(1000, faults, &o, &port, &c, CARD_ARGS); // trunc is delivered
	assert_int_equal(dag_port_xstat(port, "rx_error_drops"), 200);
	card_finish(c, port);
	struct tally t = {0};
	c = card_new(1000, faults);
	card_add(c);
	port = dag_port_open("net_dag_t", CARD_ARGS ",rxerror=deliver", 1, 1024, pool);
	tally_all(&t, port, 1, 60);
	assert_int_equal(t.packets, 1000);
	assert_int_equal(dag_port_xstat(port, "rx_error_records"), 200);
	assert_int_equal(dag_port_xstat(port, "rx_error_drops"), 0);
	card_finish(c, port);
}

static void test_meta_between_frames(void **state)
{
	struct oracle o;
	struct card *c;
	uint16_t port;
	(void)state;
	compare_with_oracle(1000,
			    "[{\"fault\": \"meta\", \"every\": 7, \"value\": 2},"
			    " {\"fault\": \"drops\", \"at\": 500, \"count\": 70000}]",
			    &o, &port, &c, CARD_ARGS);
	assert_int_equal(dag_port_xstat(port, "rx_meta_records"), o.types[27]);
	assert_int_equal(dag_port_xstat(port, "rx_meta_malformed"), 0);
	assert_int_equal(dag_port_xstat(port, "clk_state"), 2);
	assert_int_equal(dag_port_xstat(port, "rx_lctr_drops"), 65535); // saturated
	assert_int_equal(port_missed(port), 70000);                     // META knows
	card_finish(c, port);
}

/* --- lengths that lie --- */

static void test_corrupt_rlen_costs_its_packet_and_no_other(void **state)
{
	struct rte_eth_stats stats;
	(void)state;
	for (int rlen = 0; rlen < 16; rlen++) {
		struct tally t = {0};
		char faults[128];
		snprintf(faults, sizeof(faults),
			 "[{\"fault\": \"rlen\", \"at\": 10, \"every\": 300, \"value\": %d}]",
			 rlen);
		struct card *c = card_new(1000, faults);
		card_add(c);
		uint16_t port = dag_port_open("net_dag_t", CARD_ARGS, 1, 1024, pool);
		tally_all(&t, port, 1, 60);
		check_ledger(port, &t, 1);
		assert_int_equal(t.packets, 996);
		assert_int_equal(dag_port_xstat(port, "rx_bad_rlen"), 4);
		assert_int_equal(rte_eth_stats_get(port, &stats), 0);
		assert_int_equal(stats.ierrors, 4);
		card_finish(c, port);
	}
}

static void test_rlen_beyond_the_window_is_given_up_after_a_second(void **state)
{
	struct card *c = card_new(1000, "[{\"fault\": \"rlen\", \"at\": 10, \"value\": 65535}]");
	struct tally t = {0};
	(void)state;
	card_add(c);
	uint16_t port = dag_port_open("net_dag_t", CARD_ARGS, 1, 1024, pool);
	tally_all(&t, port, 1, 60);
	check_ledger(port, &t, 1);
	assert_int_equal(t.packets, 999);
	assert_int_equal(dag_port_xstat(port, "rx_bad_rlen"), 1);
	card_finish(c, port);
}

static void test_partial_record_is_delivered_once(void **state)
{
	char faults[8192] = "[";
	struct card *c;
	struct tally t = {0};
	(void)state;
	for (int cut = 1; cut <= 60; cut++)
		sprintf(faults + strlen(faults),
			"%s{\"fault\": \"partial\", \"at\": %d, \"value\": %d, \"ms\": 2}",
			cut > 1 ? "," : "", cut * 3, cut);
	strcat(faults, "]");
	c = card_new(300, faults);
	card_add(c);
	uint16_t port = dag_port_open("net_dag_t", CARD_ARGS, 1, 1024, pool);
	tally_all(&t, port, 1, 60);
	check_ledger(port, &t, 1);
	assert_int_equal(t.packets, 300);
	assert_int_equal(t.gaps, 0);
	card_finish(c, port);
}

/* --- time --- */

static void test_clock_steps_change_nothing_but_a_counter(void **state)
{
	struct card *c = card_new(
		5000, "[{\"fault\": \"clock\", \"at\": 1000, \"value\": -2000000000},"
		      " {\"fault\": \"clock\", \"at\": 2000, \"value\": 31536000000000000},"
		      " {\"fault\": \"clock\", \"at\": 3000, \"value\": -500000000},"
		      " {\"fault\": \"clock\", \"at\": 4000, \"value\": -31536000000000000}]");
	struct tally t = {0};
	(void)state;
	card_add(c);
	uint16_t port = dag_port_open("net_dag_t", CARD_ARGS, 1, 1024, pool);
	tally_all(&t, port, 1, 60);
	check_ledger(port, &t, 1);
	assert_int_equal(t.packets, 5000);
	assert_int_equal(dag_port_xstat(port, "rx_time_steps"), 3); // half a second is none
	card_finish(c, port);
}

static void test_quiet_stream_and_nothing_now(void **state)
{
	struct card *c = card_new(
		1000, "[{\"fault\": \"quiet\", \"at\": 100, \"ms\": 100},"
		      " {\"fault\": \"error\", \"at\": 200, \"value\": \"EAGAIN\", \"ms\": 100}]");
	struct tally t = {0};
	(void)state;
	card_add(c);
	uint16_t port = dag_port_open("net_dag_t", CARD_ARGS, 1, 1024, pool);
	tally_all(&t, port, 1, 60);
	check_ledger(port, &t, 1);
	assert_int_equal(t.packets, 1000);
	assert_int_equal(rte_eth_dev_is_removed(port), 0);
	card_finish(c, port);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_wrap_inside_a_record_and_renormalisation),
		cmocka_unit_test(test_attach_window_bounds_what_is_read_ahead),
		cmocka_unit_test(test_odd_burst_sizes),
		cmocka_unit_test(test_late_release_from_another_core_in_random_order),
		cmocka_unit_test(test_all_slots_held_is_no_deadlock),
		cmocka_unit_test(test_padding),
		cmocka_unit_test(test_every_record_type),
		cmocka_unit_test(test_corrupt_types_and_chains),
		cmocka_unit_test(test_extension_headers_of_every_type_and_number),
		cmocka_unit_test(test_error_flags),
		cmocka_unit_test(test_meta_between_frames),
		cmocka_unit_test(test_corrupt_rlen_costs_its_packet_and_no_other),
		cmocka_unit_test(test_rlen_beyond_the_window_is_given_up_after_a_second),
		cmocka_unit_test(test_partial_record_is_delivered_once),
		cmocka_unit_test(test_clock_steps_change_nothing_but_a_counter),
		cmocka_unit_test(test_quiet_stream_and_nothing_now),
	};
	if (dag_port_eal() < 0)
		return 1;
	pool = dag_port_pool("pool", 4095, 2048);
	int failed = cmocka_run_group_tests(tests, NULL, NULL);
	rte_eal_cleanup();
	return failed;
}
