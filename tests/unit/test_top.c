/* SPDX-License-Identifier: BSD-3-Clause */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "function_harness.h"

/* Ethernet, IPv4 with an option, TCP. */
static const uint8_t tcp4[] = {
	2,    0,    0,    0,    0,    2,    2,    0, 0,  0, 0,    1,    8,    0, //
	0x46, 0xb8, 0,    44,   0x12, 0x34, 0x20, 7, 63, 6, 0xab, 0xcd, 192,  0,
	2,    1,    198,  51,   100,  2, //
	1,    1,    1,    0,             // options
	0x1f, 0x90, 0,    80,   1,    2,    3,    4, 5,  6, 7,    8,    0x50, 0xd2,
	0x20, 0,    0xbe, 0xef, 0,    9, //
};
/* The same without the fragment's offset, which has no transport header. */
static uint8_t whole4[sizeof(tcp4)];

/* IPv6, destination options, a fragment header, UDP. */
static const uint8_t udp6[] = {
	2,    0,    0,    0,    0,    2,    2,    0,    0, 0, 0, 1, 0x86, 0xdd,       //
	0x6a, 0xb0, 0,    0,    0,    24,   60,   61,                                 //
	0x20, 1,    0x0d, 0xb8, 0,    0,    0,    0,    0, 0, 0, 0, 0,    0,    0, 1, //
	0x20, 1,    0x0d, 0xb8, 0,    0,    0,    0,    0, 0, 0, 0, 0,    0,    0, 2, //
	44,   0,    1,    4,    0,    0,    0,    0,    // destination options
	17,   0,    0,    1,    0xde, 0xad, 0,    1,    // the first fragment
	0,    53,   0xff, 0xee, 0,    8,    0x11, 0x22, //
};
static uint8_t later6[sizeof(udp6)]; // with the offset 5 x 8

static json_t *top_of(const char *args, const uint8_t *data, uint32_t caplen)
{
	uint8_t *copy = test_malloc(caplen); // the sanitizer sees who reads behind it
	struct frame one = {.data = memcpy(copy, data, caplen), .caplen = caplen, .wirelen = 200};
	struct hm_error err;
	struct harness h;
	json_t *stats;
	bool passed;

	assert_int_equal(harness_open(&h, "TOP", args, &err), 0);
	harness_run(&h, &one, 1, 1, false, &passed);
	assert_true(passed);
	stats = harness_stats(&h);
	harness_close(&h);
	test_free(copy);
	return stats;
}

/* `value` -1: the packet is not counted. */
static void expect(const char *args, const uint8_t *data, uint32_t caplen, json_int_t value)
{
	json_t *stats = top_of(args, data, caplen), *top = json_object_get(stats, "top");
	const json_t *first = json_array_get(top, 0);

	assert_int_equal(json_array_size(top), value >= 0);
	assert_int_equal(json_integer_value(json_object_get(stats, "packets")), value >= 0);
	if (value >= 0) {
		assert_int_equal(json_integer_value(json_object_get(first, "value")), value);
		assert_int_equal(json_integer_value(json_object_get(first, "count")), 1);
		assert_int_equal(json_integer_value(json_object_get(first, "bytecount")), 186);
	}
	json_decref(stats);
}

static void expect_address(const char *args, const uint8_t *data, uint32_t n, const char *address)
{
	json_t *stats = top_of(args, data, n);
	const json_t *first = json_array_get(json_object_get(stats, "top"), 0);

	assert_string_equal(json_string_value(json_object_get(first, "value")), address);
	json_decref(stats);
}

static void test_top_fields_of_ipv4(void **state)
{
	static const struct {
		const char *args;
		json_int_t value;
	} fields[] = {
		{"[1, 1, 1]", 0xb8}, {"[1, 1, 2]", 44}, {"[1, 1, 3]", 0x1234}, {"[1, 1, 4]", 7},
		{"[1, 1, 5]", 63},   {"[1, 1, 6]", 6},  {"[1, 1, 7]", 0xabcd},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(fields) / sizeof(fields[0]); i++)
		expect(fields[i].args, tcp4, sizeof(tcp4), fields[i].value);
	expect_address("[1, 1, 8]", tcp4, sizeof(tcp4), "192.0.2.1");
	expect_address("[1, 1, 9]", tcp4, sizeof(tcp4), "198.51.100.2");
}

static void test_top_fields_of_tcp(void **state)
{
	static const json_int_t values[] = {8080, 80,     0x01020304, 0x05060708,
					    0xd2, 0x2000, 0xbeef,     9};

	(void)state;
	for (unsigned i = 0; i < 8; i++) {
		char args[32];

		snprintf(args, sizeof(args), "[5, \"TOPX_TCP\", %u]", 10 + i);
		expect(args, whole4, sizeof(whole4), values[i]);
		expect(args, tcp4, sizeof(tcp4), -1); // a later fragment
		expect(args, udp6, sizeof(udp6), -1);
	}
}

