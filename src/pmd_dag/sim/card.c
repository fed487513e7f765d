/* SPDX-License-Identifier: BSD-3-Clause */
#include "pmd_dag/sim/card.h"

#include <errno.h>
#include <inttypes.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "core/parse.h"

pthread_mutex_t sim_lock = PTHREAD_MUTEX_INITIALIZER;
static struct sim_card *cards;

struct sim_card *sim_card_find(const char *name)
{
	struct sim_card *c = cards;
	while (c && strcmp(c->name, name) != 0)
		c = c->next;
	return c;
}

static int check_conf(const char *name, const struct dag_sim_card *conf, struct hm_error *err)
{
	unsigned number;
	char tail;
	if (sscanf(name, "dag%4u%c", &number, &tail) != 1)
		return hm_error_set(err, -EINVAL, 0, "card \"%s\": want dag0 to dag9999", name);
	if (conf->streams < 1 || conf->streams > DAG_SIM_STREAMS_MAX)
		return hm_error_set(err, -EINVAL, 0, "%s: streams %u, want 1-%d", name,
				    conf->streams, DAG_SIM_STREAMS_MAX);
	if (conf->fcs != 0 && conf->fcs != 32)
		return hm_error_set(err, -EINVAL, 0, "%s: fcs %u, want 0 or 32", name, conf->fcs);
	if (!(conf->pace >= 0 && conf->pace <= 1e6))
		return hm_error_set(err, -EINVAL, 0, "%s: pace %g, want 0-1000000", name,
				    conf->pace);
	if (conf->buffer_mb < 1 || conf->buffer_mb > 65536 || conf->preload_mb > 4000)
		return hm_error_set(err, -EINVAL, 0,
				    "%s: buffer_mb %u, preload_mb %u: want 1-65536 and 0-4000",
				    name, conf->buffer_mb, conf->preload_mb);
	if (!conf->path && conf->fd >= 0 && conf->loop != 1)
		return hm_error_set(err, -EINVAL, 0,
				    "%s: a descriptor can be played once only, loop must be 1",
				    name);
	return 0;
}

// What may be loaded: the limit asked for, but never more than half of what is free.
static uint64_t load_limit(const struct dag_sim_card *conf)
{
	uint64_t limit = (uint64_t)conf->preload_mb << 20, free_kb = 0;
	char line[128];
	FILE *f = fopen("/proc/meminfo", "re");
	while (f && fgets(line, sizeof(line), f))
		if (sscanf(line, "MemAvailable: %" SCNu64, &free_kb) == 1)
			break;
	if (f)
		fclose(f);
	if (free_kb > 0 && limit > (free_kb << 10) / 2)
		limit = (free_kb << 10) / 2;
	return limit;
}

// A descriptor cannot be read twice, so it is fed; so is what has no end.
static bool may_load(const struct dag_sim_card *conf, uint64_t limit)
{
	if (conf->path)
		return sim_source_file_size(conf) <= limit;
	return conf->fd < 0 && conf->generator && conf->generator->packets > 0;
}

static int fill_card(struct sim_card *c, const struct dag_sim_card *conf, struct hm_error *err)
{
	uint64_t limit = load_limit(conf);
	int ret = sim_source_open(&c->source, conf, err);
	if (ret < 0)
		return ret;
	if (may_load(conf, limit)) {
		ret = sim_card_load(c, limit, err);
		if (ret != -EFBIG)
			return ret;
		sim_source_close(&c->source);
		ret = sim_source_open(&c->source, conf, err);
		if (ret < 0)
			return ret;
		c->cut = c->read_packets = 0;
	}
	return sim_card_make_rings(c, err);
}

struct sim_card *sim_card_create(const char *name, const struct dag_sim_card *conf,
				 struct hm_error *err)
{
	int ret = check_conf(name, conf, err);
	if (ret < 0) {
		errno = -ret;
		return NULL;
	}
	struct sim_card *c = calloc(1, sizeof(*c));
	if (!c) {
		errno = ENOMEM;
		return NULL;
	}
	strncpy(c->name, name, sizeof(c->name) - 1);
	c->conf = *conf;
	// one stream is in order by itself
	c->form = (struct sim_record_form){conf->fcs, conf->sequence && conf->streams > 1};
	c->n_streams = conf->streams;
	c->started = !conf->hold;
	for (uint32_t i = 0; i < c->n_streams; i++) {
		c->streams[i].card = c;
		c->streams[i].ring.fd = -1;
		c->streams[i].reader_cpu = -1;
		c->streams[i].attached_by = -1;
	}
	ret = fill_card(c, conf, err);
	for (uint32_t i = 0; i < c->n_streams; i++)
		c->streams[i].bottom = c->streams[i].ring.mem;
	c->next = cards;
	cards = c;
	if (ret < 0) {
		// the caller keeps its descriptor
		sim_card_destroy(c);
		errno = -ret;
		return NULL;
	}
	return c;
}

