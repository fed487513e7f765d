/* SPDX-License-Identifier: BSD-3-Clause */
/* pages: large, zeroed memory of tables, on one NUMA node, in huge pages where the kernel has them,
 * and present: no packet ever waits for a page fault. Independent of DPDK's heap, so that a table
 * needs no share of -m, works with --no-huge and in tests without EAL.
 */
#pragma once

#include <stddef.h>

/* Bytes that can be taken without driving others out of memory (/proc/meminfo, MemAvailable). */
size_t hm_pages_available(void);
/* `socket` < 0: any node. Takes some 0.3 seconds a gigabyte. NULL with errno set. */
void *hm_pages_map(size_t bytes, int socket);
/* The same at once, without the pages; hm_pages_populate() of all of it must follow before a packet does. */
void *hm_pages_reserve(size_t bytes, int socket);
/* Makes pages of a mapping present, a shared one of a file, too. Any thread. 0 or a negative errno. */
int hm_pages_populate(void *at, size_t bytes);
void hm_pages_unmap(void *at, size_t bytes); // NULL is allowed
