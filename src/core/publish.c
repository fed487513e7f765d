/* SPDX-License-Identifier: BSD-3-Clause */
/* publish: how a device's programs follow its flows while packets run through them.
 *
 * A generation is one step: a snapshot of the flows that can see packets now, an index of their filters, one
 * program a lane, one pointer store a lane, and then each worker adopts its program before its next batch: it
 * reads the counters from which the new flows count on. After that, and a quiescent state of every worker, the
 * old programs are freed and connects are answered. Flows that come or go meanwhile make the device dirty:
 * they are in the next generation. Nodes keep their state from one program to the next, so nothing is lost or
 * counted twice.
 *
 * A flow with a pattern that the database does not hold waits for one that does (publish_patterns.c); nobody
 * waits for it.
 */
#include <errno.h>
#include <rte_cycles.h>
#include <stdlib.h>
#include <string.h>

#include "core/admission.h"
#include "core/cost.h"
#include "core/engine_internal.h"
#include "core/log.h"
#include "core/marks.h"
#include "core/ordered.h"

HM_LOG_TYPE(publish)

struct hm_generation {
	uint64_t number;
	uint32_t n_fresh;
	struct hm_flow **fresh; // begin to count with this generation
	bool others_wait;       // for the next one: there are more than fresh_max
	uint32_t n_marks;
	struct hm_program *old[HM_WORKERS_MAX]; // runners have their own (ordered.h)
	uint64_t token;                         // of the quiescent state that old programs wait for
};

static void destroy_generation(struct hm_generation *g)
{
	if (!g)
		return;
	free(g->fresh);
	free(g);
}

/* --- snapshot --- */

static bool can_run(const struct hm_flow *f, const struct hm_device *d)
{
	return f->device == d &&
	       (f->state == HM_FLOW_ACTIVE ||
		(f->state == HM_FLOW_CONNECTING && !f->preparing && hm_patterns_held(f, d->db)));
}

/* Flows that begin with the next generation; when one could not be, with some of them. */
static bool takes(const struct hm_device *d, struct hm_generation *g, const struct hm_flow *f)
{
	bool room = !d->fresh_max || g->n_fresh < d->fresh_max;

	if (f->state == HM_FLOW_ACTIVE)
		return true;
	g->others_wait |= !room;
	return room;
}

/* The node is in the programs; if it is new, it costs from now on. */
static void use_node(struct hm_device *d, struct hm_node *n, const struct hm_sample *timed)
{
	if (!n->generation)
		n->since = *timed;
	n->generation = d->last_generation;
	n->gate = NULL;
	d->uses.filters += n->kind == HM_NODE_FILTER;
	d->uses.patterns += n->kind == HM_NODE_PATTERN;
}

static void use_instance(struct hm_device *d, const struct hm_instance *in,
			 const struct hm_sample *timed)
{
	use_node(d, in->node, timed);
	if (in->back) {
		use_node(d, in->leave, timed);
		use_node(d, in->back, timed);
	}
}

/* Whether it waits for flows that are neither in this generation nor closed, nor failed. */
static bool waits(const struct hm_flow *f, const struct hm_instance *in)
{
	uint32_t n = 0;
	const uint32_t *ids = in->passed || !in->fn->awaits ? NULL : in->fn->awaits(in->conf, &n);

	for (uint32_t i = 0; i < n; i++) {
		const struct hm_flow *other = hm_flow_by_id(f->engine, ids[i]);

		if (other && other->state < HM_FLOW_FAILED &&
		    other->generation != f->device->last_generation)
			return true;
	}
	return false;
}

/* The flow's nodes up to where it waits for others: what is not in a program passes nothing. */
static void use_flow(struct hm_flow *f, const struct hm_sample *timed)
{
	struct hm_device *d = f->device;
	uint32_t i = 0;

	d->uses.flows++;
	while (i < f->n && !(f->instances[i]->waits = waits(f, f->instances[i])))
		use_instance(d, f->instances[i++], timed);
	d->n_waiting += i < f->n;
	if (f->order_ref && i >= f->split) {
		use_node(d, f->mark, timed);
		use_node(d, f->pick, timed);
	}
}

/* It is published: who has waited is through. */
static void pass(struct hm_device *d)
{
	struct hm_flow *f;

	TAILQ_FOREACH (f, &d->engine->flows, next)
		for (uint32_t i = 0; f->device == d && f->generation == d->last_generation &&
				     i < f->n && !f->instances[i]->waits;
		     i++)
			f->instances[i]->passed = true;
}

