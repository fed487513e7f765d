/* SPDX-License-Identifier: BSD-3-Clause */
/* The table against a linear search, small and direct, both IP versions; files of both kinds, and broken
 * ones. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <arpa/inet.h>
#include <cmocka.h>
#include <zlib.h>

#include <rte_eal.h>

#include "netflow/routes.h"

static char path[] = "/tmp/hm-routes-XXXXXX";

static void write_file(const void *bytes, size_t n)
{
	FILE *f = fopen(path, "w");

	assert_non_null(f);
	assert_int_equal(fwrite(bytes, 1, n, f), n);
	assert_int_equal(fclose(f), 0);
}

static void read_text(struct hm_prefixes *l, const char *text)
{
	struct hm_error err = {0};

	write_file(text, strlen(text));
	if (hm_prefixes_read(l, path, NULL, &err) < 0)
		fail_msg("%s", err.text);
}

static void expect_refused(const void *bytes, size_t n, const char *why)
{
	struct hm_prefixes l;
	struct hm_error err = {0};

	write_file(bytes, n);
	assert_true(hm_prefixes_read(&l, path, NULL, &err) < 0);
	if (!strstr(err.text, why) || strncmp(err.text, path, strlen(path)) != 0)
		fail_msg("\"%s\" does not say \"%s\"", err.text, why);
	assert_null(l.prefix);
	assert_int_equal(l.n, 0);
}

static const struct hm_route *find(const struct hm_routes *r, const char *address)
{
	uint8_t at[2][16] = {{0}, {0}};
	const struct hm_route *found[2];
	unsigned version = strchr(address, ':') ? 6 : 4;

	assert_int_equal(inet_pton(version == 4 ? AF_INET : AF_INET6, address, at[1]), 1);
	hm_routes_find(r, version, (const uint8_t(*)[16])at, found);
	return found[1];
}

static void test_routes_text(void **state)
{
	struct hm_prefixes l;
	struct hm_error err;
	struct hm_routes *r;
	const struct hm_route *route;

	read_text(&l, "# a comment\n\n192.0.2.0/24 64500 198.51.100.1 # and another\r\n"
		      "192.0.2.128/25\t64501\n"
		      "203.0.113.0\t24\t64502_64503\n"
		      "0.0.0.0/0 AS4200000000\n"
		      "2001:db8::/32 64504 2001:db8:ffff::1\n"
		      "192.0.2.128/25 64599");
	assert_int_equal(l.n, 6);
	r = hm_routes_create(&l, NULL, &err);
	assert_non_null(r);
	hm_prefixes_free(&l);
	assert_int_equal(hm_routes_count(r, 4), 4);
	assert_int_equal(hm_routes_count(r, 6), 1);
	route = find(r, "192.0.2.1");
	assert_int_equal(route->as, 64500);
	assert_int_equal(route->length, 24);
	assert_int_equal(route->next_hop_version, 4);
	assert_memory_equal(route->next_hop, "\xc6\x33\x64\x01", 4);
	route = find(r, "192.0.2.129");
	assert_int_equal(route->as, 64599); // the later line
	assert_int_equal(route->length, 25);
	assert_int_equal(route->next_hop_version, 0);
	assert_int_equal(find(r, "203.0.113.255")->as, 64502);
	assert_int_equal(find(r, "203.0.114.0")->as, 4200000000u);
	assert_int_equal(find(r, "203.0.114.0")->length, 0);
	assert_int_equal(find(r, "2001:db8:1::1")->as, 64504);
	route = find(r, "2001:db9::1");
	assert_int_equal(route->as, 0);
	assert_int_equal(route->length, 0);
	hm_routes_destroy(r);
}

static void test_routes_text_mistakes_name_the_line(void **state)
{
	static const struct {
		const char *text, *why;
	} bad[] = {
		{"", "no prefix"},
		{"# nothing\n", "no prefix"},
		{"192.0.2.0/24 1\n192.0.2.0/33 1\n",
		 "line 2: \"33\": want a prefix length of 0-32"},
		{"192.0.2/24 1\n", "line 1: \"192.0.2\": want an IPv4 or IPv6 address"},
		{"192.0.2.1/24 1\n", "line 1: bits are set behind the prefix's length, 24"},
		{"2001:db8::1/127 1\n", "bits are set"},
		{"192.0.2.0/24\n", "an AS number behind it"},
		{"192.0.2.0 1\n", "want a prefix length"},
		{"192.0.2.0/24 4294967296\n", "an AS number of 0-4294967295"},
		{"192.0.2.0/24 1x\n", "an AS number"},
		{"192.0.2.0/24 1 here\n", "the address of the next hop"},
		{"192.0.2.0/24 1 192.0.2.1 2\n", "nothing behind the next hop"},
		{"2001:db8::/129 1\n", "0-128"},
	};
	char *longest = malloc(5000);

	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		expect_refused(bad[i].text, strlen(bad[i].text), bad[i].why);
	expect_refused("192.0.2.0/24 1\0 2\n", 18, "line 1: has a zero byte");
	memset(longest, '1', 5000);
	expect_refused(longest, 5000, "line 1: longer than");
	free(longest);
}

static void test_routes_file_that_is_none(void **state)
{
	struct hm_prefixes l;
	struct hm_error err;

	assert_true(hm_prefixes_read(&l, "/nonexistent", NULL, &err) < 0);
	assert_non_null(strstr(err.text, "/nonexistent: No such file"));
	assert_true(hm_prefixes_read(&l, "/tmp", NULL, &err) < 0);
	assert_non_null(strstr(err.text, "not a regular file"));
}

/* --- MRT --- */

