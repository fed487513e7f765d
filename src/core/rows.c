/* SPDX-License-Identifier: BSD-3-Clause */
#include "core/rows.h"

#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdalign.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#define BUFFER_BYTES 65536
#define AGAIN_NS     100000000
#define PATIENCE_NS  UINT64_C(2000000000)

struct slot {
	uint64_t n_rows;
	alignas(16) uint8_t record[];
};

struct hm_rows {
	struct hm_rows_conf conf;
	struct hm_output *output;
	char made[HM_OUTPUT_NAME_MAX];
	// the ring: positions go on for ever
	uint8_t *slots;
	uint32_t slot_size;
	alignas(64) _Atomic uint64_t put;     // worker
	_Atomic uint64_t offered, dropped;    // worker: rows
	alignas(64) _Atomic uint64_t taken;   // thread
	alignas(64) _Atomic uint64_t written; // thread: rows
	_Atomic uint64_t lost, bytes;         // thread
	pthread_t thread;
	bool started;
	pthread_mutex_t lock;
	pthread_cond_t wake;
	bool stop;                    // under the lock
	_Atomic uint64_t deadline_ns; // of trouble, once it is being closed; 0: not yet
	_Atomic int error;
	// the thread's
	int fd;
	size_t size, used, done; // of the buffer: used, and written of that
	uint64_t n_held;         // rows that end in the buffer
	uint64_t whole;          // bytes of the file up to the last whole row
	char *buffer;
};

static uint64_t now_ns(clockid_t clock)
{
	struct timespec t;

	clock_gettime(clock, &t);
	return (uint64_t)t.tv_sec * 1000000000 + (uint64_t)t.tv_nsec;
}

static void add(_Atomic uint64_t *counter, uint64_t n)
{
	atomic_store_explicit(counter, atomic_load_explicit(counter, memory_order_relaxed) + n,
			      memory_order_release); // reader: hm_rows_counts
}

/* --- the thread --- */

static void empty_buffer(struct hm_rows *r, _Atomic uint64_t *where)
{
	add(where, r->n_held);
	r->used = r->done = 0;
	r->n_held = 0;
}

static void nap(struct hm_rows *r)
{
	struct timespec until;

	clock_gettime(CLOCK_REALTIME, &until);
	until.tv_nsec += AGAIN_NS;
	if (until.tv_nsec >= 1000000000) {
		until.tv_sec++;
		until.tv_nsec -= 1000000000;
	}
	pthread_mutex_lock(&r->lock);
	if (!r->stop)
		pthread_cond_timedwait(&r->wake, &r->lock, &until);
	pthread_mutex_unlock(&r->lock);
}

static bool gives_up(const struct hm_rows *r)
{
	uint64_t deadline = atomic_load_explicit(&r->deadline_ns, memory_order_relaxed);

	return deadline && now_ns(CLOCK_MONOTONIC) > deadline;
}

/* Takes back what was written of rows that are not whole. */
static void cut(struct hm_rows *r)
{
	if (r->done > 0 && ftruncate(r->fd, (off_t)r->whole) == 0 &&
	    lseek(r->fd, (off_t)r->whole, SEEK_SET) >= 0)
		r->done = 0;
}

static void flush(struct hm_rows *r)
{
	while (r->done < r->used) {
		ssize_t n = write(r->fd, r->buffer + r->done, r->used - r->done);

		if (n > 0) {
			r->done += (size_t)n;
			continue;
		}
		if (n < 0 && errno == EINTR)
			continue;
		atomic_store_explicit(&r->error, n < 0 ? errno : EIO, memory_order_relaxed);
		cut(r);
		if (gives_up(r)) {
			empty_buffer(r, &r->lost);
			return;
		}
		nap(r);
	}
	atomic_store_explicit(&r->error, 0, memory_order_relaxed);
	r->whole += r->used;
	add(&r->bytes, r->used);
	empty_buffer(r, &r->written);
}

static struct slot *slot_at(const struct hm_rows *r, uint64_t position)
{
	return (struct slot *)(r->slots + position % r->conf.n_records * r->slot_size);
}

static void write_slot(struct hm_rows *r, const struct slot *s)
{
	for (uint64_t n = 0; n < s->n_rows; n++) {
		if (r->size - r->used < r->conf.row_max)
			flush(r);
		r->used += r->conf.format(r->conf.arg, s->record, r->buffer + r->used);
		r->n_held++;
	}
}

static bool has_more(const struct hm_rows *r)
{
	return atomic_load_explicit(&r->put, memory_order_acquire) !=
	       atomic_load_explicit(&r->taken, memory_order_relaxed); // worker: hm_rows_put
}

static bool wait_for_more(struct hm_rows *r)
{
	pthread_mutex_lock(&r->lock);
	while (!r->stop && !has_more(r))
		pthread_cond_wait(&r->wake, &r->lock);
	pthread_mutex_unlock(&r->lock);
	return has_more(r);
}

static void *run(void *arg)
{
	struct hm_rows *r = arg;

	while (wait_for_more(r)) {
		for (; has_more(r); add(&r->taken, 1))
			write_slot(r, slot_at(r, atomic_load_explicit(&r->taken,
								      memory_order_relaxed)));
		flush(r);
	}
	return NULL;
}

/* --- control core --- */

