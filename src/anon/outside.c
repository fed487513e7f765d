/* SPDX-License-Identifier: BSD-3-Clause */
#include "anon/outside.h"

#include "core/parse.h"

void hm_look_outside(struct hm_batch *outside, const struct hm_batch *b, uint64_t tunnel)
{
	static const struct hm_parse_conf no_tunnels;

	outside->n = 0;
	outside->link = b->link;
	hm_mask_foreach (i, tunnel) {
		outside->data[outside->n] = b->data[i];
		outside->caplen[outside->n] = b->caplen[i];
		outside->wirelen[outside->n++] = b->wirelen[i];
	}
	outside->all = outside->n ? hm_mask_first(outside->n) : 0;
	if (outside->n)
		hm_parse(outside, &no_tunnels);
}
