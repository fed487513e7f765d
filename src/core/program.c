/* SPDX-License-Identifier: BSD-3-Clause */
#include "core/program.h"

#include <rte_malloc.h>
#include <stdlib.h>
#include <string.h>

#include "core/gate.h"

/* --- scans --- */

struct hm_searches *hm_searches_create(struct hm_search_db *db, unsigned depth, int socket)
{
	struct hm_searches *s = calloc(1, sizeof(*s));

	if (!s)
		return NULL;
	s->refs = 1;
	s->db = hm_search_db_ref(db);
	for (unsigned d = 0; d <= depth; d++) {
		s->at[d] = hm_search_create(db, socket);
		if (!s->at[d]) {
			hm_searches_unref(s);
			return NULL;
		}
	}
	return s;
}

void hm_searches_unref(struct hm_searches *s)
{
	if (!s || --s->refs > 0)
		return;
	for (unsigned d = 0; d <= HM_TRANSFORM_DEPTH; d++)
		hm_search_destroy(s->at[d]);
	hm_search_db_unref(s->db);
	free(s);
}

/* --- building --- */

/* The parts of a program's one piece of memory. */
struct parts {
	size_t entry, mask, sample, tables, calls, mores, marks, end;
};

static struct parts parts_of(const struct hm_layout *l, uint32_t n_marks)
{
	struct parts p = {.entry = RTE_CACHE_LINE_ROUNDUP(sizeof(struct hm_program))};

	p.mask = p.entry + l->n * sizeof(struct hm_entry);
	p.sample = p.mask + l->n * sizeof(uint64_t);
	p.calls = p.sample + l->n * sizeof(struct hm_sample *);
	p.mores = p.calls + (l->n_ticks + l->n_drains + l->n_readies) * sizeof(struct hm_call_of);
	p.marks = p.mores + l->n_mores * sizeof(struct hm_more_of);
	p.tables = p.marks + n_marks * sizeof(struct hm_mark);
	p.end = p.tables + l->n_slots * sizeof(uint32_t);
	return p;
}

static int create_filters(struct hm_program *p, unsigned depth, struct hm_filter_index *index,
			  int socket)
{
	for (unsigned d = 0; d <= depth && index; d++) {
		p->filters[d] = hm_filter_scan_create(index, socket);
		if (!p->filters[d])
			return -1;
	}
	return 0;
}

static void add_calls(struct hm_program *p, const struct hm_node *n, void *state)
{
	const struct hm_call_of call = {.fn = n->fn, .state = state};

	if (!n->fn)
		return;
	if (n->fn->tick)
		p->ticks[p->n_ticks++] = call;
	if (n->fn->drain)
		p->drains[p->n_drains++] = call;
	if (n->fn->ready)
		p->readies[p->n_readies++] = call;
}

static void add_transform(struct hm_program *p, const struct hm_function *fn, uint32_t i)
{
	p->entry[i].transform = fn->transform;
	p->entry[i].slot = 0;
	if (!fn->more)
		return;
	p->mores[p->n_mores] = (struct hm_more_of){.more = fn->more, .entry = i};
	p->entry[i].slot = ++p->n_mores;
}

static void fill_entries(struct hm_program *p, const struct hm_layout *l, unsigned lane,
			 uint32_t *table)
{
	for (uint32_t i = 0; i < l->n; i++) {
		const struct hm_place *at = &l->at[i];
		struct hm_entry *e = &p->entry[i];

		*e = (struct hm_entry){.parent = at->parent, .skip = at->skip, .kind = at->kind};
		if (at->gate) {
			e->state = hm_gate_lane(at->gate, lane);
			continue;
		}
		if (!at->node) {
			e->entry_of = table;
			e->slot = at->slots;
			for (uint32_t k = i + 1; k < i + at->skip; k += l->at[k].skip)
				table[l->at[k].node->slot] = k;
			table += at->slots;
			continue;
		}
		e->state = hm_node_state(at->node, lane);
		e->out = hm_node_out(at->node, lane);
		e->slot = at->node->slot;
		p->sample[i] = hm_node_sample(at->node, lane);
		if (at->kind == HM_ENTRY_TRANSFORM)
			add_transform(p, at->node->fn, i);
		else if (at->kind == HM_ENTRY_PROCESS || at->kind == HM_ENTRY_VISIT)
			e->process = at->node->fn->process;
		add_calls(p, at->node, e->state);
	}
}

