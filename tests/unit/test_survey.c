/* SPDX-License-Identifier: BSD-3-Clause */
#include <arpa/inet.h>
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "netflow/survey.h"

#define S       UINT64_C(1000000000)
#define T0      (1700000000 * S)
#define RECORDS 5000

static struct hm_flow_record records[RECORDS];

/* Sizes in no order, none twice. */
static void make_records(void)
{
	for (uint32_t i = 0; i < RECORDS; i++) {
		struct hm_flow_record *r = &records[i];
		*r = (struct hm_flow_record){.key = {{.version = 4, .proto = 17}}};
		r->key.port_be[0] = htons((uint16_t)i);
		r->initiator = i & 1;
		r->packets[0] = (uint64_t)i * 1237 % RECORDS + 1;
		r->bytes[1] = (uint64_t)i * 3571 % RECORDS + 1;
		r->packets[1] = r->bytes[0] = 1;
		r->start_ns = T0 - i * S;
		r->last_ns[0] = T0 - i * S / 2;
	}
}

static json_int_t at(const json_t *o, const char *key, size_t i)
{
	return json_integer_value(json_array_get(json_object_get(o, key), i));
}

static void check_top(const json_t *answer, unsigned n, bool by_bytes)
{
	const json_t *top = json_object_get(answer, "top");

	assert_int_equal(json_array_size(top), n);
	for (unsigned i = 0; i < n; i++) {
		const json_t *r = json_array_get(top, i);
		const char *key = by_bytes ? "bytes" : "packets";
		assert_int_equal(at(r, key, 0) + at(r, key, 1), RECORDS + 1 - i);
	}
}

static void test_survey_top_are_the_largest_in_order(void **state)
{
	(void)state;
	make_records();
	for (unsigned by = 0; by < 2; by++)
		for (unsigned n = 0; n < 40; n += 13) {
			struct hm_survey *s = hm_survey_create(n, by);
			json_t *answer;
			for (unsigned i = 0; i < RECORDS; i++)
				hm_survey_see(s, &records[i], T0);
			answer = hm_survey_json(s);
			check_top(answer, n, by);
			assert_int_equal(json_integer_value(json_object_get(answer, "records")),
					 RECORDS);
			json_decref(answer);
			hm_survey_destroy(s);
		}
}

static void test_survey_of_parts_adds_up_to_the_whole(void **state)
{
	struct hm_survey *part[3], *sum = hm_survey_create(30, true);
	struct hm_survey *whole = hm_survey_create(30, true);
	json_t *a, *b;

	(void)state;
	make_records();
	for (unsigned i = 0; i < 3; i++)
		part[i] = hm_survey_create(30, true);
	for (unsigned i = 0; i < RECORDS; i++) {
		hm_survey_see(part[i * 7 % 3], &records[i], T0);
		hm_survey_see(whole, &records[i], T0);
	}
	for (unsigned i = 0; i < 3; i++) {
		hm_survey_add(sum, part[i]);
		hm_survey_destroy(part[i]);
	}
	a = hm_survey_json(sum);
	b = hm_survey_json(whole);
	assert_true(json_equal(a, b));
	json_decref(a);
	json_decref(b);
	hm_survey_destroy(sum);
	hm_survey_destroy(whole);
}

/* Record i is i seconds old: 1 below a second, 1 below two, 2 below four ... */
static void test_survey_ages_double_from_place_to_place(void **state)
{
	struct hm_survey *s = hm_survey_create(0, true);
	json_int_t sum = 0;
	json_t *answer;

	(void)state;
	make_records();
	for (unsigned i = 0; i < RECORDS; i++)
		hm_survey_see(s, &records[i], T0);
	hm_survey_see(s, &records[0], T0 - 100 * S); // a clock that went back
	answer = hm_survey_json(s);
	assert_int_equal(at(answer, "ages", 0), 2);
	for (unsigned i = 1; i < 12; i++) {
		assert_int_equal(at(answer, "ages", i), 1 << (i - 1));
		assert_int_equal(at(answer, "idle", i), 2 << (i - 1));
		assert_int_equal(at(answer, "below_s", i), 1 << i);
	}
	for (unsigned i = 0; i < HM_SURVEY_AGES; i++)
		sum += at(answer, "ages", i);
	assert_int_equal(sum, RECORDS + 1);
	assert_int_equal(json_array_size(json_object_get(answer, "below_s")), HM_SURVEY_AGES - 1);
	json_decref(answer);
	hm_survey_destroy(s);
}

/* --- workers and their caches --- */

static void drop(void *arg, const struct hm_flow_record *r, unsigned n)
{
	(void)arg;
	(void)r;
	(void)n;
}

/* n flows of one packet of 100 bytes, but the last one has two. */
static struct hm_cache *make_cache(unsigned n)
{
	const struct hm_cache_conf conf = {.entries = 20000,
					   .active_ns = 300 * S,
					   .inactive_ns = 30 * S,
					   .socket = -1,
					   .out = drop};
	struct hm_cache *c = hm_cache_create(&conf);

