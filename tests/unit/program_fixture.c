/* SPDX-License-Identifier: BSD-3-Clause */
#include "program_fixture.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "core/registry.h"

#define COPIES 256

void fixture_open(struct fixture *x, unsigned n_lanes)
{
	static const int sockets[4];

	memset(x, 0, sizeof(*x));
	assert_in_range(n_lanes, 1, 4);
	x->n_lanes = n_lanes;
	x->nodes = hm_nodes_create(n_lanes, sockets);
	x->ws = aligned_alloc(64, (sizeof(*x->ws) + 63) & ~(size_t)63);
	assert_non_null(x->nodes);
	assert_non_null(x->ws);
	memset(x->ws, 0, sizeof(*x->ws));
	x->ws->copies = hm_copies_create(COPIES, 2048, 0);
	assert_non_null(x->ws->copies);
}

static void destroy_programs(struct fixture *x)
{
	for (unsigned lane = 0; lane < x->n_lanes; lane++) {
		hm_program_destroy(x->programs[lane]);
		x->programs[lane] = NULL;
	}
}

static void destroy_flow(struct hm_flow *f)
{
	for (uint32_t i = f->n; i-- > 0;)
		hm_instance_destroy(f->instances[i]);
	free(f->instances);
	free(f);
}

void fixture_close(struct fixture *x)
{
	destroy_programs(x);
	for (uint32_t i = 0; i < x->n_flows; i++)
		destroy_flow(x->flows[i]);
	for (unsigned lane = 0; lane < x->n_lanes; lane++)
		hm_searches_unref(x->searches[lane]);
	hm_filter_index_unref(x->index);
	hm_search_db_unref(x->db);
	assert_int_equal(hm_nodes_count(x->nodes), 0); // every node was given back
	hm_nodes_destroy(x->nodes);
	assert_int_equal(hm_copies_free(x->ws->copies), COPIES);
	hm_copies_destroy(x->ws->copies);
	free(x->ws);
}

static struct hm_instance *create_instance(const char *name, json_t *args, uint32_t number)
{
	const struct hm_apply_ctx apply = {.link = HM_LINK_ETHERNET, .n_workers = 1};
	struct hm_instance *in;
	struct hm_error err;

	assert_non_null(hm_function_find(name));
	in = hm_instance_create(hm_function_find(name), number, args, &apply, &err);
	assert_non_null(in);
	return in;
}

struct hm_flow *fixture_flow(struct fixture *x, const char *functions)
{
	json_t *list = json_loads(functions, 0, NULL), *call;
	struct hm_node *parent = hm_nodes_root(x->nodes);
	struct hm_flow *f = calloc(1, sizeof(*f));
	struct hm_core_ctx ctx = {.n_workers = x->n_lanes};
	size_t i;

	assert_non_null(list);
	assert_in_range(x->n_flows, 0, FIXTURE_FLOWS - 1);
	f->instances = calloc(json_array_size(list), sizeof(struct hm_instance *));
	json_array_foreach (list, i, call) {
		char *name = strdup(json_string_value(json_array_get(call, 0)));
		struct hm_instance *in;
		struct hm_error err;

		json_array_remove(call, 0);
		in = create_instance(name, call, (uint32_t)i + 1);
		assert_int_equal(hm_instance_connect(in, parent, &ctx, &err), 0);
		in->before = f->n ? f->instances[f->n - 1] : NULL;
		parent = in->node;
		f->instances[f->n++] = in;
		free(name);
	}
	json_decref(list);
	x->flows[x->n_flows++] = f;
	return f;
}

static void forget_flow(struct fixture *x, const struct hm_flow *f)
{
	uint32_t i = 0;

	while (x->flows[i] != f)
		i++;
	x->flows[i] = x->flows[--x->n_flows];
}

void fixture_remove(struct fixture *x, struct hm_flow *f)
{
	forget_flow(x, f);
	fixture_publish(x);
	destroy_flow(f);
}

