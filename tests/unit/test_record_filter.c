/* SPDX-License-Identifier: BSD-3-Clause */
#include <arpa/inet.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "filter/filter.h"
#include "netflow/record_filter.h"

enum { WEB, DNS6, PING, ONE_WAY, SCTP, RECORDS };

static struct hm_flow_record r[RECORDS];
static struct hm_record_packets packets;

static void address(uint8_t to[16], int family, const char *text)
{
	assert_int_equal(inet_pton(family, text, to), 1);
}

static void make(unsigned i, const char *a, const char *b, uint8_t proto, uint16_t port_a,
		 uint16_t port_b)
{
	int family = strchr(a, ':') ? AF_INET6 : AF_INET;

	address(r[i].key.addr[0], family, a);
	address(r[i].key.addr[1], family, b);
	r[i].key.version = family == AF_INET6 ? 6 : 4;
	r[i].key.proto = proto;
	r[i].key.port_be[0] = htons(port_a);
	r[i].key.port_be[1] = htons(port_b);
	r[i].packets[0] = r[i].packets[1] = 10;
	r[i].bytes[0] = 600;
	r[i].bytes[1] = 12000;
}

static int make_records(void **state)
{
	(void)state;
	memset(r, 0, sizeof(r));
	make(WEB, "10.0.0.1", "192.0.2.80", 6, 40000, 80);
	r[WEB].first.tcp_flags[0] = 0x02;
	r[WEB].tos[1] = 0xb8;
	make(DNS6, "2001:db8::1", "2001:db8::53", 17, 5353, 53);
	make(PING, "10.0.0.1", "10.0.0.2", 1, 0, 8 << 8);
	make(ONE_WAY, "10.0.0.3", "192.0.2.80", 17, 1000, 2000);
	r[ONE_WAY].packets[1] = r[ONE_WAY].bytes[1] = 0;
	make(SCTP, "10.0.0.4", "10.0.0.5", 132, 2905, 2906);
	hm_record_packets_make(&packets, r, RECORDS);
	return 0;
}

#define BIT(i) (UINT64_C(1) << (i))

/* Which directions match, by the endpoint that sent: what tcpdump would say of such packets. */
static const struct {
	const char *expression;
	uint64_t from_first, from_second;
} cases[] = {
	{"ip", BIT(WEB) | BIT(PING) | BIT(ONE_WAY) | BIT(SCTP), BIT(WEB) | BIT(PING) | BIT(SCTP)},
	{"ip6", BIT(DNS6), BIT(DNS6)},
	{"tcp", BIT(WEB), BIT(WEB)},
	{"tcp port 80", BIT(WEB), BIT(WEB)},
	{"src port 80", 0, BIT(WEB)},
	{"dst port 53", BIT(DNS6), 0},
	{"udp portrange 1000-2000", BIT(ONE_WAY), 0},
	{"src host 10.0.0.1", BIT(WEB) | BIT(PING), 0},
	{"dst net 192.0.2.0/24", BIT(WEB) | BIT(ONE_WAY), 0},
	{"net 2001:db8::/32", BIT(DNS6), BIT(DNS6)},
	{"not ip", BIT(DNS6), BIT(DNS6)},
	{"icmp", BIT(PING), BIT(PING)},
	{"icmp[icmptype] = icmp-echo", BIT(PING), 0},
	{"sctp port 2905", BIT(SCTP), BIT(SCTP)},
	{"tcp[tcpflags] & tcp-syn != 0", BIT(WEB), 0},
	{"ip[1] = 0xb8", 0, BIT(WEB)},
	{"less 100", BIT(WEB) | BIT(DNS6) | BIT(PING) | BIT(ONE_WAY) | BIT(SCTP), 0},
	{"greater 1200 and ip", 0, BIT(WEB) | BIT(PING) | BIT(SCTP)},
	{"tcp or ip6 and not src port 53", BIT(WEB) | BIT(DNS6), BIT(WEB)},
};

static void test_record_filter_sees_directions_as_packets(void **state)
{
	(void)state;
	for (unsigned i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct hm_error err;
		struct hm_filter *f = hm_record_filter_create(cases[i].expression, &err);
		uint64_t side[2];
		if (!f)
			fail_msg("%s: %s", cases[i].expression, err.text);
		hm_record_filter_run(f, &packets, side);
		if (side[0] != cases[i].from_first || side[1] != cases[i].from_second)
			fail_msg("%s: %#llx %#llx", cases[i].expression,
				 (unsigned long long)side[0], (unsigned long long)side[1]);
		hm_filter_destroy(f);
	}
}

static void test_record_filter_takes_a_whole_batch(void **state)
{
	static struct hm_flow_record many[HM_RECORDS_MAX];
	struct hm_error err;
	struct hm_filter *f = hm_record_filter_create("port 80", &err);
	uint64_t side[2];

	(void)state;
	for (unsigned i = 0; i < HM_RECORDS_MAX; i++)
		many[i] = r[i % 3 == 0 ? WEB : DNS6];
	hm_record_packets_make(&packets, many, HM_RECORDS_MAX);
	hm_record_filter_run(f, &packets, side);
	for (unsigned i = 0; i < HM_RECORDS_MAX; i++)
		assert_int_equal(side[0] >> i & 1, i % 3 == 0);
	assert_int_equal(side[0], side[1]);
	hm_filter_destroy(f);
}

static void test_record_filter_that_is_none_is_refused(void **state)
{
	static const char *const bad[] = {"port", "host www.example", "tcp port 80 and", "vlan 7"};

	(void)state;
	for (unsigned i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		struct hm_error err;
		assert_null(hm_record_filter_create(bad[i], &err));
		assert_true(err.text[0] != '\0');
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_record_filter_sees_directions_as_packets),
		cmocka_unit_test(test_record_filter_takes_a_whole_batch),
		cmocka_unit_test(test_record_filter_that_is_none_is_refused),
	};
	return cmocka_run_group_tests(tests, make_records, NULL);
}
