/* SPDX-License-Identifier: BSD-3-Clause */
#include <arpa/inet.h>
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

#include "netflow/exporter.h"

#define MS      UINT64_C(1000000)
#define SECOND  (1000 * MS)
#define SEEN    100000
#define PER_MSG ((1400 - 48 - 20) / 54) // IPv4 records in a message

/* --- a transport that a test commands: refuses, is busy, cannot be opened, remembers --- */

struct seen {
	uint16_t records;            // 0: templates
	uint16_t templates, options; // sets of them
	uint32_t sequence;
};

static struct {
	struct seen seen[SEEN];
	uint64_t packets, octets; // of NetFlow 5
	unsigned n, opened;
	int refuse;  // negative errno of each send
	int pending; // what error() tells, once
	int open_errno;
	unsigned take;           // messages a call, 0: busy
	uint64_t unacknowledged; // bytes
} collector;

static struct hm_exporter_conf conf;

static uint32_t get32(const uint8_t *p)
{
	return (uint32_t)p[0] << 24 | (uint32_t)p[1] << 16 | (uint32_t)p[2] << 8 | p[3];
}

/* The sets behind the header: data records of the basic templates, and options. */
static void look_at_sets(struct seen *s, const uint8_t *p, uint32_t at, uint32_t length,
			 const uint16_t bytes[2])
{
	while (at < length) {
		uint32_t id = (uint32_t)p[at] << 8 | p[at + 1];
		uint32_t n = (uint32_t)p[at + 2] << 8 | p[at + 3];
		assert_in_range(n, 4, length - at);
		if (id == 256 || id == 257)
			s->records += (uint16_t)((n - 4) / bytes[id - 256]);
		s->templates += id == conf.format->template_set;
		s->options += id > 257;
		at += n;
	}
}

static void look_at(const struct iovec *v)
{
	static const uint16_t ipfix[] = {54, 78}, netflow9[] = {48, 72};
	const uint8_t *p = v->iov_base;
	struct seen *s = &collector.seen[collector.n++];
	uint32_t count = (uint32_t)p[2] << 8 | p[3], length = (uint32_t)v->iov_len;

	assert_true(collector.n < SEEN);
	switch (p[1]) {
	case 10:
		assert_int_equal(count, length);
		*s = (struct seen){.sequence = get32(p + 8)};
		look_at_sets(s, p, 16, length, ipfix);
		break;
	case 9:
		*s = (struct seen){.sequence = get32(p + 12)};
		look_at_sets(s, p, 20, length, netflow9);
		break;
	case 5:
		assert_int_equal(length, 24 + count * 48);
		*s = (struct seen){.sequence = get32(p + 16), .records = (uint16_t)count};
		for (uint32_t i = 0; i < count; i++) {
			collector.packets += get32(p + 24 + 48 * i + 16);
			collector.octets += get32(p + 24 + 48 * i + 20);
		}
		break;
	default:
		fail_msg("version %u", p[1]);
	}
}

static struct hm_connection *fake_open(const struct hm_endpoint *to)
{
	(void)to;
	if (collector.open_errno) {
		errno = collector.open_errno;
		return NULL;
	}
	collector.opened++;
	return (struct hm_connection *)&collector;
}

static int fake_send(struct hm_connection *c, const struct iovec *v, unsigned n)
{
	(void)c;
	if (collector.refuse)
		return collector.refuse;
	if (collector.take == 0)
		return -EAGAIN;
	if (n > collector.take)
		n = collector.take;
	for (unsigned i = 0; i < n; i++)
		look_at(&v[i]);
	return (int)n;
}

static int fake_error(struct hm_connection *c)
{
	int pending = collector.pending;

	(void)c;
	collector.pending = 0;
	return pending;
}

static void fake_close(struct hm_connection *c)
{
	(void)c;
}

static uint64_t fake_pending(struct hm_connection *c)
{
	(void)c;
	return collector.unacknowledged;
}

static bool fake_flush(struct hm_connection *c)
{
	(void)c;
	return true;
}

static const struct hm_transport fake = {
	.name = "fake",
	.overhead = 48,
	.open = fake_open,
	.send = fake_send,
	.error = fake_error,
	.pending = fake_pending,
	.flush = fake_flush,
	.close = fake_close,
};

static const struct hm_transport fake_stream = {
	.name = "fake stream",
	.overhead = 48,
	.stream = true,
	.open = fake_open,
	.send = fake_send,
	.error = fake_error,
	.pending = fake_pending,
	.flush = fake_flush,
	.close = fake_close,
};

static struct hm_exporter *x;
static uint64_t now;

static int set_up(void **state)
{
	(void)state;
	memset(&collector, 0, sizeof(collector));
	collector.take = 1000;
	hm_exporter_defaults(&conf);
	conf.transport = &fake;
	conf.tell = 0; // templates only
	now = 5 * SECOND;
	return 0;
}

static int tear_down(void **state)
{
	(void)state;
	hm_exporter_destroy(x);
	x = NULL;
	return 0;
}

