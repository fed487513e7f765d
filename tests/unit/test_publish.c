/* SPDX-License-Identifier: BSD-3-Clause */
/* Programs that cannot be: which flows are refused, and that all others are connected. The engine is real, with
 * a worker on packets of net_null; an index of filters "cannot be made" if one of them is a culprit.
 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <cmocka.h>
#include <rte_eal.h>

#include "control/config.h"
#include "core/engine.h"
#include "filter/filter.h"

#define FLOWS    32
#define CULPRITS "udp port 6" // and anything behind it

static const char text[] =
	"{\"eal\": {\"lcores\": \"0@0,1@0\", \"memory_mb\": 64},"
	" \"devices\": [{\"name\": \"null\", \"vdev\": \"net_null0\", \"snaplen\": 512,"
	" \"rx_descriptors\": 64, \"buffers\": 1024, \"idle\": \"adaptive\"}]}";

static struct hm_config *config;
static struct hm_engine *engine;
static unsigned n_failed, n_made;
static bool all_fail;

struct hm_filter_index *__real_hm_filter_index_create(struct hm_filter *const *filters, uint32_t n,
						      struct hm_error *err);
struct hm_filter_index *__wrap_hm_filter_index_create(struct hm_filter *const *filters, uint32_t n,
						      struct hm_error *err);

struct hm_filter_index *__wrap_hm_filter_index_create(struct hm_filter *const *filters, uint32_t n,
						      struct hm_error *err)
{
	bool fails = all_fail;

	for (uint32_t i = 0; i < n; i++)
		fails |= strstr(hm_filter_canonical(filters[i]), CULPRITS) != NULL;
	n_failed += fails;
	n_made += !fails;
	if (!fails)
		return __real_hm_filter_index_create(filters, n, err);
	hm_error_set(err, -ENOMEM, 1027, "the index cannot be made");
	return NULL;
}

struct attempt {
	struct hm_flow *flow;
	bool answered, refused;
	int mapi_errno;
};

static void answer(void *arg, const struct hm_error *err)
{
	struct attempt *a = arg;

	a->answered = true;
	a->refused = err != NULL;
	a->mapi_errno = err ? err->mapi_errno : 0;
}

static void begin(struct attempt *a, const char *filter)
{
	static const struct hm_owner owner;
	json_t *which = json_string("null"), *args = json_pack("[s]", filter);
	struct hm_error err;

	*a = (struct attempt){0};
	a->flow = hm_flow_create(engine, hm_device_find(engine, &owner, which, &err), NULL, &owner,
				 &err);
	assert_non_null(a->flow);
	assert_int_equal(hm_flow_apply(a->flow, "BPF_FILTER", args, NULL, &err), 1);
	hm_flow_connect(a->flow, answer, a);
	json_decref(which);
	json_decref(args);
}

static void poll_a_while(void)
{
	const struct timespec a_while = {.tv_nsec = 200000};

	if (!hm_engine_poll(engine))
		nanosleep(&a_while, NULL);
}

/* Connects n flows at once; those of the mask are culprits. Returns the mask of those that were refused. */
static uint64_t connect_all(struct attempt *all, unsigned n, uint64_t culprits)
{
	uint64_t refused = 0;

	n_failed = n_made = 0;
	for (unsigned i = 0; i < n; i++) {
		char filter[32];

		snprintf(filter, sizeof(filter), "%s%u", culprits >> i & 1 ? CULPRITS : "tcp port ",
			 i + 100);
		begin(&all[i], filter);
	}
	for (unsigned i = 0; i < n; i++) {
		while (!all[i].answered)
			poll_a_while();
		refused |= (uint64_t)all[i].refused << i;
		assert_int_equal(all[i].mapi_errno, all[i].refused ? 1027 : 0);
	}
	return refused;
}

static void close_all(struct attempt *all, unsigned n)
{
	json_t *list;

	for (unsigned i = 0; i < n; i++)
		hm_flow_close(all[i].flow, NULL, NULL);
	do {
		poll_a_while();
		list = hm_flow_list(engine);
		n = (unsigned)json_array_size(list);
		json_decref(list);
	} while (n > 0);
}

