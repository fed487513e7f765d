/* SPDX-License-Identifier: BSD-3-Clause */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "netflow/ie.h"
#include "netflow/layout.h"
#include "netflow/message.h"

/* 192.0.2.2:1025 -> 192.0.2.1:80, TCP; the sender is the second endpoint. */
static const struct hm_flow_record record4 = {
	.key = {{.addr = {{192, 0, 2, 1}, {192, 0, 2, 2}},
		 .proto = 6,
		 .version = 4,
		 .vlan = 0x123}},
	.initiator = 1,
	.end_reason = HM_END_DETECTED,
	.tos = {0, 0xb8},
	.first = {{.ifindex = 3, .tcp_flags = {0x12, 0x1b}}},
	.first_ns = {1700000000500999999u, 1700000000250000000u},
	.last_ns = {1700000001000000000u, 1700000002000000000u},
	.packets = {5, 0x0102030405060708},
	.bytes = {500, 0xfffffffffffffffe},
};

static const struct hm_origin origin = {.domain = 42, .sampling_interval = 1};

/* The basic templates. */
static struct hm_layout basic(void)
{
	const struct hm_layout_conf conf = {0};
	struct hm_layout l;

	assert_int_equal(hm_layout_build(&l, &conf, &hm_ipfix, NULL), 0);
	assert_int_equal(l.n, 2);
	return l;
}

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
	const struct hm_layout l = basic();
	struct hm_message m;
	uint8_t bytes[256] = {0};

	(void)state;
	assert_int_equal(l.template[0].bytes, 54);
	hm_message_begin(&m, &hm_ipfix, bytes, sizeof(bytes), &origin);
	assert_true(hm_message_add(&m, &l.template[0], &r, 1));
	hm_message_end(&m);
	hm_ipfix.stamp(bytes, 7, 0x6553f100 * UINT64_C(1000000000) + 999999999);
	assert_int_equal(m.used, sizeof(golden_data));
	assert_int_equal(m.records, 1);
	assert_memory_equal(bytes, golden_data, sizeof(golden_data));
}

static const uint8_t golden_templates[] = {
	0x00, 0x0a, 0x00, 0x8c, 0x00, 0x00, 0x00, 0x01, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00,
	0x2a,                                           // 140 bytes
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
	const struct hm_layout l = basic();
	struct hm_message m;
	uint8_t bytes[256] = {0};

	(void)state;
	hm_message_begin(&m, &hm_ipfix, bytes, sizeof(bytes), &origin);
	assert_true(hm_message_add_template(&m, &l.template[0]));
	assert_true(hm_message_add_template(&m, &l.template[1]));
	hm_message_end(&m);
	hm_ipfix.stamp(bytes, 0, 1000000000);
	assert_int_equal(m.used, sizeof(golden_templates));
	assert_int_equal(m.records, 0);
	assert_memory_equal(bytes, golden_templates, sizeof(golden_templates));
}

static void test_ipfix_versions_alternate_in_sets_of_their_own(void **state)
{
	struct hm_flow_record four = with_ports(record4), six = four;
	const struct hm_layout l = basic();
	struct hm_message m;
	uint8_t bytes[512] = {0};

	(void)state;
	six.key.version = 6;
	hm_message_begin(&m, &hm_ipfix, bytes, sizeof(bytes), &origin);
	assert_true(hm_message_add(&m, &l.template[0], &four, 0));
	assert_true(hm_message_add(&m, &l.template[0], &four, 1));
	assert_true(hm_message_add(&m, &l.template[1], &six, 0));
	assert_true(hm_message_add(&m, &l.template[0], &four, 0));
	hm_message_end(&m);
	assert_int_equal(m.records, 4);
	assert_int_equal(m.used, 16 + (4 + 2 * 54) + (4 + 78) + (4 + 54));
	assert_int_equal(bytes[16 + 3], 4 + 2 * 54);
	assert_int_equal(bytes[16 + 112 + 1], 1);
	assert_int_equal(bytes[16 + 112 + 3], 82);
}

static void test_ipfix_full_message_takes_no_more_and_stays_whole(void **state)
{
	struct hm_flow_record r = with_ports(record4);
	const struct hm_layout l = basic();
	struct hm_message m;
	uint8_t bytes[200];

	(void)state;
	for (uint32_t room = 16; room < sizeof(bytes); room++) {
		unsigned expected = room < 20 ? 0 : (room - 20) / 54, n = 0;
		memset(bytes, 0xee, sizeof(bytes));
		hm_message_begin(&m, &hm_ipfix, bytes, room, &origin);
		while (hm_message_add(&m, &l.template[0], &r, 0))
			n++;
		hm_message_end(&m);
		assert_int_equal(n, expected);
		assert_int_equal(m.used, n ? 20 + 54 * n : 16);
		assert_int_equal(bytes[room], 0xee);
		assert_int_equal(bytes[3], m.used);
	}
}

/* Reduced-size encoding may only make a value shorter (RFC 7011 section 6.2). */
static void test_template_lengths_fit_the_elements(void **state)
{
	const struct hm_layout l = basic();

	(void)state;
	for (unsigned k = 0; k < l.n; k++) {
		for (unsigned i = 0; i < l.template[k].n; i++) {
			const struct hm_template_field *f = &l.template[k].field[i];
			const struct hm_ie *e = hm_ie_by_id(f->id);
			assert_true(f->length == hm_ie_length(e->type) ||
				    (e->id == 6 && f->length == 1));
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
		cmocka_unit_test(test_template_lengths_fit_the_elements),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
