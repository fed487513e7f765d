/* SPDX-License-Identifier: BSD-3-Clause */
/* Tables change hands without locks that the control core could wait for: the thread leaves a new one in
 * `fresh`, the control core takes it and leaves the one that it had in `stale`, which the thread frees. */
#include "netflow/routes_file.h"

#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>

#define LOOK_S 1

/* What tells that a file is another one, or has been written to. */
struct version {
	dev_t device;
	ino_t inode;
	off_t bytes;
	struct timespec modified;
};

struct hm_routes_file {
	struct hm_routes_file *next;
	char *path;
	unsigned users;
	struct hm_routes *now; // the control core's
	struct hm_routes *fresh, *stale;
	uint64_t attempts, read; // readings that are over, and those that went well
	pthread_t thread;
	pthread_mutex_t lock; // of `error`, and of waiting; held for a moment only
	pthread_cond_t wake;
	bool stop;
	struct hm_error error;
};

static struct hm_routes_file *files; // the control core's

static bool same_version(const struct version *a, const struct version *b)
{
	return a->device == b->device && a->inode == b->inode && a->bytes == b->bytes &&
	       a->modified.tv_sec == b->modified.tv_sec &&
	       a->modified.tv_nsec == b->modified.tv_nsec;
}

/* Of a file that is not there: zero, like that of a file that was never seen. */
static struct version version_of(const char *path)
{
	struct stat st;

	if (stat(path, &st) < 0)
		return (struct version){0};
	return (struct version){st.st_dev, st.st_ino, st.st_size, st.st_mtim};
}

static void read_file(struct hm_routes_file *f)
{
	struct hm_prefixes list;
	struct hm_error err = {0};
	struct hm_routes *routes = NULL;

	if (hm_prefixes_read(&list, f->path, &f->stop, &err) == 0) {
		routes = hm_routes_create(&list, &f->stop, &err);
		hm_prefixes_free(&list);
	}
	pthread_mutex_lock(&f->lock);
	f->error = err;
	pthread_mutex_unlock(&f->lock);
	if (routes) {
		hm_routes_destroy(__atomic_exchange_n(&f->fresh, routes, __ATOMIC_ACQ_REL));
		__atomic_add_fetch(&f->read, 1, __ATOMIC_RELEASE);
	}
	__atomic_add_fetch(&f->attempts, 1, __ATOMIC_RELEASE);
}

/* True: time to stop. */
static bool wait_a_while(struct hm_routes_file *f)
{
	struct timespec until;
	bool stop;

	clock_gettime(CLOCK_MONOTONIC, &until);
	until.tv_sec += LOOK_S;
	pthread_mutex_lock(&f->lock);
	while (!f->stop && pthread_cond_timedwait(&f->wake, &f->lock, &until) == 0)
		;
	stop = f->stop;
	pthread_mutex_unlock(&f->lock);
	return stop;
}

static void *keep_up(void *arg)
{
	struct hm_routes_file *f = arg;
	struct version seen = version_of(f->path);

	pthread_setname_np(pthread_self(), "hm-routes");
	read_file(f);
	while (!wait_a_while(f)) {
		struct version now = version_of(f->path);

		hm_routes_destroy(__atomic_exchange_n(&f->stale, NULL, __ATOMIC_ACQUIRE));
		if (same_version(&seen, &now))
			continue;
		seen = now;
		read_file(f);
	}
	return NULL;
}

static int start_thread(struct hm_routes_file *f)
{
	pthread_condattr_t attr;
	int error;

	pthread_mutex_init(&f->lock, NULL);
	pthread_condattr_init(&attr);
	pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
	pthread_cond_init(&f->wake, &attr);
	pthread_condattr_destroy(&attr);
	error = pthread_create(&f->thread, NULL, keep_up, f);
	if (error != 0) {
		pthread_cond_destroy(&f->wake);
		pthread_mutex_destroy(&f->lock);
	}
	return -error;
}

struct hm_routes_file *hm_routes_file_open(const char *path, struct hm_error *err)
{
	struct hm_routes_file *f;
	struct stat st;
	int r;

	for (f = files; f; f = f->next) {
		if (strcmp(f->path, path) == 0) {
			f->users++;
			return f;
		}
	}
	if (stat(path, &st) < 0) {
		hm_error_set(err, -errno, 0, "%s: %s", path, strerror(errno));
		return NULL;
	}
	f = calloc(1, sizeof(*f));
	r = f ? 0 : -ENOMEM;
	if (r == 0) {
		f->path = strdup(path);
		r = f->path ? start_thread(f) : -ENOMEM;
	}
	if (r < 0) {
		if (f)
			free(f->path);
		free(f);
		hm_error_set(err, r, 0, "%s: cannot be kept up to date: %s", path, strerror(-r));
		return NULL;
	}
	f->users = 1;
	f->next = files;
	files = f;
	return f;
}

void hm_routes_file_close(struct hm_routes_file *f)
{
	struct hm_routes_file **at = &files;

	if (!f || --f->users > 0)
		return;
	while (*at != f)
		at = &(*at)->next;
	*at = f->next;
	pthread_mutex_lock(&f->lock);
	__atomic_store_n(&f->stop, true, __ATOMIC_RELAXED);
	pthread_cond_signal(&f->wake);
	pthread_mutex_unlock(&f->lock);
	pthread_join(f->thread, NULL);
	pthread_cond_destroy(&f->wake);
	pthread_mutex_destroy(&f->lock);
	hm_routes_destroy(f->now);
	hm_routes_destroy(f->fresh);
	hm_routes_destroy(f->stale);
	free(f->path);
	free(f);
}

const struct hm_routes *hm_routes_file_now(struct hm_routes_file *f)
{
	struct hm_routes *fresh;

	// while the thread has not freed the last one, the one that is here stays
	if (__atomic_load_n(&f->fresh, __ATOMIC_RELAXED) == NULL ||
	    __atomic_load_n(&f->stale, __ATOMIC_RELAXED) != NULL)
		return f->now;
	fresh = __atomic_exchange_n(&f->fresh, NULL, __ATOMIC_ACQ_REL);
	__atomic_store_n(&f->stale, f->now, __ATOMIC_RELEASE);
	f->now = fresh;
	return f->now;
}

bool hm_routes_file_settled(const struct hm_routes_file *f)
{
	return __atomic_load_n(&f->attempts, __ATOMIC_ACQUIRE) > 0;
}

json_t *hm_routes_file_stats(struct hm_routes_file *f)
{
	const struct hm_routes *r = hm_routes_file_now(f);
	struct hm_error error;
	json_t *stats;

	pthread_mutex_lock(&f->lock);
	error = f->error;
	pthread_mutex_unlock(&f->lock);
	stats = json_pack("{s:s, s:s, s:I, s:I, s:I}", "path", f->path, "state",
			  r                           ? "ready"
			  : hm_routes_file_settled(f) ? "failed"
						      : "reading",
			  "ipv4", (json_int_t)(r ? hm_routes_count(r, 4) : 0), "ipv6",
			  (json_int_t)(r ? hm_routes_count(r, 6) : 0), "read",
			  (json_int_t)__atomic_load_n(&f->read, __ATOMIC_ACQUIRE));
	if (stats && error.text[0] != '\0')
		json_object_set_new(stats, "error", json_string(error.text));
	return stats;
}
