/* SPDX-License-Identifier: BSD-3-Clause */
/* capture: the thread, see capture.h and capture_state.h. */
#include "capture/capture.h"

#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "capture/capture_state.h"
#include "core/log.h"

#define NS_PER_S   UINT64_C(1000000000)
#define NAP_NS     UINT64_C(1000000)
#define NAPS       3 // the longest is 8 ms
#define FLUSH_NS   NS_PER_S
#define TIDY_NS    (10 * NS_PER_S)
#define GRACE_NS   (2 * NS_PER_S)
#define HANGING_NS (30 * NS_PER_S)
#define NO_END     UINT64_MAX

HM_LOG_TYPE(capture)

const char *hm_capture_cause_name(enum hm_capture_cause c)
{
	static const char *const names[HM_CAPTURE_CAUSES] = {
		"fine", "no_room", "disk_full", "no_folder", "io_error", "removed", "no_format"};

	return names[c];
}

uint64_t hm_capture_now_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * NS_PER_S + (uint64_t)t.tv_nsec;
}

static uint64_t wall_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_REALTIME, &t);
	return (uint64_t)t.tv_sec * NS_PER_S + (uint64_t)t.tv_nsec;
}

/* --- files --- */

static int open_file(struct hm_capture *c, uint64_t time_ns, struct hm_error *err)
{
	struct file *const f = &c->file;
	const uint64_t number = atomic_load_explicit(&c->files, memory_order_relaxed) + 1;
	const int fd = hm_output_open(c->output, time_ns, number, f->made, err);

	if (fd < 0)
		return fd;
	f->fd = fd;
	fstat(f->fd, &f->st);
	if (!c->conf.zstd_level)
		f->direct = hm_output_open_direct(c->output, f->fd);
	if (f->direct < 0)
		f->direct = -1;
	atomic_store_explicit(&c->is_direct, f->direct >= 0, memory_order_relaxed);
	hm_capture_add(&c->files, 1);
	return 0;
}

/* The stream's next file. */
static bool begin_file(struct hm_capture *c, const struct hm_stream_mark *m)
{
	struct hm_error err;

	if (c->file.fd < 0 && open_file(c, m->time_ns, &err) < 0) {
		hm_capture_get_in_trouble(c, HM_CAPTURE_NO_FOLDER, err.text);
		return false;
	}
	hm_capture_get_well(c);
	c->file.begin = c->read = c->flushed = m->position;
	c->file.end = NO_END;
	c->file.packets = m->packets;
	c->file.length = c->file.whole = 0;
	c->flush_ns = hm_capture_now_ns();
	return true;
}

static void tidy(struct hm_capture *c)
{
	const struct hm_shelf *const s = &c->conf.shelf;
	int n;

	c->tidy_ns = hm_capture_now_ns();
	if (!s->keep_bytes && !s->keep_s)
		return;
	n = hm_shelf_tidy(s, c->output, c->file.fd >= 0 ? &c->file.st : NULL, time(NULL));
	if (n > 0)
		hm_capture_add(&c->deleted, (uint64_t)n);
	else if (n < 0)
		HM_LOG(WARNING, "old files cannot be removed file=\"%s\": %s",
		       hm_output_name(c->output), strerror(-n));
}

/* Whether somebody has removed the file: what goes there is lost with it. */
static bool is_removed(const struct hm_capture *c)
{
	struct stat st;

	return !hm_output_is_file(c->output) && fstat(c->file.fd, &st) == 0 && st.st_nlink == 0;
}

static void close_file(struct hm_capture *c)
{
	char path[HM_OUTPUT_NAME_MAX + 4096];
	const bool removed = is_removed(c);
	const uint64_t packets = c->whole_packets - c->file.packets;

	if (removed) {
		hm_capture_add(&c->lost[HM_CAPTURE_REMOVED], packets);
		atomic_fetch_sub_explicit(&c->written, packets, memory_order_release);
	}
	if (c->conf.sync != HM_CAPTURE_SYNC_NONE && c->disk->sync(c->disk_state, c->file.fd) < 0)
		HM_LOG(ERR, "a file may not be on its disk file=\"%s\"", c->file.made);
	hm_capture_stop_direct(c);
	close(c->file.fd);
	c->file.fd = -1;
	if (c->hook && !removed && hm_output_path(c->output, c->file.made, path, sizeof(path)))
		hm_hook_add(c->hook, path);
	tidy(c);
}

