/* SPDX-License-Identifier: BSD-3-Clause */
/* publish: how a device's programs follow its flows while packets run through them.
 *
 * A generation is one step: a snapshot of the flows that want packets, the pattern database for them
 * (compiled on the compiler's thread unless the present one fits), one program a lane, one pointer store
 * a lane, and then a quiescent state of every worker before the old programs are freed and connects are
 * answered. Flows that come or go meanwhile make the device dirty: they are in the next generation.
 * Instances keep their state from one program to the next, so nothing is lost or counted twice.
 */
#include <errno.h>
#include <rte_cycles.h>
#include <stdlib.h>
#include <string.h>

#include "core/clock.h"
#include "core/engine_internal.h"
#include "core/log.h"

HM_LOG_TYPE(publish)

enum phase { PHASE_COMPILE, PHASE_GRACE };

struct hm_generation {
	enum phase phase;
	struct hm_compile_job *job;
	uint32_t n_flows, n;
	struct hm_flow **flows;
	struct hm_instance **instances; // of all flows, one after another
	bool *first;                    // instances[i] begins a flow
	struct hm_program *old[HM_WORKERS_MAX];
	uint64_t token; // of the quiescent state that old programs wait for
};

static void destroy_generation(struct hm_generation *g)
{
	if (!g)
		return;
	free(g->flows);
	free(g->instances);
	free(g->first);
	free(g);
}

static bool wants_packets(const struct hm_flow *f, const struct hm_device *d)
{
	return f->device == d && (f->state == HM_FLOW_CONNECTING || f->state == HM_FLOW_ACTIVE);
}

static struct hm_generation *take_snapshot(struct hm_device *d)
{
	struct hm_generation *g = calloc(1, sizeof(*g));
	uint32_t n_flows = 0, n = 0;
	struct hm_flow *f;

	TAILQ_FOREACH (f, &d->engine->flows, next)
		if (wants_packets(f, d)) {
			n_flows++;
			n += f->n;
		}
	if (!g)
		return NULL;
	g->flows = calloc(n_flows + 1, sizeof(struct hm_flow *));
	g->instances = calloc(n + 1, sizeof(struct hm_instance *));
	g->first = calloc(n + 1, sizeof(bool));
	if (!g->flows || !g->instances || !g->first) {
		destroy_generation(g);
		return NULL;
	}
	TAILQ_FOREACH (f, &d->engine->flows, next)
		if (wants_packets(f, d)) {
			f->in_program = true;
			g->flows[g->n_flows++] = f;
			g->first[g->n] = true;
			memcpy(&g->instances[g->n], f->instances, f->n * sizeof(f->instances[0]));
			g->n += f->n;
		}
	return g;
}

/* The patterns of the snapshot; NULL if there are none or (*failed) no memory. */
static struct hm_pattern_set *collect_patterns(const struct hm_generation *g, bool *failed)
{
	const struct hm_pattern **patterns = calloc(g->n + 1, sizeof(struct hm_pattern *));
	struct hm_pattern_set *set = NULL;
	uint32_t n = 0;

	*failed = !patterns;
	for (uint32_t i = 0; i < g->n && patterns; i++) {
		const struct hm_instance *in = g->instances[i];
		const struct hm_pattern *p = in->fn->pattern ? in->fn->pattern(in->conf) : NULL;

		if (p)
			patterns[n++] = p;
	}
	if (n) {
		set = hm_pattern_set_create(patterns, n);
		*failed = !set;
	}
	free(patterns);
	return set;
}

/* The generation cannot be: its new flows fail, and the next one is without them. */
static void give_up(struct hm_device *d, const struct hm_error *err)
{
	struct hm_generation *g = d->generation;

	HM_LOG(ERR, "new flows refused device=%s: %s", d->config->name, err->text);
	for (uint32_t i = 0; i < g->n_flows; i++) {
		struct hm_flow *f = g->flows[i];

		if (f->state == HM_FLOW_CONNECTING) {
			f->in_program = false;
			f->state = HM_FLOW_FAILED;
			hm_flow_answer(f, err);
		}
	}
	d->generation = NULL;
	d->dirty = true;
	destroy_generation(g);
}

