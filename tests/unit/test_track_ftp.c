/* SPDX-License-Identifier: BSD-3-Clause */
#include <arpa/inet.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "function_harness.h"

#define FRAMES_MAX 4096
#define ROOM       256
#define S          UINT64_C(1000000000)

enum { FIN = 1, SYN = 2, RST = 4, ACK = 16 };

static uint8_t bytes[FRAMES_MAX][ROOM];
static struct frame frames[FRAMES_MAX];
static bool wanted[FRAMES_MAX], passed[FRAMES_MAX];
static unsigned n;
static uint64_t now_ns;

static void begin(void)
{
	n = 0;
	now_ns = 1000 * S;
}

struct end {
	const char *address; // of the same family at both ends
	uint16_t port;
};

static void put16(uint8_t *p, unsigned v)
{
	p[0] = (uint8_t)(v >> 8);
	p[1] = (uint8_t)v;
}

/* A TCP segment; whether it should pass. */
static void segment(struct end from, struct end to, unsigned flags, uint32_t sequence,
		    const char *text, bool passes)
{
	bool six = strchr(from.address, ':') != NULL;
	uint8_t *f = bytes[n], *ip = f + 14, *tcp = ip + (six ? 40 : 20);
	size_t length = strlen(text);

	assert_true(n < FRAMES_MAX && length + 74 <= ROOM);
	memset(f, 0, ROOM);
	put16(f + 12, six ? 0x86dd : 0x0800);
	if (six) {
		ip[0] = 0x60;
		put16(ip + 4, (unsigned)(20 + length));
		ip[6] = 6;
		assert_int_equal(inet_pton(AF_INET6, from.address, ip + 8), 1);
		assert_int_equal(inet_pton(AF_INET6, to.address, ip + 24), 1);
	} else {
		ip[0] = 0x45;
		put16(ip + 2, (unsigned)(40 + length));
		ip[9] = 6;
		assert_int_equal(inet_pton(AF_INET, from.address, ip + 12), 1);
		assert_int_equal(inet_pton(AF_INET, to.address, ip + 16), 1);
	}
	put16(tcp, from.port);
	put16(tcp + 2, to.port);
	put16(tcp + 4, sequence >> 16);
	put16(tcp + 6, sequence & 0xffff);
	tcp[12] = 0x50;
	tcp[13] = (uint8_t)flags;
	memcpy(tcp + 20, text, length);
	frames[n] = (struct frame){
		.data = f, .caplen = (uint32_t)(tcp + 20 - f + (ptrdiff_t)length), .ts_ns = now_ns};
	now_ns += 1000000;
	wanted[n++] = passes;
}

static void check_with(const char *args, unsigned batch, struct harness *h)
{
	struct hm_error err;

	assert_int_equal(harness_open(h, "TRACK_FTP", args, &err), 0);
	harness_run(h, frames, n, batch, false, passed);
	for (unsigned i = 0; i < n; i++)
		if (passed[i] != wanted[i])
			fail_msg("frame %u of %u, batches of %u: passed is %d", i, n, batch,
				 passed[i]);
}

static void check(uint64_t announced, uint64_t connections)
{
	for (unsigned batch = 1; batch <= 64; batch++) {
		struct harness h;

		check_with("[]", batch, &h);
		assert_int_equal(harness_result(&h, "announced"), announced);
		assert_int_equal(harness_result(&h, "data_connections"), connections);
		assert_int_equal(harness_result(&h, "forgotten"), 0);
		harness_close(&h);
	}
}

static const struct end client = {"192.0.2.1", 40000}, server = {"198.51.100.2", 21},
			client6 = {"2001:db8::1", 40000}, server6 = {"2001:db8::2", 21};

static void data_connection(struct end from, struct end to, bool passes)
{
	segment(from, to, SYN, 1, "", passes);
	segment(to, from, SYN | ACK, 7, "", passes);
	segment(from, to, ACK, 2, "data", passes);
	segment(to, from, ACK | FIN, 8, "", passes);
	segment(from, to, ACK | FIN, 6, "", passes);
	segment(to, from, ACK, 9, "", passes);
}

