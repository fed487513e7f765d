/* SPDX-License-Identifier: BSD-3-Clause */
/* eal: starts DPDK's environment with hugepages where there are any, else without by itself. */
#pragma once

#include "core/config.h"
#include "core/error.h"

/* Bytes of free hugepages on this machine. */
uint64_t hm_hugepages_free(void);
/* Whether EAL will use hugepages for this configuration now. */
bool hm_eal_uses_hugepages(const struct hm_eal_config *config);

int hm_eal_start(const struct hm_config *config, struct hm_error *err);
void hm_eal_stop(void);
