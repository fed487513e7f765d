/* SPDX-License-Identifier: BSD-3-Clause */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "core/hash.h"
#include "function_harness.h"

#define N    131 // no batch size but 1 divides it
#define ROOM 300

static uint8_t bytes[N][ROOM];
static struct frame frames[N];

/* UDP over IPv4 with 0 to 130 bytes of payload, and 6 bytes of padding behind the datagram. */
static void make_frames(void)
{
	uint8_t payload[N];

	for (unsigned i = 0; i < N; i++) {
		payload[i] = (uint8_t)(255 - i * 37);
		frames[i] = (struct frame){
			.data = bytes[i],
			.caplen = harness_udp(bytes[i], 9, 10, payload, (uint16_t)i) + 6};
		memset(bytes[i] + frames[i].caplen - 6, 0xee, 6);
	}
}

static uint32_t sum(const uint8_t *from, const uint8_t *end)
{
	uint64_t s = 0;

	for (; from < end; from++)
		s += *from + 1u;
	return (uint32_t)(s % 500009);
}

static uint32_t expected(unsigned layer, unsigned i)
{
	static const unsigned begin[] = {0, 14, 34, 42};
	const uint8_t *end = bytes[i] + frames[i].caplen;

	return sum(bytes[i] + begin[layer], layer < 2 ? end : end - 6);
}

static void test_hash_sum_is_scalar_sum(void **state)
{
	static uint8_t full[65535];

	(void)state;
	for (uint32_t n = 0; n < ROOM; n++)
		assert_int_equal(hm_hash_sum(bytes[130], n), sum(bytes[130], bytes[130] + n));
	memset(full, 0xff, sizeof(full));
	assert_int_equal(hm_hash_sum(full, sizeof(full)), sum(full, full + sizeof(full)));
}

static void test_hash_every_layer_any_batch_size(void **state)
{
	static const char *const args[] = {"[0]", "[1]", "[2]", "[3]"};

	(void)state;
	for (unsigned layer = 0; layer < 4; layer++)
		for (unsigned batch = 1; batch <= 64; batch += 9) {
			struct hm_error err;
			struct harness h;
			bool passed[N];

			assert_int_equal(harness_open(&h, "HASH", args[layer], &err), 0);
			for (unsigned i = 0; i < N; i += batch) {
				unsigned n = N - i < batch ? N - i : batch;
				const char *core = h.core;
				const uint64_t *values =
					(const uint64_t *)(core + h.f->values->offset);

				harness_run(&h, frames + i, n, batch, false, passed);
				for (unsigned k = 0; k < n; k++) {
					assert_true(passed[k]);
					assert_int_equal(values[k], expected(layer, i + k));
				}
				assert_int_equal(harness_result(&h, "value"),
						 expected(layer, i + n - 1));
			}
			harness_close(&h);
		}
}

static uint32_t hash_of(const char *args, const uint8_t *data, uint32_t caplen)
{
	uint8_t *copy = test_malloc(caplen); // the sanitizer sees who reads behind it
	struct frame one = {.data = memcpy(copy, data, caplen), .caplen = caplen, .wirelen = 400};
	struct hm_error err;
	struct harness h;
	uint64_t value;
	bool passed;

	assert_int_equal(harness_open(&h, "HASH", args, &err), 0);
	harness_run(&h, &one, 1, 1, false, &passed);
	value = harness_result(&h, "value");
	harness_close(&h);
	test_free(copy);
	return (uint32_t)value;
}

static void test_hash_cut_at_every_byte_is_of_what_is_there(void **state)
{
	const uint8_t *data = bytes[130];

	(void)state;
	for (uint32_t n = 1; n <= frames[130].caplen - 6; n++) {
		assert_int_equal(hash_of("[]", data, n), sum(data, data + n));
		assert_int_equal(hash_of("[1]", data, n), n > 14 ? sum(data + 14, data + n) : 0);
		assert_int_equal(hash_of("[2]", data, n), n > 34 ? sum(data + 34, data + n) : 0);
		assert_int_equal(hash_of("[3]", data, n), n > 42 ? sum(data + 42, data + n) : 0);
	}
}

static void test_hash_icmp_skips_the_whole_structure(void **state)
{
	uint8_t frame[ROOM];
	uint32_t n = frames[130].caplen - 6;

	(void)state;
	memcpy(frame, bytes[130], n);
	frame[23] = 1; // ICMP
	assert_int_equal(hash_of("[3]", frame, n), sum(frame + 34 + 28, frame + n));
	frame[23] = 50; // ESP has no payload that one can see
	assert_int_equal(hash_of("[3]", frame, n), 0);
	assert_int_equal(hash_of("[2]", frame, n), sum(frame + 34, frame + n));
}

static void test_hash_wrong_layer_is_7001(void **state)
{
	static const char *const wrong[] = {"[4]", "[-1]", "[\"ip\"]"};

	(void)state;
	for (unsigned i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
		struct hm_error err;
		struct harness h;

		assert_true(harness_open(&h, "HASH", wrong[i], &err) < 0);
		assert_int_equal(err.mapi_errno, 7001);
		harness_close(&h);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_hash_sum_is_scalar_sum),
		cmocka_unit_test(test_hash_every_layer_any_batch_size),
		cmocka_unit_test(test_hash_cut_at_every_byte_is_of_what_is_there),
		cmocka_unit_test(test_hash_icmp_skips_the_whole_structure),
		cmocka_unit_test(test_hash_wrong_layer_is_7001),
	};

	make_frames();
	return cmocka_run_group_tests(tests, NULL, NULL);
}
