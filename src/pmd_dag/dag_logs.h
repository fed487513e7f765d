/* SPDX-License-Identifier: BSD-3-Clause */
/* The driver's log type, pmd.net.dag. */
#ifndef DAG_LOGS_H
#define DAG_LOGS_H

#include <rte_log.h>

extern int dag_logtype;

#define DAG_LOG(level, fmt, ...) \
	rte_log(RTE_LOG_##level, dag_logtype, "net_dag: " fmt "\n", ##__VA_ARGS__)

#endif
