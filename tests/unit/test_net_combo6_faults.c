/* SPDX-License-Identifier: BSD-3-Clause */
/* The driver on cards that lie, fail or go away: each case with the counters it must show. */
#include "combo_port.h"

#include "combo_reader.h"

#define FRAMES      COMBO_COUNT
#define LOCK_FRAMES 16 // frames under each lock

/* --- scripts: faults of single segments and locks, with the frames they cost --- */

struct expectation {
	const char *xstat;
	uint64_t value;
};

struct script {
	const char *name;
	struct sze2_sim_fault faults[2];
	uint32_t hw_bytes; // 0: 12
	uint32_t missed;   // frames behind the corrupt one
	uint32_t errors;
	struct expectation expect[3];
};

static const struct script scripts[] = {
	{"nothing wrong", {{0}}, 0, 0, 0, {{"rx_resync_bytes", 0}, {"rx_bad_locks", 0}}},
	// a corrupt segment takes the rest of its lock with it: 100 is the fifth of 16
	{"zero segment", {{SZE2_SIM_SIZE, 0, 100, 0, 0}}, 0, 11, 1, {{"rx_zero_segments", 1}}},
	{"zero segment, first of a lock",
	 {{SZE2_SIM_SIZE, 0, 96, 0, 0}},
	 0,
	 15,
	 1,
	 {{"rx_zero_segments", 1}}},
	{"zero segment, last of a lock",
	 {{SZE2_SIM_SIZE, 0, 111, 0, 0}},
	 0,
	 0,
	 1,
	 {{"rx_zero_segments", 1}}},
	{"size 1", {{SZE2_SIM_SIZE, 0, 100, 0, 1}}, 0, 11, 1, {{"rx_bad_sizes", 1}}},
	{"size 3", {{SZE2_SIM_SIZE, 0, 100, 0, 3}}, 0, 11, 1, {{"rx_bad_sizes", 1}}},
	{"size below the hardware data",
	 {{SZE2_SIM_SIZE, 0, 100, 0, 15}},
	 0,
	 11,
	 1,
	 {{"rx_bad_hw_sizes", 1}}},
	{"nothing but hardware data",
	 {{SZE2_SIM_SIZE, 0, 111, 0, 16}},
	 0,
	 0,
	 2, // the frame's bytes are taken for a segment
	 {{"rx_empty_frames", 1}}},
	{"size over the limit",
	 {{SZE2_SIM_SIZE, 0, 100, 0, 24577}},
	 0,
	 11,
	 1,
	 {{"rx_bad_sizes", 1}}},
	{"size 65535", {{SZE2_SIM_SIZE, 0, 100, 0, 65535}}, 0, 11, 1, {{"rx_bad_sizes", 1}}},
	{"size beyond the lock",
	 {{SZE2_SIM_SIZE, 0, 100, 0, 24576}},
	 0,
	 11,
	 1,
	 {{"rx_cut_segments", 1}}},
	{"hw_size too large",
	 {{SZE2_SIM_HW_SIZE, 0, 100, 0, 2000}},
	 0,
	 11,
	 1,
	 {{"rx_bad_hw_sizes", 1}}},
	{"hw_size 65535",
	 {{SZE2_SIM_HW_SIZE, 0, 100, 0, 65535}},
	 0,
	 11,
	 1,
	 {{"rx_bad_hw_sizes", 1}}},
	{"three in a row of locks",
	 {{SZE2_SIM_SIZE, 0, 96, 48, 0}},
	 0,
	 45,
	 3,
	 {{"rx_zero_segments", 3}}},
	{"lock ends in a header",
	 {{SZE2_SIM_CUT, 0, 111, 0, 3}},
	 0,
	 0,
	 1,
	 {{"rx_cut_segments", 1}}},
	{"lock ends in a frame",
	 {{SZE2_SIM_CUT, 0, 104, 0, 40}},
	 0,
	 0,
	 1,
	 {{"rx_cut_segments", 1}}},
	{"lock of no bytes", {{SZE2_SIM_CUT, 0, 96, 0, 0}}, 0, 1, 0, {{"rx_cut_segments", 0}}},
	{"lock of another channel", {{SZE2_SIM_AREA, 0, 5, 0, 3}}, 0, 15, 1, {{"rx_bad_locks", 1}}},
	{"lock longer than the ring",
	 {{SZE2_SIM_LENGTH, 0, 5, 0, 1}},
	 0,
	 15,
	 1,
	 {{"rx_bad_locks", 1}}},
	// times: nothing is lost
	{"no time, zeros", {{SZE2_SIM_NO_TIME, 0, 100, 20, 0}}, 0, 0, 0, {{"rx_no_time", 20}}},
	{"no time, ones", {{SZE2_SIM_NO_TIME, 0, 100, 20, 0xff}}, 0, 0, 0, {{"rx_no_time", 20}}},
	{"10^9 nanoseconds",
	 {{SZE2_SIM_NS, 0, 100, 20, 1000000000}},
	 0,
	 0,
	 0,
	 {{"rx_bad_time", 20}}},
	{"2^32 - 1 nanoseconds",
	 {{SZE2_SIM_NS, 0, 9, 1, UINT32_MAX}},
	 0,
	 0,
	 0,
	 {{"rx_bad_time", 1}}},
	{"hw data of 4 bytes", {{0}}, 4, 0, 0, {{"rx_no_time", FRAMES}, {"rx_no_interface", 0}}},
	{"hw data of 8 bytes", {{0}}, 8, 0, 0, {{"rx_no_time", FRAMES}}},
	{"hw data of 11 bytes", {{0}}, 11, 0, 0, {{"rx_no_time", FRAMES}}},
	{"hw data of 20 bytes", {{0}}, 20, 0, 0, {{"rx_no_time", 0}}},
	{"hw data of 0 bytes in between",
	 {{SZE2_SIM_HW_DATA, 0, 100, 7, 0}},
	 0,
	 0,
	 0,
	 {{"rx_no_time", 7}, {"rx_no_interface", 7}}},
	// errors of calls that pass
	{"lock fails", {{SZE2_SIM_LOCK, 0, 5, 3, ENOBUFS}}, 0, 0, 0, {{"rx_lock_errors", 3}}},
	{"lock: try again", {{SZE2_SIM_LOCK, 0, 5, 3, EAGAIN}}, 0, 0, 0, {{"rx_lock_errors", 0}}},
	{"unlock fails", {{SZE2_SIM_UNLOCK, 0, 5, 3, EBUSY}}, 0, 0, 0, {{"rx_unlock_errors", 3}}},
	{"lock and unlock fail",
	 {{SZE2_SIM_LOCK, 0, 5, 1, EPERM}, {SZE2_SIM_UNLOCK, 0, 5, 1, EPERM}},
	 0,
	 0,
	 0,
	 {{"rx_lock_errors", 1}, {"rx_unlock_errors", 1}}},
};

