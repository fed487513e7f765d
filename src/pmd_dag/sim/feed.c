/* SPDX-License-Identifier: BSD-3-Clause */
/* feed: a trace that is not loaded is written into the rings by a thread of the card, which waits
 * for room. The thread keeps off the CPUs of the readers where the machine has others.
 */
#include "pmd_dag/sim/card.h"

#include <errno.h>
#include <sched.h>
#include <string.h>
#include <time.h>

#define PUBLISH 32u // packets between two publications

static cpu_set_t allowed; // CPUs of the process before anybody pinned its threads

__attribute__((constructor)) static void remember_cpus(void)
{
	if (sched_getaffinity(0, sizeof(allowed), &allowed) < 0)
		CPU_ZERO(&allowed);
}

static void pause_us(long us)
{
	nanosleep(&(struct timespec){.tv_nsec = us * 1000}, NULL);
}

static void avoid_readers(struct sim_card *c, int known[])
{
	cpu_set_t set = allowed;
	bool changed = false;
	for (uint32_t i = 0; i < c->n_streams; i++) {
		int cpu = c->streams[i].reader_cpu;
		changed |= cpu != known[i];
		known[i] = cpu;
		if (cpu >= 0)
			CPU_CLR((unsigned)cpu, &set);
	}
	if (changed && CPU_COUNT(&set) > 0)
		pthread_setaffinity_np(pthread_self(), sizeof(set), &set);
}

static void publish(struct sim_card *c)
{
	for (uint32_t i = 0; i < c->n_streams; i++) {
		struct sim_stream *s = &c->streams[i];
		atomic_store_explicit(&s->packets, s->offered, memory_order_relaxed);
		// the records are complete; pairs with the load in sim_stream_advance()
		atomic_store_explicit(&s->produced, s->filled, memory_order_release);
	}
}

struct feed {
	struct sim_card *card;
	uint32_t pending; // packets written since the last publication
	int reader_cpus[DAG_SIM_STREAMS_MAX];
};

// Waits until the packet may go out and its ring has room; false: the card goes away.
static bool wait_for_room(struct feed *f, struct sim_stream *s, uint32_t size, uint64_t ts_ns)
{
	struct sim_card *c = f->card;
	for (;;) {
		uint64_t released = atomic_load_explicit(&s->released_bytes, memory_order_acquire);
		bool early = c->paused || ts_ns > sim_card_now_ns(c);
		if (!early && s->filled + size - released <= s->ring.size)
			return true;
		if (f->pending > 0)
			publish(c);
		f->pending = 0;
		avoid_readers(c, f->reader_cpus);
		if (c->quit)
			return false;
		pause_us(50);
	}
}

static bool feed_packet(struct feed *f, const struct hm_trace_packet *p, uint64_t add_ns)
{
	struct sim_card *c = f->card;
	struct sim_stream *s = &c->streams[sim_card_split(c, p)];
	uint32_t size = sim_record_size(p, &c->form);
	if (!wait_for_room(f, s, size, p->ts_ns + add_ns))
		return false;
	// records across the end are contiguous in the mirror
	c->cut += sim_record_write(s->ring.mem + s->filled % s->ring.size, p, p->ts_ns + add_ns,
				   (uint32_t)(c->read_packets - 1), &c->form);
	s->filled += size;
	s->offered++;
	if (++f->pending == PUBLISH) {
		publish(c);
		f->pending = 0;
		avoid_readers(c, f->reader_cpus);
	}
	return !c->quit;
}

static int feed_lap(struct feed *f, uint64_t add_ns)
{
	struct sim_card *c = f->card;
	struct hm_trace_packet p;
	int ret;
	while ((ret = sim_source_next(&c->source, &p, &c->error)) > 0) {
		c->read_packets++;
		if (!feed_packet(f, &p, add_ns))
			return -ECANCELED;
	}
	publish(c);
	f->pending = 0;
	sim_source_lap_done(&c->source);
	sim_card_count(c);
	c->laps++;
	return ret;
}

static void *feed_main(void *arg)
{
	struct feed f = {.card = arg};
	struct sim_card *c = arg;
	uint64_t add_ns = 0;
	int ret;
	pthread_setname_np(pthread_self(), "dag_sim");
	memset(f.reader_cpus, 0xff, sizeof(f.reader_cpus));
	for (;;) {
		ret = feed_lap(&f, add_ns);
		// a lap without packets would spin for ever
		if (ret < 0 || c->source.packets == 0 ||
		    (c->source.laps_max && c->source.laps == c->source.laps_max))
			break;
		ret = sim_source_rewind(&c->source, &c->error);
		if (ret < 0)
			break;
		add_ns += c->source.lap_ns;
	}
	if (ret < 0 && ret != -ECANCELED)
		c->failed = ret;
	atomic_store_explicit(&c->exhausted, ret != -ECANCELED, memory_order_release);
	return NULL;
}

int sim_card_make_rings(struct sim_card *c, struct hm_error *err)
{
	uint64_t size = (uint64_t)c->conf.buffer_mb << 20;
	for (uint32_t i = 0; i < c->n_streams; i++) {
		struct sim_ring *r = &c->streams[i].ring;
		int ret = sim_ring_reserve(r, size, size);
		if (ret == 0)
			ret = sim_ring_seal(r, r->capacity);
		if (ret < 0)
			return hm_error_set(err, ret, 0, "%s: no memory for a ring of %u MB: %s",
					    c->name, c->conf.buffer_mb, strerror(-ret));
	}
	return 0;
}

int sim_card_feed_start(struct sim_card *c)
{
	if (c->feeding)
		return 0;
	errno = pthread_create(&c->feeder, NULL, feed_main, c);
	if (errno != 0)
		return -1;
	c->feeding = true;
	return 0;
}

void sim_card_feed_stop(struct sim_card *c)
{
	if (!c->feeding)
		return;
	c->quit = true;
	pthread_join(c->feeder, NULL);
	c->feeding = false;
}
