/* SPDX-License-Identifier: BSD-3-Clause */
#include "pmd_dag/sim/shared.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#define MAGIC       UINT64_C(0x6472616353474144) // "DAGScard"
#define VERSION     2u
#define RINGS_AT    UINT64_C(65536) // of the first ring in the file
#define LOCK_FEEDER 1000            // bytes whose locks they have; those below are the streams'
#define LOCK_SETUP  1001

_Static_assert(sizeof(struct sim_shared) <= RINGS_AT, "the rings would overlap");

uint64_t sim_now_ns(void)
{
	struct timespec t;
	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

void sim_shared_init(struct sim_shared *s, const struct dag_sim_card *conf, uint64_t ring_size)
{
	s->version = VERSION;
	s->n_streams = conf->streams;
	s->ring_size = ring_size;
	s->link = HM_LINK_ETHERNET;
	for (uint32_t i = 0; i < conf->streams; i++) {
		s->stream[i].reader_cpu = -1;
		s->stream[i].drops = conf->drop_base;
	}
}

// Open file description locks: they belong to this opening of the file, not to the process.
static int lock_byte(int fd, int byte, short type)
{
	struct flock lock = {.l_type = type, .l_whence = SEEK_SET, .l_start = byte, .l_len = 1};
	if (fcntl(fd, F_OFD_SETLK, &lock) == 0)
		return 0;
	errno = errno == EAGAIN || errno == EACCES ? EBUSY : errno;
	return -1;
}

static int fail(struct sim_shared_file *f, const char *path, const char *what, struct hm_error *err)
{
	int error = errno;
	sim_shared_close(f);
	return hm_error_set(err, -error, 0, "%s: %s: %s", path, what, strerror(error));
}

static int map_control(struct sim_shared_file *f)
{
	void *p = mmap(NULL, RINGS_AT, PROT_READ | PROT_WRITE, MAP_SHARED, f->fd, 0);
	if (p == MAP_FAILED)
		return -1;
	f->shared = p;
	return 0;
}

// The shape that the file says it has is the one that its size has room for.
static bool is_card(const struct sim_shared_file *f)
{
	const struct sim_shared *s = f->shared;
	struct stat st;
	return fstat(f->fd, &st) == 0 && s->magic == MAGIC && s->version == VERSION &&
	       s->n_streams >= 1 && s->n_streams <= DAG_SIM_STREAMS_MAX && s->ring_size > 0 &&
	       s->ring_size % (uint64_t)sysconf(_SC_PAGESIZE) == 0 &&
	       s->ring_size <= ((uint64_t)st.st_size - RINGS_AT) / s->n_streams;
}

// With the set-up lock: an empty file becomes a card, another one must be a card of this shape.
static int make_or_check(struct sim_shared_file *f, const char *path,
			 const struct dag_sim_card *conf, struct hm_error *err)
{
	const uint64_t ring_size = (uint64_t)conf->buffer_mb << 20;
	const off_t size = (off_t)(RINGS_AT + conf->streams * ring_size);
	struct stat st;
	if (fstat(f->fd, &st) < 0)
		return fail(f, path, "cannot look at the card", err);
	const bool fresh = st.st_size == 0;
	if (fresh && ftruncate(f->fd, size) < 0)
		return fail(f, path, "no room for the rings", err);
	errno = EINVAL;
	if (!fresh && (uint64_t)st.st_size < RINGS_AT)
		return fail(f, path, "this file is no card", err);
	if (map_control(f) < 0)
		return fail(f, path, "cannot map the card", err);
	if (fresh) {
		sim_shared_init(f->shared, conf, ring_size);
		f->shared->magic = MAGIC;
		return 0;
	}
	errno = EINVAL;
	if (!is_card(f))
		return fail(f, path, "this file is no card", err);
	if (f->shared->n_streams != conf->streams || f->shared->ring_size != ring_size)
		return fail(f, path, "the card has another number of streams or ring size", err);
	return 0;
}

int sim_shared_open(struct sim_shared_file *f, const struct dag_sim_card *conf, int fd,
		    struct hm_error *err)
{
	const char *path = conf->shared ? conf->shared : "memory";
	*f = (struct sim_shared_file){.fd = fd};
	if (conf->shared)
		f->fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
	if (f->fd < 0)
		return fail(f, path, "cannot open the card", err);
	struct flock lock = {
		.l_type = F_WRLCK, .l_whence = SEEK_SET, .l_start = LOCK_SETUP, .l_len = 1};
	if (fcntl(f->fd, F_OFD_SETLKW, &lock) < 0)
		return fail(f, path, "cannot lock the card", err);
	int ret = make_or_check(f, path, conf, err);
	if (ret == 0)
		lock_byte(f->fd, LOCK_SETUP, F_UNLCK);
	return ret;
}

void sim_shared_close(struct sim_shared_file *f)
{
	if (f->shared)
		munmap(f->shared, RINGS_AT);
	if (f->fd >= 0)
		close(f->fd);
	*f = (struct sim_shared_file){.fd = -1};
}

int sim_shared_ring(const struct sim_shared_file *f, uint32_t stream, struct sim_ring *ring)
{
	return sim_ring_map(ring, f->fd, RINGS_AT + stream * f->shared->ring_size,
			    f->shared->ring_size);
}

int sim_shared_lock_feeder(const struct sim_shared_file *f)
{
	return lock_byte(f->fd, LOCK_FEEDER, F_WRLCK);
}

int sim_shared_attach(const struct sim_shared_file *f, uint32_t stream)
{
	return f->fd < 0 ? 0 : lock_byte(f->fd, (int)stream, F_WRLCK);
}

void sim_shared_detach(const struct sim_shared_file *f, uint32_t stream)
{
	if (f->fd >= 0)
		lock_byte(f->fd, (int)stream, F_UNLCK);
}
