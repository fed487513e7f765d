/* SPDX-License-Identifier: BSD-3-Clause */
/* log: one log type a module, "homard.<module>", its level changeable while running (log.level on
 *the control socket, --log-level on EAL's command line). One sentence, no newline, then key=value.
 * Never on the packet path.
 *
 *	HM_LOG_TYPE(device);
 *	HM_LOG(NOTICE, "started port=%u queues=%u", port, queues);
 */
#pragma once

#include <rte_log.h>

#define HM_LOG_TYPE(module)                                                                      \
	static int hm_logtype;                                                                   \
	RTE_INIT(hm_log_register_##module)                                                       \
	{                                                                                        \
		hm_logtype =                                                                     \
			rte_log_register_type_and_pick_level("homard." #module, RTE_LOG_NOTICE); \
	}

#define HM_LOG(level, format, ...) \
	rte_log(RTE_LOG_##level, hm_logtype, "homard: " format "\n", ##__VA_ARGS__)
