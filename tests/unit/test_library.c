/* SPDX-License-Identifier: BSD-3-Clause */
/* Libraries of functions (bad_function.c): which are loaded, which are refused and why, and that nothing of one that
 * is refused stays. */
#include <errno.h>
#include <fcntl.h>
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

#include "core/load_library.h"
#include "core/registry.h"

static const struct hm_function taken = {.name = "TAKEN", .summary = "of the program"};
HM_FUNCTION_REGISTER(taken);

static char folder[] = "/tmp/homard-library-XXXXXX";
static char path[256];
static struct hm_error err;

static unsigned count_functions(void)
{
	const struct hm_function *f = NULL;
	unsigned n = 0;

	while ((f = hm_function_next(f)))
		n++;
	return n;
}

/* A copy in a folder of our own: who builds may have a umask that lets others write. */
static const char *copy_of(const char *name, const char *as)
{
	char from[512], bytes[65536];
	size_t n;
	FILE *in, *out;

	snprintf(from, sizeof(from), "%s/lib%s.so", getenv("HOMARD_TEST_LIBRARIES"), name);
	snprintf(path, sizeof(path), "%s/%s", folder, as);
	in = fopen(from, "rb");
	out = fopen(path, "wb");
	assert_non_null(in);
	assert_non_null(out);
	while ((n = fread(bytes, 1, sizeof(bytes), in)) > 0)
		assert_int_equal(fwrite(bytes, 1, n, out), n);
	fclose(in);
	fclose(out);
	assert_int_equal(chmod(path, 0644), 0);
	return path;
}

static void expect_refused(const char *file, const char *why)
{
	unsigned before = count_functions();

	err = (struct hm_error){0};
	assert_true(hm_library_load(file, &err) < 0);
	if (!strstr(err.text, why))
		fail_msg("\"%s\" does not say \"%s\"", err.text, why);
	assert_non_null(strstr(err.text, file));
	assert_int_equal(count_functions(), before);
	assert_null(hm_function_find("GOOD"));
	assert_null(hm_function_find("GOOD_TOO"));
}

static void test_library_that_misbehaves_is_refused_with_a_reason(void **state)
{
	static const struct {
		const char *name, *why;
	} cases[] = {
		{"OTHER_ABI", "version 1003 of the functions' ABI, this program has version 5"},
		{"OTHER_SIZE", "built with a struct hm_batch of"},
		{"NONE", "registers no function"},
		{"MISSING", "undefined symbol: hm_no_such_call"},
		{"TAKEN", "library homard has a function of the name taken already"},
		{"NO_NAME", "function without name: its name is not a letter"},
		{"BAD_NAME", "function WITH BLANK: its name is not a letter"},
		{"BOTH", "process and transform are set"},
		{"NO_END", "more than 10 arguments, or no {0}"},
		{"BAD_TYPE", "argument 1 has no type that there is"},
		{"SECRET", "argument 1 (number): only a string can be secret"},
		{"CORE_SIZE", "64 MiB is the most"},
		{"FLAGS", "flags has 0x80000000"},
		{"RESULT", "result 1 does not lie in the core state"},
		{"HALF", "function HALF: it has a core state and nothing that runs"},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
		expect_refused(copy_of(cases[i].name, "libbad.so"), cases[i].why);
}

static void test_library_that_others_could_change_is_refused(void **state)
{
	char inside[300];
	const char *file = copy_of("GOOD", "libgood.so");

	(void)state;
	chmod(file, 0664);
	expect_refused(file, "others may write to it (mode 0664)");
	chmod(file, 0646);
	expect_refused(file, "others may write to it (mode 0646)");
	chmod(file, 0644);
	chmod(folder, 0777);
	expect_refused(file, "others can replace it");
	chmod(folder, 0755);
	if (geteuid() == 0) {
		assert_int_equal(chown(file, 65534, (gid_t)-1), 0);
		expect_refused(file, "belongs to user 65534");
		assert_int_equal(chown(file, 0, (gid_t)-1), 0);
		assert_int_equal(chown(folder, 65534, (gid_t)-1), 0);
		expect_refused(file, "others can replace it");
		assert_int_equal(chown(folder, 0, (gid_t)-1), 0);
	}
	snprintf(inside, sizeof(inside), "%s/../%s/none.so", folder, strrchr(folder, '/') + 1);
	expect_refused(inside, "No such file");
	expect_refused(folder, "is no regular file");
	expect_refused("libgood.so", "must be an absolute path");
	expect_refused("/dev/null", "is no regular file");
}

static void test_library_that_is_no_library_is_refused(void **state)
{
	FILE *f;

	(void)state;
	copy_of("GOOD", "libtext.so");
	f = fopen(path, "w");
	fputs("no shared object\n", f);
	fclose(f);
	expect_refused(path, "cannot be loaded");
	for (off_t n = 0; n < 12000; n += n < 1000 ? 33 : 1777) {
		copy_of("GOOD", "libshort.so");
		assert_int_equal(truncate(path, n), 0);
		expect_refused(path, "cannot be loaded");
	}
	expect_refused(copy_of("GOOD", "lib.so"), "is named by its file");
}

static void test_library_that_is_good_is_loaded_once_and_named(void **state)
{
	char link[300];
	const struct hm_function *f;
	json_t *described;

	(void)state;
	copy_of("GOOD", "libgood.so.1");
	snprintf(link, sizeof(link), "%s/libgood.so", folder);
	unlink(link);
	assert_int_equal(symlink("libgood.so.1", link), 0);
	assert_int_equal(hm_library_load(link, &err), 0);
	f = hm_function_find("good_too");
	assert_non_null(f);
	assert_string_equal(hm_function_library(f), "good");
	assert_string_equal(hm_function_library(&taken), "homard");
	described = hm_function_describe(f);
	assert_string_equal(json_string_value(json_object_get(described, "library")), "good");
	json_decref(described);
	assert_int_equal(hm_library_load(link, &err), -EEXIST);
	assert_non_null(strstr(err.text, "there is a library \"good\" already"));
	assert_int_equal(hm_library_load(copy_of("GOOD", "again.so"), &err), -EINVAL);
	assert_non_null(strstr(err.text, "library good has a function of the name GOOD already"));
}

static int make_folder(void **state)
{
	(void)state;
	return mkdtemp(folder) ? 0 : -1;
}

static int remove_folder(void **state)
{
	static const char *const files[] = {"libbad.so",  "libgood.so",  "libgood.so.1",
					    "libtext.so", "libshort.so", "lib.so",
					    "again.so"};

	(void)state;
	for (size_t i = 0; i < sizeof(files) / sizeof(files[0]); i++) {
		snprintf(path, sizeof(path), "%s/%s", folder, files[i]);
		unlink(path);
	}
	return rmdir(folder);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_library_that_misbehaves_is_refused_with_a_reason),
		cmocka_unit_test(test_library_that_others_could_change_is_refused),
		cmocka_unit_test(test_library_that_is_no_library_is_refused),
		cmocka_unit_test(test_library_that_is_good_is_loaded_once_and_named),
	};

	return cmocka_run_group_tests(tests, make_folder, remove_folder);
}
