/* SPDX-License-Identifier: BSD-3-Clause */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "core/packet_text.h"
#include "function_harness.h"

#define N     500
#define BEGIN UINT64_C(1147651200000000000)

static uint8_t bytes[N][600];
static struct frame frames[N];
static bool passed[N];

static void expect_text(const struct hm_packet_view *p, const char *expected)
{
	char text[HM_PACKET_TEXT];

	memset(text, 'x', sizeof(text));
	hm_packet_text(text, p);
	assert_string_equal(text, expected);
}

static void test_print_packet_text_says_what_tcpdump_begins_with(void **state)
{
	static const uint8_t arp[42] = {[12] = 8, [13] = 6, [15] = 1, [16] = 8, [18] = 6, [19] = 4};
	static const uint8_t other[20] = {[12] = 0x88, [13] = 0xcc};
	uint8_t six[54 + 8] = {
		[12] = 0x86, [13] = 0xdd, [14] = 0x60, [19] = 8, [20] = 58, [21] = 9};
	struct hm_packet_view p = {.link = HM_LINK_ETHERNET,
				   .ts_ns = BEGIN + 42,
				   .data = bytes[0],
				   .n = 100,
				   .caplen = 100,
				   .wirelen = 542};

	(void)state;
	expect_text(&p, "2006-05-15T00:00:00.000000042Z IP 192.0.2.1.1000 > 192.0.2.2.53: UDP, "
			"length 542, 100 captured");
	p.n = 30; // the IP header is cut
	p.caplen = 542;
	expect_text(&p, "2006-05-15T00:00:00.000000042Z ethertype 0x0800, length 542");
	p = (struct hm_packet_view){
		.link = HM_LINK_ETHERNET, .data = arp, .n = 42, .caplen = 42, .wirelen = 42};
	expect_text(&p, "1970-01-01T00:00:00.000000000Z ARP, length 42");
	p.data = other;
	p.n = p.caplen = p.wirelen = 20;
	expect_text(&p, "1970-01-01T00:00:00.000000000Z ethertype 0x88cc, length 20");
	memset(six + 22, 0xfe, 32);
	p.data = six;
	p.n = p.caplen = p.wirelen = sizeof(six);
	expect_text(&p,
		    "1970-01-01T00:00:00.000000000Z IP6 fefe:fefe:fefe:fefe:fefe:fefe:fefe:fefe > "
		    "fefe:fefe:fefe:fefe:fefe:fefe:fefe:fefe: ICMPv6, length 62");
	p.ts_ns = UINT64_MAX;
	p.wirelen = UINT32_MAX;
	expect_text(
		&p,
		"2554-07-21T23:34:33.709551615Z IP6 fefe:fefe:fefe:fefe:fefe:fefe:fefe:fefe > "
		"fefe:fefe:fefe:fefe:fefe:fefe:fefe:fefe: ICMPv6, length 4294967295, 62 captured");
}

static void test_print_packet_keeps_to_its_rate_any_batch_size(void **state)
{
	(void)state;
	for (unsigned batch = 1; batch <= 64; batch += 21) {
		json_t *records;
		struct hm_error err;
		struct harness h;

		assert_int_equal(harness_open(&h, "PRINT_PACKET", "[{\"rate\": 7}]", &err), 0);
		harness_run(&h, frames, N, batch, false, passed);
		records = harness_take(&h, N);
		assert_int_equal(json_array_size(records), 5 * 7); // of five seconds
		for (unsigned i = 0; i < 35; i++) {
			const json_t *r = json_array_get(records, i);
			char ns[24];

			snprintf(ns, sizeof(ns), "%lu", frames[i / 7 * 100 + i % 7].ts_ns);
			assert_string_equal(json_string_value(json_object_get(r, "ts_ns")), ns);
			assert_non_null(strstr(json_string_value(json_object_get(r, "text")),
					       "UDP, length 542"));
			assert_null(json_object_get(r, "bytes"));
		}
		assert_int_equal(harness_result(&h, "skipped"), N - 35);
		for (unsigned i = 0; i < N; i++)
			assert_true(passed[i]);
		json_decref(records);
		harness_close(&h);
	}
}

static void test_print_packet_full_drops_lines(void **state)
{
	struct hm_outbox_counts c;
	struct hm_error err;
	struct harness h;

	(void)state;
	assert_int_equal(
		harness_open(&h, "PRINT_PACKET", "[{\"rate\": 100, \"records\": 16}]", &err), 0);
	harness_run(&h, frames, N, 64, false, passed);
	hm_outbox_counts(h.f->outbox(h.conf), &c);
	assert_int_equal(c.offered, N);
	assert_int_equal(c.dropped, N - 16);
	harness_close(&h);
}

static void test_print_packet_cut_anywhere_has_the_bytes_that_are_there(void **state)
{
	(void)state;
	for (uint32_t n = 1; n <= 300; n++) {
		uint8_t *copy = test_malloc(n); // the sanitizer sees who reads behind it
		struct frame one = {.data = memcpy(copy, bytes[3], n), .caplen = n, .wirelen = 542};
		struct hm_error err;
		struct harness h;
		json_t *records;
		const char *hex;

		assert_int_equal(harness_open(&h, "PRINT_PACKET", "[{\"bytes\": 232}]", &err), 0);
		harness_run(&h, &one, 1, 1, false, passed);
		records = harness_take(&h, 2);
		assert_int_equal(json_array_size(records), 1);
		hex = json_string_value(json_object_get(json_array_get(records, 0), "bytes"));
		assert_int_equal(strlen(hex), 2 * (n < 232 ? n : 232));
		for (uint32_t i = 0; i < n && i < 232; i++) {
			char two[3];

			snprintf(two, sizeof(two), "%02x", bytes[3][i]);
			assert_memory_equal(hex + 2 * i, two, 2);
		}
		json_decref(records);
		harness_close(&h);
		test_free(copy);
	}
}

static void test_print_packet_wrong_options_are_refused(void **state)
{
	static const char *const wrong[] = {"[1]", "[{\"rate\": 0}]", "[{\"bytes\": 233}]",
					    "[{\"records\": 65537}]", "[{\"lines\": 1}]"};

	(void)state;
	for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
		struct hm_error err;
		struct harness h;

		assert_true(harness_open(&h, "PRINT_PACKET", wrong[i], &err) < 0);
		assert_int_equal(err.mapi_errno, 7001);
		harness_close(&h);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_print_packet_text_says_what_tcpdump_begins_with),
		cmocka_unit_test(test_print_packet_keeps_to_its_rate_any_batch_size),
		cmocka_unit_test(test_print_packet_full_drops_lines),
		cmocka_unit_test(test_print_packet_cut_anywhere_has_the_bytes_that_are_there),
		cmocka_unit_test(test_print_packet_wrong_options_are_refused),
	};
	static const uint8_t payload[500] = {1, 2, 3};

	for (unsigned i = 0; i < N; i++)
		frames[i] = (struct frame){.data = bytes[i],
					   .caplen = harness_udp(bytes[i], 1000, 53, payload, 500),
					   .ts_ns = BEGIN + i * UINT64_C(10000000)};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
