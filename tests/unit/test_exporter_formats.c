/* SPDX-License-Identifier: BSD-3-Clause */
/* Exporters of other formats than plain IPFIX, and over streams. */
#include "exporter_fake.h"

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
	hm_exporter_put(x, &six, 1, all_sides, now);
	put(5);
	hm_exporter_put(x, &six, 1, all_sides, now);
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
	hm_exporter_put(x, &r, 1, all_sides, now);
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
	hm_exporter_put(x, &both, 1, all_sides, now);
	hm_exporter_put(x, &both, 1, all_sides, now);
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
