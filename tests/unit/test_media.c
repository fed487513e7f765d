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

#include "track/media.h"

/* What n bytes, in memory of their own, announce, as "sender:4000+2 192.0.2.1:5000+2 ". */
static void read_all(const char *text, size_t n, char *told, size_t room)
{
	uint8_t *bytes = malloc(n > 0 ? n : 1);
	struct hm_media_reader r;
	struct hm_media_end end;
	size_t at = 0;

	assert_non_null(bytes);
	memcpy(bytes, text, n);
	hm_media_begin(&r, bytes, n);
	told[0] = '\0';
	while (hm_media_next(&r, &end)) {
		char host[INET6_ADDRSTRLEN] = "sender";

		if (end.host == HM_MEDIA_AT_RECEIVER)
			strcpy(host, "receiver");
		if (end.host == HM_MEDIA_AT_ADDRESS)
			inet_ntop(end.version == 4 ? AF_INET : AF_INET6, end.address, host,
				  sizeof(host));
		at += (size_t)snprintf(told + at, room - at, "%s:%u+%u ", host, end.port,
				       end.n_ports);
		assert_true(at < room);
	}
	assert_false(hm_media_next(&r, &end)); // and stays so
	free(bytes);
}

static void expect(const char *text, const char *wanted)
{
	char told[512];

	read_all(text, strlen(text), told, sizeof(told));
	assert_string_equal(told, wanted);
}

static void test_address_of_all_and_of_one(void **state)
{
	(void)state;
	expect("INVITE sip:b@example.net SIP/2.0\r\nContent-Type: application/sdp\r\n\r\nv=0\r\n"
	       "c=IN IP4 192.0.2.1\r\nm=audio 49170 RTP/AVP 0\r\nm=video 51372/2 RTP/AVP 31\r\n"
	       "c=IN IP6 2001:db8::7\r\n",
	       "192.0.2.1:49170+2 2001:db8::7:51372+4 ");
	expect("m=audio 4000 RTP/AVP 0\n", "sender:4000+2 ");
	expect("c=IN IP4 0.0.0.0\nm=audio 4000 RTP/AVP 0\n", "sender:4000+2 "); // on hold
	expect("c=IN IP4 224.2.36.42/127\nm=audio 4000 UDP/TLS/RTP/SAVPF 0\n",
	       "224.2.36.42:4000+2 ");
	expect("m=audio 65535 RTP/AVP 0\n", "sender:65535+1 ");
}

static void test_what_is_wrong_or_no_media_is_not_believed(void **state)
{
	static const char *const wrong[] = {
		"m=audio 0 RTP/AVP 0\n",
		"m=audio 65536 RTP/AVP 0\n",
		"m=audio 4000/0 RTP/AVP 0\n",
		"m=audio 4000/9 RTP/AVP 0\n",
		"m=audio 65534/2 RTP/AVP 0\n",
		"m=audio\n",
		"m=audio x RTP/AVP 0\n",
		"m=audio 4000",
		"m=audio 4000\n",
		"xm=audio 4000 RTP/AVP 0\n",
		"m=application 9 TCP/BFCP *\n",
		"",
		"m=audio 99999999999999999999 RTP/AVP 0\n",
		"Transport: RTP/AVP;client_port=0-1\n",
		"Transport: RTP/AVP;client_port=9-8\n",
		"Transport: RTP/AVP;client_port=1-17\n",
		"Transport: RTP/AVP/TCP;interleaved=0-1\n",
	};

	(void)state;
	for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++)
		expect(wrong[i], "");
	expect("c=IN IP4 1.2.3\nm=audio 4000 RTP/AVP 0\n", "sender:4000+2 ");
}

static void test_transport_tells_by_who_asks(void **state)
{
	(void)state;
	expect("SETUP rtsp://a/b RTSP/1.0\r\nCSeq: 1\r\n"
	       "Transport: RTP/AVP;unicast;client_port=4588-4589,RTP/AVP;client_port=4600\r\n\r\n",
	       "sender:4588+2 sender:4600+1 ");
	expect("RTSP/1.0 200 OK\r\ntransport: RTP/AVP;unicast;client_port=4588-4589;"
	       "server_port=6256-6257\r\n\r\n",
	       "receiver:4588+2 sender:6256+2 ");
}

static void test_cut_anywhere_only_whole_lines_tell(void **state)
{
	static const char text[] =
		"c=IN IP4 192.0.2.1\r\nm=audio 4000 RTP/AVP 0\r\n"
		"Transport: a;client_port=5000-5001\r\nm=video 6000 RTP/AVP 0\r\n";
	const size_t audio = strlen("c=IN IP4 192.0.2.1\r\nm=audio 4000 RTP/AVP 0\r\n");
	const size_t transport = audio + strlen("Transport: a;client_port=5000-5001\r\n");

	(void)state;
	for (size_t n = 0; n <= strlen(text); n++) {
		char told[512];

		read_all(text, n, told, sizeof(told));
		assert_string_equal(told, n < audio          ? ""
					  : n < transport    ? "192.0.2.1:4000+2 "
					  : n < strlen(text) ? "sender:5000+2 192.0.2.1:4000+2 "
							     : "sender:5000+2 192.0.2.1:4000+2 "
							       "192.0.2.1:6000+2 ");
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_address_of_all_and_of_one),
		cmocka_unit_test(test_what_is_wrong_or_no_media_is_not_believed),
		cmocka_unit_test(test_transport_tells_by_who_asks),
		cmocka_unit_test(test_cut_anywhere_only_whole_lines_tell),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
