/* SPDX-License-Identifier: BSD-3-Clause */
/* Card libraries of other releases: older calls, missing calls, no library at all. */
#include "dag_records.h"

#include <dlfcn.h>

static void *call(void *lib, const char *name)
{
	void *address = dlsym(lib, name);
	if (!address)
		fail_msg("%s is missing", name);
	return address;
}

static void test_older_library_is_used_by_its_32_bit_calls(void **state)
{
	struct rte_mbuf *pkts[PKTS];
	struct made m = {0};
	void (*reset)(uint64_t size);
	void (*put)(const void *bytes, size_t n);
	unsigned (*violations)(void);
	(void)state;
	void *lib = dlopen("libdag_fake_old.so", RTLD_NOW | RTLD_LOCAL);
	assert_non_null(lib);
	assert_null(dlsym(lib, "dag_attach_stream64"));
	*(void **)&reset = call(lib, "fake_dag_reset");
	*(void **)&put = call(lib, "fake_dag_put");
	*(void **)&violations = call(lib, "fake_dag_violations");
	reset(RING);
	make(&m, eth(60));
	make(&m, eth(1500));
	uint16_t port = open_port("lib=libdag_fake_old.so,card=dag0");
	put(m.bytes, m.len);
	assert_int_equal(receive(port, pkts), 2);
	check_data(pkts[0], 60);
	check_data(pkts[1], 1500);
	rte_pktmbuf_free_bulk(pkts, 2);
	dag_port_close(port);
	assert_int_equal(violations(), 0);
	dlclose(lib);
}

static void test_missing_symbol_or_library_is_a_probe_error(void **state)
{
	(void)state;
	fake_dag_reset(RING);
	void *cut = dlopen("libdag_fake_cut.so", RTLD_NOW | RTLD_LOCAL);
	assert_non_null(cut);
	assert_null(dlsym(cut, "dag_stop_stream"));
	assert_true(dag_port_probe("net_dag_t", "lib=libdag_fake_cut.so,card=dag0") < 0);
	assert_true(dag_port_probe("net_dag_t", "lib=libdag_none.so,card=dag0") < 0);
	assert_true(dag_port_probe("net_dag_t", "lib=/dev/null,card=dag0") < 0);
	assert_true(dag_port_probe("net_dag_t", "lib=/,card=dag0") < 0);
	dlclose(cut);
	// and the right one still works
	uint16_t port = open_port(ARGS);
	close_clean(port);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_older_library_is_used_by_its_32_bit_calls),
		cmocka_unit_test(test_missing_symbol_or_library_is_a_probe_error),
	};
	if (dag_port_eal() < 0)
		return 1;
	pool = dag_port_pool("pool", 1023, 2048);
	int failed = cmocka_run_group_tests(tests, NULL, NULL);
	rte_eal_cleanup();
	return failed;
}
