/* SPDX-License-Identifier: BSD-3-Clause */
/* The thread that writes a stream to files, on disks that are slow, full, broken, and gone. Records are lines of a
 * number and a length of their own, so that a file tells what is missing in it. */
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
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
#include <time.h>
#include <unistd.h>
#include <zstd.h>

#include <cmocka.h>

#include "capture/capture.h"
#include "core/handed.h"

#define BLOCK  4096u
#define BUFFER (80u * BLOCK)
#define SOON_S 20

static char folder[64];
static uint32_t next_record; // number of the next one

static const char *in_folder(const char *name)
{
	static char paths[2][1024];
	static unsigned next;
	char *const path = paths[next++ % 2];
	snprintf(path, sizeof(paths[0]), "%s/%s", folder, name);
	return path;
}

static int make_folder(void **state)
{
	strcpy(folder, "/tmp/homard-capture-XXXXXX");
	next_record = 0;
	return mkdtemp(folder) ? 0 : -1;
}

static int remove_folder(void **state)
{
	char command[128];
	snprintf(command, sizeof(command), "rm -rf %s", folder);
	return system(command);
}

static void nap(void)
{
	nanosleep(&(struct timespec){.tv_nsec = 1000000}, NULL);
}

#define eventually(condition)                                           \
	do {                                                            \
		const time_t end = time(NULL) + SOON_S;                 \
		while (!(condition)) {                                  \
			nap();                                          \
			if (time(NULL) > end)                           \
				fail_msg("in vain for %s", #condition); \
		}                                                       \
	} while (0)

/* --- disks that fail --- */

static struct {
	_Atomic int error;         // of every write
	_Atomic uint64_t room;     // bytes until the disk is full
	_Atomic bool shorter;      // each write takes half of it
	_Atomic bool hangs;        // until it is false
	_Atomic unsigned n_failed; // writes
} bad;

static ssize_t allowed(size_t n)
{
	while (bad.hangs)
		nap();
	if (bad.error) {
		bad.n_failed++;
		return -bad.error;
	}
	if (bad.shorter && n > 1)
		n /= 2;
	if (bad.room < n) {
		n = bad.room;
		bad.n_failed++;
	}
	bad.room -= n;
	return n ? (ssize_t)n : -ENOSPC;
}

static ssize_t bad_write(void *state, int fd, const void *data, size_t n, off_t offset)
{
	const ssize_t most = allowed(n);
	return most < 0 ? most : hm_disk_pwrite.write(state, fd, data, (size_t)most, offset);
}

/* The result of what is not written at all. */
struct bad_state {
	void *pwrite;
	unsigned n, tags[HM_DISK_DEPTH];
	ssize_t results[HM_DISK_DEPTH];
};

static void *bad_open(void)
{
	struct bad_state *s = calloc(1, sizeof(*s));
	s->pwrite = hm_disk_pwrite.open();
	return s;
}

static void bad_close(void *state)
{
	struct bad_state *s = state;
	hm_disk_pwrite.close(s->pwrite);
	free(s);
}

static void bad_submit(void *state, int fd, const void *data, size_t n, off_t offset, unsigned tag,
		       bool more)
{
	struct bad_state *s = state;
	ssize_t most = allowed(n);
	if (most > 0) // past the page cache no part of a block can be written
		most = pwrite(fd, data, n, offset) == (ssize_t)n ? most : -errno;
	s->tags[s->n] = tag;
	s->results[s->n++] = most;
}

static bool bad_reap(void *state, bool wait, unsigned *tag, ssize_t *result)
{
	struct bad_state *s = state;
	if (s->n == 0)
		return false;
	*tag = s->tags[--s->n];
	*result = s->results[s->n];
	return true;
}

static int no_sync(void *state, int fd)
{
	return 0;
}

static const struct hm_disk_ops bad_disk = {.name = "bad",
					    .open = bad_open,
					    .close = bad_close,
					    .submit = bad_submit,
					    .reap = bad_reap,
					    .write = bad_write,
					    .sync = no_sync};

static void heal(void)
{
	bad.error = 0;
	bad.room = UINT64_MAX / 2;
	bad.shorter = bad.hangs = false;
	bad.n_failed = 0;
}

/* --- a capture --- */

static struct hm_capture *begin(const char *name, struct hm_capture_conf conf)
{
	const struct hm_apply_ctx ctx = {.administrator = true, .capture_dir = folder};
	struct hm_error err = {0};
	struct hm_output *o = hm_output_create(name, &ctx, &err);
	assert_non_null(o);
	conf.buffer_bytes = conf.buffer_bytes ? conf.buffer_bytes : BUFFER;
	conf.block_bytes = BLOCK;
	struct hm_capture *c = hm_capture_create(o, &conf, &err);
	if (!c)
		fail_msg("%s", err.text);
	eventually(hm_capture_opened(c, &err) == 1);
	return c;
}

/* One record: its number, and as many dots as it says. False: no room. */
static bool put(struct hm_capture *c)
{
	const unsigned n = next_record * 7919u % 301;
	uint8_t *to = hm_stream_reserve(hm_capture_stream(c), 400);
	if (!to)
		return false;
	int used = sprintf((char *)to, "%u %u ", next_record, n);
	memset(to + used, '.', n);
	to[used + (int)n] = '\n';
	hm_stream_commit(hm_capture_stream(c), (size_t)used + n + 1, 1);
	next_record++;
	return true;
}

static void put_all(struct hm_capture *c, unsigned n)
{
	while (n > 0) {
		if (put(c)) {
			n--;
			if (n % 10 == 0)
				hm_stream_publish(hm_capture_stream(c));
		} else {
			hm_stream_publish(hm_capture_stream(c));
			nap();
		}
	}
	hm_stream_publish(hm_capture_stream(c));
}

static void begin_file(struct hm_capture *c)
{
	eventually(hm_stream_begin(hm_capture_stream(c), UINT64_C(1700049600000000000)));
}

static struct hm_capture_counts end(struct hm_capture *c)
{
	struct hm_capture_counts k;
	hm_stream_close(hm_capture_stream(c));
	hm_capture_close(c);
	eventually(hm_capture_is_done(c));
	hm_capture_counts(c, &k);
	hm_capture_destroy(c);
	return k;
}

static char *read_file(const char *name, size_t *n)
{
	struct stat st;
	int fd = open(in_folder(name), O_RDONLY);
	assert_true(fd >= 0);
	assert_int_equal(fstat(fd, &st), 0);
	char *text = malloc((size_t)st.st_size + 1);
	assert_int_equal(read(fd, text, (size_t)st.st_size), st.st_size);
	text[st.st_size] = '\0';
	close(fd);
	*n = (size_t)st.st_size;
	return text;
}

/* Whole records from number `from` on, each in order; returns how many. */
static unsigned check_text(const char *text, size_t bytes, unsigned from)
{
	const char *at = text, *stop = text + bytes;
	unsigned count = 0;
	while (at < stop) {
		unsigned number, n;
		int used;
		assert_int_equal(sscanf(at, "%u %u%n", &number, &n, &used), 2);
		used++; // the space
		assert_int_equal(number, from + count);
		assert_int_equal(n, number * 7919u % 301);
		assert_true(at + used + n < stop); // no part of a record
		assert_int_equal(at[used + (int)n], '\n');
		at += used + (int)n + 1;
		count++;
	}
	return count;
}

static unsigned check_file(const char *name, unsigned from)
{
	size_t n;
	char *text = read_file(name, &n);
	unsigned count = check_text(text, n, from);
	free(text);
	return count;
}

static uint64_t sum(const struct hm_capture_counts *k)
{
	uint64_t all = k->written;
	for (unsigned i = 0; i < HM_CAPTURE_CAUSES; i++)
		all += k->lost[i];
	return all;
}

/* --- tests --- */

static void write_one_file(const struct hm_disk_ops *disk)
{
	heal();
	struct hm_capture *c = begin("a", (struct hm_capture_conf){.disk = disk});
	begin_file(c);
	put_all(c, 20000); // ten times the buffer
	struct hm_capture_counts k = end(c);
	assert_int_equal(k.written, 20000);
	assert_int_equal(k.files, 1);
	assert_int_equal(check_file("a", 0), 20000);
}

static void test_capture_writes_everything_by_io_uring(void **state)
{
	void *u = hm_disk_uring.open();
	if (!u)
		skip(); // the kernel does not let us
	hm_disk_uring.close(u);
	write_one_file(&hm_disk_uring);
}

static void test_capture_writes_everything_by_pwrite(void **state)
{
	write_one_file(&hm_disk_pwrite);
}

static void test_capture_without_packets_leaves_an_empty_file(void **state)
{
	struct hm_capture_counts k = end(begin("a", (struct hm_capture_conf){0}));
	size_t n;
	free(read_file("a", &n));
	assert_int_equal(n, 0);
	assert_int_equal(sum(&k), 0);
}

static void test_capture_short_writes_are_completed(void **state)
{
	heal();
	bad.shorter = true;
	struct hm_capture *c = begin("a", (struct hm_capture_conf){.disk = &bad_disk});
	begin_file(c);
	put_all(c, 5000);
	struct hm_capture_counts k = end(c);
	assert_int_equal(k.written, 5000);
	assert_int_equal(check_file("a", 0), 5000);
}

static void test_capture_many_files_lose_nothing_between_them(void **state)
{
	char name[32];
	struct hm_capture *c = begin("f-%n", (struct hm_capture_conf){0});
	unsigned from = 0;
	for (unsigned i = 0; i < 200; i++) {
		begin_file(c);
		put_all(c, i * 37 % 100 + 1);
		hm_stream_end(hm_capture_stream(c));
	}
	struct hm_capture_counts k = end(c);
	assert_int_equal(k.written, next_record);
	assert_int_equal(k.files, 200);
	for (unsigned i = 0; i < 200; i++) {
		snprintf(name, sizeof(name), "f-%06u", i + 1);
		assert_int_equal(check_file(name, from), i * 37 % 100 + 1);
		from += i * 37 % 100 + 1;
	}
}

static void test_capture_disk_full_for_a_while_loses_nothing(void **state)
{
	heal();
	bad.room = 10 * BLOCK + 5;
	struct hm_capture *c = begin("a", (struct hm_capture_conf){.disk = &bad_disk});
	begin_file(c);
	put_all(c, 700); // fits into the buffer
	eventually(hm_capture_trouble(c) == HM_CAPTURE_DISK_FULL);
	heal();
	eventually(hm_capture_trouble(c) == HM_CAPTURE_NO_ROOM);
	put_all(c, 5000);
	struct hm_capture_counts k = end(c);
	assert_int_equal(k.written, 5700);
	assert_int_equal(check_file("a", 0), 5700);
}

/* Closed while the disk is in trouble: what is in the file ends with a whole record, and the rest is counted. */
static void close_in_trouble(int error, enum hm_capture_cause cause, int level)
{
	heal();
	struct hm_capture *c =
		begin("a", (struct hm_capture_conf){.disk = &bad_disk, .zstd_level = level});
	begin_file(c);
	put_all(c, 300);
	if (error)
		bad.error = error;
	else
		bad.room = 7 * BLOCK + 123;
	put_all(c, 600);
	eventually(hm_capture_trouble(c) == cause);
	while (put(c)) // as a worker would: what has no room is dropped
		;
	struct hm_capture_counts k = end(c);
	assert_int_equal(sum(&k), next_record);
	assert_true(k.lost[cause] > 0);
	assert_true(bad.n_failed > 1); // it was tried again
	if (!level)
		assert_int_equal(check_file("a", 0), k.written);
	size_t n;
	free(read_file("a", &n));
	assert_int_equal(k.bytes, n);
	heal();
}

static void test_capture_disk_full_at_close_ends_with_a_whole_record(void **state)
{
	close_in_trouble(0, HM_CAPTURE_DISK_FULL, 0);
}

static void test_capture_io_error_at_close_is_counted(void **state)
{
	close_in_trouble(EIO, HM_CAPTURE_IO_ERROR, 0);
}

static void test_capture_io_error_with_compression_is_counted(void **state)
{
	close_in_trouble(EIO, HM_CAPTURE_IO_ERROR, 1);
}

static void test_capture_limit_of_file_size_is_an_error_and_no_signal(void **state)
{
	struct rlimit before, limit;
	assert_int_equal(getrlimit(RLIMIT_FSIZE, &before), 0);
	limit = before;
	limit.rlim_cur = 5 * BLOCK + 77;
	struct hm_capture *c = begin("a", (struct hm_capture_conf){0});
	begin_file(c);
	assert_int_equal(setrlimit(RLIMIT_FSIZE, &limit), 0);
	put_all(c, 500);
	eventually(hm_capture_trouble(c) == HM_CAPTURE_DISK_FULL);
	struct hm_capture_counts k = end(c);
	assert_int_equal(setrlimit(RLIMIT_FSIZE, &before), 0);
	assert_int_equal(sum(&k), 500);
	assert_true(k.written > 50 && k.written < 500);
	assert_int_equal(check_file("a", 0), k.written);
}

static void test_capture_vanished_folder_is_trouble_until_it_is_closed(void **state)
{
	assert_int_equal(mkdir(in_folder("sub"), 0700), 0);
	struct hm_capture *c = begin("sub/f-%n", (struct hm_capture_conf){0});
	begin_file(c);
	put_all(c, 100);
	hm_stream_end(hm_capture_stream(c));
	eventually(access(in_folder("sub/f-000001"), F_OK) == 0);
	struct hm_capture_counts k;
	eventually((hm_capture_counts(c, &k), k.written == 100));
	assert_int_equal(rename(in_folder("sub"), in_folder("elsewhere")), 0);
	begin_file(c);
	put_all(c, 50);
	eventually(hm_capture_trouble(c) == HM_CAPTURE_NO_FOLDER);
	k = end(c);
	assert_int_equal(k.written, 100);
	assert_int_equal(k.lost[HM_CAPTURE_NO_FOLDER], 50);
	assert_int_equal(check_file("elsewhere/f-000001", 0), 100);
}

static void test_capture_removed_file_is_counted_and_replaced(void **state)
{
	struct hm_capture_counts k;
	struct hm_capture *c = begin("f-%n", (struct hm_capture_conf){0});
	begin_file(c);
	put_all(c, 100);
	eventually((hm_capture_counts(c, &k), k.written == 100));
	assert_int_equal(unlink(in_folder("f-000001")), 0);
	put_all(c, 10);
	eventually(hm_capture_wants_file(c));
	hm_stream_end(hm_capture_stream(c));
	begin_file(c);
	put_all(c, 20);
	k = end(c);
	assert_int_equal(k.lost[HM_CAPTURE_REMOVED], 110);
	assert_int_equal(k.written, 20);
	assert_int_equal(check_file("f-000002", 110), 20);
}

static void test_capture_slow_traffic_is_in_the_file_within_seconds(void **state)
{
	size_t n = 0;
	struct hm_capture *c = begin("a", (struct hm_capture_conf){0});
	begin_file(c);
	for (unsigned i = 0; i < 3; i++) {
		put_all(c, 3);
		const time_t end_s = time(NULL) + SOON_S;
		do {
			nap();
			char *text = read_file("a", &n);
			check_text(text, n, 0); // at any moment
			free(text);
		} while (check_file("a", 0) < next_record && time(NULL) < end_s);
		assert_int_equal(check_file("a", 0), next_record);
	}
	struct hm_capture_counts k = end(c);
	assert_int_equal(k.written, 9);
	assert_int_equal(check_file("a", 0), 9);
	assert_int_equal(k.bytes, n);
}

static void test_capture_compressed_file_holds_the_same(void **state)
{
	struct hm_capture *c = begin("a.zst", (struct hm_capture_conf){.zstd_level = 1});
	begin_file(c);
	put_all(c, 5000);
	struct hm_capture_counts k = end(c);
	assert_int_equal(k.written, 5000);
	size_t n, room = 4 << 20, used = 0;
	char *packed = read_file("a.zst", &n), *text = malloc(room);
	assert_int_equal(k.bytes, n);
	for (size_t at = 0; at < n;) { // frame by frame
		size_t frame = ZSTD_findFrameCompressedSize(packed + at, n - at);
		assert_false(ZSTD_isError(frame));
		size_t got = ZSTD_decompress(text + used, room - used, packed + at, frame);
		assert_false(ZSTD_isError(got));
		used += got;
		at += frame;
	}
	assert_int_equal(check_text(text, used, 0), 5000);
	free(packed);
	free(text);
}

static void test_capture_first_file_that_cannot_be_opened_is_refused(void **state)
{
	const struct hm_apply_ctx ctx = {.administrator = true, .capture_dir = folder};
	const struct hm_capture_conf conf = {.buffer_bytes = BUFFER, .block_bytes = BLOCK};
	struct hm_error err = {0};
	struct hm_output *o = hm_output_create("no/such/folder", &ctx, &err);
	struct hm_capture *c = hm_capture_create(o, &conf, &err);
	assert_non_null(c);
	eventually(hm_capture_opened(c, &err) < 0);
	assert_int_equal(err.mapi_errno, 6155);
	hm_capture_destroy(c);
}

static void test_capture_disk_that_hangs_keeps_nobody(void **state)
{
	heal();
	struct hm_capture *c = begin("a", (struct hm_capture_conf){.disk = &bad_disk});
	bad.hangs = true;
	begin_file(c);
	put_all(c, 100);
	hm_stream_close(hm_capture_stream(c));
	hm_capture_close(c);
	assert_false(hm_capture_is_done(c));
	hm_capture_destroy(c); // at once; the thread frees it all when it comes back
	heal();
	eventually(access(in_folder("a"), F_OK) == 0);
	for (unsigned i = 0; i < 200; i++)
		nap();
}

/* --- scripts --- */

static const char *make_script(const char *text)
{
	const char *path = in_folder("script");
	int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC, 0700);
	assert_true(dprintf(fd, "#!/bin/sh\n%s\n", text) > 0);
	close(fd);
	return path;
}

