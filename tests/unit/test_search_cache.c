/* SPDX-License-Identifier: BSD-3-Clause */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
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
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "core/search_cache.h"
#include "core/search_private.h"

#define STRINGS 300 // take some ten milliseconds, so that they are worth a file
#define MB      ((uint64_t)1 << 20)

static char folder[64];
static struct hm_error err;

static int make_folder(void **state)
{
	(void)state;
	snprintf(folder, sizeof(folder), "/tmp/homard-search-cache-XXXXXX");
	return mkdtemp(folder) ? 0 : -1;
}

/* The first file that ends so, with its folder; false: there is none. *n: how many there are. */
static bool find_file(const char *end, char path[512], unsigned *n)
{
	DIR *d = opendir(folder);
	struct dirent *e;

	*n = 0;
	while ((e = readdir(d))) {
		size_t length = strlen(e->d_name);

		if (length < strlen(end) || strcmp(e->d_name + length - strlen(end), end) != 0)
			continue;
		snprintf(path, 512, "%s/%s", folder, e->d_name);
		++*n;
	}
	closedir(d);
	return *n > 0;
}

static int drop_folder(void **state)
{
	DIR *d = opendir(folder);
	struct dirent *e;
	(void)state;
	while ((e = readdir(d)))
		unlinkat(dirfd(d), e->d_name, 0);
	closedir(d);
	return rmdir(folder);
}

/* A set of strings that differ by the letter in front, and a few regular expressions. */
static struct hm_pattern_set *make_set(char letter, uint32_t n)
{
	const struct hm_pattern *patterns[STRINGS + 3];
	struct hm_pattern_set *set;

	for (uint32_t i = 0; i < n; i++) {
		char text[16];

		snprintf(text, sizeof(text), "%c%06x", letter, i * 7919);
		patterns[i] = hm_pattern_literal(text, i % 3, 0, &err);
	}
	patterns[n++] = hm_pattern_regexp("lob+ster", &err);
	patterns[n++] = hm_pattern_regexp("(.)b\\1", &err);
	patterns[n++] = hm_pattern_regexp("^(a(?1)?b)$", &err);
	set = hm_pattern_set_create(patterns, n);
	for (uint32_t i = 0; i < n; i++)
		hm_pattern_release((struct hm_pattern *)(uintptr_t)patterns[i]);
	return set;
}

/* Compiles with the cache and checks what comes out. */
static void compile(struct hm_search_cache *cache, char letter)
{
	static const char *const packets[] = {"a lobbster", "xbx", "aabb", "..0", "nothing"};
	static struct hm_batch b;
	struct hm_pattern_set *set = make_set(letter, STRINGS);
	struct hm_search_part *part = hm_search_part_compile(set, cache, &err);
	struct hm_search_db *db;
	struct hm_search *s;
	char packet[16];
	uint64_t all = 0;

	assert_non_null(part);
	db = hm_search_db_create(&part, 1, set);
	s = hm_search_create(db, -1);
	snprintf(packet, sizeof(packet), "..%c%06x", letter, 5 * 7919);
	b.n = 5;
	b.all = 0x1f;
	for (uint32_t i = 0; i < b.n; i++) {
		b.data[i] = (const uint8_t *)(i == 3 ? packet : packets[i]);
		b.caplen[i] = (uint32_t)strlen((const char *)b.data[i]);
	}
	for (uint32_t i = 0; i < set->n; i++) {
		const struct hm_pattern *p = set->at[i];
		uint64_t mask = hm_search_hits(s, &b, b.all, p->slot), want = 0;

		if (!p->literal)
			want = p->bytes[0] == 'l' ? 1 : p->bytes[0] == '(' ? 2 : 4;
		else if (memcmp(p->bytes + 2, packet + 2, 7) == 0)
			want = 8;
		assert_int_equal(mask, want);
		all |= mask;
		assert_string_not_equal(hm_pattern_engine(p), "regexp");
	}
	assert_int_equal(all, 0xf);
	hm_search_destroy(s);
	hm_search_db_unref(db);
	hm_search_part_unref(part);
	hm_pattern_set_destroy(set);
}