static struct sze2_sim_card script_card(const struct script *s)
{
	struct sze2_sim_card card = combo_card(combo_usual_trace());
	card.lock_frames = LOCK_FRAMES;
	card.label = SZE2_SIM_LABEL_SEQUENCE;
	card.hw_bytes = s->hw_bytes ? s->hw_bytes : 12;
	card.faults = s->faults;
	for (card.n_faults = 0; card.n_faults < RTE_DIM(s->faults); card.n_faults++) {
		const struct sze2_sim_fault *f = &s->faults[card.n_faults];
		if (f->what == 0 && f->at == 0)
			break;
	}
	return card;
}

static void test_each_fault_shows_its_counters(void **state)
{
	(void)state;
	for (unsigned i = 0; i < RTE_DIM(scripts); i++) {
		const struct script *s = &scripts[i];
		struct sze2_sim_card card = script_card(s);
		combo_add(&card);
		uint16_t port = combo_open(COMBO_ARGS ",label=sequence", 1);
		uint32_t n = combo_receive(port, UINT32_MAX, 33, NULL);
		struct rte_eth_stats stats = combo_stats(port);
		print_message("             %s\n", s->name);
		for (unsigned k = 0; k < RTE_DIM(s->expect) && s->expect[k].xstat; k++)
			if (dag_port_xstat(port, s->expect[k].xstat) != s->expect[k].value)
				fail_msg("%s: %s is %lu", s->name, s->expect[k].xstat,
					 dag_port_xstat(port, s->expect[k].xstat));
		assert_int_equal(stats.ierrors, s->errors);
		assert_int_equal(stats.ipackets, n);
		if (!s->expect[0].xstat || strcmp(s->expect[0].xstat, "rx_empty_frames") != 0) {
			assert_int_equal(stats.imissed, s->missed);
			assert_int_equal(n + stats.imissed + stats.ierrors, FRAMES);
		}
		assert_int_equal(combo_status().sent, FRAMES);
		assert_int_equal(rte_eth_dev_is_removed(port), 0);
		combo_finish(port);
	}
}

