/* SPDX-License-Identifier: BSD-3-Clause */
/* TO_FILE as the engine leads it through its life; what its files hold in the end is for tests/e2e/test_to_file.py and
 * for test_capture.c. */
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

#include "core/registry.h"
#include "trace/trace.h"

#define SOON_S 120 // on a disk that others use

static char folder[64];

static const char *in_folder(const char *name)
{
	static char path[256];
	snprintf(path, sizeof(path), "%s/%s", folder, name);
	return path;
}

static int make_folder(void **state)
{
	strcpy(folder, "/tmp/homard-to-file-XXXXXX");
	return mkdtemp(folder) ? 0 : -1;
}

static int remove_folder(void **state)
{
	char command[128];
	snprintf(command, sizeof(command), "rm -rf %s", folder);
	return system(command);
}

struct instance {
	const struct hm_function *fn;
	void *conf, *core;
};

static int apply(struct instance *in, const char *text, bool lossless, enum hm_link link,
		 struct hm_error *err)
{
	const struct hm_apply_ctx ctx = {.link = link,
					 .snaplen = 9216,
					 .lossless = lossless,
					 .n_workers = 1,
					 .device = "test",
					 .administrator = true,
					 .capture_dir = folder};
	union hm_value values[HM_ARGS_MAX] = {0};
	json_t *args = json_loads(text, 0, NULL);
	assert_non_null(args);
	*in = (struct instance){.fn = hm_function_find("TO_FILE")};
	in->conf = calloc(1, in->fn->conf_size);
	int code = hm_args_parse(in->fn, args, values, err);
	if (code == 0)
		code = in->fn->conf_init(in->conf, values, &ctx, err);
	json_decref(args);
	if (code < 0)
		free(in->conf);
	return code;
}

static void begin(struct instance *in, const char *args, bool lossless)
{
	struct hm_error err = {0};
	if (apply(in, args, lossless, HM_LINK_ETHERNET, &err) < 0 ||
	    in->fn->connect(in->conf, &err) < 0)
		fail_msg("%s", err.text);
	const struct hm_core_ctx ctx = {.n_workers = 1, .lossless = lossless, .conf = in->conf};
	in->core = calloc(1, in->fn->core_size);
	assert_int_equal(in->fn->core_init(in->core, &ctx, &err), 0);
	while (in->fn->prepared(in->conf, &err) == 0)
		nanosleep(&(struct timespec){.tv_nsec = 1000000}, NULL);
	assert_int_equal(in->fn->prepared(in->conf, &err), 1);
}

/* A batch of n packets of so many bytes, `number` nanoseconds after 1970 the first. */
static void put(struct instance *in, unsigned n, uint32_t bytes, uint64_t number)
{
	static uint8_t data[65535];
	static struct hm_batch b;
	b.n = n;
	b.all = n == 64 ? UINT64_MAX : (UINT64_C(1) << n) - 1;
	b.link = HM_LINK_ETHERNET;
	for (unsigned i = 0; i < n; i++) {
		b.data[i] = data;
		b.caplen[i] = b.wirelen[i] = bytes;
		b.ts_ns[i] = number + i;
		b.ifindex[i] = (uint16_t)(i % 3);
	}
	assert_int_equal(in->fn->process(in->core, &b, b.all), b.all); // all pass
}

/* One look: packets go on from one count to the next meanwhile. */
static json_t *balanced_stats(struct instance *in)
{
	json_t *stats = in->fn->stats(in->conf, &in->core, 1);
	assert_true(json_is_true(json_object_get(json_object_get(stats, "file"), "balanced")));
	return stats;
}

static json_int_t stat_of(struct instance *in, const char *key, const char *cause)
{
	json_t *stats = balanced_stats(in);
	const json_t *value = json_object_get(stats, key);
	json_int_t n = json_integer_value(cause ? json_object_get(value, cause) : value);
	json_decref(stats);
	return n;
}

static void end(struct instance *in)
{
	const time_t end_s = time(NULL) + SOON_S;
	assert_true(in->fn->drain(in->core));
	in->fn->closing(in->conf);
	while (!in->fn->idle(in->conf) && time(NULL) < end_s)
		nanosleep(&(struct timespec){.tv_nsec = 1000000}, NULL);
	assert_true(in->fn->idle(in->conf));
}

static void finish(struct instance *in)
{
	in->fn->conf_fini(in->conf);
	free(in->core);
	free(in->conf);
}

/* Packets of a file, whose times are one after the other; from which on. */
static unsigned count_packets(const char *name, uint64_t from)
{
	struct hm_trace_packet p;
	struct hm_error err = {0};
	unsigned n = 0;
	struct hm_trace_reader *r = hm_trace_open(in_folder(name), &err);
	if (!r)
		fail_msg("%s", err.text);
	while (hm_trace_next(r, &p, &err) == 1)
		assert_int_equal(p.ts_ns, from + n++);
	assert_string_equal(err.text, "");
	hm_trace_close(r);
	return n;
}

static void test_to_file_odd_batches_are_one_file(void **state)
{
	static const char *const formats[] = {"PCAP_NS", "PCAPNG"};
	for (unsigned f = 0; f < 2; f++) {
		char args[64];
		struct instance in;
		unsigned n = 0;
		snprintf(args, sizeof(args), "[\"%s\", \"a%u\"]", formats[f], f);
		begin(&in, args, false);
		for (unsigned i = 0; i < 100; i++) {
			const unsigned k = 1 + i * 7 % 64;
			put(&in, k, i * 13 % 1500, n);
			n += k;
		}
		end(&in);
		assert_int_equal(stat_of(&in, "packets", NULL), n);
		snprintf(args, sizeof(args), "a%u", f);
		assert_int_equal(count_packets(args, 0), n);
		finish(&in);
	}
}

