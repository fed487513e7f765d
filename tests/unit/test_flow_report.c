/* SPDX-License-Identifier: BSD-3-Clause */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include <arpa/inet.h>
#include <sys/socket.h>

#include <cmocka.h>

#include "core/pages.h"
#include "function_harness.h"
#include "netflow/options.h"

#define FRAMES 300

static struct harness h;

static int close_harness(void **state)
{
	(void)state;
	if (h.f)
		harness_close(&h);
	return 0;
}

static void test_flow_report_cache_beyond_memory_is_refused(void **state)
{
	struct hm_error err;

	(void)state;
	if (hm_pages_available() / 4 * 3 > (size_t)40 << 30) {
		print_message("this machine has room for the largest cache\n");
		skip();
	}
	assert_true(harness_open(&h, "FLOW_REPORT",
				 "[{\"cache_entries\": 268435456,"
				 "  \"exporters\": [{\"host\": \"127.0.0.1\"}]}]",
				 &err) < 0);
	assert_int_equal(err.mapi_errno, 3084);
	assert_non_null(strstr(err.text, "available on this machine"));
}

/* --- what is refused, and how it is said --- */

#define IPV6_4                                                                       \
	"\"sourceIPv6Address\", \"destinationIPv6Address\", \"sourceIPv6Address\", " \
	"\"destinationIPv6Address\", "
#define IPV6_8 IPV6_4 IPV6_4

