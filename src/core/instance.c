/* SPDX-License-Identifier: BSD-3-Clause */
#include "core/instance.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/gate.h"
#include "core/handed.h"
#include "core/outbox.h"
#include "core/pktring.h"
#include "core/reference.h"
#include "core/registry.h"
#include "core/search.h"
#include "filter/filter.h"

#define JSON_VALUE_BYTES 64 // a value or key with what malloc adds
#define ENTRY_BYTES \
	128 // of a worker's program, while the old and the new one are there, and its counters

static size_t count_fields(const struct hm_function *fn)
{
	size_t n = 0;

	while (fn->results && fn->results[n].name)
		n++;
	return n;
}

/* The arguments in one way of writing: by type, with defaults in the place of what was left out. */
static char *canonical_args(const struct hm_function *fn, const union hm_value *values)
{
	json_t *list = json_array();
	char *text;

	for (unsigned i = 0; fn->args && fn->args[i].name; i++)
		switch (fn->args[i].type) {
		case HM_ARG_STRING:
		case HM_ARG_FLOWS:
		case HM_ARG_REFERENCES:
		case HM_ARG_OUTPUT:
			json_array_append_new(list, values[i].s ? json_string_nocheck(values[i].s)
								: json_null());
			break;
		case HM_ARG_FLOW:
			json_array_append_new(
				list, values[i].flow.name ? json_string_nocheck(values[i].flow.name)
							  : json_integer(values[i].flow.number));
			break;
		case HM_ARG_INT:
		case HM_ARG_FUNCTION:
		case HM_ARG_U64:
			json_array_append_new(list, json_integer((json_int_t)values[i].u));
			break;
		case HM_ARG_TIME:
			json_array_append_new(
				list, json_pack("[I, b]",
						(json_int_t)(values[i].time.has_unit
								     ? values[i].time.ns
								     : values[i].time.plain),
						values[i].time.has_unit));
			break;
		case HM_ARG_OPTIONS:
			json_array_append_new(list, values[i].options
							    ? json_deep_copy(values[i].options)
							    : json_null());
			break;
		}
	text = json_dumps(list, JSON_COMPACT | JSON_SORT_KEYS);
	json_decref(list);
	return text;
}

static bool needs_key(const struct hm_function *fn)
{
	return hm_function_is_shared(fn) && !fn->filter && !fn->pattern && fn->args;
}

static void destroy_conf(struct hm_instance *in)
{
	free(in->wires);
	free(in->feeds);
	free(in->key);
	free(in->conf);
	free(in);
}

static int add_wires(struct hm_instance *in, const struct hm_reads *reads, struct hm_error *err)
{
	if (!reads->n)
		return 0;
	in->wires = calloc(reads->n, sizeof(*in->wires));
	in->feeds = calloc(reads->n, sizeof(*in->feeds));
	if (!in->wires || !in->feeds)
		return hm_error_set(err, -ENOMEM, 3084, "%s: out of memory", in->fn->name);
	in->n_wires = reads->n;
	for (uint32_t i = 0; i < reads->n; i++)
		in->wires[i].read = reads->of[i];
	return 0;
}

struct hm_instance *hm_instance_create(const struct hm_function *fn, uint32_t number,
				       const json_t *args, const struct hm_apply_ctx *ctx,
				       struct hm_error *err)
{
	union hm_value values[HM_ARGS_MAX] = {0};
	struct hm_apply_ctx own = *ctx;
	struct hm_reads reads = {0};
	struct hm_instance *in;
	int ret = hm_args_parse(fn, args, values, err);

