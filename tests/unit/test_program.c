/* SPDX-License-Identifier: BSD-3-Clause */
/* The program: masks go from parent to child, empty ones skip subtrees, transforms run their subtree over
 * copies, flows share what they may and count from their own beginning, counters of every entry add up, and
 * state survives a new program. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "function_harness.h"
#include "program_fixture.h"
#include "start_eal.h"

#define N   40
#define ALL "[[\"PKT_COUNTER\"], [\"BYTE_COUNTER\"]]"

/* EVERY n: passes packets whose number in the batch is a multiple of n; counts its calls. */
struct every_conf {
	uint64_t n;
};
struct every_core {
	uint64_t mask, calls;
};

static int every_conf_init(void *conf, const union hm_value *args, const struct hm_apply_ctx *ctx,
			   struct hm_error *err)
{
	(void)ctx;
	(void)err;
	((struct every_conf *)conf)->n = (uint64_t)args[0].i;
	return 0;
}

static int every_core_init(void *core, const struct hm_core_ctx *ctx, struct hm_error *err)
{
	const struct every_conf *conf = ctx->conf;
	struct every_core *c = core;

	(void)err;
	for (unsigned i = 0; i < 64; i++)
		c->mask |= (uint64_t)(i % conf->n == 0) << i;
	return 0;
}

static uint64_t every_process(void *core, const struct hm_batch *b, uint64_t in)
{
	struct every_core *c = core;

	(void)b;
	c->calls++;
	return in & c->mask;
}

static const struct hm_arg every_args[] = {
	{.name = "n", .type = HM_ARG_INT, .min = 1, .max = 1000, .help = "one in n"}, {0}};
static const struct hm_field every_results[] = {
	{.name = "value", .merge = HM_MERGE_SUM, .offset = offsetof(struct every_core, calls)},
	{0}};
static const struct hm_function every = {.name = "EVERY",
					 .args = every_args,
					 .results = every_results,
					 .flags = HM_FN_FILTERS,
					 .conf_size = sizeof(struct every_conf),
					 .core_size = sizeof(struct every_core),
					 .conf_init = every_conf_init,
					 .core_init = every_core_init,
					 .process = every_process};
HM_FUNCTION_REGISTER(every);

/* COPY makes copies and upper-cases the last byte of each. */
static uint64_t copy_transform(void *core, const struct hm_batch *b, uint64_t in,
			       struct hm_batch *out, struct hm_copies *pool)
{
	uint64_t dropped = 0;

	(void)core;
	hm_mask_foreach (i, in) {
		uint8_t *copy = hm_copies_take(pool);

		if (!copy) {
			dropped |= UINT64_C(1) << i;
			continue;
		}
		memcpy(copy, b->data[i], b->caplen[i]);
		copy[b->caplen[i] - 1] &= 0xdf;
		out->data[out->n] = copy;
		out->caplen[out->n] = out->wirelen[out->n] = b->caplen[i];
		out->ts_ns[out->n] = b->ts_ns[i];
		out->ifindex[out->n] = 0;
		out->n++;
	}
	return dropped;
}

static const struct hm_function copy = {.name = "COPY", .transform = copy_transform};
HM_FUNCTION_REGISTER(copy);

/* UPPER passes packets whose last byte is an upper-case letter. */
static uint64_t upper_process(void *core, const struct hm_batch *b, uint64_t in)
{
	uint64_t out = 0;

	(void)core;
	hm_mask_foreach (i, in) {
		uint8_t c = b->data[i][b->caplen[i] - 1];
		out |= (uint64_t)(c >= 'A' && c <= 'Z') << i;
	}
	return out;
}

static const struct hm_function upper = {
	.name = "UPPER", .flags = HM_FN_FILTERS | HM_FN_STATELESS, .process = upper_process};
HM_FUNCTION_REGISTER(upper);

/* SAME n: passes all; shared by flows that give the same n, written in any way. */
static uint64_t same_process(void *core, const struct hm_batch *b, uint64_t in)
{
	(void)core;
	(void)b;
	return 0; // a function without HM_FN_FILTERS passes all, whatever it says
}

static const struct hm_arg same_args[] = {
	{.name = "n", .type = HM_ARG_INT, .optional = true, .value_default = 7, .help = "any"},
	{0}};