struct hm_program *hm_program_create(const struct hm_layout *l, unsigned lane,
				     struct hm_searches *searches, struct hm_filter_index *index,
				     uint32_t n_marks, int socket)
{
	struct parts parts = parts_of(l, n_marks);
	uint8_t *memory = rte_zmalloc_socket("program", parts.end, RTE_CACHE_LINE_SIZE, socket);
	struct hm_program *p = (struct hm_program *)memory;

	if (!p) {
		hm_searches_unref(searches);
		return NULL;
	}
	p->n = l->n;
	p->bytes = parts.end;
	p->searches = searches;
	p->n_marks = n_marks;
	p->entry = (struct hm_entry *)(memory + parts.entry);
	p->mask = (uint64_t *)(memory + parts.mask);
	p->sample = (struct hm_sample **)(memory + parts.sample);
	p->ticks = (struct hm_call_of *)(memory + parts.calls);
	p->drains = p->ticks + l->n_ticks;
	p->readies = p->drains + l->n_drains;
	p->mores = (struct hm_more_of *)(memory + parts.mores);
	p->marks = (struct hm_mark *)(memory + parts.marks);
	fill_entries(p, l, lane, (uint32_t *)(memory + parts.tables));
	if (create_filters(p, l->depth, index, socket) == 0)
		return p;
	hm_program_destroy(p);
	return NULL;
}

void hm_program_destroy(struct hm_program *p)
{
	if (!p)
		return;
	for (unsigned d = 0; d <= HM_TRANSFORM_DEPTH; d++)
		hm_filter_scan_destroy(p->filters[d]);
	hm_searches_unref(p->searches);
	rte_free(p);
}

/* --- running --- */

struct run {
	struct hm_program *program;
	struct hm_workspace *ws;
	const struct hm_parse_conf *conf;
	unsigned depth;             // of the batch that is run over
	struct hm_stopwatch *watch; // NULL: not timed
};

/* A node's packets out come before those of the nodes behind it: readers go the other way (instance.c). */
static inline void count(uint64_t *counter, unsigned n)
{
	__atomic_store_n(counter, *counter + n, __ATOMIC_RELEASE);
}

/* The functions below with `timed` are inlined by force, since each is compiled twice: without any trace of the
 * stopwatch for nearly all batches, and with laps for the few that are timed. */
#define TWICE static inline __attribute__((always_inline))

static void run_range(const struct run *r, uint32_t first, uint32_t end, const struct hm_batch *b);
static void run_range_timed(const struct run *r, uint32_t first, uint32_t end,
			    const struct hm_batch *b);

TWICE void run_entries(const struct run *r, uint32_t first, uint32_t end, const struct hm_batch *b,
		       const bool timed)
{
	if (timed)
		run_range_timed(r, first, end, b);
	else
		run_range(r, first, end, b);
}

/* Books the time since the last lap on entry i, or on a stage. */
TWICE void lap(const struct run *r, uint32_t i, uint64_t in, unsigned passed, const bool timed)
{
	if (timed)
		hm_lap(r->watch, r->program->sample[i], hm_mask_count(in), passed);
}

TWICE void lap_stage(const struct run *r, enum hm_stage stage, uint64_t in, const bool timed)
{
	if (timed)
		hm_lap(r->watch, &r->watch->stages[stage], hm_mask_count(in), hm_mask_count(in));
}

/* Whether the subtree behind the gate has this batch; counts those that it has not. */
static inline bool pass_gate(const struct run *r, const struct hm_entry *e, uint64_t in)
{
	struct hm_gate_lane *gate = e->state;

	if (hm_gate_passes(gate, r->ws->batches))
		return true;
	count(&gate->skipped, hm_mask_count(in));
	return false;
}

static void begin_scans(const struct run *r, struct hm_batch *b)
{
	const struct hm_program *p = r->program;

	b->filters = p->filters[r->depth];
	if (b->filters)
		hm_filter_scan_begin(b->filters);
	b->search = p->searches ? p->searches->at[r->depth] : NULL;
	if (b->search)
		hm_search_begin(b->search);
}