static uint64_t checksum;

static void add_bytes(const struct rte_mbuf *m, uint32_t n)
{
	(void)n;
	for (; m; m = m->next)
		for (uint32_t k = 0; k < m->data_len; k++)
			checksum = checksum * 31 + *rte_pktmbuf_mtod_offset(m, const uint8_t *, k);
}

static void same(const char *what, uint64_t driver, uint64_t reader)
{
	if (driver != reader)
		fail_msg("%s: the driver has %lu, a plain reader %lu", what, driver, reader);
}

/* The driver and a plain reader, each on a card of its own, see the same. */
static void compare_with_plain_reader(const struct sze2_sim_card *card)
{
	combo_add(card);
	const struct combo_reader r = combo_reader_run("/dev/" COMBO_CARD, 0);
	combo_remove();
	combo_add(card);
	uint16_t port = open_scattered(pool);
	checksum = 0;
	same("packets", combo_receive(port, UINT32_MAX, 64, add_bytes), r.packets);
	same("content", checksum, r.checksum);
	same("bytes", combo_stats(port).ibytes, r.bytes);
	same("zero", dag_port_xstat(port, "rx_zero_segments"), r.zero);
	same("bad size", dag_port_xstat(port, "rx_bad_sizes"), r.bad_size);
	same("bad hw", dag_port_xstat(port, "rx_bad_hw_sizes"), r.bad_hw);
	same("cut", dag_port_xstat(port, "rx_cut_segments"), r.cut);
	same("bad locks", dag_port_xstat(port, "rx_bad_locks"), r.bad_lock);
	same("resync", dag_port_xstat(port, "rx_resync_bytes"), r.resync_bytes);
	same("empty", dag_port_xstat(port, "rx_empty_frames"), r.empty);
	same("no time", dag_port_xstat(port, "rx_no_time"), r.no_time);
	same("bad time", dag_port_xstat(port, "rx_bad_time"), r.bad_time);
	same("interface", dag_port_xstat(port, "rx_no_interface"), r.no_interface);
	same("locks", dag_port_xstat(port, "rx_locks"), r.locks);
	combo_finish(port);
}

static void test_driver_agrees_with_a_plain_reader_on_each_fault(void **state)
{
	(void)state;
	for (unsigned i = 0; i < RTE_DIM(scripts); i++) {
		struct sze2_sim_card card = script_card(&scripts[i]);
		compare_with_plain_reader(&card);
	}
}

