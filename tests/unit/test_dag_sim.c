/* SPDX-License-Identifier: BSD-3-Clause */
/* The simulator by its libdag calls alone: errors of misuse, the card file, an independent walk. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "pmd_dag/sim/dag_sim.h"
#include "pmd_dag/sim/libdag.h"
#include "trace/erf.h"
#include "trace/generator.h"

#define PACKETS 1000

static char folder[] = "/tmp/test_dag_sim_XXXXXX";

static struct dag_sim_card traffic(struct hm_generator_conf *conf)
{
	struct dag_sim_card card = DAG_SIM_CARD_DEFAULTS;
	hm_generator_defaults(conf);
	conf->packets = PACKETS;
	card.generator = conf;
	return card;
}

static int add(const struct dag_sim_card *card)
{
	struct hm_error err = {0};
	int ret = dag_sim_card_add("dag0", card, &err);
	if (ret < 0)
		assert_true(err.text[0] != '\0');
	return ret;
}

static int open_card(const char *name)
{
	return dag_open((char *)(uintptr_t)name);
}

static int start(int fd, int stream)
{
	struct timeval none = {0};
	return dag_attach_stream64(fd, stream, 0, 0) ||
	       dag_set_stream_poll64(fd, stream, 0, &none, &none) || dag_start_stream(fd, stream);
}

static void test_names_are_parsed_in_all_forms(void **state)
{
	static const struct {
		const char *name, *path;
		int stream;
	} good[] = {
		{"dag0", "/dev/dag0", 0},
		{"dag0:2", "/dev/dag0", 2},
		{"/dev/dag12:4", "/dev/dag12", 4},
		{"0:0", "/dev/dag0", 0},
	};
	static const char *const bad[] = {
		"",        "dag",      "dag0,2", "dag0:", "dag0:x", "eth0",
		"dag0:2 ", "/dev/dag", "0",      "dagx",  "/dev/",  "dag99999"};
	char buf[256];
	int stream;
	(void)state;
	for (unsigned i = 0; i < sizeof(good) / sizeof(good[0]); i++) {
		assert_int_equal(dag_parse_name(good[i].name, buf, sizeof(buf), &stream), 0);
		assert_string_equal(buf, good[i].path);
		assert_int_equal(stream, good[i].stream);
	}
	for (unsigned i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		assert_true(dag_parse_name(bad[i], buf, sizeof(buf), &stream) < 0);
	assert_true(dag_parse_name("dag0", buf, 4, &stream) < 0);
}

static void test_misuse_fails_and_is_counted(void **state)
{
	struct hm_generator_conf conf;
	struct dag_sim_card card = traffic(&conf);
	struct dag_sim_status status;
	struct timeval t = {0};
	uint8_t *bottom = NULL, *top, types[255];
	uint64_t mindata;
	(void)state;
	assert_true(open_card("dag0") < 0);
	assert_int_equal(errno, ENOENT);
	assert_int_equal(add(&card), 0);
	assert_int_equal(add(&card), -EEXIST);
	int fd = open_card("dag0"), other = open_card("/dev/dag0:0");
	assert_true(fd >= 0 && other >= 0 && fd != other);
	assert_int_equal(dag_sim_card_remove("dag0"), -EBUSY);

	assert_int_equal(dag_rx_get_stream_count(fd), 1);
	assert_int_equal(dag_tx_get_stream_count(fd), 0);
	assert_true(dag_get_stream_buffer_size64(fd, 0) > 0); // without attaching
	assert_true(dag_get_stream_buffer_size64(fd, 1) < 0);
	assert_true(dag_get_stream_buffer_size64(fd, 2) < 0);
	assert_true(dag_get_stream_buffer_size64(fd, -2) < 0);
	assert_true(dag_rx_get_stream_count(-1) < 0);
	assert_true(dag_rx_get_stream_count(60000) < 0);
	assert_int_equal(errno, EBADF);

	assert_int_equal(dag_start_stream(fd, 0), -1); // not attached
	assert_int_equal(dag_stop_stream(fd, 0), -1);
	assert_int_equal(dag_detach_stream(fd, 0), -1);
	assert_int_equal(dag_attach_stream64(fd, 2, 0, 0), -1);
	assert_int_equal(errno, EINVAL);
	assert_int_equal(dag_attach_stream64(fd, 0, 0, 0), 0);
	assert_int_equal(dag_attach_stream64(other, 0, 0, 0), -1);
	assert_int_equal(errno, EBUSY);
	assert_int_equal(dag_attach_stream64(fd, 0, 0, 0), -1);
	assert_int_equal(errno, EBUSY);
	assert_int_equal(dag_start_stream(other, 0), -1); // attached by another
	assert_null(dag_advance_stream(fd, 0, &bottom));  // not started
	assert_int_equal(dag_set_stream_poll64(fd, 0, UINT64_MAX, &t, &t), -1);
	assert_int_equal(dag_set_stream_poll64(fd, 0, 0, &t, &t), 0);
	assert_int_equal(dag_get_stream_poll64(fd, 0, &mindata, &t, &t), 0);
	assert_int_equal(dag_start_stream(fd, 0), 0);
	assert_int_equal(dag_start_stream(fd, 0), -1);

	bottom = NULL;
	top = dag_advance_stream(fd, 0, &bottom);
	assert_ptr_equal(top, bottom);
	top = dag_advance_stream(fd, 0, &bottom);
	assert_true(top > bottom);
	uint8_t *past = top + 8;
	assert_null(dag_advance_stream(fd, 0, &past));
	past = bottom - 8;
	assert_null(dag_advance_stream(fd, 0, &past));
	assert_int_equal(dag_sim_card_status("dag0", &status), 0);
	assert_int_equal(status.violations, 3);
	assert_int_equal(dag_get_stream_erf_types(fd, 0, types, sizeof(types)), 1);
	assert_int_equal(types[0], HM_ERF_ETH);
	assert_int_equal(types[1], 0);
	assert_int_equal(dag_get_stream_erf_types(fd, 0, types, 1), -1);
	assert_int_equal(dag_set_mode(fd, 0, 0), 0);
	assert_int_equal(dag_set_mode(fd, 0, 1), -1);

	assert_int_equal(dag_close(fd), 0); // gives the stream up
	assert_int_equal(dag_close(fd), -1);
	assert_int_equal(dag_attach_stream64(other, 0, 0, 0), 0);
	assert_int_equal(dag_close(other), 0);
	assert_int_equal(dag_sim_card_remove("dag0"), 0);
	assert_int_equal(dag_sim_card_remove("dag0"), -ENOENT);
	assert_int_equal(dag_sim_card_start("dag0"), -ENOENT);
	assert_int_equal(dag_sim_card_pause("dag0"), -ENOENT);
	assert_int_equal(dag_sim_card_status("dag0", &status), -ENOENT);
}

// Walks records without the driver: the oracle for what it delivers.
static uint64_t walk(int fd, int stream, uint64_t *bytes, uint64_t want)
{
	uint8_t *bottom = NULL, *top;
	uint64_t packets = 0;
	for (int idle = 0; packets < want && idle < 200000;) {
		top = dag_advance_stream(fd, stream, &bottom);
		assert_non_null(top);
		if (top == bottom) {
			idle++;
			usleep(100);
		}
		while (bottom < top) {
			assert_true(top - bottom >= 16);
			uint32_t rlen = hm_erf_rlen(bottom);
			assert_true(rlen >= 16 && rlen <= top - bottom);
			assert_true(hm_erf_type(bottom) == HM_ERF_ETH ||
				    hm_erf_type(bottom) == HM_ERF_PAD);
			if (hm_erf_type(bottom) == HM_ERF_ETH) {
				packets++;
				*bytes += hm_erf_wirelen(hm_erf_wlen(bottom), 4);
			}
			bottom += rlen;
		}
	}
	dag_advance_stream(fd, stream, &bottom);
	return packets;
}

static void test_walk_without_driver_finds_the_generators_truth(void **state)
{
	(void)state;
	for (uint32_t preload = 0; preload <= 64; preload += 64) {
		struct hm_generator_conf conf;
		struct dag_sim_card card = traffic(&conf);
		struct dag_sim_status status;
		struct hm_trace_packet p;
		uint64_t bytes = 0;
		card.preload_mb = preload;
		card.buffer_mb = 2;
		card.loop = 3;
		card.poison = true;
		struct hm_generator *g = hm_generator_create(&conf);
		while (hm_generator_next(g, &p) == 1)
			;
		assert_int_equal(add(&card), 0);
		int fd = open_card("dag0");
		assert_int_equal(start(fd, 0), 0);
		assert_int_equal(walk(fd, 0, &bytes, 3 * PACKETS), 3 * PACKETS);
		assert_int_equal(bytes, 3 * hm_generator_truth(g)->bytes);
		for (int i = 0; i < 6000; i++) { // until the feeder has seen its end
			assert_int_equal(dag_sim_card_status("dag0", &status), 0);
			if (status.state == DAG_SIM_FINISHED)
				break;
			usleep(10000);
		}
		assert_int_equal(status.state, DAG_SIM_FINISHED);
		assert_int_equal(status.preloaded, preload > 0);
		assert_int_equal(status.violations, 0);
		assert_int_equal(status.laps, 3);
		hm_generator_destroy(g);
		assert_int_equal(dag_close(fd), 0);
		assert_int_equal(dag_sim_card_remove("dag0"), 0);
	}
}

#define FLOOR_STREAMS 3

struct floor_stream {
	const _Atomic uint64_t *floor;
	uint8_t *bottom;
	uint64_t packets, last;
};

static uint32_t number_of(const uint8_t *rec)
{
	assert_int_equal(rec[8], HM_ERF_ETH | HM_ERF_MORE);
	return hm_erf_be16(rec + 20) << 16 | hm_erf_be16(rec + 22);
}

// One look at a stream. What was below its floor does not come any more. True: something new came.
static bool look(int fd, uint32_t i, struct floor_stream *s)
{
	uint64_t floor = *s->floor;
	uint8_t *top = dag_advance_stream(fd, (int)i * 2, &s->bottom);
	bool more = top > s->bottom;
	assert_non_null(top);
	assert_true(*s->floor >= floor);
	for (uint8_t *rec = s->bottom; rec < top; rec += hm_erf_rlen(rec)) {
		if (hm_erf_type(rec) == HM_ERF_PAD)
			continue;
		assert_true(number_of(rec) >= floor);
		assert_true(s->packets == 0 || number_of(rec) > s->last);
		s->last = number_of(rec);
		s->packets++;
	}
	s->bottom = top;
	return more;
}

// Until nothing has come for a while.
static void look_at_all(int fd, uint32_t first, struct floor_stream *streams)
{
	for (int idle = 0; idle < 400;) {
		bool more = false;
		for (uint32_t i = first; i < FLOOR_STREAMS; i++)
			more |= look(fd, i, &streams[i]);
		idle = more ? 0 : idle + 1;
		if (!more)
			usleep(250);
	}
}

/* A reader that holds the first stream: the floors of the others pass what it holds, so that whoever
 * merges the streams can go on, even if the feeder waits for room in the first one. */
