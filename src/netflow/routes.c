/* SPDX-License-Identifier: BSD-3-Clause */
/* The FIB maps addresses to numbers: indexes into one array of routes, in which route 0 is "none". Sizes
 * are counted beforehand from the sorted prefixes, since a FIB cannot grow. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include <rte_byteorder.h>
#include <rte_common.h>
#include <rte_errno.h>
#include <rte_fib.h>
#include <rte_fib6.h>
#include <rte_lpm6.h>
#include <rte_memory.h>

#include "netflow/routes.h"

#define DIRECT_BYTES 3 // of an address, that the direct table resolves
#define NAME_BYTES   32
#define LPM6_MAX     ((1u << 21) - 1) // largest number that it can keep
#define GROUP_SLAB   64               // a FIB hands out whole slabs of groups only

struct hm_routes {
	struct hm_route *route;
	size_t n4, n6;         // route[1] .. route[n4] are IPv4's, those of IPv6 follow
	struct rte_fib *fib4;  // NULL: no prefix
	struct rte_fib6 *fib6; // few prefixes
	struct rte_lpm6 *lpm6; // many
	uint64_t default6;     // route of ::/0 besides lpm6
};

static int compare(const struct hm_prefix *x, const struct hm_prefix *y)
{
	int order = x->version - y->version;

	if (order == 0)
		order = memcmp(x->address, y->address, sizeof(x->address));
	return order != 0 ? order : x->route.length - y->route.length;
}

/* Equal prefixes stay in the order of the file. */
static int compare_for_sort(const void *a, const void *b)
{
	const struct hm_prefix *x = *(const struct hm_prefix *const *)a;
	const struct hm_prefix *y = *(const struct hm_prefix *const *)b;
	int order = compare(x, y);

	return order != 0 ? order : (x > y) - (x < y);
}

/* Sorted, and of equal prefixes only the last; how many that are. */
static size_t sort_out(const struct hm_prefixes *l, const struct hm_prefix **sorted)
{
	size_t n = 0;

	for (size_t i = 0; i < l->n; i++)
		sorted[i] = &l->prefix[i];
	qsort(sorted, l->n, sizeof(*sorted), compare_for_sort);
	for (size_t i = 0; i < l->n; i++) {
		if (n > 0 && compare(sorted[n - 1], sorted[i]) == 0)
			n--;
		sorted[n++] = sorted[i];
	}
	return n;
}

/* Groups of 256 entries, each for one more byte of address, that prefixes longer than what the direct table
 * resolves need: one for each different beginning of whole bytes. */
static uint32_t count_groups(const struct hm_prefix *const *p, size_t n)
{
	const uint8_t *last[16] = {NULL}; // address with a group behind so many bytes
	uint32_t groups = 1;

	for (size_t i = 0; i < n; i++) {
		for (unsigned bytes = DIRECT_BYTES; bytes * 8 < p[i]->route.length; bytes++) {
			groups += !last[bytes] || memcmp(last[bytes], p[i]->address, bytes) != 0;
			last[bytes] = p[i]->address;
		}
	}
	return RTE_ALIGN_CEIL(groups, GROUP_SLAB);
}

/* A name that no other table has: FIBs are known by their names. */
static void make_name(char *name, size_t size, unsigned version)
{
	static uint64_t next;

	snprintf(name, size, "routes%u_%lu", version,
		 (unsigned long)__atomic_fetch_add(&next, 1, __ATOMIC_RELAXED));
}

static bool stopped(const bool *stop)
{
	return stop && __atomic_load_n(stop, __ATOMIC_RELAXED);
}

static int create_fib4(struct hm_routes *r, const struct hm_prefix *const *p, size_t n,
		       const bool *stop)
{
	struct rte_fib_conf conf = {
		.type = n < HM_ROUTES_DIRECT ? RTE_FIB_DUMMY : RTE_FIB_DIR24_8,
		.max_routes = (int)n,
		.dir24_8 = {.nh_sz = RTE_FIB_DIR24_8_4B, .num_tbl8 = count_groups(p, n)},
	};
	char name[NAME_BYTES];
	int error = 0;

	make_name(name, sizeof(name), 4);
	r->fib4 = rte_fib_create(name, SOCKET_ID_ANY, &conf);
	if (!r->fib4)
		return -rte_errno;
	for (size_t i = 0; i < n && error == 0; i++) {
		uint32_t address;

		memcpy(&address, p[i]->address, sizeof(address));
		error = stopped(stop) ? -ECANCELED
				      : rte_fib_add(r->fib4, rte_be_to_cpu_32(address),
						    p[i]->route.length, i + 1);
	}
	return error;
}

