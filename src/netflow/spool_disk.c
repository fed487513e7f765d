/* SPDX-License-Identifier: BSD-3-Clause */
/* The thread of a spool: writes segments, lends the oldest to the control core, and takes it back. */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "netflow/spool_disk.h"

#define SEGMENT_BYTES (1u << 20)
#define FIRST_NUMBER  (UINT64_C(1) << 40) // there is room for older ones
#define FRONT_STEP    (UINT64_C(1) << 20) // that a run of older ones begins below the oldest
#define ROUND_MS      100

static void count_full(struct hm_spool_disk *d, struct hm_segment_sums lost)
{
	hm_spool_add(&d->s->told.full_messages, lost.messages);
	hm_spool_add(&d->s->told.full, lost.flows);
}

/* --- writing --- */

static void finish_segment(struct hm_spool_disk *d)
{
	const struct hm_spool_segment *g = hm_spool_find(d, d->writing);
	struct hm_segment_header h;

	if (d->fd < 0)
		return;
	hm_segment_seal(&h, d->s->format, true, g->all);
	// without it the file is read through at the next start
	if (pwrite(d->fd, &h, offsetof(struct hm_segment_header, done), 0) < 0)
		hm_spool_note_error(d, -errno);
	close(d->fd);
	d->fd = -1;
}

/* The oldest that is not in use goes. False: all are. */
static bool drop_oldest(struct hm_spool_disk *d)
{
	for (size_t i = 0; i < d->n; i++) {
		struct hm_spool_segment *g = &d->segment[i];
		if (d->lent && d->lent->number == g->number)
			continue;
		if (d->fd >= 0 && d->writing == g->number)
			finish_segment(d);
		count_full(d, g->left);
		hm_spool_unlink(d, g);
		return true;
	}
	return false;
}

static int write_all(int fd, uint64_t at, struct iovec v[2])
{
	while (v[0].iov_len + v[1].iov_len > 0) {
		ssize_t n = pwritev(fd, v, 2, (off_t)at);
		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return n < 0 ? -errno : -ENOSPC;
		at += (uint64_t)n;
		for (int i = 0; i < 2; i++) {
			size_t cut = v[i].iov_len < (size_t)n ? v[i].iov_len : (size_t)n;
			v[i].iov_base = (uint8_t *)v[i].iov_base + cut;
			v[i].iov_len -= cut;
			n -= (ssize_t)cut;
		}
	}
	return 0;
}

static uint64_t next_number(struct hm_spool_disk *d, uint32_t flags)
{
	if (!(flags & HM_FRAME_FRONT))
		return d->n > 0 ? d->segment[d->n - 1].number + 1 : FIRST_NUMBER;
	if (flags & HM_FRAME_FRONT_FIRST)
		d->front_next = (d->n > 0 ? d->segment[0].number : FIRST_NUMBER) - FRONT_STEP;
	return d->front_next++;
}

static int begin_segment(struct hm_spool_disk *d, uint32_t flags)
{
	struct hm_segment_header h;
	struct hm_spool_segment *g = hm_spool_insert(d, next_number(d, flags));
	char name[HM_SPOOL_NAME_MAX];
	struct iovec v[2] = {{&h, sizeof(h)}, {d->s->templates, d->s->templates_bytes}};
	int r = g ? 0 : -ENOMEM;

	if (r < 0)
		return r;
	hm_segment_seal(&h, d->s->format, false, g->all);
	d->writing = g->number;
	d->front = flags & HM_FRAME_FRONT;
	d->fd = openat(d->dir, hm_spool_name(g->number, name),
		       O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600);
	r = d->fd < 0 ? -errno : write_all(d->fd, 0, v);
	if (r == 0) {
		g->bytes = sizeof(h) + d->s->templates_bytes;
		hm_spool_add(&d->s->told.bytes, g->bytes);
		return 0;
	}
	if (d->fd >= 0)
		close(d->fd);
	d->fd = -1;
	hm_spool_unlink(d, g);
	return r;
}

/* A run of frames that go into one segment. */
struct run {
	uint64_t bytes;
	struct hm_segment_sums sums;
	uint32_t flags; // of the first
};

/* n bytes of the ring from `at` on, which may be in two pieces. */
static void copy_out(const struct iovec v[2], uint64_t at, void *to, size_t n)
{
	uint8_t *out = to;

	for (unsigned i = 0; i < 2 && n > 0; i++) {
		size_t here = at < v[i].iov_len ? v[i].iov_len - at : 0;
		if (here > n)
			here = n;
		if (here > 0)
			memcpy(out, (const uint8_t *)v[i].iov_base + at, here);
		out += here;
		n -= here;
		at -= at < v[i].iov_len ? at : v[i].iov_len;
	}
}

