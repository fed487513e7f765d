/* SPDX-License-Identifier: BSD-3-Clause */
/* The program: masks go from parent to child, empty ones skip subtrees, transforms run their subtree over
 * copies, counters of every entry add up, and state survives a new program. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "core/program.h"
#include "start_eal.h"

#define N 40

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
	.name = "UPPER", .flags = HM_FN_FILTERS, .process = upper_process};
HM_FUNCTION_REGISTER(upper);

struct fixture {
	struct hm_instance *in[8];
	bool first[8];
	uint32_t n;
	struct hm_workspace ws;
	struct hm_batch batch;
	uint8_t frames[N][60];
};

static void add(struct fixture *f, const char *name, const char *args, bool first)
{
	const struct hm_apply_ctx apply = {.link = HM_LINK_ETHERNET, .n_workers = 1};
	struct hm_core_ctx core = {.n_workers = 1};
	const int sockets[] = {0};
	json_t *array = json_loads(args, 0, NULL);
	struct hm_error err;

	f->in[f->n] = hm_instance_create(hm_function_find(name), f->n + 1, array, &apply, &err);
	assert_non_null(f->in[f->n]);
	assert_int_equal(hm_instance_connect(f->in[f->n], &core, sockets, &err), 0);
	f->first[f->n++] = first;
	json_decref(array);
}

static int setup(void **state)
{
	static struct fixture fixture;
	struct fixture *f = &fixture;

	memset(f, 0, sizeof(*f));
	f->ws.copies = hm_copies_create(N, 2048, 0);
	f->batch.n = N;
	f->batch.all = hm_mask_first(N);
	f->batch.link = HM_LINK_ETHERNET;
	for (unsigned i = 0; i < N; i++) {
		memset(f->frames[i], 0, sizeof(f->frames[i]));
		f->frames[i][sizeof(f->frames[i]) - 1] = 'a';
		f->batch.data[i] = f->frames[i];
		f->batch.caplen[i] = f->batch.wirelen[i] = sizeof(f->frames[i]);
	}
	*state = f;
	return f->ws.copies ? 0 : -1;
}

static int teardown(void **state)
{
	struct fixture *f = *state;

	for (uint32_t i = 0; i < f->n; i++)
		hm_instance_destroy(f->in[i]);
	assert_int_equal(hm_copies_free(f->ws.copies), N); // every copy came back
	hm_copies_destroy(f->ws.copies);
	return 0;
}

static void run(struct fixture *f)
{
	static const struct hm_parse_conf conf;
	struct hm_program *p = hm_program_create(f->in, f->first, f->n, 0, NULL, 0);

	assert_non_null(p);
	hm_parse(&f->batch, &conf);
	hm_program_run(p, &f->batch, &f->ws, &conf);
	hm_program_destroy(p);
}

static void expect_counts(const struct fixture *f, uint32_t i, uint64_t in, uint64_t out,
			  uint64_t dropped)
{
	struct hm_counts c;

	hm_instance_counts(f->in[i], &c);
	assert_int_equal(c.in, in);
	assert_int_equal(c.out, out);
	assert_int_equal(c.dropped, dropped);
}

static void test_program_filters_in_a_row_are_an_and(void **state)
{
	struct fixture *f = *state;

	add(f, "EVERY", "[2]", true);
	add(f, "EVERY", "[3]", false);
	add(f, "EVERY", "[1]", false);
	run(f);
	expect_counts(f, 0, N, 20, 0);
	expect_counts(f, 1, 20, 7, 0); // 0, 6, 12 ... 36
	expect_counts(f, 2, 7, 7, 0);
}

static void test_program_empty_mask_skips_only_its_flow(void **state)
{
	struct fixture *f = *state;
	json_t *calls;

	add(f, "UPPER", "[]", true); // no packet has an upper-case end
	add(f, "EVERY", "[1]", false);
	add(f, "EVERY", "[1]", false);
	add(f, "EVERY", "[5]", true); // another flow
	run(f);
	expect_counts(f, 0, N, 0, 0);
	expect_counts(f, 1, 0, 0, 0);
	expect_counts(f, 3, N, 8, 0);
	calls = hm_instance_result(f->in[2]);
	assert_int_equal(json_integer_value(calls), 0); // not even called
	json_decref(calls);
}

static void test_program_transform_runs_children_over_copies(void **state)
{
	struct fixture *f = *state;

	add(f, "EVERY", "[2]", true);
	add(f, "COPY", "[]", false);
	add(f, "UPPER", "[]", false);
	add(f, "UPPER", "[]", true); // the originals are what they were
	run(f);
	expect_counts(f, 1, 20, 20, 0);
	expect_counts(f, 2, 20, 20, 0);
	expect_counts(f, 3, N, 0, 0);
	assert_int_equal(f->frames[0][59], 'a');
}

static void test_program_transform_behind_transform_uses_its_own_batch(void **state)
{
	struct fixture *f = *state;

	add(f, "EVERY", "[4]", true);
	add(f, "COPY", "[]", false);
	add(f, "EVERY", "[2]", false); // of the 10 copies, renumbered from 0
	add(f, "COPY", "[]", false);
	add(f, "UPPER", "[]", false);
	run(f);
	expect_counts(f, 1, 10, 10, 0);
	expect_counts(f, 2, 10, 5, 0);
	expect_counts(f, 3, 5, 5, 0);
	expect_counts(f, 4, 5, 5, 0);
}

static void test_program_empty_pool_is_a_counted_drop(void **state)
{
	struct fixture *f = *state;
	uint8_t *held[N - 4];

	add(f, "COPY", "[]", true);
	add(f, "UPPER", "[]", false);
	for (unsigned i = 0; i < N - 4; i++)
		held[i] = hm_copies_take(f->ws.copies);
	run(f);
	expect_counts(f, 0, N, 4, N - 4);
	expect_counts(f, 1, 4, 4, 0);
	for (unsigned i = 0; i < N - 4; i++)
		hm_copies_give(f->ws.copies, held[i]);
}

static void test_program_replaced_keeps_state_and_counts(void **state)
{
	struct fixture *f = *state;
	json_t *calls;

	add(f, "EVERY", "[2]", true);
	run(f);
	add(f, "EVERY", "[3]", true); // a second flow comes: a new program
	run(f);
	run(f);
	expect_counts(f, 0, 3 * N, 60, 0);
	expect_counts(f, 1, 2 * N, 28, 0);
	calls = hm_instance_result(f->in[0]);
	assert_int_equal(json_integer_value(calls), 3);
	json_decref(calls);
}

static void test_instance_reset_counts_from_zero(void **state)
{
	struct fixture *f = *state;
	json_t *calls;

	add(f, "EVERY", "[2]", true);
	run(f);
	run(f);
	assert_int_equal(hm_instance_reset(f->in[0]), 0);
	run(f);
	calls = hm_instance_result(f->in[0]);
	assert_int_equal(json_integer_value(calls), 1);
	json_decref(calls);
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
		cmocka_unit_test_setup_teardown(test_instance_reset_counts_from_zero, setup,
						teardown),
	};
	if (start_eal() < 0)
		return 1;
	return cmocka_run_group_tests(tests, NULL, NULL);
}
