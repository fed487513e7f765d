/* SPDX-License-Identifier: BSD-3-Clause */
/* A file of messages one behind the other: an IPFIX file of RFC 5655, if they are IPFIX. A thread of
 * its own writes, since a disk may make one wait. What cannot be written whole is taken away again,
 * so that the file always ends with a whole message. */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "netflow/transport.h"

#define RING_BYTES (1u << 22) // a power of two

struct hm_connection {
	int fd;
	off_t end; // of the last whole message in the file
	pthread_t thread;
	pthread_mutex_t lock; // of all below
	pthread_cond_t more;
	uint8_t *ring;
	uint64_t read, written; // bytes of the ring, of whole messages
	int error;
	bool stop;
};

static int check_file(const struct hm_endpoint *to, struct hm_error *err)
{
	struct stat s;

	if (to->path[0] != '/')
		return hm_error_set(err, -EINVAL, 0,
				    "\"%s\" is not a file's path from the root, like "
				    "\"/var/flows/a.ipfix\"",
				    to->path);
	if (stat(to->path, &s) == 0 && !S_ISREG(s.st_mode))
		return hm_error_set(err, -EINVAL, 0, "\"%s\" is not a regular file", to->path);
	return 0;
}

/* Bytes of the ring from `at`, which may be in two pieces. */
static int ring_pieces(const struct hm_connection *c, uint64_t at, uint64_t n, struct iovec v[2])
{
	uint32_t from = (uint32_t)at & (RING_BYTES - 1);
	uint64_t here = RING_BYTES - from < n ? RING_BYTES - from : n;

	v[0] = (struct iovec){.iov_base = c->ring + from, .iov_len = here};
	v[1] = (struct iovec){.iov_base = c->ring, .iov_len = n - here};
	return here < n ? 2 : 1;
}

/* Writes whole messages or nothing; 0 or a negative errno. */
static int write_whole(struct hm_connection *c, struct iovec v[2], int pieces, uint64_t bytes)
{
	uint64_t done = 0;

	while (done < bytes) {
		ssize_t n = writev(c->fd, v, pieces);
		int error = n < 0 ? errno : ENOSPC;
		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0) {
			if (ftruncate(c->fd, c->end) < 0) // then the file is lost to its readers
				error = errno;
			return -error;
		}
		done += (uint64_t)n;
		for (int i = 0; i < pieces; i++) {
			size_t cut = v[i].iov_len < (size_t)n ? v[i].iov_len : (size_t)n;
			v[i].iov_base = (uint8_t *)v[i].iov_base + cut;
			v[i].iov_len -= cut;
			n -= (ssize_t)cut;
		}
	}
	c->end += (off_t)bytes;
	return 0;
}

static void *write_on(void *arg)
{
	struct hm_connection *c = arg;

	pthread_mutex_lock(&c->lock);
	while (c->error == 0 && (c->written > c->read || !c->stop)) {
		uint64_t at = c->read, bytes = c->written - c->read;
		struct iovec v[2];
		int r;
		if (bytes == 0) {
			pthread_cond_wait(&c->more, &c->lock);
			continue;
		}
		pthread_mutex_unlock(&c->lock);
		r = write_whole(c, v, ring_pieces(c, at, bytes, v), bytes);
		pthread_mutex_lock(&c->lock);
		if (r == 0)
			c->read += bytes;
		c->error = r;
	}
	pthread_mutex_unlock(&c->lock);
	return NULL;
}

static int open_file(struct hm_connection *c, const char *path)
{
	struct stat s;

	c->fd = open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC | O_NONBLOCK | O_NOFOLLOW,
		     0640);
	if (c->fd < 0 || fstat(c->fd, &s) < 0)
		return -errno;
	if (!S_ISREG(s.st_mode))
		return -EINVAL;
	c->end = s.st_size;
	return 0;
}

/* Signals are for others: a file that is too large for its limit is an error here, not an end. */
static int start_thread(struct hm_connection *c)
{
	sigset_t all, before;
	int r;

	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &before);
	r = pthread_create(&c->thread, NULL, write_on, c);
	pthread_sigmask(SIG_SETMASK, &before, NULL);
	return -r;
}

static struct hm_connection *open_writer(const struct hm_endpoint *to)
{
	struct hm_connection *c = calloc(1, sizeof(*c));
	int r = -ENOMEM;

	if (!c)
		return NULL;
	c->fd = -1;
	c->ring = malloc(RING_BYTES);
	if (c->ring)
		r = open_file(c, to->path);
	pthread_mutex_init(&c->lock, NULL);
	pthread_cond_init(&c->more, NULL);
	if (r == 0)
		r = start_thread(c);
	if (r == 0)
		return c;
	if (c->fd >= 0)
		close(c->fd);
	free(c->ring);
	free(c);
	errno = -r;
	return NULL;
}

static bool take(struct hm_connection *c, const struct iovec *message)
{
	struct iovec v[2];

	if (RING_BYTES - (c->written - c->read) < message->iov_len)
		return false;
	ring_pieces(c, c->written, message->iov_len, v);
	memcpy(v[0].iov_base, message->iov_base, v[0].iov_len);
	memcpy(v[1].iov_base, (const uint8_t *)message->iov_base + v[0].iov_len, v[1].iov_len);
	c->written += message->iov_len;
	return true;
}

static int send_file(struct hm_connection *c, const struct iovec *messages, unsigned n)
{
	unsigned taken = 0;
	int error;

	pthread_mutex_lock(&c->lock); // never held while writing
	error = c->error;
	while (error == 0 && taken < n && take(c, &messages[taken]))
		taken++;
	pthread_cond_signal(&c->more);
	pthread_mutex_unlock(&c->lock);
	if (error != 0)
		return error;
	return taken > 0 ? (int)taken : -EAGAIN;
}

static int error_file(struct hm_connection *c)
{
	int error;

	pthread_mutex_lock(&c->lock);
	error = c->error;
	pthread_mutex_unlock(&c->lock);
	return error;
}

static uint64_t pending_file(struct hm_connection *c)
{
	uint64_t bytes;

	pthread_mutex_lock(&c->lock);
	bytes = c->written - c->read;
	pthread_mutex_unlock(&c->lock);
	return bytes;
}

static bool flush_file(struct hm_connection *c)
{
	return pending_file(c) == 0 || error_file(c) != 0;
}

static void close_file(struct hm_connection *c)
{
	if (!c)
		return;
	pthread_mutex_lock(&c->lock);
	c->stop = true;
	pthread_cond_signal(&c->more);
	pthread_mutex_unlock(&c->lock);
	pthread_join(c->thread, NULL);
	pthread_cond_destroy(&c->more);
	pthread_mutex_destroy(&c->lock);
	close(c->fd);
	free(c->ring);
	free(c);
}

const struct hm_transport hm_transport_file = {
	.name = "file",
	.stream = true,
	.check = check_file,
	.open = open_writer,
	.send = send_file,
	.error = error_file,
	.pending = pending_file,
	.flush = flush_file,
	.close = close_file,
};
