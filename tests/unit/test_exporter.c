/* SPDX-License-Identifier: BSD-3-Clause */
#include <arpa/inet.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "exporter_fake.h"

/* --- statements --- */

static void test_exporter_sends_templates_before_the_first_data(void **state)
{
	(void)state;
	start();
	put(1000);
	poll_for(200 * MS);
	assert_int_equal(collector.seen[0].records, 0);
	assert_int_equal(collector.seen[1].records, PER_MSG);
	assert_int_equal(seen_records(), 1000);
	check_sequence();
	assert_true(hm_exporter_idle(x));
	assert_int_equal(balanced().templates, 1);
}

static void test_exporter_unfilled_message_leaves_after_a_while(void **state)
{
	(void)state;
	start();
	put(1);
	poll_for(50 * MS);
	assert_int_equal(collector.n, 0);
	assert_false(hm_exporter_idle(x));
	poll_for(60 * MS);
	assert_int_equal(seen_records(), 1);
}

static void test_exporter_biflow_becomes_a_record_a_direction_forward_first(void **state)
{
	const struct hm_flow_record r = {
		.key = {{.version = 6}}, .initiator = 1, .packets = {2, 3}};

	(void)state;
	start();
	hm_exporter_put(x, &r, 1, all_sides, now);
	poll_for(200 * MS);
	assert_int_equal(seen_records(), 2);
	assert_int_equal(balanced().offered, 2);
}

static void test_exporter_repeats_templates_by_time(void **state)
{
	(void)state;
	conf.template_interval_s = 2;
	start();
	for (unsigned i = 0; i < 100; i++) { // ten seconds
		put(1);
		poll_for(100 * MS);
	}
	assert_in_range(balanced().templates, 5, 6);
	check_sequence();
}

static void test_exporter_repeats_templates_by_messages(void **state)
{
	unsigned data = 0;

	(void)state;
	conf.template_packets = 10;
	start();
	put(100 * PER_MSG);
	poll_for(200 * MS);
	assert_int_equal(balanced().templates, 10);
	for (unsigned i = 0; i < collector.n; i++) {
		data = collector.seen[i].records ? data + 1 : 0;
		assert_true(data <= 10);
	}
	check_sequence();
}

static void test_exporter_busy_socket_is_tried_again(void **state)
{
	(void)state;
	start();
	collector.take = 0;
	put(1000);
	poll_for(200 * MS);
	assert_int_equal(balanced().queued, 1000);
	collector.take = 3; // part of a burst only
	poll_for(200 * MS);
	assert_int_equal(seen_records(), 1000);
	assert_int_equal(balanced().sent, 1000);
	check_sequence();
}

static void test_exporter_full_queue_loses_and_counts(void **state)
{
	struct hm_exporter_counts c;

	(void)state;
	conf.queue_messages = 32;
	start();
	collector.take = 0;
	put(1000);
	c = balanced();
	assert_int_equal(c.queued, 32 * PER_MSG);
	assert_int_equal(c.queue_full, 1000 - 32 * PER_MSG);
	assert_false(hm_exporter_room(x, 64));
	collector.take = 1000;
	poll_for(200 * MS);
	assert_int_equal(seen_records(), 32 * PER_MSG);
	check_sequence(); // lost before they were sent: no gap
}

static void test_exporter_smallest_queue_has_room_for_those_who_ask(void **state)
{
	(void)state;
	conf.queue_messages = 16;
	start();
	assert_true(hm_exporter_room(x, HM_EXPORTER_PUT_MAX));
}

static void test_exporter_room_is_kept_for_those_who_ask(void **state)
{
	unsigned n = 0;

	(void)state;
	conf.queue_messages = 64;
	start();
	collector.take = 0;
	while (hm_exporter_room(x, 64)) {
		struct hm_flow_record r[64];
		memset(r, 0, sizeof(r));
		for (unsigned i = 0; i < 64; i++) {
			r[i].key.version = i & 1 ? 4 : 6; // the worst mixture
			r[i].packets[0] = r[i].packets[1] = 1;
		}
		hm_exporter_put(x, r, 64, all_sides, now);
		n++;
	}
	assert_in_range(n, 2, 64);
	assert_int_equal(balanced().queue_full, 0);
}

static void test_exporter_refused_message_is_lost_and_data_waits(void **state)
{
	struct hm_exporter_counts c;

	(void)state;
	start();
	put(PER_MSG);
	poll_for(200 * MS);
	collector.refuse = -ECONNREFUSED;
	put(1000);
	poll_for(2 * SECOND);
	c = balanced();
	assert_int_equal(c.sent, PER_MSG);
	assert_int_equal(c.refused, PER_MSG); // what had been sent last
	assert_int_equal(c.queued, 1000);
	assert_in_range(c.send_errors, 5, 12); // probes, not a storm
}

static void test_exporter_returning_collector_gets_templates_then_data(void **state)
{
	unsigned before;

	(void)state;
	start();
	put(PER_MSG);
	poll_for(200 * MS);
	collector.refuse = -ECONNREFUSED;
	put(1000);
	poll_for(2 * SECOND);
	collector.refuse = 0;
	before = collector.n;
	poll_for(1 * SECOND);
	assert_int_equal(collector.seen[before].records, 0);
	assert_int_equal(collector.seen[before + 1].records, 0);
	assert_int_equal(collector.seen[before + 2].records, PER_MSG);
	assert_int_equal(seen_records(), PER_MSG + 1000);
	assert_true(hm_exporter_idle(x));
	balanced();
}

