/* SPDX-License-Identifier: BSD-3-Clause */
/* The card library's symbol table, 64-bit calls with their older forms. */
#include <dlfcn.h>
#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include <rte_common.h>
#include <rte_errno.h>

#include "card.h"
#include "dag_lib.h"
#include "dag_logs.h"

struct dag_symbol {
	const char *name;
	size_t offset;
	const char *old_name; /* what older releases have instead, NULL: nothing */
	size_t old_offset;
};

#define DAG_SYMBOL(field)                                               \
	{                                                               \
		"dag_" #field, offsetof(struct dag_lib, field), NULL, 0 \
	}
#define DAG_SYMBOL64(field)                                                             \
	{                                                                               \
		"dag_" #field "64", offsetof(struct dag_lib, field##64), "dag_" #field, \
			offsetof(struct dag_lib, field)                                 \
	}

static const struct dag_symbol symbols[] = {
	DAG_SYMBOL(open),
	DAG_SYMBOL(close),
	DAG_SYMBOL(rx_get_stream_count),
	DAG_SYMBOL(start_stream),
	DAG_SYMBOL(stop_stream),
	DAG_SYMBOL(detach_stream),
	DAG_SYMBOL(advance_stream),
	DAG_SYMBOL64(get_stream_buffer_size),
	DAG_SYMBOL64(attach_stream),
	DAG_SYMBOL64(set_stream_poll),
};

static pthread_mutex_t libs_lock = PTHREAD_MUTEX_INITIALIZER;
static struct dag_lib *libs;

static int
resolve(struct dag_lib *lib)
{
	const struct dag_symbol *s;
	void *address;
	size_t offset;

	for (s = symbols; s != symbols + RTE_DIM(symbols); s++) {
		offset = s->offset;
		address = dlsym(lib->handle, s->name);
		if (address == NULL && s->old_name != NULL) {
			offset = s->old_offset;
			address = dlsym(lib->handle, s->old_name);
		}
		if (address == NULL) {
			DAG_LOG(ERR, "lib=%s: it has no %s(), is this libdag?", lib->path, s->name);
			return -ENOSYS;
		}
		memcpy((char *)lib + offset, &address, sizeof(address));
	}
	return 0;
}

static struct dag_lib *
lib_open(const char *path)
{
	struct dag_lib *lib = calloc(1, sizeof(*lib) + strlen(path) + 1);
	char why[512];
	int ret;

	if (lib == NULL) {
		rte_errno = ENOMEM;
		return NULL;
	}
	strcpy(lib->path, path);
	lib->handle = card_lib_open(path, why, sizeof(why));
	if (lib->handle == NULL) {
		DAG_LOG(ERR, "lib=%s: %s", path, why);
		free(lib);
		return NULL;
	}
	ret = resolve(lib);
	if (ret < 0) {
		dlclose(lib->handle);
		free(lib);
		rte_errno = -ret;
		return NULL;
	}
	return lib;
}

struct dag_lib *
dag_lib_get(const char *path)
{
	struct dag_lib *lib;

	pthread_mutex_lock(&libs_lock);
	for (lib = libs; lib != NULL && strcmp(lib->path, path) != 0; lib = lib->next)
		;
	if (lib == NULL) {
		lib = lib_open(path);
		if (lib != NULL) {
			lib->next = libs;
			libs = lib;
		}
	}
	if (lib != NULL)
		lib->refs++;
	pthread_mutex_unlock(&libs_lock);
	return lib;
}

void
dag_lib_put(struct dag_lib *lib)
{
	struct dag_lib **p;

	pthread_mutex_lock(&libs_lock);
	if (--lib->refs == 0) {
		for (p = &libs; *p != lib; p = &(*p)->next)
			;
		*p = lib->next;
		dlclose(lib->handle);
		free(lib);
	}
	pthread_mutex_unlock(&libs_lock);
}

int64_t
dag_lib_buffer_size(const struct dag_lib *lib, int fd, int stream)
{
	if (lib->get_stream_buffer_size64 != NULL)
		return lib->get_stream_buffer_size64(fd, stream);
	return lib->get_stream_buffer_size(fd, stream);
}

int
dag_lib_attach(const struct dag_lib *lib, int fd, int stream, uint32_t window)
{
	if (lib->attach_stream64 != NULL)
		return lib->attach_stream64(fd, stream, 0, window);
	return lib->attach_stream(fd, stream, 0, window);
}

int
dag_lib_set_nonblocking(const struct dag_lib *lib, int fd, int stream)
{
	struct timeval maxwait = {0}, poll = {0};

	if (lib->set_stream_poll64 != NULL)
		return lib->set_stream_poll64(fd, stream, 0, &maxwait, &poll);
	return lib->set_stream_poll(fd, stream, 0, &maxwait, &poll);
}
