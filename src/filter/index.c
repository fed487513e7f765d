/* SPDX-License-Identifier: BSD-3-Clause */
/* index: a snapshot of filters; their predicates, each once, sorted into fields that are looked up,
 * guards, and lanes that are compared. */
#include <endian.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "filter/filter_private.h"
#include "filter/grow.h"

#define VIEW_BITS 32

/* Takes references to the different ones of n filters. */
static bool take_filters(struct hm_filter_index *x, struct hm_filter *const *filters, uint32_t n)
{
	for (uint32_t i = 0; i < n; i++)
		if (filters[i] && filters[i]->slot >= x->n_slots)
			x->n_slots = filters[i]->slot + 1;
	x->filters = calloc(n + 1, sizeof(struct hm_filter *));
	x->by_slot = calloc(x->n_slots + 1, sizeof(struct hm_filter *));
	x->asked = calloc(x->n_slots + 1, 1);
	if (!x->filters || !x->by_slot || !x->asked)
		return false;
	for (uint32_t i = 0; i < n; i++) {
		struct hm_filter *f = filters[i];

		if (!f || x->by_slot[f->slot])
			continue;
		x->filters[x->n++] = x->by_slot[f->slot] = hm_filter_ref(f);
		x->asked[f->slot] = hm_filter_is_lazy(f);
	}
	return true;
}

/* --- views and lanes --- */

static uint32_t find_view(struct hm_filter_index *x, const struct hm_view *view)
{
	const struct hm_keyed views = {x->views, x->n_views, sizeof(*x->views), sizeof(*view)};
	uint32_t *place = hm_finder_place(&x->find_view, &views, view);

	if (!place || *place != HM_NOT_FOUND)
		return place ? *place : HM_NOT_FOUND;
	if (!hm_grow(&x->views, x->n_views, &x->room_views, sizeof(*x->views)))
		return HM_NOT_FOUND;
	x->views[x->n_views] =
		(struct hm_index_view){.view = *view, .guards = x->n_views * HM_GUARDS};
	return *place = x->n_views++;
}

static uint32_t find_lane(struct hm_filter_index *x, const struct hm_lane *lane, uint32_t view)
{
	const struct hm_keyed lanes = {x->lanes, x->n_lanes, sizeof(*x->lanes), sizeof(*lane)};
	uint32_t *place = hm_finder_place(&x->find_lane, &lanes, lane);

	if (!place || *place != HM_NOT_FOUND)
		return place ? *place : HM_NOT_FOUND;
	if (!hm_grow(&x->lanes, x->n_lanes, &x->room_lanes, sizeof(*x->lanes)))
		return HM_NOT_FOUND;
	x->lanes[x->n_lanes] = (struct hm_index_lane){*lane, view};
	return *place = x->n_lanes++;
}

static bool fill_question(struct hm_filter_index *x, const struct hm_predicate *p,
			  struct hm_question *q)
{
	uint32_t view = find_view(x, &p->lane.view);

	*q = (struct hm_question){.kind = p->kind,
				  .compare = p->compare,
				  .mask = p->high,
				  .number = p->low,
				  .view = view};
	if (view == HM_NOT_FOUND)
		return false;
	q->at = p->kind == HM_IS_COMPARE ? find_lane(x, &p->lane, view)
					 : x->views[view].guards + p->guard;
	return q->at != HM_NOT_FOUND;
}

static bool fill_questions(struct hm_filter_index *x)
{
	x->questions = calloc(x->dag.n_predicates + 1, sizeof(*x->questions));
	if (!x->questions)
		return false;
	for (uint32_t i = 0; i < x->dag.n_predicates; i++)
		if (!fill_question(x, &x->dag.predicates[i], &x->questions[i]))
			return false;
	return true;
}

/* --- fields --- */

static struct hm_item make_item(const struct hm_predicate *p, uint32_t node, uint32_t guard)
{
	struct hm_item item = {.low = p->low,
			       .high = p->high,
			       .bits = p->bits,
			       .direction = p->direction,
			       .ref = {node, guard}};
	uint8_t address[16] = {0};