static const struct hm_function same = {
	.name = "SAME", .flags = HM_FN_STATELESS, .args = same_args, .process = same_process};
HM_FUNCTION_REGISTER(same);

struct test {
	struct fixture x;
	struct hm_batch batch;
	uint8_t frames[N][80];
};

static int setup(void **state)
{
	static struct test test;
	struct test *t = &test;

	fixture_open(&t->x, 2);
	memset(&t->batch, 0, sizeof(t->batch));
	t->batch.n = N;
	for (unsigned i = 0; i < N; i++) {
		char payload[] = "number 00 a";

		payload[7] = (char)('0' + i / 10);
		payload[8] = (char)('0' + i % 10);
		t->batch.data[i] = t->frames[i];
		t->batch.caplen[i] = harness_udp(t->frames[i], 1000, (uint16_t)(i + 1), payload,
						 sizeof(payload) - 1);
		t->batch.wirelen[i] = 100 + i;
	}
	*state = t;
	return 0;
}

static int teardown(void **state)
{
	struct test *t = *state;

	fixture_close(&t->x);
	return 0;
}

static void run(struct test *t)
{
	fixture_run(&t->x, 0, &t->batch);
}

static void test_program_filters_in_a_row_are_an_and(void **state)
{
	struct test *t = *state;
	struct hm_flow *f = fixture_flow(&t->x, "[[\"EVERY\", 2], [\"EVERY\", 3], [\"EVERY\", 1]]");

	fixture_publish(&t->x);
	run(t);
	fixture_expect(f, 1, N, 20, 0);
	fixture_expect(f, 2, 20, 7, 0); // 0, 6, 12 ... 36
	fixture_expect(f, 3, 7, 7, 0);
}

static void test_program_empty_mask_skips_only_its_flow(void **state)
{
	struct test *t = *state;
	// no packet has an upper-case end
	struct hm_flow *f = fixture_flow(&t->x, "[[\"UPPER\"], [\"EVERY\", 1], [\"EVERY\", 1]]");
	struct hm_flow *other = fixture_flow(&t->x, "[[\"EVERY\", 5]]");

	fixture_publish(&t->x);
	run(t);
	fixture_expect(f, 1, N, 0, 0);
	fixture_expect(f, 2, 0, 0, 0);
	fixture_expect(other, 1, N, 8, 0);
	assert_int_equal(fixture_value(f, 2), 0); // not even called
	assert_int_equal(fixture_value(f, 3), 0);
	assert_int_equal(fixture_value(other, 1), 1);
}

static void test_program_transform_runs_children_over_copies(void **state)
{
	struct test *t = *state;
	struct hm_flow *f = fixture_flow(&t->x, "[[\"EVERY\", 2], [\"COPY\"], [\"UPPER\"]]");
	// the originals are what they were
	struct hm_flow *other = fixture_flow(&t->x, "[[\"UPPER\"]]");

	fixture_publish(&t->x);
	run(t);
	fixture_expect(f, 2, 20, 20, 0);
	fixture_expect(f, 3, 20, 20, 0);
	fixture_expect(other, 1, N, 0, 0);
	assert_int_equal(t->frames[0][t->batch.caplen[0] - 1], 'a');
}

static void test_program_transform_behind_transform_uses_its_own_batch(void **state)
{
	struct test *t = *state;
	// EVERY 2 of the 10 copies, renumbered from 0; the copies' filters and strings are their own
	struct hm_flow *f = fixture_flow(
		&t->x, "[[\"EVERY\", 4], [\"COPY\"], [\"EVERY\", 2], [\"COPY\"], [\"UPPER\"],"
		       " [\"BPF_FILTER\", \"udp dst port 1\"], [\"STR_SEARCH\", \"00 A\", 0, 0]]");
	struct hm_flow *other = fixture_flow(&t->x, "[[\"STR_SEARCH\", \"00 A\", 0, 0]]");

	fixture_publish(&t->x);
	run(t);
	fixture_expect(f, 2, 10, 10, 0);
	fixture_expect(f, 3, 10, 5, 0);
	fixture_expect(f, 4, 5, 5, 0);
	fixture_expect(f, 5, 5, 5, 0);
	fixture_expect(f, 6, 5, 1, 0);
	fixture_expect(f, 7, 1, 1, 0);
	fixture_expect(other, 1, N, 0, 0);
}

