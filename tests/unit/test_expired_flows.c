/* SPDX-License-Identifier: BSD-3-Clause */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "function_harness.h"

#define N     6000
#define PORTS 400
#define S     UINT64_C(1000000000)
#define BEGIN (UINT64_C(1147651200) * S)

static uint8_t bytes[N][64];
static struct frame frames[N];
static bool passed[N];

/* What is left of a flow when it is over; `packets` 0: none. */
struct expected {
	uint64_t first_ns, last_ns, packets, bytes;
	unsigned port, ttl;
};

static struct expected expected[N];
static unsigned n_expected;

/* Flows by source port, with silences of up to 70 s in some; the TTL changes. */
static void make_frames(void)
{
	uint64_t x = 1, ts = BEGIN;

	for (unsigned i = 0; i < N; i++) {
		x = x * UINT64_C(6364136223846793005) + 1442695040888963407;
		ts += (x >> 40) % (i % 100 == 0 ? 20 * S : 10000000);
		frames[i] = (struct frame){
			.data = bytes[i],
			.caplen = harness_udp(bytes[i],
					      (uint16_t)((x >> 33) % (1 + (x >> 45) % PORTS)), 53,
					      "", 0),
			.wirelen = 100 + i % 50,
			.ts_ns = ts};
		bytes[i][22] = (uint8_t)(64 + i % 3);
	}
}

/* Every flow with its own silences, one after the other. */
static void expect_all(uint64_t idle_ns)
{
	n_expected = 0;
	for (unsigned port = 0; port < PORTS; port++) {
		struct expected *e = NULL;

		for (unsigned i = 0; i < N; i++) {
			if ((unsigned)(bytes[i][34] << 8 | bytes[i][35]) != port)
				continue;
			if (!e || frames[i].ts_ns - e->last_ns > idle_ns) {
				e = &expected[n_expected++];
				*e = (struct expected){.first_ns = frames[i].ts_ns,
						       .port = port,
						       .ttl = bytes[i][22]};
			}
			e->last_ns = frames[i].ts_ns;
			e->packets++;
			e->bytes += frames[i].wirelen;
		}
	}
}

static json_int_t number(const json_t *record, const char *key)
{
	const json_t *value = json_object_get(record, key);

	return json_is_string(value) ? strtoll(json_string_value(value), NULL, 10)
				     : json_integer_value(value);
}

static void drain(struct harness *h)
{
	while (!h->f->drain(h->core))
		;
}

/* Each is there once; returns how many records. */
static size_t check_records(const json_t *records, uint64_t min_packets)
{
	size_t n = 0;

	for (unsigned k = 0; k < n_expected; k++) {
		const struct expected *e = &expected[k];
		const json_t *record;
		unsigned found = 0;
		size_t i;

		json_array_foreach (records, i, record) {
			if (number(record, "sport") != e->port ||
			    (uint64_t)number(record, "ts_ns") != e->first_ns)
				continue;
			found++;
			assert_int_equal(number(record, "packets_count"), e->packets);
			assert_int_equal(number(record, "bytes_count"), e->bytes);
			assert_int_equal(number(record, "last_ns"), e->last_ns);
			assert_int_equal(number(record, "dport"), 53);
			assert_int_equal(number(record, "ptcl"), 17);
			assert_int_equal(number(record, "ttl_pkt1"), e->ttl);
			assert_string_equal(json_string_value(json_object_get(record, "saddr")),
					    "192.0.2.1");
			assert_string_equal(json_string_value(json_object_get(record, "daddr")),
					    "192.0.2.2");
		}
		assert_int_equal(found, e->packets >= min_packets);
		n += found;
	}
	return n;
}

