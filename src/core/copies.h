/* SPDX-License-Identifier: BSD-3-Clause */
/* copies: a worker's bounded pool of packet copies, for functions that change, make or swallow
 * packets.
 *
 * Originals are never written. A copy is taken in transform() and given back by the program when
 * the subtree behind it has run, or later by the function that holds it (defragmentation,
 * reassembly). One writer, its worker. An empty pool is a drop that the caller counts, never an
 * error.
 */
#pragma once

#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

struct hm_copies;

/* `n` buffers of `room` bytes on the NUMA node; NULL without memory. */
struct hm_copies *hm_copies_create(uint32_t n, uint32_t room, int socket);
void hm_copies_destroy(struct hm_copies *pool);

uint8_t *hm_copies_take(struct hm_copies *pool); // NULL: empty
void hm_copies_give(struct hm_copies *pool, uint8_t *buffer);
uint32_t hm_copies_room(const struct hm_copies *pool);
uint32_t hm_copies_free(const struct hm_copies *pool);

#ifdef __cplusplus
}
#endif
