/* SPDX-License-Identifier: BSD-3-Clause */
/* Lines of FTP's control connections: what they announce, torn anywhere. */
#include <arpa/inet.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "track/ftp.h"

struct announced {
	unsigned n;
	struct hm_ftp_end last;
};

static void read_all(struct hm_ftp_line *l, enum hm_ftp_side side, const char *bytes, size_t n,
		     struct announced *a)
{
	while (n > 0) {
		struct hm_ftp_end end;
		size_t read = hm_ftp_read(l, side, (const uint8_t *)bytes, n, &end);

		assert_true(read > 0 && read <= n);
		assert_true(end.port != 0 || read == n);
		if (end.port != 0) {
			a->n++;
			a->last = end;
		}
		bytes += read;
		n -= read;
	}
}

/* "4 192.0.2.1 1025": what is at the end of what the text announces; "": nothing. */
static void expect(enum hm_ftp_side side, const char *text, unsigned n, const char *wanted)
{
	size_t length = strlen(text);

	for (size_t i = 0; i <= length; i++)
		for (size_t k = i; k <= length; k += 1 + length / 40) {
			char got[80] = "", address[INET6_ADDRSTRLEN] = "-";
			struct hm_ftp_line line = {0};
			struct announced a = {0};

			read_all(&line, side, text, i, &a);
			read_all(&line, side, text + i, k - i, &a);
			read_all(&line, side, text + k, length - k, &a);
			if (a.last.version != 0)
				inet_ntop(a.last.version == 4 ? AF_INET : AF_INET6, a.last.address,
					  address, sizeof(address));
			if (a.n > 0)
				snprintf(got, sizeof(got), "%u %s %u", a.last.version, address,
					 a.last.port);
			assert_string_equal(got, wanted);
			assert_int_equal(a.n, n);
		}
}

static void test_ftp_what_announces_does_so_torn_at_every_byte(void **state)
{
	(void)state;
	// the examples of RFC 959 and RFC 2428
	expect(HM_FTP_CLIENT, "PORT 132,235,1,2,24,131\r\n", 1, "4 132.235.1.2 6275");
	expect(HM_FTP_CLIENT, "EPRT |1|132.235.1.2|6275|\r\n", 1, "4 132.235.1.2 6275");
	expect(HM_FTP_CLIENT, "EPRT |2|1080::8:800:200C:417A|5282|\r\n", 1,
	       "6 1080::8:800:200c:417a 5282");
	expect(HM_FTP_SERVER, "229 Entering Extended Passive Mode (|||6446|)\r\n", 1, "0 - 6446");
	expect(HM_FTP_SERVER, "227 Entering Passive Mode (10,0,0,1,4,1).\r\n", 1,
	       "4 10.0.0.1 1025");
	// RFC 1123: the parentheses may be missing
	expect(HM_FTP_SERVER, "227 =10,0,0,1,4,1\n", 1, "4 10.0.0.1 1025");
	expect(HM_FTP_SERVER, "227 10,0,0,1,4,1\n", 1, "4 10.0.0.1 1025");
	expect(HM_FTP_CLIENT, "port  0,0,0,0,0,1\n", 1, "4 0.0.0.0 1");
	expect(HM_FTP_CLIENT, "EPRT !2!ffff:ffff:ffff:ffff:ffff:ffff:255.255.255.255!65535!\r\n", 1,
	       "6 ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff 65535");
	expect(HM_FTP_CLIENT,
	       "USER a\r\nPORT 1,2,3,4,5,6\r\n\r\nNOOP\r\nEPRT |1|9.8.7.6|5|\r\nQUIT", 2,
	       "4 9.8.7.6 5");
	expect(HM_FTP_SERVER,
	       "200 ok\r\n227 (1,2,3,4,5,6) and so on, for longer than anybody would "
	       "keep a line in memory, and longer\r\n229 x (|||7|)\n",
	       2, "0 - 7");
	expect(HM_FTP_SERVER,
	       "229 longer than anybody would keep a line in memory, and longer, and "
	       "longer, before (|||7|)\n",
	       1, "0 - 7");
}

static void test_ftp_nothing_else_announces(void **state)
{
	static const char *const commands[] = {
		"",
		"PORT 1,2,3,4,5,6",
		"PORT 256,2,3,4,5,6\n",
		"PORT 1,2,3,4,0,0\n",
		"PORT 1,2,3,4,5\n",
		"PORT 1,2,,4,5,6\n",
		"PORT 99999999999999999999,2,3,4,5,6\n",
		"PORT\n1,2,3,4,5,6\n",
		"XPORT 1,2,3,4,5,6\n",
		"PORTS 1,2,3,4,5,6\n",
		"EPRT |3|1.2.3.4|5|\n",
		"EPRT |0|1.2.3.4|5|\n",
		"EPRT |1|1.2.3|5|\n",
		"EPRT |1|::1|5|\n",
		"EPRT |2|1.2.3.4|5|\n",
		"EPRT |1|1.2.3.4|0|\n",
		"EPRT |1|1.2.3.4|65536|\n",
		"EPRT |1|1.2.3.4|5\n",
		"EPRT |1|1.2.3.4\n",
		"EPRT 1\n",
		"EPRT 111.2.3.4151\n",
		"EPRT |2|00000000000000000000000000000000000000000000000::1|5|\n",
		"EPRT |2|                                                  ::1|5|\n",
		"227 (1,2,3,4,5,6)\n",
		"229 (|||7|)\n",
	};
	static const char *const replies[] = {
		"PORT 1,2,3,4,5,6\n",
		"EPRT |1|1.2.3.4|5|\n",
		"226 (1,2,3,4,5,6)\n",
		"227-(1,2,3,4,5,6)\n",
		"228 (1,2,3,4,5,6)\n",
		"227 ok\n",
		"227 (1,2,3,4,5,)\n",
		"229 (|||0|)\n",
		"229 (||7|)\n",
		"229 (|||65536|)\n",
		"229 (|!|7|)\n",
		"229 |||7|\n",
		"229 (\n",
		"1229 (|||7|)\n",
	};

	(void)state;
	for (size_t i = 0; i < sizeof(commands) / sizeof(commands[0]); i++)
		expect(HM_FTP_CLIENT, commands[i], 0, "");
	for (size_t i = 0; i < sizeof(replies) / sizeof(replies[0]); i++)
		expect(HM_FTP_SERVER, replies[i], 0, "");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_ftp_what_announces_does_so_torn_at_every_byte),
		cmocka_unit_test(test_ftp_nothing_else_announces),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