void sim_card_destroy(struct sim_card *c)
{
	struct sim_card **p = &cards;
	sim_card_feed_stop(c);
	while (*p != c)
		p = &(*p)->next;
	*p = c->next;
	sim_source_close(&c->source);
	for (uint32_t i = 0; i < c->n_streams; i++) {
		sim_ring_free(&c->streams[i].ring);
		free(c->streams[i].index);
	}
	free(c);
}

int sim_stream_start(struct sim_stream *s)
{
	if (s->started) {
		errno = EINVAL;
		return -1;
	}
	s->started = true;
	s->fresh = true;
	s->joined = false;
	s->record = NULL;
	if (!s->card->loaded && s->card->started)
		return sim_card_feed_start(s->card);
	return 0;
}

void sim_stream_stop(struct sim_stream *s)
{
	s->started = false;
}

uint32_t sim_card_split(const struct sim_card *c, const struct hm_trace_packet *p)
{
	static const struct hm_parse_conf conf = {0};
	static _Thread_local struct hm_batch b;
	if (c->n_streams == 1)
		return 0;
	b.n = 1;
	b.link = c->source.link;
	b.all = 1;
	b.data[0] = p->data;
	b.caplen[0] = p->caplen < UINT16_MAX ? p->caplen : UINT16_MAX;
	b.wirelen[0] = p->wirelen;
	hm_parse(&b, &conf);
	return b.hash[0] % c->n_streams;
}