static struct hm_search_cache *open_cache(uint64_t bytes)
{
	struct hm_search_cache *cache = hm_search_cache_create(folder, bytes, &err);

	if (!cache)
		print_message("%s\n", err.text);
	assert_non_null(cache);
	return cache;
}

static struct hm_search_cache_stats stats_of(struct hm_search_cache *cache)
{
	struct hm_search_cache_stats stats;

	hm_search_cache_stats(cache, &stats);
	return stats;
}

/* One compilation by a daemon that has just started. */
static struct hm_search_cache_stats start_daemon(char letter)
{
	struct hm_search_cache *cache = open_cache(64 * MB);
	struct hm_search_cache_stats stats;

	compile(cache, letter);
	stats = stats_of(cache);
	hm_search_cache_destroy(cache);
	return stats;
}

static void test_cache_same_patterns_are_compiled_once(void **state)
{
	struct hm_search_cache *cache = open_cache(64 * MB);
	char path[512];
	unsigned n;
	struct stat s;
	(void)state;
	for (int i = 0; i < 3; i++)
		compile(cache, 'a');
	assert_int_equal(stats_of(cache).misses, 1);
	assert_int_equal(stats_of(cache).memory_hits, 2);
	assert_true(stats_of(cache).memory_bytes > 1000);
	hm_search_cache_destroy(cache);
	assert_true(find_file(".hmsearch", path, &n));
	assert_int_equal(n, 1);
	assert_int_equal(stat(path, &s), 0);
	assert_int_equal(s.st_mode & 0777, 0600);
	assert_int_equal(start_daemon('a').disk_hits, 1);
	assert_int_equal(start_daemon('b').disk_hits, 0);
	assert_int_equal(start_daemon('b').disk_hits, 1);
}

static void test_cache_without_folder_is_in_memory(void **state)
{
	struct hm_search_cache *cache = hm_search_cache_create("", 0, &err);
	(void)state;
	compile(cache, 'a');
	compile(cache, 'a');
	assert_int_equal(stats_of(cache).memory_hits, 1);
	assert_int_equal(stats_of(cache).failed, 0);
	hm_search_cache_destroy(cache);
}

static void test_cache_memory_keeps_the_latest(void **state)
{
	struct hm_search_cache *cache = hm_search_cache_create("", 0, &err);
	(void)state;
	for (char letter = 'a'; letter < 'a' + 20; letter++)
		compile(cache, letter);
	compile(cache, 'a' + 19);
	compile(cache, 'a' + 4);
	assert_int_equal(stats_of(cache).memory_hits, 2);
	compile(cache, 'a' + 3); // the seventeenth
	assert_int_equal(stats_of(cache).misses, 21);
	hm_search_cache_destroy(cache);
}

static void test_cache_what_is_compiled_at_once_is_not_worth_a_file(void **state)
{
	struct hm_search_cache *cache = open_cache(64 * MB);
	const struct hm_pattern *p = hm_pattern_literal("lobster", 0, 0, &err);
	struct hm_pattern_set *set = hm_pattern_set_create(&p, 1);
	char path[512];
	unsigned n;
	(void)state;
	hm_search_part_unref(hm_search_part_compile(set, cache, &err));
	assert_false(find_file(".hmsearch", path, &n));
	hm_pattern_release((struct hm_pattern *)(uintptr_t)p);
	hm_pattern_set_destroy(set);
	hm_search_cache_destroy(cache);
}

