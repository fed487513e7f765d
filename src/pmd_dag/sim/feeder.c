/* SPDX-License-Identifier: BSD-3-Clause */
#include "pmd_dag/sim/feeder.h"

#include <errno.h>
#include <sched.h>
#include <string.h>
#include <time.h>

#include "trace/erf.h"

#define PUBLISH 32u   // records between two publications
#define LCTR    65534 // that one padding record tells at most, so that it is not "saturated"

static cpu_set_t allowed; // CPUs of the process before anybody pinned its threads

__attribute__((constructor)) static void remember_cpus(void)
{
	if (sched_getaffinity(0, sizeof(allowed), &allowed) < 0)
		CPU_ZERO(&allowed);
}

// Keeps off the CPUs of the readers where the machine has others.
static void avoid_readers(struct sim_feeder *f)
{
	cpu_set_t set = allowed;
	bool changed = false;
	for (uint32_t i = 0; i < f->split.n_streams; i++) {
		int cpu = f->shared->stream[i].reader_cpu;
		changed |= cpu != f->cpus[i];
		f->cpus[i] = cpu;
		if (cpu >= 0)
			CPU_CLR((unsigned)cpu, &set);
	}
	if (changed && CPU_COUNT(&set) > 0)
		sched_setaffinity(0, sizeof(set), &set);
}

void sim_feeder_publish(struct sim_feeder *f)
{
	struct sim_shared *shared = f->shared;
	_Atomic uint64_t *const counts[] = {&shared->sent, &shared->dropped, &shared->spoiled,
					    &shared->filtered, &shared->unread};
	for (unsigned i = 0; i < sizeof(counts) / sizeof(counts[0]); i++) {
		atomic_fetch_add_explicit(counts[i], f->counted[i], memory_order_relaxed);
		f->counted[i] = 0;
	}
	for (uint32_t i = 0; i < f->split.n_streams; i++) {
		struct sim_feeder_stream *s = &f->stream[i];
		atomic_fetch_add_explicit(&shared->stream[i].packets, s->packets,
					  memory_order_relaxed);
		s->packets = 0;
		// the records are complete; pairs with the load in sim_stream_advance()
		atomic_store_explicit(&shared->stream[i].produced, s->filled, memory_order_release);
	}
	atomic_store_explicit(&shared->fed, f->done, memory_order_release); // sim_stream_advance()
	atomic_store_explicit(&shared->heartbeat, sim_now_ns() / 1000000, memory_order_relaxed);
	f->pending = 0;
	avoid_readers(f);
}

bool sim_feeder_pause(struct sim_feeder *f)
{
	sim_feeder_publish(f);
	nanosleep(&(struct timespec){.tv_nsec = 50000}, NULL);
	return !f->quit;
}

bool sim_feeder_sleep(struct sim_feeder *f, uint64_t ms)
{
	const uint64_t end = sim_now_ns() + ms * 1000000;
	while (sim_now_ns() < end)
		if (!sim_feeder_pause(f))
			return false;
	return true;
}

static bool has_room(struct sim_feeder *f, struct sim_feeder_stream *s, uint64_t size)
{
	uint64_t released =
		atomic_load_explicit(&sim_feeder_shared(f, s)->released, memory_order_acquire);
	return s->filled + size - released <= s->ring.size;
}

bool sim_feeder_wait_room(struct sim_feeder *f, struct sim_feeder_stream *s, uint64_t size)
{
	while (!has_room(f, s, size))
		if (!sim_feeder_pause(f))
			return false;
	return true;
}

bool sim_feeder_wait_empty(struct sim_feeder *f, struct sim_feeder_stream *s)
{
	while (atomic_load_explicit(&sim_feeder_shared(f, s)->released, memory_order_acquire) !=
	       s->filled)
		if (!sim_feeder_pause(f))
			return false;
	return true;
}

void sim_feeder_lose(struct sim_feeder *f, struct sim_feeder_stream *s, uint8_t interface,
		     uint64_t n)
{
	_Atomic uint64_t *drops = &sim_feeder_shared(f, s)->drops;
	uint64_t sum = *drops + n;
	*drops = f->drop_bits == 32 ? (uint32_t)sum : sum;
	sum = s->lost[interface] + n;
	s->lost[interface] = sum < UINT32_MAX ? (uint32_t)sum : UINT32_MAX;
}

