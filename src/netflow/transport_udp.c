/* SPDX-License-Identifier: BSD-3-Clause */
/* UDP: a connected, non-blocking socket, so that the kernel tells when the collector's port is
 * closed. Messages are made for the path's MTU; those that are longer, since it has become smaller, are fragmented rather
 * than refused. A multicast group is a collector like any other; it leaves by the interface of the source address, or of the scope. */
#include <errno.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "netflow/transport.h"

struct hm_connection {
	int fd;
};

static void set_options(int fd, const struct addrinfo *to, const struct hm_endpoint *e)
{
	const int dont = IP_PMTUDISC_DONT, ttl = (int)e->multicast_ttl;
	struct sockaddr_in source;
	socklen_t length = sizeof(source);

	if (to->ai_family == AF_INET6) {
		setsockopt(fd, IPPROTO_IPV6, IPV6_MTU_DISCOVER, &dont, sizeof(dont));
		setsockopt(fd, IPPROTO_IPV6, IPV6_MULTICAST_HOPS, &ttl, sizeof(ttl));
		return;
	}
	setsockopt(fd, IPPROTO_IP, IP_MTU_DISCOVER, &dont, sizeof(dont));
	setsockopt(fd, IPPROTO_IP, IP_MULTICAST_TTL, &ttl, sizeof(ttl));
	if (e->source[0] != '\0' && getsockname(fd, (struct sockaddr *)&source, &length) == 0)
		setsockopt(fd, IPPROTO_IP, IP_MULTICAST_IF, &source.sin_addr,
			   sizeof(source.sin_addr));
}

static int open_socket(const struct addrinfo *to, const struct hm_endpoint *e)
{
	int fd = hm_endpoint_socket(to, SOCK_DGRAM, e->source), error;

	if (fd < 0)
		return -1;
	set_options(fd, to, e);
	if (connect(fd, to->ai_addr, to->ai_addrlen) == 0)
		return fd;
	error = errno;
	close(fd);
	errno = error;
	return -1;
}

static struct hm_connection *open_udp(const struct hm_endpoint *to)
{
	int error;
	struct addrinfo *a = hm_endpoint_address(to->host, to->port, &error);
	struct hm_connection *c = NULL;

	if (!a) {
		errno = EINVAL;
		return NULL;
	}
	c = malloc(sizeof(*c));
	if (c) {
		c->fd = open_socket(a, to);
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

static uint64_t pending_udp(struct hm_connection *c)
{
	(void)c;
	return 0;
}

static bool flush_udp(struct hm_connection *c)
{
	(void)c;
	return true;
}

static uint32_t path_mtu_udp(const struct hm_connection *c)
{
	int mtu = 0, domain = AF_INET;
	socklen_t length = sizeof(domain);

	getsockopt(c->fd, SOL_SOCKET, SO_DOMAIN, &domain, &length);
	length = sizeof(mtu);
	if (domain == AF_INET6)
		getsockopt(c->fd, IPPROTO_IPV6, IPV6_MTU, &mtu, &length);
	else
		getsockopt(c->fd, IPPROTO_IP, IP_MTU, &mtu, &length);
	return mtu > 0 ? (uint32_t)mtu : 0;
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
	.forgiving = true,
	.check = hm_endpoint_check,
	.open = open_udp,
	.send = send_udp,
	.error = error_udp,
	.pending = pending_udp,
	.flush = flush_udp,
	.path_mtu = path_mtu_udp,
	.close = close_udp,
};