static void test_floors_of_other_streams_pass_a_stream_that_is_held(void **state)
{
	(void)state;
	for (uint32_t preload = 0; preload <= 64; preload += 64) {
		struct hm_generator_conf conf;
		struct dag_sim_card card = traffic(&conf);
		struct floor_stream streams[FLOOR_STREAMS] = {0};
		uint64_t packets = 0;
		conf.packets = 30000;
		card.streams = FLOOR_STREAMS;
		card.preload_mb = preload;
		card.buffer_mb = 2;
		card.loop = 2;
		assert_int_equal(add(&card), 0);
		int fd = open_card("dag0");
		for (uint32_t i = 0; i < FLOOR_STREAMS; i++) {
			assert_int_equal(start(fd, (int)i * 2), 0);
			streams[i].floor = dag_sim_stream_floor("dag0", i);
			assert_non_null(streams[i].floor);
		}
		assert_null(dag_sim_stream_floor("dag0", FLOOR_STREAMS));
		while (streams[0].packets == 0)
			look(fd, 0, &streams[0]);
		look_at_all(fd, 1, streams);
		for (uint32_t i = 1; i < FLOOR_STREAMS; i++)
			assert_true(*streams[i].floor > streams[0].last);
		look_at_all(fd, 0, streams);
		for (uint32_t i = 0; i < FLOOR_STREAMS; i++) {
			assert_true(*streams[i].floor == UINT64_MAX);
			packets += streams[i].packets;
		}
		assert_int_equal(packets, 60000);
		assert_int_equal(dag_close(fd), 0);
		assert_int_equal(dag_sim_card_remove("dag0"), 0);
	}
}