static void test_expired_flows_are_each_handed_out_once_any_batch_size(void **state)
{
	static const struct {
		const char *args;
		uint64_t idle_s, min_packets;
	} cases[] = {
		{"[10000, 0, 0]", 30, 0},
		{"[10000, 5, 10]", 30, 10},
		{"[10000, 0, 1, {\"idle_s\": 5, \"flows\": 2000}]", 5, 1},
	};

	(void)state;
	for (unsigned i = 0; i < 3; i++)
		for (unsigned batch = 1; batch <= 64; batch += 21) {
			struct hm_error err;
			struct harness h;
			json_t *records;

			assert_int_equal(harness_open(&h, "EXPIRED_FLOWS", cases[i].args, &err), 0);
			harness_run(&h, frames, N, batch, false, passed);
			drain(&h);
			records = harness_take(&h, N);
			expect_all(cases[i].idle_s * S);
			assert_int_equal(json_array_size(records),
					 check_records(records, cases[i].min_packets));
			assert_true(json_array_size(records) > 100);
			json_decref(records);
			harness_close(&h);
		}
}

static void expect_tally(const json_t *stats, const char *key, uint64_t flows, uint64_t packets)
{
	assert_int_equal(number(stats, key), flows);
	assert_int_equal(number(json_object_get(stats, "packets"), key), packets);
}

static void read_all(struct harness *h, json_t **records, json_t **stats)
{
	*records = harness_take(h, N);
	h->f->taken(h->conf, &h->core, 1);
	*stats = harness_stats(h);
}

static void test_expired_flows_statistics_are_of_the_time_between_reads(void **state)
{
	uint64_t ignored = 0, ignored_packets = 0;
	json_t *records, *stats;
	struct hm_error err;
	struct harness h;

	(void)state;
	assert_int_equal(harness_open(&h, "EXPIRED_FLOWS", "[10000, 0, 5]", &err), 0);
	harness_run(&h, frames, 10, 64, false, passed);
	read_all(&h, &records, &stats);
	assert_int_equal(number(json_object_get(stats, "packets"), "received"), 10);
	expect_tally(stats, "sent", 0, 0);
	assert_int_equal(number(stats, "open"), number(stats, "received"));
	json_decref(records);
	json_decref(stats);

	harness_run(&h, frames + 10, N - 10, 64, false, passed);
	drain(&h);
	expect_all(30 * S);
	for (unsigned i = 0; i < n_expected; i++)
		if (expected[i].packets < 5) {
			ignored++;
			ignored_packets += expected[i].packets;
		}
	read_all(&h, &records, &stats);
	expect_tally(stats, "expired", n_expected, N);
	expect_tally(stats, "ignored", ignored, ignored_packets);
	expect_tally(stats, "sent", n_expected - ignored, N - ignored_packets);
	expect_tally(stats, "lost", 0, 0);
	assert_int_equal(number(json_object_get(stats, "packets"), "received"), N - 10);
	assert_int_equal(number(stats, "open"), 0);
	json_decref(records);
	json_decref(stats);

	read_all(&h, &records, &stats);
	assert_int_equal(json_array_size(records), 0);
	expect_tally(stats, "sent", 0, 0);
	expect_tally(stats, "expired", 0, 0);
	json_decref(records);
	json_decref(stats);
	harness_close(&h);
}

static void test_expired_flows_full_lose_records_and_count_them(void **state)
{
	json_t *records, *stats;
	struct hm_error err;
	struct harness h;

	(void)state;
	assert_int_equal(harness_open(&h, "EXPIRED_FLOWS", "[50, 14, 0]", &err), 0);
	harness_run(&h, frames, N, 64, false, passed);
	drain(&h);
	read_all(&h, &records, &stats);
	expect_all(30 * S);
	assert_int_equal(json_array_size(records), 64);
	assert_int_equal(number(stats, "sent"), 64);
	assert_int_equal(number(stats, "expired"), n_expected);
	assert_int_equal(number(stats, "lost"), n_expected - 64);
	json_decref(records);
	json_decref(stats);
	harness_close(&h);
}

/* No place for all flows: some are cut short, no packet is lost. */
static void test_expired_flows_without_place_end_the_oldest(void **state)
{
	json_t *records, *stats;
	uint64_t packets = 0;
	const json_t *record;
	struct hm_error err;
	struct harness h;
	size_t i;

	(void)state;
	assert_int_equal(harness_open(&h, "EXPIRED_FLOWS", "[10000, 0, 0, {\"flows\": 64}]", &err),
			 0);
	harness_run(&h, frames, N, 64, false, passed);
	drain(&h);
	read_all(&h, &records, &stats);
	json_array_foreach (records, i, record)
		packets += (uint64_t)number(record, "packets_count");
	assert_int_equal(packets, N);
	assert_true(number(stats, "early") > 0);
	json_decref(records);
	json_decref(stats);
	harness_close(&h);
}