static uint8_t mrt[4096];
static size_t mrt_bytes, mrt_ends[8];
static unsigned mrt_records;

static void put(unsigned n, uint64_t v)
{
	while (n-- > 0)
		mrt[mrt_bytes++] = (uint8_t)(v >> 8 * n);
}

static size_t begin_record(unsigned type, unsigned subtype)
{
	put(4, 1700000000);
	put(2, type);
	put(2, subtype);
	put(4, 0);
	return mrt_bytes;
}

static void end_record(size_t body)
{
	size_t end = mrt_bytes;

	mrt_bytes = body - 4;
	put(4, end - body);
	mrt_bytes = mrt_ends[mrt_records++] = end;
}

static void make_mrt(void)
{
	size_t body;

	mrt_bytes = mrt_records = 0;
	body = begin_record(13, 1); // peers
	put(8, 0);
	end_record(body);
	body = begin_record(13, 2); // 198.51.100.0/22 by way of 64510 64511, two peers
	put(4, 0), put(1, 22), put(3, 0xc63364), put(2, 2);
	put(2, 0), put(4, 0), put(2, 24);
	put(3, 0x400101), put(1, 0);                                    // ORIGIN
	put(3, 0x40020a), put(2, 0x0202), put(4, 64510), put(4, 64511); // AS_PATH
	put(3, 0x400304), put(4, 0xcb007101);                           // NEXT_HOP
	put(2, 1), put(4, 0), put(2, 9);
	put(3, 0x400206), put(2, 0x0201), put(4, 64999);
	end_record(body);
	body = begin_record(13, 4); // 2001:db8::/32, a set at the end, extended length
	put(4, 1), put(1, 32), put(4, 0x20010db8), put(2, 1);
	put(2, 0), put(4, 0), put(2, 40);
	put(2, 0x5002), put(2, 16), put(2, 0x0201), put(4, 64520), put(2, 0x0102), put(4, 64521),
		put(4, 64522);
	put(3, 0x800e11), put(1, 16), put(8, 0xfe80000000000000), put(8, 7);
	end_record(body);
	body = begin_record(16, 4); // an update among them
	put(4, 0);
	end_record(body);
}