static void test_program_empty_pool_is_a_counted_drop(void **state)
{
	struct test *t = *state;
	struct hm_flow *f = fixture_flow(&t->x, "[[\"COPY\"], [\"UPPER\"]]");
	uint32_t n = hm_copies_free(t->x.ws->copies) - 4;
	uint8_t *held[256];

	fixture_publish(&t->x);
	for (unsigned i = 0; i < n; i++)
		held[i] = hm_copies_take(t->x.ws->copies);
	run(t);
	fixture_expect(f, 1, N, 4, N - 4);
	fixture_expect(f, 2, 4, 4, 0);
	for (unsigned i = 0; i < n; i++)
		hm_copies_give(t->x.ws->copies, held[i]);
}

static void test_program_replaced_keeps_state_and_counts(void **state)
{
	struct test *t = *state;
	struct hm_flow *f = fixture_flow(&t->x, "[[\"EVERY\", 2]]"), *second;

	fixture_publish(&t->x);
	run(t);
	second = fixture_flow(&t->x, "[[\"EVERY\", 3]]");
	fixture_publish(&t->x);
	run(t);
	run(t);
	fixture_expect(f, 1, 3 * N, 60, 0);
	fixture_expect(second, 1, 2 * N, 28, 0);
	assert_int_equal(fixture_value(f, 1), 3);
}

static void test_instance_reset_counts_from_zero_for_its_flow_only(void **state)
{
	struct test *t = *state;
	struct hm_flow *f = fixture_flow(&t->x, "[[\"EVERY\", 2], [\"PKT_COUNTER\"]]");
	struct hm_flow *a = fixture_flow(&t->x, ALL), *b = fixture_flow(&t->x, ALL);

	fixture_publish(&t->x);
	run(t);
	run(t);
	assert_int_equal(fixture_value(f, 1), 2);
	hm_instance_reset(f->instances[0]);
	hm_instance_reset(f->instances[1]);
	hm_instance_reset(a->instances[0]);
	hm_instance_reset(a->instances[1]);
	run(t);
	assert_int_equal(fixture_value(f, 1), 1);
	assert_int_equal(fixture_value(f, 2), N / 2);
	assert_int_equal(fixture_value(a, 1), N);
	assert_int_equal(fixture_value(b, 1), 3 * N);
	assert_int_equal(fixture_value(b, 2), 3 * fixture_value(a, 2));
	fixture_expect(a, 1, 3 * N, 3 * N, 0); // a reset moves results, not the ledger
}

static void test_program_flows_that_begin_alike_share_nodes(void **state)
{
	struct test *t = *state;
	static const char web[] = "[[\"BPF_FILTER\", \"udp dst port 3\"], [\"PKT_COUNTER\"],"
				  " [\"STR_SEARCH\", \"number\", 0, 0], [\"BYTE_COUNTER\"]]";
	struct hm_flow *a = fixture_flow(&t->x, web), *b = fixture_flow(&t->x, web), *c;

	for (unsigned i = 0; i < 4; i++)
		assert_ptr_equal(a->instances[i]->node, b->instances[i]->node);
	assert_int_equal(hm_nodes_count(t->x.nodes), 4);
	// the same filter behind another is another node; behind counters it is not
	c = fixture_flow(&t->x, "[[\"PKT_COUNTER\"], [\"BYTE_COUNTER\"],"
				" [\"BPF_FILTER\", \"udp dst port 3\"],"
				" [\"BPF_FILTER\", \"udp\"], [\"STR_SEARCH\", \"number\", 0, 0]]");
	assert_ptr_equal(c->instances[2]->node, a->instances[0]->node);
	assert_ptr_not_equal(c->instances[4]->node, a->instances[2]->node);
	assert_int_equal(hm_nodes_count(t->x.nodes), 8);
	fixture_publish(&t->x);
	run(t);
	fixture_expect(a, 1, N, 1, 0);
	fixture_expect(b, 4, 1, 1, 0);
	fixture_expect(c, 3, N, 1, 0);
	fixture_expect(c, 5, 1, 1, 0);
	assert_int_equal(fixture_value(b, 4), 102);
}

