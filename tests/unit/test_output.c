/* SPDX-License-Identifier: BSD-3-Clause */
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include <cmocka.h>

#include "core/handed.h"
#include "core/output.h"

#define OTHER_USER 60001                         // has no name anywhere
#define NOON       UINT64_C(1700049600000000000) // 2023-11-15 12:00:00 UTC

static char folder[64];

static const char *in_folder(const char *name)
{
	static char paths[2][1024]; // so that one call may name two
	static unsigned next;
	char *const path = paths[next++ % 2];
	snprintf(path, sizeof(paths[0]), "%s/%s", folder, name);
	return path;
}

static int make_folder(void **state)
{
	strcpy(folder, "/tmp/homard-output-XXXXXX");
	return mkdtemp(folder) ? 0 : -1;
}

static int remove_folder(void **state)
{
	char command[128];
	snprintf(command, sizeof(command), "rm -rf %s", folder);
	return system(command);
}

/* --- names --- */

static void made(const char *name, unsigned again, const char *expected)
{
	char text[HM_OUTPUT_NAME_MAX];
	assert_int_equal(hm_output_name_check(name, NULL), 0);
	assert_true(hm_output_name_make(name, NOON, 7, again, text, sizeof(text)));
	assert_string_equal(text, expected);
}

static void test_name_directives_are_filled_in(void **state)
{
	made("web.pcap", 0, "web.pcap");
	made("%Y%m%d-%H%M%S-%n.pcap", 0, "20231115-120000-000007.pcap");
	made("a/b/100%%-%n", 0, "a/b/100%-000007");
	made("web.pcap", 2, "web-2.pcap");
	made("a.b/web", 3, "a.b/web-3");
	made(".hidden", 1, ".hidden-1");
}

static void test_name_that_leads_out_or_means_nothing_is_refused(void **state)
{
	static const char *const bad[] = {"",     "/a",    "..",    "../a", "a/../b", "a/..",
					  "./a",  "a//b",  "a/",    "a\nb", "a%",     "%x",
					  "%Y/a", "a%n/b", "a\x7f", ".",    "a/./b"};
	struct hm_error err;
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		assert_int_equal(hm_output_name_check(bad[i], &err), -EINVAL);
		assert_int_equal(err.mapi_errno, 6155);
	}
	char *const longest = malloc(5000);
	memset(longest, 'a', 4999);
	longest[4999] = '\0';
	assert_int_equal(hm_output_name_check(longest, &err), -ENAMETOOLONG);
	free(longest);
}

static void test_name_matches_what_it_makes_and_nothing_else(void **state)
{
	static const char *const names[] = {
		"web.pcap", "%Y%m%d-%H%M%S-%n.pcap", "100%%-%n", ".hidden", "%n", "%n%n.x"};
	char text[HM_OUTPUT_NAME_MAX];
	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		for (unsigned again = 0; again < 3; again++) {
			hm_output_name_make(names[i], NOON, 12345678, again, text, sizeof(text));
			if (strcmp(names[i], "%n%n.x") != 0) // who could tell where one ends
				assert_true(hm_output_name_matches(names[i], text));
		}
	assert_false(hm_output_name_matches("web.pcap", "web2.pcap"));
	assert_false(hm_output_name_matches("web.pcap", "web-0.pcap"));
	assert_false(hm_output_name_matches("web.pcap", "web.pcap.old"));
	assert_false(hm_output_name_matches("web.pcap", ""));
	assert_false(hm_output_name_matches("web-%n.pcap", "web-12.pcap"));
	assert_false(hm_output_name_matches("%Y.pcap", "202.pcap"));
}

static void test_name_too_long_once_made_is_told(void **state)
{
	char text[8];
	assert_false(hm_output_name_make("abcdefgh", NOON, 1, 0, text, sizeof(text)));
	assert_true(hm_output_name_make("abcdefg", NOON, 1, 0, text, sizeof(text)));
}

/* --- what is passed --- */

static struct hm_output *create(const char *name, struct hm_handed *h, struct hm_error *err)
{
	const struct hm_apply_ctx ctx = {.handed = h};
	struct hm_output *const o = hm_output_create(name, &ctx, err);
	hm_handed_put(h);
	return o;
}

static void refused(int fd, const char *words)
{
	struct hm_error err = {0};
	assert_true(fd >= 0);
	assert_null(create("it", hm_handed_create(fd, -1), &err));
	assert_int_equal(err.mapi_errno, 6155);
	assert_non_null(strstr(err.text, words));
}