static int start(struct hm_rows *r)
{
	const struct sched_param none = {0};
	sigset_t all, before;
	int code;

	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &before);
	code = pthread_create(&r->thread, NULL, run, r);
	pthread_sigmask(SIG_SETMASK, &before, NULL);
	if (code)
		return -code;
	r->started = true;
	pthread_setname_np(r->thread, "homard-rows");
	pthread_setschedparam(r->thread, SCHED_BATCH, &none);
	return 0;
}

static int open_file(struct hm_rows *r, const char *header, struct hm_error *err)
{
	size_t n = strlen(header);

	r->fd = hm_output_open(r->output, now_ns(CLOCK_REALTIME), 1, r->made, err);
	if (r->fd < 0)
		return r->fd;
	if (write(r->fd, header, n) != (ssize_t)n || write(r->fd, "\n", 1) != 1)
		return hm_error_set(err, -EIO, 6155, "\"%s\": the header cannot be written: %s",
				    r->made, strerror(errno));
	r->whole = n + 1;
	add(&r->bytes, n + 1);
	return 0;
}

struct hm_rows *hm_rows_create(struct hm_output *output, const char *header,
			       const struct hm_rows_conf *conf, struct hm_error *err)
{
	struct hm_rows *r = aligned_alloc(64, (sizeof(*r) + 63) & ~(size_t)63);

	if (!r) {
		hm_output_destroy(output);
		hm_error_set(err, -ENOMEM, 3084, "out of memory");
		return NULL;
	}
	memset(r, 0, sizeof(*r));
	r->conf = *conf;
	r->output = output;
	r->fd = -1;
	r->size = conf->row_max > BUFFER_BYTES ? conf->row_max : BUFFER_BYTES;
	pthread_mutex_init(&r->lock, NULL);
	pthread_cond_init(&r->wake, NULL);
	r->buffer = malloc(r->size);
	r->slot_size = (uint32_t)((sizeof(struct slot) + conf->record_size + 15) & ~15u);
	r->slots = aligned_alloc(64, ((size_t)r->slot_size * conf->n_records + 63) & ~(size_t)63);
	if (!r->buffer || !r->slots)
		hm_error_set(err, -ENOMEM, 3084, "out of memory");
	if (!r->buffer || !r->slots || open_file(r, header, err) < 0) {
		hm_rows_destroy(r);
		return NULL;
	}
	if (start(r) == 0)
		return r;
	hm_error_set(err, -EAGAIN, 3084, "no thread to write \"%s\"", r->made);
	hm_rows_destroy(r);
	return NULL;
}

void hm_rows_destroy(struct hm_rows *r)
{
	if (!r)
		return;
	if (r->started) {
		pthread_mutex_lock(&r->lock);
		r->stop = true;
		pthread_cond_signal(&r->wake);
		pthread_mutex_unlock(&r->lock);
		hm_rows_close(r);
		pthread_join(r->thread, NULL);
	}
	if (r->fd >= 0)
		close(r->fd);
	free(r->slots);
	hm_output_destroy(r->output);
	pthread_cond_destroy(&r->wake);
	pthread_mutex_destroy(&r->lock);
	free(r->buffer);
	free(r);
}

void hm_rows_poll(struct hm_rows *r)
{
	if (has_more(
		    r)) // missed between the thread's look and its wait, it is woken a millisecond later
		pthread_cond_signal(&r->wake);
}

void hm_rows_close(struct hm_rows *r)
{
	if (!atomic_load_explicit(&r->deadline_ns, memory_order_relaxed))
		atomic_store_explicit(&r->deadline_ns, now_ns(CLOCK_MONOTONIC) + PATIENCE_NS,
				      memory_order_relaxed);
}

bool hm_rows_idle(const struct hm_rows *r)
{
	struct hm_rows_counts c;

	hm_rows_counts(r, &c);
	return c.queued == 0;
}

void hm_rows_counts(const struct hm_rows *r, struct hm_rows_counts *c)
{
	c->written = atomic_load_explicit(&r->written, memory_order_acquire);
	c->lost = atomic_load_explicit(&r->lost, memory_order_acquire);
	c->bytes = atomic_load_explicit(&r->bytes, memory_order_acquire);
	c->error = atomic_load_explicit(&r->error, memory_order_relaxed);
	// rows are offered before they are dropped, written or lost: read last, it is not behind
	c->dropped = atomic_load_explicit(&r->dropped, memory_order_acquire);
	c->offered = atomic_load_explicit(&r->offered, memory_order_acquire);
	c->queued = c->offered - c->dropped - c->written - c->lost;
}

const char *hm_rows_file(const struct hm_rows *r)
{
	return r->made;
}

/* --- the worker --- */

static bool has_room(const struct hm_rows *r, uint32_t n)
{
	// thread: run
	return atomic_load_explicit(&r->put, memory_order_relaxed) + n -
		       atomic_load_explicit(&r->taken, memory_order_acquire) <=
	       r->conf.n_records;
}

bool hm_rows_ready(const struct hm_rows *r, uint32_t n)
{
	return has_room(r, n) || atomic_load_explicit(&r->error, memory_order_relaxed);
}

void *hm_rows_room(struct hm_rows *r, uint64_t n_rows)
{
	struct slot *s = slot_at(r, atomic_load_explicit(&r->put, memory_order_relaxed));

	add(&r->offered, n_rows);
	if (!has_room(r, 1)) {
		add(&r->dropped, n_rows);
		return NULL;
	}
	s->n_rows = n_rows;
	return s->record;
}

void hm_rows_put(struct hm_rows *r)
{
	add(&r->put, 1); // thread: has_more
}
