/* SPDX-License-Identifier: BSD-3-Clause */
/* pairs: which part of a device's packets one belongs to. All packets between the same two addresses are of one part,
 * in both directions, fragments as well: ports do not count, since only the first fragment has them. There are so
 * many parts always, however many workers share them: so a state for each part gives the same results for any number.
 */
#pragma once

#include <string.h>

#include "core/batch.h"

#define HM_PAIR_PARTS 16

static inline uint64_t hm_pair_fold(const uint8_t *address)
{
	uint64_t high, low;

	memcpy(&high, address, sizeof(high));
	memcpy(&low, address + 8, sizeof(low));
	return high ^ (low << 23 | low >> 41);
}

/* Of packet i, of the addresses that the parser found; 0 without IP. */
static inline unsigned hm_pair_part(const struct hm_batch *b, unsigned i)
{
	const uint64_t bit = UINT64_C(1) << i;
	const uint8_t *ip = b->data[i] + b->l3[i];
	uint64_t one, other;

	if (b->ipv4 & bit) {
		uint32_t source, destination;

		memcpy(&source, ip + 12, sizeof(source));
		memcpy(&destination, ip + 16, sizeof(destination));
		one = source;
		other = destination;
	} else if (b->ipv6 & bit) {
		one = hm_pair_fold(ip + 8);
		other = hm_pair_fold(ip + 24);
	} else {
		return 0;
	}
	// sums are the same for both directions; the upper bits of a product depend on all below
	return (unsigned)(((one + other) * UINT64_C(0x9e3779b97f4a7c15) ^
			   (one ^ other) * UINT64_C(0xc2b2ae3d27d4eb4f)) *
				  UINT64_C(0x9e3779b97f4a7c15) >>
			  60);
}

static_assert(HM_PAIR_PARTS == 1 << 4, "as many as there are numbers of the upper bits");
