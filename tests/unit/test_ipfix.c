/* SPDX-License-Identifier: BSD-3-Clause */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "netflow/ie.h"
#include "netflow/ipfix.h"

/* 192.0.2.2:1025 -> 192.0.2.1:80, TCP; the sender is the second endpoint. */
static const struct hm_flow_record record4 = {
	.key = {{.addr = {{192, 0, 2, 1}, {192, 0, 2, 2}}, .proto = 6, .version = 4}},
	.initiator = 1,
	.end_reason = HM_END_DETECTED,
	.tcp_flags = {0x12, 0x1b},
	.tos = {0, 0xb8},
	.ifindex = 3,
	.vlan = 0x123,
	.first_ns = {1700000000500999999u, 1700000000250000000u},
	.last_ns = {1700000001000000000u, 1700000002000000000u},
	.packets = {5, 0x0102030405060708},
	.bytes = {500, 0xfffffffffffffffe},
};

static struct hm_flow_record with_ports(struct hm_flow_record r)
{
	r.key.port_be[0] = __builtin_bswap16(80);
	r.key.port_be[1] = __builtin_bswap16(1025);
	return r;
}

/* 1700000000250 ms = 0x18bcfe568fa, 1700000002000 = 0x18bcfe56fd0 */
static const uint8_t golden_data[] = {
	0x00, 0x0a, 0x00, 0x4a, 0x65, 0x53, 0xf1, 0x00, 0x00, 0x00, 0x00, 0x07, 0x00, 0x00, 0x00,
	0x2a,                   // version 10, 74 bytes, time, sequence, domain
	0x01, 0x00, 0x00, 0x3a, // set 256, 58 bytes
	0x00, 0x00, 0x01, 0x8b, 0xcf, 0xe5, 0x68, 0xfa, // start
	0x00, 0x00, 0x01, 0x8b, 0xcf, 0xe5, 0x6f, 0xd0, // end
	0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xfe, // octets
	0x01, 0x02, 0x03, 0x04, 0x05, 0x06, 0x07, 0x08, // packets
	192,  0,    2,    2,    192,  0,    2,    1,    // addresses
	0x04, 0x01, 0x00, 0x50,                         // ports
	6,    0x1b, 0xb8, 3,                            // protocol, flags, ToS, end reason
	0x00, 0x00, 0x00, 0x03, 0x01, 0x23,             // interface, VLAN
};

static void test_ipfix_data_message_has_golden_bytes(void **state)
{
	struct hm_flow_record r = with_ports(record4);
	struct hm_template t;
	struct hm_message m;
	uint8_t bytes[256] = {0};

	(void)state;
	hm_template_basic(&t, 256, 4);
	assert_int_equal(t.bytes, 54);
	hm_ipfix.begin(&m, bytes, sizeof(bytes), 42);
	assert_true(hm_ipfix.add(&m, &t, &r, 1));
	hm_ipfix.end(&m);
	hm_ipfix.stamp(bytes, 7, 0x6553f100);
	assert_int_equal(m.used, sizeof(golden_data));
	assert_int_equal(m.records, 1);
	assert_memory_equal(bytes, golden_data, sizeof(golden_data));
}

static const uint8_t golden_templates[] = {
	0x00, 0x0a, 0x00, 0x8c, 0x00, 0x00, 0x00, 0x01, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00,
	0x00,                                           // 140 bytes
	0x00, 0x02, 0x00, 0x7c, 0x01, 0x00, 0x00, 0x0e, // template set; 256, 14 fields
	0x00, 0x98, 0x00, 0x08, 0x00, 0x99, 0x00, 0x08, 0x00, 0x01, 0x00, 0x08, 0x00, 0x02, 0x00,
	0x08, 0x00, 0x08, 0x00, 0x04, 0x00, 0x0c, 0x00, 0x04, 0x00, 0x07, 0x00, 0x02, 0x00, 0x0b,
	0x00, 0x02, 0x00, 0x04, 0x00, 0x01, 0x00, 0x06, 0x00, 0x01, 0x00, 0x05, 0x00, 0x01, 0x00,
	0x88, 0x00, 0x01, 0x00, 0x0a, 0x00, 0x04, 0x00, 0x3a, 0x00, 0x02, // IPv4
	0x01, 0x01, 0x00, 0x0e,                                           // 257, 14 fields
	0x00, 0x98, 0x00, 0x08, 0x00, 0x99, 0x00, 0x08, 0x00, 0x01, 0x00, 0x08, 0x00, 0x02, 0x00,
	0x08, 0x00, 0x1b, 0x00, 0x10, 0x00, 0x1c, 0x00, 0x10, 0x00, 0x07, 0x00, 0x02, 0x00, 0x0b,
	0x00, 0x02, 0x00, 0x04, 0x00, 0x01, 0x00, 0x06, 0x00, 0x01, 0x00, 0x05, 0x00, 0x01, 0x00,
	0x88, 0x00, 0x01, 0x00, 0x0a, 0x00, 0x04, 0x00, 0x3a, 0x00, 0x02, // IPv6
};

