/* SPDX-License-Identifier: BSD-3-Clause */
/* UDP: a connected, non-blocking socket, so that the kernel tells when the collector's port is
 * closed. Messages above the path's MTU are fragmented rather than refused. */
#include <errno.h>
#include <netdb.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "netflow/transport.h"

#define SEND_BUFFER (1 << 20) // bytes; the kernel gives what it allows

struct hm_connection {
	int fd;
};

static struct addrinfo *look_up(const char *host, uint16_t port, int *error)
{
	const struct addrinfo hints = {
		.ai_family = AF_UNSPEC,
		.ai_socktype = SOCK_DGRAM,
		.ai_flags = AI_NUMERICHOST | AI_NUMERICSERV,
	};
	struct addrinfo *found = NULL;
	char service[8];

	snprintf(service, sizeof(service), "%u", port);
	*error = getaddrinfo(host, service, &hints, &found);
	return *error == 0 ? found : NULL;
}

static int check(const struct hm_endpoint *to, struct hm_error *err)
{
	int error, family;
	struct addrinfo *a = look_up(to->host, to->port, &error);

	if (!a)
		return hm_error_set(err, -EINVAL, 0,
				    "\"%s\" is not a numeric IPv4 or IPv6 address (%s)", to->host,
				    gai_strerror(error));
	family = a->ai_family;
	freeaddrinfo(a);
	if (to->source[0] == '\0')
		return 0;
	a = look_up(to->source, 0, &error);
	if (!a)
		return hm_error_set(err, -EINVAL, 0,
				    "source \"%s\" is not a numeric IPv4 or IPv6 address (%s)",
				    to->source, gai_strerror(error));
	error = a->ai_family == family;
	freeaddrinfo(a);
	return error ? 0
		     : hm_error_set(err, -EINVAL, 0,
				    "source \"%s\" and host \"%s\" are of different IP versions",
				    to->source, to->host);
}

static int bind_source(int fd, const char *source)
{
	int error;
	struct addrinfo *a = look_up(source, 0, &error);

	if (!a) {
		errno = EINVAL;
		return -1;
	}
	error = bind(fd, a->ai_addr, a->ai_addrlen);
	freeaddrinfo(a);
	return error;
}

static int open_socket(const struct addrinfo *to, const char *source)
{
	const int bytes = SEND_BUFFER, dont = IP_PMTUDISC_DONT;
	int fd = socket(to->ai_family, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);

	if (fd < 0)
		return -1;
	setsockopt(fd, SOL_SOCKET, SO_SNDBUF, &bytes, sizeof(bytes));
	if (to->ai_family == AF_INET)
		setsockopt(fd, IPPROTO_IP, IP_MTU_DISCOVER, &dont, sizeof(dont));
	else
		setsockopt(fd, IPPROTO_IPV6, IPV6_MTU_DISCOVER, &dont, sizeof(dont));
	if ((source[0] == '\0' || bind_source(fd, source) == 0) &&
	    connect(fd, to->ai_addr, to->ai_addrlen) == 0)
		return fd;
	int error = errno;
	close(fd);
	errno = error;
	return -1;
}

static struct hm_connection *open_udp(const struct hm_endpoint *to)
{
	int error;
	struct addrinfo *a = look_up(to->host, to->port, &error);
	struct hm_connection *c = NULL;

	if (!a) {
		errno = EINVAL;
		return NULL;
	}
	c = malloc(sizeof(*c));
	if (c) {
		c->fd = open_socket(a, to->source);
		if (c->fd < 0) {
			error = errno;
			free(c);
			c = NULL;
			errno = error;
		}
	}
	freeaddrinfo(a);
	return c;
}

static int send_udp(struct hm_connection *c, const struct iovec *messages, unsigned n)
{
	struct mmsghdr headers[HM_TRANSPORT_BURST];
	int sent;

	if (n > HM_TRANSPORT_BURST)
		n = HM_TRANSPORT_BURST;
	memset(headers, 0, n * sizeof(headers[0]));
	for (unsigned i = 0; i < n; i++) {
		headers[i].msg_hdr.msg_iov = (struct iovec *)&messages[i]; // only read
		headers[i].msg_hdr.msg_iovlen = 1;
	}
	do {
		sent = sendmmsg(c->fd, headers, n, MSG_DONTWAIT | MSG_NOSIGNAL);
	} while (sent < 0 && errno == EINTR);
	if (sent >= 0)
		return sent;
	return errno == EWOULDBLOCK || errno == ENOBUFS ? -EAGAIN : -errno;
}

static int error_udp(struct hm_connection *c)
{
	int error = 0;
	socklen_t length = sizeof(error);

	if (getsockopt(c->fd, SOL_SOCKET, SO_ERROR, &error, &length) < 0)
		return -errno;
	return -error;
}

static void close_udp(struct hm_connection *c)
{
	if (!c)
		return;
	close(c->fd);
	free(c);
}

const struct hm_transport hm_transport_udp = {
	.name = "udp",
	.overhead = 48,
	.check = check,
	.open = open_udp,
	.send = send_udp,
	.error = error_udp,
	.close = close_udp,
};
