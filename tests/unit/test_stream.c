/* SPDX-License-Identifier: BSD-3-Clause */
/* One producer, one consumer, and a ring between them: every byte arrives once, in order, in files that begin at
 * blocks, and nothing is shown that is not whole. */
#include <errno.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <cmocka.h>

#include "capture/stream.h"

#define BLOCK  4096u
#define BUFFER (80u * BLOCK)
#define BYTES  6000000u

static struct hm_stream *create(void)
{
	struct hm_error err;
	struct hm_stream *s = hm_stream_create(BUFFER, BLOCK, &err);
	assert_non_null(s);
	return s;
}

static void fill(struct hm_stream *s, size_t n, unsigned packets)
{
	uint8_t *to = hm_stream_reserve(s, n);
	assert_non_null(to);
	memset(to, 'x', n);
	hm_stream_commit(s, n, packets);
}

static struct hm_stream_mark take(struct hm_stream *s)
{
	struct hm_stream_mark m;
	assert_true(hm_stream_mark(s, &m));
	hm_stream_take(s);
	return m;
}

static void test_stream_sizes_that_make_no_sense_are_refused(void **state)
{
	static const struct {
		uint64_t bytes;
		uint32_t block;
	} bad[] = {{BUFFER, 4095},     {BUFFER, 2048},       {BUFFER, 12288}, {BUFFER + 1, BLOCK},
		   {3 * BLOCK, BLOCK}, {1u << 26, 1u << 25}, {0, BLOCK}};
	struct hm_error err;
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		assert_null(hm_stream_create(bad[i].bytes, bad[i].block, &err));
		assert_int_equal(errno, EINVAL);
	}
}

static void test_stream_shows_records_once_they_are_published(void **state)
{
	struct hm_stream *s = create();
	struct hm_stream_mark m;
	assert_false(hm_stream_mark(s, &m));
	assert_true(hm_stream_begin(s, 77));
	m = take(s);
	assert_int_equal(m.event, HM_STREAM_BEGIN);
	assert_int_equal(m.time_ns, 77);
	fill(s, 100, 3);
	assert_false(hm_stream_mark(s, &m));
	hm_stream_publish(s);
	hm_stream_publish(s); // nothing new
	m = take(s);
	assert_int_equal(m.event, HM_STREAM_RECORDS);
	assert_int_equal(m.position, 100);
	assert_int_equal(m.packets, 3);
	assert_false(hm_stream_mark(s, &m));
	hm_stream_end(s);
	hm_stream_end(s); // it has ended
	m = take(s);
	assert_int_equal(m.event, HM_STREAM_END);
	assert_true(hm_stream_begin(s, 78));
	assert_int_equal(take(s).position, BLOCK); // the next block
	hm_stream_close(s);
	assert_int_equal(take(s).event, HM_STREAM_END);
	assert_int_equal(take(s).event, HM_STREAM_LAST);
	assert_false(hm_stream_mark(s, &m));
	hm_stream_destroy(s);
}

static void test_stream_full_of_bytes_has_no_room_until_some_are_freed(void **state)
{
	struct hm_stream *s = create();
	assert_true(hm_stream_begin(s, 0));
	for (unsigned i = 0; i < 80; i++)
		fill(s, BLOCK, 1);
	assert_null(hm_stream_reserve(s, 1));
	assert_false(hm_stream_has_room(s, 1, 0));
	hm_stream_end(s);
	assert_false(hm_stream_begin(s, 0));
	hm_stream_free(s, 10 * BLOCK);
	assert_true(hm_stream_has_room(s, 10 * BLOCK, 0));
	assert_false(hm_stream_has_room(s, 9 * BLOCK, 2));
	assert_true(hm_stream_begin(s, 0));
	hm_stream_destroy(s);
}

/* However many files nobody looks at: their ends always have room. */
static void test_stream_full_of_marks_begins_no_file_and_ends_what_it_began(void **state)
{
	struct hm_error err;
	struct hm_stream *s = hm_stream_create(4096u * BLOCK, BLOCK, &err);
	struct hm_stream_mark m;
	unsigned n = 0, ends = 0;
	while (hm_stream_begin(s, n)) {
		fill(s, 10, 1);
		hm_stream_publish(s);
		hm_stream_end(s);
		n++;
	}
	assert_true(n > 100);
	assert_false(hm_stream_has_room(s, 10, 1));
	hm_stream_close(s);
	while (hm_stream_mark(s, &m)) {
		ends += m.event == HM_STREAM_END;
		assert_true(m.event != HM_STREAM_END || m.packets == ends);
		hm_stream_take(s);
	}
	assert_int_equal(m.event, HM_STREAM_LAST);
	assert_int_equal(ends, n);
	hm_stream_destroy(s);
}

/* --- two threads --- */

static uint8_t byte_of(uint64_t number)
{
	return (uint8_t)(number * 31 + number / 251);
}

/* Puts BYTES bytes, in records of odd lengths and files of odd lengths. */
static void *produce(void *arg)
{
	struct hm_stream *s = arg;
	uint64_t sent = 0, packets = 0;
	unsigned in_file = 0;
	while (sent < BYTES) {
		const size_t n = 1 + packets * 7919 % (packets % 13 ? 1500 : 66000);
		if (in_file == 0) {
			while (!hm_stream_begin(s, sent))
				nanosleep(&(struct timespec){.tv_nsec = 1000}, NULL);
			in_file = 1 + packets % 97;
		}
		uint8_t *to = hm_stream_reserve(s, n);
		if (!to) {
			hm_stream_publish(s);
			nanosleep(&(struct timespec){.tv_nsec = 1000}, NULL);
			continue;
		}
		for (size_t i = 0; i < n; i++)
			to[i] = byte_of(sent + i);
		hm_stream_commit(s, n, 1);
		sent += n;
		packets++;
		if (packets % 5 == 0)
			hm_stream_publish(s);
		if (--in_file == 0)
			hm_stream_end(s);
	}
	hm_stream_close(s);
	return (void *)(uintptr_t)packets;
}

static void test_stream_between_threads_brings_every_byte_in_order(void **state)
{
	struct hm_stream *s = create();
	pthread_t thread;
	void *packets;
	uint64_t at = 0, got = 0;
	struct hm_stream_mark m = {0};
	assert_int_equal(pthread_create(&thread, NULL, produce, s), 0);
	while (m.event != HM_STREAM_LAST) {
		if (!hm_stream_mark(s, &m)) {
			nanosleep(&(struct timespec){.tv_nsec = 1000}, NULL);
			continue;
		}
		if (m.event == HM_STREAM_BEGIN) {
			assert_int_equal(m.position % BLOCK, 0);
			assert_int_equal(m.time_ns, got);
			at = m.position;
		}
		for (; at < m.position; at++, got++)
			if (*hm_stream_at(s, at) != byte_of(got))
				fail_msg("byte %llu is wrong", (unsigned long long)got);
		hm_stream_take(s);
		hm_stream_free(s, at);
	}
	pthread_join(thread, &packets);
	assert_true(got >= BYTES);
	assert_int_equal(m.packets, (uintptr_t)packets);
	hm_stream_destroy(s);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_stream_sizes_that_make_no_sense_are_refused),
		cmocka_unit_test(test_stream_shows_records_once_they_are_published),
		cmocka_unit_test(test_stream_full_of_bytes_has_no_room_until_some_are_freed),
		cmocka_unit_test(test_stream_full_of_marks_begins_no_file_and_ends_what_it_began),
		cmocka_unit_test(test_stream_between_threads_brings_every_byte_in_order),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