/* Reads the only file; its bytes are to be freed. */
static uint8_t *read_only_file(char path[512], size_t *n)
{
	unsigned files;
	uint8_t *bytes;
	FILE *f;

	assert_true(find_file(".hmsearch", path, &files));
	assert_int_equal(files, 1);
	f = fopen(path, "r");
	fseek(f, 0, SEEK_END);
	*n = (size_t)ftell(f);
	rewind(f);
	bytes = malloc(*n + 1);
	assert_int_equal(fread(bytes, 1, *n, f), *n);
	fclose(f);
	return bytes;
}

static void write_over(const char *path, const uint8_t *bytes, size_t n)
{
	FILE *f = fopen(path, "w");

	assert_int_equal(fwrite(bytes, 1, n, f), n);
	fclose(f);
}

/* A file with one thing wrong is not taken, and the next daemon finds a good one again. */
static void test_cache_broken_file_is_replaced(void **state)
{
	static const long places[] = {0,  3,  7,  8,  15, 16, 19,  20, 24,  31,
				      32, 40, 48, 50, 60, 99, 500, -1, -90, -4000};
	size_t n, again;
	uint8_t *good, *now;
	char path[512];
	(void)state;
	start_daemon('a');
	good = read_only_file(path, &n);
	for (size_t i = 0; i < sizeof(places) / sizeof(places[0]) + 3; i++) {
		uint8_t *bad = malloc(n + 1);
		size_t length = n;
		struct hm_search_cache_stats stats;

		memcpy(bad, good, n);
		bad[n] = 0;
		if (i < sizeof(places) / sizeof(places[0]))
			bad[places[i] >= 0 ? places[i] : (long)n + places[i]] ^= 0x10;
		else
			length =
				(size_t[]){0, n / 2, n + 1}[i - sizeof(places) / sizeof(places[0])];
		write_over(path, bad, length);
		stats = start_daemon('a');
		assert_int_equal(stats.rejected, 1);
		assert_int_equal(stats.misses, 1);
		now = read_only_file(path, &again);
		assert_int_equal(again, n);
		assert_int_equal(start_daemon('a').disk_hits, 1);
		free(now);
		free(bad);
	}
	free(good);
}

static void test_cache_file_of_other_patterns_under_our_name_is_replaced(void **state)
{
	char a[512], b[512];
	uint8_t *bytes;
	unsigned n;
	size_t length;
	(void)state;
	start_daemon('a');
	bytes = read_only_file(a, &length);
	unlink(a);
	start_daemon('b');
	assert_true(find_file(".hmsearch", b, &n));
	write_over(b, bytes, length);
	assert_int_equal(start_daemon('b').rejected, 1);
	assert_int_equal(start_daemon('b').disk_hits, 1);
	free(bytes);
}

/* Hyperscan's version and the CPU are in front of the key, behind the header of 48 bytes. */
static void test_cache_file_of_another_hyperscan_or_cpu_is_replaced(void **state)
{
	const size_t version = 48, cpu = 48 + strlen(hs_version()) + 1;
	(void)state;
	for (int i = 0; i < 2; i++) {
		char path[512];
		size_t n;
		uint8_t *bytes;
		uint64_t sum;

		start_daemon('a');
		bytes = read_only_file(path, &n);
		assert_memory_equal(bytes + version, hs_version(), cpu - version);
		bytes[i ? cpu : version] ^= 1;
		sum = hm_search_file_checksum(bytes, n);
		memcpy(bytes + HM_SEARCH_FILE_CHECKSUM_AT, &sum, sizeof(sum));
		write_over(path, bytes, n);
		assert_int_equal(start_daemon('a').rejected, 1);
		assert_int_equal(start_daemon('a').disk_hits, 1);
		free(bytes);
	}
}