static void end_file(struct hm_capture *c)
{
	close_file(c);
	hm_stream_free(c->stream, c->file.end);
	c->read = c->file.end;
}

/* Once a second: the file gets what is not a whole block yet. */
static bool flush(struct hm_capture *c)
{
	const uint64_t now = hm_capture_now_ns();
	bool any = false;

	if (c->n > 0 || now - c->flush_ns < FLUSH_NS) // what is under way moves the file on
		return false;
	c->flush_ns = now;
	if (is_removed(c))
		atomic_store_explicit(&c->wants_file, true, memory_order_relaxed);
	any = hm_capture_write_piece(c, c->known.position);
	if (c->conf.sync == HM_CAPTURE_SYNC_SECOND)
		c->disk->sync(c->disk_state, c->file.fd);
	return any;
}

static bool write_file(struct hm_capture *c)
{
	const struct file *const f = &c->file;
	const uint64_t to = f->end < c->known.position ? f->end : c->known.position;
	const uint64_t block = hm_stream_block(c->stream);

	if (c->piece.n > 0) { // in trouble until now
		return hm_capture_push(c);
	}
	if (f->direct >= 0 && hm_capture_write_blocks(c, to))
		return true;
	if (f->end != NO_END && (f->direct < 0 || c->read + block > f->end)) {
		if (!hm_capture_settle(c) || hm_capture_write_piece(c, f->end))
			return true;
		end_file(c);
		return true;
	}
	if (f->direct < 0 && to - c->read >= block)
		return hm_capture_write_piece(c, to);
	return flush(c);
}

/* --- the stream --- */

/* Nobody waits for the disk any more: what is left is lost, and the file ends with a whole record. */
static void discard(struct hm_capture *c)
{
	const int trouble = atomic_load_explicit(&c->trouble, memory_order_relaxed);

	c->piece.n = 0;
	if (c->file.fd >= 0) {
		hm_capture_settle(c);
		if (ftruncate(c->file.fd, c->file.whole) < 0 && errno != EINVAL) // /dev/null
			HM_LOG(ERR, "a file ends within a record file=\"%s\": %s", c->file.made,
			       strerror(errno));
		atomic_fetch_sub_explicit(&c->bytes, (uint64_t)(c->file.length - c->file.whole),
					  memory_order_relaxed);
		close_file(c);
	}
	hm_capture_add(&c->lost[trouble ? trouble : HM_CAPTURE_IO_ERROR],
		       c->known.packets - c->whole_packets);
	c->whole_packets = c->known.packets;
	hm_stream_free(c->stream, c->known.position);
}

/* Takes marks up to the end of the file. */
static bool take_marks(struct hm_capture *c)
{
	const uint64_t block = hm_stream_block(c->stream);
	struct hm_stream_mark m;
	bool any = false;

	while (!c->last && hm_stream_mark(c->stream, &m)) {
		const bool open = c->file.fd >= 0 && c->file.begin != NO_END;

		if (!c->gives_up && open && c->file.end != NO_END)
			break; // the next file comes when this one is complete
		if (!c->gives_up && m.event == HM_STREAM_BEGIN && !begin_file(c, &m))
			break;
		if (m.event == HM_STREAM_END)
			c->file.end = m.position;
		c->last = m.event == HM_STREAM_LAST;
		if (m.position > 0 && m.event != HM_STREAM_BEGIN)
			c->wholes[(m.position - 1) / block % c->n_blocks] = m;
		c->known = m;
		hm_stream_take(c->stream);
		any = true;
	}
	return any;
}

/* One round; false: nothing to do now. */
static bool step(struct hm_capture *c)
{
	bool any = hm_capture_reap(c, false);

	if (c->gives_up) {
		any |= take_marks(c);
		if (any)
			discard(c);
		return any;
	}
	if (hm_capture_now_ns() - c->tidy_ns > TIDY_NS)
		tidy(c);
	if (atomic_load_explicit(&c->trouble, memory_order_relaxed) &&
	    hm_capture_now_ns() < c->retry_ns)
		return any;
	any |= take_marks(c);
	if (c->file.fd >= 0 && c->file.begin != NO_END)
		any |= write_file(c);
	return any;
}