	assert_non_null(c);
	for (unsigned i = 0; i <= n; i++) {
		static struct hm_batch b;
		uint8_t ip[28] = {0x45};
		uint32_t host = htonl(i < n ? i : n - 1);
		if (n == 0)
			break;
		memcpy(ip + 12, &host, 4);
		b.n = 1;
		b.data[0] = ip;
		b.caplen[0] = sizeof(ip);
		b.proto[0] = 17;
		b.ip_len[0] = 100;
		b.l4[0] = 20;
		b.ipv4 = b.udp = b.l4_ok = 1;
		b.ts_ns[0] = T0;
		hm_cache_add(c, &b, 1);
	}
	return c;
}

static struct {
	unsigned n;
	json_t *result;
	struct hm_error err;
} told;

static void answer(void *arg, json_t *result, const struct hm_error *err)
{
	(void)arg;
	assert_true((result == NULL) != (err == NULL));
	told.n++;
	json_decref(told.result);
	told.result = result;
	if (err)
		told.err = *err;
}

static int forget(void **state)
{
	(void)state;
	json_decref(told.result);
	memset(&told, 0, sizeof(told));
	return 0;
}

static struct hm_error refusal;

static int question(struct hm_surveyor *s)
{
	return hm_surveyor_ask(s, 3, true, answer, NULL, &refusal);
}

static void test_surveyor_adds_up_what_all_workers_saw(void **state)
{
	const unsigned flows[] = {10000, 0, 3};
	struct hm_surveyor *s = hm_surveyor_create(4); // one lane has no worker
	struct hm_survey_lane *lane[3];
	struct hm_cache *cache[3];
	unsigned steps = 0;

	(void)state;
	for (unsigned i = 0; i < 3; i++) {
		cache[i] = make_cache(flows[i]);
		lane[i] = hm_surveyor_lane(s, i, cache[i]);
	}
	for (unsigned i = 0; i < 3; i++) // nobody has asked
		hm_survey_step(lane[i], T0);
	assert_int_equal(question(s), 0);
	for (; told.n == 0; steps++) {
		assert_true(steps < 100);
		hm_surveyor_poll(s, steps);
		for (unsigned i = 0; i < 3; i++)
			hm_survey_step(lane[i], T0);
	}
	assert_true(steps > 10000 / HM_SURVEY_PLACES); // bounded work a tick
	assert_int_equal(json_integer_value(json_object_get(told.result, "records")), 10003);
	assert_int_equal(json_integer_value(json_object_get(told.result, "packets")), 10005);
	assert_int_equal(json_integer_value(json_object_get(told.result, "bytes")), 1000500);
	assert_int_equal(at(json_array_get(json_object_get(told.result, "top"), 1), "packets", 0),
			 2);
	hm_surveyor_destroy(s);
	for (unsigned i = 0; i < 3; i++)
		hm_cache_destroy(cache[i]);
	assert_int_equal(told.n, 1);
}

static void test_surveyor_worker_that_stands_still_is_told(void **state)
{
	struct hm_surveyor *s = hm_surveyor_create(1);
	struct hm_cache *cache = make_cache(5);
	struct hm_survey_lane *lane = hm_surveyor_lane(s, 0, cache);

	(void)state;
	assert_int_equal(question(s), 0);
	assert_int_equal(question(s), 0);
	for (uint64_t now = 0; now < 10 * S; now += S)
		hm_surveyor_poll(s, now);
	assert_int_equal(told.n, 1);
	assert_non_null(strstr(told.err.text, "does the device run"));
	hm_survey_step(lane, T0); // it runs again: the second question is answered
	hm_surveyor_poll(s, 11 * S);
	hm_surveyor_poll(s, 11 * S);
	hm_survey_step(lane, T0);
	hm_surveyor_poll(s, 11 * S);
	assert_int_equal(told.n, 2);
	assert_non_null(told.result);
	hm_surveyor_destroy(s);
	hm_cache_destroy(cache);
}

static void test_surveyor_that_goes_answers_all_who_wait(void **state)
{
	struct hm_surveyor *s = hm_surveyor_create(1);
	struct hm_cache *cache = make_cache(5);

	(void)state;
	hm_surveyor_lane(s, 0, cache);
	for (unsigned i = 0; i < HM_SURVEY_WAITING; i++)
		assert_int_equal(question(s), 0);
	assert_int_equal(question(s), -EBUSY);
	hm_surveyor_poll(s, 0);
	hm_surveyor_destroy(s);
	assert_int_equal(told.n, HM_SURVEY_WAITING);
	assert_non_null(strstr(told.err.text, "has been closed"));
	hm_cache_destroy(cache);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_survey_top_are_the_largest_in_order),
		cmocka_unit_test(test_survey_of_parts_adds_up_to_the_whole),
		cmocka_unit_test(test_survey_ages_double_from_place_to_place),
		cmocka_unit_test_teardown(test_surveyor_adds_up_what_all_workers_saw, forget),
		cmocka_unit_test_teardown(test_surveyor_worker_that_stands_still_is_told, forget),
		cmocka_unit_test_teardown(test_surveyor_that_goes_answers_all_who_wait, forget),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