static void test_descriptor_of_a_wrong_kind_is_refused(void **state)
{
	int ends[2], sockets[2];
	assert_int_equal(pipe(ends), 0);
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, sockets), 0);
	close(creat(in_folder("file"), 0600));
	refused(ends[1], "regular file");
	refused(sockets[0], "regular file");
	refused(open("/dev/zero", O_WRONLY), "regular file");
	refused(open(in_folder("file"), O_RDONLY), "not open for writing");
	refused(open(in_folder("file"), O_PATH), "not open for writing");
	refused(open(in_folder("file"), O_WRONLY | O_APPEND), "O_APPEND");
	close(ends[0]);
	close(sockets[1]);
}

static void test_file_passed_begins_anew_and_once(void **state)
{
	char name[HM_OUTPUT_NAME_MAX];
	struct hm_error err;
	struct stat st;
	int fd = open(in_folder("mine"), O_CREAT | O_RDWR, 0600);
	assert_int_equal(write(fd, "old", 3), 3);
	struct hm_output *o = create("/any/%name\n", hm_handed_create(fd, -1), &err);
	assert_non_null(o);
	assert_true(hm_output_is_file(o));
	fd = hm_output_open(o, NOON, 1, name, &err);
	assert_true(fd >= 0);
	assert_int_equal(fstat(fd, &st), 0);
	assert_int_equal(st.st_size, 0);
	close(fd);
	assert_int_equal(hm_output_open(o, NOON, 2, name, &err), -EEXIST);
	hm_output_destroy(o);
	o = create("null", hm_handed_create(open("/dev/null", O_WRONLY), -1), &err);
	fd = hm_output_open(o, NOON, 1, name, &err);
	assert_true(fd >= 0);
	close(fd);
	hm_output_destroy(o);
}

static void test_folder_passed_gets_files_that_never_replace_others(void **state)
{
	char name[HM_OUTPUT_NAME_MAX], path[2048];
	struct hm_error err;
	struct hm_output *o =
		create("x-%n.pcap", hm_handed_create(open(folder, O_RDONLY), -1), &err);
	assert_non_null(o);
	assert_false(hm_output_is_file(o));
	for (unsigned i = 0; i < 3; i++) {
		static const char *const expected[] = {"x-000001.pcap", "x-000001-1.pcap",
						       "x-000001-2.pcap"};
		int fd = hm_output_open(o, NOON, 1, name, &err);
		assert_true(fd >= 0);
		assert_string_equal(name, expected[i]);
		close(fd);
	}
	assert_true(hm_output_path(o, name, path, sizeof(path)));
	assert_string_equal(path, in_folder("x-000001-2.pcap"));
	hm_output_destroy(o);
}

static void test_no_name_leads_out_of_the_folder(void **state)
{
	char name[HM_OUTPUT_NAME_MAX];
	struct hm_error err;
	assert_int_equal(mkdir(in_folder("inner"), 0700), 0);
	assert_int_equal(symlink("/tmp", in_folder("inner/out")), 0);
	assert_int_equal(symlink("/etc/passwd", in_folder("inner/passwd")), 0);
	const int dir = open(in_folder("inner"), O_RDONLY);
	struct hm_output *o = create("out/x", hm_handed_create(dup(dir), -1), &err);
	assert_true(hm_output_open(o, NOON, 1, name, &err) < 0);
	assert_int_equal(err.mapi_errno, 6155);
	hm_output_destroy(o);
	o = create("passwd", hm_handed_create(dir, -1), &err); // that name is taken
	int fd = hm_output_open(o, NOON, 1, name, &err);
	assert_true(fd >= 0);
	assert_string_equal(name, "passwd-1");
	close(fd);
	hm_output_destroy(o);
}

struct found {
	unsigned n;
	char name[256];
	struct stat st;
};

static void note(void *arg, const char *name, const struct stat *st)
{
	struct found *const f = arg;
	f->n++;
	snprintf(f->name, sizeof(f->name), "%s", name);
	f->st = *st;
}

static void test_list_and_remove_know_only_own_files(void **state)
{
	struct found f = {0};
	struct hm_error err;
	assert_int_equal(mkdir(in_folder("sub"), 0700), 0);
	close(creat(in_folder("sub/a-000001.pcap"), 0600));
	close(creat(in_folder("sub/b-000001.pcap"), 0600));
	assert_int_equal(mkdir(in_folder("sub/a-000002.pcap"), 0700), 0);
	struct hm_output *o =
		create("sub/a-%n.pcap", hm_handed_create(open(folder, O_RDONLY), -1), &err);
	assert_int_equal(hm_output_list(o, note, &f), 0);
	assert_int_equal(f.n, 1);
	assert_string_equal(f.name, "a-000001.pcap");
	rename(in_folder("sub/b-000001.pcap"), in_folder("sub/a-000001.pcap"));
	assert_int_equal(hm_output_remove(o, f.name, &f.st), -ESTALE); // it is another one
	assert_int_equal(hm_output_list(o, note, &f), 0);
	assert_int_equal(hm_output_remove(o, f.name, &f.st), 0);
	assert_int_equal(access(in_folder("sub/a-000001.pcap"), F_OK), -1);
	hm_output_destroy(o);
}

