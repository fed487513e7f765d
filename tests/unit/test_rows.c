/* SPDX-License-Identifier: BSD-3-Clause */
/* Rows on their way to a file, and a disk that is full: here a limit of the process, which writing finds like one. */
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "core/rows.h"

#define RING 64

static char folder[64];
static struct hm_rows *rows;

static size_t format(const void *arg, const void *record, char *to)
{
	uint64_t n;

	memcpy(&n, record, sizeof(n));
	return (size_t)sprintf(to, "%s%llu\n", (const char *)arg, (unsigned long long)n);
}

static const char *path(void)
{
	static char text[128];

	snprintf(text, sizeof(text), "%s/out", folder);
	return text;
}

static int open_rows(void **state)
{
	const struct hm_rows_conf conf = {.record_size = sizeof(uint64_t),
					  .n_records = RING,
					  .row_max = 64,
					  .format = format,
					  .arg = "row "};
	struct hm_apply_ctx ctx = {.administrator = true, .configured = true};
	struct hm_error err;

	(void)state;
	unlink(path());
	ctx.capture_dir = folder;
	rows = hm_rows_create(hm_output_create("out", &ctx, &err), "head", &conf, &err);
	return rows ? 0 : -1;
}

static int close_rows(void **state)
{
	(void)state;
	hm_rows_destroy(rows);
	return 0;
}

static bool put(uint64_t n, uint64_t n_rows)
{
	uint64_t *record = hm_rows_room(rows, n_rows);

	if (!record)
		return false;
	*record = n;
	hm_rows_put(rows);
	hm_rows_poll(rows);
	return true;
}

static struct hm_rows_counts counts(void)
{
	struct hm_rows_counts c;

	hm_rows_counts(rows, &c);
	return c;
}

static void wait_until(bool (*is_so)(void))
{
	for (unsigned i = 0; i < 60000 && !is_so(); i++) {
		hm_rows_poll(rows);
		usleep(1000);
	}
	assert_true(is_so());
}

static bool is_idle(void)
{
	return hm_rows_idle(rows);
}

static bool is_in_trouble(void)
{
	return counts().error != 0;
}

static char *content(void)
{
	static char text[65536];
	FILE *f = fopen(path(), "r");

	assert_non_null(f);
	text[fread(text, 1, sizeof(text) - 1, f)] = '\0';
	fclose(f);
	return text;
}

static void limit(rlim_t bytes)
{
	struct rlimit l;

	assert_int_equal(getrlimit(RLIMIT_FSIZE, &l), 0);
	l.rlim_cur = bytes;
	assert_int_equal(setrlimit(RLIMIT_FSIZE, &l), 0);
}

static void test_rows_are_written_in_order(void **state)
{
	char expected[4096] = "head\n";

	(void)state;
	for (uint64_t i = 0; i < 3; i++) {
		assert_true(put(i, i + 1));
		for (uint64_t k = 0; k <= i; k++)
			sprintf(expected + strlen(expected), "row %d\n", (int)i);
	}
	wait_until(is_idle);
	assert_string_equal(content(), expected);
	assert_int_equal(counts().offered, 6);
	assert_int_equal(counts().written, 6);
	assert_int_equal(counts().bytes, strlen(expected));
	assert_string_equal(hm_rows_file(rows), "out");
}

static void test_rows_full_disk_that_gets_room_loses_nothing(void **state)
{
	unsigned taken = 0;

	(void)state;
	limit(100); // in the middle of a row
	while (taken < 40)
		taken += put(1000 + taken, 1);
	wait_until(is_in_trouble);
	assert_true(strlen(content()) <= 100);
	assert_int_equal(content()[strlen(content()) - 1], '\n'); // whole rows only
	assert_true(hm_rows_ready(rows, RING));                   // nobody waits for a broken disk
	limit(RLIM_INFINITY);
	wait_until(is_idle);
	assert_int_equal(counts().written, 40);
	assert_int_equal(counts().lost + counts().dropped, 0);
	assert_int_equal(counts().error, 0);
	assert_int_equal(strlen(content()), 5 + 40 * strlen("row 1000\n"));
}

static void test_rows_without_room_are_dropped_and_counted(void **state)
{
	uint64_t offered = 0;

	(void)state;
	limit(50);
	put(1, 10);
	wait_until(is_in_trouble); // it holds the first record
	while (put(2, 3))
		offered += 3;
	put(3, 5);
	assert_int_equal(counts().dropped, 3 + 5);
	assert_int_equal(counts().queued, counts().offered - counts().dropped - counts().written);
	limit(RLIM_INFINITY);
	wait_until(is_idle);
	assert_int_equal(counts().written, 10 + offered);
	assert_int_equal(counts().offered, counts().written + counts().dropped);
}

static void test_rows_are_given_up_two_seconds_after_the_close(void **state)
{
	(void)state;
	limit(20);
	for (uint64_t i = 0; i < 20; i++)
		put(i, 1);
	wait_until(is_in_trouble);
	hm_rows_close(rows);
	wait_until(is_idle);
	assert_int_equal(counts().offered, 20);
	assert_int_equal(counts().written + counts().lost, 20);
	assert_true(counts().lost > 0);
	assert_int_equal(content()[strlen(content()) - 1], '\n');
	limit(RLIM_INFINITY);
}

static void test_rows_file_that_cannot_be_made_is_6155(void **state)
{
	const struct hm_rows_conf conf = {
		.record_size = 8, .n_records = 8, .row_max = 64, .format = format};
	struct hm_apply_ctx ctx = {.administrator = true, .configured = true};
	struct hm_error err;

	(void)state;
	ctx.capture_dir = folder;
	assert_null(hm_rows_create(hm_output_create("no/such", &ctx, &err), "", &conf, &err));
	assert_int_equal(err.mapi_errno, 6155);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_rows_are_written_in_order, open_rows,
						close_rows),
		cmocka_unit_test_setup_teardown(test_rows_full_disk_that_gets_room_loses_nothing,
						open_rows, close_rows),
		cmocka_unit_test_setup_teardown(test_rows_without_room_are_dropped_and_counted,
						open_rows, close_rows),
		cmocka_unit_test_setup_teardown(test_rows_are_given_up_two_seconds_after_the_close,
						open_rows, close_rows),
		cmocka_unit_test(test_rows_file_that_cannot_be_made_is_6155),
	};
	int failed;

	signal(SIGXFSZ, SIG_IGN);
	strcpy(folder, "/tmp/homard-rows-XXXXXX");
	if (!mkdtemp(folder))
		return 1;
	failed = cmocka_run_group_tests(tests, NULL, NULL);
	unlink(path());
	rmdir(folder);
	return failed;
}
