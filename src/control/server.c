/* SPDX-License-Identifier: BSD-3-Clause */
/* server: see server.h. One uv_poll a client; bytes are read and written here by hand, since a
 * descriptor must travel with the first byte of its line.
 *
 * Descriptors of a client belong to the line in which its message ends that brought them: a read stops behind the
 * bytes that they came with (unix(7)), so that is where the bytes end that have been read by then.
 *
 * A client is `closing` when it has sent its last line, by its own will or because it broke a
 * limit. It goes when its answers are out, or when it has not read them for HM_CLIENT_GRACE_MS. */
#include "control/server.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdalign.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "control/restrict.h"
#include "control/rpc.h"
#include "control/socket.h"
#include "core/log.h"

#define READ_BYTES    65536 // of one client before others get their turn
#define LINES_AT_ONCE 64    // that one system call sends

HM_LOG_TYPE(server);

struct chunk {
	struct chunk *next;
	char *line;
	size_t n, sent;
	int fd; // goes with the first byte; -1: none
};

struct client {
	struct hm_peer peer;
	struct hm_server *server;
	uv_poll_t poll;
	uv_timer_t grace;
	int sock;
	unsigned handles; // libuv's that are not closed yet
	int events;       // that poll waits for
	bool busy;        // in on_ready(): answers go out at its end
	bool closing, broken, gone;
	char *in; // a line that is not complete: `used` bytes in `room`
	size_t used, room;
	struct hm_handed_list handed; // came with the line that is not complete
	struct chunk *out, **out_end;
	size_t unread; // bytes in `out`
};

struct hm_server {
	struct hm_control *control;
	struct hm_socket listener;
	uv_poll_t accept;
	char *path;
	int spare; // descriptor given up for a moment to refuse clients when none is left
	uint64_t last_client;
	unsigned n_clients, handles;
	bool closed;
};

static void free_server(struct hm_server *s)
{
	if (!s->closed || s->n_clients > 0 || s->handles > 0)
		return;
	if (s->spare >= 0)
		close(s->spare);
	free(s->path);
	free(s);
}

/* --- the end of a client --- */

static void free_client(uv_handle_t *h)
{
	struct client *c = h->data;
	if (--c->handles > 0)
		return;
	close(c->sock);
	while (c->out) {
		struct chunk *k = c->out;
		c->out = k->next;
		if (k->fd >= 0)
			close(k->fd);
		free(k->line);
		free(k);
	}
	c->server->n_clients--;
	free_server(c->server);
	hm_handed_clear(&c->handed);
	free(c->in);
	free(c);
}

static void drop_client(struct client *c)
{
	if (c->gone)
		return;
	c->gone = true;
	hm_peer_gone(&c->peer);
	uv_close((uv_handle_t *)&c->poll, free_client);
	uv_close((uv_handle_t *)&c->grace, free_client);
}

static void on_ready(uv_poll_t *poll, int status, int events);

/* Waits for what is needed next, or lets the client go. */
static void settle(struct client *c)
{
	bool served = c->closing && !c->out && c->peer.n_calls == 0;
	if (c->gone)
		return;
	if (c->broken || served) {
		drop_client(c);
		return;
	}
	// PRIORITIZED never comes by itself: what is left then is the end of the other side
	int events = (c->closing ? UV_PRIORITIZED : UV_READABLE) | (c->out ? UV_WRITABLE : 0);
	if (events == c->events)
		return;
	c->events = events;
	uv_poll_start(&c->poll, events, on_ready);
}

/* Lets on_ready() see to a client soon. What is called from inside the engine must do no more: a
 * client that goes closes its flows. */
static void wake(struct client *c)
{
	if (c->busy || c->gone)
		return;
	c->events |= UV_WRITABLE;
	uv_poll_start(&c->poll, c->events, on_ready);
}

static void on_grace(uv_timer_t *t)
{
	struct client *c = t->data;
	if (c->out) { // has not read for all that time
		drop_client(c);
		return;
	}
	uv_timer_start(t, on_grace, HM_CLIENT_GRACE_MS, 0);
	settle(c);
}

static void close_client(struct hm_peer *p)
{
	struct client *c = (struct client *)p; // its first member
	if (c->closing)
		return;
	c->closing = true;
	uv_timer_start(&c->grace, on_grace, HM_CLIENT_GRACE_MS, 0);
	wake(c);
}

/* --- writing --- */