static void test_next_record_gives_one_at_a_time(void **state)
{
	struct hm_generator_conf conf;
	struct dag_sim_card card = traffic(&conf);
	unsigned n = 0, idle = 0;
	(void)state;
	assert_int_equal(add(&card), 0);
	int fd = open_card("dag0");
	assert_int_equal(start(fd, 0), 0);
	while (idle < 3) {
		uint8_t *rec = dag_rx_stream_next_record(fd, 0);
		if (!rec) {
			assert_int_equal(errno, EAGAIN);
			idle++;
		} else if (hm_erf_type(rec) == HM_ERF_ETH) {
			n++;
		}
	}
	assert_int_equal(n, PACKETS);
	assert_int_equal(dag_close(fd), 0);
	assert_int_equal(dag_sim_card_remove("dag0"), 0);
}

static void test_wrong_cards_are_refused(void **state)
{
	struct hm_generator_conf conf;
	struct hm_error err;
	(void)state;
	for (int i = 0; i < 9; i++) {
		struct dag_sim_card card = traffic(&conf);
		const char *name = "dag0";
		switch (i) {
		case 0:
			name = "eth0";
			break;
		case 1:
			card.streams = 33;
			break;
		case 2:
			card.streams = 0;
			break;
		case 3:
			card.fcs = 16;
			break;
		case 4:
			card.pace = -1;
			break;
		case 5:
			card.buffer_mb = 0;
			break;
		case 6:
			card.generator = NULL;
			break;
		case 7:
			card.path = "/no/such/trace";
			break;
		default:
			card.path = "/dev/null/x";
			break;
		}
		err.text[0] = '\0';
		assert_true(dag_sim_card_add(name, &card, &err) < 0);
		assert_true(err.text[0] != '\0');
	}
	assert_true(open_card("dag0") < 0);
}