static void test_exporter_probe_that_is_refused_later_keeps_waiting(void **state)
{
	(void)state;
	start();
	collector.refuse = -ECONNREFUSED;
	put(100);
	poll_for(300 * MS);
	collector.refuse = 0;
	for (unsigned i = 0; i < 20; i++) { // the port is closed, and the answer takes its time
		collector.pending = -ECONNREFUSED;
		poll_for(100 * MS);
	}
	assert_int_equal(seen_records(), 0);
	assert_int_equal(balanced().queued, 100);
}

static void test_exporter_absent_collector_is_given_up_and_counted(void **state)
{
	struct hm_exporter_counts c;

	(void)state;
	start();
	collector.refuse = -ECONNREFUSED;
	put(1000);
	poll_for(HM_EXPORTER_PATIENCE_NS + SECOND);
	c = balanced();
	assert_int_equal(c.queued, 0);
	assert_int_equal(c.unreachable, 1000);
	assert_true(hm_exporter_idle(x));
	assert_true(hm_exporter_room(x, 64)); // nobody waits for it any more
	put(10);
	assert_int_equal(balanced().unreachable, 1010);
	collector.refuse = 0;
	poll_for(SECOND);
	put(10);
	poll_for(SECOND);
	assert_int_equal(seen_records(), 10);
}

static void test_exporter_finish_does_not_wait_for_an_absent_collector(void **state)
{
	(void)state;
	start();
	collector.refuse = -ECONNREFUSED;
	put(1000);
	poll_for(500 * MS);
	hm_exporter_finish(x, now);
	poll_for(1100 * MS);
	assert_true(hm_exporter_idle(x));
	assert_int_equal(balanced().unreachable, 1000);
}

static void test_exporter_no_route_is_tried_with_a_new_socket(void **state)
{
	(void)state;
	start();
	put(PER_MSG);
	poll_for(200 * MS);
	collector.refuse = -ENETUNREACH;
	put(PER_MSG);
	poll_for(200 * MS);
	collector.refuse = 0;
	collector.open_errno = ENETUNREACH;
	poll_for(SECOND);
	collector.open_errno = 0;
	poll_for(SECOND);
	assert_int_equal(collector.opened, 2);
	assert_int_equal(seen_records(), 2 * PER_MSG);
	assert_int_equal(balanced().refused, 0);
}

static void test_exporter_rate_limit_is_smooth(void **state)
{
	const unsigned per_ms = 300;
	unsigned before = 0;

	(void)state;
	conf.max_records_per_s = per_ms * 1000;
	start();
	put(150000);
	poll_for(MS);
	for (unsigned i = 0; i < 400; i++) {
		before = seen_records();
		poll_for(MS);
		assert_true(seen_records() - before <= 2 * per_ms + PER_MSG);
	}
	assert_in_range(seen_records(), 400 * per_ms - 2 * PER_MSG, 403 * per_ms);
	poll_for(200 * MS);
	assert_int_equal(seen_records(), 150000);
	check_sequence();
}

static void test_exporter_lowest_rate_limit_still_moves(void **state)
{
	(void)state;
	conf.max_records_per_s = 1;
	conf.mtu = 9216;
	start();
	put(600);
	poll_for(2000 * SECOND);
	assert_int_equal(seen_records(), 600);
}

/* A port that nobody has. */
static uint16_t closed_port(void)
{
	struct sockaddr_in a = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	socklen_t length = sizeof(a);
	int fd = socket(AF_INET, SOCK_DGRAM, 0);

	assert_int_equal(bind(fd, (struct sockaddr *)&a, sizeof(a)), 0);
	assert_int_equal(getsockname(fd, (struct sockaddr *)&a, &length), 0);
	close(fd);
	return ntohs(a.sin_port);
}

static void test_exporter_udp_closed_port_is_noticed(void **state)
{
	(void)state;
	conf.transport = &hm_transport_udp;
	strcpy(conf.to.host, "127.0.0.1");
	conf.to.port = closed_port();
	start();
	put(100 * PER_MSG);
	poll_for(500 * MS);
	assert_true(balanced().send_errors > 0);
	assert_true(balanced().queued > 0);
	hm_exporter_finish(x, now);
	poll_for(1100 * MS);
	assert_true(hm_exporter_idle(x));
	assert_int_equal(balanced().queued, 0);
}

#define CASE(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		CASE(test_exporter_sends_templates_before_the_first_data),
		CASE(test_exporter_unfilled_message_leaves_after_a_while),
		CASE(test_exporter_biflow_becomes_a_record_a_direction_forward_first),
		CASE(test_exporter_repeats_templates_by_time),
		CASE(test_exporter_repeats_templates_by_messages),
		CASE(test_exporter_busy_socket_is_tried_again),
		CASE(test_exporter_full_queue_loses_and_counts),
		CASE(test_exporter_smallest_queue_has_room_for_those_who_ask),
		CASE(test_exporter_room_is_kept_for_those_who_ask),
		CASE(test_exporter_refused_message_is_lost_and_data_waits),
		CASE(test_exporter_returning_collector_gets_templates_then_data),
		CASE(test_exporter_probe_that_is_refused_later_keeps_waiting),
		CASE(test_exporter_absent_collector_is_given_up_and_counted),
		CASE(test_exporter_finish_does_not_wait_for_an_absent_collector),
		CASE(test_exporter_no_route_is_tried_with_a_new_socket),
		CASE(test_exporter_rate_limit_is_smooth),
		CASE(test_exporter_lowest_rate_limit_still_moves),
		CASE(test_exporter_udp_closed_port_is_noticed),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