static void append(struct client *c, struct chunk *k)
{
	*c->out_end = k;
	c->out_end = &k->next;
	c->unread += k->n;
}

static void send_line(struct hm_peer *p, char *line, size_t n, int fd)
{
	struct client *c = (struct client *)p;
	struct chunk *k = c->broken ? NULL : calloc(1, sizeof(*k));
	if (!k) {
		free(line);
		if (fd >= 0)
			close(fd);
		c->broken = true;
		wake(c);
		return;
	}
	*k = (struct chunk){.line = line, .n = n, .fd = fd};
	bool full = c->unread > HM_CLIENT_UNREAD_MAX && !c->closing;
	append(c, k);
	if (full) {
		HM_LOG(WARNING, "client does not read its answers, closing uid=%u unread=%zu",
		       p->owner.uid, c->unread);
		c->closing = true; // first, since the breach is sent through here
		hm_peer_breach(p, HM_RPC_LIMIT, "more than %u bytes of answers wait to be read",
			       HM_CLIENT_UNREAD_MAX);
		uv_timer_start(&c->grace, on_grace, HM_CLIENT_GRACE_MS, 0);
	}
	wake(c);
}

/* As many lines as one message may have. One with a descriptor goes alone: it comes with the first byte. */
static ssize_t write_lines(struct client *c)
{
	alignas(struct cmsghdr) char control[CMSG_SPACE(sizeof(int))] = {0};
	struct iovec v[LINES_AT_ONCE];
	struct msghdr m = {.msg_iov = v};
	int fd = c->out->fd;
	for (struct chunk *k = c->out; k && m.msg_iovlen < LINES_AT_ONCE; k = k->next) {
		if (k != c->out && (fd >= 0 || k->fd >= 0))
			break;
		v[m.msg_iovlen++] =
			(struct iovec){.iov_base = k->line + k->sent, .iov_len = k->n - k->sent};
	}
	if (fd >= 0) {
		m.msg_control = control;
		m.msg_controllen = sizeof(control);
		struct cmsghdr *h = CMSG_FIRSTHDR(&m);
		h->cmsg_level = SOL_SOCKET;
		h->cmsg_type = SCM_RIGHTS;
		h->cmsg_len = CMSG_LEN(sizeof(int));
		memcpy(CMSG_DATA(h), &fd, sizeof(int));
	}
	return sendmsg(c->sock, &m, MSG_NOSIGNAL | MSG_DONTWAIT);
}

/* Lets go of n bytes that are on their way. */
static void forget_sent(struct client *c, size_t n)
{
	if (c->out->fd >= 0)
		close(c->out->fd);
	c->out->fd = -1;
	c->unread -= n;
	while (c->out && n >= c->out->n - c->out->sent) {
		struct chunk *k = c->out;
		n -= k->n - k->sent;
		c->out = k->next;
		free(k->line);
		free(k);
	}
	if (c->out)
		c->out->sent += n;
	else
		c->out_end = &c->out;
}

static void flush(struct client *c)
{
	while (c->out && !c->broken) {
		ssize_t n = write_lines(c);
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0) {
			c->broken = errno != EAGAIN && errno != EWOULDBLOCK;
			return;
		}
		forget_sent(c, (size_t)n);
		if (c->closing)
			uv_timer_start(&c->grace, on_grace, HM_CLIENT_GRACE_MS, 0);
	}
}

/* --- reading --- */

/* Takes what came with the bytes just read. False: not all of it has arrived. */
static bool take_handed(struct client *c, struct msghdr *m, struct hm_handed_list *arrived)
{
	bool all = !(m->msg_flags & MSG_CTRUNC);
	for (struct cmsghdr *h = CMSG_FIRSTHDR(m); h; h = CMSG_NXTHDR(m, h)) {
		if (h->cmsg_level != SOL_SOCKET || h->cmsg_type != SCM_RIGHTS)
			continue;
		for (size_t i = 0; i < (h->cmsg_len - CMSG_LEN(0)) / sizeof(int); i++) {
			int fd;
			memcpy(&fd, CMSG_DATA(h) + i * sizeof(int), sizeof(int));
			struct hm_handed_list one = {.n = 1, .at = {hm_handed_create(fd, c->sock)}};
			all &= one.at[0] && hm_handed_move(arrived, &one);
		}
	}
	return all;
}

static void breach_handed(struct client *c)
{
	hm_peer_breach(&c->peer, HM_RPC_LIMIT,
		       "not all descriptors have arrived: a line brings at most %u, and the daemon "
		       "may have too many open",
		       HM_HANDED_MAX);
}