/* As many of the frames in the ring as go together, and into `room` bytes; one at least. */
static struct run next_run(const struct iovec v[2], uint64_t n, uint64_t room)
{
	struct run run = {0};

	while (run.bytes < n) {
		struct hm_frame f = {0};
		uint64_t bytes;
		copy_out(v, run.bytes, &f, sizeof(f));
		bytes = sizeof(f) + f.bytes + hm_frame_padding(f.bytes);
		if (run.bytes == 0)
			run.flags = f.flags;
		else if ((f.flags & HM_FRAME_FRONT) != (run.flags & HM_FRAME_FRONT) ||
			 (f.flags & HM_FRAME_FRONT_FIRST) || run.bytes + bytes > room)
			break;
		run.bytes += bytes;
		run.sums.messages++;
		run.sums.flows += f.load.flows;
	}
	return run;
}

static bool is_full(int error)
{
	return error == -ENOSPC || error == -EDQUOT;
}

/* Appends the run to a segment. What was written of it only in part is cut off again. */
static int append(struct hm_spool_disk *d, struct iovec v[2], const struct run *run)
{
	struct hm_spool_segment *g;
	uint64_t before;
	int r = d->fd < 0 ? begin_segment(d, run->flags) : 0;

	if (r < 0)
		return r;
	g = hm_spool_find(d, d->writing);
	before = g->bytes;
	r = write_all(d->fd, before, v);
	if (r < 0) {
		if (ftruncate(d->fd, (off_t)before) < 0)
			finish_segment(d); // its good frames will be found
		return r;
	}
	g->bytes += run->bytes;
	hm_spool_add(&d->s->told.bytes, run->bytes);
	g->all.messages += run->sums.messages;
	g->all.flows += run->sums.flows;
	g->left.messages += run->sums.messages;
	g->left.flows += run->sums.flows;
	return 0;
}

static void cut_pieces(struct iovec v[2], uint64_t bytes)
{
	if (v[0].iov_len >= bytes) {
		v[0].iov_len = bytes;
		v[1].iov_len = 0;
	} else {
		v[1].iov_len = bytes - v[0].iov_len;
	}
}

static bool belongs(const struct hm_spool_disk *d, const struct run *run)
{
	bool front = run->flags & HM_FRAME_FRONT;

	return d->front == front && !(run->flags & HM_FRAME_FRONT_FIRST);
}

static void take_back(struct hm_spool_disk *d);

/* Writes a run of what is in the ring. False: there was nothing. */
static bool write_some(struct hm_spool_disk *d)
{
	const struct hm_spool_segment *g = d->fd >= 0 ? hm_spool_find(d, d->writing) : NULL;
	uint64_t used = g ? g->bytes : sizeof(struct hm_segment_header) + d->s->templates_bytes;
	struct iovec v[2], rest[2];
	uint64_t n = hm_relay_look(&d->s->relay, v);
	struct run run;
	int r;

	if (n == 0)
		return false;
	run = next_run(v, n, used < d->limit ? d->limit - used : 0);
	if (run.flags & HM_FRAME_FRONT_FIRST)
		take_back(d); // it was withdrawn before these were put
	if (g && (!belongs(d, &run) || used + run.bytes > d->limit))
		finish_segment(d);
	cut_pieces(v, run.bytes);
	do {
		memcpy(rest, v, sizeof(rest));
		r = d->s->told.bytes + run.bytes + d->limit / 16 > d->most ? -ENOSPC
									   : append(d, rest, &run);
	} while (is_full(r) && drop_oldest(d));
	if (is_full(r)) {
		count_full(d, run.sums);
	} else if (r < 0) {
		hm_spool_count_failed(d, run.sums);
		hm_spool_note_error(d, r);
	}
	hm_relay_took(&d->s->relay, run.bytes);
	return true;
}

/* What a segment should have had and has not is lost. */
static void count_missing(struct hm_spool_disk *d, struct hm_spool_segment *g,
			  struct hm_segment_sums found)
{
	struct hm_segment_sums lost = {0};

	if (g->left.messages > found.messages)
		lost.messages = g->left.messages - found.messages;
	if (g->left.flows > found.flows)
		lost.flows = g->left.flows - found.flows;
	if (lost.messages == 0)
		return;
	hm_spool_count_failed(d, lost);
	hm_spool_count_bad_file(d);
	g->left = found;
}