static const struct refused {
	const char *args;
	int mapi_errno;
	const char *says; // part of the sentence
} refused[] = {
	{"[{\"active_timeout_s\": 60}]", 7002, "nowhere to export to"},
	{"[\"\", \"\", \"\", \"\", {}]", 7002, "nowhere to export to"},
	{"[\"IPFIX\", \"file:x\"]", 7002, "not a file's path from the root"},
	{"[\"IPFIX\", \"file:/dev/null\"]", 7002, "not a regular file"},
	{"[\"NETFLOW_V7\", \"127.0.0.1:2055\"]", 7000, "supported: IPFIX, NETFLOW_V9, NETFLOW_V5"},
	{"[\"IPFIX\", \"127.0.0.1\"]", 7002, "not supported"},
	{"[\"IPFIX\", \"127.0.0.1:\"]", 7002, "port must be from 1 to 65535"},
	{"[\"IPFIX\", \"127.0.0.1:0\"]", 7002, "port must be from 1 to 65535"},
	{"[\"IPFIX\", \"127.0.0.1:65536\"]", 7002, "port must be from 1 to 65535"},
	{"[\"IPFIX\", \"127.0.0.1:47x\"]", 7002, "port must be from 1 to 65535"},
	{"[\"IPFIX\", \":4739\"]", 7002, "no address"},
	{"[\"IPFIX\", \"[::1:4739\"]", 7002, "\"]\" is missing"},
	{"[\"IPFIX\", \"collector.example:4739\"]", 7002, "not a numeric IPv4 or IPv6 address"},
	{"[\"IPFIX\", \"127.0.0.1:4739\", \"\", \"%BYTES %VAR_PKT_DIST\"]", 7004,
	 "\"%VAR_PKT_DIST\" is not a name"},
	{"[\"IPFIX\", \"127.0.0.1:4739\", \"\", \"%FIRST_SWITCHED\"]", 7004, "no uptime"},
	{"[\"IPFIX\", \"127.0.0.1:4739\", \"\", \"%BYTES %SRC_AS\"]", 7004,
	 "is of the route to an address"},
	{"[\"IPFIX\", \"127.0.0.1:4739\", \"\", \"DST_AS\"]", 7004,
	 "is of the route to an address"},
	{"[\"IPFIX\", \"127.0.0.1:4739\", \"\", \"%MIN_TTL\"]", 7004, "\"%MIN_TTL\" is not a name"},
	{"[\"NETFLOW_V5\", \"127.0.0.1:4739\", \"\", \"%BYTES\"]", 7004, "one record format"},
	{"[\"IPFIX\", \"\", \"\", \"%BYTES\", {}]", 7004, "for the exporter of the transport"},
	{"[{\"flow_key\": \"vlan\"}]", 7000, "options.flow_key must be an array, not a string"},
	{"[{\"flow_key\": [\"vlan\", \"tunnel\"]}]", 7000,
	 "options.flow_key[1] must be one of vlan|tos"},
	{"[{\"overload\": \"wait\"}]", 7000, "options.overload must be one of evict|stop|sample"},
	{"[{\"overload\": 1}]", 7000, "options.overload must be a string, not an integer"},
	{"[{\"exporters\": []}]", 7000, "options.exporters must be an array of 1 to"},
	{"[{\"exporters\": {}}]", 7000, "options.exporters must be an array"},
	{"[{\"exporters\": [7]}]", 7000, "options.exporters[0] must be an object, not an integer"},
	{"[{\"exporters\": [{}]}]", 7000, "options.exporters[0].host is missing"},
	{"[{\"active_timeout_s\": 0}]", 7000,
	 "options.active_timeout_s must be from 1 to 604800, not 0"},
	{"[{\"active_timeout_s\": 1.5}]", 7000, "must be an integer from 1 to 604800, not a real"},
	{"[{\"inactive_timeout_s\": \"9\"}]", 7000,
	 "options.inactive_timeout_s must be an integer"},
	{"[{\"cache_entries\": 1}]", 7000, "options.cache_entries must be from"},
	{"[{\"cache\": 1}]", 7000, "options.cache is not known; known: active_timeout_s"},
	{"[{\"exporters\": [{\"host\": \"::1\"}, {\"host\": \"::1\", \"prot\": 1}]}]", 7000,
	 "options.exporters[1].prot is not known; known: protocol"},
	{"[{\"exporters\": [{\"host\": \"::1\", \"protocol\": \"sflow\"}]}]", 7000,
	 "exporters[0].protocol \"sflow\" is not supported; supported: ipfix, "
	 "netflow9, netflow5"},
	{"[{\"exporters\": [{\"host\": \"::1\", \"transport\": \"sctp\"}]}]", 7000,
	 "transport \"sctp\" is not supported; supported: udp, tcp, tls, dtls, file"},
	{"[{\"exporters\": [{\"host\": \"::1\", \"protocol\": \"netflow9\", \"transport\": "
	 "\"tcp\"}]}]",
	 7000, "netflow9 goes over udp or into a file only"},
	{"[{\"exporters\": [{\"host\": \"::1\", \"protocol\": \"netflow5\", "
	 "\"observation_domain\": 65536}]}]",
	 7000, "from 0 to 65535 for netflow5"},
	{"[{\"exporters\": [{\"host\": \"::1\", \"protocol\": \"netflow5\", \"biflow\": true}]}]",
	 7000, "exporters[0]: netflow5 has no elements for the reverse"},
	{"[{\"exporters\": [{\"host\": \"::1\", \"biflow\": 1}]}]", 7000,
	 "biflow must be true or false, not an integer"},
	{"[{\"exporters\": [{\"host\": \"::1\", \"template\": []}]}]", 7000,
	 "template must be an array of 1 to 32"},
	{"[{\"exporters\": [{\"host\": \"::1\", \"template\": [1]}]}]", 7000,
	 "template[0] must be a string, not an integer"},
	{"[{\"exporters\": [{\"host\": \"::1\", \"template\": [\"octetDeltaCount\", "
	 "\"octets\"]}]}]",
	 7000, "template[1]: \"octets\" is no information element"},
	{"[{\"exporters\": [{\"host\": \"::1\", \"template\": [\"postMCastPacketDeltaCount\"]}]}]",
	 7000, "template[0]: flow records have no postMCastPacketDeltaCount"},
	{"[{\"exporters\": [{\"host\": \"::1\", \"template\": [\"bgpSourceAsNumber\"]}]}]", 7000,
	 "name a file of prefixes as \"routes\""},
	{"[{\"routes\": \"a.txt\", \"exporters\": [{\"host\": \"::1\"}]}]", 7000,
	 "options.routes must be a path from the root, not \"a.txt\""},
	{"[{\"routes\": \"/nonexistent/a\", \"exporters\": [{\"host\": \"::1\"}]}]", 0,
	 "/nonexistent/a: No such file or directory"},
	{"[{\"exporters\": [{\"host\": \"::1\", \"template\": [\"sourceIPv4Address\"]}]}]", 7000,
	 "no element for IPv6"},
	{"[{\"exporters\": [{\"host\": \"::1\", \"mtu\": 512, \"template\": "
	 "[\"protocolIdentifier\", " IPV6_8 IPV6_8 IPV6_8 IPV6_4 "\"flowEndReason\"]}]}]",
	 7000, "exporters[0]: the template needs messages of 470 bytes"},
	{"[{\"exporters\": [{\"host\": \"::1\", \"time_unit\": \"m\"}]}]", 7000,
	 "time_unit must be one of s, ms, us, ns, not \"m\""},
	{"[{\"exporters\": [{\"host\": \"::1\", \"options\": [\"all\"]}]}]", 7000,
	 "options[0] must be one of statistics|flow_keys"},
	{"[{\"exporters\": [{\"host\": \"::1\", \"options\": \"all\"}]}]", 7000,
	 "options must be an array, not a string"},
	{"[{\"exporters\": [{\"host\": \"::1\", \"sampling_interval\": 0}]}]", 7000,
	 "sampling_interval must be from 1 to 16383"},
	{"[{\"exporters\": [{\"transport\": \"file\"}]}]", 7000, "exporters[0].path is missing"},
	{"[{\"exporters\": [{\"transport\": \"file\", \"path\": \"x\"}]}]", 7000,
	 "exporters[0].path: \"x\" is not a file"},
	{"[{\"exporters\": [{\"transport\": \"udp\"}]}]", 7000, "exporters[0].host is missing"},
	{"[{\"exporters\": [{\"host\": \"::1\", \"port\": 65536}]}]", 7000,
	 "options.exporters[0].port must be from 1 to 65535, not 65536"},
	{"[{\"exporters\": [{\"host\": \"localhost\"}]}]", 7000,
	 "not a numeric IPv4 or IPv6 address"},
	{"[{\"exporters\": [{\"host\": \"::1\", \"source\": \"127.0.0.1\"}]}]", 7000,
	 "different IP versions"},
	{"[{\"exporters\": [{\"host\": \"::1\", \"source\": \"me\"}]}]", 7000, "source \"me\""},
	{"[{\"exporters\": [{\"host\": 1}]}]", 7000, "host must be a string, not an integer"},
	{"[{\"exporters\": [{\"host\": \"a\\u0000b\"}]}]", 7000, "no zero byte"},
	{"[{\"exporters\": [{\"host\": \"1111111111111111111111111111111111111111111111111111111111"
	 "111111111111\"}]}]",
	 7000, "shorter than 64 bytes"},
};