	if (ret < 0) {
		errno = -ret;
		return NULL;
	}
	in = calloc(1, sizeof(*in) + count_fields(fn) * sizeof(in->field_base[0]));
	if (in) {
		in->conf = calloc(1, fn->conf_size ? fn->conf_size : 1);
		in->key = needs_key(fn) ? canonical_args(fn, values) : NULL;
	}
	if (!in || !in->conf || (needs_key(fn) && !in->key)) {
		if (in)
			destroy_conf(in);
		hm_error_set(err, -ENOMEM, 3084, "%s: out of memory", fn->name);
		errno = ENOMEM;
		return NULL;
	}
	in->fn = fn;
	in->number = number;
	own.reads = &reads;
	ret = fn->conf_init ? fn->conf_init(in->conf, values, &own, err) : 0;
	if (ret == 0 && add_wires(in, &reads, err) < 0) {
		if (fn->conf_fini)
			fn->conf_fini(in->conf);
		ret = -ENOMEM;
	}
	if (ret < 0) {
		destroy_conf(in);
		errno = -ret;
		return NULL;
	}
	if (fn->values)
		in->unit = fn->values->unit_of ? fn->values->unit_of(in->conf) : fn->values->unit;
	in->args = args ? json_deep_copy(args) : json_array();
	in->shown = hm_args_shown(fn, in->args);
	in->selector = hm_selector_of(fn, in->conf, in->shown);
	in->handed = hm_handed_get(ctx->handed);
	return in;
}

/* As jansson keeps it. */
static uint64_t json_bytes(const json_t *v)
{
	uint64_t bytes = JSON_VALUE_BYTES + json_string_length(v);
	const char *key;
	json_t *part;
	size_t i;

	json_array_foreach ((json_t *)(uintptr_t)v, i, part)
		bytes += json_bytes(part);
	json_object_foreach ((json_t *)(uintptr_t)v, key, part)
		bytes += JSON_VALUE_BYTES + strlen(key) + json_bytes(part);
	return bytes;
}

uint64_t hm_instance_bytes(const struct hm_instance *in, unsigned n_workers)
{
	const struct hm_function *fn = in->fn;
	uint64_t bytes = sizeof(*in) + count_fields(fn) * sizeof(in->field_base[0]) +
			 fn->conf_size + json_bytes(in->args) + json_bytes(in->shown) +
			 sizeof(struct hm_node);

	bytes += (uint64_t)n_workers * (fn->core_size + sizeof(struct hm_sample) + ENTRY_BYTES);
	if (in->key)
		bytes += strlen(in->key) + 1;
	if (fn->filter)
		bytes += hm_filter_bytes(fn->filter(in->conf));
	if (fn->pattern && fn->pattern(in->conf))
		bytes += hm_pattern_bytes(fn->pattern(in->conf));
	return bytes + (fn->memory ? fn->memory(in->conf, n_workers) : 0);
}

int hm_instance_connect(struct hm_instance *in, struct hm_node *parent, struct hm_core_ctx *ctx,
			struct hm_error *err)
{
	const struct hm_function *fn = in->fn;
	int ret = fn->connect ? fn->connect(in->conf, err) : 0;

	if (ret < 0)
		return ret;
	ctx->function_id = in->number;
	ctx->feeds = in->feeds;
	in->node = hm_node_get(parent, fn, in->conf, in->key, ctx, err);
	if (!in->node)
		return -EINVAL;
	in->conf = in->node->conf;
	free(in->key);
	in->key = NULL;
	return 0;
}

bool hm_instance_finish(struct hm_instance *in, uint64_t now_ns)
{
	const struct hm_function *fn = in->fn;
	bool done = true;

	for (unsigned lane = 0; in->node && fn->drain && lane < hm_nodes_lanes(in->node->nodes);
	     lane++)
		done &= fn->drain(hm_node_state(in->node, lane));
	if (fn->poll)
		fn->poll(in->conf, now_ns);
	return done && (!fn->idle || fn->idle(in->conf));
}

void hm_instance_destroy(struct hm_instance *in)
{
	if (in->node)
		in->conf = NULL; // the node's
	else if (in->fn->conf_fini)
		in->fn->conf_fini(in->conf);
	hm_handed_put(in->handed);
	hm_gate_destroy(in->gate);
	hm_node_put(in->node);
	hm_node_put(in->back);
	hm_node_put(in->leave);
	json_decref(in->args);
	json_decref(in->shown);
	destroy_conf(in);
}

/* --- counting --- */

unsigned hm_instance_marks(const struct hm_instance *in, unsigned lane,
			   const uint64_t *from[HM_MARKS_MAX])
{
	const uint64_t *out = hm_node_out(in->node, lane);
	unsigned n = 0;

	if (out)
		from[n++] = out;
	if (in->node->kind == HM_NODE_TRANSFORM)
		from[n++] = out + 1;
	for (const struct hm_field *f = in->fn->results; f && f->name && in->node->shared; f++)
		if (f->merge == HM_MERGE_SUM)
			from[n++] = (const uint64_t *)((const char *)hm_node_state(in->node, lane) +
						       f->offset);
	return n;
}

