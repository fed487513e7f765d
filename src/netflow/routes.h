/* SPDX-License-Identifier: BSD-3-Clause */
/* routes: longest-prefix match over the prefixes of a file (netflow/prefixes.h), through DPDK's FIB. Small
 * tables stay in its RIB, a binary tree; from HM_ROUTES_DIRECT prefixes of one IP version on there is a
 * direct table as well: 64 MB of EAL's memory, one or two memory accesses a look-up.
 */
#pragma once

#include "netflow/prefixes.h"

#define HM_ROUTES_DIRECT 4096

struct hm_routes;

/* Builds the table; the list may go afterwards. Takes about two seconds for the Internet's table, from any
 * thread; `stop` as in hm_prefixes_read(). NULL with a sentence. */
struct hm_routes *hm_routes_create(const struct hm_prefixes *l, const bool *stop,
				   struct hm_error *err);
void hm_routes_destroy(struct hm_routes *r); // NULL is allowed

/* The routes of two addresses of one IP version (4 or 6), as flow records have them: network order, 16
 * bytes each. Where there is none: all zero. */
void hm_routes_find(const struct hm_routes *r, unsigned version, const uint8_t address[2][16],
		    const struct hm_route *found[2]);

size_t hm_routes_count(const struct hm_routes *r, unsigned version); // different prefixes