/* Evaluates all filters, once a batch. */
TWICE void run_filters(const struct run *r, const struct hm_batch *b, const bool timed)
{
	if (b->filters->ran)
		return;
	hm_filter_scan_run(b->filters, b);
	lap_stage(r, HM_STAGE_FILTERS, b->all, timed);
}

/* Scans the packets of `in` that nobody has scanned yet. */
TWICE void run_patterns(const struct run *r, const struct hm_batch *b, uint64_t in,
			const bool timed)
{
	uint64_t todo = in & ~b->search->scanned;

	if (!todo)
		return;
	hm_search_run(b->search, b, in);
	lap_stage(r, HM_STAGE_PATTERNS, todo, timed);
}

/* Fills the next child batch, runs the subtree behind entry i over it, gives the copies back. */
static void hand_on(const struct run *r, uint32_t i, const struct hm_batch *b, uint64_t in)
{
	const struct run inner = {r->program, r->ws, r->conf, r->depth + 1, r->watch};
	const struct hm_entry *e = &r->program->entry[i];
	struct hm_batch *child = &r->ws->child[r->depth];
	uint64_t dropped;

	child->n = 0;
	child->device = b->device;
	child->queue = b->queue;
	child->link = b->link;
	child->number = b->number;
	dropped = e->transform(e->state, b, in, child, r->ws->copies);
	count(&e->out[0], child->n);
	count(&e->out[1], hm_mask_count(dropped));
	child->all = hm_mask_first(child->n);
	if (child->n)
		hm_parse(child, r->conf);
	lap(r, i, in, child->n, r->watch != NULL);
	if (!child->n)
		return;
	begin_scans(&inner, child);
	r->program->mask[i] = child->all;
	run_entries(&inner, i + 1, i + e->skip, child, r->watch != NULL);
	for (uint32_t k = 0; k < child->n; k++)
		hm_copies_give(r->ws->copies, (uint8_t *)(uintptr_t)child->data[k]);
}

static void __attribute__((noinline))
run_transform(const struct run *r, uint32_t i, const struct hm_batch *b, uint64_t in)
{
	const struct hm_entry *e = &r->program->entry[i];

	hand_on(r, i, b, in);
	while (e->slot && r->program->mores[e->slot - 1].more(e->state))
		hand_on(r, i, b, 0);
}

/* Of the entries behind a switch runs those whose slot is in a list, with the packets of `in` that the slot has. */
TWICE void run_listed(const struct run *r, const struct hm_entry *e, const struct hm_batch *b,
		      uint64_t in, const uint32_t *listed, uint32_t n, const uint64_t *masks,
		      const bool timed)
{
	for (uint32_t k = 0; k < n; k++) {
		uint32_t slot = listed[k], i = slot < e->slot ? e->entry_of[slot] : 0;
		uint64_t out = in & masks[slot];

		if (!i || !out)
			continue;
		count(r->program->entry[i].out, hm_mask_count(out));
		r->program->mask[i] = out;
		lap(r, i, in, hm_mask_count(out), timed);
		if (r->program->entry[i].skip > 1)
			run_entries(r, i + 1, i + r->program->entry[i].skip, b, timed);
	}
}

TWICE void run_switch(const struct run *r, const struct hm_entry *e, const struct hm_batch *b,
		      uint64_t in, const bool timed)
{
	if (e->kind == HM_ENTRY_FILTERS) {
		const struct hm_filter_scan *s = b->filters;

		run_filters(r, b, timed);
		run_listed(r, e, b, in, s->active, s->n_active, s->mask, timed);
	} else {
		const struct hm_search *s = b->search;

		run_patterns(r, b, in, timed);
		run_listed(r, e, b, in, s->touched, s->n_touched, s->hits, timed);
	}
}