static void test_program_patterns_written_differently_are_one_node(void **state)
{
	struct test *t = *state;
	struct hm_flow *a = fixture_flow(&t->x, "[[\"STR_SEARCH\", \"number\", 0, 0]]");
	struct hm_flow *b = fixture_flow(&t->x, "[[\"STR_SEARCH\", \"|6e|umber\", 0, 0]]");

	assert_ptr_equal(a->instances[0]->node, b->instances[0]->node);
}

static void test_program_arguments_are_compared_with_defaults_filled_in(void **state)
{
	struct test *t = *state;
	struct hm_flow *a = fixture_flow(&t->x, "[[\"SAME\"]]");
	struct hm_flow *b = fixture_flow(&t->x, "[[\"SAME\", 7]]");
	struct hm_flow *c = fixture_flow(&t->x, "[[\"SAME\", \"7\"]]");
	struct hm_flow *d = fixture_flow(&t->x, "[[\"SAME\", 8]]");

	assert_ptr_equal(a->instances[0]->node, b->instances[0]->node);
	assert_ptr_equal(a->instances[0]->node, c->instances[0]->node);
	assert_ptr_not_equal(a->instances[0]->node, d->instances[0]->node);
}

static void test_program_function_without_filters_flag_passes_all(void **state)
{
	struct test *t = *state;
	struct hm_flow *f = fixture_flow(&t->x, "[[\"SAME\"], [\"EVERY\", 2]]");

	fixture_publish(&t->x);
	run(t);
	fixture_expect(f, 1, N, N, 0);
	fixture_expect(f, 2, N, 20, 0);
}

static void test_program_state_of_its_own_is_never_shared(void **state)
{
	struct test *t = *state;
	struct hm_flow *a = fixture_flow(&t->x, "[[\"EVERY\", 2], [\"PKT_COUNTER\"]]");
	struct hm_flow *b = fixture_flow(&t->x, "[[\"EVERY\", 2], [\"PKT_COUNTER\"]]");

	assert_ptr_not_equal(a->instances[0]->node, b->instances[0]->node);
	assert_ptr_not_equal(a->instances[1]->node, b->instances[1]->node);
}

static void test_program_shared_counters_begin_at_zero_for_each_flow(void **state)
{
	struct test *t = *state;
	struct hm_flow *first = fixture_flow(&t->x, ALL), *second, *third;
	uint64_t bytes;

	fixture_publish(&t->x);
	run(t);
	fixture_run(&t->x, 1, &t->batch);
	bytes = fixture_value(first, 2) / 2;
	second = fixture_flow(&t->x, ALL);
	fixture_publish(&t->x);
	assert_int_equal(fixture_value(second, 1), 0);
	assert_int_equal(fixture_value(second, 2), 0);
	fixture_run(&t->x, 1, &t->batch);
	// the first one goes, the nodes stay; a third comes
	fixture_remove(&t->x, first);
	third = fixture_flow(&t->x, ALL);
	fixture_publish(&t->x);
	run(t);
	assert_int_equal(fixture_value(second, 1), 2 * N);
	assert_int_equal(fixture_value(second, 2), 2 * bytes);
	assert_int_equal(fixture_value(third, 1), N);
	assert_int_equal(fixture_value(third, 2), bytes);
	fixture_expect(second, 2, 2 * N, 2 * N, 0);
	fixture_expect(third, 2, N, N, 0);
}

/* Far more filters and strings on one entry than are worth asking one by one, some of them behind others. */
static void test_program_many_gated_children_are_reached_by_slot(void **state)
{
	struct test *t = *state;
	struct hm_flow *filters[60], *strings[60], *behind[60];

	for (unsigned i = 0; i < 60; i++) {
		char text[160];

		snprintf(text, sizeof(text),
			 "[[\"BPF_FILTER\", \"udp dst port %u\"], [\"BYTE_COUNTER\"]]", i);
		filters[i] = fixture_flow(&t->x, text);
		snprintf(text, sizeof(text),
			 "[[\"STR_SEARCH\", \"number %02u\", 0, 0], [\"PKT_COUNTER\"]]", i);
		strings[i] = fixture_flow(&t->x, text);
		snprintf(text, sizeof(text),
			 "[[\"PKT_COUNTER\"], [\"EVERY\", 2], [\"STR_SEARCH\", \"number %02u\", 0, "
			 "0]]",
			 i);
		behind[i] = fixture_flow(&t->x, text);
	}
	fixture_publish(&t->x);
	run(t);
	run(t);
	for (unsigned i = 0; i < 60; i++) {
		unsigned hit = i >= 1 && i <= N, found = i < N, even = found && i % 2 == 0;

		fixture_expect(filters[i], 1, 2 * N, 2 * hit, 0);
		assert_int_equal(fixture_value(filters[i], 2), hit ? 2 * (100 + i - 1) : 0);
		fixture_expect(strings[i], 1, 2 * N, 2 * found, 0);
		assert_int_equal(fixture_value(strings[i], 2), 2 * found);
		fixture_expect(behind[i], 3, N, 2 * even, 0);
	}
}