static void test_track_ftp_all_four_ways(void **state)
{
	(void)state;
	begin();
	segment(client, server, SYN, 99, "", true);
	segment(server, client, SYN | ACK, 499, "", true);
	data_connection((struct end){server.address, 20}, (struct end){client.address, 1286},
			false);
	segment(client, server, ACK, 100, "PORT 192,0,2,1,5,6\r\n", true);
	data_connection((struct end){server.address, 20}, (struct end){client.address, 1286}, true);
	segment(server, client, ACK, 500, "227 Entering Passive Mode (198,51,100,2,4,1)\r\n", true);
	data_connection((struct end){client.address, 40001}, (struct end){server.address, 1025},
			true);
	data_connection((struct end){client.address, 40001}, (struct end){server.address, 1026},
			false);
	segment(server6, client6, ACK, 500, "229 so be it (|||2000|)\r\n", true);
	data_connection((struct end){client6.address, 5}, (struct end){server6.address, 2000},
			true);
	data_connection((struct end){server6.address, 5}, (struct end){client6.address, 2000},
			false);
	segment(client6, server6, ACK, 100, "EPRT |2|2001:db8::1|2000|\r\n", true);
	data_connection((struct end){server6.address, 6}, (struct end){client6.address, 2000},
			true);
	check(4, 4);
}

static void test_track_ftp_a_reply_that_names_an_inner_address(void **state)
{
	(void)state;
	begin();
	segment(server, client, ACK, 500, "227 (10,0,0,2,4,1)\r\n", true);
	data_connection((struct end){client.address, 7}, (struct end){server.address, 1025}, true);
	data_connection((struct end){client.address, 8}, (struct end){"10.0.0.2", 1025}, true);
	check(1, 2);
}

/* Commands in segments that are cut anywhere, come twice, overlap, or are lost. */
static void test_track_ftp_follows_sequence_numbers(void **state)
{
	static const char line[] = "PORT 192,0,2,1,5,6\r\n";
	const struct end from = {server.address, 20}, to = {client.address, 1286};

	(void)state;
	for (size_t cut = 1; cut < sizeof(line) - 1; cut++) {
		char first[32], overlapping[32];

		snprintf(first, sizeof(first), "%.*s", (int)cut, line);
		snprintf(overlapping, sizeof(overlapping), "%s", line + cut - 1);
		begin();
		segment(client, server, ACK, UINT32_MAX - 3, first, true); // goes through 0
		segment(client, server, ACK, UINT32_MAX - 3, first, true);
		segment(client, server, ACK, UINT32_MAX - 3 + (uint32_t)cut - 1, overlapping, true);
		segment(client, server, ACK, UINT32_MAX - 3, line, true);
		data_connection(from, to, true);
		check(1, 1);
		begin();
		segment(client, server, ACK, 100, first, true);
		segment(client, server, ACK, 101 + (uint32_t)cut, line + cut, true); // one is lost
		data_connection(from, to, false);
		check(0, 0);
	}
	begin(); // what follows the gap counts, and another connection between the same ports
	segment(client, server, ACK, 100, "PO", true);
	segment(client, server, ACK, 500, line, true);
	data_connection(from, to, true);
	segment(client, server, SYN, 50, "", true);
	segment(client, server, ACK, 51, "PORT 192,0,2,1,5,7\r\n", true);
	data_connection(from, (struct end){client.address, 1287}, true);
	check(2, 2);
}

static void test_track_ftp_what_is_not_captured_breaks_the_line(void **state)
{
	(void)state;
	begin();
	segment(client, server, ACK, 100, "PORT 192,0,2,1,5,6 ", true);
	frames[0].wirelen = frames[0].caplen;
	frames[0].caplen -= 3; // "PORT 192,0,2,1,5" and then "7\r\n"
	segment(client, server, ACK, 119, "7\r\n", true);
	data_connection((struct end){server.address, 20}, (struct end){client.address, 1287},
			false);
	check(0, 0);
	begin(); // cut in the TCP header
	segment(client, server, ACK, 100, "", false);
	frames[0].wirelen = frames[0].caplen;
	frames[0].caplen -= 1;
	check(0, 0);
}