static void use_wire(struct hm_device *d, struct hm_node *n, void *timed)
{
	use_node(d, n, timed);
}

static struct hm_generation *take_snapshot(struct hm_device *d)
{
	struct hm_generation *g = calloc(1, sizeof(*g));
	struct hm_sample timed;
	struct hm_flow *f;

	if (!g)
		return NULL;
	hm_cost_stage(d, HM_STAGE_RECEIVE, &timed);
	memset(&d->uses, 0, sizeof(d->uses));
	g->fresh = calloc(d->n_connecting + 1, sizeof(struct hm_flow *));
	if (!g->fresh) {
		free(g);
		return NULL;
	}
	g->number = ++d->last_generation;
	TAILQ_FOREACH (f, &d->engine->flows, next) {
		if (!can_run(f, d) || !takes(d, g, f))
			continue;
		f->generation = g->number;
		if (f->state == HM_FLOW_CONNECTING)
			g->fresh[g->n_fresh++] = f;
	}
	d->n_waiting = 0;
	TAILQ_FOREACH (f, &d->engine->flows, next)
		if (f->device == d && f->generation == g->number)
			use_flow(f, &timed);
	hm_flow_feeds_use(d, use_wire, &timed);
	hm_admission_place_gates(d);
	return g;
}

/* The generation cannot be. One of its new flows makes it so, or some together: the next ones try with half as
 * many, and the flow that cannot even come alone is refused. The device stays dirty. */
static void give_up(struct hm_device *d, struct hm_generation *g, const struct hm_error *err)
{
	for (uint32_t i = 0; i < g->n_fresh; i++)
		g->fresh[i]->generation = 0;
	d->fresh_max = g->n_fresh > 1 ? g->n_fresh / 2 : 1;
	if (g->n_fresh <= 1)
		HM_LOG(ERR, "no new programs device=%s flow=%u: %s", d->config->name,
		       g->n_fresh ? g->fresh[0]->id : 0, err->text);
	if (g->n_fresh == 1)
		hm_flow_refuse(g->fresh[0], err);
	destroy_generation(g);
}

/* --- building --- */

static void collect_filters(const struct hm_node *n, uint64_t generation,
			    struct hm_filter **filters, uint32_t *n_filters)
{
	const struct hm_node *child;

	TAILQ_FOREACH (child, &n->children, sibling) {
		if (child->generation != generation)
			continue;
		if (child->kind == HM_NODE_FILTER)
			filters[(*n_filters)++] = child->fn->filter(child->conf);
		collect_filters(child, generation, filters, n_filters);
	}
}

/* The index of the generation's filters, if the present one is of others. */
static int update_index(struct hm_filter_index **held, struct hm_nodes *nodes,
			const struct hm_generation *g, struct hm_error *err)
{
	struct hm_filter **filters = calloc(hm_nodes_count(nodes) + 1, sizeof(struct hm_filter *));
	struct hm_filter_index *index = NULL;
	uint32_t n = 0;

	if (!filters)
		return hm_error_set(err, -ENOMEM, 3084, "no memory for the filters");
	collect_filters(hm_nodes_root(nodes), g->number, filters, &n);
	if (*held && hm_filter_index_matches(*held, filters, n)) {
		free(filters);
		return 0;
	}
	if (n > 0)
		index = hm_filter_index_create(filters, n, err);
	free(filters);
	if (n > 0 && !index)
		return -ENOMEM;
	hm_filter_index_unref(*held);
	*held = index;
	return 0;
}

/* A worker's scans for the database, with a reference for a program; NULL without patterns or memory. */
static struct hm_searches *searches_of(struct hm_searches **held, struct hm_search_db *db,
				       unsigned depth, int socket)
{
	struct hm_searches *s = *held;

	if (!db || (s && (s->db != db || !s->at[depth]))) {
		hm_searches_unref(s);
		*held = s = NULL;
	}
	if (db && !s)
		s = *held = hm_searches_create(db, depth, socket);
	if (s)
		s->refs++;
	return s;
}

static struct hm_layout *create_layout(struct hm_nodes *nodes, const struct hm_generation *g,
				       struct hm_searches **held, struct hm_search_db *db,
				       int socket)
{
	// which patterns need PCRE2 is the database's matter: any scan of it knows
	struct hm_searches *s = searches_of(held, db, 0, socket);
	struct hm_layout *l = NULL;

	if (s || !db)
		l = hm_layout_create(nodes, g->number, s ? s->at[0] : NULL);
	hm_searches_unref(s);
	return l;
}