/* Whether the disk has had its time to get well. */
static bool has_had_enough(struct hm_capture *c)
{
	if (!atomic_load_explicit(&c->closing, memory_order_relaxed) ||
	    !atomic_load_explicit(&c->trouble, memory_order_relaxed)) {
		c->close_ns = 0;
		return false;
	}
	if (c->close_ns == 0)
		c->close_ns = hm_capture_now_ns();
	return hm_capture_now_ns() - c->close_ns > GRACE_NS;
}

/* The longer nothing has come the longer, so that a thousand quiet captures cost little; a stream of the usual size
 * takes 4 GB/s meanwhile. */
static void nap(unsigned idle_rounds)
{
	const unsigned n = idle_rounds < NAPS ? idle_rounds : NAPS;
	const struct timespec t = {.tv_nsec = (long)(NAP_NS << n)};

	nanosleep(&t, NULL);
}

static void release(struct hm_capture *c)
{
	// acquire and release: whoever is last sees what the other did
	if (atomic_fetch_sub_explicit(&c->refs, 1, memory_order_acq_rel) > 1)
		return;
	if (c->file.fd >= 0)
		close(c->file.fd);
	hm_capture_stop_direct(c);
	if (c->disk_state)
		c->disk->close(c->disk_state);
	hm_hook_destroy(c->hook);
	hm_output_destroy(c->output);
	hm_stream_destroy(c->stream);
	ZSTD_freeCCtx(c->zstd);
	free(c->packed);
	free(c->wholes);
	free(c);
}

/* A file whose name says no time is there at once, and if it cannot be the flow is not connected. */
static int open_first(struct hm_capture *c)
{
	int code = 0;

	if (hm_output_is_file(c->output) || !hm_output_name_has_time(hm_output_name(c->output)))
		code = open_file(c, wall_ns(), &c->err);
	// release: with it goes `err`
	atomic_store_explicit(&c->opened, code < 0 ? code : 1, memory_order_release);
	return code;
}

/* Everything has come and is in files, or nobody cares any more. */
static bool is_over(const struct hm_capture *c)
{
	if (atomic_load_explicit(&c->abandoned, memory_order_relaxed))
		return true;
	return c->last && (c->gives_up || c->file.fd < 0 || c->file.begin == NO_END);
}

static void *write_on(void *arg)
{
	struct hm_capture *const c = arg;
	const bool started = open_first(c) == 0;
	unsigned idle = 0; // rounds with nothing to do

	while (started && !is_over(c)) {
		if (c->hook)
			hm_hook_poll(c->hook, hm_capture_now_ns());
		c->gives_up = c->gives_up || has_had_enough(c);
		if (step(c) || hm_capture_reap(c, true))
			idle = 0;
		else
			nap(idle++);
	}
	if (started && c->file.fd >= 0) // no packet came, or abandoned
		discard(c);
	while (c->hook && hm_hook_poll(c->hook, hm_capture_now_ns()))
		nap(0);
	// release: whoever sees it sees all that was counted
	atomic_store_explicit(&c->done, true, memory_order_release);
	release(c);
	return NULL;
}

/* --- the owner --- */

static int prepare(struct hm_capture *c, const struct hm_capture_conf *conf, struct hm_error *err)
{
	c->conf = *conf;
	c->file.fd = c->file.direct = -1;
	c->file.begin = c->file.end = NO_END;
	c->refs = 1;
	c->disk = conf->disk ? conf->disk : hm_disk_best();
	c->stream = hm_stream_create(conf->buffer_bytes, conf->block_bytes, err);
	if (!c->stream)
		return -errno;
	c->n_blocks = conf->buffer_bytes / conf->block_bytes;
	c->wholes = calloc(c->n_blocks, sizeof(*c->wholes));
	c->disk_state = c->disk->open();
	if (conf->script)
		c->hook = hm_hook_create(conf->script, conf->script_ns);
	c->conf.script = NULL;
	if (conf->zstd_level) {
		c->zstd = ZSTD_createCCtx();
		c->packed_room = ZSTD_compressBound(conf->block_bytes);
		c->packed = malloc(c->packed_room);
		ZSTD_CCtx_setParameter(c->zstd, ZSTD_c_compressionLevel, conf->zstd_level);
		ZSTD_CCtx_setParameter(c->zstd, ZSTD_c_checksumFlag, 1);
	}
	if (!c->wholes || !c->disk_state || (conf->script && !c->hook) ||
	    (conf->zstd_level && (!c->zstd || !c->packed)))
		return hm_error_set(err, -ENOMEM, 3084, "out of memory");
	return 0;
}