/* Any value in any field, at any place of the ring. */
static void test_driver_agrees_with_a_plain_reader_on_random_faults(void **state)
{
	(void)state;
	srand(5);
	for (int round = 0; round < 100; round++) {
		struct sze2_sim_fault faults[40];
		struct sze2_sim_card card = combo_card(combo_usual_trace());
		for (unsigned i = 0; i < RTE_DIM(faults); i++) {
			static const enum sze2_sim_what what[] = {
				SZE2_SIM_SIZE, SZE2_SIM_HW_SIZE, SZE2_SIM_HW_DATA,
				SZE2_SIM_NS,   SZE2_SIM_NO_TIME, SZE2_SIM_CUT};
			faults[i] = (struct sze2_sim_fault){
				.what = what[(unsigned)rand() % RTE_DIM(what)],
				.at = (uint64_t)rand() % 2000,
				.value = (uint32_t)rand() % (rand() % 3 ? 1000 : 70000)};
			if (faults[i].what == SZE2_SIM_HW_DATA)
				faults[i].value %= 40;
		}
		card.loop = 6;
		card.ring_bytes = 3000 + (uint64_t)rand() % 3000;
		card.lock_frames = (uint32_t)rand() % 20;
		card.faults = faults;
		card.n_faults = RTE_DIM(faults);
		compare_with_plain_reader(&card);
	}
}

/* A million frames (or HOMARD_SOAK_FRAMES of them), corrupt in places in a way that shows: the ledger
 * closes exactly. */
static void test_ledger_is_exact_over_a_million_frames(void **state)
{
	static const enum sze2_sim_what what[] = {SZE2_SIM_SIZE, SZE2_SIM_HW_SIZE, SZE2_SIM_CUT};
	static const uint32_t values[] = {0, 60000, 17};
	const char *soak = getenv("HOMARD_SOAK_FRAMES");
	const uint64_t rounds = soak ? strtoull(soak, NULL, 10) / 100000 + 1 : 10;
	uint64_t sent = 0, packets = 0, missed = 0, errors = 0;
	(void)state;
	for (uint64_t round = 0; round < rounds; round++) {
		struct sze2_sim_fault faults[64];
		struct sze2_sim_card card = combo_generated(100000);
		for (unsigned i = 0; i < RTE_DIM(faults); i++)
			faults[i] = (struct sze2_sim_fault){.what = what[i % 3],
							    .at = (uint64_t)rand() % 95000,
							    .value = values[i % 3]};
		card.ring_bytes = 100000 + (uint64_t)rand() % 1000;
		card.lock_frames = 50;
		card.label = SZE2_SIM_LABEL_SEQUENCE;
		card.faults = faults;
		card.n_faults = RTE_DIM(faults);
		combo_add(&card);
		uint16_t port = combo_open(COMBO_ARGS ",label=sequence", 1);
		combo_receive(port, UINT32_MAX, 64, NULL);
		sent += combo_status().sent;
		packets += combo_stats(port).ipackets;
		missed += combo_stats(port).imissed;
		errors += combo_stats(port).ierrors;
		combo_finish(port);
	}
	assert_int_equal(sent, rounds * 100000);
	assert_true(errors > rounds * 25);
	assert_int_equal(packets + missed + errors, sent);
}

static void test_locks_that_end_at_any_byte_are_counted(void **state)
{
	const uint32_t room = 16 + ((combo_len(105) + 7) & ~7u); // of segment 105
	(void)state;
	for (uint32_t cut = 1; cut < room; cut++) {
		const struct sze2_sim_fault fault = {SZE2_SIM_CUT, 0, 105, 0, cut};
		struct script s = {.name = "cut", .faults = {fault}};
		struct sze2_sim_card card = script_card(&s);
		combo_add(&card);
		uint16_t port = combo_open(COMBO_ARGS ",label=sequence", 1);
		uint32_t n = combo_receive(port, UINT32_MAX, 64, NULL);
		// only padding behind the frame may be missing
		uint32_t lost = cut < 16 + combo_len(105);
		assert_int_equal(n, FRAMES - lost);
		assert_int_equal(dag_port_xstat(port, "rx_cut_segments"), lost);
		combo_finish(port);
	}
}

/* --- times --- */

static uint64_t now_ns(void)
{
	struct timespec t;
	clock_gettime(CLOCK_REALTIME, &t);
	return (uint64_t)t.tv_sec * 1000000000 + (uint64_t)t.tv_nsec;
}