// The counter of the records of an interface; what does not fit into it is never told.
static uint16_t take_lctr(struct sim_feeder_stream *s, uint8_t interface)
{
	uint32_t lost = s->lost[interface];
	s->lost[interface] = 0;
	return lost < UINT16_MAX ? (uint16_t)lost : UINT16_MAX;
}

static uint64_t record_ns(const struct sim_feeder *f, const struct hm_trace_packet *p)
{
	return p->ts_ns + f->lap_ns + (uint64_t)f->clock_ns;
}

// The time has come by the host's clock, and nobody holds the card.
static bool is_due(struct sim_feeder *f, const struct hm_trace_packet *p)
{
	if (f->shared->paused || f->shared->hold)
		return false;
	if (f->rate_pps == 0 && f->pace == 0)
		return true;
	if (f->start_ns == 0) {
		f->start_ns = sim_now_ns();
		f->base_ns = p->ts_ns;
	}
	uint64_t passed = sim_now_ns() - f->start_ns;
	if (f->rate_pps != 0)
		return (double)passed * 1e-9 * (double)f->rate_pps >= (double)f->n - 1;
	return (double)(p->ts_ns + f->lap_ns - f->base_ns) <= (double)passed * f->pace;
}

// The next record, with everything that a fault makes of it.
static bool put_record(struct sim_feeder *f, struct sim_feeder_stream *s,
		       const struct hm_trace_packet *p, uint16_t color,
		       const struct sim_twist *twist)
{
	uint8_t *rec = s->ring.mem + s->filled % s->ring.size; // the mirror makes it contiguous
	const uint8_t interface = p->ifindex % SIM_INTERFACES;
	uint32_t size = sim_record_size(p, &f->form);
	const struct sim_stamp stamp = {
		.ts_ns = record_ns(f, p),
		.sequence = (uint32_t)(f->n - 1),
		.field = f->form.color ? color : take_lctr(s, interface),
	};
	const bool alone = twist && twist->rlen >= 0;
	if (alone && !sim_feeder_wait_empty(f, s))
		return false;
	f->shared->cut += sim_record_write(rec, p, &stamp, &f->form);
	if (twist && sim_fault_twist(rec, &size, twist))
		f->counted[SIM_SPOILED]++;
	else
		s->packets++;
	f->counted[SIM_SENT]++;
	if (twist && twist->partial != 0 && twist->partial < size) {
		s->filled += twist->partial;
		sim_feeder_publish(f);
		if (twist->partial_ms > 0 && !sim_feeder_sleep(f, twist->partial_ms))
			return false;
		s->filled += size - twist->partial;
	} else {
		s->filled += size;
	}
	if (++f->pending == PUBLISH)
		sim_feeder_publish(f);
	return !alone || sim_feeder_wait_empty(f, s);
}

// Events of this packet. False: the feeder must end.
static bool fire_events(struct sim_feeder *f, struct sim_feeder_stream *s,
			const struct hm_trace_packet *p, struct sim_twist *twist, bool *twisted)
{
	struct sim_event e;
	*twist = (struct sim_twist){.rlen = -1, .type = -1};
	*twisted = false;
	while (sim_script_take(&f->script, f->n - 1, &e)) {
		*twisted = true;
		if (!sim_fault_fire(f, s, &e, record_ns(f, p), twist))
			return false;
	}
	return true;
}

static bool feed_packet(struct sim_feeder *f, const struct hm_trace_packet *p)
{
	struct sim_twist twist;
	uint16_t color;
	bool twisted = false;
	f->n++;
	while (!is_due(f, p))
		if (!sim_feeder_pause(f))
			return false;
	int stream = sim_split_packet(&f->split, f->shared->link, p, &color);
	struct sim_feeder_stream *s = &f->stream[stream < 0 ? 0 : stream];
	if (f->n - 1 >= f->script.next && !fire_events(f, s, p, &twist, &twisted))
		return false;
	if (stream < 0) {
		f->counted[SIM_FILTERED]++;
		return true;
	}
	if (f->lossy && !sim_feeder_shared(f, s)->started) {
		f->counted[SIM_UNREAD]++;
		return !f->quit;
	}
	uint64_t size = sim_record_size(p, &f->form) +
			(twisted ? twist.extensions * (uint64_t)HM_ERF_EXT_HEADER : 0);
	if (f->lossy && !has_room(f, s, size)) {
		f->counted[SIM_SENT]++;
		f->counted[SIM_DROPPED]++;
		sim_feeder_lose(f, s, p->ifindex % SIM_INTERFACES, 1);
		if (++f->pending == PUBLISH)
			sim_feeder_publish(f);
		return !f->quit;
	}
	return sim_feeder_wait_room(f, s, size) &&
	       put_record(f, s, p, color, twisted ? &twist : NULL) && !f->quit;
}

