/* SPDX-License-Identifier: BSD-3-Clause */
#include "core/search_cache.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "core/search_private.h"

#define MEMORY_ENTRIES     16
#define MEMORY_BYTES_MAX   ((uint64_t)64 << 20)
#define SUFFIX             ".hmsearch"
#define ASIDE_SUFFIX       ".aside" // being written, or left by a daemon that died
#define NAME_ROOM          64
#define WORTH_A_FILE_NS    5000000 // what took less is compiled faster than a file is found
#define WRITABLE_BY_OTHERS (S_IWGRP | S_IWOTH)

struct hm_search_cache {
	pthread_mutex_t lock;                          // of what follows, but not of the folder
	struct hm_search_code *recent[MEMORY_ENTRIES]; // the latest first
	uint32_t n_recent;
	struct hm_search_cache_stats stats;
	uint64_t n_written; // for names

	int folder; // -1: none
	uint64_t disk_bytes_max;
};

/* --- in memory --- */

static bool same_key(const struct hm_search_key *a, const struct hm_search_key *b)
{
	return a->hash == b->hash && a->n == b->n && memcmp(a->bytes, b->bytes, a->n) == 0;
}

/* Puts code in front; drops what there is no room for. Takes over the reference. */
static void remember(struct hm_search_cache *c, struct hm_search_code *code)
{
	uint64_t bytes = hm_search_code_bytes(code);
	uint32_t n = 0;

	if (c->n_recent == MEMORY_ENTRIES)
		hm_search_code_unref(c->recent[--c->n_recent]);
	memmove(&c->recent[1], &c->recent[0], c->n_recent * sizeof(c->recent[0]));
	c->recent[0] = code;
	c->n_recent++;
	for (n = 1; n < c->n_recent && bytes <= MEMORY_BYTES_MAX; n++)
		bytes += hm_search_code_bytes(c->recent[n]);
	if (bytes > MEMORY_BYTES_MAX)
		n--;
	while (c->n_recent > n) {
		struct hm_search_code *last = c->recent[--c->n_recent];

		hm_search_code_unref(last);
	}
}

static struct hm_search_code *recall(struct hm_search_cache *c, const struct hm_search_key *key)
{
	struct hm_search_code *code = NULL;

	pthread_mutex_lock(&c->lock);
	for (uint32_t i = 0; i < c->n_recent && !code; i++) {
		if (!same_key(&c->recent[i]->key, key))
			continue;
		code = c->recent[i];
		memmove(&c->recent[1], &c->recent[0], i * sizeof(c->recent[0]));
		c->recent[0] = code;
		hm_search_code_ref(code);
		c->stats.memory_hits++;
	}
	pthread_mutex_unlock(&c->lock);
	return code;
}

/* --- in the folder --- */

static void count(struct hm_search_cache *c, uint64_t *counter)
{
	pthread_mutex_lock(&c->lock);
	++*counter;
	pthread_mutex_unlock(&c->lock);
}

static void file_name(const struct hm_search_key *key, char name[NAME_ROOM])
{
	snprintf(name, NAME_ROOM, "%016" PRIx64 SUFFIX, key->hash);
}

