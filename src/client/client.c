/* SPDX-License-Identifier: BSD-3-Clause */
/* client: see client.h. One request line out, one answer line in; descriptors come as SCM_RIGHTS
 * with the first byte of their answer. */
#include "client/client.h"

#include <errno.h>
#include <poll.h>
#include <stdalign.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#define PROTOCOL    1
#define ANSWER_MAX  (256u << 20) // no answer of a sane daemon is longer
#define CHUNK       65536
#define FDS_A_CHUNK 4

struct hm_client {
	int sock;
	int fd; // received and not yet handed out, or -1
	bool lost;
	unsigned timeout_s;
	json_int_t id;
	char *in; // bytes received, `used` of `room`; the first `scanned` hold no newline
	size_t used, room, scanned;
	char path[sizeof(((struct sockaddr_un *)0)->sun_path)];
};

static uint64_t now_ms(void)
{
	struct timespec t;
	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000 + (uint64_t)t.tv_nsec / 1000000;
}

static int lose(struct hm_client *c, struct hm_error *err, const char *what)
{
	c->lost = true;
	return hm_error_set(err, -EPIPE, 5123, "%s: %s", c->path, what);
}

/* Waits for `events` until the deadline (ms, 0: none). */
static int wait_for(struct hm_client *c, short events, uint64_t deadline, struct hm_error *err)
{
	for (;;) {
		struct pollfd p = {.fd = c->sock, .events = events};
		uint64_t now = now_ms();
		int left = deadline == 0 ? -1 : deadline > now ? (int)(deadline - now) : 0;
		int n = poll(&p, 1, left);
		if (n > 0)
			return 0;
		if (n == 0)
			return lose(c, err, "no answer in time (see --timeout)");
		if (errno != EINTR)
			return lose(c, err, strerror(errno));
	}
}

static int send_all(struct hm_client *c, const char *data, size_t n, uint64_t deadline,
		    struct hm_error *err)
{
	while (n > 0) {
		ssize_t sent = send(c->sock, data, n, MSG_NOSIGNAL | MSG_DONTWAIT);
		if (sent >= 0) {
			data += sent;
			n -= (size_t)sent;
		} else if (errno == EAGAIN) {
			if (wait_for(c, POLLOUT, deadline, err) < 0)
				return -EPIPE;
		} else if (errno == EPIPE || errno == ECONNRESET) {
			return 0; // the daemon said why before it closed: read that
		} else if (errno != EINTR) {
			return lose(c, err, strerror(errno));
		}
	}
	return 0;
}

/* Keeps the newest descriptor that came with a message, closes others. */
static void take_fds(struct hm_client *c, struct msghdr *m)
{
	for (struct cmsghdr *h = CMSG_FIRSTHDR(m); h; h = CMSG_NXTHDR(m, h)) {
		if (h->cmsg_level != SOL_SOCKET || h->cmsg_type != SCM_RIGHTS)
			continue;
		size_t n = (h->cmsg_len - CMSG_LEN(0)) / sizeof(int);
		for (size_t i = 0; i < n; i++) {
			if (c->fd >= 0)
				close(c->fd);
			memcpy(&c->fd, CMSG_DATA(h) + i * sizeof(int), sizeof(int));
		}
	}
}

static int make_room(struct hm_client *c, struct hm_error *err)
{
	if (c->room - c->used >= CHUNK)
		return 0;
	size_t room = c->room ? 2 * c->room : (size_t)2 * CHUNK;
	if (room > ANSWER_MAX)
		return lose(c, err, "the answer is longer than 256 MiB");
	char *in = realloc(c->in, room);
	if (!in)
		return lose(c, err, "out of memory for the answer");
	c->in = in;
	c->room = room;
	return 0;
}

static int receive_some(struct hm_client *c, uint64_t deadline, struct hm_error *err)
{
	alignas(struct cmsghdr) char control[CMSG_SPACE(FDS_A_CHUNK * sizeof(int))];
	if (make_room(c, err) < 0)
		return -EPIPE;
	for (;;) {
		struct iovec v = {.iov_base = c->in + c->used, .iov_len = CHUNK};
		struct msghdr m = {.msg_iov = &v,
				   .msg_iovlen = 1,
				   .msg_control = control,
				   .msg_controllen = sizeof(control)};
		ssize_t n = recvmsg(c->sock, &m, MSG_DONTWAIT | MSG_CMSG_CLOEXEC);
		if (n > 0) {
			take_fds(c, &m);
			c->used += (size_t)n;
			return 0;
		}
		if (n == 0)
			return lose(c, err, "the daemon closed the connection");
		if (errno == EAGAIN) {
			if (wait_for(c, POLLIN, deadline, err) < 0)
				return -EPIPE;
		} else if (errno != EINTR) {
			return lose(c, err, strerror(errno));
		}
	}
}

/* The next line as JSON; NULL with err when the conversation is over. */
static json_t *receive_answer(struct hm_client *c, uint64_t deadline, struct hm_error *err)
{
	char *end;
	while (c->used == c->scanned ||
	       !(end = memchr(c->in + c->scanned, '\n', c->used - c->scanned))) {
		c->scanned = c->used;
		if (receive_some(c, deadline, err) < 0)
			return NULL;
	}
	json_error_t where;
	json_t *answer = json_loadb(c->in, (size_t)(end - c->in), 0, &where);
	size_t rest = c->used - (size_t)(end + 1 - c->in);
	memmove(c->in, end + 1, rest);
	c->used = rest;
	c->scanned = 0;
	if (!json_is_object(answer)) {
		json_decref(answer);
		lose(c, err, "what answers there does not speak JSON-RPC: is it homardd?");
		return NULL;
	}
	return answer;
}

