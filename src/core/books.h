/* SPDX-License-Identifier: BSD-3-Clause */
/* books: counters of one worker that must add up whenever they are read: written and read as one, by a sequence number
 * that is odd while they are written. One writer; readers look again until they have seen one state. */
#pragma once

#include <stdint.h>

/* n numbers become `from`. */
static inline void hm_books_write(uint32_t *sequence, uint64_t *books, const uint64_t *from,
				  unsigned n)
{
	const uint32_t before = *sequence;

	__atomic_store_n(sequence, before + 1, __ATOMIC_RELAXED);
	__atomic_thread_fence(__ATOMIC_RELEASE);
	for (unsigned k = 0; k < n; k++)
		__atomic_store_n(&books[k], from[k], __ATOMIC_RELAXED);
	__atomic_store_n(sequence, before + 2, __ATOMIC_RELEASE);
}

static inline void hm_books_read(const uint32_t *sequence, const uint64_t *books, uint64_t *to,
				 unsigned n)
{
	uint32_t before, after;

	do {
		before = __atomic_load_n(sequence, __ATOMIC_ACQUIRE);
		for (unsigned k = 0; k < n; k++)
			to[k] = __atomic_load_n(&books[k], __ATOMIC_RELAXED);
		__atomic_thread_fence(__ATOMIC_ACQUIRE);
		after = __atomic_load_n(sequence, __ATOMIC_RELAXED);
	} while (before != after || before % 2 != 0);
}
