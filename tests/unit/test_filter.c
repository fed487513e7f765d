/* SPDX-License-Identifier: BSD-3-Clause */
/* Filters: errors, matches, and that no expression whatever reaches a resolver. */
#include <arpa/inet.h>
#include <dlfcn.h>
#include <errno.h>
#include <netdb.h>
#include <netinet/ether.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <cmocka.h>

#include "core/parse.h"
#include "filter/check.h"
#include "filter/filter_private.h"

// libpcap finds these before libc's: whoever asks for a name is counted
static unsigned lookups;
static char looked_up[256];

static void count_lookup(const char *name)
{
	lookups++;
	snprintf(looked_up, sizeof(looked_up), "%s", name);
}

static bool is_number(const char *name)
{
	unsigned char bytes[16];

	return inet_pton(AF_INET, name, bytes) == 1 || inet_pton(AF_INET6, name, bytes) == 1;
}

// services (no name) and numbers go on to libc
int getaddrinfo(const char *name, const char *service, const struct addrinfo *hints,
		struct addrinfo **result)
{
	int (*real)(const char *, const char *, const struct addrinfo *, struct addrinfo **);

	if (name && !is_number(name)) {
		count_lookup(name);
		return EAI_NONAME;
	}
	*(void **)&real = dlsym(RTLD_NEXT, "getaddrinfo");
	return real(name, service, hints, result);
}

struct hostent *gethostbyname(const char *name)
{
	count_lookup(name);
	return NULL;
}

struct netent *getnetbyname(const char *name)
{
	count_lookup(name);
	return NULL;
}

int getnetbyname_r(const char *name, struct netent *entry, char *buffer, size_t size,
		   struct netent **result, int *error)
{
	(void)entry, (void)buffer, (void)size;
	count_lookup(name);
	*result = NULL;
	*error = HOST_NOT_FOUND;
	return 0;
}

int ether_hostton(const char *name, struct ether_addr *address)
{
	(void)address;
	count_lookup(name);
	return -1;
}

static struct hm_error err;

static struct hm_filter *create(const char *expression)
{
	return hm_filter_create(expression, HM_LINK_ETHERNET, 65535, &err);
}

static const char *const good[] = {
	"tcp",
	"ip host 10.0.0.1 and not port 80",
	"net 10.0.0.0/8 or net 192.168 or net 172.16.0.0 mask 255.240.0.0",
	"host 2001:db8::1 or net 2001:db8::/32 or host ::ffff:10.0.0.1",
	"src host 64:ff9b::9765:798c",
	"port http or https or domain",
	"tcp portrange 5222-6222",
	"ip proto \\icmp or ip6 proto 17 or ip proto \\tcp",
	"ether host 00:11:22:33:44:55 or ether src 0-1-2-3-4-5 or ether dst 0011.2233.4455",
	"ether proto 0x88cc or ether proto \\arp",
	"tcp[tcpflags] & (tcp-syn|tcp-fin) != 0",
	"icmp[icmptype] = icmp-echo",
	"ether[0] & 1 != 0 and ip[2:2] > 576 and len > 64",
	"vlan 5 and (port 80 or (udp and not port 53))",
	"mpls 1024 and host 1.2.3.4",
	"pppoes and ip",
	"greater 100 and less 1000",
	"(host 1.2.3.4 or port 80) and port 443",
	"not broadcast and not multicast",
	"port (80 or 443 or https)",
	"ip broadcast or ether multicast",
	"0x7f000001 > 5",
};

static const char *const refused[] = {
	"host example.com",
	"example.com",
	"src www",
	"net loopback",
	"not host a or port 80",
	"host 1.2.3.4 or example.com",
	"host 1.2.3.4.example.com",
	"port 80 or host 1.2.3.4 or www",
	"host 1.2.3.4 or (port 80) or www",
	"(port 80 or host x)",
	"gateway 1.2.3.4",
	"gateway snup",
	"ether host router",
	"ether src deadbeef",
	"ip host \\tcp",
	"host \\1.2.3.4",
	"TCP",
	"1.2.3.4.5",
	"host 1.2.3.4.",
	"len-5 > 3",
	"tcp or udp or localhost",
	"decnet host a",
	"net 10.0.0.0/8 or b",
	"host 12:34:56:78:9a:bc:de",
};

