/* SPDX-License-Identifier: BSD-3-Clause */
/* The calls of libdag that open programs use. Misuse fails with an errno and never crashes. */
#include "pmd_dag/sim/libdag.h"

#include "pmd_dag/sim/card.h"

#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/time.h>
#include <unistd.h>

#include "trace/erf.h"

#define FDS 65536

// One file descriptor is one opening; the table is read without a lock by dag_advance_stream().
static struct sim_card *_Atomic handles[FDS];

static struct sim_card *card_of(int fd)
{
	struct sim_card *c = NULL;
	if (fd >= 0 && fd < FDS)
		c = atomic_load_explicit(&handles[fd], memory_order_acquire);
	if (!c)
		errno = EBADF;
	return c;
}

// Receive streams are even. NULL with errno for the others.
static struct sim_stream *stream_of(int fd, int stream)
{
	struct sim_card *c = card_of(fd);
	if (!c)
		return NULL;
	if (stream < 0 || stream % 2 != 0 || (uint32_t)stream / 2 >= c->n_streams) {
		errno = EINVAL;
		return NULL;
	}
	return &c->streams[stream / 2];
}

int dag_parse_name(const char *name, char *buf, int buflen, int *stream)
{
	const char *s = name;
	char *end;
	if (strncmp(s, "/dev/", 5) == 0)
		s += 5;
	if (strncmp(s, "dag", 3) == 0)
		s += 3;
	else if (s != name || !strchr(s, ':'))
		goto bad;
	if (!isdigit((unsigned char)*s))
		goto bad;
	unsigned long card = strtoul(s, &end, 10), n = 0;
	if (*end == ':') {
		if (!isdigit((unsigned char)end[1]))
			goto bad;
		n = strtoul(end + 1, &end, 10);
	}
	if (*end != '\0' || card > 9999 || n > 255)
		goto bad;
	if (snprintf(buf, (size_t)(buflen > 0 ? buflen : 0), "/dev/dag%lu", card) >= buflen)
		goto bad;
	*stream = (int)n;
	return 0;
bad:
	errno = EINVAL;
	return -1;
}

static struct sim_card *open_card(const char *name)
{
	struct sim_card *c = sim_card_find(name);
	if (!c)
		c = sim_card_from_file(name);
	if (c)
		c->opens++;
	return c;
}

static void close_card(struct sim_card *c)
{
	if (--c->opens == 0 && c->from_file)
		sim_card_destroy(c);
}

int dag_open(char *name)
{
	char path[64];
	int stream, fd;
	if (dag_parse_name(name, path, sizeof(path), &stream) < 0)
		return -1;
	fd = open("/dev/null", O_RDWR | O_CLOEXEC);
	if (fd >= FDS) {
		close(fd);
		errno = EMFILE;
		return -1;
	}
	if (fd < 0)
		return -1;
	pthread_mutex_lock(&sim_lock);
	struct sim_card *c = open_card(path + strlen("/dev/"));
	if (c)
		atomic_store_explicit(&handles[fd], c, memory_order_release);
	pthread_mutex_unlock(&sim_lock);
	if (!c) {
		int error = errno;
		close(fd);
		errno = error;
		return -1;
	}
	return fd;
}

int dag_close(int fd)
{
	pthread_mutex_lock(&sim_lock);
	struct sim_card *c = card_of(fd);
	if (c) {
		// what this descriptor attached is given up with it
		for (uint32_t i = 0; i < c->n_streams; i++)
			if (c->streams[i].attached_by == fd)
				sim_stream_detach(&c->streams[i]);
		atomic_store(&handles[fd], NULL);
		close_card(c);
	}
	pthread_mutex_unlock(&sim_lock);
	return c ? close(fd) : -1;
}

int dag_rx_get_stream_count(int fd)
{
	struct sim_card *c = card_of(fd);
	return c ? (int)c->n_streams : -1;
}

int dag_tx_get_stream_count(int fd)
{
	return card_of(fd) ? 0 : -1;
}

dag_ssize_t dag_get_stream_buffer_size64(int fd, int stream)
{
	struct sim_stream *s = stream_of(fd, stream);
	return s ? (dag_ssize_t)s->ring.size : -1;
}

dag_ssize_t dag_get_stream_buffer_level64(int fd, int stream)
{
	struct sim_stream *s = stream_of(fd, stream);
	return s ? (dag_ssize_t)(s->shared->exposed - s->shared->released) : -1;
}

int dag_attach_stream64(int fd, int stream, uint32_t flags, dag_size_t extra_window)
{
	(void)flags;
	pthread_mutex_lock(&sim_lock);
	struct sim_stream *s = stream_of(fd, stream);
	int ret = s ? sim_stream_attach(s, fd, extra_window) : -1;
	pthread_mutex_unlock(&sim_lock);
	return ret;
}

// The stream if `fd` has attached it; sim_lock held.
static struct sim_stream *attached(int fd, int stream)
{
	struct sim_stream *s = stream_of(fd, stream);
	if (s && s->attached_by != fd) {
		errno = EINVAL;
		return NULL;
	}
	return s;
}

int dag_detach_stream(int fd, int stream)
{
	pthread_mutex_lock(&sim_lock);
	struct sim_stream *s = attached(fd, stream);
	if (s)
		sim_stream_detach(s);
	pthread_mutex_unlock(&sim_lock);
	return s ? 0 : -1;
}