static void test_publish_without_culprit_connects_all_at_once(void **state)
{
	struct attempt all[FLOWS];

	(void)state;
	assert_int_equal(connect_all(all, FLOWS, 0), 0);
	assert_int_equal(n_failed, 0);
	assert_int_equal(n_made, 1);
	close_all(all, FLOWS);
}

static void test_publish_one_culprit_is_refused_alone(void **state)
{
	(void)state;
	for (unsigned at = 0; at < FLOWS; at += 7) {
		struct attempt all[FLOWS];

		assert_int_equal(connect_all(all, FLOWS, UINT64_C(1) << at), UINT64_C(1) << at);
		assert_in_range(n_failed, 1, 12); // halves: 5, and some when it doubles again
		close_all(all, FLOWS);
	}
}

static void test_publish_some_culprits_are_refused_and_no_others(void **state)
{
	const uint64_t masks[] = {0x1, 0x80000001, 0x00ff0000, 0x55555555, 0xffffffff};

	(void)state;
	for (unsigned i = 0; i < sizeof(masks) / sizeof(masks[0]); i++) {
		struct attempt all[FLOWS];

		assert_int_equal(connect_all(all, FLOWS, masks[i]), masks[i]);
		close_all(all, FLOWS);
	}
}

static bool is_refused(struct attempt *a, const char *filter)
{
	begin(a, filter);
	while (!a->answered)
		poll_a_while();
	return a->refused;
}

static void test_publish_flow_that_runs_goes_on_without_memory(void **state)
{
	enum { RUNS, GOES, COMES, COMES_AGAIN, N };
	struct attempt all[N];

	(void)state;
	assert_false(is_refused(&all[RUNS], "tcp port 6"));
	assert_false(is_refused(&all[GOES], "tcp port 7"));
	all_fail = true;
	hm_flow_close(all[GOES].flow, NULL, NULL);
	assert_true(is_refused(&all[COMES], "tcp port 8"));
	all_fail = false;
	assert_false(is_refused(&all[COMES_AGAIN], "tcp port 8"));
	hm_flow_close(all[COMES].flow, NULL, NULL);
	hm_flow_close(all[RUNS].flow, NULL, NULL);
	close_all(&all[COMES_AGAIN], 1);
}

static int start(void **state)
{
	struct hm_mistakes mistakes = {0};
	struct hm_error err = {0};
	char *args[] = {(char *)(uintptr_t) "test",
			(char *)(uintptr_t) "--lcores=0@0,1@0",
			(char *)(uintptr_t) "--no-huge",
			(char *)(uintptr_t) "-m64",
			(char *)(uintptr_t) "--no-pci",
			(char *)(uintptr_t) "--no-telemetry",
			(char *)(uintptr_t) "--log-level=critical"};
	(void)state;

	if (rte_eal_init(7, args) < 0)
		return -1;
	config = hm_config_parse(text, sizeof(text) - 1, "test", &mistakes);
	engine = config ? hm_engine_create(config, &err) : NULL;
	if (!engine || hm_engine_start(engine, &err) < 0) {
		print_error("%s\n", err.text);
		return -1;
	}
	while (!hm_engine_ready(engine))
		poll_a_while();
	return 0;
}

static int stop(void **state)
{
	bool whole;

	(void)state;
	hm_engine_stop(engine);
	while (!hm_engine_stopped(engine))
		poll_a_while();
	whole = hm_engine_destroy(engine);
	hm_config_free(config);
	return rte_eal_cleanup() == 0 && whole ? 0 : -1;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_publish_without_culprit_connects_all_at_once),
		cmocka_unit_test(test_publish_one_culprit_is_refused_alone),
		cmocka_unit_test(test_publish_some_culprits_are_refused_and_no_others),
		cmocka_unit_test(test_publish_flow_that_runs_goes_on_without_memory),
	};

	return cmocka_run_group_tests(tests, start, stop);
}
