/* SPDX-License-Identifier: BSD-3-Clause */
/* Results as descriptors lay them out, against the structures of the headers, with the descriptors of the functions
 * themselves.
 */
#include <arpa/inet.h>
#include <mapi.h>
#include <mapi/bucket.h>
#include <mapi/burst.h>
#include <mapi/dist.h>
#include <mapi/expiredflowshash.h>
#include <mapi/hashsamp.h>
#include <mapi/ipfixlib.h>
#include <mapi/stats.h>
#include <mapi/topx.h>

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "client/libmapi/internal.h"
#include "core/function.h"
#include "core/registry.h"

#define TICKS(ns) ((ns) / 1000000000 << 32 | (((ns) % 1000000000 << 32) + 500000000) / 1000000000)

static mapi_results_t image;
static size_t room;

/* The result of a function, or one of its records, that JSON tells. */
static void write_image(const char *function, const char *of, const char *text, const char *unit)
{
	json_t *description = hm_function_describe(hm_function_find(function));
	json_t *value = json_loads(text, JSON_DECODE_ANY, NULL);

	assert_non_null(description);
	assert_non_null(value);
	assert_int_equal(image_write(&image, &room, json_object_get(description, of), value, unit),
			 0);
	json_decref(value);
	json_decref(description);
}

static int teardown(void **state)
{
	free(image.res);
	image = (mapi_results_t){0};
	room = 0;
	return 0;
}

static void test_image_of_stats_converts_times_and_their_squares(void **state)
{
	stats_t s;

	write_image("STATS", "result",
		    "{\"count\": 3, \"sum\": \"5000000000\", \"sum2\": \"9000000000000000000\","
		    " \"max\": \"2500000000\", \"min\": \"500000000\", \"unit\": \"ns\"}",
		    NULL);
	assert_int_equal(image.size, sizeof(s));
	memcpy(&s, image.res, sizeof(s));
	assert_int_equal(s.count, 3);
	assert_true(s.sum == 5 * 4294967296.0L);
	assert_true(s.sum2 == 9 * 4294967296.0L * 4294967296.0L);
	assert_true(s.max == 2.5 * 4294967296.0);
	assert_true(s.min == 0.5 * 4294967296.0);
	write_image("STATS", "result",
		    "{\"count\": 1, \"sum\": \"340282366920938463463374607431768211455\","
		    " \"sum2\": \"7\", \"max\": \"7\", \"min\": \"0\", \"unit\": \"bytes\"}",
		    NULL);
	memcpy(&s, image.res, sizeof(s));
	assert_true(s.sum == 340282366920938463463374607431768211455.0L);
	assert_true(s.max == 7);
}

static void test_image_of_dist_has_its_array_behind(void **state)
{
	dist_t *d;

	write_image("DIST", "result",
		    "{\"min\": \"0\", \"max\": \"30\", \"interval\": \"10\", \"intervals\": 3,"
		    " \"below\": 0, \"data\": [4, 3, 2, 1], \"unit\": \"bytes\"}",
		    NULL);
	assert_int_equal(image.size, offsetof(dist_t, data) + 4 * sizeof(d->data[0]));
	d = image.res;
	assert_int_equal(d->max, 30);
	assert_int_equal(d->intervals, 3);
	assert_int_equal(d->data[3], 1);
}

static void test_image_of_burst_is_an_array(void **state)
{
	burst_category_t *b;

	write_image("BURST", "result",
		    "{\"categories\": [{\"bytes\": 1, \"packets\": 2, \"bursts\": 3,"
		    " \"gap_bytes\": 4, \"gaps\": 5}, {\"bytes\": 6, \"gaps\": 7}]}",
		    NULL);
	assert_int_equal(image.size, 2 * sizeof(*b));
	b = image.res;
	assert_int_equal(b[0].gap_bytes, 4);
	assert_int_equal(b[1].bytes, 6);
	assert_int_equal(b[1].packets, 0); // what is missing is 0
	assert_int_equal(b[1].gaps, 7);
}

static void test_image_of_hashsamp_has_addresses_as_sent(void **state)
{
	struct sample s;

	write_image("HASHSAMP", "records",
		    "{\"ts_ns\": \"1147651200123456789\", \"source_ip\": \"10.1.2.3\","
		    " \"dest_ip\": \"192.0.2.9\", \"sourceport\": 80, \"destport\": 65535,"
		    " \"sequence\": 4294967295, \"tcp_flags\": 9, \"protocol\": 6}",
		    NULL);
	assert_int_equal(image.size, sizeof(s));
	memcpy(&s, image.res, sizeof(s));
	assert_int_equal(s.source_ip, inet_addr("10.1.2.3"));
	assert_int_equal(s.dest_ip, inet_addr("192.0.2.9"));
	assert_int_equal(s.destport, 65535);
	assert_int_equal(s.sequence, UINT32_MAX);
	assert_int_equal(s.protocol, 6);
	assert_int_equal(s.timestamp, TICKS(UINT64_C(1147651200123456789)));
}