static void test_filter_numeric_expressions_compile(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++) {
		struct hm_filter *f;

		err.text[0] = '\0';
		f = create(good[i]);
		if (!f)
			fail_msg("%s", err.text);
		hm_filter_destroy(f);
	}
	assert_int_equal(lookups, 0);
}

static void test_filter_names_are_refused_before_anybody_is_asked(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(refused) / sizeof(refused[0]); i++) {
		struct hm_filter_fault use;

		if (!hm_filter_find_fault(refused[i], &use))
			fail_msg("no name found in: %s", refused[i]);
		assert_null(create(refused[i]));
		assert_int_equal(err.mapi_errno, 1025);
	}
	assert_int_equal(lookups, 0);
	assert_null(create("port 80 and host example.com"));
	assert_non_null(strstr(err.text, "'example.com' at byte 17: names are not resolved"));
}

static void test_filter_empty_is_7001(void **state)
{
	const char *const empty[] = {NULL, "", " ", "\t\n "};
	(void)state;
	for (unsigned i = 0; i < 4; i++) {
		assert_null(create(empty[i]));
		assert_int_equal(err.mapi_errno, 7001);
	}
}

static void test_filter_bad_expression_is_1025_with_libpcaps_words(void **state)
{
	char *longest = malloc(HM_FILTER_EXPRESSION_MAX + 2);
	(void)state;
	assert_null(create("tcp and and"));
	assert_int_equal(err.mapi_errno, 1025);
	assert_non_null(strstr(err.text, "syntax error at byte 8"));
	assert_null(create("port nosuchservice"));
	assert_int_equal(err.mapi_errno, 1025);
	assert_null(create("host 300.1.1.1"));
	assert_int_equal(err.mapi_errno, 1025);
	assert_null(hm_filter_create("ether host 0:1:2:3:4:5", HM_LINK_RAW, 100, &err));
	assert_int_equal(err.mapi_errno, 1025);
	assert_null(create("inbound and tcp")); // would never match
	assert_int_equal(err.mapi_errno, 1025);
	memset(longest, ' ', HM_FILTER_EXPRESSION_MAX);
	memcpy(longest, "tcp", 3);
	longest[HM_FILTER_EXPRESSION_MAX] = '\0';
	hm_filter_destroy(create(longest));
	strcat(longest, " ");
	assert_null(create(longest));
	assert_int_equal(err.mapi_errno, 1025);
	assert_non_null(strstr(err.text, "8192"));
	free(longest);
	memset(err.text, 0, sizeof(err.text));
}

static void test_filter_deep_parentheses_are_refused(void **state)
{
	char text[2000] = "";
	(void)state;
	for (unsigned i = 0; i < 300; i++)
		strcat(text, "(");
	strcat(text, "tcp");
	for (unsigned i = 0; i < 300; i++)
		strcat(text, ")");
	assert_null(create(text));
	assert_int_equal(err.mapi_errno, 1025);
}