uint64_t hm_instance_begin(struct hm_instance *in, uint64_t in_base, const uint64_t *sums)
{
	in->base.in = in->base.out = in_base;
	if (in->node->out != HM_NO_CELL)
		in->base.out = *sums++;
	if (in->node->kind == HM_NODE_TRANSFORM)
		in->base.dropped = *sums++;
	for (const struct hm_field *f = in->fn->results; f && f->name; f++) {
		uint64_t *base = &in->field_base[f - in->fn->results];

		if (f->merge == HM_MERGE_IN)
			*base = in_base;
		else if (f->merge == HM_MERGE_SUM && in->node->shared)
			*base = *sums++;
	}
	in->counting = true;
	return in->base.out;
}

static uint64_t load(const uint64_t *counter)
{
	return __atomic_load_n(counter, __ATOMIC_ACQUIRE); // program.c: count
}

/* What gates kept out between the counter that tells the packets into it and itself. */
static uint64_t skipped_above(const struct hm_instance *in)
{
	uint64_t sum = 0;

	for (in = in->before; in && in->node->out == HM_NO_CELL; in = in->before)
		if (!hm_node_is_counter(in->node)) // nothing hangs on a counter
			sum += hm_gate_skipped(in->gate);
	return sum;
}

/* What is kept out is counted last by a worker: read first, it is never ahead. */
static uint64_t packets_into(const struct hm_instance *in)
{
	const struct hm_node *n = in->node;
	uint64_t sum = 0, skipped = skipped_above(in);

	for (unsigned lane = 0; lane < hm_nodes_lanes(n->nodes); lane++)
		sum += load(hm_node_out(n->source, lane));
	return sum - skipped;
}

void hm_instance_counts(const struct hm_instance *in, struct hm_counts *c)
{
	const struct hm_node *n = in->node;

	*c = (struct hm_counts){0};
	if (!in->counting)
		return;
	// a worker counts the source first: read last, it is never behind
	for (unsigned lane = 0; lane < hm_nodes_lanes(n->nodes); lane++) {
		const uint64_t *out = hm_node_out(n, lane);

		if (out)
			c->out += load(out);
		if (n->kind == HM_NODE_TRANSFORM)
			c->dropped += load(out + 1);
	}
	c->skipped = hm_gate_skipped(in->gate);
	c->in = packets_into(in) - in->base.in;
	c->out = n->out == HM_NO_CELL ? c->in - c->skipped : c->out - in->base.out;
	c->dropped -= in->base.dropped;
}

/* One field over all workers. A worker that has seen nothing leaves a MIN or MAX field 0: not a value. */
static uint64_t merge_field(const struct hm_instance *in, const struct hm_field *f)
{
	uint64_t merged = 0;

	if (f->merge == HM_MERGE_IN)
		return packets_into(in);
	for (unsigned lane = 0; lane < hm_nodes_lanes(in->node->nodes); lane++) {
		const void *at = (const char *)hm_node_state(in->node, lane) + f->offset;
		uint64_t v = f->type == HM_FIELD_U32
				     ? __atomic_load_n((const uint32_t *)at, __ATOMIC_RELAXED)
				     : __atomic_load_n((const uint64_t *)at, __ATOMIC_RELAXED);
		if (f->merge == HM_MERGE_SUM)
			merged += v;
		else if (v && (!merged || (f->merge == HM_MERGE_MIN ? v < merged : v > merged)))
			merged = v;
	}
	return merged;
}

static bool is_sum(const struct hm_field *f)
{
	return f->merge == HM_MERGE_SUM || f->merge == HM_MERGE_IN;
}

bool hm_instance_reset(struct hm_instance *in)
{
	bool any = false;

	for (const struct hm_field *f = in->fn->results; f && f->name; f++)
		if (is_sum(f)) {
			in->field_base[f - in->fn->results] = merge_field(in, f);
			any = true;
		}
	return any;
}