/* --- the configuration's folder --- */

static void test_configured_folder_is_for_administrators(void **state)
{
	char name[HM_OUTPUT_NAME_MAX];
	struct hm_apply_ctx ctx = {.capture_dir = folder};
	struct hm_error err;
	assert_null(hm_output_create("a", &ctx, &err));
	assert_non_null(strstr(err.text, "only administrators"));
	ctx.administrator = true;
	assert_null(hm_output_create("../a", &ctx, &err));
	struct hm_output *o = hm_output_create("a", &ctx, &err);
	assert_non_null(o);
	int fd = hm_output_open(o, NOON, 1, name, &err);
	assert_true(fd >= 0);
	close(fd);
	hm_output_destroy(o);
	ctx.capture_dir = "";
	assert_null(hm_output_create("a", &ctx, &err));
	assert_non_null(strstr(err.text, "capture.dir"));
	ctx.capture_dir = "/nonexistent/folder";
	assert_null(hm_output_create("a", &ctx, &err));
	assert_int_equal(err.mapi_errno, 6155);
}

static void test_folder_that_vanishes_is_an_error(void **state)
{
	char name[HM_OUTPUT_NAME_MAX];
	struct hm_error err;
	assert_int_equal(mkdir(in_folder("gone"), 0700), 0);
	struct hm_output *o =
		create("x", hm_handed_create(open(in_folder("gone"), O_RDONLY), -1), &err);
	assert_int_equal(rmdir(in_folder("gone")), 0);
	assert_int_equal(hm_output_open(o, NOON, 1, name, &err), -ENOENT);
	hm_output_destroy(o);
}

/* --- rights --- */

/* A socket whose other end is another user's. */
static int socket_of(uid_t user, int ends[2])
{
	if (setegid(user) < 0 || seteuid(user) < 0)
		return -1;
	const int done = socketpair(AF_UNIX, SOCK_STREAM, 0, ends);
	return seteuid(0) < 0 || setegid(0) < 0 ? -1 : done;
}

static void test_folder_is_used_with_the_rights_of_who_passed_it(void **state)
{
	char name[HM_OUTPUT_NAME_MAX];
	struct hm_error err;
	struct stat st;
	int ends[2];
	if (geteuid() != 0)
		skip(); // only root may act for others
	assert_int_equal(socket_of(OTHER_USER, ends), 0);
	assert_int_equal(chmod(folder, 0755), 0);
	assert_int_equal(mkdir(in_folder("roots"), 0755), 0);
	assert_int_equal(mkdir(in_folder("theirs"), 0755), 0);
	assert_int_equal(chown(in_folder("theirs"), OTHER_USER, OTHER_USER), 0);

	struct hm_output *o =
		create("x", hm_handed_create(open(in_folder("roots"), O_RDONLY), ends[0]), &err);
	assert_int_equal(hm_output_open(o, NOON, 1, name, &err), -EACCES);
	hm_output_destroy(o);

	o = create("x", hm_handed_create(open(in_folder("theirs"), O_RDONLY), ends[0]), &err);
	int fd = hm_output_open(o, NOON, 1, name, &err);
	assert_true(fd >= 0);
	assert_int_equal(fstat(fd, &st), 0);
	assert_int_equal(st.st_uid, OTHER_USER);
	assert_int_equal(st.st_gid, OTHER_USER);
	close(fd);
	hm_output_destroy(o);

	close(creat(in_folder("roots/ours"), 0600)); // and this thread has its own rights again
	assert_int_equal(access(in_folder("roots/ours"), F_OK), 0);
	close(ends[0]);
	close(ends[1]);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_name_directives_are_filled_in),
		cmocka_unit_test(test_name_that_leads_out_or_means_nothing_is_refused),
		cmocka_unit_test(test_name_matches_what_it_makes_and_nothing_else),
		cmocka_unit_test(test_name_too_long_once_made_is_told),
		cmocka_unit_test(test_descriptor_of_a_wrong_kind_is_refused),
		cmocka_unit_test(test_file_passed_begins_anew_and_once),
		cmocka_unit_test(test_folder_passed_gets_files_that_never_replace_others),
		cmocka_unit_test(test_no_name_leads_out_of_the_folder),
		cmocka_unit_test(test_list_and_remove_know_only_own_files),
		cmocka_unit_test(test_configured_folder_is_for_administrators),
		cmocka_unit_test(test_folder_that_vanishes_is_an_error),
		cmocka_unit_test(test_folder_is_used_with_the_rights_of_who_passed_it),
	};
	return cmocka_run_group_tests(tests, make_folder, remove_folder);
}
