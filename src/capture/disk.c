/* SPDX-License-Identifier: BSD-3-Clause */
#include "capture/disk.h"

#include <errno.h>
#include <liburing.h>
#include <stdlib.h>
#include <unistd.h>

/* --- what both do at once --- */

static ssize_t write_at(void *state, int fd, const void *data, size_t n, off_t offset)
{
	ssize_t done;

	do
		done = pwrite(fd, data, n, offset);
	while (done < 0 && errno == EINTR);
	return done < 0 ? -errno : done;
}

static int sync_data(void *state, int fd)
{
	// /dev/null and the like cannot, and need not
	return fdatasync(fd) < 0 && errno != EINVAL && errno != EROFS ? -errno : 0;
}

/* --- one after the other --- */

struct results {
	unsigned n;
	unsigned tags[HM_DISK_DEPTH];
	ssize_t results[HM_DISK_DEPTH];
};

static void *open_pwrite(void)
{
	return calloc(1, sizeof(struct results));
}

static void submit_pwrite(void *state, int fd, const void *data, size_t n, off_t offset,
			  unsigned tag, bool more)
{
	struct results *const r = state;

	r->tags[r->n] = tag;
	r->results[r->n++] = write_at(state, fd, data, n, offset);
}

static bool reap_pwrite(void *state, bool wait, unsigned *tag, ssize_t *result)
{
	struct results *const r = state;

	if (r->n == 0)
		return false;
	*tag = r->tags[--r->n];
	*result = r->results[r->n];
	return true;
}

const struct hm_disk_ops hm_disk_pwrite = {
	.name = "pwrite",
	.open = open_pwrite,
	.close = free,
	.submit = submit_pwrite,
	.reap = reap_pwrite,
	.write = write_at,
	.sync = sync_data,
};

/* --- io_uring --- */

struct uring {
	struct io_uring ring;
	unsigned under_way;
	bool in_chain; // the last one said that more follow
};

static void *open_uring(void)
{
	struct uring *u = calloc(1, sizeof(*u));

	if (u && io_uring_queue_init(HM_DISK_DEPTH, &u->ring, 0) == 0)
		return u;
	free(u);
	return NULL;
}

static void close_uring(void *state)
{
	struct uring *const u = state;

	io_uring_queue_exit(&u->ring);
	free(u);
}

/* One after the other: whenever all ends, a file has no hole. A chain of links runs in the kernel without a way back
 * through this thread for each; the first of it waits for what was submitted before. */
static void submit_uring(void *state, int fd, const void *data, size_t n, off_t offset,
			 unsigned tag, bool more)
{
	struct uring *const u = state;
	struct io_uring_sqe *const e = io_uring_get_sqe(&u->ring); // as many as may be under way
	int code;

	io_uring_prep_write(e, fd, data, (unsigned)n, (uint64_t)offset);
	io_uring_sqe_set_data64(e, tag);
	io_uring_sqe_set_flags(e, (u->in_chain ? 0 : IOSQE_IO_DRAIN) | (more ? IOSQE_IO_LINK : 0));
	u->in_chain = more;
	u->under_way++;
	if (more)
		return;
	do
		code = io_uring_submit(&u->ring);
	while (code == -EINTR || code == -EAGAIN || code == -EBUSY);
}

static bool reap_uring(void *state, bool wait, unsigned *tag, ssize_t *result)
{
	struct uring *const u = state;
	struct io_uring_cqe *e;
	int code;

	if (u->under_way == 0)
		return false;
	do
		code = wait ? io_uring_wait_cqe(&u->ring, &e) : io_uring_peek_cqe(&u->ring, &e);
	while (code == -EINTR);
	if (code < 0)
		return false;
	*tag = (unsigned)io_uring_cqe_get_data64(e);
	*result = e->res;
	io_uring_cqe_seen(&u->ring, e);
	u->under_way--;
	return true;
}

const struct hm_disk_ops hm_disk_uring = {
	.name = "io_uring",
	.open = open_uring,
	.close = close_uring,
	.submit = submit_uring,
	.reap = reap_uring,
	.write = write_at,
	.sync = sync_data,
};

const struct hm_disk_ops *hm_disk_best(void)
{
	void *const u = open_uring();

	if (!u)
		return &hm_disk_pwrite;
	close_uring(u);
	return &hm_disk_uring;
}
