/* SPDX-License-Identifier: BSD-3-Clause */
/* The headers of libmapi as the compiler sees them: layouts of MAPI's structures, numbers of its constants, and what
 * the macros make of a call. The calls behind them are replaced here. */
#include <mapi.h>
#include <mapi/anonymization.h>
#include <mapi/binop.h>
#include <mapi/bucket.h>
#include <mapi/burst.h>
#include <mapi/dist.h>
#include <mapi/expiredflowshash.h>
#include <mapi/hashsamp.h>
#include <mapi/ipfixlib.h>
#include <mapi/pktinfo.h>
#include <mapi/protinfo.h>
#include <mapi/res2file.h>
#include <mapi/sample.h>
#include <mapi/stats.h>
#include <mapi/threshold.h>
#include <mapi/topx.h>

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "core/pktring.h"
#include "core/registry.h"

#define AT(type, member, place) static_assert(offsetof(type, member) == (place), #type "." #member)
#define SIZE(type, bytes)       static_assert(sizeof(type) == (bytes), #type)

/* x86-64 and other LP64 machines with a long double of 16 bytes */
AT(struct mapipkt, ts, 0);
AT(struct mapipkt, ifindex, 8);
AT(struct mapipkt, caplen, 12);
AT(struct mapipkt, wlen, 16);
AT(struct mapipkt, pkt, sizeof(struct hm_mapipkt));
AT(mapi_results_t, ts, 8);
AT(mapi_results_t, size, 16);
AT(stats_t, sum, 16);
AT(stats_t, sum2, 32);
AT(stats_t, max, 48);
AT(stats_t, min, 56);
SIZE(stats_t, 64);
AT(dist_t, data, 24);
SIZE(struct bucket_data, 16);
AT(struct sample, timestamp, 32);
SIZE(struct sample, 40);
SIZE(burst_category_t, 40);
AT(struct topx_result, addr6, 4);
AT(struct topx_result, family, 20);
AT(struct topx_result, count, 24);
AT(struct topx_result, bytecount, 32);
AT(struct topx_result, last_rst_secs, 40);
SIZE(struct topx_result, 48);
AT(flow_data, saddr, 24);
AT(flow_data, sport, 32);
AT(flow_data, ttl_pkt1, 37);
SIZE(flow_data, 40);
AT(flows_stat, packets, 20);
SIZE(flows_stat, 40);
AT(ifp_dgram_t, size, 8);
AT(ifp_dgram_t, bytes, 12);
AT(mapi_flow_info_t, device, 12);
AT(mapi_flow_info_t, num_functions, 268);
AT(mapi_flow_info_t, start, 272);
AT(mapi_flow_info_t, status, 288);
AT(mapi_function_info_t, pkts, 776);
AT(mapi_function_info_t, result_size, 792);
AT(mapi_device_info_t, description, 772);
AT(mapi_device_info_t, link_speed, 1796);
AT(mapi_lib_info_t, functs, 260);
AT(mapi_libfunct_info_t, devtype, 1536);
AT(struct mapi_stat, hostname, 12);
SIZE(struct mapi_stat, 524);

/* --- what a call becomes --- */

static struct {
	int fd;
	const char *funct;
	unsigned n, narrow;
} called;

int mapi_apply_function_counted(int fd, const char *funct, unsigned n, unsigned narrow, ...)
{
	called.fd = fd;
	called.funct = funct;
	called.n = n;
	called.narrow = narrow;
	return 17;
}

static void test_call_without_arguments_counts_none(void **state)
{
	assert_int_equal(mapi_apply_function(3, "PKT_COUNTER"), 17);
	assert_int_equal(called.fd, 3);
	assert_string_equal(called.funct, "PKT_COUNTER");
	assert_int_equal(called.n, 0);
	assert_int_equal(called.narrow, 0);
}

static void test_call_tells_which_arguments_are_int(void **state)
{
	unsigned short narrow = 1;
	unsigned long wide = 2;
	char text[] = "ab", *pointer = NULL;

	mapi_apply_function(1, "X", 0, 1ULL, "abc", narrow, wide, pointer, text, 'c', NULL);
	assert_int_equal(called.n, 9);
	assert_int_equal(called.narrow, 1 << 0 | 1 << 3 | 1 << 7);
}

static void test_call_with_most_arguments_is_counted(void **state)
{
	mapi_apply_function(1, "X", 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13ULL);
	assert_int_equal(called.n, 13);
	assert_int_equal(called.narrow, 0xfff);
}

static void test_call_evaluates_an_argument_once(void **state)
{
	int i = 0;

	mapi_apply_function(1, "X", i++);
	assert_int_equal(i, 1);
}

/* --- numbers --- */

static void test_protinfo_numbers_are_those_of_the_function(void **state)
{
	static const struct {
		int number;
		const char *name;
	} some[] = {{PI_TCPSEQ, "tcp.seq"},
		    {PI_TCPACK, "tcp.ack"},
		    {PI_ETH_TYPE, "eth.type"},
		    {PI_IP_TTL, "ip.ttl"},
		    {PI_IPV6_DST_LOW, "ipv6.dst.low"},
		    {PI_TCP_URGENT_POINTER, "tcp.urgent_pointer"},
		    {PI_UDP_CHECKSUM, "udp.checksum"},
		    {PI_ICMP_SEQ, "icmp.seq"},
		    {PI_ICMPV6_CHECKSUM, "icmpv6.checksum"}};
	const struct hm_function *f = hm_function_find("PROTINFO");

	assert_non_null(f);
	for (size_t i = 0; i < sizeof(some) / sizeof(some[0]); i++)
		assert_string_equal(f->args[0].names[some[i].number - f->args[0].min],
				    some[i].name);
	assert_int_equal(f->args[0].max, PI_ICMPV6_CHECKSUM);
}

static void test_constants_have_the_numbers_of_mapi(void **state)
{
	assert_int_equal(MFF_NAPATECH, 4);
	assert_int_equal(MFF_ERF, 2);
	assert_int_equal(FLOW_FINISHED, 2);
	assert_int_equal(DEVICE_DELETED, 4);
	assert_int_equal(DETERMINISTIC, 2);
	assert_int_equal(R2F_STAT, 3);
	assert_int_equal(TOPX_TCP_SRCPORT, 10);
	assert_int_equal(TOPX_UDP_CHECKSUM, 21);
	assert_int_equal(LT_D, 16);
	assert_int_equal(BINOP_SUB, 1);
	assert_int_equal(TCP_SYN, 1); // of mapi/hashsamp.h, which was included last
	assert_int_equal(REGEXP, 20);
	assert_int_equal(HTTP_PAYLOAD, 118);
	assert_int_equal(FTP_RESPONSE_ARG, 152);
	assert_int_equal(FLOW, 157);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_call_without_arguments_counts_none),
		cmocka_unit_test(test_call_tells_which_arguments_are_int),
		cmocka_unit_test(test_call_with_most_arguments_is_counted),
		cmocka_unit_test(test_call_evaluates_an_argument_once),
		cmocka_unit_test(test_protinfo_numbers_are_those_of_the_function),
		cmocka_unit_test(test_constants_have_the_numbers_of_mapi),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
