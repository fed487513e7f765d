/* SPDX-License-Identifier: BSD-3-Clause */
/* The driver's log type, pmd.net.combo6. */
#ifndef COMBO_LOGS_H
#define COMBO_LOGS_H

#include <rte_log.h>

extern int combo_logtype;

#define COMBO_LOG(level, fmt, ...) \
	rte_log(RTE_LOG_##level, combo_logtype, "net_combo6: " fmt "\n", ##__VA_ARGS__)

#endif
