/* SPDX-License-Identifier: BSD-3-Clause */
#include "pmd_dag/sim/card.h"

#include <errno.h>
#include <inttypes.h>
#include <sched.h>
#include <stdalign.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "trace/erf.h"

#define MIN_WINDOW UINT64_C(65536) // so that the longest record is contiguous

pthread_mutex_t sim_lock = PTHREAD_MUTEX_INITIALIZER;
static struct sim_card *cards;

struct sim_card *sim_card_find(const char *name)
{
	struct sim_card *c = cards;
	while (c && strcmp(c->name, name) != 0)
		c = c->next;
	return c;
}

static int check_feed(const char *name, const struct dag_sim_card *conf, struct hm_error *err)
{
	struct sim_script script;
	struct sim_split split;
	if (conf->rate_pps > 0 && conf->pace != 0)
		return hm_error_set(err, -EINVAL, 0, "%s: either a rate or a pace", name);
	if (conf->drop_bits != 32 && conf->drop_bits != 64)
		return hm_error_set(err, -EINVAL, 0, "%s: drop_bits %u, want 32 or 64", name,
				    conf->drop_bits);
	int ret = sim_split_init(&split, conf->streams, conf->rules, err);
	if (ret == 0)
		ret = sim_script_init(&script, conf->faults, err);
	if (ret == 0)
		sim_script_fini(&script);
	return ret;
}

int sim_card_check(const char *name, const struct dag_sim_card *conf, struct hm_error *err)
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
	return check_feed(name, conf, err);
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

// A descriptor cannot be read twice, so it is fed; so is what has no end, or may go wrong.
static bool may_load(const struct dag_sim_card *conf, uint64_t limit)
{
	if (conf->shared || conf->lossy || conf->rate_pps > 0 || conf->faults)
		return false;
	if (conf->path)
		return sim_source_file_size(conf) <= limit;
	return conf->fd < 0 && conf->generator && conf->generator->packets > 0;
}

// The ring's sizes come with the records.
static int load_card(struct sim_card *c, uint64_t limit, struct hm_error *err)
{
	int ret = sim_source_open(&c->source, &c->conf, err);
	if (ret < 0)
		return ret;
	c->form = sim_record_form_of(&c->conf);
	ret = sim_split_init(&c->split, c->n_streams, c->conf.rules, err);
	c->shared = aligned_alloc(alignof(struct sim_shared), sizeof(*c->shared));
	if (!c->shared)
		return -ENOMEM;
	memset(c->shared, 0, sizeof(*c->shared));
	sim_shared_init(c->shared, &c->conf, 0);
	c->shared->link = c->source.link;
	c->shared->hold = c->conf.hold;
	for (uint32_t i = 0; i < c->n_streams; i++)
		c->streams[i].shared = &c->shared->stream[i];
	return ret == 0 ? sim_card_load(c, limit, err) : ret;
}

static void unload_card(struct sim_card *c)
{
	sim_source_close(&c->source);
	free(c->shared);
	c->shared = NULL;
}

// A card of this process is a file in memory: the feeder's thread maps it like another process.
static int open_file(struct sim_card *c, struct hm_error *err)
{
	const struct dag_sim_card *conf = &c->conf;
	int fd = conf->shared ? -1 : memfd_create("dag_sim", MFD_CLOEXEC);
	if (!conf->shared && fd < 0)
		return -errno;
	int ret = sim_shared_open(&c->file, conf, fd, err);
	if (ret < 0)
		return ret;
	c->shared = c->file.shared;
	for (uint32_t i = 0; i < c->n_streams && ret == 0; i++) {
		struct sim_stream *s = &c->streams[i];
		s->shared = &c->shared->stream[i];
		ret = sim_shared_ring(&c->file, i, &s->ring);
	}
	if (ret < 0)
		return hm_error_set(err, ret, 0, "%s: cannot map a ring of %u MB: %s", c->name,
				    conf->buffer_mb, strerror(-ret));
	if (conf->shared)
		return 0;
	c->shared->hold = conf->hold;
	c->feeder = calloc(1, sizeof(*c->feeder));
	return c->feeder ? sim_feeder_init(c->feeder, &c->file, conf, err) : -ENOMEM;
}

static int fill_card(struct sim_card *c, struct hm_error *err)
{
	uint64_t limit = load_limit(&c->conf);
	if (may_load(&c->conf, limit)) {
		int ret = load_card(c, limit, err);
		if (ret != -EFBIG)
			return ret;
		unload_card(c);
	}
	return open_file(c, err);
}

