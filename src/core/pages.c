/* SPDX-License-Identifier: BSD-3-Clause */
#include "core/pages.h"

#include <errno.h>
#include <linux/mempolicy.h>
#include <stdint.h>
#include <stdio.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#define HUGE_BYTES ((size_t)2 << 20)
#define NODES_MAX  64

/* Above one huge page the length is a multiple of it; the start always is. */
static size_t round_up(size_t bytes)
{
	size_t unit = bytes < HUGE_BYTES ? (size_t)sysconf(_SC_PAGESIZE) : HUGE_BYTES;

	return (bytes + unit - 1) / unit * unit;
}

/* Maps more than asked and gives back what lies before and behind the aligned part. */
static uint8_t *map_aligned(size_t bytes)
{
	size_t all = bytes + HUGE_BYTES;
	uint8_t *at = mmap(NULL, all, PROT_READ | PROT_WRITE,
			   MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	size_t before;

	if (at == MAP_FAILED)
		return NULL;
	before = (HUGE_BYTES - (uintptr_t)at % HUGE_BYTES) % HUGE_BYTES;
	if (before > 0)
		munmap(at, before);
	munmap(at + before + bytes, all - before - bytes);
	return at + before;
}

/* Best effort: a machine without that node, or a container that forbids the call, gets any memory.
 */
static void prefer_node(void *at, size_t bytes, int socket)
{
	unsigned long nodes;

	if (socket < 0 || socket >= NODES_MAX)
		return;
	nodes = 1ul << socket;
	syscall(SYS_mbind, at, bytes, MPOL_PREFERRED, &nodes, NODES_MAX + 1, 0);
}

size_t hm_pages_available(void)
{
	FILE *f = fopen("/proc/meminfo", "re");
	unsigned long long kb = 0;
	char line[128];

	while (f && fgets(line, sizeof(line), f))
		if (sscanf(line, "MemAvailable: %llu kB", &kb) == 1)
			break;
	if (f)
		fclose(f);
	return (size_t)kb << 10;
}

void *hm_pages_reserve(size_t bytes, int socket)
{
	uint8_t *at;

	if (bytes == 0 || bytes > SIZE_MAX / 2) {
		errno = EINVAL;
		return NULL;
	}
	bytes = round_up(bytes);
	at = map_aligned(bytes);
	if (!at)
		return NULL;
	madvise(at, bytes, MADV_HUGEPAGE);
	prefer_node(at, bytes, socket);
	return at;
}

int hm_pages_populate(void *at, size_t bytes)
{
	uintptr_t page = (uintptr_t)sysconf(_SC_PAGESIZE), start = (uintptr_t)at / page * page;
	volatile uint8_t *end = (uint8_t *)at + bytes;

	if (madvise((void *)start, (uintptr_t)end - start, MADV_POPULATE_WRITE) == 0)
		return 0;
	if (errno != EINVAL) // EINVAL: a kernel before 5.14
		return -errno;
	for (volatile uint8_t *p = (volatile uint8_t *)start; p < end; p += page)
		*p = *p;
	return 0;
}

void *hm_pages_map(size_t bytes, int socket)
{
	void *at = hm_pages_reserve(bytes, socket);
	int r = at ? hm_pages_populate(at, bytes) : 0;

	if (r == 0)
		return at;
	hm_pages_unmap(at, bytes);
	errno = -r;
	return NULL;
}

void hm_pages_unmap(void *at, size_t bytes)
{
	if (at)
		munmap(at, round_up(bytes));
}
