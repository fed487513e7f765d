/* SPDX-License-Identifier: BSD-3-Clause */
/* TCP, RFC 7011 section 10.4: messages one behind the other. What the kernel took only a part of is
 * kept here and goes first. The socket's own account of what was not acknowledged says what is lost
 * when the connection breaks. */
#include <errno.h>
#include <linux/sockios.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include "netflow/transport.h"

#define MESSAGE_MAX 65535

struct hm_connection {
	int fd;
	bool connected;
	uint32_t at, n; // of the rest
	uint64_t pending;
	uint8_t rest[MESSAGE_MAX];
};

static struct hm_connection *open_tcp(const struct hm_endpoint *to)
{
	const int on = 1;
	int error;
	struct addrinfo *a = hm_endpoint_address(to->host, to->port, &error);
	struct hm_connection *c = a ? calloc(1, sizeof(*c)) : NULL;

	if (!a)
		errno = EINVAL;
	if (!c) {
		if (a)
			freeaddrinfo(a);
		return NULL;
	}
	c->fd = hm_endpoint_socket(a, SOCK_STREAM, to->source);
	if (c->fd >= 0) {
		setsockopt(c->fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
		setsockopt(c->fd, SOL_SOCKET, SO_KEEPALIVE, &on, sizeof(on));
	}
	if (c->fd < 0 || (connect(c->fd, a->ai_addr, a->ai_addrlen) < 0 && errno != EINPROGRESS)) {
		error = errno;
		if (c->fd >= 0)
			close(c->fd);
		free(c);
		c = NULL;
		errno = error;
	}
	freeaddrinfo(a);
	return c;
}

static int error_tcp(struct hm_connection *c)
{
	int error = 0;
	socklen_t length = sizeof(error);
	uint8_t byte;

	if (getsockopt(c->fd, SOL_SOCKET, SO_ERROR, &error, &length) < 0)
		return -errno;
	if (error != 0 || !c->connected)
		return -error;
	// collectors do not talk: what can be read is the end, at once or after some bytes
	return recv(c->fd, &byte, 1, MSG_DONTWAIT | MSG_TRUNC) == 0 ? -EPIPE : 0;
}

/* 0: is connected; -EAGAIN: not yet. */
static int wait_for_connection(struct hm_connection *c)
{
	struct pollfd p = {.fd = c->fd, .events = POLLOUT};
	int error;

	if (c->connected)
		return 0;
	if (poll(&p, 1, 0) == 0)
		return -EAGAIN;
	error = error_tcp(c);
	c->connected = error == 0;
	return error;
}

static void look_at_pending(struct hm_connection *c)
{
	int bytes = 0;

	if (ioctl(c->fd, SIOCOUTQ, &bytes) == 0)
		c->pending = (uint64_t)bytes;
}

/* Bytes that the kernel took; 0: none now. */
static ssize_t write_some(struct hm_connection *c, const struct iovec *v, unsigned n)
{
	const struct msghdr m = {.msg_iov = (struct iovec *)v, .msg_iovlen = n}; // only read
	ssize_t sent;

	do {
		sent = sendmsg(c->fd, &m, MSG_DONTWAIT | MSG_NOSIGNAL);
	} while (sent < 0 && errno == EINTR);
	if (sent < 0)
		return errno == EWOULDBLOCK || errno == ENOBUFS ? 0 : -errno;
	c->pending += (uint64_t)sent;
	return sent;
}

/* 0: no rest is left; -EAGAIN: some is. */
static int send_rest(struct hm_connection *c)
{
	while (c->n > 0) {
		const struct iovec v = {.iov_base = c->rest + c->at, .iov_len = c->n};
		ssize_t sent = write_some(c, &v, 1);
		if (sent <= 0)
			return sent == 0 ? -EAGAIN : (int)sent;
		c->at += (uint32_t)sent;
		c->n -= (uint32_t)sent;
	}
	return 0;
}

static int send_tcp(struct hm_connection *c, const struct iovec *messages, unsigned n)
{
	int r = wait_for_connection(c);
	size_t left;
	ssize_t sent;

	if (r == 0)
		r = error_tcp(c);
	if (r < 0)
		return r;
	look_at_pending(c);
	r = send_rest(c);
	if (r < 0)
		return r;
	if (n > HM_TRANSPORT_BURST)
		n = HM_TRANSPORT_BURST;
	sent = write_some(c, messages, n);
	if (sent <= 0)
		return sent == 0 ? -EAGAIN : (int)sent;
	left = (size_t)sent;
	for (unsigned i = 0; i < n; i++) {
		size_t length = messages[i].iov_len;
		if (left < length && left > 0) {
			c->at = 0;
			c->n = (uint32_t)(length - left);
			memcpy(c->rest, (const uint8_t *)messages[i].iov_base + left, c->n);
			return (int)i + 1;
		}
		if (left == 0)
			return (int)i;
		left -= length;
	}
	return (int)n;
}

static uint64_t pending_tcp(struct hm_connection *c)
{
	return c->pending + c->n;
}

static bool flush_tcp(struct hm_connection *c)
{
	return send_rest(c) == 0;
}

static void close_tcp(struct hm_connection *c)
{
	if (!c)
		return;
	close(c->fd); // the kernel goes on with what it has
	free(c);
}

const struct hm_transport hm_transport_tcp = {
	.name = "tcp",
	.stream = true,
	.check = hm_endpoint_check,
	.open = open_tcp,
	.send = send_tcp,
	.error = error_tcp,
	.pending = pending_tcp,
	.flush = flush_tcp,
	.close = close_tcp,
};