static void test_track_ftp_forgets_by_packet_time(void **state)
{
	const struct end from = {server.address, 20}, to = {client.address, 1286};

	(void)state;
	begin();
	segment(client, server, ACK, 100, "PORT 192,0,2,1,5,6\r\n", true);
	now_ns += 59 * S;
	segment(from, to, SYN, 1, "", true);
	now_ns += 59 * S;
	segment(from, to, ACK, 2, "x", true);
	now_ns += 61 * S;
	segment(from, to, ACK, 3, "x", false);
	data_connection(from, to, false);
	segment(client, server, ACK, 120, "PORT 192,0,2,1,5,6\r\n", true);
	now_ns += 61 * S;
	data_connection(from, to, false);
	check(2, 1);
}

/* The ports of a connection that is over, or was reset, may be another's. */
static void test_track_ftp_ports_used_again(void **state)
{
	const struct end from = {client.address, 50000}, to = {server.address, 1025};

	(void)state;
	begin();
	segment(server, client, ACK, 500, "227 (198,51,100,2,4,1)\r\n", true);
	now_ns += 50 * S;
	segment(from, to, SYN, 1, "", true);
	for (unsigned i = 0; i < 3; i++) {
		now_ns += 30 * S;
		segment(from, to, ACK, 2 + i, "x", true);
	}
	segment(to, from, RST, 7, "", true);
	now_ns += S;
	segment(to, from, ACK, 8, "late", true);
	segment(from, to, SYN, 100, "", false);
	segment(from, to, ACK, 101, "x", false);
	check(1, 1);
}

static void test_track_ftp_a_full_table_forgets_the_most_silent(void **state)
{
	(void)state;
	begin();
	for (unsigned i = 0; i < 500; i++) {
		char text[64];

		snprintf(text, sizeof(text), "PORT 192,0,2,1,%u,%u\r\n", 8 + i / 256, i % 256);
		segment(client, server, ACK, 100 + i * 100, text, true);
	}
	segment((struct end){server.address, 20}, (struct end){client.address, 2048 + 499}, SYN, 1,
		"", true);
	for (unsigned batch = 1; batch <= 64; batch += 9) {
		struct harness h;

		check_with("[{\"connections\": 64}]", batch, &h);
		assert_int_equal(harness_result(&h, "announced"), 500);
		assert_in_range(harness_result(&h, "forgotten"), 500 + 2 - 64, 500 * 2);
		harness_close(&h);
	}
}

static void test_track_ftp_passes_nothing_else(void **state)
{
	uint8_t udp[128];
	struct harness h;

	(void)state;
	begin();
	segment(client, (struct end){server.address, 80}, SYN, 1, "", false);
	segment(client, (struct end){server.address, 80}, ACK, 2, "PORT 192,0,2,1,5,6\r\n", false);
	segment(client6, (struct end){server6.address, 2121}, ACK, 2, "x", false);
	frames[n] = (struct frame){.data = udp,
				   .caplen = harness_udp(udp, 40000, 21, "PORT 1,2,3,4,5,6\n", 17),
				   .ts_ns = now_ns};
	wanted[n++] = false;
	segment(client, server, ACK, 1, "", true);
	bytes[n - 1][14 + 6] = 0x20; // a fragment
	wanted[n - 1] = false;
	check_with("[]", 64, &h);
	harness_close(&h);
}

static void test_track_ftp_arguments(void **state)
{
	static const char *const bad[] = {"[{\"connections\": 63}]", "[{\"connections\": 4194305}]",
					  "[{\"idle_s\": 0}]",       "[{\"idle_s\": 3601}]",
					  "[{\"ports\": 21}]",       "[{\"idle_s\": \"x\"}]"};

	(void)state;
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		struct hm_error err = {0};
		struct harness h;

		assert_true(harness_open(&h, "TRACK_FTP", bad[i], &err) < 0);
		assert_int_equal(err.mapi_errno, 7001);
		assert_non_null(strstr(err.text, "TRACK_FTP"));
		harness_close(&h);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_track_ftp_all_four_ways),
		cmocka_unit_test(test_track_ftp_a_reply_that_names_an_inner_address),
		cmocka_unit_test(test_track_ftp_follows_sequence_numbers),
		cmocka_unit_test(test_track_ftp_what_is_not_captured_breaks_the_line),
		cmocka_unit_test(test_track_ftp_forgets_by_packet_time),
		cmocka_unit_test(test_track_ftp_ports_used_again),
		cmocka_unit_test(test_track_ftp_a_full_table_forgets_the_most_silent),
		cmocka_unit_test(test_track_ftp_passes_nothing_else),
		cmocka_unit_test(test_track_ftp_arguments),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
