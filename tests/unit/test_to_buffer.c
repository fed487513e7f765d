/* SPDX-License-Identifier: BSD-3-Clause */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <unistd.h>

#include <cmocka.h>

#include "core/registry.h"
#include "pktring_packets.h"

#define WORKERS 2
#define LONGEST 700

/* One use of TO_BUFFER, led through its life as the engine does. */
struct instance {
	const struct hm_function *fn;
	void *conf;
	void *cores[WORKERS];
};

static int apply(struct instance *in, const char *json_args, bool lossless, struct hm_error *err)
{
	const struct hm_apply_ctx ctx = {.link = HM_LINK_ETHERNET,
					 .snaplen = 9216,
					 .lossless = lossless,
					 .n_workers = WORKERS,
					 .device = "test"};
	union hm_value values[HM_ARGS_MAX];
	json_t *const args = json_loads(json_args, 0, NULL);

	*in = (struct instance){.fn = hm_function_find("to_buffer")};
	assert_non_null(in->fn);
	assert_non_null(args);
	in->conf = calloc(1, in->fn->conf_size);
	int code = hm_args_parse(in->fn, args, values, err);
	if (code == 0)
		code = in->fn->conf_init(in->conf, values, &ctx, err);
	json_decref(args);
	return code;
}

static void finish(struct instance *in)
{
	in->fn->conf_fini(in->conf);
	for (unsigned i = 0; i < WORKERS; i++)
		free(in->cores[i]);
	free(in->conf);
}

static void connect_instance(struct instance *in, const char *args, bool lossless)
{
	struct hm_error err = {0};
	if (apply(in, args, lossless, &err) < 0 || in->fn->connect(in->conf, &err) < 0)
		fail_msg("%s", err.text);
	for (unsigned i = 0; i < WORKERS; i++) {
		const struct hm_core_ctx ctx = {
			.worker = i, .n_workers = WORKERS, .lossless = lossless, .conf = in->conf};
		in->cores[i] = calloc(1, in->fn->core_size);
		assert_int_equal(in->fn->core_init(in->cores[i], &ctx, &err), 0);
	}
}

static uint64_t stat_of(const struct instance *in, const char *name)
{
	json_t *const stats = in->fn->stats(in->conf, in->cores, WORKERS);
	assert_int_equal(json_object_size(stats), 5);
	const json_int_t n = json_integer_value(json_object_get(stats, name));
	json_decref(stats);
	return (uint64_t)n;
}

static void put(struct instance *in, unsigned worker, uint64_t first, uint32_t n)
{
	struct packets packets;
	packets_init(&packets, LONGEST);
	const struct hm_batch *const b = packets_fill(&packets, first, n, 1);
	assert_int_equal(in->fn->process(in->cores[worker], b, b->all), b->all); // all pass
	packets_fini(&packets);
}

static struct hm_pktring_reader *open_reader(const struct instance *in)
{
	struct hm_pktring *const ring = in->fn->pktring(in->conf);
	assert_non_null(ring);
	struct hm_pktring_reader *const r = hm_pktring_open(dup(hm_pktring_fd(ring)), NULL);
	assert_non_null(r);
	return r;
}

static void test_to_buffer_packets_reach_the_client_with_their_end(void **state)
{
	struct hm_pktring_packet p;
	struct instance in;
	(void)state;
	connect_instance(&in, "[]", false);
	struct hm_pktring_reader *const r = open_reader(&in);
	put(&in, 0, 0, 20);
	put(&in, 1, 20, 30);
	for (unsigned i = 0; i < 50; i++) {
		assert_int_equal(hm_pktring_next(r, &p), 1);
		assert_int_equal(packet_number(&p), i);
		assert_true(packet_is_right(&p, LONGEST, 9216));
	}
	assert_int_equal(hm_pktring_next(r, &p), 0);
	for (unsigned i = 0; i < WORKERS; i++)
		assert_true(in.fn->drain(in.cores[i]));
	assert_int_equal(hm_pktring_next(r, &p), -ENODATA);
	assert_int_equal(stat_of(&in, "offered"), 50);
	assert_int_equal(stat_of(&in, "delivered"), 50);
	assert_int_equal(hm_pktring_snaplen(r), 9216);
	hm_pktring_close(r);
	finish(&in);
}

static void test_to_buffer_full_ring_drops_and_counts(void **state)
{
	struct instance in;
	(void)state;
	connect_instance(&in, "[1, {\"bytes\": 32768}]", false);
	for (unsigned i = 0; i < 10; i++)
		put(&in, 0, 64 * i, 64);
	assert_int_equal(stat_of(&in, "offered"), 640);
	assert_true(stat_of(&in, "dropped") > 0);
	assert_int_equal(stat_of(&in, "dropped") + stat_of(&in, "queued"), 640);
	finish(&in);
}