/* Lends the oldest segment to the control core, if that wants it. */
static void offer(struct hm_spool_disk *d)
{
	struct hm_segment_sums left;
	struct hm_spool_page *page;
	bool right;

	if (d->lent || d->n == 0 || !__atomic_load_n(&d->s->wanted, __ATOMIC_ACQUIRE))
		return;
	if (d->fd >= 0 && d->writing == d->segment[0].number)
		finish_segment(d);
	page = hm_spool_load(d, d->segment[0].number, &right, &left);
	if (!page || !right)
		left = (struct hm_segment_sums){0};
	count_missing(d, &d->segment[0], left);
	if (left.messages == 0) {
		hm_spool_free_page(page);
		hm_spool_unlink(d, &d->segment[0]);
		return;
	}
	d->lent = page;
	__atomic_store_n(&d->s->wanted, false, __ATOMIC_RELAXED);
	__atomic_store_n(&d->s->offered, page, __ATOMIC_RELEASE); // hm_spool_begin()
}

/* Writes down how much of the lent segment has been sent. */
static void persist(struct hm_spool_disk *d, struct hm_spool_segment *g, uint32_t done)
{
	char name[HM_SPOOL_NAME_MAX];
	int fd;

	if (done == g->done)
		return;
	fd = openat(d->dir, hm_spool_name(g->number, name), O_WRONLY | O_CLOEXEC | O_NOFOLLOW);
	if (fd < 0 || pwrite(fd, &done, sizeof(done), offsetof(struct hm_segment_header, done)) < 0)
		hm_spool_note_error(d, -errno);
	if (fd >= 0)
		close(fd);
	g->done = done;
}

/* Once in ROUND_MS, however busy the thread is. */
static bool round_is_over(struct hm_spool_disk *d)
{
	struct timespec t;
	uint64_t now_ms;

	clock_gettime(CLOCK_MONOTONIC, &t);
	now_ms = (uint64_t)t.tv_sec * 1000 + (uint64_t)t.tv_nsec / 1000000;
	if (now_ms - d->round_ms < ROUND_MS)
		return false;
	d->round_ms = now_ms;
	return true;
}

static void take_back(struct hm_spool_disk *d)
{
	struct hm_spool_page *page =
		__atomic_exchange_n(&d->s->returned, NULL, __ATOMIC_ACQUIRE); // give_back()
	struct hm_spool_segment *g = d->lent ? hm_spool_find(d, d->lent->number) : NULL;

	if (!d->lent)
		return;
	if (!page) { // it is still lent
		if (round_is_over(d))
			persist(d, g, __atomic_load_n(&d->lent->done, __ATOMIC_RELAXED));
		return;
	}
	if (page->at >= page->n) {
		hm_spool_unlink(d, g);
	} else {
		persist(d, g, page->done);
		g->left = hm_spool_left(page);
	}
	hm_spool_free_page(page);
	d->lent = NULL;
}

/* The folder, which is this spool's alone; false: not yet. */
static bool take_folder(struct hm_spool_disk *d)
{
	if (d->dir < 0)
		d->dir = open(d->s->conf.dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (d->dir < 0 || flock(d->dir, LOCK_EX | LOCK_NB) < 0) {
		hm_spool_note_error(d, -errno);
		return false;
	}
	hm_spool_note_error(d, 0);
	return true;
}

/* All that is in the ring cannot be written any more. */
static void lose_ring(struct hm_spool_disk *d)
{
	struct iovec v[2];
	uint64_t n;

	while ((n = hm_relay_look(&d->s->relay, v)) > 0) {
		struct run run = next_run(v, n, n);
		hm_spool_count_failed(d, run.sums);
		hm_relay_took(&d->s->relay, run.bytes);
	}
}

static void work(struct hm_spool_disk *d)
{
	for (;;) {
		bool stop = hm_relay_stopping(&d->s->relay); // then nothing more is put
		bool wrote;
		take_back(d);
		wrote = write_some(d);
		if (stop && !wrote)
			break;
		if (!stop)
			offer(d);
		if (!wrote)
			hm_relay_wait(&d->s->relay, 0, -1, 0, ROUND_MS);
	}
	finish_segment(d);
}

void *hm_spool_run(void *spool)
{
	struct hm_spool_disk d = {.s = spool, .dir = -1, .fd = -1};
	bool mine;

	d.most = (uint64_t)d.s->conf.max_mb << 20;
	d.limit = d.most / 8 < SEGMENT_BYTES ? d.most / 8 : SEGMENT_BYTES;

	while (!(mine = take_folder(&d)) && !hm_relay_stopping(&d.s->relay)) {
		struct iovec v[2];
		hm_relay_wait(&d.s->relay, hm_relay_look(&d.s->relay, v), -1, 0, ROUND_MS);
	}
	if (mine) {
		int r = hm_spool_scan(&d);
		if (r < 0)
			hm_spool_note_error(&d, r);
		__atomic_store_n(&d.s->told.ready, true, __ATOMIC_RELEASE);
		work(&d);
	}
	lose_ring(&d);
	hm_spool_free_page(d.lent);
	if (d.dir >= 0)
		close(d.dir);
	free(d.segment);
	return NULL;
}
