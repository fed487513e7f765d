/* SPDX-License-Identifier: BSD-3-Clause */
/* disk: writes pieces of memory to files, several at a time where the kernel takes them so (io_uring), one after the
 * other where not (pwrite). One thread uses one disk.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#define HM_DISK_DEPTH 16 // writes under way

/* How it is done; tests bring their own, which fail. */
struct hm_disk_ops {
	const char *name;
	void *(*open)(void); // NULL: not here
	void (*close)(void *state);
	/* Begins to write; the memory stays as it is until the result is there. At most HM_DISK_DEPTH are. Each begins
	 * when the one before has ended. `more` follow at once: they may begin together, and if one of them fails so
	 * do those behind it. */
	void (*submit)(void *state, int fd, const void *data, size_t n, off_t offset, unsigned tag,
		       bool more);
	/* The result of one: bytes, or a negative errno. False: none is there, with `wait` since none is under way. */
	bool (*reap)(void *state, bool wait, unsigned *tag, ssize_t *result);
	/* Writes at once, as pwrite() does; a negative errno. */
	ssize_t (*write)(void *state, int fd, const void *data, size_t n, off_t offset);
	int (*sync)(void *state, int fd); // fdatasync(); a negative errno
};

extern const struct hm_disk_ops hm_disk_uring, hm_disk_pwrite;
/* The best that works here. */
const struct hm_disk_ops *hm_disk_best(void);