static void start(void)
{
	x = hm_exporter_create(&conf);
	assert_non_null(x);
}

/* n data records of one direction. */
static void put(unsigned n)
{
	const struct hm_flow_record r = {.key = {{.version = 4}}, .packets = {1, 0}};

	for (unsigned i = 0; i < n; i++)
		hm_exporter_put(x, &r, 1, now);
}

static void poll_for(uint64_t ns)
{
	for (uint64_t end = now + ns; now < end; now += MS)
		hm_exporter_poll(x, now);
}

static struct hm_exporter_counts balanced(void)
{
	struct hm_exporter_counts c;

	hm_exporter_counts(x, &c);
	assert_int_equal(c.offered,
			 c.sent + c.queued + c.queue_full + c.unreachable + c.unsupported);
	assert_true(c.refused <= c.sent);
	return c;
}

static unsigned seen_records(void)
{
	unsigned n = 0;

	for (unsigned i = 0; i < collector.n; i++)
		n += collector.seen[i].records;
	return n;
}

/* Sequence numbers count the data records of the messages before. */
static void check_sequence(void)
{
	uint32_t sequence = 0;

	for (unsigned i = 0; i < collector.n; i++) {
		assert_int_equal(collector.seen[i].sequence, sequence);
		sequence += collector.seen[i].records;
	}
}

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
	hm_exporter_put(x, &r, 1, now);
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
	conf.queue_messages = 16;
	start();
	collector.take = 0;
	put(1000);
	c = balanced();
	assert_int_equal(c.queued, 16 * PER_MSG);
	assert_int_equal(c.queue_full, 1000 - 16 * PER_MSG);
	assert_false(hm_exporter_room(x, 64));
	collector.take = 1000;
	poll_for(200 * MS);
	assert_int_equal(seen_records(), 16 * PER_MSG);
	check_sequence(); // lost before they were sent: no gap
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
		hm_exporter_put(x, r, 64, now);
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

/* --- other formats --- */

static void test_exporter_netflow9_sequence_counts_messages(void **state)
{
	(void)state;
	conf.format = &hm_netflow9;
	conf.tell = HM_TELL_ALL;
	conf.template_packets = 7;
	start();
	put(1000);
	poll_for(200 * MS);
	assert_int_equal(seen_records(), 1000);
	assert_true(collector.seen[0].templates == 1 && collector.seen[0].records == 0);
	for (unsigned i = 0; i < collector.n; i++)
		assert_int_equal(collector.seen[i].sequence, i);
	assert_true(balanced().templates > 2);
}

static void test_exporter_netflow5_sequence_counts_records(void **state)
{
	(void)state;
	conf.format = &hm_netflow5;
	start();
	put(1000);
	poll_for(200 * MS);
	assert_int_equal(seen_records(), 1000);
	assert_int_equal(collector.seen[0].records, (1400 - 48 - 24) / 48);
	check_sequence();
	assert_int_equal(balanced().templates, 0);
}

static void test_exporter_netflow5_cannot_say_ipv6(void **state)
{
	const struct hm_flow_record six = {.key = {{.version = 6}}, .packets = {1, 1}};

	(void)state;
	conf.format = &hm_netflow5;
	start();
	hm_exporter_put(x, &six, 1, now);
	put(5);
	hm_exporter_put(x, &six, 1, now);
	poll_for(200 * MS);
	assert_int_equal(seen_records(), 5);
	assert_int_equal(balanced().unsupported, 4);
	assert_int_equal(balanced().offered, 9);
}

/* No byte is lost, though a record of NetFlow 5 cannot say that many. */
static void test_exporter_netflow5_large_counters_are_split(void **state)
{
	const struct hm_flow_record r = {.key = {{.version = 4}},
					 .packets = {10000000007, 3},
					 .bytes = {UINT64_C(15000000000000), 180}};

	(void)state;
	conf.format = &hm_netflow5;
	start();
	hm_exporter_put(x, &r, 1, now);
	poll_for(200 * MS);
	assert_int_equal(collector.packets, 10000000010);
	assert_int_equal(collector.octets, UINT64_C(15000000000180));
	assert_int_equal(balanced().sent, 2); // the ledger counts flow records
	assert_int_equal(balanced().data_records, 1 + 15000000000000 / UINT32_MAX + 1);
	check_sequence();
}

/* An absent collector is asked with messages that hold no record. */
static void test_exporter_netflow5_returning_collector_gets_the_data(void **state)
{
	(void)state;
	conf.format = &hm_netflow5;
	start();
	put(30);
	poll_for(200 * MS);
	collector.refuse = -ECONNREFUSED;
	put(100);
	poll_for(SECOND);
	assert_int_equal(balanced().queued, 100);
	collector.refuse = 0;
	poll_for(SECOND);
	assert_int_equal(seen_records(), 130);
	check_sequence();
}