/* Serves a line; what came with it belongs to it alone. */
static void serve_line(struct client *c, const char *line, size_t n)
{
	hm_handed_move(&c->peer.handed, &c->handed);
	if (n > 0)
		hm_peer_line(&c->peer, line, n);
	hm_handed_clear(&c->peer.handed);
}

/* Serves the complete lines of c->in; what is left over moves to its front. What arrived last belongs to the line
 * with the last byte. */
static void serve_lines(struct client *c, size_t scanned, struct hm_handed_list *arrived)
{
	size_t start = 0, max = c->peer.control->config->control.max_line_bytes;
	char *end;
	while (!c->closing && (end = memchr(c->in + scanned, '\n', c->used - scanned))) {
		size_t n = (size_t)(end - c->in) - start;
		scanned = start + n + 1;
		if (n > max)
			break;
		if (scanned == c->used && !hm_handed_move(&c->handed, arrived)) {
			breach_handed(c);
			break;
		}
		serve_line(c, c->in + start, n);
		start = scanned;
	}
	c->used -= start;
	memmove(c->in, c->in + start, c->used);
	if (!hm_handed_move(&c->handed, arrived) && !c->closing)
		breach_handed(c);
	if (c->used > max && !c->closing)
		hm_peer_breach(&c->peer, HM_RPC_LIMIT,
			       "the line is longer than %zu bytes (control.max_line_bytes)", max);
}

/* The peer has sent everything; a last line without newline counts. */
static void read_end(struct client *c)
{
	serve_line(c, c->in, c->used);
	c->used = 0;
	close_client(&c->peer);
}

static bool make_room(struct client *c)
{
	if (c->room - c->used >= READ_BYTES)
		return true;
	size_t room = c->room ? 2 * c->room : (size_t)2 * READ_BYTES;
	char *in = realloc(c->in, room);
	if (!in)
		return false;
	c->in = in;
	c->room = room;
	return true;
}

static void read_some(struct client *c)
{
	if (!make_room(c)) {
		c->broken = true;
		return;
	}
	alignas(struct cmsghdr) char control[CMSG_SPACE(HM_HANDED_MAX * sizeof(int))];
	struct iovec v = {.iov_base = c->in + c->used, .iov_len = READ_BYTES};
	struct msghdr m = {.msg_iov = &v,
			   .msg_iovlen = 1,
			   .msg_control = control,
			   .msg_controllen = sizeof(control)};
	struct hm_handed_list arrived = {0};
	ssize_t n = recvmsg(c->sock, &m, MSG_DONTWAIT | MSG_CMSG_CLOEXEC);
	if (n > 0 && !take_handed(c, &m, &arrived)) {
		hm_handed_clear(&arrived);
		breach_handed(c);
	} else if (n > 0) {
		size_t scanned = c->used;
		c->used += (size_t)n;
		serve_lines(c, scanned, &arrived);
		if (c->used == 0 && c->room > 2 * READ_BYTES) {
			free(c->in);
			c->in = NULL;
			c->room = 0;
		}
	} else if (n == 0) {
		read_end(c);
	} else if (errno != EAGAIN && errno != EWOULDBLOCK && errno != EINTR) {
		c->broken = true;
	}
}

/* Whether nobody is there any more, as against one that has only sent all it has to send. */
static bool hung_up(const struct client *c)
{
	struct pollfd p = {.fd = c->sock};
	return poll(&p, 1, 0) > 0 && (p.revents & (POLLHUP | POLLERR));
}

static void on_ready(uv_poll_t *poll, int status, int events)
{
	struct client *c = poll->data;
	c->busy = true;
	if (status < 0)
		c->broken = true;
	else if ((events & UV_READABLE) && !c->closing)
		read_some(c);
	flush(c);
	c->broken |= c->closing && hung_up(c);
	c->busy = false;
	settle(c);
}

/* --- accepting --- */

