/* SPDX-License-Identifier: BSD-3-Clause */
/* endpoint: what transports over IP have in common: numeric addresses, and a socket with its source.
 */
#include <errno.h>
#include <netinet/in.h>
#include <stdio.h>
#include <sys/socket.h>
#include <unistd.h>

#include "netflow/transport.h"

#define SEND_BUFFER (1 << 20) // bytes; the kernel gives what it allows

struct addrinfo *hm_endpoint_address(const char *host, uint16_t port, int *error)
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

int hm_endpoint_check(const struct hm_endpoint *to, struct hm_error *err)
{
	int error, family;
	struct addrinfo *a = hm_endpoint_address(to->host, to->port, &error);

	if (!a)
		return hm_error_set(err, -EINVAL, 0,
				    "\"%s\" is not a numeric IPv4 or IPv6 address (%s)", to->host,
				    gai_strerror(error));
	family = a->ai_family;
	freeaddrinfo(a);
	if (to->source[0] == '\0')
		return 0;
	a = hm_endpoint_address(to->source, 0, &error);
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
	struct addrinfo *a = hm_endpoint_address(source, 0, &error);

	if (!a) {
		errno = EINVAL;
		return -1;
	}
	error = bind(fd, a->ai_addr, a->ai_addrlen);
	freeaddrinfo(a);
	return error;
}

int hm_endpoint_socket(const struct addrinfo *to, int type, const char *source)
{
	const int bytes = SEND_BUFFER;
	int fd = socket(to->ai_family, type | SOCK_NONBLOCK | SOCK_CLOEXEC, 0), error;

	if (fd < 0)
		return -1;
	setsockopt(fd, SOL_SOCKET, SO_SNDBUF, &bytes, sizeof(bytes));
	if (source[0] == '\0' || bind_source(fd, source) == 0)
		return fd;
	error = errno;
	close(fd);
	errno = error;
	return -1;
}
