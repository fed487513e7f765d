/* SPDX-License-Identifier: BSD-3-Clause */
/* Segments of a COMBO channel: the only place where the driver reads lengths that the card wrote.
 *
 *	0  seg_size, LE 16: header to the frame's end      4  hardware data, hw_size bytes
 *	2  hw_size, LE 16                                  .. zeros up to a multiple of 8, the frame
 *
 * The next segment begins at the next multiple of 8. A lock covers one or two regions of the ring,
 * seen here as one window of positions 0 to end; the seam between the regions may lie anywhere in a
 * segment, in its header, too. Shared by the driver and its fuzzer; reads nothing outside the
 * regions.
 */
#ifndef COMBO_SEGMENT_H
#define COMBO_SEGMENT_H

#include <stdint.h>
#include <string.h>

#define COMBO_HEADER      4
#define COMBO_SEGMENT_MAX (24 * 1024) /* the library's own limit */
#define COMBO_HW_MAX      12          /* hardware data that the driver reads */
#define COMBO_NS_PER_S    UINT64_C(1000000000)

struct combo_window {
	const uint8_t *start[2];
	uint64_t seam; /* bytes in the first region */
	uint64_t end;  /* ... in both */
};

/* Copies n bytes from `pos` on; they must lie in the window. */
static inline void
combo_window_copy(const struct combo_window *w, uint64_t pos, void *to, uint32_t n)
{
	uint64_t first;

	if (__builtin_expect(pos + n <= w->seam, 1)) {
		memcpy(to, w->start[0] + pos, n);
	} else if (pos >= w->seam) {
		memcpy(to, w->start[1] + (pos - w->seam), n);
	} else {
		first = w->seam - pos;
		memcpy(to, w->start[0] + pos, first);
		memcpy((uint8_t *)to + first, w->start[1], n - first);
	}
}

enum combo_verdict {
	COMBO_SEGMENT_GOOD,
	/* corrupt: where the next segment begins is unknown */
	COMBO_SEGMENT_ZERO,
	COMBO_SEGMENT_BAD_SIZE, /* below 4, or above the limit */
	COMBO_SEGMENT_BAD_HW,   /* hardware data that does not fit into the segment */
	COMBO_SEGMENT_CUT,      /* the window ends inside the segment */
};

struct combo_segment {
	uint64_t pos;
	uint64_t next;
	uint32_t hw_size;
	uint32_t frame; /* offset in the segment */
	uint32_t frame_len;
};

static inline uint32_t
combo_le16(const uint8_t *p)
{
	return p[0] | (uint32_t)p[1] << 8;
}

static inline uint32_t
combo_le32(const uint8_t *p)
{
	return combo_le16(p) | combo_le16(p + 2) << 16;
}

/* The segment at pos < w->end. */
static inline enum combo_verdict
combo_segment_look(const struct combo_window *w, uint64_t pos, struct combo_segment *s)
{
	const uint64_t avail = w->end - pos;
	uint8_t header[COMBO_HEADER];
	uint32_t size;

	if (avail < COMBO_HEADER)
		return COMBO_SEGMENT_CUT;
	combo_window_copy(w, pos, header, sizeof(header));
	size = combo_le16(header);
	s->hw_size = combo_le16(header + 2);
	s->frame = (COMBO_HEADER + s->hw_size + 7) & ~7u;
	if (size < COMBO_HEADER || size > COMBO_SEGMENT_MAX)
		return size == 0 ? COMBO_SEGMENT_ZERO : COMBO_SEGMENT_BAD_SIZE;
	if (s->frame > size)
		return COMBO_SEGMENT_BAD_HW;
	if (size > avail)
		return COMBO_SEGMENT_CUT;
	s->pos = pos;
	s->frame_len = size - s->frame;
	size = (size + 7) & ~7u;
	s->next = size < avail ? pos + size : w->end;
	return COMBO_SEGMENT_GOOD;
}

enum combo_time {
	COMBO_TIME_VALID,
	COMBO_TIME_ABSENT, /* old firmware, or no clock */
	COMBO_TIME_BAD,    /* 10^9 nanoseconds or more */
};

/* Nanoseconds since 1970 out of n bytes of hardware data. */
static inline enum combo_time
combo_hw_time(const uint8_t *hw, uint32_t n, uint64_t *ns)
{
	uint32_t nanoseconds, seconds;

	if (n < COMBO_HW_MAX)
		return COMBO_TIME_ABSENT;
	nanoseconds = combo_le32(hw + 4);
	seconds = combo_le32(hw + 8);
	if ((nanoseconds | seconds) == 0 || (nanoseconds & seconds) == UINT32_MAX)
		return COMBO_TIME_ABSENT;
	if (nanoseconds >= COMBO_NS_PER_S)
		return COMBO_TIME_BAD;
	*ns = seconds * COMBO_NS_PER_S + nanoseconds;
	return COMBO_TIME_VALID;
}

#endif