static uint64_t monotonic_ns(void)
{
	struct timespec t;
	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

uint64_t sim_card_now_ns(struct sim_card *c)
{
	if (c->conf.pace == 0)
		return UINT64_MAX;
	uint64_t now = monotonic_ns(), none = 0;
	// the first look of whichever thread starts the clock
	atomic_compare_exchange_strong(&c->start_ns, &none, now);
	uint64_t start = c->start_ns;
	return c->source.first_ns +
	       (uint64_t)((double)(now > start ? now - start : 0) * c->conf.pace);
}

// Where the reader runs, so that the feeder keeps off. The first look of a session.
static void join_reader(struct sim_stream *s)
{
	s->joined = true;
	s->reader_cpu = sched_getcpu();
}

uint8_t *sim_stream_advance(struct sim_stream *s, uint8_t **bottom)
{
	uint64_t given = *bottom ? (uint64_t)(*bottom - s->bottom) : 0;
	if (!s->started || (*bottom && *bottom < s->bottom) || given > s->exposed - s->released) {
		atomic_fetch_add_explicit(&s->violations, 1, memory_order_relaxed);
		errno = EINVAL;
		return NULL;
	}
	if (given > 0) {
		if (s->card->conf.poison && !s->card->loaded)
			memset(s->bottom, 0xde, given);
		s->released += given;
		s->position += given;
		if (s->position >= s->ring.size)
			s->position -= s->ring.size;
		s->bottom = s->ring.mem + s->position;
		// the feeder may overwrite it from here on
		atomic_store_explicit(&s->released_bytes, s->released, memory_order_release);
	}
	if (s->fresh) {
		s->fresh = false; // a reader that throws old records away loses nothing new
	} else if (s->card->started && !s->card->paused) {
		if (!s->joined)
			join_reader(s);
		if (s->card->loaded)
			sim_stream_expose_loaded(s);
		else
			s->exposed = atomic_load_explicit(&s->produced, memory_order_acquire);
		atomic_store_explicit(&s->exposed_bytes, s->exposed, memory_order_relaxed);
	}
	*bottom = s->bottom;
	return s->bottom + (s->exposed - s->released);
}

void sim_card_count(struct sim_card *c)
{
	if (!c->source.reader)
		return;
	const struct hm_trace_counts *counts = hm_trace_counts(c->source.reader);
	c->skipped = counts->skipped;
	c->corrected = counts->corrected;
	c->file_bytes = counts->bytes;
}

// Loaded traces: as many as the slowest stream has been offered.
static uint64_t laps_done(const struct sim_card *c)
{
	uint64_t laps = UINT64_MAX;
	if (!c->loaded)
		return c->laps;
	for (uint32_t i = 0; i < c->n_streams; i++) {
		const struct sim_stream *s = &c->streams[i];
		uint64_t a_lap = s->ring_packets / c->copies;
		if (a_lap > 0 && s->packets / a_lap < laps)
			laps = s->packets / a_lap;
	}
	return laps == UINT64_MAX ? c->source.laps_max : laps;
}

static enum dag_sim_state card_state(const struct sim_card *c)
{
	bool opened = false;
	if (!c->started)
		return DAG_SIM_WAITING;
	for (uint32_t i = 0; i < c->n_streams; i++)
		opened |= c->streams[i].reader_cpu >= 0;
	// exhausted is stored behind the last change of produced
	bool done = atomic_load_explicit(&c->exhausted, memory_order_acquire);
	for (uint32_t i = 0; i < c->n_streams && done; i++)
		done = c->streams[i].released_bytes == c->streams[i].produced;
	if (done)
		return c->failed < 0 ? DAG_SIM_FAILED : DAG_SIM_FINISHED;
	if (c->paused)
		return DAG_SIM_PAUSED;
	return opened ? DAG_SIM_RUNNING : DAG_SIM_WAITING;
}

int dag_sim_card_status(const char *name, struct dag_sim_status *status)
{
	*status = (struct dag_sim_status){0};
	pthread_mutex_lock(&sim_lock);
	struct sim_card *c = sim_card_find(name);
	if (c) {
		status->state = card_state(c);
		if (c->failed < 0)
			memcpy(status->error, c->error.text, sizeof(status->error));
		status->link = c->source.link;
		status->preloaded = c->loaded;
		status->laps = laps_done(c);
		status->packets = c->read_packets;
		status->cut = c->cut;
		status->skipped = c->skipped;
		status->corrected = c->corrected;
		status->file_bytes = c->file_bytes;
		status->streams = c->n_streams;
		for (uint32_t i = 0; i < c->n_streams; i++) {
			struct sim_stream *s = &c->streams[i];
			status->violations += s->violations;
			status->stream[i] = (struct dag_sim_stream_status){
				.packets = s->packets,
				.bytes = s->exposed_bytes,
				.released_bytes = s->released_bytes,
				.buffer_bytes = s->ring.size,
			};
		}
	}
	pthread_mutex_unlock(&sim_lock);
	return c ? 0 : -ENOENT;
}

int dag_sim_card_add(const char *name, const struct dag_sim_card *card, struct hm_error *err)
{
	int ret = 0;
	pthread_mutex_lock(&sim_lock);
	if (sim_card_find(name))
		ret = hm_error_set(err, -EEXIST, 0, "card %s exists already", name);
	else if (!sim_card_create(name, card, err))
		ret = -errno;
	pthread_mutex_unlock(&sim_lock);
	return ret;
}

int dag_sim_card_start(const char *name)
{
	int ret = 0;
	pthread_mutex_lock(&sim_lock);
	struct sim_card *c = sim_card_find(name);
	if (c) {
		bool attached = false;
		c->paused = false;
		c->started = true;
		for (uint32_t i = 0; i < c->n_streams; i++)
			attached |= c->streams[i].started;
		if (!c->loaded && attached && sim_card_feed_start(c) < 0)
			ret = -errno;
	} else {
		ret = -ENOENT;
	}
	pthread_mutex_unlock(&sim_lock);
	return ret;
}

int dag_sim_card_pause(const char *name)
{
	pthread_mutex_lock(&sim_lock);
	struct sim_card *c = sim_card_find(name);
	if (c)
		c->paused = true;
	pthread_mutex_unlock(&sim_lock);
	return c ? 0 : -ENOENT;
}

int dag_sim_card_remove(const char *name)
{
	int ret = -ENOENT;
	pthread_mutex_lock(&sim_lock);
	struct sim_card *c = sim_card_find(name);
	if (c && c->opens > 0) {
		ret = -EBUSY;
	} else if (c) {
		sim_card_destroy(c);
		ret = 0;
	}
	pthread_mutex_unlock(&sim_lock);
	return ret;
}
