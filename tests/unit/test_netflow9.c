/* SPDX-License-Identifier: BSD-3-Clause */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "netflow/layout.h"
#include "netflow_records.h"

#define RECORD4 48 // bytes of a data record of the basic template
#define RECORD6 72

static const struct hm_origin origin = {.domain = 0x01020304, .sampling_interval = 1};
static struct hm_layout layout;
static uint8_t bytes[2048];

static int set_up(void **state)
{
	const struct hm_layout_conf conf = {0};

	(void)state;
	memset(bytes, 0xee, sizeof(bytes));
	return hm_layout_build(&layout, &conf, &hm_netflow9, NULL);
}

static struct hm_message with_record(const struct hm_flow_record *r)
{
	struct hm_message m;

	hm_message_begin(&m, &hm_netflow9, bytes, sizeof(bytes), &origin);
	assert_true(hm_message_add(&m, hm_layout_of(&layout, r), r, 1));
	hm_message_end(&m);
	return m;
}

static uint64_t boot_of_header(void)
{
	return hm_get32(bytes + 8) * UINT64_C(1000) - hm_get32(bytes + 4);
}

static void test_netflow9_data_has_golden_bytes(void **state)
{
	static const uint8_t flowset[] = {
		0x01, 0x00, 0x00, 0x34,                         // template 256, 52 bytes
		0,    0,    0,    0,    0,    0,    0,    0,    // uptimes, see below
		0,    0,    0,    0,    1,    2,    3,    4,    // octets
		0,    0,    0,    0,    0,    0,    0,    7,    // packets
		192,  0,    2,    2,    192,  0,    2,    1,    // addresses
		0x04, 0x01, 0x00, 0x50,                         // ports
		6,    0x1b, 0xb8, 3,                            // protocol, flags, ToS, end reason
		0x00, 0x00, 0x00, 0x03, 0x01, 0x23, 0x00, 0x00, // interface, VLAN, ICMP
	};
	const struct hm_flow_record r = record_ipv4();
	struct hm_message m = with_record(&r);
	uint64_t boot;

	(void)state;
	hm_netflow9.stamp(bytes, 77, (T0_MS + 3001) * MS);
	assert_int_equal(layout.template[0].bytes, RECORD4);
	assert_int_equal(layout.template[1].bytes, RECORD6);
	assert_int_equal(m.used, 20 + sizeof(flowset));
	assert_int_equal(get16(bytes), 9);
	assert_int_equal(get16(bytes + 2), 1); // records
	assert_int_equal(hm_get32(bytes + 12), 77);
	assert_int_equal(hm_get32(bytes + 16), origin.domain);
	boot = boot_of_header();
	assert_int_equal(boot + hm_get32(bytes + 24), T0_MS + 250);
	assert_int_equal(boot + hm_get32(bytes + 28), T0_MS + 2000);
	memset(bytes + 24, 0, 8);
	assert_memory_equal(bytes + 20, flowset, sizeof(flowset));
}

/* Whatever the times are, the difference in the header and the uptimes give them back. */
static void test_netflow9_times_come_back_whenever_they_were(void **state)
{
	const uint64_t now_ms = hm_boot_ms() + 3600000;
	const uint64_t firsts[] = {0,
				   1,
				   999,
				   1147651200123u,
				   T0_MS,
				   (UINT64_C(1) << 31) - 1,
				   (UINT64_C(1) << 31) * 790 - 1,
				   (UINT64_C(1) << 31) * 790,
				   hm_boot_ms(),
				   hm_boot_ms() - 1,
				   now_ms,
				   now_ms + 86400000};

	(void)state;
	for (unsigned i = 0; i < sizeof(firsts) / sizeof(firsts[0]); i++) {
		struct hm_flow_record r = record_ipv4();
		r.first_ns[1] = firsts[i] * MS;
		r.last_ns[1] = (firsts[i] + 604800000) * MS; // the longest active timeout
		with_record(&r);
		for (unsigned again = 0; again < 2; again++) {
			hm_netflow9.stamp(bytes, 0, now_ms * MS + again * 1500 * MS);
			assert_int_equal(boot_of_header() + hm_get32(bytes + 24), firsts[i]);
			assert_int_equal(boot_of_header() + hm_get32(bytes + 28),
					 firsts[i] + 604800000);
		}
	}
}