static void test_routes_mrt(void **state)
{
	struct hm_prefixes l;
	struct hm_error err;
	gzFile gz;

	make_mrt();
	write_file(mrt, mrt_bytes);
	assert_int_equal(hm_prefixes_read(&l, path, NULL, &err), 0);
	assert_int_equal(l.n, 2);
	assert_int_equal(l.prefix[0].version, 4);
	assert_memory_equal(l.prefix[0].address, "\xc6\x33\x64\x00", 4);
	assert_int_equal(l.prefix[0].route.length, 22);
	assert_int_equal(l.prefix[0].route.as, 64511);
	assert_memory_equal(l.prefix[0].route.next_hop, "\xcb\x00\x71\x01", 4);
	assert_int_equal(l.prefix[1].version, 6);
	assert_int_equal(l.prefix[1].route.as, 64521);
	assert_int_equal(l.prefix[1].route.next_hop_version, 6);
	assert_int_equal(l.prefix[1].route.next_hop[15], 7);
	hm_prefixes_free(&l);
	gz = gzopen(path, "w");
	assert_int_equal(gzwrite(gz, mrt, (unsigned)mrt_bytes), (int)mrt_bytes);
	assert_int_equal(gzclose(gz), Z_OK);
	assert_int_equal(hm_prefixes_read(&l, path, NULL, &err), 0);
	assert_int_equal(l.n, 2);
	hm_prefixes_free(&l);
}

static void test_routes_mrt_cut_at_every_byte(void **state)
{
	struct hm_prefixes l;
	struct hm_error err;

	make_mrt();
	for (size_t n = 6; n < mrt_bytes; n++) {
		bool whole = false;

		for (unsigned i = 0; i < mrt_records; i++)
			whole = whole || n == mrt_ends[i];
		write_file(mrt, n);
		if (whole && n > 20) {
			assert_int_equal(hm_prefixes_read(&l, path, NULL, &err), 0);
			hm_prefixes_free(&l);
		} else {
			expect_refused(mrt, n, n == 20 ? "no prefix" : "ends inside");
		}
	}
}

static void test_routes_mrt_mistakes(void **state)
{
	size_t body;

	make_mrt();
	mrt[20 + 12 + 4] = 33; // prefix length
	expect_refused(mrt, mrt_bytes, "record at byte 20: not what RFC 6396 says");
	make_mrt();
	mrt[20 + 12 + 10 + 6 + 1] = 200; // length of the attributes of the first peer
	expect_refused(mrt, mrt_bytes, "not what RFC 6396 says");
	make_mrt();
	mrt[8] = 1; // length of the first record
	expect_refused(mrt, mrt_bytes, "says it has 16777224 bytes");
	mrt_bytes = 0;
	body = begin_record(12, 1);
	put(4, 0);
	end_record(body);
	expect_refused(mrt, mrt_bytes, "of the old kind");
}

/* --- against a linear search --- */

static uint64_t seed = 1;

static uint32_t any(uint32_t below)
{
	seed = seed * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
	return (uint32_t)(seed >> 33) % below;
}

static bool covers(const struct hm_prefix *p, const uint8_t *address)
{
	unsigned whole = p->route.length / 8, rest = p->route.length % 8;

	return memcmp(p->address, address, whole) == 0 &&
	       (rest == 0 || ((p->address[whole] ^ address[whole]) >> (8 - rest)) == 0);
}

/* Addresses from few bytes, so that prefixes lie inside each other. */
static void make_address(uint8_t *address, unsigned bytes)
{
	memset(address, 0, 16);
	for (unsigned i = 0; i < bytes; i++)
		address[i] = (uint8_t)(any(3) == 0 ? any(256) : any(4));
}

