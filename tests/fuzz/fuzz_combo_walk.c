/* SPDX-License-Identifier: BSD-3-Clause */
/* Walks arbitrary bytes as the COMBO driver walks the window under a lock, the seam of its two
 * regions anywhere: it must end, and never leave the regions. The first two bytes say where the seam
 * is; each region is memory of its own, so that a sanitizer sees the first byte too many.
 */
#undef NDEBUG
#include <assert.h>
#include <stdint.h>
#include <stdlib.h>

#include "pmd_dag/combo_segment.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static volatile uint64_t sink; // so that the reads are made

static uint8_t *region(const uint8_t *data, uint64_t n)
{
	uint8_t *copy = malloc(n ? n : 1);
	assert(copy);
	if (n)
		memcpy(copy, data, n);
	return copy;
}

// What the driver reads of a segment that it delivers.
static void deliver(const struct combo_window *w, const struct combo_segment *s)
{
	static uint8_t frame[COMBO_SEGMENT_MAX];
	uint8_t hw[COMBO_HW_MAX];
	uint32_t n = s->hw_size < COMBO_HW_MAX ? s->hw_size : COMBO_HW_MAX;
	uint64_t ns = 0;
	assert(s->frame >= COMBO_HEADER + s->hw_size && s->frame % 8 == 0);
	assert(s->frame_len <= COMBO_SEGMENT_MAX);
	assert(s->pos + s->frame + s->frame_len <= w->end);
	assert(s->next > s->pos && s->next <= w->end);
	combo_window_copy(w, s->pos + COMBO_HEADER, hw, n);
	combo_window_copy(w, s->pos + s->frame, frame, s->frame_len);
	for (uint32_t i = 0; i < s->frame_len; i++)
		sink += frame[i];
	if (combo_hw_time(hw, n, &ns) == COMBO_TIME_VALID)
		assert(ns < (UINT64_C(1) << 32) * COMBO_NS_PER_S);
	sink += ns;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	if (size < 2)
		return 0;
	const uint64_t end = size - 2, seam = combo_le16(data) % (end + 1);
	uint8_t *first = region(data + 2, seam), *second = region(data + 2 + seam, end - seam);
	const struct combo_window w = {.start = {first, second}, .seam = seam, .end = end};
	struct combo_segment s;
	for (uint64_t pos = 0; pos < end; pos = s.next) {
		if (combo_segment_look(&w, pos, &s) != COMBO_SEGMENT_GOOD)
			break;
		deliver(&w, &s);
	}
	free(first);
	free(second);
	return 0;
}