static void test_flow_report_bad_arguments_are_named(void **state)
{
	(void)state;
	for (unsigned i = 0; i < sizeof(refused) / sizeof(refused[0]); i++) {
		struct hm_error err;
		assert_true(harness_open(&h, "FLOW_REPORT", refused[i].args, &err) < 0);
		if (!strstr(err.text, refused[i].says))
			fail_msg("%s: said \"%s\", not \"%s\"", refused[i].args, err.text,
				 refused[i].says);
		if (err.mapi_errno != refused[i].mapi_errno)
			fail_msg("%s: number %d (%s)", refused[i].args, err.mapi_errno, err.text);
		harness_close(&h);
	}
}

static void test_flow_report_options_are_taken(void **state)
{
	const char *text =
		"{\"active_timeout_s\": 60, \"inactive_timeout_s\": 5, \"cache_entries\": 1024,"
		" \"flow_key\": [\"flow_label\", \"vlan\"], \"overload\": \"sample\","
		" \"exporters\": [{\"host\": \"192.0.2.1\", \"port\": 2055, \"mtu\": 1500,"
		" \"source\": \"0.0.0.0\", \"observation_domain\": 4294967295,"
		" \"template_interval_s\": 5, \"template_packets\": 9,"
		" \"max_records_per_s\": 1000, \"queue_messages\": 100,"
		" \"protocol\": \"ipfix\", \"transport\": \"udp\", \"biflow\": true,"
		" \"template\": [\"octetDeltaCount\", \"flowEndNanoseconds\"],"
		" \"sampling_interval\": 16383, \"options\": [\"types\", \"statistics\"],"
		" \"multicast_ttl\": 5},"
		" {\"host\": \"2001:db8::1\"}]}";
	json_t *json = json_loads(text, 0, NULL);
	struct hm_report_options o;
	struct hm_error err;

	(void)state;
	hm_report_defaults(&o, NULL);
	assert_int_equal(hm_report_parse(&o, json, "netflow[0]", &err), 0);
	json_decref(json);
	assert_int_equal(o.active_ns, 60000000000);
	assert_int_equal(o.inactive_ns, 5000000000);
	assert_int_equal(o.cache_entries, 1024);
	assert_int_equal(o.key, HM_FLOW_KEY_VLAN | HM_FLOW_KEY_LABEL);
	assert_int_equal(o.overload, HM_OVERLOAD_SAMPLE);
	assert_int_equal(o.n_exporters, 2);
	assert_string_equal(o.exporter[0].to.host, "192.0.2.1");
	assert_int_equal(o.exporter[0].to.port, 2055);
	assert_int_equal(o.exporter[0].mtu, 1500);
	assert_int_equal(o.exporter[0].origin.domain, UINT32_MAX);
	assert_int_equal(o.exporter[0].template_packets, 9);
	assert_int_equal(o.exporter[0].max_records_per_s, 1000);
	assert_int_equal(o.exporter[0].layout.n, 2);
	assert_int_equal(o.exporter[0].layout.element[1].id, 157);
	assert_true(o.exporter[0].layout.biflow);
	assert_int_equal(o.exporter[0].origin.sampling_interval, 16383);
	assert_int_equal(o.exporter[0].tell, HM_TELL_TYPES | HM_TELL_STATISTICS);
	assert_int_equal(o.exporter[0].to.multicast_ttl, 5);
	assert_int_equal(o.exporter[1].tell, HM_TELL_ALL);
	assert_int_equal(o.exporter[1].to.port, 4739);
	assert_int_equal(o.exporter[1].template_interval_s, 60);
	assert_int_equal(hm_report_add_mapi(&o, "ipfix", "[2001:db8::2]:99", "", &err), 0);
	assert_string_equal(o.exporter[2].to.host, "2001:db8::2");
	assert_int_equal(o.exporter[2].to.port, 99);
	assert_int_equal(hm_report_add_mapi(&o, "NETFLOW_V9", "192.0.2.1:2055",
					    " %IP_SRC_ADDR %IPV6_SRC_ADDR  FIRST_SWITCHED ", &err),
			 0);
	assert_ptr_equal(o.exporter[3].format, &hm_netflow9);
	assert_int_equal(o.exporter[3].layout.n, 3);
	assert_int_equal(o.exporter[3].layout.element[2].id, 22);
}

