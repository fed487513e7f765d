/* SPDX-License-Identifier: BSD-3-Clause */
/* The governor, told what flows cost that are made up: bursts, steady excess, trials, priorities, totals. A flow
 * that costs C with all its packets costs C / 2^level at its level. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "core/gate.h"
#include "core/governor.h"

static double at_level(double cost, unsigned level)
{
	return level == HM_GATE_CLOSED ? 0 : cost / (double)(1u << level);
}

static void looks(struct hm_governed *g, double cost, unsigned n)
{
	for (unsigned i = 0; i < n; i++)
		hm_govern(g, at_level(cost, hm_governed_level(g)));
}

static struct hm_governed flow(double limit, unsigned priority)
{
	return (struct hm_governed){
		.limit = limit, .priority = priority, .can_yield = true, .cost = -1};
}

static void test_governor_leaves_who_fits(void **state)
{
	struct hm_governed g = flow(100, 50), unlimited = flow(-1, 50);

	(void)state;
	looks(&g, 100, 1000);
	looks(&unlimited, 1e9, 1000);
	assert_int_equal(hm_governed_level(&g), HM_GATE_OPEN);
	assert_int_equal(hm_governed_level(&unlimited), HM_GATE_OPEN);
}

static void test_governor_is_not_tripped_by_a_burst(void **state)
{
	struct hm_governed g = flow(100, 50);

	(void)state;
	for (unsigned i = 0; i < 100; i++) {
		looks(&g, 50, 2);
		looks(&g, 5000, HM_OVER_LOOKS - 1);
		assert_int_equal(hm_governed_level(&g), HM_GATE_OPEN);
	}
}

static void test_governor_samples_as_much_as_it_takes(void **state)
{
	(void)state;
	for (double cost = 101; cost < 100 * 64; cost *= 1.3) {
		struct hm_governed g = flow(100, 50);

		looks(&g, cost, HM_OVER_LOOKS - 1);
		assert_int_equal(g.own, HM_GATE_OPEN);
		looks(&g, cost, 1);
		assert_true(at_level(cost, g.own) <= 100);
		assert_true(at_level(cost, g.own - 1) > 100);
		looks(&g, cost, 1000);
		assert_true(at_level(cost, g.own) <= 100); // it settles
		assert_true(at_level(cost, g.own - 1) > 80);
	}
}

static void test_governor_between_the_thresholds_nothing_moves(void **state)
{
	struct hm_governed g = flow(100, 50);

	(void)state;
	looks(&g, 190, 10);
	assert_int_equal(g.own, 1);
	for (unsigned i = 0; i < 1000; i++) { // would be 81 .. 100 with one level less
		looks(&g, 81 + i % 19, 1);
		assert_int_equal(g.own, 1);
	}
	looks(&g, 79, HM_PATIENCE_MAX);
	assert_int_equal(g.own, HM_GATE_OPEN);
}

static void test_governor_suspends_what_no_sample_makes_cheap_enough(void **state)
{
	struct hm_governed g = flow(1, 50);
	unsigned closed = 0;

	(void)state;
	looks(&g, 1000, HM_OVER_LOOKS);
	assert_int_equal(g.own, HM_GATE_CLOSED);
	for (unsigned i = 0; i < 1000; i++) { // trials that it does not pass become rare
		looks(&g, 1000, 1);
		assert_true(g.own == HM_GATE_CLOSED || g.own == HM_GATE_MAX);
		closed += g.own == HM_GATE_CLOSED;
	}
	assert_in_range(closed, 900, 999);
	looks(&g, 0.5, 10 * HM_PATIENCE_MAX);
	assert_int_equal(g.own, HM_GATE_OPEN);
}

static void test_governor_policy_suspend_never_samples_but_on_trial(void **state)
{
	struct hm_governed g = flow(100, 50);
	unsigned trials = 0;

	(void)state;
	g.suspends = true;
	looks(&g, 150, HM_OVER_LOOKS);
	assert_int_equal(g.own, HM_GATE_CLOSED);
	for (unsigned i = 0; i < 500; i++) {
		looks(&g, 150, 1);
		assert_true(g.own == HM_GATE_CLOSED || g.own == HM_GATE_MAX);
		trials += g.own == HM_GATE_MAX;
	}
	assert_in_range(trials, 1, 60);
	looks(&g, 70, 3 * HM_PATIENCE_MAX);
	assert_int_equal(g.own, HM_GATE_OPEN);
}

static void test_governor_backs_off_from_who_goes_over_again_and_again(void **state)
{
	struct hm_governed g = flow(100, 50);
	unsigned changes[2] = {0};

	(void)state;
	// costs less whenever it is sampled, and much as soon as it is not
	for (unsigned i = 0; i < 2000; i++) {
		unsigned before = hm_governed_level(&g);

		looks(&g, before ? 70 : 150, 1);
		changes[i >= 200] += hm_governed_level(&g) != before;
	}
	assert_true(changes[0] >= 6);
	assert_true(changes[1] < 2 * 1800 / HM_PATIENCE_MAX + 2);
}

static void test_governor_without_a_measurement_nothing_changes(void **state)
{
	struct hm_governed g = flow(100, 50);

	(void)state;
	for (unsigned i = 0; i < 100; i++)
		hm_govern(&g, -1);
	assert_int_equal(hm_governed_level(&g), HM_GATE_OPEN);
	assert_true(g.cost < 0);
	g.can_yield = false;
	looks(&g, 1000, 100);
	assert_int_equal(hm_governed_level(&g), HM_GATE_OPEN);
}

/* --- all flows --- */

#define FLOWS 6