/* While packets of others come, and without any by tick alone. */
static void test_expired_flows_come_when_their_time_is_over(void **state)
{
	struct frame one = frames[0], other = frames[0];
	uint8_t copy[64];
	struct hm_error err;
	struct harness h;
	json_t *records;

	(void)state;
	memcpy(copy, bytes[0], sizeof(copy));
	copy[37] = 99;
	other.data = copy;
	assert_int_equal(harness_open(&h, "EXPIRED_FLOWS", "[10, 0, 0]", &err), 0);
	harness_run(&h, &one, 1, 1, false, passed);
	other.ts_ns += 29 * S;
	harness_run(&h, &other, 1, 1, false, passed);
	records = harness_take(&h, 9);
	assert_int_equal(json_array_size(records), 0);
	json_decref(records);
	other.ts_ns += 2 * S;
	harness_run(&h, &other, 1, 1, false, passed);
	records = harness_take(&h, 9);
	assert_int_equal(json_array_size(records), 1);
	json_decref(records);
	h.f->tick(h.core, other.ts_ns + 31 * S);
	records = harness_take(&h, 9);
	assert_int_equal(json_array_size(records), 1);
	assert_int_equal(number(json_array_get(records, 0), "packets_count"), 2);
	json_decref(records);
	harness_close(&h);
}

static void test_expired_flows_pass_ip_and_read_nothing_behind(void **state)
{
	(void)state;
	for (uint32_t n = 1; n <= 42; n++) {
		uint8_t *copy = test_malloc(n); // the sanitizer sees who reads behind it
		struct frame one = {.data = memcpy(copy, bytes[5], n), .caplen = n, .wirelen = 90};
		struct hm_error err;
		struct harness h;
		json_t *records;
		bool on;

		assert_int_equal(
			harness_open(&h, "EXPIRED_FLOWS", "[9, 0, 0, {\"flows\": 64}]", &err), 0);
		harness_run(&h, &one, 1, 1, false, &on);
		assert_int_equal(on, n >= 34);
		drain(&h);
		records = harness_take(&h, 9);
		assert_int_equal(json_array_size(records), on);
		if (on)
			assert_int_equal(number(json_array_get(records, 0), "dport"),
					 n < 42 ? 0 : 53);
		json_decref(records);
		harness_close(&h);
		test_free(copy);
	}
}

static void test_expired_flows_wrong_arguments_are_refused(void **state)
{
	static const struct {
		const char *args;
		int mapi_errno;
	} wrong[] = {
		{"[]", 7001},
		{"[0, 0, 0]", 7001},
		{"[1048577, 0, 0]", 7001},
		{"[1]", 7002},
		{"[1, -1, 0]", 7002},
		{"[1, 0]", 7003},
		{"[1, 0, -1]", 7003},
		{"[1, 0, \"x\"]", 7003},
		{"[1, 0, 0, {\"idle_s\": 0}]", 7004},
		{"[1, 0, 0, {\"flows\": 1}]", 7004},
		{"[1, 0, 0, {\"flow\": 1000}]", 7004},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
		struct hm_error err;
		struct harness h;

		assert_true(harness_open(&h, "EXPIRED_FLOWS", wrong[i].args, &err) < 0);
		assert_int_equal(err.mapi_errno, wrong[i].mapi_errno);
		harness_close(&h);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_expired_flows_are_each_handed_out_once_any_batch_size),
		cmocka_unit_test(test_expired_flows_statistics_are_of_the_time_between_reads),
		cmocka_unit_test(test_expired_flows_full_lose_records_and_count_them),
		cmocka_unit_test(test_expired_flows_without_place_end_the_oldest),
		cmocka_unit_test(test_expired_flows_come_when_their_time_is_over),
		cmocka_unit_test(test_expired_flows_pass_ip_and_read_nothing_behind),
		cmocka_unit_test(test_expired_flows_wrong_arguments_are_refused),
	};

	make_frames();
	return cmocka_run_group_tests(tests, NULL, NULL);
}
