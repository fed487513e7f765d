/* SPDX-License-Identifier: BSD-3-Clause */
/* scan: one batch, all filters.
 *
 * First every packet's fields are looked up: its bit goes into entries. Then each touched entry gives
 * its mask to the predicates on its list, these wake what waits for them, and so on upwards, level by
 * level. What nothing touched is false and costs nothing.
 *
 * The result is exact for packets whose bytes are captured as far as the filter looks. In others
 * (struct hm_suspect) a match is a guess, which libpcap's program confirms: it rejects a packet when
 * it reads behind the captured bytes, even under `not`.
 */
#include <stdlib.h>
#include <string.h>

#include "core/pages.h"
#include "filter/scan_private.h"

static struct hm_scanner *scanner_of(struct hm_filter_scan *s)
{
	return (struct hm_scanner *)s;
}

/* --- memory --- */

/* The next `bytes` of the mapping at *at, on a cache line of their own; only counts if base is
 * NULL. */
static void *take(uint8_t *base, size_t *at, size_t bytes)
{
	void *taken = base ? base + *at : NULL;

	*at += (bytes + 63) & ~(size_t)63;
	return taken;
}

/* Lays out everything in one mapping, or finds how large it must be. */
static size_t lay_out(struct hm_scanner *s, uint8_t *base, const struct hm_filter_index *x)
{
	size_t at = 0, slots = x->n_slots + 1, levels = x->dag.n_levels;

	take(base, &at, sizeof(*s));
	s->entries = take(base, &at, (x->lists.n_entries + 1) * sizeof(*s->entries));
	s->touched = take(base, &at, (x->lists.n_entries + 1) * sizeof(*s->touched));
	s->guards = take(base, &at, x->n_views * HM_GUARDS * sizeof(*s->guards));
	s->protocols = take(base, &at, x->n_views * sizeof(*s->protocols));
	s->lanes = take(base, &at, x->n_lanes * sizeof(*s->lanes));
	s->nodes = take(base, &at, (x->dag.n_nodes + 1) * sizeof(*s->nodes));
	s->stamps = take(base, &at, (x->dag.n_nodes + 1) * sizeof(*s->stamps));
	s->queue = take(base, &at, (x->dag.level_start[levels] + 1) * sizeof(*s->queue));
	s->n_queued = take(base, &at, (levels + 1) * sizeof(*s->n_queued));
	s->paired = take(base, &at, (x->dag.n_pairs + 1) * sizeof(*s->paired));
	s->known = take(base, &at, slots * sizeof(*s->known));
	s->asked = take(base, &at, slots * sizeof(*s->asked));
	s->shared.mask = take(base, &at, slots * sizeof(*s->shared.mask));
	s->shared.active = take(base, &at, slots * sizeof(*s->shared.active));
	return at;
}

struct hm_filter_scan *hm_filter_scan_create(struct hm_filter_index *index, int socket)
{
	struct hm_scanner sizes, *s;
	size_t bytes = lay_out(&sizes, NULL, index);

	s = hm_pages_map(bytes, socket);
	if (!s)
		return NULL;
	lay_out(s, (uint8_t *)s, index);
	s->bytes = bytes;
	s->index = hm_filter_index_ref(index);
	s->shared.n_slots = index->n_slots;
	s->shared.asked = index->asked;
	s->generation = 1;
	return &s->shared;
}

void hm_filter_scan_destroy(struct hm_filter_scan *shared)
{
	if (!shared)
		return;
	struct hm_scanner *s = scanner_of(shared);
	hm_filter_index_unref(s->index);
	hm_pages_unmap(s, s->bytes);
}

uint64_t hm_filter_scan_bytes(const struct hm_filter_scan *s)
{
	return ((const struct hm_scanner *)s)->bytes;
}

/* --- a batch --- */

void hm_filter_scan_begin(struct hm_filter_scan *shared)
{
	struct hm_scanner *s = scanner_of(shared);
	const struct hm_dag *d = &s->index->dag;

	for (uint32_t i = 0; i < shared->n_active; i++)
		shared->mask[shared->active[i]] = 0;
	for (uint32_t i = 0; i < s->n_asked; i++)
		shared->mask[s->asked[i]] = s->known[s->asked[i]] = 0;
	for (uint32_t level = 0; level < d->n_levels; level++) {
		for (uint32_t i = 0; i < s->n_queued[level]; i++)
			s->nodes[s->queue[d->level_start[level] + i]] = 0;
		s->n_queued[level] = 0;
	}
	for (uint32_t i = 0; i < s->n_paired; i++)
		s->nodes[s->paired[i]] = 0;
	for (uint32_t i = 0; i < s->index->n_lanes; i++)
		s->lanes[i].values = NULL;
	if (++s->generation == 0) {
		memset(s->stamps, 0, d->n_nodes * sizeof(*s->stamps));
		s->generation = 1;
	}
	shared->n_active = s->n_asked = s->n_paired = 0;
	shared->ran = false;
}