static void test_cache_file_that_others_could_have_written_is_replaced(void **state)
{
	char path[512], aside[600];
	unsigned n;
	struct stat s;
	(void)state;
	start_daemon('a');
	assert_true(find_file(".hmsearch", path, &n));
	chmod(path, 0620);
	assert_int_equal(start_daemon('a').rejected, 1);
	assert_int_equal(stat(path, &s), 0);
	assert_int_equal(s.st_mode & 0777, 0600);
	snprintf(aside, sizeof(aside), "%s.elsewhere", path);
	assert_int_equal(rename(path, aside), 0);
	assert_int_equal(symlink(aside, path), 0);
	assert_int_equal(start_daemon('a').rejected, 1);
	assert_int_equal(lstat(path, &s), 0);
	assert_true(S_ISREG(s.st_mode));
	unlink(path);
	assert_int_equal(mkfifo(path, 0600), 0); // must not wait for its writer
	assert_int_equal(start_daemon('a').rejected, 1);
	assert_int_equal(start_daemon('a').disk_hits, 1);
}

static void test_cache_folder_that_is_not_ours_alone_is_refused(void **state)
{
	char path[512];
	(void)state;
	chmod(folder, 0770);
	assert_null(hm_search_cache_create(folder, MB, &err));
	assert_non_null(strstr(err.text, "others may write"));
	chmod(folder, 0702);
	assert_null(hm_search_cache_create(folder, MB, &err));
	chmod(folder, 0700);
	if (geteuid() == 0) {
		assert_int_equal(chown(folder, 12345, (gid_t)-1), 0);
		assert_null(hm_search_cache_create(folder, MB, &err));
		assert_non_null(strstr(err.text, "12345"));
		assert_int_equal(chown(folder, 0, (gid_t)-1), 0);
	}
	snprintf(path, sizeof(path), "%s/file", folder);
	write_over(path, (const uint8_t *)"x", 1);
	assert_null(hm_search_cache_create(path, MB, &err));
	snprintf(path, sizeof(path), "%s/missing/folder", folder);
	assert_null(hm_search_cache_create(path, MB, &err));
	assert_non_null(strstr(err.text, "cannot be made"));
}

static void test_cache_folder_is_made(void **state)
{
	char path[512];
	struct stat s;
	(void)state;
	snprintf(path, sizeof(path), "%s/new", folder);
	hm_search_cache_destroy(hm_search_cache_create(path, MB, &err));
	assert_int_equal(stat(path, &s), 0);
	assert_int_equal(s.st_mode & 07777, 0700);
	assert_int_equal(rmdir(path), 0);
}

static void test_cache_oldest_files_go_when_there_is_no_room(void **state)
{
	struct hm_search_cache *cache;
	uint64_t one, room;
	char path[512];
	unsigned n;
	(void)state;
	one = start_daemon('a').disk_bytes;
	room = 3 * one + one / 2;
	cache = open_cache(room);
	for (char letter = 'b'; letter < 'g'; letter++) {
		compile(cache, letter);
		if (letter == 'c') // used again, and thereby not the oldest
			assert_int_equal(start_daemon('a').disk_hits, 1);
	}
	assert_int_equal(stats_of(cache).removed, 3);
	assert_true(stats_of(cache).disk_bytes <= room);
	hm_search_cache_destroy(cache);
	assert_true(find_file(".hmsearch", path, &n));
	assert_int_equal(n, 3);
	assert_int_equal(start_daemon('f').disk_hits, 1);
	assert_int_equal(start_daemon('b').disk_hits, 0);
	cache = open_cache(one / 2); // too small for any: what is there goes, nothing is written
	compile(cache, 'a');
	assert_int_equal(stats_of(cache).failed, 1);
	assert_int_equal(stats_of(cache).disk_bytes, 0);
	hm_search_cache_destroy(cache);
	assert_false(find_file(".hmsearch", path, &n));
}

