/* SPDX-License-Identifier: BSD-3-Clause */
/* ports: protocols that are known by their port alone. */
#pragma once

#include <stddef.h>

#include "core/batch.h"

/* The packets of `in` that are TCP with data, of which at least a byte is captured, and have one of the n ports (host
 * order) at either end. */
uint64_t hm_track_tcp_data(const struct hm_batch *b, uint64_t in, const uint16_t *ports, size_t n);
