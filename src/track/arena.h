/* SPDX-License-Identifier: BSD-3-Clause */
/* arena: memory of a fixed size for a library that takes and gives while packets are processed: a buddy allocator, whose
 * steps are as many as there are sizes, without a system call. One user at a time. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct hm_arena;

struct hm_arena *hm_arena_create(uint32_t kib); // rounded up to a power of two; NULL: no memory
void hm_arena_destroy(struct hm_arena *a);      // NULL is allowed

void *hm_arena_take(struct hm_arena *a, size_t n); // NULL: there is no such piece
/* Takes back what it has given; false: that is not its. */
bool hm_arena_give(struct hm_arena *a, void *piece);
size_t hm_arena_largest(const struct hm_arena *a); // piece that could be taken now
size_t hm_arena_used(const struct hm_arena *a);