/* Lists as long as allowed compile soon, and to the right thing. */
static void test_filter_longest_lists_compile_soon(void **state)
{
	static const uint8_t udp[42] = {[12] = 8, [14] = 0x45, [23] = 17, [36] = 0, [37] = 81};
	static struct hm_batch b = {
		.n = 1, .all = 1, .data = {udp}, .caplen = {42}, .wirelen = {42}};
	(void)state;
	for (unsigned k = 0; k < 2; k++) {
		char text[HM_FILTER_EXPRESSION_MAX + 1] = "udp dst port 81";
		clock_t start = clock();
		struct hm_filter *f;
		size_t n = strlen(text);

		for (unsigned i = 1; i < HM_FILTER_TERMS_MAX; i++) {
			n += (size_t)snprintf(text + n, sizeof(text) - n, " or ");
			n += (size_t)(k == 0 ? snprintf(text + n, 40, "host 10.0.%u.%u", i / 100,
							i % 100)
					     : snprintf(text + n, 40, "port %u", 1000 + i));
		}
		f = create(text);
		if (!f)
			fail_msg("%s", err.text);
		assert_true(clock() - start < 5 * CLOCKS_PER_SEC);
		assert_int_equal(hm_filter_run(f, &b, 1), 1);
		hm_filter_destroy(f);
		strcat(text, k == 0 ? " or tcp" : "||tcp");
		assert_null(create(text));
		assert_non_null(strstr(err.text, "more than 256 terms"));
	}
}

static void test_filter_run_sees_only_given_packets_and_captured_bytes(void **state)
{
	static struct hm_batch b;
	static const uint8_t tcp[54] = {[12] = 8, [14] = 0x45, [23] = 6, [36] = 0, [37] = 80};
	struct hm_filter *f = create("tcp dst port 80");
	struct hm_filter *length = hm_filter_create("len > 100", HM_LINK_ETHERNET, 0, &err);
	(void)state;
	b.n = 64;
	b.all = UINT64_MAX;
	for (unsigned i = 0; i < 64; i++) {
		b.data[i] = tcp;
		b.caplen[i] = i < 32 ? 54 : 37; // the port is cut
		b.wirelen[i] = i == 5 ? 101 : 54;
	}
	assert_int_equal(hm_filter_run(f, &b, UINT64_MAX), 0xffffffff);
	assert_int_equal(hm_filter_run(f, &b, 0xf0f0f0f0f0f0f0f0), 0xf0f0f0f0);
	assert_int_equal(hm_filter_run(f, &b, 0), 0);
	assert_int_equal(hm_filter_run(length, &b, UINT64_MAX), 1 << 5);
	hm_filter_destroy(f);
	hm_filter_destroy(length);
	hm_filter_destroy(NULL);
}

/* --- snapshots and scans --- */

static struct hm_batch batch; // destination port 80 + i modulo 4, in Ethernet and UDP

static void fill_batch(unsigned n)
{
	static uint8_t rooms[64][42];

	batch.n = n;
	batch.link = HM_LINK_ETHERNET;
	batch.all = hm_mask_first(n);
	for (unsigned i = 0; i < 64; i++) {
		static const uint8_t head[24] = {[12] = 8, [14] = 0x45, [17] = 28, [23] = 17};

		memcpy(rooms[i], head, sizeof(head));
		rooms[i][37] = (uint8_t)(80 + i % 4);
		rooms[i][39] = 8;
		batch.data[i] = rooms[i];
		batch.caplen[i] = batch.wirelen[i] = 42;
	}
	hm_parse(&batch, &(struct hm_parse_conf){0});
}

static void test_filter_same_expression_is_the_same_filter(void **state)
{
	struct hm_filter *a = create(" udp   port\t53 "), *b = create("udp port 53");
	struct hm_filter *c = create("udp port 54");
	struct hm_filter *raw = hm_filter_create("udp port 53", HM_LINK_RAW, 65535, &err);
	uint32_t slot;
	(void)state;
	assert_ptr_equal(a, b);
	assert_string_equal(hm_filter_canonical(a), "udp port 53");
	assert_ptr_not_equal(a, raw);
	assert_int_not_equal(hm_filter_slot(a), hm_filter_slot(c));
	assert_int_not_equal(hm_filter_slot(a), hm_filter_slot(raw));
	hm_filter_destroy(b);
	assert_string_equal(hm_filter_canonical(a), "udp port 53"); // still held
	slot = hm_filter_slot(c);
	hm_filter_destroy(c);
	c = create("udp port 55");
	assert_int_equal(hm_filter_slot(c), slot); // given again
	hm_filter_destroy(a);
	hm_filter_destroy(raw);
	hm_filter_destroy(c);
}

