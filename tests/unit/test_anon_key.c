/* SPDX-License-Identifier: BSD-3-Clause */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "anon/key.h"

#define CHARACTERS "abcdefghijklmnopqrstuvwxyz012345"
#define DIGITS     "6162636465666768696a6b6c6d6e6f707172737475767778797A303132333435"

static char folder[] = "/tmp/homard-key-XXXXXX";
static char path[64], argument[80];
static uint8_t key[HM_ANON_KEY];
static struct hm_error err;

static int read_as(const char *text, bool may_read)
{
	memset(key, 0, sizeof(key));
	memset(&err, 0, sizeof(err));
	return hm_anon_key(key, text, may_read, &err);
}

static void write_file(const void *content, size_t n, mode_t mode)
{
	FILE *f = fopen(path, "w");

	assert_non_null(f);
	assert_int_equal(fwrite(content, 1, n, f), n);
	assert_int_equal(fclose(f), 0);
	assert_int_equal(chmod(path, mode), 0);
}

static void expect_key(const char *text)
{
	assert_int_equal(read_as(text, true), 0);
	assert_memory_equal(key, CHARACTERS, HM_ANON_KEY);
}

static void expect_refused(const char *text, int code, const char *part)
{
	assert_int_equal(read_as(text, true), code);
	assert_int_equal(err.mapi_errno, 7001);
	assert_non_null(strstr(err.text, part));
	assert_null(strstr(err.text, "abcdef"));
	assert_null(strstr(err.text, "616263"));
}

static void test_characters_and_digits(void **state)
{
	(void)state;
	expect_key(CHARACTERS);
	expect_key(DIGITS);
	expect_refused("", -EINVAL, "has 0 characters");
	expect_refused(CHARACTERS "6", -EINVAL, "has 33 characters");
	expect_refused(&CHARACTERS[1], -EINVAL, "has 31 characters");
	expect_refused(&DIGITS[1], -EINVAL, "has 63 characters");
	expect_refused(CHARACTERS CHARACTERS, -EINVAL, "64 hexadecimal digits"); // with g to z
}

static void test_file_holds_either(void **state)
{
	(void)state;
	write_file(CHARACTERS, 32, 0600);
	expect_key(argument);
	write_file(CHARACTERS "\n", 33, 0400);
	expect_key(argument);
	write_file(DIGITS "\n", 65, 0600);
	expect_key(argument);
	write_file(DIGITS, 64, 0600);
	expect_key(argument);
}

static void test_file_with_something_else(void **state)
{
	static const size_t lengths[] = {0, 1, 31, 33, 63};

	(void)state;
	for (size_t i = 0; i < sizeof(lengths) / sizeof(lengths[0]); i++) {
		write_file(DIGITS, lengths[i], 0600);
		expect_refused(argument, -EINVAL, path);
	}
	write_file(DIGITS "\n\n", 66, 0600);
	expect_refused(argument, -EINVAL, "must hold 32 bytes or 64 hexadecimal digits");
	write_file(DIGITS "\nmore", 69, 0600);
	expect_refused(argument, -EINVAL, "must hold 32 bytes or 64 hexadecimal digits");
}

static void test_file_that_others_may_read_or_write(void **state)
{
	static const mode_t modes[] = {0640, 0604, 0620, 0602, 0644, 0610};

	(void)state;
	for (size_t i = 0; i < sizeof(modes) / sizeof(modes[0]); i++) {
		write_file(CHARACTERS, 32, modes[i]);
		expect_refused(argument, -EPERM, "others may read or write it");
	}
	if (geteuid() != 0) // nobody else can give a file away
		return;
	write_file(CHARACTERS, 32, 0600);
	assert_int_equal(chown(path, 65534, 65534), 0);
	expect_refused(argument, -EPERM, "belongs to user 65534");
	unlink(path);
}

static void test_no_file(void **state)
{
	(void)state;
	unlink(path);
	expect_refused(argument, -ENOENT, path);
	expect_refused("file:homard.key", -EINVAL, "is not a path from the root");
	expect_refused("file:", -EINVAL, "is not a path from the root");
	expect_refused("file:/dev/null", -EINVAL, "is not a regular file");
	expect_refused("file:/tmp", -EINVAL, "is not a regular file");
	assert_int_equal(mkfifo(path, 0600), 0);
	expect_refused(argument, -EINVAL, "is not a regular file"); // at once
	unlink(path);
}

static void test_files_are_not_for_everybody(void **state)
{
	(void)state;
	write_file(CHARACTERS, 32, 0600);
	assert_int_equal(read_as(argument, false), -EPERM);
	assert_int_equal(err.mapi_errno, 7001);
	assert_non_null(strstr(err.text, "administrators only"));
	assert_int_equal(read_as(CHARACTERS, false), 0);
}

static int setup(void **state)
{
	(void)state;
	if (!mkdtemp(folder))
		return -1;
	snprintf(path, sizeof(path), "%s/key", folder);
	snprintf(argument, sizeof(argument), "file:%s", path);
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	unlink(path);
	return rmdir(folder);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_characters_and_digits),
		cmocka_unit_test(test_file_holds_either),
		cmocka_unit_test(test_file_with_something_else),
		cmocka_unit_test(test_file_that_others_may_read_or_write),
		cmocka_unit_test(test_no_file),
		cmocka_unit_test(test_files_are_not_for_everybody),
	};
	return cmocka_run_group_tests(tests, setup, teardown);
}
