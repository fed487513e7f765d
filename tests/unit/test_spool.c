/* SPDX-License-Identifier: BSD-3-Clause */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

#include "netflow/spool.h"

#define MESSAGE   1000
#define FLOWS     7 // of each message
#define TRIES     5000
#define TEMPLATES "templates"

static char folder[64];
static struct hm_spool *s;
static struct hm_spool_conf conf;

static void nap(void)
{
	const struct timespec ms = {.tv_nsec = 1000000};

	nanosleep(&ms, NULL);
}

static int make_folder(void **state)
{
	(void)state;
	strcpy(folder, "/tmp/test_spool.XXXXXX");
	assert_non_null(mkdtemp(folder));
	conf = (struct hm_spool_conf){.max_mb = 8};
	strcpy(conf.dir, folder);
	s = NULL;
	return 0;
}

static unsigned each_file(void (*what)(const char *path, unsigned i))
{
	struct dirent **list;
	int n = scandir(folder, &list, NULL, alphasort);
	unsigned files = 0;

	for (int i = 0; i < n; i++) {
		char path[400];
		snprintf(path, sizeof(path), "%s/%s", folder, list[i]->d_name);
		if (list[i]->d_name[0] != '.') {
			if (what)
				what(path, files);
			files++;
		}
		free(list[i]);
	}
	free(list);
	return files;
}

static void remove_file(const char *path, unsigned i)
{
	(void)i;
	unlink(path);
}

static int remove_folder(void **state)
{
	(void)state;
	hm_spool_close(s);
	each_file(remove_file);
	rmdir(folder);
	return 0;
}

static void open_as(const char *format)
{
	s = hm_spool_open(&conf, format, (const uint8_t *)TEMPLATES, sizeof(TEMPLATES));
	assert_non_null(s);
	for (unsigned i = 0; i < TRIES && !hm_spool_is_ready(s); i++)
		nap();
	assert_true(hm_spool_is_ready(s));
}

static void start(void)
{
	open_as("ipfix");
}

static void stop(void)
{
	hm_spool_close(s);
	s = NULL;
}

static struct hm_spool_counts counts(void)
{
	struct hm_spool_counts c;

	hm_spool_counts(s, &c);
	return c;
}

static void put(uint32_t number, uint32_t flags)
{
	uint32_t message[MESSAGE / 4];
	const struct hm_load load = {.flows = FLOWS, .records = 3, .packets = 9, .octets = 99};

	for (unsigned i = 0; i < MESSAGE / 4; i++)
		message[i] = number;
	for (unsigned i = 0;
	     !hm_spool_put(s, &load, (uint8_t *)message, MESSAGE - number % 8, flags); i++) {
		assert_true(i < TRIES);
		nap();
	}
}

static void flush(void)
{
	for (unsigned i = 0; i < TRIES && !hm_spool_is_flushed(s); i++)
		nap();
	assert_true(hm_spool_is_flushed(s));
}

/* Takes n messages, which must be `number` and those after it. */
static void take(uint32_t number, uint32_t n)
{
	for (unsigned tries = 0; n > 0;) {
		const uint8_t *templates;
		uint8_t *message;
		struct hm_frame *f;
		size_t at = 0;
		uint32_t bytes;
		unsigned taken = 0;
		if (!hm_spool_begin(s, &templates, &bytes)) {
			assert_true(tries++ < TRIES);
			nap();
			continue;
		}
		assert_int_equal(bytes, sizeof(TEMPLATES));
		assert_memory_equal(templates, TEMPLATES, sizeof(TEMPLATES));
		for (; taken < n && taken < 5 && (f = hm_spool_next(s, &at, &message)); taken++) {
			uint32_t is;
			memcpy(&is, message + 4, sizeof(is));
			assert_int_equal(is, number++);
			assert_int_equal(f->bytes, MESSAGE - is % 8);
			assert_int_equal(f->load.flows, FLOWS);
			message[0] ^= 1; // as a sender stamps it
		}
		hm_spool_took(s, taken);
		n -= taken;
	}
}