static void test_exporter_ipfix_sequence_counts_options_too(void **state)
{
	uint32_t sequence = 0;

	(void)state;
	conf.tell = HM_TELL_STATISTICS; // three records in each announcement
	conf.template_packets = 5;
	start();
	put(1000);
	poll_for(200 * MS);
	assert_int_equal(seen_records(), 1000);
	for (unsigned i = 0; i < collector.n; i++) {
		assert_int_equal(collector.seen[i].sequence, sequence);
		sequence += collector.seen[i].records + (collector.seen[i].options ? 3 : 0);
	}
	assert_true(balanced().templates > 2);
}

static void test_exporter_biflow_is_one_record_and_two_in_the_ledger(void **state)
{
	const struct hm_flow_record both = {.key = {{.version = 4}}, .packets = {1, 2}};

	(void)state;
	conf.layout.biflow = true;
	start();
	hm_exporter_put(x, &both, 1, now);
	hm_exporter_put(x, &both, 1, now);
	poll_for(200 * MS);
	assert_int_equal(balanced().sent, 4);
	assert_int_equal(balanced().data_records, 2);
	assert_int_equal(collector.seen[1].options, 1); // a set of template 258
}

/* --- streams --- */

static void test_exporter_stream_sends_templates_once_a_connection(void **state)
{
	unsigned templates = 0, first = 0;

	(void)state;
	conf.transport = &fake_stream;
	conf.tell = HM_TELL_STATISTICS;
	conf.template_packets = 5;
	start();
	put(1000);
	poll_for(200 * MS);
	for (unsigned i = 0; i < collector.n; i++)
		templates += collector.seen[i].templates;
	assert_int_equal(templates, 1);
	assert_true(balanced().templates > 2); // the options go on
	first = collector.n;
	collector.refuse = -ECONNRESET;
	put(100);
	poll_for(200 * MS);
	collector.refuse = 0;
	poll_for(SECOND);
	assert_int_equal(seen_records(), 1100);
	assert_int_equal(collector.opened, 2);
	assert_int_equal(collector.seen[first].templates, 1);
	assert_int_equal(collector.seen[first].sequence, 0); // a new transport session
}

static void test_exporter_stream_that_breaks_loses_what_was_not_acknowledged(void **state)
{
	struct hm_exporter_counts c;

	(void)state;
	conf.transport = &fake_stream;
	start();
	put(10 * PER_MSG);
	poll_for(200 * MS);
	collector.unacknowledged = 2 * (20 + PER_MSG * 54) + 1; // two messages and a bit of a third
	collector.refuse = -EPIPE;
	put(PER_MSG);
	poll_for(200 * MS);
	c = balanced();
	assert_int_equal(c.sent, 10 * PER_MSG);
	assert_int_equal(c.refused, 3 * PER_MSG);
	assert_int_equal(c.queued, PER_MSG);
	collector.unacknowledged = 1000000; // more than this connection ever had: none counts twice
	poll_for(5 * SECOND);
	assert_int_equal(balanced().refused, 3 * PER_MSG);
}

/* A collector that keeps the line and reads nothing holds nobody up for ever. */
static void test_exporter_stream_that_stands_still_is_given_up(void **state)
{
	(void)state;
	conf.transport = &fake_stream;
	start();
	put(PER_MSG);
	poll_for(200 * MS);
	collector.take = 0;
	put(1000);
	poll_for(9 * SECOND);
	assert_int_equal(balanced().queued, 1000);
	poll_for(15 * SECOND);
	assert_int_equal(balanced().unreachable, 1000);
	assert_true(hm_exporter_room(x, 64)); // nobody waits for it
	collector.take = 1000;
	poll_for(SECOND);
	put(7);
	poll_for(SECOND);
	assert_int_equal(balanced().sent, PER_MSG + 7);
}

static void test_exporter_stream_that_stands_still_does_not_hold_up_the_end(void **state)
{
	(void)state;
	conf.transport = &fake_stream;
	start();
	collector.take = 0;
	put(1000);
	poll_for(200 * MS);
	hm_exporter_finish(x, now);
	poll_for(3 * SECOND);
	assert_true(hm_exporter_idle(x));
	assert_int_equal(balanced().unreachable, 1000);
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
		CASE(test_exporter_netflow9_sequence_counts_messages),
		CASE(test_exporter_netflow5_sequence_counts_records),
		CASE(test_exporter_netflow5_cannot_say_ipv6),
		CASE(test_exporter_netflow5_large_counters_are_split),
		CASE(test_exporter_netflow5_returning_collector_gets_the_data),
		CASE(test_exporter_ipfix_sequence_counts_options_too),
		CASE(test_exporter_biflow_is_one_record_and_two_in_the_ledger),
		CASE(test_exporter_stream_sends_templates_once_a_connection),
		CASE(test_exporter_stream_that_breaks_loses_what_was_not_acknowledged),
		CASE(test_exporter_stream_that_stands_still_is_given_up),
		CASE(test_exporter_stream_that_stands_still_does_not_hold_up_the_end),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