	if (p->kind == HM_IS_MAC) { // as hm_scan looks it up
		memcpy(address, p->address, 6);
		item.bits = 128;
	} else if (p->kind == HM_IS_ADDR6) {
		memcpy(address, p->address, 16);
	}
	memcpy(item.key, address, sizeof(item.key));
	item.key[0] = be64toh(item.key[0]);
	item.key[1] = be64toh(item.key[1]);
	return item;
}

/* The predicates' nodes, sorted by view and kind: those of one are at node[start[k] .. start[k + 1]). */
struct leaves {
	uint32_t *start, *node;
	struct hm_item *items; // room for those of one
};

static uint32_t group_of(uint32_t view, uint32_t kind)
{
	return view * HM_PREDICATE_KINDS + kind;
}

static bool sort_leaves(const struct hm_filter_index *x, struct leaves *l)
{
	uint32_t n = x->n_views * HM_PREDICATE_KINDS;

	l->start = calloc(n + 2, sizeof(*l->start));
	l->node = malloc((x->dag.n_predicates + 1) * sizeof(*l->node));
	l->items = malloc((x->dag.n_predicates + 1) * sizeof(*l->items));
	if (!l->start || !l->node || !l->items)
		return false;
	// each group's count goes two places up, so that filling it moves start[] to where it belongs
	for (uint32_t i = 0; i < x->dag.n_predicates; i++)
		l->start[group_of(x->questions[i].view, x->questions[i].kind) + 2]++;
	for (uint32_t k = 2; k < n + 2; k++)
		l->start[k] += l->start[k - 1];
	for (uint32_t i = 0; i < x->dag.n_nodes; i++) {
		const struct hm_question *q = &x->questions[x->dag.nodes[i].children];

		if (x->dag.nodes[i].op == HM_LEAF)
			l->node[l->start[group_of(q->view, q->kind) + 1]++] = i;
	}
	return true;
}

/* Collects the items of one kind and view. */
static uint32_t collect(const struct hm_filter_index *x, enum hm_predicate_kind kind, uint32_t view,
			const struct leaves *l)
{
	const uint32_t *start = &l->start[group_of(view, kind)];

	for (uint32_t i = start[0]; i < start[1]; i++) {
		uint32_t predicate = x->dag.nodes[l->node[i]].children;

		l->items[i - start[0]] = make_item(&x->dag.predicates[predicate], l->node[i],
						   x->questions[predicate].at);
	}
	return start[1] - start[0];
}

static bool build_protocols(struct hm_index_view *v, const struct hm_item *items, uint32_t n,
			    struct hm_lists *l)
{
	bool good = true;

	v->protocols = HM_NO_FIELD;
	if (n == 0)
		return true;
	v->protocols = l->n_entries;
	l->n_entries += 512;
	for (uint32_t i = 0; i < n && good; i++) {
		uint32_t entry = v->protocols + items[i].low,
			 guard = items[i].ref.guard - v->guards;

		good = (guard == HM_GUARD_IP6 || hm_lists_add(l, entry, items[i].ref)) &&
		       (guard == HM_GUARD_IP || hm_lists_add(l, entry + 256, items[i].ref));
	}
	return good;
}

static bool build_view(struct hm_filter_index *x, uint32_t view, const struct leaves *leaves)
{
	struct hm_index_view *v = &x->views[view];
	struct hm_item *items = leaves->items;
	struct hm_lists *l = &x->lists;

	return hm_ports_build(&v->ports, items, collect(x, HM_IS_PORT, view, leaves), l) &&
	       hm_trie_build(&v->ipv4, items, collect(x, HM_IS_ADDR4, view, leaves), l) &&
	       hm_prefixes_build(&v->ipv6, items, collect(x, HM_IS_ADDR6, view, leaves), l) &&
	       hm_prefixes_build(&v->mac, items, collect(x, HM_IS_MAC, view, leaves), l) &&
	       build_protocols(v, items, collect(x, HM_IS_PROTO, view, leaves), l);
}

