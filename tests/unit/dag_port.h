/* SPDX-License-Identifier: BSD-3-Clause */
/* dag_port: EAL, mbufs and a net_dag port for tests, without hugepages or root. */
#pragma once

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>
#include <rte_eal.h>
#include <rte_ethdev.h>
#include <rte_mbuf.h>
#include <rte_mbuf_dyn.h>

#include "pmd_dag/net_dag.h"

static inline int dag_port_eal(void)
{
	const char *args[] = {"test",
			      "-l",
			      "0",
			      "--no-huge",
			      "-m",
			      "128",
			      "--no-pci",
			      "--no-telemetry",
			      "--iova-mode=va",
			      "--no-shconf",
			      "--file-prefix",
			      "homard-test",
			      "--log-level",
			      "pmd.net.dag:1",
			      "--log-level",
			      "pmd.net.combo6:1",
			      "--log-level",
			      "lib.eal:1"};
	return rte_eal_init(sizeof(args) / sizeof(args[0]), (char **)(uintptr_t)args);
}

/* Room for data of 2,048 bytes, so that copying is possible. */
static inline struct rte_mempool *dag_port_pool(const char *name, unsigned n, uint16_t room)
{
	struct rte_mempool *pool = rte_pktmbuf_pool_create(
		name, n, 0, 0, (uint16_t)(RTE_PKTMBUF_HEADROOM + room), SOCKET_ID_ANY);
	assert_non_null(pool);
	return pool;
}

static inline int dag_port_probe(const char *name, const char *args)
{
	uint16_t port;
	if (rte_eal_hotplug_add("vdev", name, args) < 0)
		return -1;
	return rte_eth_dev_get_port_by_name(name, &port) < 0 ? -1 : port;
}

static inline uint16_t dag_port_setup(const char *name, const char *args, uint16_t queues,
				      uint16_t slots, struct rte_mempool *pool)
{
	const struct rte_eth_conf conf = {0};
	int port = dag_port_probe(name, args);
	assert_true(port >= 0);
	assert_int_equal(rte_eth_dev_configure((uint16_t)port, queues, 0, &conf), 0);
	for (uint16_t q = 0; q < queues; q++)
		assert_int_equal(rte_eth_rx_queue_setup((uint16_t)port, q, slots, 0, NULL, pool),
				 0);
	return (uint16_t)port;
}

static inline uint16_t dag_port_open(const char *name, const char *args, uint16_t queues,
				     uint16_t slots, struct rte_mempool *pool)
{
	uint16_t port = dag_port_setup(name, args, queues, slots, pool);
	assert_int_equal(rte_eth_dev_start(port), 0);
	return port;
}

static inline void dag_port_close(uint16_t port)
{
	struct rte_eth_dev_info info;
	assert_int_equal(rte_eth_dev_info_get(port, &info), 0);
	if (rte_eth_dev_is_valid_port(port))
		rte_eth_dev_stop(port);
	assert_int_equal(rte_dev_remove(info.device), 0);
}

static inline uint64_t dag_port_xstat(uint16_t port, const char *name)
{
	uint64_t id, value;
	assert_int_equal(rte_eth_xstats_get_id_by_name(port, name, &id), 0);
	assert_int_equal(rte_eth_xstats_get_by_id(port, &id, &value, 1), 1);
	return value;
}

static inline uint64_t dag_port_ts(const struct rte_mbuf *m)
{
	static int offset = -1;
	if (offset < 0)
		offset = rte_mbuf_dynfield_lookup(RTE_MBUF_DYNFIELD_TIMESTAMP_NAME, NULL);
	assert_true(offset >= 0);
	return *RTE_MBUF_DYNFIELD(m, offset, const rte_mbuf_timestamp_t *);
}

static inline const struct net_dag_capture *dag_port_capture(const struct rte_mbuf *m)
{
	static int offset = -1;
	if (offset < 0)
		offset = rte_mbuf_dynfield_lookup(NET_DAG_CAPTURE_NAME, NULL);
	assert_true(offset >= 0);
	return RTE_MBUF_DYNFIELD(m, offset, const struct net_dag_capture *);
}

static inline uint64_t dag_port_sequence(const struct rte_mbuf *m)
{
	static int offset = -1;
	if (offset < 0)
		offset = rte_mbuf_dynfield_lookup(NET_DAG_SEQUENCE_NAME, NULL);
	assert_true(offset >= 0);
	return *RTE_MBUF_DYNFIELD(m, offset, const uint64_t *);
}

static inline uint64_t dag_port_card_sequence_flag(void)
{
	int bit = rte_mbuf_dynflag_lookup(NET_DAG_CARD_SEQUENCE_NAME, NULL);
	assert_true(bit >= 0);
	return UINT64_C(1) << bit;
}
