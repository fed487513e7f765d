/* SPDX-License-Identifier: BSD-3-Clause */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "function_harness.h"

#define N 20011

static const uint8_t bytes[60];
static struct frame frames[N];
static bool passed[N], expected[N];

static unsigned run(const char *args, unsigned batch, bool gaps)
{
	struct hm_error err;
	struct harness h;
	unsigned n = 0;

	assert_int_equal(harness_open(&h, "SAMPLE", args, &err), 0);
	harness_run(&h, frames, N, batch, gaps, passed);
	harness_close(&h);
	for (unsigned i = 0; i < N; i++)
		n += passed[i];
	return n;
}

static void test_sample_periodic_passes_the_nth_of_n(void **state)
{
	static const struct {
		const char *args;
		unsigned period;
	} cases[] = {{"[1, 2]", 1},       {"[2, 2]", 2}, {"[7, 2]", 7}, {"[64, 2]", 64},
		     {"[1000, 2]", 1000}, {"[0, 2]", 1}, {"[-5, 2]", 1}};

	(void)state;
	for (size_t c = 0; c < sizeof(cases) / sizeof(cases[0]); c++)
		for (unsigned batch = 1; batch <= 64; batch += 9) {
			run(cases[c].args, batch, false);
			for (unsigned i = 0; i < N; i++)
				assert_int_equal(passed[i], (i + 1) % cases[c].period == 0);
		}
}

static void test_sample_periodic_counts_only_packets_it_gets(void **state)
{
	unsigned seen = 0;

	(void)state;
	run("[3, 2]", 33, true);
	for (unsigned i = 0; i < N; i++)
		assert_int_equal(passed[i], i % 3 != 0 && ++seen % 3 == 0);
}

static void test_sample_probabilistic_passes_about_the_share(void **state)
{
	static const struct {
		const char *args;
		unsigned percent;
	} cases[] = {{"[0, 3]", 0},     {"[1, 3]", 1},     {"[50, 3]", 50}, {"[99, 3]", 99},
		     {"[100, 3]", 100}, {"[400, 3]", 100}, {"[-1, 3]", 0}};

	(void)state;
	for (size_t c = 0; c < sizeof(cases) / sizeof(cases[0]); c++) {
		unsigned n = run(cases[c].args, 64, false), wanted = N * cases[c].percent / 100;

		if (cases[c].percent == 0 || cases[c].percent == 100)
			assert_int_equal(n, cases[c].percent ? N : 0);
		else // five standard deviations of the widest case are 354
			assert_in_range(n, wanted < 354 ? 1 : wanted - 354, wanted + 354);
	}
}

static void test_sample_probabilistic_is_the_same_for_any_batch_size(void **state)
{
	(void)state;
	run("[30, 3]", 1, false);
	memcpy(expected, passed, sizeof(expected));
	for (unsigned batch = 2; batch <= 64; batch++) {
		run("[30, 3]", batch, false);
		assert_memory_equal(passed, expected, sizeof(expected));
	}
}

#define M 2000

/* RFC 5475, appendix A.2, written out. */
#define STEP(x, y, z, shifted) \
	do {                   \
		x -= y;        \
		x -= z;        \
		x ^= shifted;  \
	} while (0)

static void bob_mix(uint32_t *a, uint32_t *b, uint32_t *c)
{
	STEP(*a, *b, *c, *c >> 13);
	STEP(*b, *c, *a, *a << 8);
	STEP(*c, *a, *b, *b >> 13);
	STEP(*a, *b, *c, *c >> 12);
	STEP(*b, *c, *a, *a << 16);
	STEP(*c, *a, *b, *b >> 5);
	STEP(*a, *b, *c, *c >> 3);
	STEP(*b, *c, *a, *a << 10);
	STEP(*c, *a, *b, *b >> 15);
}

static uint32_t bob(const uint8_t *k, uint32_t length, uint32_t initval)
{
	uint32_t word[3] = {0x9e3779b9, 0x9e3779b9, initval};
	uint32_t whole = length / 12 * 12;

	for (uint32_t i = 0; i < length; i++) {
		uint32_t at = i % 12;

		if (i >= whole && at >= 8)
			at++; // the first byte of the last word is the length's
		word[at / 4] += (uint32_t)k[i] << at % 4 * 8;
		if (i < whole && at == 11)
			bob_mix(&word[0], &word[1], &word[2]);
	}
	word[2] += length;
	bob_mix(&word[0], &word[1], &word[2]);
	return word[2];
}

static uint8_t datagrams[M][80];
static struct frame of_ip[M];

/* Identification, addresses and 0 to 34 bytes of payload behind UDP's header differ. */
static void make_datagrams(void)
{
	for (unsigned i = 0; i < M; i++) {
		uint8_t payload[35];

		for (unsigned k = 0; k < 35; k++)
			payload[k] = (uint8_t)(i * 31 + k * 7);
		of_ip[i] = (struct frame){.data = datagrams[i],
					  .caplen = harness_udp(datagrams[i], (uint16_t)i, 53,
								payload, (uint16_t)(i % 35))};
		datagrams[i][18] = (uint8_t)(i >> 8); // identification
		datagrams[i][19] = (uint8_t)i;
		datagrams[i][28] = (uint8_t)(i >> 4);
	}
}