static void compare_with_search(unsigned version, size_t n)
{
	unsigned bytes = version == 4 ? 4 : 16;
	struct hm_prefixes l = {.prefix = calloc(n, sizeof(struct hm_prefix)), .n = n};
	struct hm_error err;
	struct hm_routes *r;

	for (size_t i = 0; i < n; i++) {
		struct hm_prefix *p = &l.prefix[i];

		p->version = (uint8_t)version;
		p->route.length = (uint8_t)any(bytes * 8 + 1);
		p->route.as = (uint32_t)i + 1;
		make_address(p->address, bytes);
		for (unsigned bit = p->route.length; bit < bytes * 8; bit++)
			p->address[bit / 8] &= (uint8_t) ~(0x80 >> bit % 8);
	}
	r = hm_routes_create(&l, NULL, &err);
	if (!r)
		fail_msg("%s", err.text);
	for (unsigned k = 0; k < 2000; k++) {
		const struct hm_prefix *best[2] = {NULL, NULL};
		const struct hm_route *found[2];
		uint8_t at[2][16];

		for (unsigned e = 0; e < 2; e++) {
			make_address(at[e], bytes);
			for (size_t i = 0; i < n; i++)
				if (covers(&l.prefix[i], at[e]) &&
				    (!best[e] || l.prefix[i].route.length >= best[e]->route.length))
					best[e] = &l.prefix[i];
		}
		hm_routes_find(r, version, (const uint8_t(*)[16])at, found);
		for (unsigned e = 0; e < 2; e++) {
			assert_int_equal(found[e]->as, best[e] ? best[e]->route.as : 0);
			assert_int_equal(found[e]->length, best[e] ? best[e]->route.length : 0);
		}
	}
	hm_routes_destroy(r);
	free(l.prefix);
}

static void test_routes_like_a_search(void **state)
{
	compare_with_search(4, 1);
	compare_with_search(6, 1);
	compare_with_search(4, 500);
	compare_with_search(6, 500);
	compare_with_search(4, 3 * HM_ROUTES_DIRECT);
	compare_with_search(6, 3 * HM_ROUTES_DIRECT);
}

static void test_routes_without_memory(void **state)
{
	struct hm_prefixes l = {.prefix = calloc(1000000, sizeof(struct hm_prefix)), .n = 1000000};
	struct hm_error err;

	for (size_t i = 0; i < l.n; i++) {
		l.prefix[i].version = 4;
		l.prefix[i].route.length = 32;
		for (unsigned b = 0; b < 3; b++)
			l.prefix[i].address[b] = (uint8_t)(i >> 8 * b);
	}
	assert_null(hm_routes_create(&l, NULL, &err));
	assert_non_null(strstr(err.text, "no table of 1000000 prefixes"));
	assert_non_null(strstr(err.text, "eal.memory_mb"));
	free(l.prefix);
	compare_with_search(4, 3 * HM_ROUTES_DIRECT); // and nothing was kept
}

static int start(void **state)
{
	char prefix[32];
	char *args[] = {(char *)(uintptr_t) "test",
			(char *)(uintptr_t) "--no-huge",
			(char *)(uintptr_t) "-m",
			(char *)(uintptr_t) "256",
			(char *)(uintptr_t) "--no-pci",
			(char *)(uintptr_t) "--no-telemetry",
			(char *)(uintptr_t) "--file-prefix",
			prefix};
	int fd = mkstemp(path);

	if (fd < 0)
		return -1;
	close(fd);
	snprintf(prefix, sizeof(prefix), "hmtest%d", (int)getpid());
	return rte_eal_init(8, args) < 0 ? -1 : 0;
}

static int stop(void **state)
{
	unlink(path);
	return rte_eal_cleanup();
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_routes_text),
		cmocka_unit_test(test_routes_text_mistakes_name_the_line),
		cmocka_unit_test(test_routes_file_that_is_none),
		cmocka_unit_test(test_routes_mrt),
		cmocka_unit_test(test_routes_mrt_cut_at_every_byte),
		cmocka_unit_test(test_routes_mrt_mistakes),
		cmocka_unit_test(test_routes_like_a_search),
		cmocka_unit_test(test_routes_without_memory),
	};

	return cmocka_run_group_tests(tests, start, stop);
}
