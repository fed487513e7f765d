/* SPDX-License-Identifier: BSD-3-Clause */
/* TLS over TCP and DTLS over UDP, RFC 7011 section 11: a thread of its own connects, shakes hands,
 * encrypts and writes, since each of these takes milliseconds that the control core does not have.
 * Nothing is taken before both sides have shown their certificates. Over DTLS a message is a record. */
#include <errno.h>
#include <linux/sockios.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <openssl/err.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "netflow/relay.h"
#include "netflow/tls.h"
#include "netflow/transport.h"

#define LOOK_MS       1000  // between two looks at the files
#define HANDSHAKE_MTU 1200  // datagrams of the handshake, with their UDP and IP headers
#define RECORD_MAX    16384 // bytes of a TLS record
#define LENGTH_OFFSET 2     // of an IPFIX message's length in its header
#define DTLS_OVERHEAD 125   // IPv6 and UDP 48, record header 13, the longest of all ciphers 64

struct hm_connection {
	struct hm_relay relay;
	const struct hm_endpoint *to; // the exporter's
	bool datagrams;
	// the thread's
	int fd;
	SSL_CTX *ctx;
	SSL *ssl;
	struct hm_tls_stamp stamp;
	time_t since, looked;   // of CLOCK_MONOTONIC
	char why[HM_ERROR_MAX]; // written before the error is told
	// the thread's, read by the control core
	bool ready; // both sides know each other
	bool stale;
};

/* --- the thread --- */

static int wait_for_connection(struct hm_connection *c)
{
	int error = 0;
	socklen_t length = sizeof(error);

	while (!hm_relay_wait(&c->relay, 0, c->fd, POLLOUT, LOOK_MS))
		if (hm_relay_stopping(&c->relay))
			return -ECANCELED;
	if (getsockopt(c->fd, SOL_SOCKET, SO_ERROR, &error, &length) < 0)
		error = errno;
	return -error;
}

