/* SPDX-License-Identifier: BSD-3-Clause */
/* TRACK_WEB, TRACK_MAPI and TRACK_IPOVERIP: what the headers alone tell. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "core/parse.h"
#include "function_harness.h"

#define ROOM   128
#define HEADER 54 // Ethernet, IPv4, TCP

/* A TCP segment with n bytes of data. */
static struct frame tcp(uint8_t *f, uint16_t from, uint16_t to, uint16_t n)
{
	uint32_t length = harness_udp(f, from, to, f, 0) + 12 + n;

	memset(f + 38, 0, ROOM - 38);
	f[17] = (uint8_t)(length - 14);
	f[23] = 6;
	f[46] = 0x50;
	return (struct frame){.data = f, .caplen = length, .ts_ns = 1};
}

static void expect(const char *name, const struct frame *frames, const bool *wanted, size_t n)
{
	for (unsigned batch = 1; batch <= 64; batch += 7) {
		struct hm_error err;
		struct harness h;
		bool passed[64];

		assert_int_equal(harness_open(&h, name, "[]", &err), 0);
		harness_run(&h, frames, n, batch, false, passed);
		for (size_t i = 0; i < n; i++)
			if (passed[i] != wanted[i])
				fail_msg("%s: frame %zu: passed is %d", name, i, passed[i]);
		harness_close(&h);
	}
}

static void test_track_web_and_mapi_want_port_and_data(void **state)
{
	static uint8_t bytes[12][ROOM];
	struct frame f[12];
	const bool web[12] = {true, true, true, true}, mapi[12] = {[10] = true, [11] = true};

	(void)state;
	f[0] = tcp(bytes[0], 80, 5000, 1);
	f[1] = tcp(bytes[1], 5000, 80, 1);
	f[2] = tcp(bytes[2], 443, 5000, 9);
	f[3] = tcp(bytes[3], 5000, 443, 1);
	f[4] = tcp(bytes[4], 5000, 80, 0);
	f[5] = tcp(bytes[5], 5000, 8080, 1);
	f[6] = tcp(bytes[6], 5000, 80, 1); // nothing of the data is captured
	f[6].wirelen = f[6].caplen;
	f[6].caplen = HEADER;
	f[7] = tcp(bytes[7], 5000, 80, 1); // cut in the header
	f[7].wirelen = f[7].caplen;
	f[7].caplen = HEADER - 1;
	f[8] = (struct frame){.data = bytes[8],
			      .caplen = harness_udp(bytes[8], 443, 5000, bytes[9], 9)};
	f[9] = tcp(bytes[9], 5000, 2233, 0);
	f[10] = tcp(bytes[10], 5000, 2233, 1);
	f[11] = tcp(bytes[11], 2233, 5000, 1);
	expect("TRACK_WEB", f, web, 12);
	expect("TRACK_MAPI", f, mapi, 12);
}

/* The same whether or not the device looks into tunnels. */
static void test_track_ipoverip_through_tunnels(void **state)
{
	static uint8_t bytes[4][ROOM];
	const struct hm_function *fn = hm_function_find("TRACK_IPOVERIP");
	struct hm_batch *b = calloc(1, sizeof(*b));
	void *core = aligned_alloc(64, (fn->core_size + 63) / 64 * 64);

	(void)state;
	for (unsigned i = 0; i < 4; i++) {
		uint8_t inner[ROOM];
		struct frame f = tcp(inner, 5, 6, 0);

		harness_udp(bytes[i], 5, 6, inner + 6, 40); // where UDP's header was: IP
		memcpy(bytes[i] + 34, inner + 14, 40);
		bytes[i][23] = i < 2 ? 4 : 17;
		b->data[i] = bytes[i];
		b->caplen[i] = b->wirelen[i] = 34 + f.caplen - 14;
		bytes[i][17] = (uint8_t)(b->caplen[i] - 14);
	}
	bytes[1][34] = 0x60; // protocol 4 that holds no IPv4
	bytes[3][23] = 41;   // and 41 that holds no IPv6
	b->n = 4;
	b->all = 15;
	b->link = HM_LINK_ETHERNET;
	memset(core, 0, fn->core_size);
	for (uint32_t tunnels = 0; tunnels <= HM_TUNNEL_IPIP; tunnels += HM_TUNNEL_IPIP) {
		hm_parse(b, &(const struct hm_parse_conf){tunnels});
		assert_int_equal(b->tunnel & 1, tunnels != 0);
		assert_int_equal(fn->process(core, b, 15), 11);
		assert_int_equal(fn->process(core, b, 14), 10);
		assert_int_equal(fn->process(core, b, 4), 0);
	}
	free(core);
	free(b);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_track_web_and_mapi_want_port_and_data),
		cmocka_unit_test(test_track_ipoverip_through_tunnels),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
