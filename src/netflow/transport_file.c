/* SPDX-License-Identifier: BSD-3-Clause */
/* A file of messages one behind the other: an IPFIX file of RFC 5655, if they are IPFIX. A thread of
 * its own writes, since a disk may make one wait. What cannot be written whole is taken away again,
 * so that the file always ends with a whole message. */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "netflow/relay.h"
#include "netflow/transport.h"

struct hm_connection {
	struct hm_relay relay;
	int fd;
	off_t end; // of the last whole message in the file
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

/* Writes whole messages or nothing; 0 or a negative errno. */
static int write_whole(struct hm_connection *c, struct iovec v[2], uint64_t bytes)
{
	uint64_t done = 0;

	while (done < bytes) {
		ssize_t n = writev(c->fd, v, 2);
		int error = n < 0 ? errno : ENOSPC;
		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0) {
			if (ftruncate(c->fd, c->end) < 0) // then the file is lost to its readers
				error = errno;
			return -error;
		}
		done += (uint64_t)n;
		for (int i = 0; i < 2; i++) {
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

	for (;;) {
		bool stop = hm_relay_stopping(&c->relay); // then nothing more is put
		struct iovec v[2];
		uint64_t bytes = hm_relay_look(&c->relay, v);
		int r = bytes > 0 ? write_whole(c, v, bytes) : 0;
		if (r < 0) {
			hm_relay_fail(&c->relay, r);
			return NULL;
		}
		hm_relay_took(&c->relay, bytes);
		if (bytes == 0 && stop)
			return NULL;
		if (bytes == 0)
			hm_relay_wait(&c->relay, 0, -1, 0, -1);
	}
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

static struct hm_connection *open_writer(const struct hm_endpoint *to)
{
	struct hm_connection *c = calloc(1, sizeof(*c));
	int r;

	if (!c)
		return NULL;
	c->fd = -1;
	r = open_file(c, to->path);
	if (r == 0)
		r = hm_relay_start(&c->relay, write_on, c);
	if (r == 0)
		return c;
	if (c->fd >= 0)
		close(c->fd);
	free(c);
	errno = -r;
	return NULL;
}

static int send_file(struct hm_connection *c, const struct iovec *messages, unsigned n)
{
	return hm_relay_put(&c->relay, messages, n);
}

static int error_file(struct hm_connection *c)
{
	return hm_relay_error(&c->relay);
}

static uint64_t pending_file(struct hm_connection *c)
{
	return hm_relay_pending(&c->relay);
}

static bool flush_file(struct hm_connection *c)
{
	return pending_file(c) == 0 || error_file(c) != 0;
}

static void close_file(struct hm_connection *c)
{
	if (!c)
		return;
	hm_relay_stop(&c->relay);
	close(c->fd);
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
