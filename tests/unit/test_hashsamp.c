/* SPDX-License-Identifier: BSD-3-Clause */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "function_harness.h"

#define N 997

static uint8_t bytes[N][64];
static struct frame frames[N];
static bool passed[N];

/* Linux 2.6's jhash_3words(), written out. */
#define MIX(a, b, c, right, left, last) \
	do {                            \
		a -= b;                 \
		a -= c;                 \
		a ^= c >> (right);      \
		b -= c;                 \
		b -= a;                 \
		b ^= a << (left);       \
		c -= a;                 \
		c -= b;                 \
		c ^= b >> (last);       \
	} while (0)

static uint32_t jhash_3words(uint32_t a, uint32_t b, uint32_t c, uint32_t initval)
{
	a += 0x9e3779b9;
	b += 0x9e3779b9;
	c += initval;
	MIX(a, b, c, 13, 8, 13);
	MIX(a, b, c, 12, 16, 5);
	MIX(a, b, c, 3, 10, 15);
	return c;
}

static uint32_t word(const uint8_t *p)
{
	return p[0] | (uint32_t)p[1] << 8 | (uint32_t)p[2] << 16 | (uint32_t)p[3] << 24;
}

static bool expected(const uint8_t *frame, uint32_t caplen, uint32_t range)
{
	uint32_t header = frame[23] == 6 ? 20 : 8;

	if ((frame[23] != 6 && frame[23] != 17) || caplen < 34 + header)
		return false;
	return jhash_3words(word(frame + 26), word(frame + 30) ^ frame[23], word(frame + 34),
			    6564987) %
		       1024 <
	       range;
}

/* UDP and TCP of many hosts and ports, some ICMP, some of it cut. */
static void make_frames(void)
{
	static const uint8_t protocols[] = {17, 6, 6, 17, 1};

	for (unsigned i = 0; i < N; i++) {
		uint8_t *f = bytes[i];

		frames[i] = (struct frame){
			.data = f,
			.caplen = harness_udp(f, (uint16_t)(i * 7919), (uint16_t)(i * 13), f, 22),
			.wirelen = 64,
			.ts_ns = 1000 + i};
		memset(f + 42, 0, 22);
		f[23] = protocols[i % 5];
		f[29] = (uint8_t)i;
		f[33] = (uint8_t)(i >> 3);
		if (f[23] == 6) {
			f[41] = (uint8_t)i; // sequence 0x0018000i
			f[46] = 0x50;
			f[47] = (uint8_t)(i % 64);
		}
		if (i % 11 == 0)
			frames[i].caplen = 34 + i % 20;
	}
}

static void test_hashsamp_passes_what_jhash_says_any_batch_size(void **state)
{
	static const unsigned ranges[] = {1, 100, 512, 1024};

	(void)state;
	for (unsigned r = 0; r < 4; r++)
		for (unsigned batch = 1; batch <= 64; batch += 9) {
			struct hm_error err;
			struct harness h;
			char args[32];

			snprintf(args, sizeof(args), "[%u, 0]", ranges[r]);
			assert_int_equal(harness_open(&h, "HASHSAMP", args, &err), 0);
			harness_run(&h, frames, N, batch, r == 2, passed);
			for (unsigned i = 0; i < N; i++) {
				bool taken_out = r == 2 && i % 3 == 0;

				assert_int_equal(passed[i],
						 !taken_out && expected(bytes[i], frames[i].caplen,
									ranges[r]));
			}
			assert_null(h.f->outbox(h.conf));
			harness_close(&h);
		}
}

static json_int_t number(const json_t *record, const char *key)
{
	const json_t *value = json_object_get(record, key);

	assert_true(json_is_integer(value));
	return json_integer_value(value);
}

static void expect_sample(const json_t *record, unsigned i)
{
	static const uint8_t flag_of[] = {8, 1, 4, 16, 2, 0}; // FIN SYN RST PSH ACK URG
	const uint8_t *f = bytes[i];
	bool tcp = f[23] == 6;
	char source[16], ns[16];
	int flags = 0;

	snprintf(source, sizeof(source), "192.0.2.%u", f[29]);
	snprintf(ns, sizeof(ns), "%u", 1000 + i);
	for (unsigned bit = 0; bit < 6; bit++)
		flags |= f[47] >> bit & 1 ? flag_of[bit] : 0;
	assert_string_equal(json_string_value(json_object_get(record, "ts_ns")), ns);
	assert_string_equal(json_string_value(json_object_get(record, "source_ip")), source);
	assert_int_equal(number(record, "sourceport"), (uint16_t)(i * 7919));
	assert_int_equal(number(record, "destport"), (uint16_t)(i * 13));
	assert_int_equal(number(record, "protocol"), f[23]);
	assert_int_equal(number(record, "sequence"), tcp ? f[41] | f[40] << 8 | f[39] << 16 : 0);
	assert_int_equal(number(record, "tcp_flags"), tcp ? flags : 0);
}

static void test_hashsamp_keep_hands_out_each_that_passes(void **state)
{
	struct hm_error err;
	struct harness h;
	json_t *records;
	size_t at = 0;

	(void)state;
	assert_int_equal(harness_open(&h, "HASHSAMP", "[700, 1]", &err), 0);
	harness_run(&h, frames, N, 64, false, passed);
	records = harness_take(&h, N);
	for (unsigned i = 0; i < N; i++)
		if (passed[i])
			expect_sample(json_array_get(records, at++), i);
	assert_true(at > N / 3);
	assert_int_equal(json_array_size(records), at);
	json_decref(records);
	harness_close(&h);
}

static void test_hashsamp_keep_full_drops_the_sample_not_the_packet(void **state)
{
	struct hm_outbox_counts c;
	struct hm_error err;
	struct harness h;
	uint64_t n = 0;

	(void)state;
	assert_int_equal(harness_open(&h, "HASHSAMP", "[1024, 1, {\"samples\": 40}]", &err), 0);
	harness_run(&h, frames, N, 7, false, passed);
	for (unsigned i = 0; i < N; i++)
		n += passed[i];
	hm_outbox_counts(h.f->outbox(h.conf), &c);
	assert_int_equal(c.offered, n);
	assert_int_equal(c.queued, 64); // a power of two
	assert_int_equal(c.dropped, n - 64);
	harness_close(&h);
}

static void test_hashsamp_wrong_arguments_are_refused(void **state)
{
	static const struct {
		const char *args;
		int mapi_errno;
	} wrong[] = {
		{"[]", 7001},
		{"[0, 0]", 7001},
		{"[1025, 0]", 7001},
		{"[\"x\"]", 7001},
		{"[1, \"x\"]", 7002},
		{"[1, 1, {\"samples\": 0}]", 7003},
		{"[1, 1, {\"sample\": 1}]", 7003},
		{"[1, 1, 1]", 7003},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
		struct hm_error err;
		struct harness h;

		assert_true(harness_open(&h, "HASHSAMP", wrong[i].args, &err) < 0);
		assert_int_equal(err.mapi_errno, wrong[i].mapi_errno);
		harness_close(&h);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_hashsamp_passes_what_jhash_says_any_batch_size),
		cmocka_unit_test(test_hashsamp_keep_hands_out_each_that_passes),
		cmocka_unit_test(test_hashsamp_keep_full_drops_the_sample_not_the_packet),
		cmocka_unit_test(test_hashsamp_wrong_arguments_are_refused),
	};

	make_frames();
	return cmocka_run_group_tests(tests, NULL, NULL);
}