static void check_host_time(const struct rte_mbuf *m, uint32_t n)
{
	assert_int_equal(combo_timed(m), n != 3);
	if (n == 3)
		assert_in_range(dag_port_ts(m) / 1000000000, now_ns() / 1000000000 - 60,
				now_ns() / 1000000000 + 1);
	else
		assert_true(dag_port_ts(m) == COMBO_START + UINT64_C(1001) * n);
}

static void check_no_time(const struct rte_mbuf *m, uint32_t n)
{
	assert_int_equal(combo_timed(m), n != 3);
	assert_true(dag_port_ts(m) == (n == 3 ? 0 : COMBO_START + UINT64_C(1001) * n));
}

static void test_frames_without_a_time_get_the_hosts_unmarked(void **state)
{
	static const struct sze2_sim_fault faults[] = {{SZE2_SIM_NS, 0, 3, 0, 1000000000},
						       {SZE2_SIM_NO_TIME, 0, 3, 0, 0},
						       {SZE2_SIM_HW_DATA, 0, 3, 0, 8}};
	(void)state;
	for (unsigned i = 0; i < RTE_DIM(faults); i++)
		for (int host = 0; host < 2; host++) {
			struct sze2_sim_card card = combo_card(combo_usual_trace());
			card.faults = &faults[i];
			card.n_faults = 1;
			combo_add(&card);
			uint16_t port =
				combo_open(host ? COMBO_ARGS : COMBO_ARGS ",untimed=zero", 1);
			assert_int_equal(combo_receive(port, UINT32_MAX, 64,
						       host ? check_host_time : check_no_time),
					 COMBO_COUNT);
			combo_finish(port);
		}
}

/* --- cards that fail for good --- */

static unsigned events;

static int on_removal(uint16_t port, enum rte_eth_event_type type, void *arg, void *out)
{
	(void)port;
	(void)arg;
	(void)out;
	events += type == RTE_ETH_EVENT_INTR_RMV;
	return 0;
}

static void check_gone(const struct sze2_sim_fault *fault, uint32_t before, double seconds)
{
	struct sze2_sim_card card = combo_card(combo_usual_trace());
	struct rte_mbuf *pkts[COMBO_COUNT], *pkt;
	struct rte_eth_link link;
	card.loop = 0;
	card.lock_frames = 16;
	card.faults = fault;
	card.n_faults = 1;
	combo_add(&card);
	uint16_t port = combo_open(COMBO_ARGS, 1);
	events = 0;
	assert_int_equal(
		rte_eth_dev_callback_register(port, RTE_ETH_EVENT_INTR_RMV, on_removal, NULL), 0);
	uint32_t n = 0;
	uint64_t start = rte_get_tsc_cycles();
	while (!rte_eth_dev_is_removed(port)) {
		uint16_t got = rte_eth_rx_burst(port, 0, pkts, COMBO_COUNT);
		for (uint16_t k = 0; k < got; k++, n++)
			combo_check_frame(pkts[k], n % COMBO_COUNT);
		rte_pktmbuf_free_bulk(pkts, got);
	}
	double took = (double)(rte_get_tsc_cycles() - start) / (double)rte_get_tsc_hz();
	assert_int_equal(n, before);
	assert_true(took >= seconds && took < seconds + 20);
	for (int i = 0; i < 100; i++)
		assert_int_equal(rte_eth_rx_burst(port, 0, &pkt, 1), 0);
	assert_int_equal(events, 1);
	assert_int_equal(rte_eth_link_get_nowait(port, &link), 0);
	assert_int_equal(link.link_status, RTE_ETH_LINK_DOWN);
	rte_eth_dev_callback_unregister(port, RTE_ETH_EVENT_INTR_RMV, on_removal, NULL);
	combo_finish(port);
}

static void test_unplugged_card_is_told_once(void **state)
{
	static const int errors[] = {ENODEV, EIO, ENXIO};
	(void)state;
	for (unsigned i = 0; i < RTE_DIM(errors); i++) {
		check_gone(
			&(struct sze2_sim_fault){SZE2_SIM_UNPLUG, 0, 100, 0, (uint32_t)errors[i]},
			100, 0);
		check_gone(&(struct sze2_sim_fault){SZE2_SIM_UNLOCK, 0, 4, UINT32_MAX,
						    (uint32_t)errors[i]},
			   80, 0);
	}
}

