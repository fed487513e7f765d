/* SPDX-License-Identifier: BSD-3-Clause */
#include "core/program.h"

#include <rte_malloc.h>
#include <string.h>

static void count_depth(struct hm_program *p, unsigned *deepest)
{
	unsigned depth = 0;

	for (uint32_t i = 0; i < p->n; i++) {
		if (p->entry[i].parent == HM_ROOT)
			depth = 0;
		if (!p->entry[i].process && ++depth > *deepest)
			*deepest = depth;
	}
}

static int create_searches(struct hm_program *p, struct hm_search_db *db, int socket)
{
	unsigned deepest = 0;

	if (!db)
		return 0;
	p->db = hm_search_db_ref(db);
	count_depth(p, &deepest);
	for (unsigned d = 0; d <= deepest; d++) {
		p->search[d] = hm_search_create(db, socket);
		if (!p->search[d])
			return -1;
	}
	return 0;
}

static void fill_entries(struct hm_program *p, struct hm_instance *const *instances,
			 const bool *first, unsigned lane)
{
	uint32_t end = p->n;

	for (uint32_t i = p->n; i-- > 0;) {
		const struct hm_function *fn = instances[i]->fn;
		struct hm_core *core = instances[i]->cores[lane];

		p->entry[i] = (struct hm_entry){.process = fn->process,
						.state = core->state,
						.core = core,
						.parent = first[i] ? HM_ROOT : i - 1,
						.skip = end - i,
						.fn = fn};
		if (fn->tick)
			p->ticks[p->n_ticks++] = i;
		if (fn->drain)
			p->drains[p->n_drains++] = i;
		if (fn->ready)
			p->readies[p->n_readies++] = i;
		if (first[i])
			end = i;
	}
}

struct hm_program *hm_program_create(struct hm_instance *const *instances, const bool *first,
				     uint32_t n, unsigned lane, struct hm_search_db *db, int socket)
{
	struct hm_program *p = rte_zmalloc_socket("program", sizeof(*p) + n * sizeof(p->entry[0]),
						  RTE_CACHE_LINE_SIZE, socket);
	if (!p)
		return NULL;
	p->n = n;
	p->out = rte_zmalloc_socket("program", (n + 1) * sizeof(*p->out), 64, socket);
	p->ticks = rte_zmalloc_socket("program", (n + 1) * sizeof(*p->ticks), 64, socket);
	p->drains = rte_zmalloc_socket("program", (n + 1) * sizeof(*p->drains), 64, socket);
	p->readies = rte_zmalloc_socket("program", (n + 1) * sizeof(*p->readies), 64, socket);
	if (!p->out || !p->ticks || !p->drains || !p->readies)
		goto fail;
	fill_entries(p, instances, first, lane);
	if (create_searches(p, db, socket) < 0)
		goto fail;
	return p;
fail:
	hm_program_destroy(p);
	return NULL;
}

void hm_program_destroy(struct hm_program *p)
{
	if (!p)
		return;
	for (unsigned d = 0; d <= HM_TRANSFORM_DEPTH; d++)
		hm_search_destroy(p->search[d]);
	hm_search_db_unref(p->db);
	rte_free(p->out);
	rte_free(p->ticks);
	rte_free(p->drains);
	rte_free(p->readies);
	rte_free(p);
}

struct run {
	struct hm_program *program;
	struct hm_workspace *ws;
	const struct hm_parse_conf *conf;
};

static void run_range(const struct run *r, uint32_t first, uint32_t end, const struct hm_batch *b,
		      unsigned depth);

/* Fills the next child batch, runs the subtree behind entry i over it, gives the copies back. */
static void __attribute__((noinline))
run_transform(const struct run *r, uint32_t i, const struct hm_batch *b, uint64_t in,
	      unsigned depth)
{
	struct hm_entry *e = &r->program->entry[i];
	struct hm_batch *child = &r->ws->child[depth];
	uint64_t dropped;

	child->n = 0;
	child->device = b->device;
	child->queue = b->queue;
	child->link = b->link;
	dropped = e->fn->transform(e->state, b, in, child, r->ws->copies);
	hm_core_count(e->core, hm_mask_count(in), child->n, hm_mask_count(dropped));
	if (!child->n)
		return;
	child->all = hm_mask_first(child->n);
	child->search = r->program->search[depth + 1];
	if (child->search)
		hm_search_begin(child->search);
	hm_parse(child, r->conf);
	r->program->out[i] = child->all;
	run_range(r, i + 1, i + e->skip, child, depth + 1);
	for (uint32_t k = 0; k < child->n; k++)
		hm_copies_give(r->ws->copies, (uint8_t *)(uintptr_t)child->data[k]);
}

static void run_range(const struct run *r, uint32_t first, uint32_t end, const struct hm_batch *b,
		      unsigned depth)
{
	struct hm_entry *entries = r->program->entry;
	uint64_t *out = r->program->out;

	for (uint32_t i = first; i < end;) {
		struct hm_entry *e = &entries[i];
		uint64_t in = e->parent == HM_ROOT ? b->all : out[e->parent];

		if (!in) {
			i += e->skip;
		} else if (e->process) {
			out[i] = e->process(e->state, b, in);
			hm_core_count(e->core, hm_mask_count(in), hm_mask_count(out[i]), 0);
			i++;
		} else {
			run_transform(r, i, b, in, depth);
			i += e->skip;
		}
	}
}

void hm_program_run(struct hm_program *p, struct hm_batch *b, struct hm_workspace *ws,
		    const struct hm_parse_conf *conf)
{
	const struct run r = {.program = p, .ws = ws, .conf = conf};

	b->search = p->search[0];
	if (b->search)
		hm_search_begin(b->search);
	run_range(&r, 0, p->n, b, 0);
}

void hm_program_tick(struct hm_program *p, uint64_t now_ns)
{
	for (uint32_t i = 0; i < p->n_ticks; i++) {
		struct hm_entry *e = &p->entry[p->ticks[i]];
		e->fn->tick(e->state, now_ns);
	}
}

bool hm_program_ready(const struct hm_program *p)
{
	for (uint32_t i = 0; i < p->n_readies; i++) {
		const struct hm_entry *e = &p->entry[p->readies[i]];

		if (!e->fn->ready(e->state))
			return false;
	}
	return true;
}

bool hm_program_drain(struct hm_program *p)
{
	bool done = true;

	for (uint32_t i = 0; i < p->n_drains; i++) {
		struct hm_entry *e = &p->entry[p->drains[i]];
		done &= e->fn->drain(e->state);
	}
	return done;
}