static void test_ipfix_template_message_has_golden_bytes(void **state)
{
	struct hm_template t[2];
	struct hm_message m;
	uint8_t bytes[256] = {0};

	(void)state;
	hm_template_basic(&t[0], 256, 4);
	hm_template_basic(&t[1], 257, 6);
	hm_ipfix.begin(&m, bytes, sizeof(bytes), 0);
	assert_true(hm_ipfix.add_templates(&m, t, 2));
	hm_ipfix.end(&m);
	hm_ipfix.stamp(bytes, 0, 1);
	assert_int_equal(m.used, sizeof(golden_templates));
	assert_int_equal(m.records, 0);
	assert_memory_equal(bytes, golden_templates, sizeof(golden_templates));
}

static void test_ipfix_versions_alternate_in_sets_of_their_own(void **state)
{
	struct hm_flow_record four = with_ports(record4), six = four;
	struct hm_template t[2];
	struct hm_message m;
	uint8_t bytes[512] = {0};

	(void)state;
	six.key.version = 6;
	hm_template_basic(&t[0], 256, 4);
	hm_template_basic(&t[1], 257, 6);
	hm_ipfix.begin(&m, bytes, sizeof(bytes), 0);
	assert_true(hm_ipfix.add(&m, &t[0], &four, 0));
	assert_true(hm_ipfix.add(&m, &t[0], &four, 1));
	assert_true(hm_ipfix.add(&m, &t[1], &six, 0));
	assert_true(hm_ipfix.add(&m, &t[0], &four, 0));
	hm_ipfix.end(&m);
	assert_int_equal(m.records, 4);
	assert_int_equal(m.used, 16 + (4 + 2 * 54) + (4 + 78) + (4 + 54));
	assert_int_equal(bytes[16 + 3], 4 + 2 * 54);
	assert_int_equal(bytes[16 + 112 + 1], 1);
	assert_int_equal(bytes[16 + 112 + 3], 82);
}

static void test_ipfix_full_message_takes_no_more_and_stays_whole(void **state)
{
	struct hm_flow_record r = with_ports(record4);
	struct hm_template t;
	struct hm_message m;
	uint8_t bytes[200];

	(void)state;
	hm_template_basic(&t, 256, 4);
	for (uint32_t room = 16; room < sizeof(bytes); room++) {
		unsigned expected = room < 20 ? 0 : (room - 20) / 54, n = 0;
		memset(bytes, 0xee, sizeof(bytes));
		hm_ipfix.begin(&m, bytes, room, 0);
		while (hm_ipfix.add(&m, &t, &r, 0))
			n++;
		hm_ipfix.end(&m);
		assert_int_equal(n, expected);
		assert_int_equal(m.used, n ? 20 + 54 * n : 16);
		assert_int_equal(bytes[room], 0xee);
		assert_int_equal(bytes[3], m.used);
	}
}

static void test_template_unknown_elements_are_refused(void **state)
{
	const uint16_t unknown[] = {152, 4321}, known_but_absent[] = {16};
	uint16_t many[HM_TEMPLATE_FIELDS + 1] = {0};
	struct hm_template t;

	(void)state;
	assert_int_equal(hm_template_compile(&t, 256, unknown, 2), -ENOTSUP);
	assert_int_equal(hm_template_compile(&t, 256, known_but_absent, 1), -ENOTSUP);
	assert_int_equal(hm_template_compile(&t, 256, many, HM_TEMPLATE_FIELDS + 1), -E2BIG);
}

static void test_ie_table_is_sorted_and_consistent(void **state)
{
	size_t n;
	const struct hm_ie *e = hm_ie_all(&n);

	(void)state;
	assert_true(n > 60);
	for (size_t i = 0; i < n; i++) {
		assert_true(i == 0 || e[i - 1].id < e[i].id);
		assert_ptr_equal(hm_ie_by_id(e[i].id), &e[i]);
		assert_ptr_equal(hm_ie_by_name(e[i].name), &e[i]);
		assert_in_range(hm_ie_length(e[i].type), 1, HM_IE_VARIABLE);
		assert_non_null(hm_ie_type_name(e[i].type));
	}
	assert_null(hm_ie_by_id(0));
	assert_null(hm_ie_by_name("flowstartmilliseconds"));
	assert_string_equal(hm_ie_by_id(152)->name, "flowStartMilliseconds");
}

/* Reduced-size encoding may only make a value shorter (RFC 7011 section 6.2). */
static void test_template_lengths_fit_the_elements(void **state)
{
	struct hm_template t;

	(void)state;
	for (unsigned version = 4; version <= 6; version += 2) {
		hm_template_basic(&t, 256, version);
		for (unsigned i = 0; i < t.n; i++) {
			const struct hm_ie *e = hm_ie_by_id(t.field[i].id);
			assert_true(t.field[i].length == hm_ie_length(e->type) ||
				    (e->id == 6 && t.field[i].length == 1));
		}
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_ipfix_data_message_has_golden_bytes),
		cmocka_unit_test(test_ipfix_template_message_has_golden_bytes),
		cmocka_unit_test(test_ipfix_versions_alternate_in_sets_of_their_own),
		cmocka_unit_test(test_ipfix_full_message_takes_no_more_and_stays_whole),
		cmocka_unit_test(test_template_unknown_elements_are_refused),
		cmocka_unit_test(test_ie_table_is_sorted_and_consistent),
		cmocka_unit_test(test_template_lengths_fit_the_elements),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