static int open_from(const char *json)
{
	char path[64];
	snprintf(path, sizeof(path), "%s/cards.json", folder);
	FILE *f = fopen(path, "w");
	assert_non_null(f);
	fputs(json, f);
	fclose(f);
	setenv("DAG_SIM_CARDS", path, 1);
	int fd = open_card("dag0");
	unsetenv("DAG_SIM_CARDS");
	return fd;
}

static void test_card_file_is_read_strictly(void **state)
{
	static const char *const bad[] = {
		"",
		"[]",
		"{\"dag0\": 1}",
		"{\"dag0\": {}}",
		"{\"dag1\": {\"generator\": {\"packets\": 1}}}",
		"{\"dag0\": {\"generator\": {\"packets\": 1}, \"trace\": \"a\"}}",
		"{\"dag0\": {\"generator\": {\"packets\": 1}}, \"dag0\": {}}",
		"{\"dag0\": {\"generator\": {\"packets\": 1}, \"colour\": 1}}",
		"{\"dag0\": {\"generator\": {\"packets\": 1, \"colour\": 1}}}",
		"{\"dag0\": {\"generator\": {\"packets\": -1}}}",
		"{\"dag0\": {\"generator\": {\"packets\": 1}, \"loop\": \"1\"}}",
		"{\"dag0\": {\"generator\": {\"packets\": 1}, \"streams\": 33}}",
		"{\"dag0\": {\"generator\": {\"packets\": 1}, \"fcs\": 16}}",
		"{\"dag0\": {\"generator\": {\"packets\": 1}, \"pace\": \"fast\"}}",
		"{\"dag0\": {\"generator\": {\"packets\": 1}, \"pace\": \"x\"}}",
		"{\"dag0\": {\"generator\": {\"packets\": 1}, \"pace\": \"x0\"}}",
		"{\"dag0\": {\"generator\": {\"packets\": 1}, \"pace\": \"x2s\"}}",
		"{\"dag0\": {\"generator\": {\"packets\": 1}, \"pace\": 2}}",
		"{\"dag0\": {\"generator\": {\"packets\": 1}, \"poison\": 1}}",
		"{\"dag0\": {\"trace\": \"no-such-file.pcap\"}}",
		"{\"dag0\": {\"trace\": \"\"}}",
		"{\"dag0\": {\"generator\": {\"packets\": 1}}, \"dag1\": {\"loop\": -1}}",
	};
	(void)state;
	for (unsigned i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		if (open_from(bad[i]) >= 0)
			fail_msg("accepted: %s", bad[i]);
	uint64_t bytes = 0;
	int fd = open_from(
		"{\"dag0\": {\"generator\": {\"packets\": 500, \"seed\": 7, \"plant\": "
		"\"lobster\"}, \"pace\": \"max\", \"loop\": 2, \"streams\": 1, \"fcs\": 32,"
		" \"buffer_mb\": 4, \"preload_mb\": 16, \"poison\": false}}");
	assert_true(fd >= 0);
	assert_int_equal(start(fd, 0), 0);
	assert_int_equal(walk(fd, 0, &bytes, 1000), 1000);
	assert_int_equal(dag_close(fd), 0);
	assert_true(open_card("dag0") < 0); // gone with its last close
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_names_are_parsed_in_all_forms),
		cmocka_unit_test(test_misuse_fails_and_is_counted),
		cmocka_unit_test(test_walk_without_driver_finds_the_generators_truth),
		cmocka_unit_test(test_floors_of_other_streams_pass_a_stream_that_is_held),
		cmocka_unit_test(test_next_record_gives_one_at_a_time),
		cmocka_unit_test(test_wrong_cards_are_refused),
		cmocka_unit_test(test_card_file_is_read_strictly),
	};
	if (!mkdtemp(folder))
		return 1;
	int failed = cmocka_run_group_tests(tests, NULL, NULL);
	char path[64];
	snprintf(path, sizeof(path), "%s/cards.json", folder);
	unlink(path);
	rmdir(folder);
	return failed;
}
