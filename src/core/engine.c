/* SPDX-License-Identifier: BSD-3-Clause */
#include <errno.h>
#include <rte_cycles.h>
#include <rte_launch.h>
#include <rte_lcore.h>
#include <rte_malloc.h>
#include <stdlib.h>
#include <string.h>

#include "core/admission.h"
#include "core/clock.h"
#include "core/cost.h"
#include "core/engine_internal.h"
#include "core/injector.h"
#include "core/log.h"

HM_LOG_TYPE(engine)

#define COPIES_PER_BATCH (HM_BATCH_MAX * HM_TRANSFORM_DEPTH)

static uint32_t largest_snaplen(const struct hm_config *config)
{
	uint32_t room = 0;

	for (size_t i = 0; i < config->n_devices; i++)
		room = RTE_MAX(room, config->devices[i].source == HM_SOURCE_TRACE
					     ? UINT16_MAX // traces keep what they have
					     : config->devices[i].snaplen);
	return room;
}

static struct hm_worker *create_worker(struct hm_engine *e, unsigned lcore, struct hm_error *err)
{
	int socket = (int)rte_lcore_to_socket_id(lcore);
	struct hm_worker *w = rte_zmalloc_socket("worker", sizeof(*w), RTE_CACHE_LINE_SIZE, socket);

	if (w)
		w->workspace.copies =
			hm_copies_create(COPIES_PER_BATCH, largest_snaplen(e->config), socket);
	if (!w || !w->workspace.copies) {
		rte_free(w);
		hm_error_set(err, -ENOMEM, 3084, "no memory for a worker (raise eal.memory_mb)");
		return NULL;
	}
	w->index = e->n_workers;
	w->lcore = lcore;
	w->socket = socket;
	w->qsbr = e->qsbr;
	w->stop = &e->stop;
	return w;
}

static int create_workers(struct hm_engine *e, struct hm_error *err)
{
	unsigned lcore;

	e->qsbr =
		rte_zmalloc("qsbr", rte_rcu_qsbr_get_memsize(HM_WORKERS_MAX), RTE_CACHE_LINE_SIZE);
	if (!e->qsbr || rte_rcu_qsbr_init(e->qsbr, HM_WORKERS_MAX) != 0)
		return hm_error_set(err, -ENOMEM, 3084, "no memory (raise eal.memory_mb)");
	RTE_LCORE_FOREACH_WORKER (lcore) {
		if (e->n_workers == HM_WORKERS_MAX)
			break;
		e->workers[e->n_workers] = create_worker(e, lcore, err);
		if (!e->workers[e->n_workers])
			return -ENOMEM;
		rte_rcu_qsbr_thread_register(e->qsbr, e->n_workers);
		e->n_workers++;
	}
	if (!e->n_workers)
		return hm_error_set(
			err, -EINVAL, 0,
			"eal.lcores names one lcore: it takes one for the control core and at "
			"least one worker, for example \"0-1\", or \"0@0,1@0\" on a single CPU");
	return 0;
}

static int create_compiler(struct hm_engine *e, struct hm_error *err)
{
	const struct hm_search_config *config = &e->config->search;
	struct hm_search_cache *cache =
		hm_search_cache_create(config->cache_dir, (uint64_t)config->cache_mb << 20, err);

	if (!cache)
		return -EINVAL;
	e->compiler = hm_compiler_create(cache);
	return e->compiler ? 0
			   : hm_error_set(err, -ENOMEM, 3084,
					  "cannot start the pattern compiler's threads");
}

struct hm_engine *hm_engine_create(const struct hm_config *config, struct hm_error *err)
{
	struct hm_engine *e = calloc(1, sizeof(*e));

	if (!e) {
		hm_error_set(err, -ENOMEM, 3084, "out of memory");
		return NULL;
	}
	e->config = config;
	TAILQ_INIT(&e->flows);
	e->accounts.limits = config->control.max_memory;
	TAILQ_INIT(&e->devices);
	LIST_INIT(&e->polled);
	hm_clock_init();
	if (create_workers(e, err) < 0 || create_compiler(e, err) < 0 ||
	    hm_devices_from_config(e, err) < 0) {
		hm_engine_destroy(e);
		return NULL;
	}
	return e;
}

int hm_engine_start(struct hm_engine *e, struct hm_error *err)
{
	struct hm_device *d;

	for (unsigned i = 0; i < e->n_workers; i++) {
		int ret =
			rte_eal_remote_launch(hm_worker_main, e->workers[i], e->workers[i]->lcore);

		if (ret < 0)
			return hm_error_set(err, ret, 0, "cannot launch a worker on lcore %u",
					    e->workers[i]->lcore);
	}
	e->launched = true;
	hm_engine_sample(e, e->config->explain.sample_batches);
	hm_engine_set_admission(e, &e->config->admission);
	if (hm_flows_from_config(e, e->config, err) < 0)
		return -EINVAL;
	// a trace that nobody looks at yet waits, so that a client can connect all its flows first
	TAILQ_FOREACH (d, &e->devices, next)
		d->want_start = d->config->source != HM_SOURCE_TRACE || d->dirty;
	return 0;
}

static bool workers_done(const struct hm_engine *e)
{
	for (unsigned i = 0; i < e->n_workers && e->launched; i++)
		if (!atomic_load_explicit(&e->workers[i]->done, memory_order_acquire))
			return false;
	return true;
}

