/* SPDX-License-Identifier: BSD-3-Clause */
#include "core/node.h"

#include <errno.h>
#include <rte_malloc.h>
#include <stdlib.h>
#include <string.h>

#include "core/search.h"
#include "filter/filter.h"

struct hm_nodes {
	unsigned n_lanes;
	struct hm_cells *cells;
	struct hm_node root;
	uint32_t n, n_shared, n_buckets; // n_buckets: power of two
	struct hm_node **buckets;
	uint64_t state_bytes; // of states too large for cells
	int socket_of[];      // by lane
};

/* --- what a node is --- */

bool hm_function_is_shared(const struct hm_function *fn)
{
	return fn->flags & (HM_FN_STATELESS | HM_FN_SHARED_COUNTER) ||
	       (!fn->process && !fn->transform);
}

static enum hm_node_kind kind_of(const struct hm_function *fn)
{
	if (fn->transform)
		return HM_NODE_TRANSFORM;
	if (fn->process)
		return fn->flags & HM_FN_FILTERS ? HM_NODE_PROCESS : HM_NODE_VISIT;
	if (fn->filter)
		return HM_NODE_FILTER;
	return fn->pattern ? HM_NODE_PATTERN : HM_NODE_PASSIVE;
}

static bool counts(enum hm_node_kind kind)
{
	return kind != HM_NODE_VISIT && kind != HM_NODE_PASSIVE;
}

static size_t out_bytes(enum hm_node_kind kind)
{
	return (kind == HM_NODE_TRANSFORM ? 2 : 1) * sizeof(uint64_t);
}

static uint32_t slot_of(const struct hm_function *fn, enum hm_node_kind kind, const void *conf)
{
	if (kind == HM_NODE_FILTER)
		return hm_filter_slot(fn->filter(conf));
	return kind == HM_NODE_PATTERN ? hm_pattern_slot(fn->pattern(conf)) : 0;
}

const struct hm_filter *hm_node_filter(const struct hm_node *n)
{
	return n->kind == HM_NODE_FILTER ? n->fn->filter(n->conf) : NULL;
}

const struct hm_pattern *hm_node_pattern(const struct hm_node *n)
{
	return n->fn && n->fn->pattern ? n->fn->pattern(n->conf) : NULL;
}

void *hm_node_state(const struct hm_node *n, unsigned lane)
{
	if (n->states)
		return n->states[lane];
	return n->state == HM_NO_CELL ? NULL : hm_cells_at(n->nodes->cells, lane, n->state);
}

uint64_t *hm_node_out(const struct hm_node *n, unsigned lane)
{
	return n->out == HM_NO_CELL ? NULL : hm_cells_at(n->nodes->cells, lane, n->out);
}

struct hm_sample *hm_node_sample(const struct hm_node *n, unsigned lane)
{
	return n->sample == HM_NO_CELL ? NULL : hm_cells_at(n->nodes->cells, lane, n->sample);
}

/* --- the table of those that may be shared --- */

/* A filter or pattern has a slot of its own while a node holds it: then that is the key, whoever asks. */
static uint32_t hash_of(const struct hm_node *parent, const struct hm_function *fn,
			enum hm_node_kind kind, uint32_t slot, const char *key)
{
	uint64_t h = (uint64_t)(uintptr_t)parent;

	if (kind == HM_NODE_FILTER || kind == HM_NODE_PATTERN)
		h += ((uint64_t)slot << 8) + kind;
	else
		h = h * UINT64_C(0x9e3779b97f4a7c15) + (uint64_t)(uintptr_t)fn;
	for (; key && *key; key++)
		h = (h ^ (uint8_t)*key) * UINT64_C(0x100000001b3);
	return (uint32_t)((h * UINT64_C(0x9e3779b97f4a7c15)) >> 32);
}

static bool is(const struct hm_node *n, const struct hm_node *parent, const struct hm_function *fn,
	       enum hm_node_kind kind, uint32_t slot, const char *key)
{
	if (n->parent != parent || n->kind != kind)
		return false;
	if (kind == HM_NODE_FILTER || kind == HM_NODE_PATTERN)
		return n->slot == slot;
	return n->fn == fn && !strcmp(n->key ? n->key : "", key ? key : "");
}

static bool grow(struct hm_nodes *s)
{
	uint32_t n = s->n_buckets ? 2 * s->n_buckets : 64;
	struct hm_node **buckets = calloc(n, sizeof(struct hm_node *));

	if (!buckets)
		return false;
	for (uint32_t i = 0; i < s->n_buckets; i++)
		for (struct hm_node *node = s->buckets[i], *next; node; node = next) {
			next = node->next;
			node->next = buckets[node->hash & (n - 1)];
			buckets[node->hash & (n - 1)] = node;
		}
	free(s->buckets);
	s->buckets = buckets;
	s->n_buckets = n;
	return true;
}