static void test_to_buffer_fast_full_ring_overwrites_and_counts(void **state)
{
	struct instance in;
	(void)state;
	connect_instance(&in, "[{\"bytes\": 32768, \"preference\": \"fast\"}]", true);
	for (unsigned i = 0; i < 10; i++)
		put(&in, 0, 64 * i, 64);
	assert_true(stat_of(&in, "overwritten") > 0);
	assert_int_equal(stat_of(&in, "overwritten") + stat_of(&in, "queued"), 640);
	finish(&in);
}

static void test_to_buffer_lossless_source_is_told_to_wait(void **state)
{
	struct hm_pktring_packet p;
	struct instance in;
	uint64_t n = 0;
	(void)state;
	connect_instance(&in, "[0, {\"bytes\": 131072, \"snaplen\": 700}]", true);
	for (; in.fn->ready(in.cores[0]); n += 64)
		put(&in, 0, n, 64);
	assert_true(n > 0);
	assert_true(in.fn->ready(in.cores[1])); // its own ring is empty
	assert_int_equal(stat_of(&in, "queued"), n);
	struct hm_pktring_reader *const r = open_reader(&in);
	while (hm_pktring_next(r, &p) == 1)
		;
	assert_true(in.fn->ready(in.cores[0]));
	hm_pktring_close(r);
	finish(&in);
}

static void test_to_buffer_closing_flow_never_waits(void **state)
{
	struct instance in;
	(void)state;
	connect_instance(&in, "[{\"bytes\": 65536, \"snaplen\": 700}]", true);
	while (in.fn->ready(in.cores[0]))
		put(&in, 0, 0, 64);
	in.fn->closing(in.conf);
	for (unsigned i = 0; i < 10; i++)
		put(&in, 0, 64 * i, 64);
	assert_true(in.fn->ready(in.cores[0]));
	assert_true(stat_of(&in, "dropped") > 0);
	finish(&in);
}

static void test_to_buffer_closed_before_connect_leaves_nothing(void **state)
{
	struct instance in;
	(void)state;
	assert_int_equal(apply(&in, "[]", true, NULL), 0);
	in.fn->closing(in.conf);
	assert_null(in.fn->pktring(in.conf));
	assert_int_equal(stat_of(&in, "offered"), 0);
	finish(&in);
}

static void test_to_buffer_snaplen_is_an_upper_bound(void **state)
{
	static const struct {
		const char *args;
		uint32_t snaplen;
	} cases[] = {{"[]", 9216}, {"[{\"snaplen\": 96}]", 96}, {"[{\"snaplen\": 65535}]", 9216}};
	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct instance in;
		connect_instance(&in, cases[i].args, false);
		struct hm_pktring_reader *const r = open_reader(&in);
		assert_int_equal(hm_pktring_snaplen(r), cases[i].snaplen);
		hm_pktring_close(r);
		finish(&in);
	}
}

static void test_to_buffer_bad_arguments_are_refused_with_number_and_range(void **state)
{
	static const struct {
		const char *args;
		int mapi_errno;
		const char *says;
	} cases[] = {
		{"[2]", 7001, "between 0 and 1"},
		{"[-1]", 7001, "between 0 and 1"},
		{"[\"x\"]", 7001, "between 0 and 1"},
		{"[0, {\"byte\": 1}]", 7002, "no option \"byte\""},
		{"[0, {\"bytes\": 100}]", 7002, "between 4096 and 134217728"},
		{"[0, {\"bytes\": 268435456}]", 7002, "between 4096 and 134217728"},
		{"[0, {\"bytes\": \"1048576\"}]", 7002, "between 4096"},
		{"[0, {\"bytes\": 1000000}]", 7002, "power of two"},
		{"[0, {\"bytes\": 4096}]", 7002, "at least 18480"},
		{"[0, {\"snaplen\": 0}]", 7002, "between 1 and 65535"},
		{"[0, {\"snaplen\": 65536}]", 7002, "between 1 and 65535"},
		{"[0, {\"preference\": \"wait\"}]", 7002, "\"slow\" or \"fast\""},
		{"[0, {\"preference\": 1}]", 7002, "\"slow\" or \"fast\""},
	};
	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct hm_error err = {0};
		struct instance in;
		assert_int_equal(apply(&in, cases[i].args, false, &err), -EINVAL);
		assert_int_equal(err.mapi_errno, cases[i].mapi_errno);
		assert_non_null(strstr(err.text, cases[i].says));
		finish(&in);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_to_buffer_packets_reach_the_client_with_their_end),
		cmocka_unit_test(test_to_buffer_full_ring_drops_and_counts),
		cmocka_unit_test(test_to_buffer_fast_full_ring_overwrites_and_counts),
		cmocka_unit_test(test_to_buffer_lossless_source_is_told_to_wait),
		cmocka_unit_test(test_to_buffer_closing_flow_never_waits),
		cmocka_unit_test(test_to_buffer_closed_before_connect_leaves_nothing),
		cmocka_unit_test(test_to_buffer_snaplen_is_an_upper_bound),
		cmocka_unit_test(test_to_buffer_bad_arguments_are_refused_with_number_and_range),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