TWICE void run_body(const struct run *r, uint32_t first, uint32_t end, const struct hm_batch *b,
		    const bool timed)
{
	const struct hm_entry *entries = r->program->entry;
	uint64_t *mask = r->program->mask;

	for (uint32_t i = first; i < end;) {
		const struct hm_entry *e = &entries[i];
		uint64_t in = mask[e->parent], out; // never 0: empty masks are skipped

		switch (e->kind) {
		case HM_ENTRY_FILTER:
			if (timed) // else the first one that asks runs them all
				run_filters(r, b, timed);
			out = hm_filter_hits(b->filters, b, in, e->slot);
			break;
		case HM_ENTRY_PATTERN:
			if (timed && hm_search_is_direct(b->search, e->slot))
				run_patterns(r, b, in, timed);
			out = hm_search_hits(b->search, b, in, e->slot);
			break;
		case HM_ENTRY_PROCESS:
			out = e->process(e->state, b, in);
			break;
		case HM_ENTRY_VISIT:
			e->process(e->state, b, in);
			lap(r, i, in, hm_mask_count(in), timed);
			mask[i++] = in;
			continue;
		case HM_ENTRY_TRANSFORM:
			run_transform(r, i, b, in);
			i += e->skip;
			continue;
		case HM_ENTRY_GATE:
			i += pass_gate(r, e, in) ? 1 : e->skip;
			continue;
		default:
			run_switch(r, e, b, in, timed);
			i += e->skip;
			continue;
		}
		lap(r, i, in, hm_mask_count(out), timed);
		if (!out) {
			i += e->skip;
			continue;
		}
		count(e->out, hm_mask_count(out));
		mask[i++] = out;
	}
}

static void run_range(const struct run *r, uint32_t first, uint32_t end, const struct hm_batch *b)
{
	run_body(r, first, end, b, false);
}

static void __attribute__((noinline))
run_range_timed(const struct run *r, uint32_t first, uint32_t end, const struct hm_batch *b)
{
	run_body(r, first, end, b, true);
}

void hm_program_run(struct hm_program *p, struct hm_batch *b, struct hm_workspace *ws,
		    const struct hm_parse_conf *conf, struct hm_stopwatch *watch)
{
	const struct run r = {.program = p, .ws = ws, .conf = conf, .watch = watch};

	b->number = ++ws->batches;
	p->device = b->device;
	p->link = b->link;
	begin_scans(&r, b);
	count(p->entry[0].out, b->n);
	p->mask[0] = b->all;
	run_entries(&r, 1, p->n, b, watch != NULL);
}

void hm_program_adopt(struct hm_program *p)
{
	for (uint32_t i = 0; i < p->n_marks; i++)
		p->marks[i].value = *p->marks[i].from;
}

bool hm_program_ready(const struct hm_program *p)
{
	for (uint32_t i = 0; i < p->n_readies; i++)
		if (!p->readies[i].fn->ready(p->readies[i].state))
			return false;
	return true;
}

/* Of the batch that entry i gets. */
static unsigned depth_of(const struct hm_program *p, uint32_t i)
{
	unsigned depth = 0;

	for (i = p->entry[i].parent; i > 0; i = p->entry[i].parent)
		depth += p->entry[i].kind == HM_ENTRY_TRANSFORM;
	return depth;
}

/* Hands on what transforms held and is due. True: nothing is left. */
static bool flush(struct hm_program *p, struct hm_workspace *ws, const struct hm_parse_conf *conf,
		  bool wait)
{
	struct hm_batch *none = &ws->none;

	for (uint32_t k = 0; k < p->n_mores; k++) {
		const struct hm_more_of *m = &p->mores[k];
		const struct run r = {p, ws, conf, depth_of(p, m->entry), NULL};

		while (m->more(p->entry[m->entry].state)) {
			if (wait && !hm_program_ready(p))
				return false;
			none->device = p->device;
			none->link = p->link;
			none->number = ++ws->batches;
			hand_on(&r, m->entry, none, 0);
		}
	}
	return true;
}

void hm_program_tick(struct hm_program *p, uint64_t now_ns, struct hm_workspace *ws,
		     const struct hm_parse_conf *conf, bool wait)
{
	for (uint32_t i = 0; i < p->n_ticks; i++)
		p->ticks[i].fn->tick(p->ticks[i].state, now_ns);
	flush(p, ws, conf, wait);
}

/* Parents come before children, which so have what those let go before it is their turn. */
bool hm_program_drain(struct hm_program *p, struct hm_workspace *ws,
		      const struct hm_parse_conf *conf, bool wait)
{
	bool done = true;

	for (uint32_t i = 0; i < p->n_drains; i++) {
		done &= p->drains[i].fn->drain(p->drains[i].state);
		if (p->drains[i].fn->more)
			done &= flush(p, ws, conf, wait);
	}
	return done;
}