static void test_cache_full_disk_leaves_nothing_behind(void **state)
{
	struct hm_search_cache *cache = open_cache(64 * MB);
	struct rlimit old, small;
	char path[512];
	unsigned n;
	(void)state;
	signal(SIGXFSZ, SIG_IGN);
	getrlimit(RLIMIT_FSIZE, &old);
	small = old;
	small.rlim_cur = 10000;
	setrlimit(RLIMIT_FSIZE, &small);
	compile(cache, 'a');
	setrlimit(RLIMIT_FSIZE, &old);
	signal(SIGXFSZ, SIG_DFL);
	assert_int_equal(stats_of(cache).failed, 1);
	find_file("", path, &n);
	assert_int_equal(n, 2); // "." and ".."
	compile(cache, 'b');
	assert_true(find_file(".hmsearch", path, &n));
	hm_search_cache_destroy(cache);
}

/* Root may write anywhere, so the folder goes away instead: it cannot be written either. */
static void test_cache_folder_that_cannot_be_written_is_read(void **state)
{
	struct hm_search_cache *cache;
	(void)state;
	start_daemon('a');
	cache = open_cache(64 * MB);
	if (geteuid() != 0) {
		chmod(folder, 0500);
		compile(cache, 'a');
		compile(cache, 'b');
		chmod(folder, 0700);
		assert_int_equal(stats_of(cache).disk_hits, 1);
	} else {
		assert_int_equal(drop_folder(NULL), 0);
		compile(cache, 'b');
		assert_int_equal(mkdir(folder, 0700), 0);
	}
	assert_int_equal(stats_of(cache).failed, 1);
	hm_search_cache_destroy(cache);
}

static void run_daemon(struct hm_search_cache *cache)
{
	for (int round = 0; round < 4; round++)
		for (char letter = 'a'; letter < 'e'; letter++)
			compile(cache, letter);
}

/* cmocka's assertions are for one thread, so that these are processes. */
static void test_cache_two_daemons_share_a_folder(void **state)
{
	pid_t children[3];
	struct hm_search_cache_stats stats;
	char path[512];
	unsigned n;
	uint64_t one;
	(void)state;
	one = start_daemon('a').disk_bytes;
	for (int i = 0; i < 3; i++) {
		children[i] = fork();
		if (children[i] == 0) {
			for (int round = 0; round < 3; round++) {
				// room for two files, so that they take each other's away
				struct hm_search_cache *cache = open_cache(2 * one + one / 2);

				run_daemon(cache);
				hm_search_cache_destroy(cache);
			}
			_exit(0);
		}
	}
	for (int i = 0; i < 3; i++) {
		int status;

		waitpid(children[i], &status, 0);
		assert_int_equal(status, 0);
	}
	assert_false(find_file(".aside", path, &n));
	stats = start_daemon('d');
	assert_int_equal(stats.rejected, 0);
}

int main(void)
{
#define CASE(f) cmocka_unit_test_setup_teardown(f, make_folder, drop_folder)
	const struct CMUnitTest tests[] = {
		CASE(test_cache_same_patterns_are_compiled_once),
		CASE(test_cache_without_folder_is_in_memory),
		CASE(test_cache_memory_keeps_the_latest),
		CASE(test_cache_what_is_compiled_at_once_is_not_worth_a_file),
		CASE(test_cache_broken_file_is_replaced),
		CASE(test_cache_file_of_other_patterns_under_our_name_is_replaced),
		CASE(test_cache_file_of_another_hyperscan_or_cpu_is_replaced),
		CASE(test_cache_file_that_others_could_have_written_is_replaced),
		CASE(test_cache_folder_that_is_not_ours_alone_is_refused),
		CASE(test_cache_folder_is_made),
		CASE(test_cache_oldest_files_go_when_there_is_no_room),
		CASE(test_cache_full_disk_leaves_nothing_behind),
		CASE(test_cache_folder_that_cannot_be_written_is_read),
		CASE(test_cache_two_daemons_share_a_folder),
	};
	if (hm_search_check(&err) < 0) {
		print_message("skipped: %s\n", err.text);
		return 77;
	}
	return cmocka_run_group_tests(tests, NULL, NULL);
}