static void test_image_of_bucket_takes_the_unit_that_came_with_it(void **state)
{
	struct bucket_data b;
	json_t *description = hm_function_describe(hm_function_find("BUCKET"));
	const json_t *entries = json_array_get(json_object_get(description, "result"), 1);
	json_t *value = json_loads("{\"ts_ns\": \"1500000000\", \"data\": \"250000000\"}", 0, NULL);

	image_write(&image, &room, json_object_get(entries, "of"), value, "ns");
	assert_int_equal(image.size, sizeof(b));
	memcpy(&b, image.res, sizeof(b));
	assert_int_equal(b.timestamp, UINT64_C(3) << 31);
	assert_int_equal(b.data, UINT64_C(1) << 30);
	image_write(&image, &room, json_object_get(entries, "of"), value, "packets");
	memcpy(&b, image.res, sizeof(b));
	assert_int_equal(b.data, 250000000);
	json_decref(value);
	json_decref(description);
}

static void test_image_of_a_message_has_its_bytes(void **state)
{
	ifp_dgram_t d;

	write_image("FLOW_REPORT", "records",
		    "{\"recno\": 7, \"size\": 4, \"bytes\": \"000a00ff\"}", NULL);
	assert_int_equal(image.size, sizeof(d));
	memcpy(&d, image.res, sizeof(d));
	assert_int_equal(d.recno, 7);
	assert_int_equal(d.size, 4);
	assert_memory_equal(d.bytes, "\0\x0a\0\xff\0\0", 6);
}

/* The array of TOP is not aligned: it begins right behind the count. */
static void test_image_of_an_array_that_is_packed_begins_at_once(void **state)
{
	json_t *fields = json_loads(
		"[{\"name\": \"n\", \"c\": \"I\"},"
		" {\"name\": \"top\", \"c\": \"A\", \"of\": [{\"name\": \"value\", \"c\": \"N\"},"
		"  {\"name\": \"value\", \"c\": \"6\"}, {\"name\": \"value\", \"c\": \"F\"},"
		"  {\"name\": \"count\", \"c\": \"I\"}, {\"name\": \"bytes\", \"c\": \"Q\"},"
		"  {\"name\": \"reset\", \"c\": \"I\"}]}]",
		0, NULL);
	json_t *value = json_loads(
		"{\"n\": 3, \"top\": [{\"value\": \"10.0.0.1\", \"count\": 5, \"bytes\": 6, "
		"\"reset\": 7},"
		" {\"value\": \"2001:db8::1\", \"count\": 4}, {\"value\": 443, \"count\": 3}]}",
		0, NULL);
	struct topx_result t[3];
	struct in6_addr want;

	assert_int_equal(image_write(&image, &room, fields, value, NULL), 0);
	assert_int_equal(image.size, sizeof(unsigned) + sizeof(t));
	memcpy(t, (char *)image.res + sizeof(unsigned), sizeof(t));
	assert_int_equal(t[0].value, inet_addr("10.0.0.1"));
	assert_int_equal(t[0].family, AF_INET);
	assert_int_equal(t[0].bytecount, 6);
	assert_int_equal(t[0].last_rst_secs, 7);
	inet_pton(AF_INET6, "2001:db8::1", &want);
	assert_memory_equal(&t[1].addr6, &want, sizeof(want));
	assert_int_equal(t[1].value, 0);
	assert_int_equal(t[1].family, AF_INET6);
	assert_int_equal(t[2].value, 443);
	assert_int_equal(t[2].family, AF_UNSPEC);
	json_decref(value);
	json_decref(fields);
}

static void test_image_of_a_time_is_rounded_to_nearest(void **state)
{
	static const struct {
		const char *ns;
		uint64_t ticks;
	} times[] = {{"\"0\"", 0},
		     {"\"1\"", 4},
		     {"\"999999999\"", 4294967292},
		     {"\"1000000000\"", UINT64_C(1) << 32}};

	for (size_t i = 0; i < 4; i++) {
		write_image("GAP", "result", times[i].ns, NULL);
		assert_int_equal(image.size, sizeof(uint64_t));
		assert_int_equal(*(uint64_t *)image.res, times[i].ticks);
	}
}

/* A daemon that says something else than it should hurts nobody. */
static void test_image_of_nonsense_is_zeros(void **state)
{
	static const char *const nonsense[] = {"null",
					       "[]",
					       "\"text\"",
					       "{\"count\": {}, \"sum\": []}",
					       "{\"categories\": 7}",
					       "{\"data\": {\"a\": 1}}",
					       "{\"bytes\": \"xyz\", \"size\": -1}"};
	static const char *const functions[] = {"STATS", "DIST", "BURST", "STARTSTOP"};

	for (size_t i = 0; i < sizeof(nonsense) / sizeof(nonsense[0]); i++) {
		for (size_t k = 0; k < sizeof(functions) / sizeof(functions[0]); k++)
			write_image(functions[k], "result", nonsense[i], NULL);
		write_image("FLOW_REPORT", "records", nonsense[i], NULL);
		assert_int_equal(image.size, sizeof(ifp_dgram_t));
	}
}

int main(void)
{
#define CASE(f) cmocka_unit_test_teardown(f, teardown)
	const struct CMUnitTest tests[] = {
		CASE(test_image_of_stats_converts_times_and_their_squares),
		CASE(test_image_of_dist_has_its_array_behind),
		CASE(test_image_of_burst_is_an_array),
		CASE(test_image_of_hashsamp_has_addresses_as_sent),
		CASE(test_image_of_bucket_takes_the_unit_that_came_with_it),
		CASE(test_image_of_a_message_has_its_bytes),
		CASE(test_image_of_an_array_that_is_packed_begins_at_once),
		CASE(test_image_of_a_time_is_rounded_to_nearest),
		CASE(test_image_of_nonsense_is_zeros),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
