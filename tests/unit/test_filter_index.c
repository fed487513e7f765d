/* SPDX-License-Identifier: BSD-3-Clause */
/* The index of filters that all look at different places of a packet. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include <cmocka.h>

#include "core/parse.h"
#include "filter/filter.h"

enum { FEW = 2500, MANY = 4 * FEW };

static struct hm_filter *filters[MANY];

/* Different in the place, or the number of bytes there, each. */
static void write_test(unsigned i, char *text, size_t size)
{
	static const char *const bases[] = {"ip", "tcp", "udp", "ether", "icmp"};
	unsigned k = i / 5;

	snprintf(text, size, "%s[%u:%u] = %u", bases[i % 5], k / 2 + 1, k % 2 + 1, i % 251);
}

static int create_filters(void **state)
{
	(void)state;
	for (unsigned i = 0; i < MANY; i++) {
		struct hm_error err;
		char text[64];

		write_test(i, text, sizeof(text));
		filters[i] = hm_filter_create(text, HM_LINK_ETHERNET, 9216, &err);
		assert_non_null(filters[i]);
		assert_string_equal(hm_filter_engine(filters[i]), "index");
	}
	return 0;
}

static int destroy_filters(void **state)
{
	(void)state;
	for (unsigned i = 0; i < MANY; i++)
		hm_filter_destroy(filters[i]);
	return 0;
}

/* CPU time of this thread: others may share the core. The best of three. */
static double build_time(uint32_t n)
{
	double best = 1e9;

	for (unsigned round = 0; round < 3; round++) {
		struct timespec from, to;
		struct hm_error err;
		struct hm_filter_index *x;
		double took;

		clock_gettime(CLOCK_THREAD_CPUTIME_ID, &from);
		x = hm_filter_index_create(filters, n, &err);
		clock_gettime(CLOCK_THREAD_CPUTIME_ID, &to);
		assert_non_null(x);
		hm_filter_index_unref(x);
		took = (double)(to.tv_sec - from.tv_sec) +
		       (double)(to.tv_nsec - from.tv_nsec) * 1e-9;
		best = took < best ? took : best;
	}
	return best;
}

static void test_filter_index_of_many_places_takes_time_in_proportion(void **state)
{
	double few = build_time(FEW), many = build_time(MANY);

	(void)state;
	// four times as many; one look at each for each would be sixteen times the work
	assert_true(many < 9 * few + 0.002);
}

static void test_filter_index_of_many_places_answers_as_libpcap(void **state)
{
	static uint8_t frame[1514];
	static struct hm_batch b;
	const struct hm_parse_conf conf = {0};
	struct hm_filter_index *x;
	struct hm_filter_scan *s;
	struct hm_error err;
	unsigned matches = 0;

	(void)state;
	for (size_t i = 0; i < sizeof(frame); i++)
		frame[i] = (uint8_t)(i * 7 % 251);
	memcpy(frame + 12, "\x08\x00\x45\x00\x05\xdc\x00\x01\x00\x00\x40\x06", 12);
	b.n = 1;
	b.all = 1;
	b.link = HM_LINK_ETHERNET;
	b.data[0] = frame;
	b.caplen[0] = b.wirelen[0] = sizeof(frame);
	hm_parse(&b, &conf);
	x = hm_filter_index_create(filters, MANY, &err);
	assert_non_null(x);
	s = hm_filter_scan_create(x, -1);
	assert_non_null(s);
	hm_filter_scan_begin(s);
	hm_filter_scan_run(s, &b);
	for (unsigned i = 0; i < MANY; i++) {
		uint64_t hits = hm_filter_hits(s, &b, b.all, hm_filter_slot(filters[i]));

		assert_int_equal(hits, hm_filter_run(filters[i], &b, b.all));
		matches += hits != 0;
	}
	assert_true(matches > 0);
	hm_filter_scan_destroy(s);
	hm_filter_index_unref(x);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_filter_index_of_many_places_takes_time_in_proportion),
		cmocka_unit_test(test_filter_index_of_many_places_answers_as_libpcap),
	};

	return cmocka_run_group_tests(tests, create_filters, destroy_filters);
}