static bool build_fields(struct hm_filter_index *x)
{
	struct leaves leaves = {0};
	bool good = sort_leaves(x, &leaves);

	for (uint32_t v = 0; v < x->n_views && good; v++)
		good = build_view(x, v, &leaves);
	free(leaves.start);
	free(leaves.node);
	free(leaves.items);
	return good && hm_lists_finish(&x->lists);
}

/* --- suspects --- */

static bool fill_suspect(struct hm_filter_index *x, const struct hm_filter *f, struct hm_suspect *s)
{
	*s = (struct hm_suspect){.slot = f->slot, .lanes = x->n_suspect_lanes};
	for (uint32_t i = 0; i < f->tree.n_predicates; i++) {
		const struct hm_predicate *p = &f->tree.predicates[i];
		uint32_t view = find_view(x, &p->lane.view), lane;

		s->views |= UINT32_C(1) << (view < VIEW_BITS ? view : VIEW_BITS - 1);
		if (p->kind != HM_IS_COMPARE || p->lane.base == HM_LANE_LENGTH)
			continue;
		lane = find_lane(x, &p->lane, view);
		if (lane == HM_NOT_FOUND ||
		    !hm_grow(&x->suspect_lanes, x->n_suspect_lanes, &x->room_suspect_lanes,
			     sizeof(*x->suspect_lanes)))
			return false;
		x->suspect_lanes[x->n_suspect_lanes++] = lane;
		s->n_lanes++;
	}
	return true;
}

static void fill_matches(struct hm_filter_index *x)
{
	for (uint32_t i = 0; i < x->dag.n_nodes; i++) {
		const struct hm_wakes *w = &x->dag.wakes[i];
		const struct hm_suspect *s =
			w->n_roots > 0 ? &x->suspects[x->dag.roots[w->roots]] : NULL;

		x->matches[i] = (struct hm_match){.slot = x->n_slots};
		if (w->n_roots == 1 && s->n_lanes == 0)
			x->matches[i] = (struct hm_match){.slot = s->slot, .plain = 1};
		else
			x->matches[i].more = w->n_roots;
	}
}

static void sort_always(struct hm_filter_index *x)
{
	for (uint32_t i = 0; i < x->dag.n_always; i++) {
		uint32_t node = x->dag.always[i];
		const struct hm_node *n = &x->dag.nodes[node];
		const struct hm_wakes *w = &x->dag.wakes[node];
		uint32_t root = x->dag.roots[w->roots];

		if (n->op == HM_LEAF && x->questions[n->children].kind == HM_IS_COMPARE &&
		    w->n_roots == 1)
			x->compares[x->n_compares++] = (struct hm_always){
				x->questions[n->children], x->suspects[root].slot, root};
		else
			x->always[x->n_always++] = node;
	}
}

static bool build(struct hm_filter_index *x)
{
	x->suspects = calloc(x->n + 1, sizeof(*x->suspects));
	if (!x->suspects)
		return false;
	for (uint32_t i = 0; i < x->n; i++)
		if (!hm_filter_is_lazy(x->filters[i]) && !hm_dag_add(&x->dag, &x->filters[i]->tree))
			return false;
	if (!hm_dag_finish(&x->dag) || !fill_questions(x) || !build_fields(x))
		return false;
	x->matches = calloc(x->dag.n_nodes + 1, sizeof(*x->matches));
	x->compares = calloc(x->dag.n_always + 1, sizeof(*x->compares));
	x->always = calloc(x->dag.n_always + 1, sizeof(*x->always));
	if (!x->matches || !x->compares || !x->always)
		return false;
	for (uint32_t i = 0, root = 0; i < x->n; i++)
		if (!hm_filter_is_lazy(x->filters[i]) &&
		    !fill_suspect(x, x->filters[i], &x->suspects[root++]))
			return false;
	fill_matches(x);
	sort_always(x);
	return true;
}

