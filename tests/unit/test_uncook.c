/* SPDX-License-Identifier: BSD-3-Clause */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <rte_ip.h>

#include "core/copies.h"
#include "core/parse.h"
#include "function_harness.h"
#include "start_eal.h"

#define ROOM   65535
#define COPIES 64

static struct harness h;
static struct hm_copies *pool;
static uint8_t frame[ROOM], data[ROOM];

static void put16(uint8_t *at, uint32_t n)
{
	at[0] = (uint8_t)(n >> 8);
	at[1] = (uint8_t)n;
}

/* Ethernet, IP, TCP with 12 bytes of options and n of data; sequence number 2^32 - 100, FIN and PSH. */
static uint32_t make(bool v6, uint32_t n)
{
	const uint32_t header = v6 ? 40 : 20;
	uint8_t *ip = frame + 14, *tcp = ip + header;

	memset(frame, 2, 12);
	put16(frame + 12, v6 ? 0x86dd : 0x0800);
	memset(ip, 0, header + 32);
	if (v6) {
		ip[0] = 0x60;
		put16(ip + 4, 32 + n);
		ip[6] = 6;
		ip[8] = ip[24] = 0x20;
		ip[23] = 1;
	} else {
		ip[0] = 0x45;
		put16(ip + 2, 52 + n);
		ip[8] = 64;
		ip[9] = 6;
		ip[12] = ip[16] = 10;
		ip[19] = 2;
	}
	put16(tcp, 1234);
	put16(tcp + 2, 80);
	memset(tcp + 4, 0xff, 3);
	tcp[7] = 156;
	tcp[12] = 0x80;
	tcp[13] = 0x19;
	memset(tcp + 20, 1, 12);
	for (uint32_t k = 0; k < n; k++)
		data[k] = tcp[32 + k] = (uint8_t)(k * 7 + k / 251);
	return 14 + header + 32 + n;
}

static void open_with(const char *args)
{
	struct hm_error err;

	assert_int_equal(harness_open(&h, "UNCOOK", args, &err), 0);
	pool = hm_copies_create(COPIES, ROOM, 0);
	assert_non_null(pool);
}

static void close_all(void)
{
	assert_int_equal(hm_copies_free(pool), COPIES);
	hm_copies_destroy(pool);
	harness_close(&h);
}

/* A frame with n bytes of data that came out: is it right, and the bytes from `at` on? */
static void check_part(const struct hm_batch *out, unsigned i, bool v6, uint32_t at, uint32_t n,
		       bool last)
{
	const uint8_t *ip = out->data[i] + 14, *tcp = ip + (v6 ? 40 : 20);
	const uint32_t seq =
		(uint32_t)tcp[4] << 24 | (uint32_t)tcp[5] << 16 | (uint32_t)tcp[6] << 8 | tcp[7];

	assert_int_equal(out->caplen[i], 14 + (v6 ? 40 : 20) + 32 + n);
	assert_int_equal(out->wirelen[i], out->caplen[i]);
	assert_int_equal(seq, UINT32_MAX - 99 + at);
	assert_int_equal(tcp[13], last ? 0x19 : 0x10);
	assert_memory_equal(tcp + 32, data + at, n);
	if (v6) {
		assert_int_equal(rte_ipv6_udptcp_cksum((const void *)ip, tcp), 0);
	} else {
		assert_int_equal(rte_ipv4_cksum((const void *)ip), 0);
		assert_int_equal(rte_ipv4_udptcp_cksum((const void *)ip, tcp), 0);
	}
}

static unsigned run(uint32_t caplen, uint32_t wirelen, uint32_t n, struct hm_batch *out, bool v6,
		    uint32_t most)
{
	static const struct hm_parse_conf conf;
	static struct hm_batch b;
	uint8_t *exact = malloc(caplen ? caplen : 1);
	uint64_t in = 1;
	unsigned packets = 0;
	uint32_t at = 0;

	memcpy(exact, frame, caplen);
	memset(&b, 0, sizeof(b));
	b.n = 1;
	b.all = 1;
	b.link = HM_LINK_ETHERNET;
	b.data[0] = exact;
	b.caplen[0] = caplen;
	b.wirelen[0] = wirelen;
	hm_parse(&b, &conf);
	do {
		out->n = 0;
		assert_int_equal(h.f->transform(h.core, &b, in, out, pool), 0);
		in = 0;
		for (unsigned i = 0; i < out->n; i++) {
			const uint32_t part = n - at < most ? n - at : most;

			if (most)
				check_part(out, i, v6, at, part, at + part == n);
			at += part;
			packets++;
			hm_copies_give(pool, (uint8_t *)(uintptr_t)out->data[i]);
		}
	} while (h.f->more(h.core));
	free(exact);
	return packets;
}

static void test_uncook_parts_are_the_packet(void **state)
{
	static struct hm_batch out;

	(void)state;
	for (unsigned v6 = 0; v6 < 2; v6++)
		for (uint32_t mtu = 100; mtu < 1600; mtu += 317) {
			const uint32_t n = 40000, most = mtu - (v6 ? 72 : 52);
			char args[32];
			uint32_t size;

			snprintf(args, sizeof(args), "[%u, 7, -7]", mtu);
			open_with(args);
			size = make(v6, n);
			assert_int_equal(run(size, size, n, &out, v6, most), (n + most - 1) / most);
			assert_int_equal(harness_result(&h, "long"), 1);
			assert_int_equal(harness_result(&h, "parts"), (n + most - 1) / most);
			close_all();
		}
}

static void test_uncook_what_fits_or_is_cut_passes(void **state)
{
	static struct hm_batch out;
	uint32_t size;

	(void)state;
	open_with("[]");
	size = make(false, 1448); // 1,500 bytes of IP
	assert_int_equal(run(size, size, 1448, &out, false, 0), 1);
	assert_memory_equal(out.data[0], frame, size);
	size = make(false, 1449);
	for (uint32_t caplen = 0; caplen < size; caplen++) {
		assert_int_equal(run(caplen, size, 1449, &out, false, 0), 1);
		assert_int_equal(out.caplen[0], caplen);
	}
	assert_int_equal(harness_result(&h, "long"), 0);
	assert_int_equal(run(size, size, 1449, &out, false, 1448), 2);
	close_all();
}

static void test_uncook_wrong_mtu_is_refused(void **state)
{
	static const char *const wrong[] = {"[67]", "[65536]"};

	(void)state;
	for (unsigned k = 0; k < 2; k++) {
		struct hm_error err;

		assert_true(harness_open(&h, "UNCOOK", wrong[k], &err) < 0);
		assert_int_equal(err.mapi_errno, 7001);
		assert_non_null(strstr(err.text, "68 to 65535"));
		harness_close(&h);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_uncook_parts_are_the_packet),
		cmocka_unit_test(test_uncook_what_fits_or_is_cut_passes),
		cmocka_unit_test(test_uncook_wrong_mtu_is_refused),
	};

	if (start_eal() < 0)
		return 1;
	return cmocka_run_group_tests(tests, NULL, NULL);
}