static void test_program_timed_batch_is_booked_on_what_it_reached(void **state)
{
	struct test *t = *state;
	struct hm_sample stages[HM_STAGES] = {0}, untimed;
	struct hm_stopwatch watch = {.stages = stages};
	struct hm_flow *f = fixture_flow(
		&t->x,
		"[[\"BPF_FILTER\", \"udp portrange 1-10\"], [\"STR_SEARCH\", \"number\", 0, 0],"
		" [\"COPY\"], [\"EVERY\", 2], [\"BYTE_COUNTER\"]]");
	static const uint64_t reached[] = {N, 10, 10, 10, 5}, passed[] = {10, 10, 10, 5, 5};

	fixture_publish(&t->x);
	run(t);
	untimed = *hm_node_sample(f->instances[0]->node, 0);
	assert_int_equal(untimed.batches, 0);
	t->x.watch = &watch;
	hm_stopwatch_start(&watch);
	run(t);
	for (unsigned i = 0; i < 5; i++) {
		const struct hm_sample *s = hm_node_sample(f->instances[i]->node, 0);

		assert_int_equal(s->batches, 1);
		assert_int_equal(s->packets, reached[i]);
		assert_int_equal(s->passed, passed[i]);
		fixture_expect(f, i + 1, 2 * reached[i], 2 * passed[i], 0);
	}
	assert_int_equal(stages[HM_STAGE_PATTERNS].packets, 10);
	assert_int_equal(stages[HM_STAGE_FILTERS].packets, N);
	assert_true(stages[HM_STAGE_PATTERNS].cycles > 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_program_filters_in_a_row_are_an_and, setup,
						teardown),
		cmocka_unit_test_setup_teardown(test_program_empty_mask_skips_only_its_flow, setup,
						teardown),
		cmocka_unit_test_setup_teardown(test_program_transform_runs_children_over_copies,
						setup, teardown),
		cmocka_unit_test_setup_teardown(
			test_program_transform_behind_transform_uses_its_own_batch, setup,
			teardown),
		cmocka_unit_test_setup_teardown(test_program_empty_pool_is_a_counted_drop, setup,
						teardown),
		cmocka_unit_test_setup_teardown(test_program_replaced_keeps_state_and_counts, setup,
						teardown),
		cmocka_unit_test_setup_teardown(
			test_instance_reset_counts_from_zero_for_its_flow_only, setup, teardown),
		cmocka_unit_test_setup_teardown(test_program_flows_that_begin_alike_share_nodes,
						setup, teardown),
		cmocka_unit_test_setup_teardown(
			test_program_patterns_written_differently_are_one_node, setup, teardown),
		cmocka_unit_test_setup_teardown(
			test_program_arguments_are_compared_with_defaults_filled_in, setup,
			teardown),
		cmocka_unit_test_setup_teardown(
			test_program_function_without_filters_flag_passes_all, setup, teardown),
		cmocka_unit_test_setup_teardown(test_program_state_of_its_own_is_never_shared,
						setup, teardown),
		cmocka_unit_test_setup_teardown(
			test_program_shared_counters_begin_at_zero_for_each_flow, setup, teardown),
		cmocka_unit_test_setup_teardown(
			test_program_many_gated_children_are_reached_by_slot, setup, teardown),
		cmocka_unit_test_setup_teardown(
			test_program_timed_batch_is_booked_on_what_it_reached, setup, teardown),
	};

	if (start_eal() < 0)
		return 1;
	return cmocka_run_group_tests(tests, NULL, NULL);
}