static bool share(struct hm_node *n)
{
	struct hm_nodes *s = n->nodes;
	struct hm_node **bucket;

	if (s->n_shared == s->n_buckets && !grow(s))
		return false;
	bucket = &s->buckets[n->hash & (s->n_buckets - 1)];
	n->next = *bucket;
	*bucket = n;
	n->shared = true;
	s->n_shared++;
	return true;
}

static void forget(struct hm_node *n)
{
	struct hm_node **at = &n->nodes->buckets[n->hash & (n->nodes->n_buckets - 1)];

	while (*at != n)
		at = &(*at)->next;
	*at = n->next;
	n->nodes->n_shared--;
}

/* --- life --- */

struct hm_nodes *hm_nodes_create(unsigned n_lanes, const int *sockets)
{
	struct hm_nodes *s = calloc(1, sizeof(*s) + n_lanes * sizeof(s->socket_of[0]));

	if (!s)
		return NULL;
	s->n_lanes = n_lanes;
	memcpy(s->socket_of, sockets, n_lanes * sizeof(s->socket_of[0]));
	s->cells = hm_cells_create(n_lanes, sockets);
	s->root = (struct hm_node){
		.nodes = s, .kind = HM_NODE_ROOT, .state = HM_NO_CELL, .sample = HM_NO_CELL};
	TAILQ_INIT(&s->root.children);
	s->root.out = s->cells ? hm_cells_take(s->cells, sizeof(uint64_t)) : HM_NO_CELL;
	if (s->root.out != HM_NO_CELL && grow(s))
		return s;
	hm_nodes_destroy(s);
	return NULL;
}

void hm_nodes_destroy(struct hm_nodes *s)
{
	if (!s)
		return;
	hm_cells_destroy(s->cells);
	free(s->buckets);
	free(s);
}

struct hm_node *hm_nodes_root(struct hm_nodes *s)
{
	return &s->root;
}

unsigned hm_nodes_lanes(const struct hm_nodes *s)
{
	return s->n_lanes;
}

struct hm_cells *hm_nodes_cells(struct hm_nodes *s)
{
	return s->cells;
}

uint32_t hm_nodes_count(const struct hm_nodes *s)
{
	return s->n;
}

uint64_t hm_nodes_bytes(const struct hm_nodes *s)
{
	return sizeof(*s) + s->n * sizeof(struct hm_node) +
	       s->n_buckets * sizeof(struct hm_node *) + s->state_bytes + hm_cells_bytes(s->cells);
}

static int create_large_states(struct hm_node *n, struct hm_error *err)
{
	struct hm_nodes *s = n->nodes;
	size_t size = n->fn->core_size;

	n->states = calloc(s->n_lanes, sizeof(*n->states));
	for (unsigned lane = 0; lane < s->n_lanes && n->states; lane++) {
		n->states[lane] = rte_zmalloc_socket(n->fn->name, size, RTE_CACHE_LINE_SIZE,
						     s->socket_of[lane]);
		if (n->states[lane])
			s->state_bytes += size;
		else
			return hm_error_set(
				err, -ENOMEM, 3084,
				"%s: no memory for %zu bytes of state (raise eal.memory_mb)",
				n->fn->name, size);
	}
	return n->states ? 0 : hm_error_set(err, -ENOMEM, 3084, "%s: out of memory", n->fn->name);
}

/* Memory for the counters, and for the state on every lane. */
static int create_states(struct hm_node *n, struct hm_error *err)
{
	struct hm_cells *cells = n->nodes->cells;
	size_t size = n->fn->core_size;

	if (n->kind != HM_NODE_PASSIVE) {
		n->sample = hm_cells_take(cells, sizeof(struct hm_sample));
		if (n->sample == HM_NO_CELL)
			goto no_memory;
	}
	if (counts(n->kind)) {
		n->out = hm_cells_take(cells, out_bytes(n->kind));
		if (n->out == HM_NO_CELL)
			goto no_memory;
	}
	if (size > HM_CELLS_MAX)
		return create_large_states(n, err);
	if (size > 0) {
		n->state = hm_cells_take(cells, size);
		if (n->state == HM_NO_CELL)
			goto no_memory;
	}
	return 0;
no_memory:
	return hm_error_set(err, -ENOMEM, 3084, "%s: no memory for counters (raise eal.memory_mb)",
			    n->fn->name);
}

static void destroy_states(struct hm_node *n)
{
	struct hm_nodes *s = n->nodes;

	for (unsigned lane = 0; lane < s->n_lanes && n->states; lane++) {
		s->state_bytes -= n->states[lane] ? n->fn->core_size : 0;
		rte_free(n->states[lane]);
	}
	free(n->states);
	hm_cells_give(s->cells, n->state, n->fn->core_size);
	hm_cells_give(s->cells, n->out, out_bytes(n->kind));
	hm_cells_give(s->cells, n->sample, sizeof(struct hm_sample));
}