static void test_top_fields_of_ipv6_and_udp(void **state)
{
	static const json_int_t of_ip[] = {0xab, 64, 0xdead0001, 0, 61, 17, -1},
				of_udp[] = {53, 0xffee, 8, 0x1122};
	char args[32];

	(void)state;
	for (unsigned i = 0; i < 7; i++) {
		snprintf(args, sizeof(args), "[5, 1, %u]", 1 + i);
		expect(args, udp6, sizeof(udp6), of_ip[i]);
	}
	for (unsigned i = 0; i < 4; i++) {
		snprintf(args, sizeof(args), "[5, 3, %u]", 18 + i);
		expect(args, udp6, sizeof(udp6), of_udp[i]);
		expect(args, later6, sizeof(later6), -1);
	}
	expect("[5, 1, \"TOPX_IP_OFFSET\"]", later6, sizeof(later6), 5);
	expect("[5, 1, \"TOPX_IP_ID\"]", later6, sizeof(later6), 0xdead0001);
	expect_address("[1, 1, 8]", udp6, sizeof(udp6), "2001:db8::1");
	expect_address("[1, 1, 9]", udp6, sizeof(udp6), "2001:db8::2");
}

static void test_top_cut_anywhere_reads_nothing_behind(void **state)
{
	char args[64];

	(void)state;
	for (unsigned field = 1; field <= 21; field++) {
		unsigned protocol = field < 10 ? 1 : field < 18 ? 2 : 3;

		snprintf(args, sizeof(args), "[5, %u, %u, {\"entries\": 64}]", protocol, field);
		for (uint32_t n = 1; n < sizeof(whole4); n++)
			json_decref(top_of(args, whole4, n));
		for (uint32_t n = 1; n < sizeof(udp6); n++)
			json_decref(top_of(args, udp6, n));
	}
	expect("[5, 1, 3]", udp6, 14 + 40 + 8 + 7, 0); // the fragment header is cut: no fragment
	expect("[5, 2, 10]", whole4, sizeof(whole4) - 1, -1);
}

#define N 1000

static void test_top_without_room_says_so(void **state)
{
	static uint8_t bytes[N][64];
	static struct frame frames[N];
	static bool passed[N];
	struct hm_error err;
	struct harness h;
	json_t *stats;

	(void)state;
	for (unsigned i = 0; i < N; i++)
		frames[i] = (struct frame){
			.data = bytes[i],
			.caplen = harness_udp(bytes[i], i % 2 ? 7 : (uint16_t)i, 10, "", 0)};
	assert_int_equal(harness_open(&h, "TOP", "[3, 3, 18, 0, 0, {\"entries\": 64}]", &err), 0);
	harness_run(&h, frames, N, 33, false, passed);
	stats = harness_stats(&h);
	assert_true(json_is_false(json_object_get(stats, "exact")));
	assert_true(json_integer_value(json_object_get(stats, "absent")) > 0);
	assert_int_equal(json_array_size(json_object_get(stats, "top")), 3);
	assert_int_equal(json_integer_value(json_object_get(
				 json_array_get(json_object_get(stats, "top"), 0), "value")),
			 7);
	json_decref(stats);
	harness_close(&h);
}

static void test_top_wrong_arguments_are_refused(void **state)
{
	static const struct {
		const char *args;
		int mapi_errno;
	} wrong[] = {
		{"[]", 7001},
		{"[1001, 1, 1]", 7001},
		{"[\"x\", 1, 1]", 7001},
		{"[1]", 7002},
		{"[1, 4, 1]", 7002},
		{"[1, 0, 1]", 7002},
		{"[1, \"TOPX_ICMP\", 1]", 7002},
		{"[1, 1]", 7003},
		{"[1, 1, 0]", 7003},
		{"[1, 3, 22]", 7003},
		{"[1, 1, 10]", 7003},
		{"[1, 2, 9]", 7003},
		{"[1, 2, 18]", 7003},
		{"[1, 3, \"TOPX_TCP_SRCPORT\"]", 7003},
		{"[1, 1, 1, 3]", 7004},
		{"[1, 1, 1, -1]", 7004},
		{"[1, 1, 1, 1, -1]", 7005},
		{"[1, 1, 1, 1, \"1s\"]", 7005},
		{"[1, 1, 1, 1, 0, {\"entries\": 63}]", 7011},
		{"[1, 1, 1, 1, 0, {\"memory\": 1}]", 7011},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
		struct hm_error err;
		struct harness h;

		assert_true(harness_open(&h, "TOP", wrong[i].args, &err) < 0);
		assert_int_equal(err.mapi_errno, wrong[i].mapi_errno);
		harness_close(&h);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_top_fields_of_ipv4),
		cmocka_unit_test(test_top_fields_of_tcp),
		cmocka_unit_test(test_top_fields_of_ipv6_and_udp),
		cmocka_unit_test(test_top_cut_anywhere_reads_nothing_behind),
		cmocka_unit_test(test_top_without_room_says_so),
		cmocka_unit_test(test_top_wrong_arguments_are_refused),
	};

	memcpy(whole4, tcp4, sizeof(tcp4));
	whole4[20] = whole4[21] = 0;
	memcpy(later6, udp6, sizeof(udp6));
	later6[65] = 5 << 3;
	return cmocka_run_group_tests(tests, NULL, NULL);
}
