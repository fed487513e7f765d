/* SPDX-License-Identifier: BSD-3-Clause */
/* What it has in common with TRACK_SIP is tested there. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "media_frames.h"

#define SETUP \
	"SETUP rtsp://a/b RTSP/1.0\r\nTransport: RTP/AVP;unicast;client_port=4588-4589\r\n\r\n"
#define REPLY                            \
	"RTSP/1.0 200 OK\r\nTransport: " \
	"RTP/AVP;client_port=4588-4589;server_port=6256-6257\r\n\r\n"

static void test_ports_of_client_and_server(void **state)
{
	(void)state;
	packet(TCP, "10.0.0.1", 3000, "10.0.0.2", 554, SETUP, true);
	packet(UDP, "10.0.0.7", 1, "10.0.0.1", 4588, "from elsewhere", true);
	packet(UDP, "10.0.0.2", 6256, "10.0.0.7", 1, "not yet", false);
	packet(TCP, "10.0.0.2", 554, "10.0.0.1", 3000, REPLY, true);
	packet(UDP, "10.0.0.2", 6256, "10.0.0.1", 4588, "rtp", true);
	packet(UDP, "10.0.0.1", 4589, "10.0.0.2", 6257, "rtcp", true);
	packet(UDP, "10.0.0.2", 4588, "10.0.0.1", 6256, "the other way round", false);
	packet(UDP, "10.0.0.1", 3000, "10.0.0.2", 554, SETUP, false); // it is spoken over TCP
	check("TRACK_RTSP", "[]", 3, 3);
}

static void test_reply_alone_tells_both_over_ipv6(void **state)
{
	(void)state;
	packet(TCP, "2001:db8::2", 554, "2001:db8::1", 3000, REPLY, true);
	packet(UDP, "2001:db8::7", 1, "2001:db8::1", 4589, "rtcp", true);
	packet(UDP, "2001:db8::2", 6257, "2001:db8::7", 1, "rtcp", true);
	packet(UDP, "2001:db8::2", 4588, "2001:db8::7", 1, "", false);
	check("TRACK_RTSP", "[]", 2, 2);
}

static void test_wrong_options_are_refused(void **state)
{
	(void)state;
	refuse("TRACK_RTSP", "[{\"port\": 65536}]");
	refuse("TRACK_RTSP", "[{\"idle_s\": 3601}]");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_ports_of_client_and_server),
		cmocka_unit_test(test_reply_alone_tells_both_over_ipv6),
		cmocka_unit_test(test_wrong_options_are_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