struct all {
	struct hm_governed_all all;
	struct hm_governed flows[FLOWS], *list[FLOWS];
	double cost[FLOWS];
};

static double sum(const struct all *a)
{
	double s = 0;

	for (unsigned i = 0; i < FLOWS; i++)
		s += at_level(a->cost[i], hm_governed_level(&a->flows[i]));
	return s;
}

static void looks_all(struct all *a, unsigned n)
{
	for (unsigned k = 0; k < n; k++) {
		double measured = sum(a);

		for (unsigned i = 0; i < FLOWS; i++)
			looks(&a->flows[i], a->cost[i], 1);
		hm_govern_all(&a->all, a->list, FLOWS, measured);
	}
}

static void open_all(struct all *a, double limit, const double *cost, const unsigned *priority)
{
	*a = (struct all){.all = {.limit = limit}};
	for (unsigned i = 0; i < FLOWS; i++) {
		a->flows[i] = flow(-1, priority[i]);
		a->list[i] = &a->flows[i];
		a->cost[i] = cost[i];
	}
}

static const unsigned priorities[FLOWS] = {90, 50, 10, 50, 10, 90};

static void test_governor_total_lowest_priority_yields_first_then_the_dearest(void **state)
{
	static const double cost[FLOWS] = {100, 100, 40, 100, 160, 100};
	struct all a;

	(void)state;
	open_all(&a, 520, cost, priorities); // 600 in all
	looks_all(&a, HM_OVER_LOOKS - 1);
	assert_true(sum(&a) == 600);
	looks_all(&a, 1);
	assert_int_equal(a.flows[4].total, 1); // 160 -> 80: that is enough
	for (unsigned i = 0; i < FLOWS; i++)
		assert_true(i == 4 || a.flows[i].total == HM_GATE_OPEN);
	a.all.limit = 380; // all of priority 10 is not enough
	looks_all(&a, 20);
	assert_true(sum(&a) <= 380);
	assert_int_equal(a.flows[2].total, HM_GATE_CLOSED);
	assert_int_equal(a.flows[4].total, HM_GATE_CLOSED);
	assert_int_equal(a.flows[0].total + a.flows[5].total, 0);
	assert_true(a.flows[1].total + a.flows[3].total == 1);
}

static void test_governor_total_gives_back_to_the_highest_priority_first(void **state)
{
	static const double cost[FLOWS] = {100, 100, 40, 100, 160, 100};
	struct all a;
	unsigned high = 0, low = 0;

	(void)state;
	open_all(&a, 150, cost, priorities);
	looks_all(&a, 60);
	assert_true(sum(&a) <= 150);
	a.all.limit = 2000;
	for (unsigned i = 1; i < 5000 && !(high && low); i++) {
		looks_all(&a, 1);
		if (!high && !a.flows[0].total && !a.flows[5].total)
			high = i;
		if (!low && !a.flows[2].total && !a.flows[4].total)
			low = i;
	}
	assert_true(high > 0);
	assert_true(low > high);
	assert_true(sum(&a) == 600);
	a.all.limit = -1;
	looks_all(&a, 1);
	assert_true(sum(&a) == 600);
}

static void test_governor_total_policy_suspend(void **state)
{
	static const double cost[FLOWS] = {100, 100, 40, 100, 160, 100};
	struct all a;

	(void)state;
	open_all(&a, 500, cost, priorities);
	a.all.suspends = true;
	looks_all(&a, HM_OVER_LOOKS);
	assert_int_equal(a.flows[4].total, HM_GATE_CLOSED);
	assert_true(sum(&a) == 440);
	a.all.limit = 2000;
	looks_all(&a, 20 * HM_PATIENCE_MAX);
	assert_true(sum(&a) == 600);
}

/* Whatever flows cost: the sum comes below the limit, and nobody yields while one of lower priority gets more
 * than a trial. */
static void test_governor_total_property(void **state)
{
	(void)state;
	srand(7);
	for (unsigned round = 0; round < 300; round++) {
		double cost[FLOWS], limit = 1 + rand() % 600;
		unsigned priority[FLOWS];
		struct all a;

		for (unsigned i = 0; i < FLOWS; i++) {
			cost[i] = 1 + rand() % 200;
			priority[i] = (unsigned)rand() % 3 * 50;
		}
		open_all(&a, limit, cost, priority);
		looks_all(&a, HM_OVER_LOOKS + 1);
		assert_true(sum(&a) <= limit);
		for (unsigned i = 0; i < FLOWS; i++)
			for (unsigned k = 0; k < FLOWS && a.flows[i].total; k++)
				assert_true(priority[k] >= priority[i] ||
					    a.flows[k].total == HM_GATE_CLOSED);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_governor_leaves_who_fits),
		cmocka_unit_test(test_governor_is_not_tripped_by_a_burst),
		cmocka_unit_test(test_governor_samples_as_much_as_it_takes),
		cmocka_unit_test(test_governor_between_the_thresholds_nothing_moves),
		cmocka_unit_test(test_governor_suspends_what_no_sample_makes_cheap_enough),
		cmocka_unit_test(test_governor_policy_suspend_never_samples_but_on_trial),
		cmocka_unit_test(test_governor_backs_off_from_who_goes_over_again_and_again),
		cmocka_unit_test(test_governor_without_a_measurement_nothing_changes),
		cmocka_unit_test(test_governor_total_lowest_priority_yields_first_then_the_dearest),
		cmocka_unit_test(test_governor_total_gives_back_to_the_highest_priority_first),
		cmocka_unit_test(test_governor_total_policy_suspend),
		cmocka_unit_test(test_governor_total_property),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
