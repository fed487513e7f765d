/* SPDX-License-Identifier: BSD-3-Clause */
/* client: see client.h. One request line out, one answer line in; descriptors travel as SCM_RIGHTS with the first
 * byte of their line.
 *
 * Every call waits for the answer with its own id. One of the threads that wait is the reader: it takes lines
 * off the socket, hands answers to whom they are for, and passes the office on when it has its own. */
#include "client/client.h"

#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <stdalign.h>
#include <stdatomic.h>
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
#define FDS_WAITING 16

/* A call that waits for its answer. */
struct waiter {
	struct waiter *next;
	json_int_t id;
	json_t *answer; // NULL: not there yet
	int fd;         // that came with it, or -1
};

struct hm_client {
	int sock;
	atomic_bool lost;
	atomic_uint timeout_s;
	size_t line_max; // of a request, as the daemon says; 0: not known yet
	_Atomic json_int_t last_id;
	pthread_mutex_t sending; // lines go out one after the other
	pthread_mutex_t lock;    // of what follows, up to the reader's
	pthread_cond_t news;     // an answer has been handed out, or the reader has gone
	bool reading;            // a thread is the reader
	struct waiter *waiters;
	struct hm_error why; // the conversation has broken
	// the reader's
	int fds[FDS_WAITING]; // received and not yet handed out
	unsigned n_fds;
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

/* Breaks the conversation. The first reason is the one that every later call is told. */
static int break_off(struct hm_client *c, struct hm_error *err, const struct hm_error *why)
{
	pthread_mutex_lock(&c->lock);
	if (!atomic_exchange(&c->lost, true))
		c->why = *why;
	if (err)
		*err = c->why;
	pthread_mutex_unlock(&c->lock);
	return -EPIPE;
}

static int lose(struct hm_client *c, struct hm_error *err, const char *what)
{
	struct hm_error why;
	hm_error_set(&why, -EPIPE, 5123, "%s: %s", c->path, what);
	return break_off(c, err, &why);
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
			return lose(c, err, "no answer in time");
		if (errno != EINTR)
			return lose(c, err, strerror(errno));
	}
}

/* One message; the descriptors go with its first byte. */
static ssize_t send_some(struct hm_client *c, const char *data, size_t n, const int *fds,
			 unsigned n_fds)
{
	alignas(struct cmsghdr) char control[CMSG_SPACE(HM_CLIENT_FDS_MAX * sizeof(int))] = {0};
	struct iovec v = {.iov_base = (void *)(uintptr_t)data, .iov_len = n};
	struct msghdr m = {.msg_iov = &v, .msg_iovlen = 1};
	if (n_fds > 0) {
		m.msg_control = control;
		m.msg_controllen = CMSG_SPACE(n_fds * sizeof(int));
		struct cmsghdr *h = CMSG_FIRSTHDR(&m);
		h->cmsg_level = SOL_SOCKET;
		h->cmsg_type = SCM_RIGHTS;
		h->cmsg_len = CMSG_LEN(n_fds * sizeof(int));
		memcpy(CMSG_DATA(h), fds, n_fds * sizeof(int));
	}
	return sendmsg(c->sock, &m, MSG_NOSIGNAL | MSG_DONTWAIT);
}