static void test_to_file_more_than_the_buffer_is_dropped_and_counted(void **state)
{
	struct instance in;
	begin(&in, "[\"PCAP_NS\", \"a\", 0, {\"buffer_bytes\": 4194304}]", false);
	const uint64_t put_in = 40 * 64;
	for (unsigned i = 0; i < 40; i++) // 160 MB as fast as it goes
		put(&in, 64, 65535, i * 64);
	end(&in);
	const json_int_t written = stat_of(&in, "packets", NULL);
	const json_int_t dropped = stat_of(&in, "dropped", "no_room");
	assert_int_equal(written + dropped, put_in);
	assert_true(written > 0);
	finish(&in);
}

/* A source that asks first loses nothing, and never waits for ever. */
static void test_to_file_that_is_asked_first_loses_nothing(void **state)
{
	static const char *const options[] = {
		"{\"zstd\": 1}",
		"{\"rotate_packets\": 1, \"block_bytes\": 4096, \"sync\": \"none\"}",
		"{\"rotate_bytes\": 70000, \"block_bytes\": 65536}"};
	for (unsigned k = 0; k < 3; k++) {
		char args[128];
		struct instance in;
		snprintf(args, sizeof(args), "[\"PCAP_NS\", \"f%u-%%n\", 0, %s]", k, options[k]);
		begin(&in, args, true);
		for (unsigned i = 0; i < 20; i++) {
			const time_t end_s = time(NULL) + SOON_S;
			while (!in.fn->ready(in.core) && time(NULL) < end_s)
				nanosleep(&(struct timespec){.tv_nsec = 100000}, NULL);
			assert_true(in.fn->ready(in.core));
			put(&in, 64, 9216, i * 64);
		}
		end(&in);
		assert_int_equal(stat_of(&in, "packets", NULL), 20 * 64);
		assert_int_equal(stat_of(&in, "queued", NULL), 0);
		finish(&in);
	}
}

static void test_to_file_count_is_exact(void **state)
{
	struct instance in;
	begin(&in, "[\"PCAP_NS\", \"a\", 100]", false);
	put(&in, 64, 60, 0);
	json_t *stats = balanced_stats(&in);
	assert_int_equal(json_integer_value(json_object_get(stats, "packets")) +
				 json_integer_value(json_object_get(stats, "queued")),
			 64);
	json_decref(stats);
	put(&in, 64, 60, 64);
	put(&in, 64, 60, 128);
	end(&in);
	assert_int_equal(stat_of(&in, "packets", NULL), 100);
	assert_int_equal(stat_of(&in, "file", "ignored"), 92);
	assert_int_equal(count_packets("a", 0), 100);
	finish(&in);
}

static void test_to_file_time_that_the_format_has_not_is_counted(void **state)
{
	struct instance in;
	begin(&in, "[\"PCAP\", \"a\"]", false);
	put(&in, 3, 60, UINT64_C(4294967296000000000));
	put(&in, 2, 60, 0);
	end(&in);
	assert_int_equal(stat_of(&in, "dropped", "no_format"), 3);
	assert_int_equal(stat_of(&in, "packets", NULL), 2);
	finish(&in);
}

static void test_to_file_ends_a_file_when_its_time_is_over(void **state)
{
	struct instance in;
	begin(&in, "[\"PCAP_NS\", \"f-%n\", 0, {\"rotate_s\": 10}]", false);
	put(&in, 5, 60, UINT64_C(1000000000));
	in.fn->tick(in.core, UINT64_C(10500000000)); // a packet of that time may still come
	put(&in, 1, 60, UINT64_C(1000000005));
	in.fn->tick(in.core, UINT64_C(11000000001));
	put(&in, 1, 60, UINT64_C(12000000000));
	end(&in);
	assert_int_equal(count_packets("f-000001", UINT64_C(1000000000)), 6);
	assert_int_equal(count_packets("f-000002", UINT64_C(12000000000)), 1);
	finish(&in);
}

static void test_to_file_link_type_that_erf_has_not_is_refused(void **state)
{
	struct hm_error err = {0};
	struct instance in;
	assert_true(apply(&in, "[\"ERF\", \"a\"]", false, HM_LINK_LINUX_SLL, &err) < 0);
	assert_int_equal(err.mapi_errno, 7006);
	assert_true(apply(&in, "[\"PCAP\", \"a\", 0, {\"buffer_bytes\": 1048576}]", true,
			  HM_LINK_ETHERNET, &err) < 0);
	assert_int_equal(err.mapi_errno, 7004);
	assert_non_null(strstr(err.text, "must be at least"));
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, make_folder, remove_folder)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_to_file_odd_batches_are_one_file),
		TEST(test_to_file_more_than_the_buffer_is_dropped_and_counted),
		TEST(test_to_file_that_is_asked_first_loses_nothing),
		TEST(test_to_file_count_is_exact),
		TEST(test_to_file_time_that_the_format_has_not_is_counted),
		TEST(test_to_file_ends_a_file_when_its_time_is_over),
		TEST(test_to_file_link_type_that_erf_has_not_is_refused),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