static void test_script_gets_each_file_when_it_is_complete(void **state)
{
	char text[256];
	size_t n;
	snprintf(text, sizeof(text),
		 "wc -l < \"$1\" >> %s/log; env >> %s/env; ls /proc/$$/fd | wc -l >> %s/fds",
		 folder, folder, folder);
	struct hm_capture *c = begin("f-%n", (struct hm_capture_conf){.script = make_script(text),
								      .script_ns = 60000000000});
	for (unsigned i = 0; i < 3; i++) {
		begin_file(c);
		put_all(c, 10 + i);
		hm_stream_end(hm_capture_stream(c));
	}
	struct hm_capture_counts k = end(c);
	assert_int_equal(k.hook.run, 3);
	assert_int_equal(k.hook.failed + k.hook.killed + k.hook.skipped, 0);
	char *log = read_file("log", &n);
	assert_string_equal(log, "10\n11\n12\n");
	free(log);
	char *env = read_file("env", &n);
	assert_null(strstr(env, "HOME="));
	free(env);
}

static void test_script_that_takes_too_long_is_killed_with_its_children(void **state)
{
	char text[256];
	size_t n;
	snprintf(text, sizeof(text), "sleep 1000 & echo $! > %s/child; wait", folder);
	struct hm_capture *c = begin(
		"a", (struct hm_capture_conf){.script = make_script(text), .script_ns = 300000000});
	begin_file(c);
	put_all(c, 1);
	struct hm_capture_counts k = end(c);
	assert_int_equal(k.hook.killed, 1);
	char *child = read_file("child", &n);
	eventually(kill(atoi(child), 0) < 0 && errno == ESRCH);
	free(child);
}

