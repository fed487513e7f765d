/* SPDX-License-Identifier: BSD-3-Clause */
/* The simulated COMBO card by libsze2's calls alone: what it grants, covers, loses, and calls wrong. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "combo_reader.h"
#include "pmd_dag/sim_sze2/sze2_sim.h"
#include "trace/generator.h"

#define CARD "szedataII7"
#define NODE "/dev/" CARD

static struct hm_generator_conf traffic;

static struct sze2_sim_card card_of(uint64_t packets)
{
	struct sze2_sim_card card = SZE2_SIM_CARD_DEFAULTS;
	hm_generator_defaults(&traffic);
	traffic.packets = packets;
	traffic.start_ns = UINT64_C(1700000000500000000);
	card.generator = &traffic;
	return card;
}

static void add(const struct sze2_sim_card *card)
{
	struct hm_error err = {0};
	if (sze2_sim_card_add(CARD, card, &err) < 0)
		fail_msg("%s", err.text);
}

static struct sze2_sim_status status(void)
{
	struct sze2_sim_status s;
	assert_int_equal(sze2_sim_card_status(CARD, &s), 0);
	return s;
}

static void finish(uint64_t violations)
{
	assert_int_equal(status().violations, violations);
	assert_int_equal(sze2_sim_card_remove(CARD), 0);
}

static struct szedata *take(uint32_t channels)
{
	uint32_t rx = channels, tx = 0;
	struct szedata *h = szedata_open(NODE);
	assert_non_null(h);
	assert_int_equal(szedata_subscribe3(h, &rx, &tx), 0);
	assert_int_equal(rx, channels);
	assert_int_equal(szedata_start(h), 0);
	assert_null(szedata_rx_lock_data(h, ~0u)); // just started: nothing yet
	return h;
}

static void test_segments_hold_the_frames_of_the_source(void **state)
{
	struct sze2_sim_card card = card_of(1000);
	struct hm_trace_packet p;
	(void)state;
	card.ring_bytes = 50001;
	add(&card);
	struct hm_generator *g = hm_generator_create(&traffic);
	struct szedata *h = take(1);
	const struct szedata_lock *l;
	uint64_t n = 0;
	while ((l = szedata_rx_lock_data(h, 1)) != NULL) {
		uint64_t end = l->len + (l->next ? (uint64_t)l->next->len : 0), pos = 0;
		for (; pos < end; n++) {
			uint64_t size = combo_reader_number(l, pos, 2);
			assert_int_equal(hm_generator_next(g, &p), 1);
			assert_int_equal(size, 16 + p.caplen);
			assert_int_equal(combo_reader_number(l, pos + 2, 2), 12);
			assert_int_equal(combo_reader_number(l, pos + 4, 1), p.ifindex);
			assert_int_equal(combo_reader_number(l, pos + 8, 4), p.ts_ns % 1000000000);
			assert_int_equal(combo_reader_number(l, pos + 12, 4), p.ts_ns / 1000000000);
			for (uint32_t k = 0; k < p.caplen; k++)
				assert_int_equal(combo_reader_byte(l, pos + 16 + k), p.data[k]);
			pos += (size + 7) & ~UINT64_C(7);
		}
		assert_int_equal(szedata_rx_unlock_data(h, l), 0);
	}
	assert_int_equal(n, 1000);
	assert_true(status().finished);
	hm_generator_destroy(g);
	szedata_close(h);
	finish(0);
}

static void test_released_memory_is_poisoned(void **state)
{
	struct sze2_sim_card card = card_of(1000);
	(void)state;
	add(&card);
	struct szedata *h = take(1);
	const struct szedata_lock *l = szedata_rx_lock_data(h, 1);
	assert_non_null(l);
	const uint8_t *bytes = l->start;
	uint32_t len = l->len;
	assert_int_not_equal(bytes[0], 0xde);
	assert_int_equal(szedata_rx_unlock_data(h, l), 0);
	for (uint32_t i = 0; i < len; i++)
		assert_int_equal(bytes[i], 0xde);
	szedata_close(h);
	finish(0);
}

static void read_over_the_end(void)
{
	struct szedata *h = take(1);
	const struct szedata_lock *l;
	// the first lock of which the ring's end cuts the second region off
	while ((l = szedata_rx_lock_data(h, 1)) != NULL && !l->next)
		szedata_rx_unlock_data(h, l);
	if (l)
		_exit(((volatile const uint8_t *)l->start)[l->len] == 0 ? 1 : 2);
	_exit(3);
}

static void test_reading_over_the_end_faults(void **state)
{
	struct sze2_sim_card card = card_of(1000);
	int how;
	(void)state;
	card.ring_bytes = 50001;
	add(&card);
	pid_t child = fork();
	if (child == 0) {
		signal(SIGSEGV, SIG_DFL); // not a sanitizer's
		read_over_the_end();
	}
	assert_int_equal(waitpid(child, &how, 0), child);
	assert_true(WIFSIGNALED(how));
	assert_int_equal(WTERMSIG(how), SIGSEGV);
	finish(0);
}

static void test_only_free_channels_are_granted(void **state)
{
	struct sze2_sim_card card = card_of(100);
	uint32_t rx = ~0u, tx = 0;
	(void)state;
	card.channels = 3;
	add(&card);
	struct szedata *first = take(2), *second = szedata_open("szedataII7");
	assert_int_equal(szedata_ifaces_available(second, SZE2_DIR_RX), 3);
	assert_int_equal(szedata_subscribe3(second, &rx, &tx), 0);
	assert_int_equal(rx, 5);
	rx = 7;
	assert_int_equal(szedata_subscribe3(second, &rx, &tx), -EINVAL);
	assert_int_equal(rx, 0);
	szedata_close(first);
	rx = 7;
	assert_int_equal(szedata_subscribe3(second, &rx, &tx), 0);
	assert_int_equal(rx, 2);
	szedata_close(second);
	finish(0);
}

static void test_wrong_calls_are_counted(void **state)
{
	struct sze2_sim_card card = card_of(100);
	uint32_t rx = 0, tx = 0;
	unsigned len;
	(void)state;
	add(&card);
	struct szedata *h = szedata_open(NODE);
	assert_int_equal(szedata_start(h), EINVAL);                // nothing subscribed
	assert_int_equal(szedata_subscribe3(h, &rx, &tx), EINVAL); // both masks zero
	szedata_close(h);
	h = take(1);
	assert_int_equal(szedata_rx_unlock_data(h, NULL), EINVAL); // no lock
	assert_non_null(szedata_rx_lock_data(h, 1));
	assert_null(szedata_rx_lock_data(h, 1)); // a second one
	assert_null(szedata_read_next(h, &len)); // ends the process in the real library
	assert_int_equal(errno, ENOSYS);
	assert_int_equal(status().violations, 5);
	assert_null(szedata_tx_lock_data(h, 64, 0));
	assert_int_equal(errno, ENOSYS);
	assert_int_equal(szedata_burst_write_flush(h, 0), -1);
	szedata_close(h);
	assert_null(szedata_rx_lock_data(h, 1)); // closed
	assert_int_equal(errno, EBADF);
	finish(5);
}

static void test_what_finds_no_room_is_lost_and_counted(void **state)
{
	struct sze2_sim_card card = card_of(100000);
	(void)state;
	card.ring_bytes = 20000;
	card.arrive = 1000;
	add(&card);
	struct combo_reader r = combo_reader_run(NODE, 0);
	struct sze2_sim_status s = status();
	assert_int_equal(s.sent, 100000);
	assert_true(s.lost > 50000);
	assert_int_equal(r.packets, s.written);
	assert_int_equal(s.sent, s.written + s.lost);
	finish(0);
}

static void test_pace_follows_the_timestamps(void **state)
{
	struct sze2_sim_card card = card_of(1000); // 10 ms
	struct timespec a, b;
	(void)state;
	card.pace = 0.1;
	add(&card);
	struct szedata *h = take(1);
	clock_gettime(CLOCK_MONOTONIC, &a);
	while (!status().finished) {
		const struct szedata_lock *l = szedata_rx_lock_data(h, 1);
		if (l)
			szedata_rx_unlock_data(h, l);
	}
	clock_gettime(CLOCK_MONOTONIC, &b);
	double took = (double)(b.tv_sec - a.tv_sec) + (double)(b.tv_nsec - a.tv_nsec) * 1e-9;
	assert_true(took > 0.098 && took < 10);
	szedata_close(h);
	finish(0);
}

static void test_preloaded_ring_is_shown_again(void **state)
{
	struct sze2_sim_card card = card_of(500);
	short events = POLLIN;
	(void)state;
	card.loop = 40;
	card.preload = true;
	card.poison = false;
	add(&card);
	struct szedata *h = take(1);
	assert_int_equal(szedata_poll(h, &events, 0), 1);
	assert_int_equal(events, POLLIN);
	szedata_close(h);
	struct combo_reader r = combo_reader_run(NODE, 0);
	assert_int_equal(r.packets, 20000);
	assert_int_equal(r.zero + r.bad_size + r.bad_hw + r.cut + r.no_time, 0);
	assert_int_equal(status().sent, 20000);
	finish(0);
}

static void test_wrong_cards_are_refused_with_a_reason(void **state)
{
	static const struct {
		const char *json, *why;
	} wrong[] = {
		{"{", "line 1"},
		{"{}", "there is no card"},
		{"{\"szedataII3\": 5}", "Expected object"},
		{"{\"szedataII3\": {}}", "either a trace or a generator"},
		{"{\"szedataII3\": {\"trace\": \"no.pcap\"}}", "no.pcap"},
		{"{\"szedataII3\": {\"generator\": {}, \"color\": 1}}", "color"},
		{"{\"szedataII3\": {\"generator\": {\"speed\": 1}}}", "speed"},
		{"{\"szedataII3\": {\"generator\": {\"seed\": -1}}}", "generator.seed"},
		{"{\"szedataII3\": {\"generator\": {}, \"channels\": 33}}", "channels"},
		{"{\"szedataII3\": {\"generator\": {}, \"channels\": 0}}", "channels"},
		{"{\"szedataII3\": {\"generator\": {}, \"ring_kb\": 0}}", "ring"},
		{"{\"szedataII3\": {\"generator\": {}, \"hw_bytes\": 256}}", "hw_bytes"},
		{"{\"szedataII3\": {\"generator\": {}, \"pace\": \"fast\"}}", "pace"},
		{"{\"szedataII3\": {\"generator\": {}, \"label\": \"mark\"}}", "label"},
		{"{\"szedataII3\": {\"generator\": {}, \"fcs\": 16}}", "fcs"},
		{"{\"szedataII3\": {\"generator\": {}, \"preload\": true}}", "preload"},
		{"{\"szedataII3\": {\"generator\": {}, \"faults\": 1}}", "faults"},
		{"{\"szedataII3\": {\"generator\": {}, \"faults\": [{\"what\": \"fire\"}]}}",
		 "faults.what"},
		{"{\"szedataII3\": {\"generator\": {}, \"faults\": [{\"what\": \"cut\", "
		 "\"channel\": 1}]}}",
		 "no such channel"},
	};
	char path[] = "/tmp/test_sze2_XXXXXX", said[1024];
	(void)state;
	int fd = mkstemp(path), err = dup(2), log[2];
	assert_true(fd >= 0 && err >= 0);
	assert_int_equal(pipe(log), 0);
	setenv("SZE2_SIM_CARDS", path, 1);
	for (unsigned i = 0; i < sizeof(wrong) / sizeof(*wrong); i++) {
		assert_int_equal(ftruncate(fd, 0), 0);
		assert_int_equal(pwrite(fd, wrong[i].json, strlen(wrong[i].json), 0),
				 strlen(wrong[i].json));
		dup2(log[1], 2);
		struct szedata *h = szedata_open("/dev/szedataII3");
		dup2(err, 2);
		assert_null(h);
		ssize_t n = read(log[0], said, sizeof(said) - 1);
		assert_true(n > 0);
		said[n] = '\0';
		if (!strstr(said, wrong[i].why) || !strstr(said, "sze"))
			fail_msg("%s: %s", wrong[i].json, said);
	}
	unsetenv("SZE2_SIM_CARDS");
	unlink(path);
	close(fd);
	close(err);
	close(log[0]);
	close(log[1]);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_segments_hold_the_frames_of_the_source),
		cmocka_unit_test(test_released_memory_is_poisoned),
		cmocka_unit_test(test_reading_over_the_end_faults),
		cmocka_unit_test(test_only_free_channels_are_granted),
		cmocka_unit_test(test_wrong_calls_are_counted),
		cmocka_unit_test(test_what_finds_no_room_is_lost_and_counted),
		cmocka_unit_test(test_pace_follows_the_timestamps),
		cmocka_unit_test(test_preloaded_ring_is_shown_again),
		cmocka_unit_test(test_wrong_cards_are_refused_with_a_reason),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