/* --- the whole way to a socket --- */

static int listen_somewhere(uint16_t *port)
{
	struct sockaddr_in a = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	const struct timeval timeout = {.tv_sec = 5};
	socklen_t length = sizeof(a);
	int fd = socket(AF_INET, SOCK_DGRAM, 0);

	assert_int_equal(bind(fd, (struct sockaddr *)&a, sizeof(a)), 0);
	assert_int_equal(getsockname(fd, (struct sockaddr *)&a, &length), 0);
	setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &timeout, sizeof(timeout));
	*port = ntohs(a.sin_port);
	return fd;
}

static int64_t number(const json_t *stats, const char *a, const char *b)
{
	json_t *v = json_object_get(json_object_get(stats, a), b);

	assert_true(json_is_integer(v));
	return json_integer_value(v);
}

static void send_frames(void)
{
	static uint8_t bytes[FRAMES][64];
	static struct frame frames[FRAMES];
	static bool passed[FRAMES];

	for (unsigned i = 0; i < FRAMES; i++) {
		uint32_t n = harness_udp(bytes[i], (uint16_t)(1000 + i % 100), 53, "abc", 3);
		frames[i] = (struct frame){bytes[i], n, n, 1700000000000000000 + i * 1000};
	}
	harness_run(&h, frames, FRAMES, 64, false, passed);
	for (unsigned i = 0; i < FRAMES; i++)
		assert_true(passed[i]);
}

