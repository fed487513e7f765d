/* SPDX-License-Identifier: BSD-3-Clause */
/* What it has in common with TRACK_FTP is tested there. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "function_harness.h"

#define FRAMES 32

enum { FIN = 1, SYN = 2, ACK = 16 };

static uint8_t bytes[FRAMES][256];
static struct frame frames[FRAMES];
static bool wanted[FRAMES], passed[FRAMES];
static unsigned n;

static void put16(uint8_t *at, unsigned v)
{
	at[0] = (uint8_t)(v >> 8);
	at[1] = (uint8_t)v;
}

/* From 10.0.0.`from` to 10.0.0.`to`. */
static void segment(uint8_t from, unsigned port, uint8_t to, unsigned to_port, uint8_t flags,
		    const char *text, bool passes)
{
	uint8_t *f = bytes[n], *ip = f + 14, *tcp = ip + 20;
	const size_t length = strlen(text);

	memset(f, 0, sizeof(bytes[n]));
	put16(f + 12, 0x0800);
	ip[0] = 0x45;
	put16(ip + 2, (unsigned)(40 + length));
	ip[9] = 6;
	ip[12] = ip[16] = 10;
	ip[15] = from;
	ip[19] = to;
	put16(tcp, port);
	put16(tcp + 2, to_port);
	tcp[12] = 0x50;
	tcp[13] = flags;
	memcpy(tcp + 20, text, length);
	frames[n] = (struct frame){
		.data = f, .caplen = (uint32_t)(54 + length), .ts_ns = (n + 1) * UINT64_C(1000000)};
	wanted[n++] = passes;
}

static void check(const char *args, uint64_t connections)
{
	for (unsigned batch = 1; batch <= FRAMES; batch++) {
		struct hm_error err;
		struct harness h;

		assert_int_equal(harness_open(&h, "TRACK_GRID_FTP", args, &err), 0);
		harness_run(&h, frames, n, batch, false, passed);
		for (unsigned i = 0; i < n; i++)
			if (passed[i] != wanted[i])
				fail_msg("frame %u, batches of %u: passed is %d", i, batch,
					 passed[i]);
		assert_int_equal(harness_result(&h, "data_connections"), connections);
		harness_close(&h);
	}
	n = 0;
}

static void test_protected_control_connection_tells_by_its_hosts(void **state)
{
	(void)state;
	segment(1, 5000, 2, 50000, SYN, "", false); // nobody speaks GridFTP yet
	segment(1, 4000, 2, 2811, SYN, "", true);
	segment(1, 4000, 2, 2811, ACK, "ADAT c2VjcmV0\r\n", true);
	segment(1, 5000, 2, 50000, ACK, "late", false); // its begin came before
	segment(2, 50001, 1, 5001, SYN, "", true);
	segment(1, 5001, 2, 50001, SYN | ACK, "", true);
	segment(2, 50001, 1, 5001, ACK, "data", true);
	segment(3, 50001, 1, 5001, SYN, "", false); // another host
	segment(1, 4000, 2, 21, ACK, "PORT 10,0,0,1,5,6\r\n", false);
	check("[]", 1);
}

static void test_announced_only(void **state)
{
	(void)state;
	segment(1, 4000, 2, 2811, ACK, "PORT 10,0,0,1,5,6\r\n", true);
	segment(2, 50001, 1, 5001, SYN, "", false);
	segment(3, 50001, 1, 1286, SYN, "", true);
	check("[{\"any_data\": 0}]", 1);
}

static void test_wrong_options_are_refused(void **state)
{
	static const char *const wrong[] = {"[{\"any_data\": 2}]", "[{\"idle_s\": 0}]",
					    "[{\"connections\": 63}]", "[{\"port\": 1}]"};

	(void)state;
	for (unsigned k = 0; k < 4; k++) {
		struct hm_error err;
		struct harness h;

		assert_true(harness_open(&h, "TRACK_GRID_FTP", wrong[k], &err) < 0);
		assert_int_equal(err.mapi_errno, 7001);
		assert_non_null(strstr(err.text, "TRACK_GRID_FTP"));
		harness_close(&h);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_protected_control_connection_tells_by_its_hosts),
		cmocka_unit_test(test_announced_only),
		cmocka_unit_test(test_wrong_options_are_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