/* Flows that no worker sees give up what they hold, and go. */
static unsigned finish_flows(struct hm_engine *e, uint64_t now_ns)
{
	bool unseen = atomic_load_explicit(&e->stop, memory_order_relaxed) && workers_done(e);
	struct hm_flow *f, *next;
	unsigned work = 0;

	if (!e->n_closing)
		return 0;
	for (f = TAILQ_FIRST(&e->flows); f; f = next) {
		bool done = true;

		next = TAILQ_NEXT(f, next);
		if (f->state == HM_FLOW_CLOSING && unseen)
			f->state =
				HM_FLOW_FINISHING; // the program that waits to be freed never runs
		if (f->state != HM_FLOW_FINISHING)
			continue;
		for (uint32_t i = 0; i < f->n; i++)
			done &= hm_instance_finish(f->instances[i], now_ns);
		if (done)
			hm_flow_free(f);
		work++;
	}
	return work;
}

static unsigned poll_functions(struct hm_engine *e, uint64_t now_ns)
{
	unsigned work = 0;
	struct hm_flow *f;

	LIST_FOREACH (f, &e->polled, next_polled)
		for (uint32_t i = 0; i < f->n; i++)
			if (f->instances[i]->fn->poll)
				work += f->instances[i]->fn->poll(f->instances[i]->conf, now_ns);
	return work;
}

static void every_second(struct hm_engine *e)
{
	uint64_t now = rte_rdtsc();
	struct hm_device *d;
	double seconds;

	if (now - e->last_second_tsc < rte_get_tsc_hz())
		return;
	seconds = e->last_second_tsc ? (double)(now - e->last_second_tsc) / (double)rte_get_tsc_hz()
				     : 0;
	e->last_second_tsc = now;
	hm_clock_adjust();
	if (e->sample_batches)
		hm_cost_learn(e);
	TAILQ_FOREACH (d, &e->devices, next)
		hm_cost_watch_rate(d, seconds);
	hm_admission_look(e);
	TAILQ_FOREACH (d, &e->devices, next)
		if (d->injector)
			hm_injector_look(d->injector);
	TAILQ_FOREACH (d, &e->devices, next)
		if (d->state == HM_DEVICE_RUNNING) {
			struct rte_eth_stats s;

			hm_device_clock_calibrate(d);
			hm_device_watch_wire(d, &s);
		}
}

unsigned hm_engine_poll(struct hm_engine *e)
{
	uint64_t now_ns = hm_clock_now_ns();
	unsigned work = 0;

	every_second(e);
	work += hm_reload_poll(e);
	if (!atomic_load_explicit(&e->stop, memory_order_relaxed))
		work += hm_devices_poll(e);
	work += poll_functions(e, now_ns);
	work += hm_waits_poll(e);
	work += finish_flows(e, now_ns);
	return work;
}

bool hm_engine_ready(const struct hm_engine *e)
{
	const struct hm_device *d;

	TAILQ_FOREACH (d, &e->devices, next)
		if (d->want_start || !hm_publish_settled(d))
			return false;
	return true;
}

void hm_engine_stop(struct hm_engine *e)
{
	struct hm_error err;
	struct hm_flow *f;

	// nothing is published any more: who waits for it, and a reload, must not wait for ever
	hm_error_set(&err, -ECANCELED, 6140, "the daemon is stopping");
	TAILQ_FOREACH (f, &e->flows, next) {
		hm_flow_answer(f, &err);
		hm_flow_hurry(f);
	}
	hm_waits_fini(e, &err);
	// last: functions know what for when workers ask them to drain
	atomic_store_explicit(&e->stop, true, memory_order_release); // hm_worker_main
}

bool hm_engine_stopped(const struct hm_engine *e)
{
	const struct hm_flow *f;
	uint64_t now_ns = hm_clock_now_ns();
	bool done = true;

	if (!workers_done(e))
		return false;
	TAILQ_FOREACH (f, &e->flows, next) {
		if (f->state >= HM_FLOW_CLOSING)
			return false; // it goes when it has moved out all that it holds
		// no worker sees them any more, and of a flow that was just connecting none ever has
		for (uint32_t i = 0; i < f->n; i++)
			if (f->instances[i]->node)
				done &= hm_instance_finish(f->instances[i], now_ns);
	}
	return done;
}

bool hm_engine_destroy(struct hm_engine *e)
{
	struct hm_device *d;
	bool whole;

	hm_engine_stop(e);
	while (!workers_done(e)) // after a failed start; else they have ended long ago
		hm_engine_poll(e);
	rte_eal_mp_wait_lcore();
	whole = hm_compiler_destroy(e->compiler);
	TAILQ_FOREACH (d, &e->devices, next) {
		hm_device_halt(d);
		hm_publish_fini(d);
	}
	while (!TAILQ_EMPTY(&e->flows))
		hm_flow_free(TAILQ_FIRST(&e->flows));
	hm_reload_fini(e);
	while (!TAILQ_EMPTY(&e->devices))
		hm_device_free(TAILQ_FIRST(&e->devices));
	for (unsigned i = 0; i < e->n_workers; i++) {
		hm_copies_destroy(e->workers[i]->workspace.copies);
		rte_free(e->workers[i]);
	}
	rte_free(e->qsbr);
	free(e);
	return whole;
}