/* The filters and patterns of all flows, a new index and database of them. */
static void update_scans(struct fixture *x)
{
	struct hm_filter *filters[FIXTURE_FLOWS * 8];
	const struct hm_pattern *patterns[FIXTURE_FLOWS * 8];
	uint32_t n_filters = 0, n_patterns = 0;
	struct hm_pattern_set *set;
	struct hm_error err;
	bool held = x->db;

	for (uint32_t i = 0; i < x->n_flows; i++)
		for (uint32_t k = 0; k < x->flows[i]->n; k++) {
			const struct hm_instance *in = x->flows[i]->instances[k];

			if (in->fn->filter)
				filters[n_filters++] = in->fn->filter(in->conf);
			if (in->fn->pattern)
				patterns[n_patterns++] = in->fn->pattern(in->conf);
		}
	if (!x->index || !hm_filter_index_matches(x->index, filters, n_filters)) {
		hm_filter_index_unref(x->index);
		x->index = hm_filter_index_create(filters, n_filters, &err);
		assert_non_null(x->index);
	}
	set = hm_pattern_set_create(patterns, n_patterns);
	for (uint32_t i = 0; i < n_patterns && held; i++)
		held = hm_search_db_holds(x->db, patterns[i]);
	if (!held || hm_search_db_size(x->db) != hm_pattern_set_size(set)) {
		hm_search_db_unref(x->db);
		x->db = hm_search_compile(set, &err);
		assert_non_null(x->db);
	}
	hm_pattern_set_destroy(set);
}

static struct hm_searches *searches_of(struct fixture *x, unsigned lane)
{
	if (!x->searches[lane] || x->searches[lane]->db != x->db) {
		hm_searches_unref(x->searches[lane]);
		x->searches[lane] = hm_searches_create(x->db, HM_TRANSFORM_DEPTH, 0);
		assert_non_null(x->searches[lane]);
	}
	x->searches[lane]->refs++;
	return x->searches[lane];
}

void fixture_publish(struct fixture *x)
{
	struct hm_flow *fresh[FIXTURE_FLOWS];
	struct hm_layout *layout;
	uint32_t n_fresh = 0, n_marks;
	uint64_t *sums;

	x->generation++;
	for (uint32_t i = 0; i < x->n_flows; i++) {
		if (!x->flows[i]->generation)
			fresh[n_fresh++] = x->flows[i];
		x->flows[i]->generation = x->generation;
		for (uint32_t k = 0; k < x->flows[i]->n; k++)
			x->flows[i]->instances[k]->node->generation = x->generation;
	}
	update_scans(x);
	destroy_programs(x);
	n_marks = hm_marks_count(fresh, n_fresh);
	sums = calloc(n_marks, sizeof(*sums));
	for (unsigned lane = 0; lane < x->n_lanes; lane++) {
		struct hm_searches *s = searches_of(x, lane);
		struct hm_program *p;

		layout = hm_layout_create(x->nodes, x->generation, s->at[0]);
		p = hm_program_create(layout, lane, s, x->index, n_marks, 0);
		assert_non_null(p);
		hm_layout_destroy(layout);
		hm_marks_fill(p->marks, x->nodes, lane, fresh, n_fresh);
		hm_program_adopt(p);
		for (uint32_t m = 0; m < n_marks; m++)
			sums[m] += p->marks[m].value;
		x->programs[lane] = p;
	}
	hm_marks_begin(sums, fresh, n_fresh);
	free(sums);
}

void fixture_run(struct fixture *x, unsigned lane, struct hm_batch *b)
{
	static const struct hm_parse_conf conf;

	b->link = HM_LINK_ETHERNET;
	b->all = hm_mask_first(b->n);
	hm_parse(b, &conf);
	hm_program_run(x->programs[lane], b, x->ws, &conf, x->watch);
}

uint64_t fixture_value(const struct hm_flow *f, uint32_t number)
{
	json_t *value = hm_instance_result(f->instances[number - 1]);
	json_int_t n = json_integer_value(value);

	assert_true(json_is_integer(value));
	json_decref(value);
	return (uint64_t)n;
}

void fixture_expect(const struct hm_flow *f, uint32_t number, uint64_t in, uint64_t out,
		    uint64_t dropped)
{
	struct hm_counts c;

	hm_instance_counts(f->instances[number - 1], &c);
	assert_int_equal(c.in, in);
	assert_int_equal(c.out, out);
	assert_int_equal(c.dropped, dropped);
}
