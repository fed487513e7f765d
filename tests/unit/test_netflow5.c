/* SPDX-License-Identifier: BSD-3-Clause */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "netflow/layout.h"
#include "netflow_records.h"

static struct hm_layout layout;
static uint8_t bytes[2048];

static int set_up(void **state)
{
	const struct hm_layout_conf conf = {0};

	(void)state;
	memset(bytes, 0xee, sizeof(bytes));
	return hm_layout_build(&layout, &conf, &hm_netflow5, NULL);
}

static void test_netflow5_message_has_golden_bytes(void **state)
{
	static const uint8_t record[] = {
		192, 0,    2, 2,    192, 0, 2, 1, 0,    0,    0,    0,    // addresses, next hop
		0,   3,    0, 0,    0,   0, 0, 7, 1,    2,    3,    4,    // interfaces, counters
		0,   0,    0, 0,    0,   0, 0, 0, 0x04, 0x01, 0x00, 0x50, // uptimes, ports
		0,   0x1b, 6, 0xb8, 0,   0, 0, 0, 0,    0,    0,    0, // flags, protocol, ToS, AS
	};
	const struct hm_origin origin = {.domain = 0x0203, .sampling_interval = 100};
	const struct hm_flow_record r = record_ipv4();
	struct hm_message m;
	uint64_t boot;

	(void)state;
	assert_int_equal(layout.n, 1);
	assert_int_equal(layout.template[0].bytes, 48);
	hm_message_begin(&m, &hm_netflow5, bytes, sizeof(bytes), &origin);
	assert_true(hm_message_add(&m, &layout.template[0], &r, 1));
	hm_message_end(&m);
	hm_netflow5.stamp(bytes, 99, (hm_boot_ms() + 12345) * MS + 999);
	assert_int_equal(m.used, 72);
	assert_int_equal(get16(bytes), 5);
	assert_int_equal(get16(bytes + 2), 1);
	assert_int_equal(hm_get32(bytes + 16), 99);
	assert_int_equal(bytes[20], 2); // engine type and id
	assert_int_equal(bytes[21], 3);
	assert_int_equal(get16(bytes + 22), 1 << 14 | 100);
	boot = hm_get32(bytes + 8) * UINT64_C(1000) + hm_get32(bytes + 12) / MS -
	       hm_get32(bytes + 4);
	assert_int_equal(boot + hm_get32(bytes + 48), T0_MS + 250);
	assert_int_equal(boot + hm_get32(bytes + 52), T0_MS + 2000);
	memset(bytes + 48, 0, 8);
	assert_memory_equal(bytes + 24, record, sizeof(record));
}

static void test_netflow5_routes(void **state)
{
	const struct hm_route to[2] = {{.as = 64500, .length = 24},
				       {.as = 4200000000,
					.next_hop_version = 4,
					.length = 9,
					.next_hop = {198, 51, 100, 7}}};
	const struct hm_route *const route[2] = {&to[0], &to[1]};
	const struct hm_flow_record r = record_ipv4();

	(void)state;
	hm_template_encode(&layout.template[0], &r, route, 1, 0, bytes); // from endpoint 1 to 0
	assert_int_equal(hm_get32(bytes + 8), 0);                        // next hop unknown
	assert_int_equal(get16(bytes + 40), 23456);                      // AS_TRANS
	assert_int_equal(get16(bytes + 42), 64500);
	assert_int_equal(bytes[44], 9);
	assert_int_equal(bytes[45], 24);
	hm_template_encode(&layout.template[0], &r, route, 0, 0, bytes);
	assert_memory_equal(bytes + 8, to[1].next_hop, 4);
	assert_int_equal(get16(bytes + 40), 64500);
	assert_int_equal(get16(bytes + 42), 23456);
	assert_int_equal(bytes[44], 24);
	assert_int_equal(bytes[45], 9);
}

static void test_netflow5_clock_is_exact_to_the_millisecond(void **state)
{
	const struct hm_origin origin = {.sampling_interval = 1};
	const uint64_t now_ms = hm_boot_ms() + 86400777;
	struct hm_flow_record r = record_ipv4();
	struct hm_message m;

	(void)state;
	r.first_ns[1] = r.last_ns[1] = (now_ms - 5) * MS;
	hm_message_begin(&m, &hm_netflow5, bytes, sizeof(bytes), &origin);
	assert_true(hm_message_add(&m, &layout.template[0], &r, 1));
	hm_message_end(&m);
	for (unsigned again = 0; again < 3; again++) // a message that waited is stamped again
		hm_netflow5.stamp(bytes, 0, now_ms * MS);
	assert_int_equal(hm_get32(bytes + 4), 86400777);
	assert_int_equal(hm_get32(bytes + 8), now_ms / 1000);
	assert_int_equal(hm_get32(bytes + 12), now_ms % 1000 * MS);
	assert_int_equal(get16(bytes + 22), 0); // no sampling
	assert_int_equal(hm_get32(bytes + 48), 86400772);
}

static void test_netflow5_takes_thirty_records(void **state)
{
	const struct hm_origin origin = {.sampling_interval = 1};
	const struct hm_flow_record r = record_ipv4();
	struct hm_message m;
	unsigned n = 0;

	(void)state;
	hm_message_begin(&m, &hm_netflow5, bytes, sizeof(bytes), &origin);
	while (hm_message_add(&m, &layout.template[0], &r, 1))
		n++;
	hm_message_end(&m);
	assert_int_equal(n, 30);
	assert_int_equal(m.used, 24 + 30 * 48);
	assert_int_equal(get16(bytes + 2), 30);
	hm_message_begin(&m, &hm_netflow5, bytes, 24 + 2 * 48 + 47, &origin);
	for (n = 0; hm_message_add(&m, &layout.template[0], &r, 1);)
		n++;
	assert_int_equal(n, 2);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(test_netflow5_message_has_golden_bytes, set_up),
		cmocka_unit_test_setup(test_netflow5_routes, set_up),
		cmocka_unit_test_setup(test_netflow5_clock_is_exact_to_the_millisecond, set_up),
		cmocka_unit_test_setup(test_netflow5_takes_thirty_records, set_up),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
