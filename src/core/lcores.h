/* SPDX-License-Identifier: BSD-3-Clause */
/* lcores: reads EAL's --lcores list ("0-3", "0,2", "0@0,(1-4)@1"), so that --check can tell how many
 * workers there will be before EAL is started. */
#pragma once

#include <stdint.h>

#include "core/error.h"

/* Sets bit i of `set` for each lcore i < 128. Number of lcores, or -EINVAL with err. */
int hm_lcores_parse(const char *list, uint64_t set[2], struct hm_error *err);
