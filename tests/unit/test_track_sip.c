/* SPDX-License-Identifier: BSD-3-Clause */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "media_frames.h"

#define INVITE                                                                              \
	"INVITE sip:b@example.net SIP/2.0\r\n\r\nv=0\r\nc=IN IP4 10.0.0.9\r\nm=audio 4000 " \
	"RTP/AVP 0\r\n"

static void test_media_pass_once_they_are_announced(void **state)
{
	(void)state;
	packet(UDP, "10.0.0.2", 7000, "10.0.0.9", 4000, "early", false);
	packet(UDP, "10.0.0.1", 5060, "10.0.0.2", 5060, INVITE, true);
	packet(UDP, "10.0.0.2", 7000, "10.0.0.9", 4000, "rtp", true);
	packet(UDP, "10.0.0.9", 4001, "10.0.0.2", 7001, "rtcp", true);
	packet(UDP, "10.0.0.2", 7000, "10.0.0.9", 4002, "another port", false);
	packet(UDP, "10.0.0.2", 7000, "10.0.0.8", 4000, "another host", false);
	packet(TCP, "10.0.0.2", 7000, "10.0.0.9", 4000, "not UDP", false);
	packet(TCP, "10.0.0.2", 7000, "10.0.0.1", 5060, "ACK", true);
	check("TRACK_SIP", "[]", 1, 2);
}

static void test_ipv6_and_two_streams(void **state)
{
	(void)state;
	packet(TCP, "2001:db8::1", 6000, "2001:db8::2", 5060,
	       "SIP/2.0 200 OK\n\nc=IN IP6 2001:db8::9\nm=audio 4000 RTP/AVP 0\nm=video 5000/2 "
	       "RTP/AVP 31\n",
	       true);
	packet(UDP, "2001:db8::2", 7000, "2001:db8::9", 4000, "rtp", true);
	packet(UDP, "2001:db8::9", 5003, "2001:db8::2", 7000, "rtcp", true);
	packet(UDP, "2001:db8::9", 5004, "2001:db8::2", 7000, "", false);
	check("TRACK_SIP", "[]", 2, 2);
}

static void test_silent_media_are_forgotten(void **state)
{
	(void)state;
	packet(UDP, "10.0.0.1", 5060, "10.0.0.2", 5060, INVITE, true);
	packet(UDP, "10.0.0.2", 7000, "10.0.0.9", 4000, "", true);
	frames[1].ts_ns = frames[0].ts_ns + 900 * MS;
	packet(UDP, "10.0.0.2", 7000, "10.0.0.9", 4000, "used since", true);
	frames[2].ts_ns = frames[1].ts_ns + 900 * MS;
	packet(UDP, "10.0.0.2", 7000, "10.0.0.9", 4000, "silent", false);
	frames[3].ts_ns = frames[2].ts_ns + 1001 * MS;
	check("TRACK_SIP", "[{\"idle_s\": 1}]", 1, 2);
}

static void test_another_port(void **state)
{
	(void)state;
	packet(UDP, "10.0.0.1", 5060, "10.0.0.2", 5060, INVITE, false);
	packet(UDP, "10.0.0.2", 7000, "10.0.0.9", 4000, "", false);
	packet(UDP, "10.0.0.1", 5090, "10.0.0.2", 5070, INVITE, true);
	packet(UDP, "10.0.0.2", 7000, "10.0.0.9", 4000, "", true);
	check("TRACK_SIP", "[{\"port\": 5070}]", 1, 1);
}

/* Only what is captured is read, and a line only when all of it is; the last one tells. */
static void test_packet_cut_at_every_byte(void **state)
{
	uint32_t whole;

	(void)state;
	packet(UDP, "10.0.0.1", 5060, "10.0.0.2", 5060, INVITE, true);
	packet(UDP, "10.0.0.2", 7000, "10.0.0.9", 4000, "", false);
	whole = frames[0].caplen;
	for (uint32_t cut = 0; cut <= whole; cut++) {
		struct hm_error err;
		struct harness h;

		frames[0].caplen = cut;
		frames[0].wirelen = whole;
		assert_int_equal(harness_open(&h, "TRACK_SIP", "[]", &err), 0);
		harness_run(&h, frames, n, 2, false, passed);
		assert_int_equal(passed[1], cut == whole);
		harness_close(&h);
	}
	n = 0;
}

static void test_wrong_options_are_refused(void **state)
{
	(void)state;
	refuse("TRACK_SIP", "[{\"port\": 65536}]");
	refuse("TRACK_SIP", "[{\"idle_s\": 0}]");
	refuse("TRACK_SIP", "[{\"connections\": 63}]");
	refuse("TRACK_SIP", "[{\"any_data\": 1}]");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_media_pass_once_they_are_announced),
		cmocka_unit_test(test_ipv6_and_two_streams),
		cmocka_unit_test(test_silent_media_are_forgotten),
		cmocka_unit_test(test_another_port),
		cmocka_unit_test(test_packet_cut_at_every_byte),
		cmocka_unit_test(test_wrong_options_are_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