static int create_fib6(struct hm_routes *r, const struct hm_prefix *const *p, size_t n,
		       const bool *stop)
{
	struct rte_fib6_conf conf = {.type = RTE_FIB6_DUMMY, .max_routes = (int)n};
	char name[NAME_BYTES];
	int error = 0;

	make_name(name, sizeof(name), 6);
	r->fib6 = rte_fib6_create(name, SOCKET_ID_ANY, &conf);
	if (!r->fib6)
		return -rte_errno;
	for (size_t i = 0; i < n && error == 0; i++)
		error = stopped(stop) ? -ECANCELED
				      : rte_fib6_add(r->fib6, p[i]->address, p[i]->route.length,
						     r->n4 + i + 1);
	return error;
}

/* Not the FIB's trie, which sets a KB aside for nearly each prefix. It knows no prefix of length 0. */
static int create_lpm6(struct hm_routes *r, const struct hm_prefix *const *p, size_t n,
		       const bool *stop)
{
	struct rte_lpm6_config conf = {.max_rules = (uint32_t)n,
				       .number_tbl8s = count_groups(p, n)};
	char name[NAME_BYTES];
	int error = r->n4 + n > LPM6_MAX ? -E2BIG : 0;

	if (error < 0)
		return error;
	make_name(name, sizeof(name), 6);
	r->lpm6 = rte_lpm6_create(name, SOCKET_ID_ANY, &conf);
	if (!r->lpm6)
		return -rte_errno;
	for (size_t i = 0; i < n && error == 0; i++) {
		if (p[i]->route.length == 0)
			r->default6 = r->n4 + i + 1;
		else
			error = stopped(stop)
					? -ECANCELED
					: rte_lpm6_add(r->lpm6, p[i]->address, p[i]->route.length,
						       (uint32_t)(r->n4 + i + 1));
	}
	return error;
}

static int fill(struct hm_routes *r, const struct hm_prefixes *l, const bool *stop)
{
	const struct hm_prefix **sorted = calloc(l->n + 1, sizeof(*sorted));
	size_t n;
	int error = 0;

	if (!sorted)
		return -ENOMEM;
	n = sort_out(l, sorted);
	r->route = calloc(n + 1, sizeof(*r->route));
	if (!r->route)
		error = -ENOMEM;
	for (size_t i = 0; i < n && error == 0; i++) {
		r->route[i + 1] = sorted[i]->route;
		r->n4 += sorted[i]->version == 4;
	}
	r->n6 = n - r->n4;
	if (error == 0 && r->n4 > 0)
		error = create_fib4(r, sorted, r->n4, stop);
	if (error == 0 && r->n6 > 0)
		error = r->n6 < HM_ROUTES_DIRECT ? create_fib6(r, sorted + r->n4, r->n6, stop)
						 : create_lpm6(r, sorted + r->n4, r->n6, stop);
	free(sorted);
	return error;
}

struct hm_routes *hm_routes_create(const struct hm_prefixes *l, const bool *stop,
				   struct hm_error *err)
{
	struct hm_routes *r = calloc(1, sizeof(*r));
	int error = r ? fill(r, l, stop) : -ENOMEM;

	if (error == 0)
		return r;
	hm_error_set(
		err, error, 0,
		"no table of %zu prefixes: %s; of eal.memory_mb it takes 64 MB for each IP version "
		"and about 400 bytes a prefix, up to 1.5 KB of IPv6, twice while it is read again",
		l->n, strerror(-error));
	hm_routes_destroy(r);
	return NULL;
}

void hm_routes_destroy(struct hm_routes *r)
{
	if (!r)
		return;
	rte_fib_free(r->fib4);
	rte_fib6_free(r->fib6);
	rte_lpm6_free(r->lpm6);
	free(r->route);
	free(r);
}

static void find4(const struct hm_routes *r, const uint8_t address[2][16], uint64_t index[2])
{
	uint32_t host[2];

	for (unsigned i = 0; i < 2; i++) {
		memcpy(&host[i], address[i], sizeof(host[i]));
		host[i] = rte_be_to_cpu_32(host[i]);
	}
	rte_fib_lookup_bulk(r->fib4, host, index, 2);
}

static void find6(const struct hm_routes *r, const uint8_t address[2][16], uint64_t index[2])
{
	uint8_t copy[2][16]; // the calls have no const
	int32_t found[2];

	memcpy(copy, address, sizeof(copy));
	if (r->fib6) {
		rte_fib6_lookup_bulk(r->fib6, copy, index, 2);
		return;
	}
	rte_lpm6_lookup_bulk_func(r->lpm6, copy, found, 2);
	for (unsigned i = 0; i < 2; i++)
		index[i] = found[i] < 0 ? r->default6 : (uint64_t)found[i];
}

void hm_routes_find(const struct hm_routes *r, unsigned version, const uint8_t address[2][16],
		    const struct hm_route *found[2])
{
	uint64_t index[2] = {0, 0};

	if (version == 4 && r->n4 > 0)
		find4(r, address, index);
	else if (version == 6 && r->n6 > 0)
		find6(r, address, index);
	for (unsigned i = 0; i < 2; i++)
		found[i] = &r->route[index[i]];
}

size_t hm_routes_count(const struct hm_routes *r, unsigned version)
{
	return version == 4 ? r->n4 : r->n6;
}