/* Signals are for others: a file that is too large for its limit is an error here, not an end. */
static int start_thread(struct hm_capture *c)
{
	sigset_t all, before;
	int code;

	sigfillset(&all);
	c->refs++;
	pthread_sigmask(SIG_SETMASK, &all, &before);
	code = pthread_create(&c->thread, NULL, write_on, c);
	pthread_sigmask(SIG_SETMASK, &before, NULL);
	c->refs -= code != 0;
	return -code;
}

struct hm_capture *hm_capture_create(struct hm_output *o, const struct hm_capture_conf *conf,
				     struct hm_error *err)
{
	struct hm_capture *c = calloc(1, sizeof(*c));
	int code;

	if (!c) {
		hm_error_set(err, -ENOMEM, 3084, "out of memory");
		errno = ENOMEM;
		return NULL;
	}
	c->output = o;
	c->moved_ns = hm_capture_now_ns();
	code = prepare(c, conf, err);
	if (code == 0 && (code = start_thread(c)) < 0)
		hm_error_set(err, code, 1100, "no thread to write files: %s", strerror(-code));
	if (code == 0)
		return c;
	c->output = NULL; // stays the caller's
	release(c);
	errno = -code;
	return NULL;
}

int hm_capture_opened(const struct hm_capture *c, struct hm_error *err)
{
	// acquire: what the thread says of it
	const int opened = atomic_load_explicit(&c->opened, memory_order_acquire);

	if (opened < 0 && err)
		*err = c->err;
	return opened;
}

struct hm_stream *hm_capture_stream(struct hm_capture *c)
{
	return c->stream;
}

enum hm_capture_cause hm_capture_trouble(const struct hm_capture *c)
{
	const int trouble = atomic_load_explicit(&c->trouble, memory_order_relaxed);

	return trouble ? (enum hm_capture_cause)trouble : HM_CAPTURE_NO_ROOM;
}

bool hm_capture_wants_file(struct hm_capture *c)
{
	return atomic_load_explicit(&c->wants_file, memory_order_relaxed) &&
	       atomic_exchange_explicit(&c->wants_file, false, memory_order_relaxed);
}

void hm_capture_close(struct hm_capture *c)
{
	atomic_store_explicit(&c->moved_ns, hm_capture_now_ns(), memory_order_relaxed);
	atomic_store_explicit(&c->closing, true, memory_order_release); // with moved_ns
}

bool hm_capture_is_closing(const struct hm_capture *c)
{
	return atomic_load_explicit(&c->closing, memory_order_relaxed);
}

bool hm_capture_is_done(const struct hm_capture *c)
{
	uint64_t moved_ns;

	// acquire: what the thread counted
	if (atomic_load_explicit(&c->done, memory_order_acquire))
		return true;
	// acquire: since when it closes
	if (!atomic_load_explicit(&c->closing, memory_order_acquire))
		return false;
	// before the clock: the thread may set it at any time, and then it would be later than the clock
	moved_ns = atomic_load_explicit(&c->moved_ns, memory_order_acquire);
	return hm_capture_now_ns() > moved_ns + HANGING_NS;
}

void hm_capture_counts(const struct hm_capture *c, struct hm_capture_counts *counts)
{
	*counts = (struct hm_capture_counts){
		.written = atomic_load_explicit(&c->written, memory_order_acquire),
		.bytes = atomic_load_explicit(&c->bytes, memory_order_relaxed),
		.files = atomic_load_explicit(&c->files, memory_order_relaxed),
		.deleted = atomic_load_explicit(&c->deleted, memory_order_relaxed),
		.direct = atomic_load_explicit(&c->is_direct, memory_order_relaxed),
		.disk = c->disk->name,
	};
	for (unsigned i = 0; i < HM_CAPTURE_CAUSES; i++)
		counts->lost[i] = atomic_load_explicit(&c->lost[i], memory_order_acquire);
	if (c->hook)
		hm_hook_counts(c->hook, &counts->hook);
}

void hm_capture_destroy(struct hm_capture *c)
{
	if (!c)
		return;
	atomic_store_explicit(&c->abandoned, true, memory_order_relaxed);
	if (atomic_load_explicit(&c->done, memory_order_acquire))
		pthread_join(c->thread, NULL);
	else
		pthread_detach(c->thread);
	release(c);
}