static void fini_lanes(struct hm_node *n, unsigned n_lanes)
{
	for (unsigned lane = 0; lane < n_lanes && n->fn->core_fini; lane++)
		n->fn->core_fini(hm_node_state(n, lane));
}

static int init_lanes(struct hm_node *n, struct hm_core_ctx *ctx, struct hm_error *err)
{
	ctx->conf = n->conf;
	for (unsigned lane = 0; lane < n->nodes->n_lanes && n->fn->core_init; lane++) {
		int ret;

		ctx->worker = lane;
		ctx->socket = n->nodes->socket_of[lane];
		ret = n->fn->core_init(hm_node_state(n, lane), ctx, err);
		if (ret < 0) {
			fini_lanes(n, lane);
			return ret;
		}
	}
	return 0;
}

static struct hm_node *create_node(struct hm_node *parent, const struct hm_function *fn, void *conf,
				   struct hm_core_ctx *ctx, struct hm_error *err)
{
	struct hm_node *n = calloc(1, sizeof(*n));

	if (!n) {
		hm_error_set(err, -ENOMEM, 3084, "%s: out of memory", fn->name);
		return NULL;
	}
	*n = (struct hm_node){.nodes = parent->nodes,
			      .fn = fn,
			      .parent = parent,
			      .source = counts(parent->kind) ? parent : parent->source,
			      .kind = kind_of(fn),
			      .refs = 1,
			      .n_instances = 1,
			      .out = HM_NO_CELL,
			      .state = HM_NO_CELL,
			      .sample = HM_NO_CELL,
			      .conf = conf};
	n->slot = slot_of(fn, n->kind, conf);
	TAILQ_INIT(&n->children);
	if (create_states(n, err) < 0 || init_lanes(n, ctx, err) < 0) {
		destroy_states(n);
		free(n);
		return NULL;
	}
	parent->refs++;
	TAILQ_INSERT_TAIL(&parent->children, n, sibling);
	n->nodes->n++;
	return n;
}

void hm_node_set_late(struct hm_node *n, uint64_t late)
{
	struct hm_node_list *siblings = &n->parent->children;
	struct hm_node *other;

	TAILQ_REMOVE(siblings, n, sibling);
	other = TAILQ_FIRST(siblings);
	while (other && other->late <= late)
		other = TAILQ_NEXT(other, sibling);
	if (other)
		TAILQ_INSERT_BEFORE(other, n, sibling);
	else
		TAILQ_INSERT_TAIL(siblings, n, sibling);
	n->late = late;
}

bool hm_node_is_counter(const struct hm_node *n)
{
	return n->kind == HM_NODE_PASSIVE || (n->fn && n->fn->flags & HM_FN_SHARED_COUNTER);
}

struct hm_node *hm_node_get(struct hm_node *parent, const struct hm_function *fn, void *conf,
			    const char *key, struct hm_core_ctx *ctx, struct hm_error *err)
{
	struct hm_nodes *s = parent->nodes;
	enum hm_node_kind kind = kind_of(fn);
	uint32_t slot, hash;
	struct hm_node *n;

	while (hm_node_is_counter(parent))
		parent = parent->parent;
	if (!hm_function_is_shared(fn))
		return create_node(parent, fn, conf, ctx, err);
	slot = slot_of(fn, kind, conf);
	hash = hash_of(parent, fn, kind, slot, key);
	for (n = s->buckets[hash & (s->n_buckets - 1)]; n; n = n->next)
		if (n->hash == hash && is(n, parent, fn, kind, slot, key)) {
			if (fn->conf_fini)
				fn->conf_fini(conf);
			free(conf);
			n->refs++;
			n->n_instances++;
			return n;
		}
	n = create_node(parent, fn, conf, ctx, err);
	if (!n)
		return NULL;
	n->hash = hash;
	n->key = key ? strdup(key) : NULL;
	if ((!key || n->key) && share(n))
		return n;
	n->conf = NULL; // stays the caller's
	hm_node_put(n);
	hm_error_set(err, -ENOMEM, 3084, "%s: out of memory", fn->name);
	return NULL;
}

static void destroy_node(struct hm_node *n)
{
	if (n->shared)
		forget(n);
	TAILQ_REMOVE(&n->parent->children, n, sibling);
	n->nodes->n--;
	fini_lanes(n, n->nodes->n_lanes);
	destroy_states(n);
	if (n->conf && n->fn->conf_fini)
		n->fn->conf_fini(n->conf);
	free(n->conf);
	free(n->key);
	free(n);
}

void hm_node_put(struct hm_node *n)
{
	if (n)
		n->n_instances--;
	// the root, which has no parent, is the device's
	while (n && n->parent && --n->refs == 0) {
		struct hm_node *parent = n->parent;

		destroy_node(n);
		n = parent;
	}
}