static void publish(struct hm_device *d)
{
	struct hm_generation *g = d->generation;
	struct hm_program *fresh[HM_WORKERS_MAX];
	struct hm_error err;

	for (unsigned i = 0; i < d->n_lanes; i++) {
		fresh[i] = hm_program_create(g->instances, g->first, g->n, i, d->db,
					     d->workers[i]->socket);
		if (fresh[i])
			continue;
		while (i-- > 0)
			hm_program_destroy(fresh[i]);
		hm_error_set(&err, -ENOMEM, 3084,
			     "no memory for a program of %u functions (raise eal.memory_mb)", g->n);
		give_up(d, &err);
		return;
	}
	for (unsigned i = 0; i < d->n_lanes; i++)
		g->old[i] = atomic_exchange_explicit(&d->lanes[i]->program, fresh[i],
						     memory_order_acq_rel); // worker: poll_lane
	g->token = rte_rcu_qsbr_start(d->engine->qsbr);
	g->phase = PHASE_GRACE;
}

static void begin_generation(struct hm_device *d)
{
	struct hm_pattern_set *set;
	struct hm_error err;
	bool failed;

	d->generation = take_snapshot(d);
	if (!d->generation) {
		HM_LOG(ERR, "no memory for a snapshot of the flows device=%s", d->config->name);
		return; // stays dirty: tried again at the next poll
	}
	d->dirty = false;
	set = collect_patterns(d->generation, &failed);
	if (set && d->db && hm_search_db_matches(d->db, set)) {
		hm_pattern_set_destroy(set);
		set = NULL;
	} else if (set) {
		d->generation->job = hm_compiler_submit(d->engine->compiler, set);
		failed = !d->generation->job;
	} else if (!failed) {
		hm_search_db_unref(d->db);
		d->db = NULL;
	}
	if (failed) {
		hm_error_set(&err, -ENOMEM, 3084, "no memory for the patterns");
		give_up(d, &err);
	} else if (!d->generation->job) {
		publish(d);
	}
}

static unsigned end_compile(struct hm_device *d)
{
	struct hm_generation *g = d->generation;
	struct hm_search_db *db;
	struct hm_error err;

	if (!hm_compile_done(g->job))
		return 0;
	db = hm_compile_take(g->job, &err);
	g->job = NULL;
	if (!db) {
		give_up(d, &err);
		return 1;
	}
	hm_search_db_unref(d->db);
	d->db = db;
	publish(d);
	return 1;
}

static void end_generation(struct hm_device *d)
{
	struct hm_generation *g = d->generation;
	struct hm_flow *f;

	for (unsigned i = 0; i < d->n_lanes; i++)
		hm_program_destroy(g->old[i]);
	// who was closed before the snapshot is in no program any more
	TAILQ_FOREACH (f, &d->engine->flows, next)
		if (f->device == d && f->state == HM_FLOW_CLOSING)
			f->in_program = false;
	for (uint32_t i = 0; i < g->n_flows; i++) {
		f = g->flows[i];
		f->in_program = true;
		if (f->state == HM_FLOW_CONNECTING) {
			f->state = HM_FLOW_ACTIVE;
			f->connected_ns = hm_clock_now_ns();
			hm_flow_answer(f, NULL);
		}
	}
	TAILQ_FOREACH (f, &d->engine->flows, next)
		if (f->device == d && f->state == HM_FLOW_CLOSING && !f->in_program)
			f->state = HM_FLOW_FINISHING;
	d->generation = NULL;
	destroy_generation(g);
}

unsigned hm_publish_poll(struct hm_device *d)
{
	struct hm_generation *g = d->generation;

	if (!g) {
		if (!d->dirty)
			return 0;
		begin_generation(d);
		return 1;
	}
	if (g->phase == PHASE_COMPILE)
		return end_compile(d);
	if (rte_rcu_qsbr_check(d->engine->qsbr, g->token, false) != 1)
		return 0;
	end_generation(d);
	return 1;
}

bool hm_publish_settled(const struct hm_device *d)
{
	return !d->generation && !d->dirty;
}

void hm_publish_fini(struct hm_device *d)
{
	struct hm_generation *g = d->generation;

	if (g && g->job)
		hm_search_db_unref(hm_compile_take(g->job, NULL));
	for (unsigned i = 0; i < d->n_lanes; i++) {
		if (g)
			hm_program_destroy(g->old[i]);
		hm_program_destroy(
			atomic_load_explicit(&d->lanes[i]->program, memory_order_relaxed));
	}
	hm_search_db_unref(d->db);
	destroy_generation(g);
}
