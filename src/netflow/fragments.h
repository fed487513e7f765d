/* SPDX-License-Identifier: BSD-3-Clause */
/* fragments: remembers the ports of first fragments, so that later ones, which have none, are metered with
 * their flow. A fixed number of places, each for the newest datagram of its hash; a fragment whose first one
 * is not there (it came later, was lost, or its place was taken) goes without ports.
 */
#pragma once

#include "core/batch.h"

#define HM_FRAGMENTS_PLACES 2048
#define HM_FRAGMENTS_NS     UINT64_C(30000000000) // identifications are used again

/* What stands where the ports are: source's, destination's; of ICMP 0, and type and code. */
union hm_fragment_ports {
	uint8_t byte[4];
	uint32_t word;
};

struct hm_fragment {
	uint8_t addr[2][16]; // source, destination; IPv4: four bytes, the rest 0
	uint32_t id;
	uint8_t proto, version; // version 0: free
	uint16_t reserved;
	union hm_fragment_ports ports;
	uint32_t reserved_too;
	uint64_t ts_ns;
};

struct hm_fragments {
	struct hm_fragment place[HM_FRAGMENTS_PLACES];
};

/* Of the fragments in `in`, in their order: remembers those of first ones, finds those of later ones. */
void hm_fragments_match(struct hm_fragments *f, const struct hm_batch *b, uint64_t in,
			union hm_fragment_ports ports[HM_BATCH_MAX]);
