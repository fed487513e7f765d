/* SPDX-License-Identifier: BSD-3-Clause */
/* lanes: one number of each packet, and comparing 64 of them with a constant. */
#include <string.h>

#include "core/kernels.h"
#include "filter/scan_private.h"

/* `size` bytes at `at`, big-endian; those that are not captured are 0. */
static inline uint32_t read_bytes(const uint8_t *data, uint32_t caplen, uint32_t at, uint32_t size)
{
	uint32_t value = 0;

	if (at + 4 <= caplen) {
		memcpy(&value, data + at, 4);
		return __builtin_bswap32(value) >> (8 * (4 - size));
	}
	for (uint32_t i = 0; i < size; i++)
		value = value << 8 | (at + i < caplen ? data[at + i] : 0);
	return value;
}

/* Packets that have the lane's protocol. */
static uint64_t select_packets(const struct hm_scanner *s, const struct hm_batch *b,
			       const struct hm_index_lane *l)
{
	const struct hm_index_view *v = &s->index->views[l->view];
	uint64_t in = s->guards[v->guards + l->lane.guard], out = 0;

	if (l->lane.base == HM_LANE_PACKET && l->lane.proto == 0)
		return in & b->all;
	hm_mask_foreach (i, in)
		out |= (uint64_t)(s->protocols[l->view][i] == l->lane.proto) << i;
	return out;
}

static void read_lane(const struct hm_scanner *s, const struct hm_batch *b,
		      const struct hm_index_lane *l, struct hm_lane_values *to)
{
	uint32_t network_at = s->index->views[l->view].view.network_at;

	to->values = to->own;
	to->valid = select_packets(s, b, l);
	to->cut = 0;
	hm_mask_foreach (i, to->valid) {
		uint32_t at = l->lane.at, n = b->caplen[i];

		if (l->lane.base == HM_LANE_TRANSPORT)
			at += network_at + 4 * (read_bytes(b->data[i], n, network_at, 1) & 15);
		to->own[i] = read_bytes(b->data[i], n, at, l->lane.size);
		to->cut |= (uint64_t)(at + l->lane.size > n) << i;
	}
}

const struct hm_lane_values *hm_scan_lane(struct hm_scanner *s, const struct hm_batch *b,
					  uint32_t lane)
{
	const struct hm_index_lane *l = &s->index->lanes[lane];
	struct hm_lane_values *to = &s->lanes[lane];

	if (to->values)
		return to;
	if (l->lane.base == HM_LANE_LENGTH) {
		to->values = b->wirelen;
		to->valid = b->all;
		to->cut = 0;
	} else {
		read_lane(s, b, l, to);
	}
	return to;
}

uint64_t hm_scan_compare(const struct hm_lane_values *l, const struct hm_question *q)
{
	uint64_t out;

	switch (q->compare) {
	case HM_EQUAL:
	case HM_NOT_EQUAL:
		out = hm_kernels.equal_u32(l->values, q->mask, q->number);
		break;
	case HM_GREATER:
	case HM_LESS_EQUAL:
		out = hm_kernels.at_most_u32(l->values, q->mask, q->number);
		break;
	default: // below 0 is nothing
		out = q->number > 0 ? hm_kernels.at_most_u32(l->values, q->mask, q->number - 1) : 0;
		break;
	}
	if (q->compare == HM_GREATER || q->compare == HM_GREATER_EQUAL ||
	    q->compare == HM_NOT_EQUAL)
		out = ~out;
	return out & l->valid;
}