/* The result in an answer, or its error as err. Takes over `answer`. */
static json_t *open_answer(json_t *answer, struct hm_error *err)
{
	json_t *result = json_object_get(answer, "result");
	json_t *error = json_object_get(answer, "error");
	if (result) {
		json_incref(result);
	} else {
		json_int_t number = 0;
		const char *text = json_string_value(json_object_get(error, "message"));
		json_t *data = json_object_get(error, "data");
		number = json_integer_value(json_object_get(data, "mapi_errno"));
		hm_error_set(err, -EREMOTEIO, (int)number, "%s",
			     text ? text : "the daemon gave no reason");
	}
	json_decref(answer);
	return result;
}

/* Waits for the answer to request `id`; an answer without id is the daemon's last word. */
static json_t *await(struct hm_client *c, json_int_t id, uint64_t deadline, struct hm_error *err)
{
	for (;;) {
		json_t *answer = receive_answer(c, deadline, err);
		if (!answer)
			return NULL;
		json_t *which = json_object_get(answer, "id");
		if (json_is_integer(which) && json_integer_value(which) != id) {
			json_decref(answer); // of a call that was given up
			continue;
		}
		if (!json_is_integer(which))
			c->lost = true;
		return open_answer(answer, err);
	}
}

json_t *hm_client_call(struct hm_client *c, const char *method, json_t *params,
		       struct hm_error *err)
{
	json_t *request =
		json_pack("{s:s, s:I, s:s}", "jsonrpc", "2.0", "id", ++c->id, "method", method);
	if (params && request)
		json_object_set_new(request, "params", params);
	else
		json_decref(params);
	char *line = request ? json_dumps(request, JSON_COMPACT) : NULL;
	json_decref(request);
	if (!line) {
		hm_error_set(err, -EINVAL, 0, "%s: a parameter is no valid UTF-8 text", method);
		return NULL;
	}
	uint64_t deadline = c->timeout_s ? now_ms() + (uint64_t)c->timeout_s * 1000 : 0;
	size_t n = strlen(line);
	line[n] = '\n'; // in the place of its end
	int sent = c->lost ? lose(c, err, "the conversation is over")
			   : send_all(c, line, n + 1, deadline, err);
	free(line);
	return sent < 0 ? NULL : await(c, c->id, deadline, err);
}

json_t *hm_client_call_fd(struct hm_client *c, const char *method, json_t *params, int *fd,
			  struct hm_error *err)
{
	json_t *result = hm_client_call(c, method, params, err);
	*fd = -1;
	if (result) {
		*fd = c->fd;
		c->fd = -1;
	}
	return result;
}

static void explain_unreachable(const char *path, int cause, struct hm_error *err)
{
	if (cause == ENOENT)
		hm_error_set(err, -cause, 5123,
			     "no control socket at %s: start homardd, or name its socket with "
			     "--socket or HOMARD_SOCKET",
			     path);
	else if (cause == ECONNREFUSED)
		hm_error_set(err, -cause, 5123,
			     "nobody answers at %s: homardd has stopped, start it again", path);
	else if (cause == EACCES)
		hm_error_set(err, -cause, 5123,
			     "no right to open %s: run as its owner or group, or change "
			     "control.mode in the configuration",
			     path);
	else
		hm_error_set(err, -cause, 5123, "cannot reach homardd at %s: %s", path,
			     strerror(cause));
}

static int connect_to(struct hm_client *c, struct hm_error *err)
{
	struct sockaddr_un a = {.sun_family = AF_UNIX};
	memcpy(a.sun_path, c->path, sizeof(a.sun_path));
	c->sock = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (c->sock < 0)
		return hm_error_set(err, -errno, 5124, "cannot make a socket: %s", strerror(errno));
	// connect() waits while the daemon has too many to accept, but not for ever
	const struct timeval patience = {.tv_sec = HM_CLIENT_TIMEOUT};
	setsockopt(c->sock, SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof(patience));
	if (connect(c->sock, (struct sockaddr *)&a, sizeof(a)) < 0) {
		explain_unreachable(c->path, errno, err);
		return -ECONNREFUSED;
	}
	return 0;
}

struct hm_client *hm_client_open(const char *socket, struct hm_error *err)
{
	if (!socket)
		socket = getenv("HOMARD_SOCKET");
	if (!socket || !socket[0])
		socket = HM_CLIENT_SOCKET;
	struct hm_client *c = calloc(1, sizeof(*c));
	if (!c) {
		hm_error_set(err, -ENOMEM, 3084, "out of memory");
		return NULL;
	}
	c->sock = c->fd = -1;
	c->timeout_s = HM_CLIENT_TIMEOUT;
	if (strlen(socket) >= sizeof(c->path)) {
		hm_error_set(err, -ENAMETOOLONG, 5124,
			     "the socket's path is longer than %zu bytes: %s", sizeof(c->path) - 1,
			     socket);
		goto fail;
	}
	memcpy(c->path, socket, strlen(socket) + 1);
	if (connect_to(c, err) < 0)
		goto fail;
	json_t *hello = hm_client_call(
		c, "hello", json_pack("{s:i, s:s}", "protocol", PROTOCOL, "client", "homardctl"),
		err);
	if (!hello)
		goto fail;
	json_decref(hello);
	return c;
fail:
	hm_client_close(c);
	return NULL;
}

void hm_client_set_timeout(struct hm_client *c, unsigned seconds)
{
	c->timeout_s = seconds;
}

const char *hm_client_socket(const struct hm_client *c)
{
	return c->path;
}

bool hm_client_lost(const struct hm_client *c)
{
	return c->lost;
}

void hm_client_close(struct hm_client *c)
{
	if (!c)
		return;
	if (c->sock >= 0)
		close(c->sock);
	if (c->fd >= 0)
		close(c->fd);
	free(c->in);
	free(c);
}