static int connect_socket(struct hm_connection *c)
{
	const int on = 1;
	int error, type = c->datagrams ? SOCK_DGRAM : SOCK_STREAM;
	struct addrinfo *a = hm_endpoint_address(c->to->host, c->to->port, &error);

	if (!a)
		return -EINVAL;
	c->fd = hm_endpoint_socket(a, type, c->to->source);
	error = c->fd < 0 ? errno : 0;
	if (error == 0 && !c->datagrams) {
		setsockopt(c->fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
		setsockopt(c->fd, SOL_SOCKET, SO_KEEPALIVE, &on, sizeof(on));
	}
	if (error == 0 && connect(c->fd, a->ai_addr, a->ai_addrlen) < 0 && errno != EINPROGRESS)
		error = errno;
	freeaddrinfo(a);
	return error != 0 || c->datagrams ? -error : wait_for_connection(c);
}

static int prepare(struct hm_connection *c)
{
	struct hm_error err;
	BIO *bio;

	c->ctx = hm_tls_context(&c->to->tls, c->datagrams, &c->stamp, &err);
	if (!c->ctx) {
		snprintf(c->why, sizeof(c->why), "%s", err.text);
		return -EKEYREJECTED;
	}
	c->ssl = SSL_new(c->ctx);
	bio = c->datagrams ? BIO_new_dgram(c->fd, BIO_NOCLOSE) : BIO_new_socket(c->fd, BIO_NOCLOSE);
	if (!c->ssl || !bio || !hm_tls_expect(c->ssl, &c->to->tls, c->to->host)) {
		BIO_free(bio);
		return -ENOMEM;
	}
	SSL_set_bio(c->ssl, bio, bio);
	SSL_set_connect_state(c->ssl);
	if (c->datagrams) {
		struct sockaddr_storage peer;
		socklen_t length = sizeof(peer);
		if (getpeername(c->fd, (struct sockaddr *)&peer, &length) == 0)
			BIO_ctrl(bio, BIO_CTRL_DGRAM_SET_CONNECTED, 0, &peer);
		SSL_set_options(c->ssl, SSL_OP_NO_QUERY_MTU);
		DTLS_set_link_mtu(c->ssl, HANDSHAKE_MTU);
	}
	return 0;
}

/* Why a call did not succeed: 0: it wants to wait, with the events; else a negative errno. */
static int verdict(struct hm_connection *c, int result, int *events)
{
	int error = errno, what = SSL_get_error(c->ssl, result);

	*events = what == SSL_ERROR_WANT_WRITE ? POLLOUT : POLLIN;
	if (what == SSL_ERROR_WANT_READ || what == SSL_ERROR_WANT_WRITE) {
		ERR_clear_error();
		return 0;
	}
	if (what == SSL_ERROR_ZERO_RETURN)
		return -EPIPE;
	if (what == SSL_ERROR_SYSCALL && ERR_peek_error() == 0)
		return error != 0 ? -error : -ECONNRESET;
	hm_tls_reason(c->ssl, c->why, sizeof(c->why));
	return SSL_get_verify_result(c->ssl) != X509_V_OK ? -EKEYREJECTED : -EPROTO;
}

/* How long to wait: until a datagram of the handshake is to be sent again. */
static int retry_ms(struct hm_connection *c)
{
	struct timeval left;

	if (!c->datagrams || DTLSv1_get_timeout(c->ssl, &left) != 1)
		return LOOK_MS;
	return (int)(left.tv_sec * 1000 + left.tv_usec / 1000) + 1;
}

static int shake_hands(struct hm_connection *c)
{
	while (!hm_relay_stopping(&c->relay)) {
		int events, r;
		errno = 0;
		r = SSL_do_handshake(c->ssl);
		if (r == 1)
			return 0;
		r = verdict(c, r, &events);
		if (r < 0)
			return r;
		if (!hm_relay_wait(&c->relay, 0, c->fd, events, retry_ms(c)) && c->datagrams)
			DTLSv1_handle_timeout(c->ssl);
	}
	return -ECANCELED;
}

/* Bytes that one call may send: what a record holds, or just one message. A message may lie in two
 * pieces of the ring; `whole` has room to put it together. */
static const uint8_t *next_bytes(const struct hm_connection *c, const struct iovec v[2],
				 uint8_t *whole, size_t *n)
{
	uint8_t length[2];

	*n = v[0].iov_len;
	if (!c->datagrams) {
		if (*n > RECORD_MAX)
			*n = RECORD_MAX;
		return v[0].iov_base;
	}
	for (unsigned i = 0; i < 2; i++) {
		size_t at = LENGTH_OFFSET + i;
		length[i] = at < v[0].iov_len ? ((const uint8_t *)v[0].iov_base)[at]
					      : ((const uint8_t *)v[1].iov_base)[at - v[0].iov_len];
	}
	*n = (size_t)length[0] << 8 | length[1];
	if (*n <= v[0].iov_len)
		return v[0].iov_base;
	memcpy(whole, v[0].iov_base, v[0].iov_len);
	memcpy(whole + v[0].iov_len, v[1].iov_base, *n - v[0].iov_len);
	return whole;
}

/* Sends what there is. 0: nothing more can be done now, wait for the events. */
static int write_some(struct hm_connection *c, uint64_t *left, int *events)
{
	uint8_t whole[UINT16_MAX];
	struct iovec v[2];

	*events = POLLIN;
	while ((*left = hm_relay_look(&c->relay, v)) > 0 && !hm_relay_stopping(&c->relay)) {
		size_t n;
		const uint8_t *bytes = next_bytes(c, v, whole, &n);
		int r;
		errno = 0;
		r = SSL_write(c->ssl, bytes, (int)n);
		if (r <= 0)
			return verdict(c, r, events);
		hm_relay_took(&c->relay, c->datagrams ? n : (uint64_t)r);
	}
	return 0;
}

/* Collectors do not talk: what comes are tickets, alerts, and the end. */
static int read_some(struct hm_connection *c)
{
	uint8_t bytes[512];
	int r, events;

	do {
		errno = 0;
		r = SSL_read(c->ssl, bytes, sizeof(bytes));
	} while (r > 0);
	return verdict(c, r, &events);
}

/* In TLS 1.3 the client is ready before the server has looked at its certificate. The server's first
 * word after that are tickets, or the alert that it does not want us. Those who say nothing have a
 * second. */
static int wait_for_word(struct hm_connection *c)
{
	if (SSL_version(c->ssl) != TLS1_3_VERSION)
		return 0;
	if (!hm_relay_wait(&c->relay, 0, c->fd, POLLIN, LOOK_MS))
		return 0;
	return read_some(c);
}

static void look_at_age(struct hm_connection *c)
{
	struct timespec now;
	uint32_t most = c->to->tls.lifetime_s;

	clock_gettime(CLOCK_MONOTONIC, &now);
	if (c->since == 0)
		c->since = now.tv_sec;
	if (c->looked == now.tv_sec)
		return;
	c->looked = now.tv_sec;
	if (hm_tls_changed(&c->to->tls, &c->stamp) ||
	    (most > 0 && now.tv_sec - c->since >= (time_t)most))
		__atomic_store_n(&c->stale, true, __ATOMIC_RELAXED);
}

static int talk(struct hm_connection *c)
{
	int r = 0;

	while (r == 0 && !hm_relay_stopping(&c->relay)) {
		uint64_t left;
		int events;
		r = write_some(c, &left, &events);
		if (r < 0)
			break;
		if (hm_relay_wait(&c->relay, left, c->fd, events | POLLIN, LOOK_MS) & ~POLLOUT)
			r = read_some(c);
		look_at_age(c);
	}
	return r;
}

static void *run(void *arg)
{
	struct hm_connection *c = arg;
	int r = connect_socket(c);

	if (r == 0)
		r = prepare(c);
	if (r == 0)
		r = shake_hands(c);
	if (r == 0)
		r = wait_for_word(c);
	if (r == 0) {
		__atomic_store_n(&c->ready, true, __ATOMIC_RELEASE); // send_tls()
		r = talk(c);
	}
	if (r == 0)
		r = read_some(c); // unread bytes would make the kernel reset the connection
	if (r == 0)
		SSL_shutdown(c->ssl); // what the other side answers is not waited for
	else
		hm_relay_fail(&c->relay, r);
	ERR_clear_error();
	return NULL;
}

/* --- control core --- */

static int check(const struct hm_endpoint *to, bool datagrams, struct hm_error *err)
{
	struct hm_tls_stamp stamp;
	SSL_CTX *ctx;

	if (hm_endpoint_check(to, err) < 0)
		return -EINVAL;
	if (to->tls.name[0] == '\0' && strchr(to->host, '%'))
		return hm_error_set(err, -EINVAL, 0,
				    "tls.name is missing: no certificate can have the address "
				    "\"%s\"",
				    to->host);
	ctx = hm_tls_context(&to->tls, datagrams, &stamp, err);
	SSL_CTX_free(ctx);
	return ctx ? 0 : -EINVAL;
}

static int check_tls(const struct hm_endpoint *to, struct hm_error *err)
{
	return check(to, false, err);
}

static int check_dtls(const struct hm_endpoint *to, struct hm_error *err)
{
	return check(to, true, err);
}

static struct hm_connection *open_connection(const struct hm_endpoint *to, bool datagrams)
{
	struct hm_connection *c = calloc(1, sizeof(*c));
	int r;

	if (!c)
		return NULL;
	c->to = to;
	c->datagrams = datagrams;
	c->fd = -1;
	r = hm_relay_start(&c->relay, run, c);
	if (r == 0)
		return c;
	free(c);
	errno = -r;
	return NULL;
}

static struct hm_connection *open_tls(const struct hm_endpoint *to)
{
	return open_connection(to, false);
}

static struct hm_connection *open_dtls(const struct hm_endpoint *to)
{
	return open_connection(to, true);
}

static int error_tls(struct hm_connection *c)
{
	return hm_relay_error(&c->relay);
}

static int send_tls(struct hm_connection *c, const struct iovec *messages, unsigned n)
{
	int error = error_tls(c);

	if (error == 0 && !__atomic_load_n(&c->ready, __ATOMIC_ACQUIRE)) // run()
		error = -EAGAIN;
	return error != 0 ? error : hm_relay_put(&c->relay, messages, n);
}

/* In the ring, and over TCP in the kernel, where it is a little longer for its encryption. */
static uint64_t pending_tls(struct hm_connection *c)
{
	bool ready = __atomic_load_n(&c->ready, __ATOMIC_ACQUIRE); // run(): then c->fd is there
	int bytes = 0;

	if (ready && !c->datagrams && ioctl(c->fd, SIOCOUTQ, &bytes) < 0)
		bytes = 0;
	return hm_relay_pending(&c->relay) + (uint64_t)bytes;
}

static bool flush_tls(struct hm_connection *c)
{
	return hm_relay_pending(&c->relay) == 0 || error_tls(c) != 0;
}

static bool stale_tls(struct hm_connection *c)
{
	return __atomic_load_n(&c->stale, __ATOMIC_RELAXED);
}

static const char *why_tls(const struct hm_connection *c)
{
	return hm_relay_error(&c->relay) != 0 ? c->why : "";
}

static void close_tls(struct hm_connection *c)
{
	if (!c)
		return;
	hm_relay_stop(&c->relay);
	SSL_free(c->ssl);
	SSL_CTX_free(c->ctx);
	if (c->fd >= 0)
		close(c->fd);
	free(c);
}

const struct hm_transport hm_transport_tls = {
	.name = "tls",
	.stream = true,
	.secure = true,
	.check = check_tls,
	.open = open_tls,
	.send = send_tls,
	.error = error_tls,
	.pending = pending_tls,
	.flush = flush_tls,
	.stale = stale_tls,
	.why = why_tls,
	.close = close_tls,
};

const struct hm_transport hm_transport_dtls = {
	.name = "dtls",
	.overhead = DTLS_OVERHEAD,
	.secure = true,
	.check = check_dtls,
	.open = open_dtls,
	.send = send_tls,
	.error = error_tls,
	.pending = pending_tls,
	.flush = flush_tls,
	.stale = stale_tls,
	.why = why_tls,
	.close = close_tls,
};