static void test_error_that_stays_for_a_second_ends_the_queue(void **state)
{
	(void)state;
	check_gone(&(struct sze2_sim_fault){SZE2_SIM_LOCK, 0, 5, UINT32_MAX, ENOBUFS}, 64, 1);
	check_gone(&(struct sze2_sim_fault){SZE2_SIM_UNLOCK, 0, 4, UINT32_MAX, EBUSY}, 80, 1);
}

static void test_one_failing_channel_leaves_the_others(void **state)
{
	const struct sze2_sim_fault fault = {SZE2_SIM_UNPLUG, 1, 50, 0, EIO};
	struct rte_mbuf *pkts[64];
	uint64_t got[3] = {0};
	(void)state;
	struct sze2_sim_card card = combo_generated(10000);
	card.channels = 3;
	card.faults = &fault;
	card.n_faults = 1;
	combo_add(&card);
	uint16_t port = combo_open(COMBO_ARGS, 3);
	for (int round = 0; round < 1000; round++)
		for (uint16_t q = 0; q < 3; q++) {
			uint16_t n = rte_eth_rx_burst(port, q, pkts, 64);
			got[q] += n;
			rte_pktmbuf_free_bulk(pkts, n);
		}
	struct sze2_sim_status s = combo_status();
	assert_int_equal(got[1], 50);
	assert_int_equal(got[0] + got[1] + got[2] + s.channel[1].lost, 10000);
	assert_int_equal(s.channel[0].lost + s.channel[2].lost, 0);
	assert_int_equal(rte_eth_dev_is_removed(port), 1);
	combo_finish(port);
}

/* --- starts that fail --- */

static void check_start(const struct sze2_sim_fault *fault, int error)
{
	struct sze2_sim_card card = combo_card(combo_usual_trace());
	card.channels = 2;
	card.faults = fault;
	card.n_faults = 1;
	combo_add(&card);
	uint16_t port = dag_port_setup("net_combo6_t", COMBO_ARGS, 2, 64, pool);
	assert_int_equal(rte_eth_dev_start(port), error);
	assert_int_equal(combo_status().handles, 0); // the first queue has been stopped again
	assert_int_equal(rte_eth_dev_start(port), 0);
	rte_eth_dev_stop(port);
	combo_finish(port);
}

static void test_start_fails_when_nothing_is_granted(void **state)
{
	(void)state;
	check_start(&(struct sze2_sim_fault){SZE2_SIM_SUBSCRIBE, 1, 0, 0, 0}, -EBUSY);
	check_start(&(struct sze2_sim_fault){SZE2_SIM_SUBSCRIBE, 1, 0, 0, EPERM}, -EPERM);
	check_start(&(struct sze2_sim_fault){SZE2_SIM_START, 1, 0, 0, ENOMEM}, -ENOMEM);
	check_start(&(struct sze2_sim_fault){SZE2_SIM_LOCK, 1, 0, 0, EIO}, -EIO); // by the flush
}

static void test_second_port_on_a_channel_is_busy(void **state)
{
	struct sze2_sim_card card = combo_card(combo_usual_trace());
	(void)state;
	card.channels = 1;
	combo_add(&card);
	uint16_t one = dag_port_open("net_combo6_one", COMBO_ARGS, 1, 64, pool);
	uint16_t two = dag_port_setup("net_combo6_two", COMBO_ARGS, 1, 64, pool);
	assert_int_equal(rte_eth_dev_start(two), -EBUSY);
	assert_int_equal(combo_receive(one, UINT32_MAX, 64, NULL), COMBO_COUNT);
	assert_int_equal(rte_eth_dev_stop(one), 0);
	assert_int_equal(rte_eth_dev_start(two), 0);
	dag_port_close(two);
	combo_finish(one);
}

/* --- arguments and libraries --- */