/* The whole file, to be freed; NULL: errno is ENOENT, or it may not be read. */
static uint8_t *read_file(const struct hm_search_cache *c, const char *name, size_t *n)
{
	int fd = openat(c->folder, name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
	uint8_t *bytes = NULL;
	struct stat s;
	size_t used = 0;

	if (fd < 0)
		return NULL;
	if (fstat(fd, &s) == 0 && S_ISREG(s.st_mode) && s.st_uid == geteuid() &&
	    !(s.st_mode & WRITABLE_BY_OTHERS) && (uint64_t)s.st_size <= c->disk_bytes_max)
		bytes = malloc((size_t)s.st_size + 1);
	while (bytes && used < (size_t)s.st_size) {
		ssize_t got = read(fd, bytes + used, (size_t)s.st_size - used);

		if (got <= 0)
			break;
		used += (size_t)got;
	}
	if (bytes)
		futimens(fd, NULL); // used just now: the oldest go first
	close(fd);
	if (!bytes)
		errno = EACCES;
	*n = used;
	return bytes;
}

static struct hm_search_code *load(struct hm_search_cache *c, const struct hm_search_key *key)
{
	struct hm_search_code *code = NULL;
	char name[NAME_ROOM];
	const char *why;
	uint8_t *bytes;
	size_t n;

	file_name(key, name);
	bytes = read_file(c, name, &n);
	if (bytes) {
		code = hm_search_code_decode(bytes, n, key, &why);
		count(c, code ? &c->stats.disk_hits : &c->stats.rejected);
	} else if (errno != ENOENT) {
		count(c, &c->stats.rejected);
	}
	free(bytes);
	return code;
}

static bool write_all(int fd, const uint8_t *bytes, size_t n)
{
	while (n > 0) {
		ssize_t done = write(fd, bytes, n);

		if (done <= 0)
			return false;
		bytes += done;
		n -= (size_t)done;
	}
	return true;
}

/* A machine that dies may leave a file without its contents: its checksum will tell. */
static bool write_file(struct hm_search_cache *c, const char *name, const uint8_t *bytes, size_t n)
{
	char aside[NAME_ROOM];
	bool good;
	int fd;

	pthread_mutex_lock(&c->lock);
	snprintf(aside, sizeof(aside), "%ld-%" PRIu64 ASIDE_SUFFIX, (long)getpid(), c->n_written++);
	pthread_mutex_unlock(&c->lock);
	unlinkat(c->folder, aside, 0); // of a daemon with our number that died
	fd = openat(c->folder, aside, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
	if (fd < 0)
		return false;
	good = write_all(fd, bytes, n);
	good = close(fd) == 0 && good;
	if (good && renameat(c->folder, aside, c->folder, name) == 0)
		return true;
	unlinkat(c->folder, aside, 0);
	return false;
}

struct entry {
	char name[NAME_ROOM];
	struct timespec used;
	uint64_t bytes;
};

static bool ends_with(const char *name, const char *end)
{
	size_t n = strlen(name), m = strlen(end);

	return n >= m && strcmp(name + n - m, end) == 0;
}

/* Our files in the folder; *n of them, NULL without any. */
static struct entry *list_folder(const struct hm_search_cache *c, size_t *n)
{
	struct entry *list = NULL;
	int fd = openat(c->folder, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	DIR *d = fd < 0 ? NULL : fdopendir(fd);
	size_t room = 0;
	struct dirent *e;

	*n = 0;
	if (!d && fd >= 0)
		close(fd);
	while (d && (e = readdir(d))) {
		struct stat s;

		if ((!ends_with(e->d_name, SUFFIX) && !ends_with(e->d_name, ASIDE_SUFFIX)) ||
		    strlen(e->d_name) >= NAME_ROOM ||
		    fstatat(c->folder, e->d_name, &s, AT_SYMLINK_NOFOLLOW) < 0)
			continue;
		if (*n == room) {
			struct entry *more = realloc(list, (room = 2 * room + 16) * sizeof(*list));
			if (!more)
				break;
			list = more;
		}
		list[*n] = (struct entry){.used = s.st_mtim, .bytes = (uint64_t)s.st_size};
		memcpy(list[(*n)++].name, e->d_name, strlen(e->d_name) + 1);
	}
	if (d)
		closedir(d);
	return list;
}

static int by_age(const void *left, const void *right)
{
	const struct entry *a = left, *b = right;

	if (a->used.tv_sec != b->used.tv_sec)
		return a->used.tv_sec < b->used.tv_sec ? -1 : 1;
	return a->used.tv_nsec < b->used.tv_nsec ? -1 : a->used.tv_nsec > b->used.tv_nsec;
}

/* Removes the oldest files until the others fit. */
static void make_room(struct hm_search_cache *c)
{
	size_t n;
	struct entry *list = list_folder(c, &n);
	uint64_t bytes = 0, removed = 0;

	for (size_t i = 0; i < n; i++)
		bytes += list[i].bytes;
	if (n > 0)
		qsort(list, n, sizeof(*list), by_age);
	for (size_t i = 0; i < n && bytes > c->disk_bytes_max; i++) {
		// another daemon may have been faster
		if (unlinkat(c->folder, list[i].name, 0) == 0)
			removed++;
		bytes -= list[i].bytes;
	}
	free(list);
	pthread_mutex_lock(&c->lock);
	c->stats.removed += removed;
	c->stats.disk_bytes = bytes;
	pthread_mutex_unlock(&c->lock);
}

static void save(struct hm_search_cache *c, const struct hm_search_code *code)
{
	char name[NAME_ROOM];
	size_t n = 0;
	uint8_t *bytes = hm_search_code_encode(code, &n);

	file_name(&code->key, name);
	if (!bytes || n > c->disk_bytes_max || !write_file(c, name, bytes, n))
		count(c, &c->stats.failed);
	free(bytes);
	make_room(c);
}

/* --- both --- */

struct hm_search_code *hm_search_cache_find(struct hm_search_cache *c,
					    const struct hm_search_key *key)
{
	struct hm_search_code *code;

	if (!c)
		return NULL;
	code = recall(c, key);
	if (code)
		return code;
	if (c->folder >= 0)
		code = load(c, key);
	if (!code) {
		count(c, &c->stats.misses);
		return NULL;
	}
	pthread_mutex_lock(&c->lock);
	remember(c, hm_search_code_ref(code));
	pthread_mutex_unlock(&c->lock);
	return code;
}

void hm_search_cache_add(struct hm_search_cache *c, struct hm_search_code *code)
{
	if (!c)
		return;
	pthread_mutex_lock(&c->lock);
	remember(c, hm_search_code_ref(code));
	pthread_mutex_unlock(&c->lock);
	if (c->folder >= 0 && code->compile_ns >= WORTH_A_FILE_NS)
		save(c, code);
}

void hm_search_cache_stats(struct hm_search_cache *c, struct hm_search_cache_stats *stats)
{
	pthread_mutex_lock(&c->lock);
	*stats = c->stats;
	stats->memory_bytes = 0;
	for (uint32_t i = 0; i < c->n_recent; i++)
		stats->memory_bytes += hm_search_code_bytes(c->recent[i]);
	pthread_mutex_unlock(&c->lock);
}

/* --- create and destroy --- */

static int open_folder(struct hm_search_cache *c, const char *folder, struct hm_error *err)
{
	struct stat s;

	if (mkdir(folder, 0700) < 0 && errno != EEXIST)
		return hm_error_set(err, -errno, 0, "search.cache_dir: %s cannot be made: %s",
				    folder, strerror(errno));
	c->folder = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (c->folder < 0 || fstat(c->folder, &s) < 0)
		return hm_error_set(err, -errno, 0, "search.cache_dir: %s: %s", folder,
				    strerror(errno));
	if (s.st_uid != geteuid())
		return hm_error_set(err, -EPERM, 0,
				    "search.cache_dir: %s belongs to user %u, not to the daemon's "
				    "(%u); what is in it would be run",
				    folder, s.st_uid, geteuid());
	if (s.st_mode & WRITABLE_BY_OTHERS)
		return hm_error_set(err, -EPERM, 0,
				    "search.cache_dir: others may write to %s (mode %03o); what is "
				    "in it would be run: chmod go-w",
				    folder, s.st_mode & 0777);
	return 0;
}

struct hm_search_cache *hm_search_cache_create(const char *folder, uint64_t disk_bytes_max,
					       struct hm_error *err)
{
	struct hm_search_cache *c = calloc(1, sizeof(*c));

	if (!c) {
		hm_error_set(err, -ENOMEM, 0, "no memory for the cache of patterns");
		return NULL;
	}
	pthread_mutex_init(&c->lock, NULL);
	c->folder = -1;
	c->disk_bytes_max = disk_bytes_max;
	if (folder[0] != '\0' && open_folder(c, folder, err) < 0) {
		hm_search_cache_destroy(c);
		return NULL;
	}
	if (c->folder >= 0)
		make_room(c);
	return c;
}

void hm_search_cache_destroy(struct hm_search_cache *c)
{
	if (!c)
		return;
	while (c->n_recent > 0)
		hm_search_code_unref(c->recent[--c->n_recent]);
	if (c->folder >= 0)
		close(c->folder);
	pthread_mutex_destroy(&c->lock);
	free(c);
}