static void test_filter_many_filters_have_slots_of_their_own(void **state)
{
	enum { MANY = 300 };
	static struct hm_filter *all[MANY];
	static bool used[MANY];
	(void)state;
	for (unsigned i = 0; i < MANY; i++) {
		char text[32];

		snprintf(text, sizeof(text), "port %u", i + 1);
		all[i] = create(text);
		assert_non_null(all[i]);
		assert_in_range(hm_filter_slot(all[i]), 0, MANY - 1);
		assert_false(used[hm_filter_slot(all[i])]);
		used[hm_filter_slot(all[i])] = true;
	}
	for (unsigned i = 0; i < MANY; i++)
		hm_filter_destroy(all[i]);
}

static void test_filter_index_knows_its_filters(void **state)
{
	struct hm_filter *a = create("tcp"), *b = create("udp"), *c = create("icmp");
	struct hm_filter *list[] = {a, NULL, b, a, b};
	struct hm_filter_index *x = hm_filter_index_create(list, 5, &err);
	(void)state;
	assert_non_null(x);
	assert_true(hm_filter_index_bytes(x) > 0);
	assert_true(hm_filter_index_matches(x, list, 5));
	assert_true(hm_filter_index_matches(x, list, 3));
	assert_true(hm_filter_index_matches(x, list + 1, 4));
	assert_false(hm_filter_index_matches(x, list, 2));
	list[1] = c;
	assert_false(hm_filter_index_matches(x, list, 5));
	hm_filter_destroy(a); // the index holds it
	hm_filter_index_ref(x);
	hm_filter_index_unref(x);
	assert_string_equal(hm_filter_canonical(list[0]), "tcp");
	hm_filter_index_unref(x);
	hm_filter_index_unref(NULL);
	hm_filter_destroy(b);
	hm_filter_destroy(c);
	x = hm_filter_index_create(NULL, 0, &err);
	assert_true(hm_filter_index_matches(x, NULL, 0));
	hm_filter_index_unref(x);
}

/* Ranges that lie in each other: their lists grow with the square of their number, without a limit. */
static bool build_nested_ports(uint32_t n)
{
	struct hm_item *items = calloc(n, sizeof(*items));
	struct hm_lists lists = {0};
	struct hm_ports ports = {0};
	bool built;

	assert_non_null(items);
	for (uint32_t i = 0; i < n; i++)
		items[i] = (struct hm_item){
			.low = 1000 + i, .high = 60000 - i, .direction = HM_EITHER, .ref = {i, 0}};
	built = hm_ports_build(&ports, items, n, &lists);
	assert_true(lists.n_made <= HM_LISTS_MAX);
	free(items);
	free(ports.class_of);
	hm_lists_free(&lists);
	return built;
}

static void test_filter_lists_of_overlapping_ranges_are_bounded(void **state)
{
	(void)state;
	assert_true(build_nested_ports(2880));
	assert_false(build_nested_ports(3120));
}

static const char *const scanned[] = {"udp dst port 80",
				      "udp dst port 81",
				      "tcp",
				      "not port 82",
				      "udp dst portrange 82-83 and len = 42",
				      "ip protochain 17"};
#define SCANNED (sizeof(scanned) / sizeof(scanned[0]))

static void expect_hits(struct hm_filter_scan *s, struct hm_filter *const *f, uint64_t in)
{
	static const uint64_t every[] = {0x1111111111111111, 0x2222222222222222, 0,
					 0xbbbbbbbbbbbbbbbb, 0xcccccccccccccccc, UINT64_MAX};
	bool active[SCANNED] = {false};

	for (unsigned i = 0; i < SCANNED; i++)
		assert_int_equal(hm_filter_hits(s, &batch, in, hm_filter_slot(f[i])),
				 every[i] & in);
	for (uint32_t i = 0; i < s->n_active; i++)
		for (unsigned k = 0; k < SCANNED; k++)
			active[k] |= hm_filter_slot(f[k]) == s->active[i];
	for (unsigned i = 0; i < SCANNED; i++) { // whoever matches and is not lazy is active
		if (hm_filter_is_lazy(f[i]))
			assert_false(active[i]);
		else if (every[i] & in)
			assert_true(active[i]);
	}
	assert_int_equal(hm_filter_hits(s, &batch, in, s->n_slots), 0);
	assert_int_equal(hm_filter_hits(s, &batch, in, UINT32_MAX), 0);
}