int dag_start_stream(int fd, int stream)
{
	pthread_mutex_lock(&sim_lock);
	struct sim_stream *s = attached(fd, stream);
	int ret = s ? sim_stream_start(s) : -1;
	pthread_mutex_unlock(&sim_lock);
	return ret;
}

int dag_stop_stream(int fd, int stream)
{
	int ret = -1;
	pthread_mutex_lock(&sim_lock);
	struct sim_stream *s = attached(fd, stream);
	if (s && !s->shared->started) {
		errno = EINVAL;
	} else if (s) {
		sim_stream_stop(s);
		ret = 0;
	}
	pthread_mutex_unlock(&sim_lock);
	return ret;
}

int dag_get_stream_poll64(int fd, int stream, dag_size_t *mindata, struct timeval *maxwait,
			  struct timeval *poll)
{
	pthread_mutex_lock(&sim_lock);
	struct sim_stream *s = attached(fd, stream);
	if (s) {
		*mindata = s->mindata;
		*maxwait = s->maxwait;
		*poll = s->poll;
	}
	pthread_mutex_unlock(&sim_lock);
	return s ? 0 : -1;
}

int dag_set_stream_poll64(int fd, int stream, dag_size_t mindata, struct timeval *maxwait,
			  struct timeval *poll)
{
	pthread_mutex_lock(&sim_lock);
	struct sim_stream *s = attached(fd, stream);
	if (s && mindata >= s->ring.size) {
		errno = EINVAL;
		s = NULL;
	}
	if (s) {
		s->mindata = mindata;
		s->maxwait = *maxwait;
		s->poll = *poll;
	}
	pthread_mutex_unlock(&sim_lock);
	return s ? 0 : -1;
}

static uint64_t timeval_us(struct timeval t)
{
	return (uint64_t)t.tv_sec * 1000000u + (uint64_t)t.tv_usec;
}

// The blocking form: looks again every `poll` until there is enough, or `maxwait` is over.
static uint8_t *wait_for_data(struct sim_stream *s, uint8_t *top, uint8_t **bottom)
{
	uint64_t waited = 0, step = timeval_us(s->poll), max = timeval_us(s->maxwait);
	if (step == 0)
		step = 1000;
	while (top && (uint64_t)(top - *bottom) < s->mindata && (max == 0 || waited < max)) {
		usleep((useconds_t)(step < 1000000 ? step : 999999));
		waited += step;
		top = sim_stream_advance(s, bottom);
	}
	return top;
}

uint8_t *dag_advance_stream(int fd, int stream, uint8_t **bottom)
{
	struct sim_stream *s = stream_of(fd, stream);
	if (!s)
		return NULL;
	uint8_t *top = sim_stream_advance(s, bottom);
	return s->mindata == 0 ? top : wait_for_data(s, top, bottom);
}

uint8_t *dag_rx_stream_next_record(int fd, int stream)
{
	struct sim_stream *s = stream_of(fd, stream);
	if (!s)
		return NULL;
	uint8_t *bottom = s->record;
	uint8_t *top = sim_stream_advance(s, &bottom);
	if (!top)
		return NULL;
	s->record = NULL;
	if (top == bottom) {
		errno = EAGAIN;
		return NULL;
	}
	// given back by the next call
	s->record = bottom + hm_erf_rlen(bottom);
	return bottom;
}

int dag_get_stream_erf_types(int fd, int stream, uint8_t *types, int size)
{
	if (!stream_of(fd, stream))
		return -1;
	if (size < 2) {
		errno = EINVAL;
		return -1;
	}
	types[0] = HM_ERF_ETH;
	types[1] = 0;
	return 1;
}

int dag_set_mode(int fd, int stream, uint32_t mode)
{
	if (!stream_of(fd, stream))
		return -1;
	if (mode != 0) {
		errno = ENOSYS; // nobody but the simulator is on the card's side
		return -1;
	}
	return 0;
}

/* --- configuration: the one attribute that a driver wants --- */

void *dag_config_init(const char *name)
{
	char path[64];
	int stream;
	if (dag_parse_name(name, path, sizeof(path), &stream) < 0)
		return NULL;
	pthread_mutex_lock(&sim_lock);
	struct sim_card *c = open_card(path + strlen("/dev/"));
	pthread_mutex_unlock(&sim_lock);
	return c;
}

void dag_config_dispose(void *card)
{
	pthread_mutex_lock(&sim_lock);
	close_card(card);
	pthread_mutex_unlock(&sim_lock);
}

uint64_t dag_config_get_indexed_attribute_uuid(void *card, uint32_t code, uint32_t index)
{
	const struct sim_card *c = card;
	if (code != DAG_SIM_DROP_ATTR || index % 2 != 0 || index / 2 >= c->n_streams)
		return 0;
	return index / 2 + 1;
}

int dag_config_get_uint64_attribute_ex(void *card, uint64_t uuid, uint64_t *value)
{
	const struct sim_card *c = card;
	if (uuid < 1 || uuid > c->n_streams)
		return -1;
	*value = c->shared->stream[uuid - 1].drops;
	return 0;
}
