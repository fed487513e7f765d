/* SPDX-License-Identifier: BSD-3-Clause */
/* TRACK_IRC, TRACK_GNUTELLA, TRACK_DC, TRACK_TORRENT, TRACK_EDONKEY: connections known by what they carry. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "function_harness.h"

#define FRAMES_MAX 512
#define ROOM       512
#define S          UINT64_C(1000000000)

enum { UDP = 0, SYN = 2, ACK = 16 };

static uint8_t bytes[FRAMES_MAX][ROOM];
static struct frame frames[FRAMES_MAX];
static bool wanted[FRAMES_MAX], passed[FRAMES_MAX];
static unsigned n;
static uint64_t now_ns;

/* From one port to another, over TCP with these flags or UDP; whether it should pass. */
static void packet(uint16_t from, uint16_t to, unsigned flags, const char *data, size_t length,
		   bool passes)
{
	uint8_t *f = bytes[n];
	uint32_t headers = flags ? 54 : HARNESS_UDP_HEADERS;

	assert_true(n < FRAMES_MAX && length + headers <= ROOM);
	memset(f, 0, ROOM);
	harness_udp(f, from, to, data, flags ? 0 : (uint16_t)length);
	f[16] = (uint8_t)((length + headers - 14) >> 8);
	f[17] = (uint8_t)(length + headers - 14);
	f[29] = f[33] = 1; // both ways between the same hosts
	if (flags) {
		f[23] = 6;
		memset(f + 38, 0, 16);
		f[46] = 0x50;
		f[47] = (uint8_t)flags;
		memcpy(f + headers, data, length);
	}
	frames[n] = (struct frame){
		.data = f, .caplen = headers + (uint32_t)length, .ts_ns = now_ns += S / 1000};
	wanted[n++] = passes;
}

static void text(uint16_t from, uint16_t to, unsigned flags, const char *data, bool passes)
{
	packet(from, to, flags, data, strlen(data), passes);
}

static void begin(void)
{
	n = 0;
	now_ns = 1000 * S;
}

static void check(const char *name, const char *args, uint64_t connections)
{
	for (unsigned batch = 1; batch <= 64; batch += 9) {
		struct hm_error err;
		struct harness h;

		assert_int_equal(harness_open(&h, name, args, &err), 0);
		harness_run(&h, frames, n, batch, false, passed);
		for (unsigned i = 0; i < n; i++)
			if (passed[i] != wanted[i])
				fail_msg("%s: frame %u of %u: passed is %d", name, i, n, passed[i]);
		assert_int_equal(harness_result(&h, "connections"), connections);
		harness_close(&h);
	}
}