/* Takes the masks of the touched entries to the predicates on their lists. Without a branch on what
 * is in the masks, which no processor guesses. */
static void drain_entries(struct hm_scanner *s)
{
	const uint32_t *start = s->index->lists.start;
	const struct hm_ref *refs = s->index->lists.refs;
	const uint64_t *guards = s->guards;
	uint64_t *nodes = s->nodes;
	uint32_t *queue = s->queue, n = 0;

	for (uint32_t i = 0; i < s->n_touched; i++) {
		uint32_t entry = s->touched[i];
		uint64_t mask = s->entries[entry];

		s->entries[entry] = 0;
		for (uint32_t k = start[entry]; k < start[entry + 1]; k++) {
			uint64_t before = nodes[refs[k].node];
			uint64_t after = before | (mask & guards[refs[k].guard]);

			nodes[refs[k].node] = after;
			queue[n] = refs[k].node;
			n += (before == 0) & (after != 0);
		}
	}
	s->n_touched = 0;
	s->n_queued[0] = n;
}

static uint64_t evaluate(struct hm_scanner *s, const struct hm_batch *b, uint32_t number);

/* The node's mask; what is looked up or woken has it by now. */
static inline uint64_t value_of(struct hm_scanner *s, const struct hm_batch *b, uint32_t number)
{
	const struct hm_node *n = &s->index->dag.nodes[number];

	if (n->looked_up || n->woken || s->stamps[number] == s->generation)
		return s->nodes[number];
	s->stamps[number] = s->generation;
	return s->nodes[number] = evaluate(s, b, number);
}

static uint64_t ask_question(struct hm_scanner *s, const struct hm_batch *b, uint32_t predicate)
{
	const struct hm_question *q = &s->index->questions[predicate];

	return q->kind == HM_IS_GUARD ? s->guards[q->at]
				      : hm_scan_compare(hm_scan_lane(s, b, q->at), q);
}

static uint64_t evaluate(struct hm_scanner *s, const struct hm_batch *b, uint32_t number)
{
	const struct hm_node *n = &s->index->dag.nodes[number];
	const uint32_t *children = &s->index->dag.links[n->children];
	uint64_t mask;

	switch (n->op) {
	case HM_LEAF:
		return ask_question(s, b, n->children);
	case HM_NOT:
		return b->all & ~value_of(s, b, children[0]);
	case HM_AND:
		mask = b->all;
		for (uint32_t i = 0; i < n->n_children && mask != 0; i++)
			mask &= value_of(s, b, children[i]);
		return mask;
	default:
		mask = 0;
		for (uint32_t i = 0; i < n->n_children && mask != b->all; i++)
			mask |= value_of(s, b, children[i]);
		return mask;
	}
}

/* Asks libpcap's program about matches in packets that are cut where the filter looks. */
static uint64_t confirm(struct hm_scanner *s, const struct hm_batch *b,
			const struct hm_suspect *suspect, uint64_t matches)
{
	uint64_t cut = 0;

	for (uint32_t v = 0; s->cut != 0 && v < 32; v++)
		if (suspect->views >> v & 1)
			cut |= s->cut_by[v];
	for (uint32_t i = 0; i < suspect->n_lanes; i++)
		cut |= hm_scan_lane(s, b, s->index->suspect_lanes[suspect->lanes + i])->cut;
	cut &= matches;
	return cut == 0 ? matches
			: (matches & ~cut) |
				  hm_bpf_run(s->index->by_slot[suspect->slot]->bpf, b, cut);
}

static void match_carefully(struct hm_scanner *s, const struct hm_batch *b,
			    const struct hm_suspect *suspect, uint64_t mask)
{
	uint64_t matches = confirm(s, b, suspect, mask);

	s->shared.mask[suspect->slot] = matches;
	s->shared.active[s->shared.n_active] = suspect->slot;
	s->shared.n_active += matches != 0;
}

static void match_each(struct hm_scanner *s, const struct hm_batch *b, uint32_t node, uint64_t mask)
{
	const struct hm_wakes *w = &s->index->dag.wakes[node];

	for (uint32_t i = w->roots; i < w->roots + w->n_roots; i++)
		match_carefully(s, b, &s->index->suspects[s->index->dag.roots[i]], mask);
}

/* The filter that a node may be matches the packets of `mask`. Again without branches on what cannot
 * be guessed: what is no filter is noted in a place that nobody reads. */
static inline void announce(struct hm_scanner *s, const struct hm_batch *b, uint32_t node,
			    uint64_t mask)
{
	const struct hm_match *m = &s->index->matches[node];

	if (s->cut != 0 || m->more > 0) {
		match_each(s, b, node, mask);
		return;
	}
	s->shared.mask[m->slot] = mask;
	s->shared.active[s->shared.n_active] = m->slot;
	s->shared.n_active += m->plain;
}

