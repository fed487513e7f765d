/* SPDX-License-Identifier: BSD-3-Clause */
/* Packets for the tests of core/order.h that tell what they are: key, source, and number in the source. */
#pragma once

#include <string.h>

#include "core/order.h"

struct order_packet {
	uint64_t key;
	uint32_t source, number;
	uint8_t filling[1400];
};

/* A batch of n packets, i has keys[i]; the caller's `data` holds them. Lengths differ. */
static inline void order_fill(struct hm_batch *b, struct order_packet *data, const uint64_t *keys,
			      uint32_t n, uint32_t source, uint32_t number)
{
	memset(b, 0, sizeof(*b));
	b->n = n;
	b->all = hm_mask_first(n);
	for (uint32_t i = 0; i < n; i++) {
		data[i] = (struct order_packet){
			.key = keys[i], .source = source, .number = number + i};
		b->data[i] = (const uint8_t *)&data[i];
		b->caplen[i] = 16 + (number + i) * 37 % sizeof(data[i].filling);
		b->wirelen[i] = b->caplen[i] + source;
		b->ts_ns[i] = keys[i] * 10;
		b->ifindex[i] = (uint16_t)source;
		memset(data[i].filling, (int)(number + i), sizeof(data[i].filling));
	}
}

/* Whether a packet taken is what was put. */
static inline bool order_is_whole(const struct hm_order_packet *p)
{
	const uint8_t *bytes = hm_order_bytes(p);
	struct order_packet head;

	memcpy(&head, bytes, 16);
	if (head.key != p->key || p->ts_ns != p->key * 10 || p->ifindex != head.source ||
	    p->caplen != 16 + head.number * 37 % sizeof(head.filling) ||
	    p->wirelen != p->caplen + head.source)
		return false;
	for (uint32_t i = 16; i < p->caplen; i++)
		if (bytes[i] != (uint8_t)head.number)
			return false;
	return true;
}