static void test_script_that_fails_is_counted(void **state)
{
	struct hm_capture *c = begin("a", (struct hm_capture_conf){.script = make_script("exit 3"),
								   .script_ns = 60000000000});
	begin_file(c);
	assert_int_equal(end(c).hook.failed, 1);
	c = begin("b", (struct hm_capture_conf){.script = "/no/such/script", .script_ns = 1});
	begin_file(c);
	assert_int_equal(end(c).hook.failed, 1);
}

/* --- retention --- */

static void test_shelf_keeps_the_newest_within_bounds(void **state)
{
	char name[32];
	struct hm_capture *c = begin("f-%n", (struct hm_capture_conf){.shelf.keep_bytes = 40000});
	close(creat(in_folder("other-000001"), 0600));
	for (unsigned i = 0; i < 50; i++) {
		begin_file(c);
		put_all(c, 60); // about 10 kB
		hm_stream_end(hm_capture_stream(c));
	}
	struct hm_capture_counts k = end(c);
	assert_int_equal(k.written, 3000);
	uint64_t bytes = 0;
	unsigned kept = 0;
	for (unsigned i = 1; i <= 50; i++) {
		struct stat st;
		snprintf(name, sizeof(name), "f-%06u", i);
		if (stat(in_folder(name), &st) < 0)
			continue;
		assert_true(i > 40); // the newest
		bytes += (uint64_t)st.st_size;
		kept++;
	}
	assert_true(kept > 1 && bytes <= 40000);
	assert_int_equal(k.deleted, 50 - kept);
	assert_int_equal(access(in_folder("other-000001"), F_OK), 0);
}