/* Who is there, as the kernel says. */
static enum hm_role identify(struct client *c)
{
	struct ucred who;
	static gid_t groups[NGROUPS_MAX + 1]; // one thread serves all
	socklen_t n = sizeof(who), n_groups = NGROUPS_MAX * sizeof(gid_t);
	if (getsockopt(c->sock, SOL_SOCKET, SO_PEERCRED, &who, &n) < 0)
		return HM_ROLE_NONE;
	if (getsockopt(c->sock, SOL_SOCKET, SO_PEERGROUPS, groups, &n_groups) < 0)
		return HM_ROLE_NONE; // a group may mean that it has a policy
	groups[n_groups / sizeof(gid_t)] = who.gid;
	enum hm_role role =
		hm_roles_of(&c->peer.control->roles, who.uid, groups, n_groups / sizeof(gid_t) + 1);
	c->peer.owner = (struct hm_owner){.uid = who.uid,
					  .administrator = role == HM_ROLE_ADMINISTRATOR,
					  .client = ++c->server->last_client};
	if (!hm_peer_set_groups(&c->peer, groups, n_groups / sizeof(gid_t) + 1))
		return HM_ROLE_NONE;
	return role;
}

static void greet(struct client *c)
{
	const struct hm_control_config *conf = &c->peer.control->config->control;
	if (identify(c) == HM_ROLE_NONE)
		hm_peer_breach(&c->peer, HM_RPC_RIGHTS,
			       "user %u is neither in control.readers nor in "
			       "control.administrators of the configuration",
			       c->peer.owner.uid);
	else if (c->server->n_clients > conf->max_clients)
		hm_peer_breach(&c->peer, HM_RPC_LIMIT,
			       "%u clients are connected already (control.max_clients)",
			       conf->max_clients);
}

static void add_client(struct hm_server *s, int sock)
{
	struct client *c = calloc(1, sizeof(*c));
	if (!c || uv_poll_init(s->control->loop, &c->poll, sock) < 0) {
		close(sock);
		free(c);
		return;
	}
	uv_timer_init(s->control->loop, &c->grace);
	c->poll.data = c->grace.data = c;
	c->handles = 2;
	c->server = s;
	c->sock = sock;
	c->out_end = &c->out;
	c->peer.send = send_line;
	c->peer.close = close_client;
	s->n_clients++;
	hm_peer_open(&c->peer, s->control);
	c->busy = true;
	greet(c);
	flush(c);
	c->busy = false;
	settle(c);
}

static void on_accept(uv_poll_t *poll, int status, int events)
{
	struct hm_server *s = poll->data;
	for (int i = 0; i < 64; i++) {
		int sock = accept4(s->listener.fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
		if (sock >= 0) {
			add_client(s, sock);
		} else if ((errno == EMFILE || errno == ENFILE) && s->spare >= 0) {
			close(s->spare); // take the client just to close it: it must not wait
			sock = accept(s->listener.fd, NULL, NULL);
			if (sock >= 0)
				close(sock);
			s->spare = open("/dev/null", O_RDONLY | O_CLOEXEC);
			HM_LOG(ERR, "no file descriptor left, client refused clients=%u",
			       s->n_clients);
		} else if (errno != EINTR && errno != ECONNABORTED) {
			return;
		}
	}
}

/* --- the server --- */

struct hm_server *hm_server_create(struct hm_control *control, struct hm_error *err)
{
	const struct hm_control_config *conf = &control->config->control;
	struct hm_server *s = calloc(1, sizeof(*s));
	if (!s || !(s->path = strdup(conf->socket))) {
		hm_error_set(err, -ENOMEM, 3084, "out of memory");
		free(s);
		return NULL;
	}
	s->control = control;
	s->spare = -1;
	if (hm_socket_listen(&s->listener, s->path, conf->mode, err) < 0)
		goto fail;
	int done = uv_poll_init(control->loop, &s->accept, s->listener.fd);
	if (done < 0) {
		hm_error_set(err, done, 0, "control socket %s: %s", s->path, uv_strerror(done));
		hm_socket_close(&s->listener, s->path);
		goto fail;
	}
	s->spare = open("/dev/null", O_RDONLY | O_CLOEXEC);
	s->handles = 1;
	s->accept.data = s;
	uv_poll_start(&s->accept, UV_READABLE, on_accept);
	return s;
fail:
	free(s->path);
	free(s);
	return NULL;
}

static void on_listener_closed(uv_handle_t *h)
{
	struct hm_server *s = h->data;
	hm_socket_close(&s->listener, s->path);
	s->handles--;
	free_server(s);
}

void hm_server_close(struct hm_server *s)
{
	s->closed = true;
	for (struct hm_peer *p = s->control->peers, *next; p; p = next) {
		struct client *c = (struct client *)p;
		next = p->next;
		flush(c);
		drop_client(c);
	}
	uv_close((uv_handle_t *)&s->accept, on_listener_closed);
}