static int send_all(struct hm_client *c, const char *data, size_t n, const int *fds, unsigned n_fds,
		    uint64_t deadline, struct hm_error *err)
{
	while (n > 0) {
		ssize_t sent = send_some(c, data, n, fds, n_fds);
		if (sent >= 0) {
			data += sent;
			n -= (size_t)sent;
			n_fds = 0;
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

/* Descriptors are in the order of their lines, and each line says that it has one: several lines may be read at once, and
 * one line in several pieces. */
static void take_fds(struct hm_client *c, struct msghdr *m)
{
	for (struct cmsghdr *h = CMSG_FIRSTHDR(m); h; h = CMSG_NXTHDR(m, h)) {
		if (h->cmsg_level != SOL_SOCKET || h->cmsg_type != SCM_RIGHTS)
			continue;
		size_t n = (h->cmsg_len - CMSG_LEN(0)) / sizeof(int);
		for (size_t i = 0; i < n; i++) {
			int fd;
			memcpy(&fd, CMSG_DATA(h) + i * sizeof(int), sizeof(int));
			if (c->n_fds < FDS_WAITING)
				c->fds[c->n_fds++] = fd;
			else
				close(fd); // no sane daemon sends so many for lines that do not come
		}
	}
}

/* The descriptor of an answer, -1 if it has none. */
static int fd_of(struct hm_client *c, const json_t *answer)
{
	int fd;
	if (c->n_fds == 0 ||
	    !json_is_true(json_object_get(json_object_get(answer, "result"), "fd")))
		return -1;
	fd = c->fds[0];
	memmove(c->fds, c->fds + 1, --c->n_fds * sizeof(int));
	return fd;
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

/* Gives an answer to whom it is for; one without id is the daemon's last word, to all. */
static void hand_out(struct hm_client *c, json_t *answer)
{
	json_t *which = json_object_get(answer, "id");
	struct hm_error last = {0};
	if (!json_is_integer(which)) {
		json_decref(open_answer(answer, &last));
		break_off(c, NULL, &last);
		return;
	}
	int fd = fd_of(c, answer);
	pthread_mutex_lock(&c->lock);
	for (struct waiter *w = c->waiters; w && answer; w = w->next) {
		if (w->id != json_integer_value(which))
			continue;
		w->answer = answer;
		w->fd = fd;
		answer = NULL;
	}
	pthread_mutex_unlock(&c->lock);
	if (answer && fd >= 0)
		close(fd);
	json_decref(answer); // of a call that was given up
}

/* Reads until the waiter has its answer. The lock is held but while it reads. */
static void read_for(struct hm_client *c, const struct waiter *w, uint64_t deadline)
{
	c->reading = true;
	while (!w->answer && !atomic_load(&c->lost)) {
		pthread_mutex_unlock(&c->lock);
		json_t *answer = receive_answer(c, deadline, NULL);
		if (answer)
			hand_out(c, answer);
		pthread_mutex_lock(&c->lock);
		pthread_cond_broadcast(&c->news);
	}
	c->reading = false;
	pthread_cond_broadcast(&c->news);
}

/* False: there was no answer in time. The lock is held. */
static bool wait_news(struct hm_client *c, uint64_t deadline)
{
	const struct timespec t = {.tv_sec = (time_t)(deadline / 1000),
				   .tv_nsec = (long)(deadline % 1000) * 1000000};
	if (deadline == 0)
		return pthread_cond_wait(&c->news, &c->lock) == 0;
	return pthread_cond_clockwait(&c->news, &c->lock, CLOCK_MONOTONIC, &t) == 0;
}

/* Waits for the answer to w->id. */
static json_t *await(struct hm_client *c, struct waiter *w, uint64_t deadline, struct hm_error *err)
{
	bool in_time = true;
	pthread_mutex_lock(&c->lock);
	while (!w->answer && !atomic_load(&c->lost) && in_time) {
		if (c->reading)
			in_time = wait_news(c, deadline);
		else
			read_for(c, w, deadline);
	}
	for (struct waiter **at = &c->waiters; *at; at = &(*at)->next)
		if (*at == w) {
			*at = w->next;
			break;
		}
	pthread_mutex_unlock(&c->lock);
	if (w->answer)
		return open_answer(w->answer, err);
	lose(c, err, "no answer in time"); // unless it is lost already
	return NULL;
}

/* The request as a line with its newline; takes over params. NULL: they are no text. */
static char *write_line(json_int_t id, const char *method, json_t *params, size_t *n)
{
	json_t *request =
		json_pack("{s:s, s:I, s:s}", "jsonrpc", "2.0", "id", id, "method", method);
	if (params && request)
		json_object_set_new(request, "params", params);
	else
		json_decref(params);
	char *line = request ? json_dumps(request, JSON_COMPACT) : NULL;
	json_decref(request);
	if (line) {
		*n = strlen(line) + 1;
		line[*n - 1] = '\n'; // in the place of its end
	}
	return line;
}

json_t *hm_client_request(struct hm_client *c, const char *method, json_t *params,
			  struct hm_client_extras *x, struct hm_error *err)
{
	struct waiter w = {.id = atomic_fetch_add(&c->last_id, 1) + 1, .fd = -1};
	unsigned timeout_s = x->no_limit ? 0 : atomic_load(&c->timeout_s);
	uint64_t deadline = timeout_s ? now_ms() + (uint64_t)timeout_s * 1000 : 0;
	size_t n;
	char *line = write_line(w.id, method, params, &n);
	x->fd = -1;
	if (!line) {
		hm_error_set(err, -EINVAL, 0, "%s: a parameter is no valid UTF-8 text", method);
		return NULL;
	}
	if (c->line_max && n > c->line_max + 1) { // it would end the conversation
		free(line);
		hm_error_set(err, -EMSGSIZE, 7000,
			     "%s: the request has %zu bytes; %zu are allowed "
			     "(control.max_line_bytes)",
			     method, n - 1, c->line_max);
		return NULL;
	}
	pthread_mutex_lock(&c->lock);
	w.next = c->waiters;
	c->waiters = &w;
	pthread_mutex_unlock(&c->lock);
	pthread_mutex_lock(&c->sending);
	if (!atomic_load(&c->lost))
		send_all(c, line, n, x->send, x->n_send, deadline, NULL);
	pthread_mutex_unlock(&c->sending);
	free(line);
	json_t *result = await(c, &w, deadline, err);
	if (result)
		x->fd = w.fd;
	else if (w.fd >= 0)
		close(w.fd);
	return result;
}

json_t *hm_client_call(struct hm_client *c, const char *method, json_t *params,
		       struct hm_error *err)
{
	struct hm_client_extras x = {0};
	json_t *result = hm_client_request(c, method, params, &x, err);
	if (x.fd >= 0)
		close(x.fd); // nobody asked for it
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

struct hm_client *hm_client_open(const char *socket, const char *name, struct hm_error *err)
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
	c->sock = -1;
	pthread_mutex_init(&c->sending, NULL);
	pthread_mutex_init(&c->lock, NULL);
	pthread_cond_init(&c->news, NULL);
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
		c, "hello", json_pack("{s:i, s:s}", "protocol", PROTOCOL, "client", name), err);
	if (!hello)
		goto fail;
	c->line_max = (size_t)json_integer_value(
		json_object_get(json_object_get(hello, "limits"), "line_bytes"));
	json_decref(hello);
	return c;
fail:
	hm_client_close(c);
	return NULL;
}

void hm_client_set_timeout(struct hm_client *c, unsigned seconds)
{
	atomic_store(&c->timeout_s, seconds);
}

const char *hm_client_socket(const struct hm_client *c)
{
	return c->path;
}

bool hm_client_lost(struct hm_client *c)
{
	struct pollfd p = {.fd = c->sock, .events = POLLRDHUP};
	if (!atomic_load(&c->lost) && poll(&p, 1, 0) > 0)
		lose(c, NULL, "the daemon closed the connection");
	return atomic_load(&c->lost);
}

void hm_client_abandon(const struct hm_client *c)
{
	close(c->sock);
}

void hm_client_close(struct hm_client *c)
{
	if (!c)
		return;
	if (c->sock >= 0)
		close(c->sock);
	while (c->n_fds > 0)
		close(c->fds[--c->n_fds]);
	pthread_mutex_destroy(&c->sending);
	pthread_mutex_destroy(&c->lock);
	pthread_cond_destroy(&c->news);
	free(c->in);
	free(c);
}
