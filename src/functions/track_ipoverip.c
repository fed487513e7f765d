/* SPDX-License-Identifier: BSD-3-Clause */
/* TRACK_IPOVERIP passes IP in IP: IPv4 or IPv6 (protocols 4 and 41) directly in IPv4 or IPv6. On a device that looks into
 * tunnels the batch describes the innermost packet, so there the outer headers are read once more, of packets in tunnels.
 */
#include "core/function.h"
#include "core/parse.h"

#include <string.h>

#define IPV4_IN_IP 4
#define IPV6_IN_IP 41

struct track_ipoverip_core {
	struct hm_batch outer;
};

static uint64_t holds_ip(const struct hm_batch *b, uint64_t in)
{
	uint64_t found = 0;

	hm_mask_foreach (i, in & (b->ipv4 | b->ipv6))
		found |= (uint64_t)(b->proto[i] == IPV4_IN_IP || b->proto[i] == IPV6_IN_IP) << i;
	return found;
}

static uint64_t track_ipoverip_process(void *core, const struct hm_batch *b, uint64_t in)
{
	struct hm_batch *outer = &((struct track_ipoverip_core *)core)->outer;
	uint64_t found = holds_ip(b, in);

	if (!(in & b->tunnel & ~found))
		return found;
	outer->n = b->n;
	outer->all = b->all;
	outer->link = b->link;
	memcpy(outer->data, b->data, b->n * sizeof(b->data[0]));
	memcpy(outer->caplen, b->caplen, b->n * sizeof(b->caplen[0]));
	memcpy(outer->wirelen, b->wirelen, b->n * sizeof(b->wirelen[0]));
	hm_parse(outer, &(const struct hm_parse_conf){0});
	return found | holds_ip(outer, in & b->tunnel);
}

static const struct hm_function track_ipoverip = {
	.name = "TRACK_IPOVERIP",
	.summary = "passes IP packets that hold another IP packet",
	.flags = HM_FN_FILTERS,
	.core_size = sizeof(struct track_ipoverip_core),
	.cost = {.batch = 20, .packet = 3},
	.process = track_ipoverip_process,
};

HM_FUNCTION_REGISTER(track_ipoverip);