static void test_shelf_removes_what_is_too_old(void **state)
{
	const struct timespec old[2] = {{.tv_sec = 1000}, {.tv_sec = 1000}};
	close(creat(in_folder("f-000007"), 0600));
	assert_int_equal(utimensat(AT_FDCWD, in_folder("f-000007"), old, 0), 0);
	struct hm_capture *c = begin("f-%n", (struct hm_capture_conf){.shelf.keep_s = 3600});
	begin_file(c);
	put_all(c, 1);
	eventually(access(in_folder("f-000007"), F_OK) < 0);
	struct hm_capture_counts k = end(c);
	assert_int_equal(k.deleted, 1);
	assert_int_equal(check_file("f-000001", 0), 1);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, make_folder, remove_folder)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_capture_writes_everything_by_io_uring),
		TEST(test_capture_writes_everything_by_pwrite),
		TEST(test_capture_without_packets_leaves_an_empty_file),
		TEST(test_capture_short_writes_are_completed),
		TEST(test_capture_many_files_lose_nothing_between_them),
		TEST(test_capture_disk_full_for_a_while_loses_nothing),
		TEST(test_capture_disk_full_at_close_ends_with_a_whole_record),
		TEST(test_capture_io_error_at_close_is_counted),
		TEST(test_capture_io_error_with_compression_is_counted),
		TEST(test_capture_limit_of_file_size_is_an_error_and_no_signal),
		TEST(test_capture_vanished_folder_is_trouble_until_it_is_closed),
		TEST(test_capture_removed_file_is_counted_and_replaced),
		TEST(test_capture_slow_traffic_is_in_the_file_within_seconds),
		TEST(test_capture_compressed_file_holds_the_same),
		TEST(test_capture_first_file_that_cannot_be_opened_is_refused),
		TEST(test_capture_disk_that_hangs_keeps_nobody),
		TEST(test_script_gets_each_file_when_it_is_complete),
		TEST(test_script_that_takes_too_long_is_killed_with_its_children),
		TEST(test_script_that_fails_is_counted),
		TEST(test_shelf_keeps_the_newest_within_bounds),
		TEST(test_shelf_removes_what_is_too_old),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