static struct hm_program *create_program(struct hm_device *d, const struct hm_generation *g,
					 const struct hm_layout *l, unsigned lane)
{
	struct hm_searches *s =
		searches_of(&d->searches[lane], d->db, l->depth, d->workers[lane]->socket);
	struct hm_program *p;

	if (d->db && !s)
		return NULL;
	p = hm_program_create(l, lane, s, d->filter_index, g->n_marks, d->workers[lane]->socket);
	if (p)
		hm_marks_fill(p->marks, d->nodes, lane, g->fresh, g->n_fresh);
	return p;
}

/* The next program that one runner runs. */
static struct hm_program *create_program_of(struct hm_device *d, struct hm_runners *s, unsigned k,
					    const struct hm_layout *l)
{
	struct hm_runner *own = &s->runner[k];
	int socket = d->workers[own->lane->number]->socket;
	struct hm_searches *scans = searches_of(&own->searches, d->db, l->depth, socket);

	return d->db && !scans ? NULL : hm_program_create(l, k, scans, s->filter_index, 0, socket);
}

static int create_programs_of(struct hm_device *d, const struct hm_generation *g,
			      struct hm_runners *s, struct hm_error *err)
{
	struct hm_layout *l;
	unsigned k = 0;

	if (update_index(&s->filter_index, s->nodes, g, err) < 0)
		return -ENOMEM;
	l = create_layout(s->nodes, g, &s->runner[0].searches, d->db,
			  d->workers[s->first_lane]->socket);
	while (l && k < s->n && (s->runner[k].next = create_program_of(d, s, k, l)))
		k++;
	hm_layout_destroy(l);
	return k == s->n ? 0
			 : hm_error_set(err, -ENOMEM, 3084,
					"no memory for an ordered program of %u functions (raise "
					"eal.memory_mb)",
					hm_nodes_count(s->nodes));
}

/* Programs that were made and could not be used, or that nobody uses any more. */
static void drop_unused(struct hm_device *d)
{
	hm_runner_foreach (own, d->ordered) {
		hm_program_destroy(own->next);
		hm_program_destroy(own->old);
		own->next = own->old = NULL;
	}
}

static int create_ordered(struct hm_device *d, const struct hm_generation *g, struct hm_error *err)
{
	hm_runners_foreach (s, d->ordered)
		if (create_programs_of(d, g, s, err) < 0)
			return -ENOMEM;
	return 0;
}

static int create_programs(struct hm_device *d, struct hm_generation *g,
			   struct hm_program *fresh[HM_WORKERS_MAX], struct hm_error *err)
{
	struct hm_layout *l;
	unsigned lane = 0;

	if (update_index(&d->filter_index, d->nodes, g, err) < 0)
		return -ENOMEM;
	g->n_marks = hm_marks_count(g->fresh, g->n_fresh);
	l = create_layout(d->nodes, g, &d->searches[0], d->db, d->workers[0]->socket);
	while (l && lane < d->n_lanes && (fresh[lane] = create_program(d, g, l, lane)))
		lane++;
	hm_layout_destroy(l);
	if (lane == d->n_lanes)
		return 0;
	while (lane-- > 0)
		hm_program_destroy(fresh[lane]);
	return hm_error_set(err, -ENOMEM, 3084,
			    "no memory for a program of %u functions (raise eal.memory_mb)",
			    hm_nodes_count(d->nodes));
}

static void begin_generation(struct hm_device *d)
{
	struct hm_program *fresh[HM_WORKERS_MAX];
	struct hm_generation *g = take_snapshot(d);
	struct hm_error err;

	if (!g) {
		HM_LOG(ERR, "no memory for a snapshot of the flows device=%s", d->config->name);
		return; // stays dirty: tried again at the next poll
	}
	if (create_ordered(d, g, &err) < 0 || create_programs(d, g, fresh, &err) < 0) {
		drop_unused(d);
		give_up(d, g, &err);
		return;
	}
	d->dirty = g->others_wait;
	d->fresh_max = g->others_wait ? 2 * d->fresh_max : 0;
	// first: what the lanes' programs hand over finds its flow there (run_batch in ordered.c)
	hm_runner_foreach (own, d->ordered) {
		own->old = atomic_exchange_explicit(&own->program, own->next, memory_order_acq_rel);
		own->next = NULL;
	}
	for (unsigned i = 0; i < d->n_lanes; i++)
		g->old[i] = atomic_exchange_explicit(&d->lanes[i]->program, fresh[i],
						     memory_order_acq_rel); // worker: poll_lane
	g->token = rte_rcu_qsbr_start(d->engine->qsbr);
	d->generation = g;
	pass(d);
}

