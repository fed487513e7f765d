/* SPDX-License-Identifier: BSD-3-Clause */
/* start_eal: DPDK's environment for a unit test: ordinary pages, one lcore, nothing shared. */
#pragma once

#include <rte_eal.h>
#include <stdint.h>
#include <stdio.h>
#include <unistd.h>

static inline int start_eal(void)
{
	char prefix[32];
	char *args[] = {(char *)(uintptr_t) "test",
			(char *)(uintptr_t) "--no-huge",
			(char *)(uintptr_t) "-m",
			(char *)(uintptr_t) "64",
			(char *)(uintptr_t) "--no-pci",
			(char *)(uintptr_t) "--no-telemetry",
			(char *)(uintptr_t) "--file-prefix",
			prefix};

	snprintf(prefix, sizeof(prefix), "hmtest%d", (int)getpid());
	return rte_eal_init(8, args);
}
