/* SPDX-License-Identifier: BSD-3-Clause */
/* cells: small memory that every worker of a device has for itself: counters, and states of a few words. A
 * cell is 8 bytes and has the same number on every lane, so that a thousand flows cost a few pages instead of a
 * few thousand allocations, and counters that are used together lie together. A piece never moves. Control
 * core only; what is at a cell is written by its worker, and read by others with relaxed or acquire loads.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

#define HM_NO_CELL   UINT32_MAX
#define HM_CELLS_MAX 64 // bytes of one piece; a larger one is memory of its own

struct hm_cells;

/* For `n_lanes` workers, each on the NUMA node of its `sockets` entry. NULL without memory. */
struct hm_cells *hm_cells_create(unsigned n_lanes, const int *sockets);
void hm_cells_destroy(struct hm_cells *c); // NULL is allowed

/* A piece of 1 .. HM_CELLS_MAX bytes, aligned to its size rounded up to a power of two, zeroed on all lanes.
 * HM_NO_CELL without memory. */
uint32_t hm_cells_take(struct hm_cells *c, size_t bytes);
/* When no worker can see it any more. HM_NO_CELL is allowed. */
void hm_cells_give(struct hm_cells *c, uint32_t cell, size_t bytes);
void *hm_cells_at(const struct hm_cells *c, unsigned lane, uint32_t cell);
uint64_t hm_cells_bytes(const struct hm_cells *c); // of all lanes