/* Filters that are one comparison. */
static void compare_always(struct hm_scanner *s, const struct hm_batch *b)
{
	for (uint32_t i = 0; i < s->index->n_compares; i++) {
		const struct hm_always *a = &s->index->compares[i];
		const struct hm_lane_values *l = hm_scan_lane(s, b, a->question.at);
		uint64_t mask = hm_scan_compare(l, &a->question);

		if ((s->cut | l->cut) & mask) {
			match_carefully(s, b, &s->index->suspects[a->root], mask);
			continue;
		}
		s->shared.mask[a->slot] = mask;
		s->shared.active[s->shared.n_active] = a->slot;
		s->shared.n_active += mask != 0;
	}
}

/* Nodes on higher levels wait for one that is not false. An `or` gathers what wakes it. */
static inline void wake(struct hm_scanner *s, const struct hm_wakes *w, uint64_t mask)
{
	const struct hm_dag *d = &s->index->dag;

	for (uint32_t i = w->nodes; i < w->nodes + w->n_nodes; i++) {
		uint32_t waiting = d->links[i] >> 1, level = d->nodes[waiting].level;

		s->nodes[waiting] |= mask & -(uint64_t)(d->links[i] & 1);
		s->queue[d->level_start[level] + s->n_queued[level]] = waiting;
		s->n_queued[level] += s->stamps[waiting] != s->generation;
		s->stamps[waiting] = s->generation;
	}
}

/* Evaluates the pairs that wait for a predicate. */
static inline void wake_pairs(struct hm_scanner *s, const struct hm_wakes *w, uint64_t mask)
{
	const struct hm_pair *pairs = s->index->dag.pairs;
	uint64_t *nodes = s->nodes;
	uint32_t n = s->n_paired;

	for (uint32_t i = w->pairs; i < w->pairs + w->n_pairs; i++) {
		uint64_t other = nodes[pairs[i].other >> 1] ^ -(uint64_t)(pairs[i].other & 1);

		nodes[pairs[i].node] = mask & other;
		s->paired[n] = pairs[i].node;
		n += (mask & other) != 0;
	}
	s->n_paired = n;
}

void hm_filter_scan_run(struct hm_filter_scan *shared, const struct hm_batch *b)
{
	struct hm_scanner *s = scanner_of(shared);
	const struct hm_dag *d = &s->index->dag;

	s->cut = 0;
	memset(s->cut_by, 0, sizeof(s->cut_by));
	for (uint32_t v = 0; v < s->index->n_views; v++)
		hm_scan_see(s, b, v);
	drain_entries(s);
	for (uint32_t i = 0; d->n_levels > 0 && i < s->n_queued[0]; i++) {
		const struct hm_wakes *w = &d->wakes[s->queue[i]];
		uint64_t mask = s->nodes[s->queue[i]];

		announce(s, b, s->queue[i], mask);
		wake_pairs(s, w, mask);
		wake(s, w, mask);
	}
	for (uint32_t i = 0; i < s->n_paired; i++) {
		const struct hm_wakes *w = &d->wakes[s->paired[i]];
		uint64_t mask = s->nodes[s->paired[i]];

		announce(s, b, s->paired[i], mask);
		wake(s, w, mask);
	}
	for (uint32_t level = 1; level < d->n_levels; level++) {
		for (uint32_t i = 0; i < s->n_queued[level]; i++) {
			uint32_t number = s->queue[d->level_start[level] + i];
			uint64_t mask = d->nodes[number].op == HM_OR ? s->nodes[number]
								     : evaluate(s, b, number);

			s->nodes[number] = mask;
			if (mask == 0)
				continue;
			announce(s, b, number, mask);
			wake(s, &d->wakes[number], mask);
		}
	}
	compare_always(s, b);
	for (uint32_t i = 0; i < s->index->n_always; i++) {
		uint64_t mask = value_of(s, b, s->index->always[i]);

		if (mask != 0)
			announce(s, b, s->index->always[i], mask);
	}
	shared->ran = true;
}

/* libpcap's program, on the packets of `in` that it has not seen yet. */
static uint64_t ask_bpf(struct hm_scanner *s, const struct hm_batch *b, uint64_t in, uint32_t slot)
{
	uint64_t todo = in & ~s->known[slot];

	if (todo) {
		if (!s->known[slot])
			s->asked[s->n_asked++] = slot;
		s->known[slot] |= todo;
		s->shared.mask[slot] |= hm_bpf_run(s->index->by_slot[slot]->bpf, b, todo);
	}
	return in & s->shared.mask[slot];
}

uint64_t hm_filter_scan_ask(struct hm_filter_scan *shared, const struct hm_batch *b, uint64_t in,
			    uint32_t slot)
{
	struct hm_scanner *s = scanner_of(shared);

	if (!shared->ran)
		hm_filter_scan_run(shared, b);
	if (slot >= shared->n_slots || !s->index->by_slot[slot])
		return 0;
	return shared->asked[slot] ? ask_bpf(s, b, in, slot) : in & shared->mask[slot];
}
