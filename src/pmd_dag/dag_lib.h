/* SPDX-License-Identifier: BSD-3-Clause */
/* The vendor's libdag (or a simulator with its ABI), opened at run time.
 *
 * One object per library path, shared by all ports of the process and reference counted. Older
 * releases lack the 64-bit calls: the wrappers below hide which ones were found.
 */
#ifndef DAG_LIB_H
#define DAG_LIB_H

#include <stdint.h>
#include <sys/time.h>

struct dag_lib {
	int (*open)(char *name);
	int (*close)(int fd);
	int (*rx_get_stream_count)(int fd);
	int (*start_stream)(int fd, int stream);
	int (*stop_stream)(int fd, int stream);
	int (*detach_stream)(int fd, int stream);
	uint8_t *(*advance_stream)(int fd, int stream, uint8_t **bottom);
	/* either the first or the second of each pair is NULL */
	int64_t (*get_stream_buffer_size64)(int fd, int stream);
	int (*get_stream_buffer_size)(int fd, int stream);
	int (*attach_stream64)(int fd, int stream, uint32_t flags, uint64_t extra_window);
	int (*attach_stream)(int fd, int stream, uint32_t flags, uint32_t extra_window);
	int (*set_stream_poll64)(int fd, int stream, uint64_t mindata, struct timeval *maxwait,
				 struct timeval *poll);
	int (*set_stream_poll)(int fd, int stream, uint32_t mindata, struct timeval *maxwait,
			       struct timeval *poll);

	struct dag_lib *next;
	void *handle;
	unsigned int refs;
	char path[];
};

/* A plain name is looked up as dlopen() does, a path must be absolute and not world-writable.
 * NULL with rte_errno set, the reason has been logged. Control path only, as dag_lib_put(). */
struct dag_lib *dag_lib_get(const char *path);
void dag_lib_put(struct dag_lib *lib);

/* Bytes, 0: the stream has no memory, -1: no such stream. */
int64_t dag_lib_buffer_size(const struct dag_lib *lib, int fd, int stream);
/* The stream's memory is mapped twice, back to back, so that records never wrap: `window` bytes of
 * the second time, 0: all. */
int dag_lib_attach(const struct dag_lib *lib, int fd, int stream, uint32_t window);
/* Makes advance_stream() return at once. */
int dag_lib_set_nonblocking(const struct dag_lib *lib, int fd, int stream);

#endif