static void test_spool_gives_back_in_order_what_was_put(void **state)
{
	(void)state;
	start();
	assert_true(hm_spool_is_empty(s));
	for (uint32_t i = 0; i < 5000; i++) // five segments
		put(i, 0);
	assert_false(hm_spool_is_empty(s));
	assert_int_equal(counts().spooled, 5000 * FLOWS);
	take(0, 3000);
	for (uint32_t i = 5000; i < 6000; i++)
		put(i, 0);
	take(3000, 3000);
	assert_true(hm_spool_is_empty(s));
	assert_int_equal(counts().spooled, 0);
	for (unsigned i = 0; i < TRIES && each_file(NULL) > 0; i++)
		nap();
	assert_int_equal(each_file(NULL), 0); // what was sent is gone
	assert_int_equal(counts().bytes, 0);
}

static void test_spool_survives_a_restart_without_a_message_twice(void **state)
{
	(void)state;
	start();
	for (uint32_t i = 0; i < 3000; i++)
		put(i, 0);
	take(0, 1234); // in the middle of a segment
	stop();
	start();
	assert_int_equal(counts().recovered, (3000 - 1234) * FLOWS);
	for (uint32_t i = 3000; i < 3100; i++)
		put(i, 0);
	take(1234, 3100 - 1234);
	assert_true(hm_spool_is_empty(s));
	assert_int_equal(counts().failed, 0);
}

static void test_spool_older_ones_come_before_what_is_there(void **state)
{
	(void)state;
	start();
	for (uint32_t i = 4000; i < 6000; i++)
		put(i, 0);
	flush();
	for (unsigned i = 0; i < 20; i++) { // let it get the oldest segment ready
		const uint8_t *t;
		uint32_t n;
		hm_spool_begin(s, &t, &n);
		nap();
	}
	hm_spool_withdraw(s);
	for (uint32_t i = 0; i < 4000; i++) { // more than a segment, and new ones in between
		put(i, HM_FRAME_FRONT | (i == 0 ? HM_FRAME_FRONT_FIRST : 0));
		if (i % 1000 == 0)
			put(6000 + i / 1000, 0);
	}
	stop();
	start();
	take(0, 6004);
	assert_true(hm_spool_is_empty(s));
}

static void test_spool_full_loses_the_oldest_and_counts(void **state)
{
	struct hm_spool_counts c;
	uint32_t lost;

	(void)state;
	conf.max_mb = 2;
	start();
	for (uint32_t i = 0; i < 5000; i++)
		put(i, 0);
	flush();
	c = counts();
	assert_true(c.bytes <= 2 << 20);
	assert_true(c.bytes > 1 << 20);
	assert_true(c.full > 0);
	assert_int_equal(c.spooled + c.full, 5000 * FLOWS);
	lost = (uint32_t)(c.full / FLOWS);
	take(lost, 5000 - lost); // the newest are all there
	assert_true(hm_spool_is_empty(s));
}

static void test_spool_disk_full_loses_and_counts(void **state)
{
	struct rlimit before, limit;
	struct hm_spool_counts c;

	(void)state;
	assert_int_equal(getrlimit(RLIMIT_FSIZE, &before), 0);
	limit = before;
	limit.rlim_cur = 100000; // of each file: the first hundred messages
	start();
	assert_int_equal(setrlimit(RLIMIT_FSIZE, &limit), 0);
	for (uint32_t i = 0; i < 300; i++) {
		put(i, 0);
		flush();
	}
	setrlimit(RLIMIT_FSIZE, &before);
	c = counts();
	assert_true(c.failed > 0);
	assert_string_equal(c.error, strerror(EFBIG));
	assert_int_equal(c.failed + c.spooled, 300 * FLOWS);
	take(0, (uint32_t)(c.spooled / FLOWS)); // what could be written is whole
	assert_true(hm_spool_is_empty(s));
}

static void cut_file(const char *path, unsigned i)
{
	(void)i;
	assert_int_equal(truncate(path, 300 * 1056 + 17), 0);
}

static void spoil_file(const char *path, unsigned i)
{
	int fd = open(path, O_WRONLY);
	const uint8_t byte = 0xee;

	(void)i;
	assert_int_equal(pwrite(fd, &byte, 1, 200 * 1056 + 99), 1);
	close(fd);
}