static void test_wrong_device_arguments_are_refused(void **state)
{
	static const char *const wrong[] = {
		"lib=libsze2_sim.so",
		"lib=libsze2_sim.so,card=",
		"lib=libsze2_sim.so,card=eth0",
		"lib=libsze2_sim.so,card=szedataII",
		"lib=libsze2_sim.so,card=/dev/0",
		"lib=libsze2_sim.so,card=0:1",
		"lib=libsze2_sim.so,card=1", // no such card
		"lib=no_such_library.so,card=0",
		"lib=./libsze2_sim.so,card=0",
		"lib=/tmp/libsze2_sim.so,card=0",
		"lib=libm.so.6,card=0",      // not a libsze2
		"lib=libcut_sze2.so,card=0", // lacks a call
		"lib=,card=0",
		COMBO_ARGS ",colour=red",
		COMBO_ARGS ",card=0",
		COMBO_ARGS ",channels=[1]", // there is one only
		COMBO_ARGS ",channels=[0,0]",
		COMBO_ARGS ",channels=[0",
		COMBO_ARGS ",channels=[0]1",
		COMBO_ARGS ",channels=",
		COMBO_ARGS ",channels=32",
		COMBO_ARGS ",fcs=16",
		COMBO_ARGS ",keep_fcs=2",
		COMBO_ARGS ",label=mark",
		COMBO_ARGS ",label=",
		COMBO_ARGS ",untimed=0",
		COMBO_ARGS ",flush=yes",
		"lib=libsze2_sim.so,card=0,idle_us=1000001",
		"lib=libsze2_sim.so,card=0,idle_us=-1",
		COMBO_ARGS ",speed=fast",
	};
	struct sze2_sim_card card = combo_card(combo_usual_trace());
	(void)state;
	combo_add(&card);
	for (unsigned i = 0; i < RTE_DIM(wrong); i++)
		if (dag_port_probe("net_combo6_t", wrong[i]) >= 0)
			fail_msg("accepted: %s", wrong[i]);
	combo_remove(); // nothing has been left open
}

/* A library of before szedata_subscribe3() and the questions about areas; its cards are its own. */
static void test_old_library_works(void **state)
{
	char cards[128];
	FILE *f;
	(void)state;
	snprintf(cards, sizeof(cards), "%s/cards.json", folder);
	f = fopen(cards, "w");
	assert_non_null(f);
	fprintf(f, "{ \"szedataII0\": { \"trace\": \"usual.pcapng\", \"loop\": 3, \"channels\": 1 "
		   "} }");
	fclose(f);
	combo_usual_trace();
	setenv("SZE2_SIM_CARDS", cards, 1);
	uint16_t port = combo_open("lib=libold_sze2.so,card=0,idle_us=0", 1);
	assert_int_equal(combo_receive(port, UINT32_MAX, 64, NULL), 3 * COMBO_COUNT);
	dag_port_close(port);
	unsetenv("SZE2_SIM_CARDS");
	assert_int_equal(rte_mempool_in_use_count(pool), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_each_fault_shows_its_counters),
		cmocka_unit_test(test_driver_agrees_with_a_plain_reader_on_each_fault),
		cmocka_unit_test(test_driver_agrees_with_a_plain_reader_on_random_faults),
		cmocka_unit_test(test_ledger_is_exact_over_a_million_frames),
		cmocka_unit_test(test_locks_that_end_at_any_byte_are_counted),
		cmocka_unit_test(test_frames_without_a_time_get_the_hosts_unmarked),
		cmocka_unit_test(test_unplugged_card_is_told_once),
		cmocka_unit_test(test_error_that_stays_for_a_second_ends_the_queue),
		cmocka_unit_test(test_one_failing_channel_leaves_the_others),
		cmocka_unit_test(test_start_fails_when_nothing_is_granted),
		cmocka_unit_test(test_second_port_on_a_channel_is_busy),
		cmocka_unit_test(test_wrong_device_arguments_are_refused),
		cmocka_unit_test(test_old_library_works),
	};
	return combo_main(tests, RTE_DIM(tests));
}