static void test_filter_scan_answers_for_the_packets_asked(void **state)
{
	static const unsigned sizes[] = {64, 1, 3, 63, 64, 33};
	struct hm_filter *f[SCANNED];
	struct hm_filter_index *x;
	struct hm_filter_scan *s;
	(void)state;
	for (unsigned i = 0; i < SCANNED; i++)
		f[i] = create(scanned[i]);
	x = hm_filter_index_create(f, SCANNED, &err);
	s = hm_filter_scan_create(x, -1);
	assert_non_null(s);
	assert_true(hm_filter_scan_bytes(s) > 0);
	hm_filter_index_unref(x); // the scan holds it
	for (unsigned i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
		fill_batch(sizes[i]);
		hm_filter_scan_begin(s);
		expect_hits(s, f, batch.all & 0x0ff0f00f0ff0f00f);
		expect_hits(s, f, batch.all);
		expect_hits(s, f, 0);
	}
	hm_filter_scan_begin(s);
	hm_filter_scan_run(s, &batch);
	expect_hits(s, f, batch.all);
	hm_filter_scan_destroy(s);
	hm_filter_scan_destroy(NULL);
	for (unsigned i = 0; i < SCANNED; i++)
		hm_filter_destroy(f[i]);
}

static void expect_engine(const char *expression, const char *engine)
{
	struct hm_filter *f = create(expression);

	if (!f)
		fail_msg("%s", err.text);
	if (strcmp(hm_filter_engine(f), engine) != 0)
		fail_msg("%s: %s", expression, hm_filter_engine(f));
	assert_int_equal(hm_filter_is_lazy(f), strcmp(engine, "bpf") == 0);
	hm_filter_destroy(f);
}

static void test_filter_what_people_write_is_indexed(void **state)
{
	static const char *const uncovered[] = {"ip protochain 6",
						"tcp[(tcp[12] & 0xf0) >> 2] = 71",
						"ip[0] > ip[8]",
						"net 10.0.0.1 mask 255.0.0.255",
						"llc",
						"stp",
						"geneve",
						"5 > 3",
						"port 80 and ether proto 0x42",
						"ip[8] * 2 = 4"};
	(void)state;
	for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++)
		if (strcmp(good[i], "0x7f000001 > 5") != 0)
			expect_engine(good[i], "index");
	for (size_t i = 0; i < sizeof(uncovered) / sizeof(uncovered[0]); i++)
		expect_engine(uncovered[i], "bpf");
}

/* The same predicate or expression in two filters is one; chains of `and` have no order. */
static void test_filter_common_expressions_are_one(void **state)
{
	struct hm_filter *f[] = {create("host 10.0.0.1 and port 80 and tcp"),
				 create("tcp and (port 80 and host 10.0.0.1)"),
				 create("not not (port 80 and tcp and host 10.0.0.1)"),
				 create("port 80 or udp"), create("udp or port 80 or udp")};
	struct hm_filter_index *x = hm_filter_index_create(f, 5, &err);
	(void)state;
	assert_non_null(x);
	assert_int_equal(x->dag.n_predicates, 4); // host, port, tcp, udp
	assert_int_equal(x->dag.n_nodes, 6);      // and one `and`, one `or`
	hm_filter_index_unref(x);
	for (unsigned i = 0; i < 5; i++)
		hm_filter_destroy(f[i]);
}