static int feed_lap(struct sim_feeder *f, struct hm_error *err)
{
	struct sim_shared *shared = f->shared;
	struct hm_trace_packet p;
	int ret;
	while ((ret = sim_source_next(&f->source, &p, err)) > 0) {
		shared->read_packets++;
		if (!feed_packet(f, &p))
			return -ECANCELED;
		f->done = f->n;
	}
	sim_feeder_publish(f);
	sim_source_lap_done(&f->source);
	sim_source_count(&f->source, shared);
	shared->laps++;
	return ret;
}

// What was lost behind the last record of each interface: padding tells it, as cards do.
static void tell_losses(struct sim_feeder *f)
{
	for (uint32_t i = 0; i < f->split.n_streams; i++) {
		struct sim_feeder_stream *s = &f->stream[i];
		for (unsigned k = 0; k < SIM_INTERFACES * 64; k++) {
			uint32_t *lost = &s->lost[k % SIM_INTERFACES];
			uint32_t n = *lost < LCTR ? *lost : LCTR;
			if (n == 0 || f->form.color || !sim_feeder_shared(f, s)->started)
				continue;
			if (!sim_feeder_wait_room(f, s, HM_ERF_HEADER))
				return;
			uint8_t *rec = s->ring.mem + s->filled % s->ring.size;
			sim_record_pad(rec, HM_ERF_HEADER);
			rec[9] = (uint8_t)((k & HM_ERF_FLAG_INTERFACE) | (k & 4) << 4);
			sim_put_be16(rec + 12, n);
			s->filled += HM_ERF_HEADER;
			*lost -= n;
		}
	}
	sim_feeder_publish(f);
}

int sim_feeder_run(struct sim_feeder *f, struct hm_error *err)
{
	int ret;
	sim_feeder_publish(f);
	for (;;) {
		ret = feed_lap(f, err);
		// a lap without packets would spin for ever
		if (ret < 0 || f->source.packets == 0 ||
		    (f->source.laps_max && f->source.laps == f->source.laps_max))
			break;
		ret = sim_source_rewind(&f->source, err);
		if (ret < 0)
			break;
		f->lap_ns += f->source.lap_ns;
	}
	sim_feeder_publish(f);
	if (f->dead)
		return ret;
	if (ret != -ECANCELED) {
		if (f->lossy)
			tell_losses(f);
		if (ret < 0)
			f->shared->failed = ret;
		atomic_store_explicit(&f->shared->exhausted, true, memory_order_release);
	}
	f->shared->heartbeat = 0;
	return ret;
}

int sim_feeder_init(struct sim_feeder *f, const struct sim_shared_file *file,
		    const struct dag_sim_card *conf, struct hm_error *err)
{
	*f = (struct sim_feeder){
		.shared = file->shared,
		.form = sim_record_form_of(conf),
		.pace = conf->pace,
		.rate_pps = conf->rate_pps,
		.lossy = conf->lossy,
		.drop_bits = conf->drop_bits,
	};
	memset(f->cpus, 0xff, sizeof(f->cpus));
	int ret = sim_split_init(&f->split, conf->streams, conf->rules, err);
	if (ret == 0)
		ret = sim_script_init(&f->script, conf->faults, err);
	if (ret == 0)
		ret = sim_source_open(&f->source, conf, err);
	if (ret < 0)
		return ret;
	f->shared->link = f->source.link;
	f->shared->failed = 0;
	f->shared->exhausted = false;
	for (uint32_t i = 0; i < conf->streams; i++) {
		ret = sim_shared_ring(file, i, &f->stream[i].ring);
		if (ret < 0)
			return hm_error_set(err, ret, 0, "cannot map a ring of %u MB: %s",
					    conf->buffer_mb, strerror(-ret));
		// behind what an earlier feeder left
		f->stream[i].filled = f->shared->stream[i].produced;
	}
	f->shared->generation++;
	return 0;
}

void sim_feeder_fini(struct sim_feeder *f)
{
	for (uint32_t i = 0; i < f->split.n_streams; i++)
		sim_ring_free(&f->stream[i].ring);
	sim_source_close(&f->source);
	sim_script_fini(&f->script);
}