/* As the engine does it at the end. */
static void finish(void)
{
	const struct timespec nap = {.tv_nsec = 1000000};

	for (unsigned i = 0; !h.f->drain(h.core) || !h.f->idle(h.conf); i++) {
		assert_true(i < 5000);
		if (h.f->poll(h.conf, 0) == 0)
			nanosleep(&nap, NULL);
	}
}

static void test_flow_report_exports_all_it_metered(void **state)
{
	uint8_t message[2000];
	char args[64];
	struct hm_error err;
	uint16_t port;
	int fd = listen_somewhere(&port), n;
	json_t *stats;

	(void)state;
	snprintf(args, sizeof(args), "[\"ipfix\", \"127.0.0.1:%u\"]", port);
	assert_int_equal(harness_open(&h, "FLOW_REPORT", args, &err), 0);
	assert_true(h.f->ready(h.core));
	send_frames();
	assert_int_equal(harness_result(&h, "packets"), FRAMES);
	assert_int_equal(harness_result(&h, "bytes"), FRAMES * 31);
	assert_int_equal(harness_result(&h, "entries"), 100);
	h.f->closing(h.conf);
	finish();
	assert_int_equal(harness_result(&h, "records"), 100);
	stats = h.f->stats(h.conf, &h.core, 1);
	assert_int_equal(number(stats, "ledger", "made"), 100);
	assert_int_equal(number(stats, "ledger", "exported"), 100);
	assert_int_equal(number(stats, "ended", "forced"), 100);
	assert_true(json_is_true(json_object_get(json_object_get(stats, "ledger"), "balanced")));
	json_decref(stats);
	n = (int)recv(fd, message, sizeof(message), 0);
	assert_true(n > 20);
	assert_int_equal(message[17], 2); // templates come first
	n = (int)recv(fd, message, sizeof(message), 0);
	assert_int_equal(message[16] << 8 | message[17], 256);
	close(fd);
}

static void test_flow_report_two_exporters_get_every_record(void **state)
{
	char args[160];
	struct hm_error err;
	uint16_t port[2];
	int fd[2] = {listen_somewhere(&port[0]), listen_somewhere(&port[1])};
	json_t *stats;

	(void)state;
	snprintf(args, sizeof(args),
		 "[{\"exporters\": [{\"host\": \"127.0.0.1\", \"port\": %u}, {\"host\": "
		 "\"127.0.0.1\","
		 " \"port\": %u}]}]",
		 port[0], port[1]);
	assert_int_equal(harness_open(&h, "FLOW_REPORT", args, &err), 0);
	send_frames();
	finish();
	stats = h.f->stats(h.conf, &h.core, 1);
	assert_int_equal(number(stats, "ledger", "made"), 200);
	assert_int_equal(number(stats, "ledger", "exported"), 200);
	assert_int_equal(json_array_size(json_object_get(stats, "exporters")), 2);
	json_decref(stats);
	close(fd[0]);
	close(fd[1]);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_teardown(test_flow_report_cache_beyond_memory_is_refused,
					  close_harness),
		cmocka_unit_test(test_flow_report_bad_arguments_are_named),
		cmocka_unit_test(test_flow_report_options_are_taken),
		cmocka_unit_test_teardown(test_flow_report_exports_all_it_metered, close_harness),
		cmocka_unit_test_teardown(test_flow_report_two_exporters_get_every_record,
					  close_harness),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