/* As kill -9 leaves it, or worse: the good messages come back, and all others are counted. */
static void check_damaged(void (*damage)(const char *path, unsigned i), uint32_t at_least)
{
	struct hm_spool_counts c;
	uint32_t good;

	start();
	for (uint32_t i = 0; i < 500; i++)
		put(i, 0);
	stop();
	assert_int_equal(each_file(damage), 1);
	start();
	for (unsigned i = 0; i < TRIES && counts().failed == 0; i++) {
		const uint8_t *t;
		uint32_t n;
		hm_spool_begin(s, &t, &n);
		nap();
	}
	c = counts();
	assert_int_equal(c.recovered, 500 * FLOWS);
	assert_int_equal(c.bad_files, 1);
	assert_int_equal(c.failed + c.spooled, 500 * FLOWS);
	good = (uint32_t)(c.spooled / FLOWS);
	assert_true(good >= at_least);
	take(0, good);
	assert_true(hm_spool_is_empty(s));
}

static void test_spool_cut_file_loses_what_is_counted(void **state)
{
	(void)state;
	check_damaged(cut_file, 295);
}

static void test_spool_spoiled_file_loses_what_is_counted(void **state)
{
	(void)state;
	check_damaged(spoil_file, 195);
}

static void fill_with_noise(const char *path, unsigned i)
{
	FILE *f = fopen(path, "we");

	for (unsigned k = 0; k < 5000; k++)
		fputc((int)(k * 2654435761u >> (i % 24)) & 0xff, f);
	fclose(f);
}

static void test_spool_foreign_files_are_no_trouble(void **state)
{
	char path[128];

	(void)state;
	open_as("netflow9");
	put(1, 0);
	stop();
	snprintf(path, sizeof(path), "%s/%016x.spool", folder, 77);
	fill_with_noise(path, 3);
	snprintf(path, sizeof(path), "%s/README", folder);
	fill_with_noise(path, 5);
	start(); // as ipfix
	assert_int_equal(counts().bad_files, 2);
	assert_int_equal(counts().recovered, FLOWS);
	assert_int_equal(counts().failed, FLOWS);
	assert_true(hm_spool_is_empty(s));
	assert_int_equal(access(path, R_OK), 0); // what is not its own stays
}

static void test_spool_folder_belongs_to_one(void **state)
{
	struct hm_spool *first;

	(void)state;
	start();
	first = s;
	put(0, 0);
	s = hm_spool_open(&conf, "ipfix", (const uint8_t *)TEMPLATES, sizeof(TEMPLATES));
	for (unsigned i = 0; i < 100; i++)
		nap();
	assert_false(hm_spool_is_ready(s));
	put(1, 0); // it waits
	hm_spool_close(first);
	for (unsigned i = 0; i < TRIES && !hm_spool_is_ready(s); i++)
		nap();
	take(0, 2);
	assert_true(hm_spool_is_empty(s));
}

static void test_spool_bad_folders_are_refused(void **state)
{
	struct hm_error err;

	(void)state;
	assert_int_equal(hm_spool_check(&conf, &err), 0);
	chmod(folder, 0777);
	assert_true(hm_spool_check(&conf, &err) < 0);
	assert_non_null(strstr(err.text, "mode 0777"));
	strcpy(conf.dir, "relative");
	assert_true(hm_spool_check(&conf, &err) < 0);
	strcpy(conf.dir, "/no/such/folder");
	assert_true(hm_spool_check(&conf, &err) < 0);
	assert_non_null(strstr(err.text, "No such file"));
	strcpy(conf.dir, "/dev/null");
	assert_true(hm_spool_check(&conf, &err) < 0);
	assert_non_null(strstr(err.text, "not a folder"));
}

#define CASE(f) cmocka_unit_test_setup_teardown(f, make_folder, remove_folder)

int main(void)
{
	const struct CMUnitTest tests[] = {
		CASE(test_spool_gives_back_in_order_what_was_put),
		CASE(test_spool_survives_a_restart_without_a_message_twice),
		CASE(test_spool_older_ones_come_before_what_is_there),
		CASE(test_spool_full_loses_the_oldest_and_counts),
		CASE(test_spool_disk_full_loses_and_counts),
		CASE(test_spool_cut_file_loses_what_is_counted),
		CASE(test_spool_spoiled_file_loses_what_is_counted),
		CASE(test_spool_foreign_files_are_no_trouble),
		CASE(test_spool_folder_belongs_to_one),
		CASE(test_spool_bad_folders_are_refused),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