/* Each in a connection of its own. */
static void test_trackers_what_tells(void **state)
{
	static const struct {
		const char *name, *data;
		size_t n;
		unsigned flags;
		bool tells;
	} cases[] = {
#define CASE(name, data, flags, tells) {name, data, sizeof(data) - 1, flags, tells}
		CASE("TRACK_IRC", ":a!b@c PRIVMSG #d :hello\r\n", ACK, true),
		CASE("TRACK_IRC", "NOTICE a :b\r\n", ACK, true),
		CASE("TRACK_IRC", "\001ACTION waves", ACK, true),
		CASE("TRACK_IRC", "x :DOWN// ", ACK, true),
		CASE("TRACK_IRC", "privmsg #d :hello\r\n", ACK, false),
		CASE("TRACK_IRC", "SOAPACTION: x", ACK, false),
		CASE("TRACK_IRC", "PRIVMSG #d :hello\r\n", UDP, false),
		CASE("TRACK_GNUTELLA", "GNUTELLA CONNECT/0.6\r\n", ACK, true),
		CASE("TRACK_GNUTELLA", "gnutella connect/0.6\r\n", ACK, true),
		CASE("TRACK_GNUTELLA", "GET /uri-res/n2r?urn:sha1:ABC", ACK, true),
		CASE("TRACK_GNUTELLA", "HTTP/1.1 200 OK\r\nServer: LimeWire/4.8\r\n", ACK, true),
		CASE("TRACK_GNUTELLA", "GNUTELLA/0.6 200 OK", UDP, true),
		CASE("TRACK_GNUTELLA", "GET /gnutella/thex/v1?urn:tree:tiger/:A HTTP/1.1\r\n", ACK,
		     true),
		CASE("TRACK_GNUTELLA", "GET /?/gnutella/", ACK, false),
		CASE("TRACK_GNUTELLA", "GNUTELL", ACK, false),
		CASE("TRACK_GNUTELLA", "M-SEARCH * HTTP/1.1\r\nUSER-AGENT: gtk-gnutella/1.2\r\n",
		     UDP, false),
		CASE("TRACK_DC", "$Lock EXTENDEDPROTOCOLABC Pk=x|", ACK, true),
		CASE("TRACK_DC", "x|$GETNICKLIST|", ACK, true),
		CASE("TRACK_DC", "$Search Hub:a F?T?0?1?b|", UDP, true),
		CASE("TRACK_DC", "$GetNickList", ACK, false),
		CASE("TRACK_DC", "MyNick", ACK, false),
		CASE("TRACK_TORRENT", "\023BitTorrent protocol\0\0\0\0\0\0\0\0", ACK, true),
		CASE("TRACK_TORRENT", "GET /announce?info_hash=%01", ACK, true),
		CASE("TRACK_TORRENT", "d1:ad2:id20:abcdefghij0123456789e1:q4:ping", UDP, true),
		CASE("TRACK_TORRENT", "BT-SEARCH * HTTP/1.1\r\nHost: 239.192.152.143:6771\r\n", UDP,
		     true),
		CASE("TRACK_TORRENT", "xxxx BT_PIECE", ACK, true),
		CASE("TRACK_TORRENT", "x\023BitTorrent protocol", ACK, false),
		CASE("TRACK_TORRENT", "123456789d1:ad2:id20:", UDP, false),
		CASE("TRACK_EDONKEY",
		     "\xe3\x06\0\0\0\x01"
		     "abcde",
		     ACK, true),
		CASE("TRACK_EDONKEY", "\xc5\x01\0\0\0\x02", ACK, true),
		CASE("TRACK_EDONKEY", "\xd4\x01\0\0\0\x40", ACK, true),
		CASE("TRACK_EDONKEY",
		     "\xe3\x96"
		     "abcd",
		     UDP, true),
		CASE("TRACK_EDONKEY", "\xc5\x90", UDP, true),
		CASE("TRACK_EDONKEY",
		     "\xe3\x02\0\0\0\x0a"
		     "b",
		     UDP, true),
		CASE("TRACK_EDONKEY", "ab\x03\x02\x00pr\x01\x00\x00\x00", ACK, true),
		CASE("TRACK_EDONKEY",
		     "\xe3\x05\0\0\0\x01"
		     "abcde",
		     ACK, false),
		CASE("TRACK_EDONKEY",
		     "\xe4\x06\0\0\0\x01"
		     "abcde",
		     ACK, false),
		CASE("TRACK_EDONKEY",
		     "\xe3\x06\0\0\0\x99"
		     "abcde",
		     ACK, false),
		CASE("TRACK_EDONKEY", "\xe3\0\0\0\0", ACK, false),
		CASE("TRACK_EDONKEY", "\xe3", UDP, false),
		CASE("TRACK_EDONKEY",
		     "\xc5\x96"
		     "abcd",
		     UDP, false),
#undef CASE
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		bool tells = cases[i].tells;
		unsigned flags = cases[i].flags;

		begin();
		text(5000, 6000, flags, "before", false);
		packet(5000, 6000, flags, cases[i].data, cases[i].n, tells);
		text(6000, 5000, flags, "answer", tells);
		text(5000, 6000, flags, "", false); // nothing without data
		text(5000, 6000, flags, "more", tells);
		text(5000, 6001, flags, "another connection", false);
		if (flags) {
			text(5000, 6000, SYN, "", false);
			text(5000, 6000, ACK, "the same ports once more", false);
		}
		check(cases[i].name, "[]", tells);
	}
}

