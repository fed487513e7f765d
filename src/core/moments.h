/* SPDX-License-Identifier: BSD-3-Clause */
/* moments: what STATS has summed up so far, and its value of a packet for those who read it. */
#pragma once

#include "core/wide.h"

struct hm_moments {
	uint64_t count, min, max;
	struct hm_wide sum, squares;
};
