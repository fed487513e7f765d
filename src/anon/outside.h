/* SPDX-License-Identifier: BSD-3-Clause */
/* outside: packets in tunnels as they look from outside. The parser tells of the innermost packet that it finds. */
#pragma once

#include "core/batch.h"

/* `outside` becomes the packets of b in the mask, which are in tunnels, one after the other, parsed without looking
 * into tunnels. */
void hm_look_outside(struct hm_batch *outside, const struct hm_batch *b, uint64_t tunnel);
