/* SPDX-License-Identifier: BSD-3-Clause */
/* The gate: what it keeps out is counted, what it lets in is counted by the functions, both together are what
 * came; and nobody else's counts change while it is there. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "core/gate.h"
#include "function_harness.h"
#include "program_fixture.h"
#include "start_eal.h"

#define N 40

struct test {
	struct fixture x, plain; // with gates, and without
	struct hm_batch batch;
	uint8_t frames[64][80];
};

static int setup(void **state)
{
	static struct test test;
	struct test *t = &test;

	memset(t, 0, sizeof(*t));
	fixture_open(&t->x, 2);
	fixture_open(&t->plain, 2);
	for (unsigned i = 0; i < 64; i++) {
		t->batch.data[i] = t->frames[i];
		t->batch.caplen[i] = harness_udp(t->frames[i], 1000, (uint16_t)(i % 5 + 1),
						 i % 3 ? "a lobster" : "a salmon", 8 + (i % 3 > 0));
		t->batch.wirelen[i] = 100 + i;
	}
	t->batch.n = N;
	*state = t;
	return 0;
}

static int teardown(void **state)
{
	struct test *t = *state;

	fixture_close(&t->x);
	fixture_close(&t->plain);
	return 0;
}

static struct hm_gate *stand_before(struct fixture *x, struct hm_flow *f, uint32_t number)
{
	struct hm_instance *in = f->instances[number - 1];

	if (!in->gate)
		in->gate = hm_gate_create(x->nodes, number);
	assert_non_null(in->gate);
	in->node->gate = in->gate;
	return in->gate;
}

static struct hm_counts counts(const struct hm_flow *f, uint32_t number)
{
	struct hm_counts c;

	hm_instance_counts(f->instances[number - 1], &c);
	return c;
}

static void test_gate_lets_in_one_batch_of_so_many_by_lot(void **state)
{
	struct test *t = *state;

	for (unsigned level = HM_GATE_OPEN; level <= HM_GATE_MAX; level++) {
		const struct hm_gate_lane g = {.level = level, .seed = 77};
		unsigned passed = 0, in_step = 0, n = 1 << 18;

		for (unsigned i = 0; i < n; i++) {
			passed += hm_gate_passes(&g, i);
			in_step += i % 512 == 0 && hm_gate_passes(&g, i); // as batches are timed
		}
		assert_in_range(passed, 0.9 * n / (1 << level), 1.1 * n / (1 << level));
		assert_in_range(in_step, 0, 512);
		if (level > 0)
			assert_true(in_step < 512);
		assert_true(in_step > 0);
	}
	for (unsigned i = 0; i < 1000; i++)
		assert_false(hm_gate_passes(&(struct hm_gate_lane){.level = HM_GATE_CLOSED}, i));
	(void)t;
}

static void test_gate_closed_runs_nothing_behind_it_and_counts_it(void **state)
{
	struct test *t = *state;
	struct hm_flow *f = fixture_flow(
		&t->x, "[[\"BPF_FILTER\", \"udp\"], [\"STR_SEARCH\", \"lobster\", 0, 0], "
		       "[\"PKT_COUNTER\"], [\"BYTE_COUNTER\"]]");
	struct hm_gate *g = stand_before(&t->x, f, 2);
	struct hm_counts c;

	fixture_publish(&t->x);
	fixture_run(&t->x, 0, &t->batch); // not closed yet
	assert_int_equal(counts(f, 2).in, N);
	assert_int_equal(counts(f, 2).skipped, 0);
	c = counts(f, 2);
	hm_gate_set(g, HM_GATE_CLOSED);
	fixture_run(&t->x, 0, &t->batch);
	fixture_run(&t->x, 1, &t->batch);
	assert_int_equal(counts(f, 1).out, 3 * N);
	assert_int_equal(counts(f, 2).in, 3 * N);
	assert_int_equal(counts(f, 2).out, c.out);
	assert_int_equal(counts(f, 2).skipped, 2 * N);
	assert_int_equal(fixture_value(f, 3), c.out);
	hm_gate_set(g, HM_GATE_OPEN);
	fixture_run(&t->x, 0, &t->batch);
	assert_int_equal(counts(f, 2).out, 2 * c.out);
	assert_int_equal(fixture_value(f, 3), 2 * c.out);
}

/* BYTE_COUNTER and what passes all have no counter of packets out: theirs follow from what was kept out. */
static void test_gate_before_what_passes_all_takes_off_what_follows(void **state)
{
	struct test *t = *state;
	struct hm_flow *f = fixture_flow(&t->x, "[[\"BPF_FILTER\", \"udp\"], "
						"[\"TO_BUFFER\"], [\"PKT_COUNTER\"], "
						"[\"BPF_FILTER\", \"udp dst port 2\"], "
						"[\"PKT_COUNTER\"]]");
	struct hm_gate *g = stand_before(&t->x, f, 2);

	fixture_publish(&t->x);
	fixture_run(&t->x, 0, &t->batch);
	hm_gate_set(g, HM_GATE_CLOSED);
	fixture_run(&t->x, 0, &t->batch);
	assert_int_equal(counts(f, 2).in, 2 * N);
	assert_int_equal(counts(f, 2).out, N);
	assert_int_equal(counts(f, 2).skipped, N);
	assert_int_equal(counts(f, 3).in, N);
	assert_int_equal(fixture_value(f, 3), N);
	assert_int_equal(counts(f, 4).in, N);
	assert_int_equal(counts(f, 4).out, N / 5);
	assert_int_equal(fixture_value(f, 5), N / 5);
	hm_instance_reset(f->instances[2]);
	hm_gate_set(g, HM_GATE_OPEN);
	fixture_run(&t->x, 0, &t->batch);
	assert_int_equal(fixture_value(f, 3), N);
}

