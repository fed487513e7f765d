/* SPDX-License-Identifier: BSD-3-Clause */
/* lanes: one number of each packet, and comparing 64 of them with a constant. */
#include <emmintrin.h>
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
	uint64_t in = b->all & s->guards[s->index->views[l->view].guards + l->lane.guard], out = 0;
	const __m128i *protocols = (const __m128i *)s->protocols[l->view];

	if (l->lane.base == HM_LANE_PACKET && l->lane.proto == 0)
		return in;
	for (unsigned i = 0; i < HM_BATCH_MAX / 16; i++) {
		__m128i same = _mm_cmpeq_epi8(_mm_load_si128(&protocols[i]),
					      _mm_set1_epi8((char)l->lane.proto));

		out |= (uint64_t)(uint32_t)_mm_movemask_epi8(same) << (16 * i);
	}
	return in & out;
}

/* Of all packets: it costs less to read a few in vain than to look for those that are valid. */
static void read_lane(const struct hm_scanner *s, const struct hm_batch *b,
		      const struct hm_index_lane *l, struct hm_lane_values *to)
{
	uint32_t network_at = s->index->views[l->view].view.network_at, size = l->lane.size;
	bool transport = l->lane.base == HM_LANE_TRANSPORT;
	uint64_t cut = 0;

	for (uint32_t i = 0; i < b->n; i++) {
		uint32_t at = l->lane.at, n = b->caplen[i];

		if (transport)
			at += network_at +
			      (network_at < n ? 4 * (b->data[i][network_at] & 15u) : 0);
		to->own[i] = read_bytes(b->data[i], n, at, size);
		cut |= (uint64_t)(at + size > n) << i;
	}
	to->values = to->own;
	to->valid = select_packets(s, b, l);
	to->cut = cut & to->valid;
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