struct sim_card *sim_card_create(const char *name, const struct dag_sim_card *conf,
				 struct hm_error *err)
{
	int ret = sim_card_check(name, conf, err);
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
	c->file.fd = -1;
	c->n_streams = conf->streams;
	c->numbered = sim_record_form_of(conf).sequence;
	for (uint32_t i = 0; i < c->n_streams; i++) {
		c->streams[i].card = c;
		c->streams[i].ring.fd = -1;
		c->streams[i].attached_by = -1;
	}
	ret = fill_card(c, err);
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

static void *feed_main(void *arg)
{
	struct sim_card *c = arg;
	pthread_setname_np(pthread_self(), "dag_sim");
	sim_feeder_run(c->feeder, &c->error);
	return NULL;
}

static int start_feeder(struct sim_card *c)
{
	if (c->feeding || !c->feeder)
		return 0;
	errno = pthread_create(&c->thread, NULL, feed_main, c);
	if (errno != 0)
		return -1;
	c->feeding = true;
	return 0;
}

void sim_card_destroy(struct sim_card *c)
{
	struct sim_card **p = &cards;
	if (c->feeder) {
		c->feeder->quit = true;
		if (c->feeding)
			pthread_join(c->thread, NULL);
		sim_feeder_fini(c->feeder);
		free(c->feeder);
	}
	while (*p != c)
		p = &(*p)->next;
	*p = c->next;
	for (uint32_t i = 0; i < c->n_streams; i++) {
		sim_ring_free(&c->streams[i].ring);
		free(c->streams[i].index);
	}
	if (c->shared == c->file.shared)
		c->shared = NULL;
	unload_card(c);
	sim_shared_close(&c->file);
	free(c);
}

// The position that the last reader left, of whichever process.
static void take_position(struct sim_stream *s)
{
	s->released = s->shared->released;
	s->exposed = s->shared->exposed;
	s->position = s->released % s->ring.size;
	s->bottom = s->ring.mem + s->position;
}

int sim_stream_attach(struct sim_stream *s, int fd, uint64_t window)
{
	if (s->attached_by >= 0) {
		errno = EBUSY;
		return -1;
	}
	if (sim_shared_attach(&s->card->file, (uint32_t)(s - s->card->streams)) < 0)
		return -1;
	errno = -sim_ring_window(&s->ring,
				 window != 0 && window < MIN_WINDOW ? MIN_WINDOW : window);
	if (errno != 0) {
		sim_shared_detach(&s->card->file, (uint32_t)(s - s->card->streams));
		return -1;
	}
	s->attached_by = fd;
	s->shared->started = false; // if its last reader died
	take_position(s);
	return 0;
}

void sim_stream_detach(struct sim_stream *s)
{
	sim_stream_stop(s);
	s->attached_by = -1;
	sim_shared_detach(&s->card->file, (uint32_t)(s - s->card->streams));
}

int sim_stream_start(struct sim_stream *s)
{
	if (s->shared->started) {
		errno = EINVAL;
		return -1;
	}
	s->fresh = true;
	s->joined = false;
	s->record = NULL;
	s->shared->started = true;
	return s->card->shared->hold ? 0 : start_feeder(s->card);
}

void sim_stream_stop(struct sim_stream *s)
{
	s->shared->started = false;
}

uint64_t sim_card_now_ns(struct sim_card *c)
{
	if (c->conf.pace == 0)
		return UINT64_MAX;
	uint64_t now = sim_now_ns(), none = 0;
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
	s->shared->reader_cpu = sched_getcpu();
}

// The last record end that lies within the mirror's window, which ends at `limit`.
static uint64_t within_window(const struct sim_stream *s, uint64_t limit)
{
	uint64_t at = s->exposed;
	while (at + HM_ERF_HEADER <= limit) {
		uint32_t rlen = hm_erf_rlen(s->bottom + (at - s->released));
		if (rlen < HM_ERF_HEADER)
			return limit;
		if (at + rlen > limit)
			break;
		at += rlen;
	}
	return at;
}

static void expose_fed(struct sim_stream *s)
{
	uint64_t produced = atomic_load_explicit(&s->shared->produced, memory_order_acquire);
	const uint64_t limit = s->released - s->position + s->ring.size + s->ring.window;
	if (atomic_load_explicit(&s->shared->error, memory_order_acquire) != 0 &&
	    produced > s->shared->error_at)
		produced = s->shared->error_at;
	s->exposed = produced > limit ? within_window(s, limit) : produced;
}

// The error that the script has put here, or a feeder that has not been heard of for too long.
static int card_error(const struct sim_stream *s)
{
	const struct sim_card *c = s->card;
	int error = atomic_load_explicit(&s->shared->error, memory_order_acquire);
	if (error != 0 && (error == EAGAIN || s->exposed >= s->shared->error_at))
		return error;
	if (c->conf.unplug_ms == 0 || s->exposed != s->shared->produced)
		return 0;
	uint64_t beat = c->shared->heartbeat, now = sim_now_ns() / 1000000;
	return beat != 0 && now > beat + c->conf.unplug_ms ? ENODEV : 0;
}

/* What the reader will not see any more, when it has given back all that there is. What `fed` and `exhausted`
 * tell of was produced before they were looked at. */
static void raise_floor(struct sim_stream *s, uint64_t fed, bool exhausted)
{
	uint64_t floor = exhausted ? UINT64_MAX : fed;
	if (s->released != s->exposed)
		return;
	if (s->card->loaded)
		floor = sim_stream_next_number(s);
	else if (s->exposed != atomic_load_explicit(&s->shared->produced, memory_order_acquire))
		return; // beyond the window
	atomic_store_explicit(&s->floor, floor, memory_order_release);
}

uint8_t *sim_stream_advance(struct sim_stream *s, uint8_t **bottom)
{
	const struct sim_shared *shared = s->card->shared;
	uint64_t given = *bottom ? (uint64_t)(*bottom - s->bottom) : 0;
	if (!s->shared->started || (*bottom && *bottom < s->bottom) ||
	    given > s->exposed - s->released) {
		atomic_fetch_add_explicit(&s->shared->violations, 1, memory_order_relaxed);
		errno = EINVAL;
		return NULL;
	}
	if (!s->card->loaded) {
		int error = card_error(s);
		if (error != 0) {
			errno = error;
			return NULL;
		}
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
		atomic_store_explicit(&s->shared->released, s->released, memory_order_release);
	}
	if (s->fresh) {
		s->fresh = false; // a reader that throws old records away loses nothing new
	} else if (!shared->hold && !shared->paused) {
		if (!s->joined)
			join_reader(s);
		bool exhausted = atomic_load_explicit(&shared->exhausted, memory_order_acquire);
		uint64_t fed = atomic_load_explicit(&shared->fed, memory_order_acquire);
		if (s->card->loaded)
			sim_stream_expose_loaded(s);
		else
			expose_fed(s);
		if (s->card->numbered)
			raise_floor(s, fed, exhausted);
		atomic_store_explicit(&s->shared->exposed, s->exposed, memory_order_relaxed);
	}
	*bottom = s->bottom;
	return s->bottom + (s->exposed - s->released);
}

// Loaded traces: as many as the slowest stream has been offered.
static uint64_t laps_done(const struct sim_card *c)
{
	uint64_t laps = UINT64_MAX;
	if (!c->loaded)
		return c->shared->laps;
	for (uint32_t i = 0; i < c->n_streams; i++) {
		const struct sim_stream *s = &c->streams[i];
		uint64_t a_lap = s->ring_packets / c->copies;
		if (a_lap > 0 && s->shared->packets / a_lap < laps)
			laps = s->shared->packets / a_lap;
	}
	return laps == UINT64_MAX ? c->source.laps_max : laps;
}

static enum dag_sim_state card_state(const struct sim_card *c)
{
	const struct sim_shared *shared = c->shared;
	bool opened = false;
	if (shared->hold)
		return DAG_SIM_WAITING;
	for (uint32_t i = 0; i < c->n_streams; i++)
		opened |= shared->stream[i].reader_cpu >= 0;
	// exhausted is stored behind the last change of produced
	bool done = atomic_load_explicit(&shared->exhausted, memory_order_acquire);
	for (uint32_t i = 0; i < c->n_streams && done; i++)
		done = shared->stream[i].released == shared->stream[i].produced;
	if (done)
		return shared->failed < 0 ? DAG_SIM_FAILED : DAG_SIM_FINISHED;
	if (shared->paused)
		return DAG_SIM_PAUSED;
	return opened ? DAG_SIM_RUNNING : DAG_SIM_WAITING;
}

static void fill_status(const struct sim_card *c, struct dag_sim_status *status)
{
	const struct sim_shared *shared = c->shared;
	status->state = card_state(c);
	if (shared->failed < 0)
		memcpy(status->error, c->error.text, sizeof(status->error));
	status->link = shared->link;
	status->preloaded = c->loaded;
	status->laps = laps_done(c);
	status->packets = shared->read_packets;
	status->cut = shared->cut;
	status->skipped = shared->skipped;
	status->corrected = shared->corrected;
	status->file_bytes = shared->file_bytes;
	status->sent = shared->sent;
	status->dropped = shared->dropped;
	status->spoiled = shared->spoiled;
	status->filtered = shared->filtered;
	status->unread = shared->unread;
	status->streams = c->n_streams;
	for (uint32_t i = 0; i < c->n_streams; i++) {
		const struct sim_shared_stream *s = &shared->stream[i];
		status->violations += s->violations;
		status->stream[i] = (struct dag_sim_stream_status){
			.packets = s->packets,
			.bytes = s->exposed,
			.released_bytes = s->released,
			.buffer_bytes = c->streams[i].ring.size,
			.drops = s->drops,
		};
	}
}

int dag_sim_card_status(const char *name, struct dag_sim_status *status)
{
	*status = (struct dag_sim_status){0};
	pthread_mutex_lock(&sim_lock);
	struct sim_card *c = sim_card_find(name);
	if (c)
		fill_status(c, status);
	pthread_mutex_unlock(&sim_lock);
	return c ? 0 : -ENOENT;
}

const _Atomic uint64_t *dag_sim_stream_floor(const char *name, uint32_t i)
{
	const _Atomic uint64_t *floor = NULL;
	pthread_mutex_lock(&sim_lock);
	const struct sim_card *c = sim_card_find(name);
	if (c && c->numbered && i < c->n_streams)
		floor = &c->streams[i].floor;
	pthread_mutex_unlock(&sim_lock);
	return floor;
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
		c->shared->paused = false;
		c->shared->hold = false;
		for (uint32_t i = 0; i < c->n_streams; i++)
			attached |= c->streams[i].shared->started;
		if (attached && start_feeder(c) < 0)
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
		c->shared->paused = true;
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