static bool bob_takes(const uint8_t *f, uint32_t end, uint32_t offset, uint32_t n, uint32_t seed,
		      uint64_t of)
{
	uint8_t taken[80];
	uint32_t from = 34 + offset, have = from < end ? end - from : 0;

	memcpy(taken, f + 18, 4);
	memcpy(taken + 4, f + 26, 8);
	have = have < n ? have : n;
	memcpy(taken + 12, f + from, have);
	return bob(taken, 12 + have, seed) < (UINT64_C(1) << 32) / of;
}

static void test_sample_hash_takes_what_bob_says(void **state)
{
	static const struct {
		const char *args;
		uint32_t offset, n, seed, of;
	} cases[] = {
		{"[10, \"HASH\"]", 0, 16, 0, 10},
		{"[3, 4, {\"seed\": 4000000000, \"payload_bytes\": 35}]", 0, 35, 4000000000u, 3},
		{"[2, 4, {\"payload_offset\": 8, \"payload_bytes\": 9}]", 8, 9, 0, 2},
		{"[100, 4, {\"payload_bytes\": 0}]", 0, 0, 0, 100},
		{"[0, 4]", 0, 16, 0, 1},
	};

	(void)state;
	for (unsigned k = 0; k < 5; k++)
		for (unsigned batch = 1; batch <= 64; batch += 21) {
			struct hm_error err;
			struct harness h;
			unsigned n = 0;

			assert_int_equal(harness_open(&h, "SAMPLE", cases[k].args, &err), 0);
			harness_run(&h, of_ip, M, batch, false, passed);
			harness_close(&h);
			for (unsigned i = 0; i < M; i++) {
				assert_int_equal(passed[i], bob_takes(datagrams[i], of_ip[i].caplen,
								      cases[k].offset, cases[k].n,
								      cases[k].seed, cases[k].of));
				n += passed[i];
			}
			assert_in_range(n, M / cases[k].of / 2, 2 * M / cases[k].of);
		}
}

/* TTL, checksum and ToS are others behind a router, the sample is not. */
static void test_sample_hash_is_the_same_behind_a_router(void **state)
{
	bool before[M];
	struct hm_error err;
	struct harness h;

	(void)state;
	assert_int_equal(harness_open(&h, "SAMPLE", "[5, 4]", &err), 0);
	harness_run(&h, of_ip, M, 64, false, before);
	for (unsigned i = 0; i < M; i++) {
		datagrams[i][15] ^= 0x28;
		datagrams[i][22]--;
		datagrams[i][24] ^= 0x55;
		memset(datagrams[i], (uint8_t)i, 12);
	}
	harness_run(&h, of_ip, M, 64, false, passed);
	harness_close(&h);
	assert_memory_equal(before, passed, sizeof(before));
}

static void test_sample_hash_cut_reads_nothing_behind(void **state)
{
	(void)state;
	for (uint32_t n = 1; n <= of_ip[34].caplen; n++) {
		uint8_t *copy = test_malloc(n); // the sanitizer sees who reads behind it
		struct frame one = {
			.data = memcpy(copy, datagrams[34], n), .caplen = n, .wirelen = 80};
		struct hm_error err;
		struct harness h;
		bool on;

		assert_int_equal(
			harness_open(&h, "SAMPLE", "[1, 4, {\"payload_bytes\": 1500}]", &err), 0);
		harness_run(&h, &one, 1, 1, false, &on);
		assert_int_equal(on, n >= 34);
		harness_close(&h);
		test_free(copy);
	}
}

static void test_sample_wrong_arguments_are_refused(void **state)
{
	static const struct {
		const char *args;
		int mapi_errno;
	} wrong[] = {{"[]", 7001},
		     {"[\"many\", 2]", 7001},
		     {"[5]", 7002},
		     {"[5, 1]", 7002},
		     {"[5, 5]", 7002},
		     {"[5, 2, 1]", 7003},
		     {"[5, 2, {\"seed\": 1}]", 7003},
		     {"[5, 4, {\"seed\": -1}]", 7003},
		     {"[5, 4, {\"seeds\": 1}]", 7003},
		     {"[5, 4, {\"payload_bytes\": 1501}]", 7003}};

	(void)state;
	for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
		struct hm_error err;
		struct harness h;

		assert_true(harness_open(&h, "SAMPLE", wrong[i].args, &err) < 0);
		assert_int_equal(err.mapi_errno, wrong[i].mapi_errno);
		harness_close(&h);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_sample_periodic_passes_the_nth_of_n),
		cmocka_unit_test(test_sample_periodic_counts_only_packets_it_gets),
		cmocka_unit_test(test_sample_probabilistic_passes_about_the_share),
		cmocka_unit_test(test_sample_probabilistic_is_the_same_for_any_batch_size),
		cmocka_unit_test(test_sample_hash_takes_what_bob_says),
		cmocka_unit_test(test_sample_hash_is_the_same_behind_a_router),
		cmocka_unit_test(test_sample_hash_cut_reads_nothing_behind),
		cmocka_unit_test(test_sample_wrong_arguments_are_refused),
	};

	for (unsigned i = 0; i < N; i++)
		frames[i] = (struct frame){.data = bytes, .caplen = 60};
	make_datagrams();
	return cmocka_run_group_tests(tests, NULL, NULL);
}
