/* SPDX-License-Identifier: BSD-3-Clause */
#include "netflow/relay.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

/* --- control core --- */

/* Signals are for others: a file that is too large for its limit is an error here, not an end. */
static int start_thread(pthread_t *thread, void *(*run)(void *arg), void *arg)
{
	sigset_t all, before;
	int r;

	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &before);
	r = pthread_create(thread, NULL, run, arg);
	pthread_sigmask(SIG_SETMASK, &before, NULL);
	return -r;
}

int hm_relay_start(struct hm_relay *o, void *(*run)(void *arg), void *arg)
{
	int r;

	memset(o, 0, sizeof(*o));
	o->ring = malloc(HM_RELAY_BYTES);
	if (!o->ring)
		return -ENOMEM;
	o->wake = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
	r = o->wake < 0 ? -errno : start_thread(&o->thread, run, arg);
	if (r == 0)
		return 0;
	if (o->wake >= 0)
		close(o->wake);
	free(o->ring);
	return r;
}

void hm_relay_nudge(struct hm_relay *o)
{
	const uint64_t one = 1;

	if (write(o->wake, &one, sizeof(one)) < 0)
		return; // it counts to its end: then the thread is awake
}

void hm_relay_stop(struct hm_relay *o)
{
	__atomic_store_n(&o->stop, true, __ATOMIC_SEQ_CST);
	hm_relay_nudge(o);
	pthread_join(o->thread, NULL);
	close(o->wake);
	free(o->ring);
}

/* Bytes of the ring from `at`, which may be in two pieces. */
static void pieces(const struct hm_relay *o, uint64_t at, uint64_t n, struct iovec v[2])
{
	uint32_t from = (uint32_t)at & (HM_RELAY_BYTES - 1);
	uint64_t here = HM_RELAY_BYTES - from < n ? HM_RELAY_BYTES - from : n;

	v[0] = (struct iovec){.iov_base = o->ring + from, .iov_len = here};
	v[1] = (struct iovec){.iov_base = o->ring, .iov_len = n - here};
}

static uint64_t write_at(struct hm_relay *o, uint64_t at, const struct iovec *part)
{
	struct iovec v[2];

	pieces(o, at, part->iov_len, v);
	memcpy(v[0].iov_base, part->iov_base, v[0].iov_len);
	memcpy(v[1].iov_base, (const uint8_t *)part->iov_base + v[0].iov_len, v[1].iov_len);
	return at + part->iov_len;
}

static void publish(struct hm_relay *o, uint64_t at)
{
	__atomic_store_n(&o->written, at, __ATOMIC_SEQ_CST); // wait() and look()
	if (__atomic_load_n(&o->asleep, __ATOMIC_SEQ_CST))
		hm_relay_nudge(o);
}

int hm_relay_put(struct hm_relay *o, const struct iovec *messages, unsigned n)
{
	uint64_t read = __atomic_load_n(&o->read, __ATOMIC_ACQUIRE), at = o->written; // took()
	int error = hm_relay_error(o);
	unsigned taken = 0;

	if (error != 0)
		return error;
	for (; taken < n && HM_RELAY_BYTES - (at - read) >= messages[taken].iov_len; taken++)
		at = write_at(o, at, &messages[taken]);
	if (taken == 0)
		return n > 0 ? -EAGAIN : 0;
	publish(o, at);
	return (int)taken;
}

void hm_relay_put_whole(struct hm_relay *o, const struct iovec *parts, unsigned n)
{
	uint64_t at = o->written;

	for (unsigned i = 0; i < n; i++)
		at = write_at(o, at, &parts[i]);
	publish(o, at);
}

bool hm_relay_room(const struct hm_relay *o, uint64_t bytes)
{
	return HM_RELAY_BYTES - hm_relay_pending(o) >= bytes;
}

uint64_t hm_relay_pending(const struct hm_relay *o)
{
	return o->written - __atomic_load_n(&o->read, __ATOMIC_ACQUIRE);
}

int hm_relay_error(const struct hm_relay *o)
{
	return __atomic_load_n(&o->error, __ATOMIC_ACQUIRE); // fail()
}

/* --- the thread --- */

uint64_t hm_relay_look(const struct hm_relay *o, struct iovec v[2])
{
	uint64_t n = __atomic_load_n(&o->written, __ATOMIC_ACQUIRE) - o->read;

	pieces(o, o->read, n, v);
	return n;
}

void hm_relay_took(struct hm_relay *o, uint64_t bytes)
{
	__atomic_store_n(&o->read, o->read + bytes, __ATOMIC_RELEASE); // put()
}

void hm_relay_fail(struct hm_relay *o, int error)
{
	__atomic_store_n(&o->error, error, __ATOMIC_RELEASE);
}

bool hm_relay_stopping(const struct hm_relay *o)
{
	return __atomic_load_n(&o->stop, __ATOMIC_ACQUIRE);
}

int hm_relay_wait(struct hm_relay *o, uint64_t known, int fd, int events, int timeout_ms)
{
	struct pollfd p[2] = {{.fd = o->wake, .events = POLLIN},
			      {.fd = fd, .events = (short)events}};
	uint64_t count;

	// whoever puts something sees the flag, or what was put is seen here
	__atomic_store_n(&o->asleep, true, __ATOMIC_SEQ_CST);
	if (__atomic_load_n(&o->written, __ATOMIC_SEQ_CST) == o->read + known)
		poll(p, 2, hm_relay_stopping(o) ? 0 : timeout_ms);
	__atomic_store_n(&o->asleep, false, __ATOMIC_RELAXED);
	if ((p[0].revents & POLLIN) && read(o->wake, &count, sizeof(count)) < 0)
		return 0;
	return p[1].revents;
}
