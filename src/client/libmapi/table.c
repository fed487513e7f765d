/* SPDX-License-Identifier: BSD-3-Clause */
/* table: the flows of this process by their descriptors, which count from 1 and are never used again. */
#include <limits.h>
#include <search.h>
#include <stdlib.h>
#include <string.h>

#include "client/libmapi/internal.h"

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static void *flows; // tsearch()'s tree
static int last_fd;
static atomic_bool begun;

bool table_begun(void)
{
	if (!atomic_load(&begun))
		mapi_fail(MAPI_INIT_ERROR, "no flow or device was ever made in this process");
	return atomic_load(&begun);
}

void table_begin(void)
{
	atomic_store(&begun, true);
}

void table_forget(void)
{
	flows = NULL; // and last_fd stays: the child's descriptors are not the parent's
	pthread_mutex_init(&lock, NULL);
}

static int compare(const void *a, const void *b)
{
	const struct flow *f = a, *g = b;

	return (f->fd > g->fd) - (f->fd < g->fd);
}

static void free_applied(struct applied *a)
{
	hm_pktring_close(a->ring);
	pthread_mutex_destroy(&a->lock);
	json_decref(a->records);
	free(a->results.res);
	free(a);
}

static void free_flow(struct flow *f)
{
	for (int i = 0; i < f->n; i++)
		free_applied(f->functions[i]);
	free(f->functions);
	pthread_mutex_destroy(&f->lock);
	session_put(f->session);
	free(f->own_device);
	free(f->device);
	free(f);
}

struct flow *table_add(struct session *s, json_int_t number, const char *device, char *own_device)
{
	struct flow *f = calloc(1, sizeof(*f));
	bool added;

	if (f) {
		pthread_mutex_init(&f->lock, NULL);
		f->session = s;
		f->number = number;
		f->own_device = own_device;
		f->device = strdup(device);
		f->refs = 1;
	}
	pthread_mutex_lock(&lock);
	added = f && f->device && last_fd < INT_MAX;
	if (added)
		f->fd = ++last_fd;
	if (added && !tsearch(f, &flows, compare))
		added = false;
	pthread_mutex_unlock(&lock);
	if (added)
		return f;
	mapi_fail(MAPI_OUT_OF_MEMORY, "out of memory");
	if (f) {
		free_flow(f);
	} else {
		session_put(s);
		free(own_device);
	}
	return NULL;
}

struct flow *table_find(int fd)
{
	const struct flow key = {.fd = fd};
	struct flow **found, *f = NULL;

	pthread_mutex_lock(&lock);
	found = tfind(&key, &flows, compare);
	if (found) {
		f = *found;
		f->refs++;
	}
	pthread_mutex_unlock(&lock);
	return f;
}

bool table_remove(struct flow *f)
{
	bool there = !atomic_exchange(&f->closed, true);

	pthread_mutex_lock(&lock);
	if (there) {
		tdelete(f, &flows, compare);
		f->refs--; // the table's; the caller has its own
	}
	pthread_mutex_unlock(&lock);
	return there;
}

void flow_release(struct flow *f)
{
	bool last;

	pthread_mutex_lock(&lock);
	last = --f->refs == 0;
	pthread_mutex_unlock(&lock);
	if (last)
		free_flow(f);
}

struct applied *flow_function(struct flow *f, int fid)
{
	struct applied *a;

	pthread_mutex_lock(&f->lock);
	a = fid > 0 && fid <= f->n ? f->functions[fid - 1] : NULL;
	pthread_mutex_unlock(&f->lock);
	return a;
}
