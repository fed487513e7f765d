/* SPDX-License-Identifier: BSD-3-Clause */
/* HEADERS hands on copies of packets that end behind their last known header, as if they had been captured so: lengths
 * on the wire and in headers stay. What has no header that is known, and so could be anything, goes no further.
 */
#include <string.h>

#include "core/copies.h"
#include "core/function.h"

#define ARP_ETHERNET_IPV4 28

/* How many bytes of the packet are headers; 0: nobody knows. */
static uint32_t headers_of(const struct hm_batch *b, unsigned i)
{
	const uint64_t bit = UINT64_C(1) << i;
	const uint8_t *ip = b->data[i] + b->l3[i];

	if (b->arp & bit)
		return b->l3[i] + ARP_ETHERNET_IPV4 < b->end[i] ? b->l3[i] + ARP_ETHERNET_IPV4
								: b->end[i];
	if (!((b->ipv4 | b->ipv6) & bit))
		return 0;
	if (b->payload[i] != HM_NONE)
		return b->payload[i];
	return b->l3[i] + (b->ipv4 & bit ? (ip[0] & 15u) * 4 : 40);
}

static uint64_t headers_transform(void *core, const struct hm_batch *b, uint64_t in,
				  struct hm_batch *out, struct hm_copies *pool)
{
	uint64_t dropped = 0;

	(void)core;
	hm_mask_foreach (i, in) {
		const uint32_t n = headers_of(b, i);
		uint8_t *copy = n && n <= hm_copies_room(pool) ? hm_copies_take(pool) : NULL;

		if (copy) {
			memcpy(copy, b->data[i], n);
			hm_batch_add(out, b, i, copy, n, b->wirelen[i]);
		} else if (n) {
			dropped |= UINT64_C(1) << i;
		}
	}
	return dropped;
}

static const struct hm_function headers = {
	.name = "HEADERS",
	.summary = "cuts IP packets and ARP behind their headers, in copies; others go no further",
	.flags = HM_FN_STATELESS | HM_FN_FILTERS,
	.cost = {.batch = 100, .packet = 40},
	.transform = headers_transform,
};

HM_FUNCTION_REGISTER(headers);