static const char *const flows[] = {
	"[[\"BPF_FILTER\", \"udp dst port 1\"], [\"PKT_COUNTER\"], [\"BYTE_COUNTER\"]]",
	"[[\"BPF_FILTER\", \"udp dst port 2\"], [\"STR_SEARCH\", \"lobster\", 0, 0], "
	"[\"PKT_COUNTER\"]]",
	"[[\"BPF_FILTER\", \"udp\"], [\"STR_SEARCH\", \"lobster\", 0, 0], [\"BYTE_COUNTER\"]]",
	"[[\"BPF_FILTER\", \"udp\"], [\"REGEXP\", \"sal[a-z]on\"], [\"PKT_COUNTER\"]]",
	"[[\"BPF_FILTER\", \"udp\"], [\"ROT13\"], [\"STR_SEARCH\", \"ybofgre\", 0, 0], "
	"[\"PKT_COUNTER\"]]",
	"[[\"BPF_FILTER\", \"ether[36] & 1 != 0\"], [\"BYTE_COUNTER\"]]",
	"[[\"BPF_FILTER\", \"udp dst port 3\"], [\"BYTE_COUNTER\"]]",
	"[[\"BPF_FILTER\", \"udp dst port 4\"], [\"BYTE_COUNTER\"]]",
	"[[\"BPF_FILTER\", \"udp dst port 5\"], [\"BYTE_COUNTER\"]]",
	"[[\"BPF_FILTER\", \"udp src port 1000\"], [\"BYTE_COUNTER\"]]",
	"[[\"BPF_FILTER\", \"less 110\"], [\"BYTE_COUNTER\"]]",
	"[[\"BPF_FILTER\", \"greater 120\"], [\"BYTE_COUNTER\"]]",
	"[[\"PKT_COUNTER\"], [\"BYTE_COUNTER\"]]",
};
#define FLOWS (sizeof(flows) / sizeof(*flows))

/* The first of its functions that no other flow has and that runs; 0: none. */
static uint32_t place_in(const struct hm_flow *f)
{
	for (uint32_t i = 0; i < f->n; i++)
		if (f->instances[i]->node->n_instances == 1 &&
		    f->instances[i]->node->kind != HM_NODE_PASSIVE)
			return i + 1;
	return 0;
}

static void check_flow(const struct hm_flow *f, const struct hm_flow *plain, bool gated)
{
	uint64_t skipped = 0;

	for (uint32_t i = 1; i <= f->n; i++) {
		struct hm_counts c = counts(f, i), p = counts(plain, i);

		assert_true(c.out + c.dropped + c.skipped <= c.in);
		skipped += c.skipped;
		if (!gated)
			assert_int_equal(c.skipped, 0);
		if (!gated || !skipped) {
			assert_int_equal(c.in, p.in);
			assert_int_equal(c.out, p.out);
		} else {
			assert_true(c.in <= p.in);
			assert_true(c.out <= p.out);
		}
	}
}

/* Random levels of one flow, random batches on two lanes: all other flows count what they do without a gate. */
static void test_gate_changes_nobody_elses_counts(void **state)
{
	struct test *t = *state;
	struct hm_flow *f[FLOWS], *plain[FLOWS];
	unsigned n_gated = 0;

	srand(12);
	for (unsigned i = 0; i < FLOWS; i++) {
		f[i] = fixture_flow(&t->x, flows[i]);
		plain[i] = fixture_flow(&t->plain, flows[i]);
	}
	fixture_publish(&t->plain);
	for (unsigned gated = 0; gated < FLOWS; gated++) {
		uint32_t at = place_in(f[gated]);
		struct hm_gate *g;

		if (!at)
			continue;
		n_gated++;
		g = stand_before(&t->x, f[gated], at);
		fixture_publish(&t->x);
		for (unsigned i = 0; i < 200; i++) {
			unsigned lane = (unsigned)rand() % 2;

			if (i % 20 == 0)
				hm_gate_set(g, (unsigned)rand() % (HM_GATE_CLOSED + 1));
			t->batch.n = 1 + (unsigned)rand() % 64;
			fixture_run(&t->x, lane, &t->batch);
			fixture_run(&t->plain, lane, &t->batch);
		}
		assert_true(hm_gate_skipped(g) > 0);
		for (unsigned i = 0; i < FLOWS; i++)
			check_flow(f[i], plain[i], i <= gated);
		f[gated]->instances[at - 1]->node->gate = NULL; // and no new program yet
		hm_gate_set(g, HM_GATE_OPEN);
	}
	assert_true(n_gated > FLOWS / 2);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_gate_lets_in_one_batch_of_so_many_by_lot,
						setup, teardown),
		cmocka_unit_test_setup_teardown(
			test_gate_closed_runs_nothing_behind_it_and_counts_it, setup, teardown),
		cmocka_unit_test_setup_teardown(
			test_gate_before_what_passes_all_takes_off_what_follows, setup, teardown),
		cmocka_unit_test_setup_teardown(test_gate_changes_nobody_elses_counts, setup,
						teardown),
	};

	if (start_eal() < 0)
		return 1;
	return cmocka_run_group_tests(tests, NULL, NULL);
}