/* Any sequence of any words: libpcap may call it nonsense, but nobody is ever asked for a name. */
static void test_filter_random_expressions_never_reach_a_resolver(void **state)
{
	static const char *const words[] = {
		"host",      "net",       "port",    "portrange",   "proto",       "protochain",
		"gateway",   "src",       "dst",     "ip",          "ip6",         "tcp",
		"udp",       "ether",     "arp",     "rarp",        "link",        "vlan",
		"mpls",      "pppoes",    "and",     "or",          "not",         "(",
		")",         "[",         "]",       "(",           ")",           "and",
		"or",        "host",      "port",    "net",         "!",           "&&",
		"||",        "\\",        "\\tcp",   "/",           "mask",        "-",
		"+",         ">",         "=",       ":",           "1.2.3.4",     "10/8",
		"::1",       "fe80::",    "80",      "1-5",         "http",        "name",
		"a.b",       "x-",        "1.2.3",   "1.2.3.4.5.6", "0:1:2:3:4:5", "1-2-3-4-5-6",
		"1.a",       "len",       "less",    "byte",        "5",           "type",
		"subtype",   "dir",       "on",      "ifname",      "llc",         "reason",
		"action",    "rset",      "inbound", "wlan",        "addr1",       "ra",
		"mgt",       "tcpflags",  "tcp-syn", "icmptype",    "iso",         "isis",
		"clnp",      "stp",       "lat",     "decnet",      "ppp",         "slip",
		"fddi",      "tr",        "radio",   "sca",         "igrp",        "geneve",
		"broadcast", "multicast", "netbeui", "ipx",         "vpi",         "fisu",
		"ah",        "esp",       "pim",     "carp",        "vrrp",        "sctp",
		"$12",       "0x1.2",     "0x",      "1.2.3.4:5",   "a:b",         "::x",
		"ifindex",   "a_b",
	};
	uint64_t x = 42;
	unsigned compiled = 0, passed_on = 0;
	(void)state;
	for (unsigned round = 0; round < 60000; round++) {
		char text[512] = "";
		struct hm_filter_fault use;
		struct hm_filter *f;

		for (unsigned n = 1 + round % 9; n > 0; n--) {
			x = x * 6364136223846793005u + 1442695040888963407u;
			strcat(text, words[(x >> 33) % (sizeof(words) / sizeof(words[0]))]);
			if (x >> 60)
				strcat(text, " ");
		}
		passed_on += !hm_filter_find_fault(text, &use);
		f = create(text);
		compiled += f != NULL;
		hm_filter_destroy(f);
		if (lookups > 0)
			fail_msg("\"%s\" asked for \"%s\"", text, looked_up);
	}
	assert_true(compiled > 500); // and it did not just refuse everything
	assert_true(passed_on > 5000);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_filter_numeric_expressions_compile),
		cmocka_unit_test(test_filter_names_are_refused_before_anybody_is_asked),
		cmocka_unit_test(test_filter_empty_is_7001),
		cmocka_unit_test(test_filter_bad_expression_is_1025_with_libpcaps_words),
		cmocka_unit_test(test_filter_deep_parentheses_are_refused),
		cmocka_unit_test(test_filter_longest_lists_compile_soon),
		cmocka_unit_test(test_filter_run_sees_only_given_packets_and_captured_bytes),
		cmocka_unit_test(test_filter_same_expression_is_the_same_filter),
		cmocka_unit_test(test_filter_many_filters_have_slots_of_their_own),
		cmocka_unit_test(test_filter_index_knows_its_filters),
		cmocka_unit_test(test_filter_lists_of_overlapping_ranges_are_bounded),
		cmocka_unit_test(test_filter_scan_answers_for_the_packets_asked),
		cmocka_unit_test(test_filter_what_people_write_is_indexed),
		cmocka_unit_test(test_filter_common_expressions_are_one),
		cmocka_unit_test(test_filter_random_expressions_never_reach_a_resolver),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