/* The whole signature is within the depth of the data, wherever the data begins. */
static void test_trackers_depth(void **state)
{
	char data[200];

	(void)state;
	for (size_t at = 85; at < 100; at++) {
		memset(data, 'x', sizeof(data));
		memcpy(data + at, "PRIVMSG ", 8);
		begin();
		packet(5000, 6000, ACK, data, sizeof(data), at + 8 <= 100);
		check("TRACK_IRC", "[]", at + 8 <= 100);
	}
	begin();
	text(5000, 6000, ACK, "PRIVMSG ", false);
	frames[0].wirelen = frames[0].caplen;
	frames[0].caplen--;
	check("TRACK_IRC", "[]", 0);
}

static void test_trackers_ports_of_others(void **state)
{
	(void)state;
	begin();
	text(5000, 4662, ACK, "GET /announce?info_hash=", false);
	text(411, 5000, ACK, "GET /announce?info_hash=", false);
	text(412, 5000, ACK, "GET /announce?info_hash=", true);
	check("TRACK_TORRENT", "[]", 1);
}

/* A SYN with ACK that is sent again is still of this connection. */
static void test_trackers_begin_anew(void **state)
{
	(void)state;
	begin();
	text(5000, 6000, ACK, "GNUTELLA CONNECT/0.6", true);
	text(6000, 5000, SYN | ACK, "", false);
	text(5000, 6000, ACK, "x", true);
	text(5000, 6000, SYN, "", false);
	text(6000, 5000, SYN | ACK, "", false);
	text(5000, 6000, ACK, "x", false);
	check("TRACK_GNUTELLA", "[]", 1);
}

static void test_trackers_forget_by_packet_time(void **state)
{
	(void)state;
	begin();
	text(5000, 6000, UDP, "GNUTELLA/", true);
	for (unsigned i = 0; i < 3; i++) {
		now_ns += 9 * S;
		text(6000, 5000, UDP, "x", true);
	}
	now_ns += 11 * S;
	text(6000, 5000, UDP, "x", false);
	check("TRACK_GNUTELLA", "[{\"idle_s\": 10}]", 1);
}

static void test_trackers_full(void **state)
{
	struct hm_error err;
	struct harness h;

	(void)state;
	begin();
	for (unsigned i = 0; i < 300; i++)
		text((uint16_t)(1000 + i), 6000, UDP, "GNUTELLA/", true);
	text(6000, 1299, UDP, "the newest is still known", true);
	assert_int_equal(harness_open(&h, "TRACK_GNUTELLA", "[{\"connections\": 64}]", &err), 0);
	harness_run(&h, frames, n, 64, false, passed);
	assert_memory_equal(passed, wanted, n);
	assert_int_equal(harness_result(&h, "connections"), 300);
	assert_in_range(harness_result(&h, "forgotten"), 300 - 64, 300);
	harness_close(&h);
}

static void test_trackers_arguments(void **state)
{
	static const char *const names[] = {"TRACK_IRC", "TRACK_GNUTELLA", "TRACK_DC",
					    "TRACK_TORRENT", "TRACK_EDONKEY"};

	(void)state;
	for (unsigned i = 0; i < 5; i++) {
		struct hm_error err = {0};
		struct harness h;

		assert_true(harness_open(&h, names[i], "[{\"connections\": 1}]", &err) < 0);
		assert_int_equal(err.mapi_errno, 7001);
		assert_non_null(strstr(err.text, names[i]));
		harness_close(&h);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_trackers_what_tells),
		cmocka_unit_test(test_trackers_depth),
		cmocka_unit_test(test_trackers_ports_of_others),
		cmocka_unit_test(test_trackers_begin_anew),
		cmocka_unit_test(test_trackers_forget_by_packet_time),
		cmocka_unit_test(test_trackers_full),
		cmocka_unit_test(test_trackers_arguments),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
