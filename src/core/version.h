/* SPDX-License-Identifier: BSD-3-Clause */
/* version: of homard, and of what it was built with and runs on. */
#pragma once

#include <jansson.h>

const char *hm_version_text(void);
/* {"version":"0.1.0","dpdk":...,"hyperscan":...,"libpcap":...,"isa":"avx512"} */
json_t *hm_version_json(void);