static void test_netflow9_live_header_tells_the_wall_clock(void **state)
{
	const uint64_t now_ms = hm_boot_ms() + 3600500;
	struct hm_flow_record r = record_ipv4();

	(void)state;
	r.first_ns[1] = (now_ms - 1000) * MS;
	r.last_ns[1] = (now_ms - 10) * MS;
	with_record(&r);
	hm_netflow9.stamp(bytes, 0, now_ms * MS);
	assert_int_equal(hm_get32(bytes + 8), now_ms / 1000 + 1); // the second is rounded up
	assert_int_equal(boot_of_header(), hm_boot_ms());
	assert_true(hm_get32(bytes + 28) <= hm_get32(bytes + 4)); // has ended before
}

static void test_netflow9_records_of_different_eras_are_in_messages_of_their_own(void **state)
{
	struct hm_flow_record old = record_ipv4(), new = record_ipv4();
	struct hm_message m;

	(void)state;
	old.first_ns[1] = old.last_ns[1] = 1000 * MS;
	hm_message_begin(&m, &hm_netflow9, bytes, sizeof(bytes), &origin);
	assert_true(hm_message_add(&m, &layout.template[0], &new, 1));
	assert_false(hm_message_add(&m, &layout.template[0], &old, 1));
	assert_true(hm_message_add(&m, &layout.template[0], &new, 1));
	hm_message_end(&m);
	assert_int_equal(m.records, 2);
}

static void test_netflow9_flowsets_are_padded_and_never_overrun(void **state)
{
	const struct hm_flow_record four = record_ipv4();
	struct hm_flow_record six = four;

	(void)state;
	six.key.version = 6;
	for (uint32_t room = 64; room < 700; room++) {
		struct hm_message m;
		uint32_t at = 20, records = 0;
		unsigned i = 0;
		memset(bytes, 0xee, sizeof(bytes));
		hm_message_begin(&m, &hm_netflow9, bytes, room, &origin);
		while (hm_message_add(&m, &layout.template[i % 3 == 2], i % 3 == 2 ? &six : &four,
				      1))
			i++;
		hm_message_end(&m);
		assert_true(m.used <= room);
		assert_int_equal(bytes[m.used], 0xee);
		while (at < m.used) {
			uint32_t length = get16(bytes + at + 2);
			uint32_t record = get16(bytes + at) == 256 ? RECORD4 : RECORD6;
			assert_int_equal(length % 4, 0);
			assert_in_range(length, 4 + record, m.used - at);
			assert_true((length - 4) % record < 4); // padding
			records += (length - 4) / record;
			at += length;
		}
		assert_int_equal(at, m.used);
		assert_int_equal(records, i);
		assert_int_equal(get16(bytes + 2), i);
	}
}

static void test_netflow9_templates_count_as_records(void **state)
{
	struct hm_message m;

	(void)state;
	hm_message_begin(&m, &hm_netflow9, bytes, sizeof(bytes), &origin);
	assert_true(hm_message_add_template(&m, &layout.template[0]));
	assert_true(hm_message_add_template(&m, &layout.template[1]));
	hm_message_end(&m);
	assert_int_equal(get16(bytes + 2), 2);
	assert_int_equal(get16(bytes + 20), 0); // template flowset
	assert_int_equal(get16(bytes + 22), 4 + 2 * (4 + 15 * 4));
	assert_int_equal(hm_get32(bytes + 28), 22u << 16 | 4); // FIRST_SWITCHED
	assert_int_equal(hm_get32(bytes + 32), 21u << 16 | 4); // LAST_SWITCHED
	hm_netflow9.stamp(bytes, 1, (hm_boot_ms() + 1000) * MS);
	assert_int_equal(boot_of_header(), hm_boot_ms());
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(test_netflow9_data_has_golden_bytes, set_up),
		cmocka_unit_test_setup(test_netflow9_times_come_back_whenever_they_were, set_up),
		cmocka_unit_test_setup(test_netflow9_live_header_tells_the_wall_clock, set_up),
		cmocka_unit_test_setup(
			test_netflow9_records_of_different_eras_are_in_messages_of_their_own,
			set_up),
		cmocka_unit_test_setup(test_netflow9_flowsets_are_padded_and_never_overrun, set_up),
		cmocka_unit_test_setup(test_netflow9_templates_count_as_records, set_up),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