static json_t *field_json(const struct hm_instance *in, const struct hm_field *f)
{
	uint64_t v = merge_field(in, f) - in->field_base[f - in->fn->results];

	return f->type == HM_FIELD_TIME_NS || f->type == HM_FIELD_BIG_U64
		       ? hm_json_u64(v)
		       : json_integer((json_int_t)v);
}

/* Some functions have one with certain arguments only. */
static bool has_outbox(const struct hm_instance *in)
{
	return in->fn->outbox && in->fn->outbox(in->conf);
}

static void add_outbox(json_t *result, const struct hm_outbox *o)
{
	struct hm_outbox_counts c;

	hm_outbox_counts(o, &c);
	json_object_set_new(result, "offered", json_integer((json_int_t)c.offered));
	json_object_set_new(result, "delivered", json_integer((json_int_t)c.delivered));
	json_object_set_new(result, "dropped", json_integer((json_int_t)c.dropped));
	json_object_set_new(result, "queued", json_integer((json_int_t)c.queued));
}

/* On all workers; how many. */
static unsigned states_of(const struct hm_instance *in, void **states)
{
	unsigned n = hm_nodes_lanes(in->node->nodes);

	for (unsigned lane = 0; lane < n; lane++)
		states[lane] = hm_node_state(in->node, lane);
	return n;
}

json_t *hm_instance_result(const struct hm_instance *in)
{
	const struct hm_field *f = in->fn->results;
	json_t *result;

	if (f && f[0].name && !f[1].name && !in->fn->stats && !strcmp(f[0].name, "value"))
		return field_json(in, f);
	if (!f && !in->fn->stats && !has_outbox(in))
		return NULL;
	if (in->fn->stats) {
		void *states[HM_WORKERS_MAX];
		unsigned n = states_of(in, states);

		result = in->fn->stats(in->conf, states, n);
	} else {
		result = json_object();
	}
	for (; f && f->name; f++)
		// what stats() tells itself is in step with the rest of it
		if (f->merge != HM_MERGE_TOLD && !json_object_get(result, f->name))
			json_object_set_new(result, f->name, field_json(in, f));
	if (has_outbox(in))
		add_outbox(result, in->fn->outbox(in->conf));
	return result;
}

static const struct hm_field *sequence_of(const struct hm_function *fn)
{
	const struct hm_field *f = fn->results;

	while (f && f->name && !f->sequence)
		f++;
	return f && f->name ? f : NULL;
}

/* Packets or records that wait; false: it has none ever. */
static bool count_waiting(const struct hm_instance *in, uint64_t after, uint64_t *n)
{
	struct hm_pktring *ring = in->fn->pktring ? in->fn->pktring(in->conf) : NULL;
	const struct hm_field *sequence = sequence_of(in->fn);

	if (has_outbox(in)) {
		struct hm_outbox_counts c;
		hm_outbox_counts(in->fn->outbox(in->conf), &c);
		*n = c.queued;
	} else if (ring) {
		struct hm_pktring_counts c;
		hm_pktring_counts(ring, &c);
		*n = c.queued;
	} else if (sequence) {
		uint64_t count =
			merge_field(in, sequence) - in->field_base[sequence - in->fn->results];
		*n = count > after ? count - after : 0;
	} else {
		return false;
	}
	return true;
}

enum hm_news hm_instance_news(const struct hm_instance *in, uint64_t after, bool finished)
{
	uint64_t n;

	if (!count_waiting(in, after, &n))
		return HM_NEWS_NEVER;
	if (n)
		return HM_NEWS_NOW;
	// what it still moves may be handed out, too
	if (finished && in->fn->idle)
		finished = in->fn->idle(in->conf);
	return finished ? HM_NEWS_END : HM_NEWS_LATER;
}

json_t *hm_instance_take(const struct hm_instance *in, uint32_t max)
{
	json_t *records = has_outbox(in) ? json_array() : NULL;
	const void *record;

	for (uint32_t i = 0; records && i < max; i++) {
		record = hm_outbox_take(in->fn->outbox(in->conf));
		if (!record)
			break;
		json_array_append_new(records, in->fn->record(in->conf, record));
	}
	if (records && in->fn->taken) {
		void *states[HM_WORKERS_MAX];
		unsigned n = states_of(in, states);

		in->fn->taken(in->conf, states, n);
	}
	return records;
}