static uint64_t count_bytes(const struct hm_filter_index *x)
{
	uint64_t bytes = sizeof(*x) + x->n * (sizeof(*x->filters) + sizeof(*x->suspects)) +
			 x->dag.n_nodes * sizeof(*x->matches) +
			 x->n_compares * sizeof(*x->compares) + x->n_always * sizeof(*x->always) +
			 x->n_slots * (sizeof(*x->by_slot) + sizeof(*x->asked)) +
			 x->n_lanes * sizeof(*x->lanes) +
			 x->dag.n_predicates * sizeof(*x->questions) +
			 x->n_suspect_lanes * sizeof(*x->suspect_lanes) +
			 x->lists.n_entries * sizeof(*x->lists.start) +
			 x->lists.n_refs * sizeof(*x->lists.refs) + hm_dag_bytes(&x->dag);

	for (uint32_t i = 0; i < x->n_views; i++) {
		const struct hm_index_view *v = &x->views[i];

		bytes += sizeof(*v) + (v->ports.class_of ? sizeof(*v->ports.class_of) << 16 : 0) +
			 (v->ipv4.root ? sizeof(*v->ipv4.root) << 16 : 0) +
			 v->ipv4.n_nodes * sizeof(*v->ipv4.nodes) +
			 (v->ipv6.buckets ? (v->ipv6.mask + 1) * sizeof(*v->ipv6.buckets) : 0) +
			 (v->mac.buckets ? (v->mac.mask + 1) * sizeof(*v->mac.buckets) : 0);
	}
	return bytes;
}

struct hm_filter_index *hm_filter_index_create(struct hm_filter *const *filters, uint32_t n,
					       struct hm_error *err)
{
	struct hm_filter_index *x = calloc(1, sizeof(*x));

	if (!x || !take_filters(x, filters, n) || !build(x)) {
		if (x && x->lists.n_made == HM_LISTS_MAX)
			hm_error_set(
				err, -ENOMEM, 1027,
				"filter: the port ranges and networks of all filters overlap in "
				"more than %u places: use fewer or narrower ones",
				HM_LISTS_MAX);
		else
			hm_error_set(err, -ENOMEM, 1027, "filter: out of memory");
		hm_filter_index_unref(x);
		return NULL;
	}
	x->refs = 1;
	x->bytes = count_bytes(x);
	return x;
}

struct hm_filter_index *hm_filter_index_ref(struct hm_filter_index *index)
{
	index->refs++;
	return index;
}

void hm_filter_index_unref(struct hm_filter_index *index)
{
	if (!index || (index->refs > 0 && --index->refs > 0))
		return;
	for (uint32_t i = 0; i < index->n; i++)
		hm_filter_destroy(index->filters[i]);
	for (uint32_t i = 0; i < index->n_views; i++) {
		free(index->views[i].ports.class_of);
		hm_trie_free(&index->views[i].ipv4);
		free(index->views[i].ipv6.buckets);
		free(index->views[i].mac.buckets);
	}
	hm_lists_free(&index->lists);
	hm_dag_free(&index->dag);
	free(index->find_view.buckets);
	free(index->find_lane.buckets);
	free(index->views);
	free(index->lanes);
	free(index->questions);
	free(index->suspects);
	free(index->matches);
	free(index->compares);
	free(index->always);
	free(index->suspect_lanes);
	free(index->filters);
	free(index->by_slot);
	free(index->asked);
	free(index);
}

/* A filter that lives and is in the index is at its slot; so n different ones are all of n. */
bool hm_filter_index_matches(const struct hm_filter_index *index, struct hm_filter *const *filters,
			     uint32_t n)
{
	uint8_t *seen = calloc(index->n_slots + 1, 1);
	uint32_t different = 0;
	bool all = seen != NULL;

	for (uint32_t i = 0; i < n && all; i++) {
		const struct hm_filter *f = filters[i];

		if (!f)
			continue;
		all = f->slot < index->n_slots && index->by_slot[f->slot] == f;
		if (all && !seen[f->slot]) {
			seen[f->slot] = 1;
			different++;
		}
	}
	free(seen);
	return all && different == index->n;
}

uint64_t hm_filter_index_bytes(const struct hm_filter_index *index)
{
	return index->bytes;
}