/* --- the end --- */

static bool is_adopted(const struct hm_device *d)
{
	for (unsigned i = 0; i < d->n_lanes; i++)
		if (atomic_load_explicit(&d->lanes[i]->adopted, memory_order_acquire) !=
		    atomic_load_explicit(&d->lanes[i]->program, memory_order_relaxed))
			return false; // worker: poll_lane
	return rte_rcu_qsbr_check(d->engine->qsbr, d->generation->token, false) == 1;
}

/* The marks of all workers, added up. NULL without memory. */
static uint64_t *sum_marks(const struct hm_device *d)
{
	const struct hm_generation *g = d->generation;
	uint64_t *sums = calloc(g->n_marks, sizeof(*sums));

	for (unsigned lane = 0; lane < d->n_lanes && sums; lane++) {
		const struct hm_program *p =
			atomic_load_explicit(&d->lanes[lane]->program, memory_order_relaxed);

		for (uint32_t i = 0; i < g->n_marks; i++)
			sums[i] += p->marks[i].value;
	}
	return sums;
}

static void end_generation(struct hm_device *d)
{
	struct hm_generation *g = d->generation;
	uint64_t *sums = sum_marks(d);
	struct hm_flow *f;

	if (!sums)
		return; // tried again at the next poll
	hm_marks_begin(sums, g->fresh, g->n_fresh);
	free(sums);
	for (unsigned i = 0; i < d->n_lanes; i++)
		hm_program_destroy(g->old[i]);
	drop_unused(d);
	d->generation = NULL;
	for (uint32_t i = 0; i < g->n_fresh; i++)
		if (g->fresh[i]->state == HM_FLOW_CONNECTING) // else it was closed meanwhile
			hm_flow_connected(g->fresh[i]);
	// who was closed before the snapshot is in no program any more
	if (d->engine->n_closing)
		TAILQ_FOREACH (f, &d->engine->flows, next)
			if (f->device == d && f->state == HM_FLOW_CLOSING &&
			    f->generation != g->number)
				f->state = HM_FLOW_FINISHING;
	destroy_generation(g);
}

/* Flows whose functions have become prepared come with the next generation. */
static void look_at_preparing(struct hm_device *d)
{
	struct hm_flow *f;

	if (!d->n_preparing)
		return;
	TAILQ_FOREACH (f, &d->engine->flows, next)
		if (f->device == d && f->preparing)
			hm_flow_prepare(f);
}

unsigned hm_publish_poll(struct hm_device *d)
{
	unsigned work = hm_patterns_poll(d);
	uint64_t begin = rte_rdtsc();

	look_at_preparing(d);
	if (d->generation) {
		if (!is_adopted(d))
			return work;
		end_generation(d);
		return work + 1;
	}
	// building costs in proportion to all flows: half of the time is for everything else
	if (!d->dirty || begin < d->next_generation_tsc)
		return work;
	begin_generation(d);
	d->next_generation_tsc = 2 * rte_rdtsc() - begin;
	return work + 1;
}

bool hm_publish_settled(const struct hm_device *d)
{
	return !d->generation && !d->dirty && !d->n_connecting;
}

void hm_publish_fini(struct hm_device *d)
{
	struct hm_generation *g = d->generation;

	hm_patterns_fini(d);
	for (unsigned i = 0; i < d->n_lanes; i++) {
		if (g)
			hm_program_destroy(g->old[i]);
		hm_program_destroy(
			atomic_load_explicit(&d->lanes[i]->program, memory_order_relaxed));
		hm_searches_unref(d->searches[i]);
	}
	hm_filter_index_unref(d->filter_index);
	drop_unused(d);
	hm_runner_foreach (own, d->ordered) {
		hm_program_destroy(atomic_load_explicit(&own->program, memory_order_relaxed));
		hm_searches_unref(own->searches);
	}
	hm_runners_foreach (s, d->ordered)
		hm_filter_index_unref(s->filter_index);
	destroy_generation(g);
}
