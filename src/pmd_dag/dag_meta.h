/* SPDX-License-Identifier: BSD-3-Clause */
/* What a META (provenance) record says of drops and of the clock: the only place where the driver
 * reads tags.
 *
 * The payload is a run of tags: type and length of the value, 16 bits each, the value, zeros up to
 * a multiple of 4. Types 0xff00-0xff0f start a section; what was said of a stream is known when its
 * section ends, since the stream's number may come last. Shared by the driver and its fuzzer.
 */
#ifndef DAG_META_H
#define DAG_META_H

#include <stdbool.h>

#include "trace/erf.h"

#define DAG_META_TAG            4u
#define DAG_META_SECTION        0xff00
#define DAG_META_SECTION_LAST   0xff0f
#define DAG_META_SECTION_STREAM 0xff08

enum dag_meta_tag {
	DAG_META_STREAM_NUMBER = 33,
	DAG_META_STREAM_DROP = 216,
	DAG_META_STREAM_BUFFER_DROP = 217, /* the part that a full buffer caused */
	DAG_META_CLOCK_STATE = 385,        /* 1: unsynchronised, 2: synchronised */
	DAG_META_PHASE_ERROR = 390,
};

struct dag_meta {
	uint64_t drops; /* cumulative, of the stream asked for */
	uint32_t clock_state;
	uint32_t phase_error;
	bool has_drops;
	bool has_clock;
	bool has_phase;
	bool malformed; /* a tag does not fit; what came before it is valid */
};

struct dag_meta_stream {
	uint64_t number, drop, buffer_drop;
	bool has_number, has_drop, has_buffer_drop;
};

/* An integer of 1-8 bytes. */
static inline bool
dag_meta_integer(const uint8_t *value, uint32_t length, uint64_t *out)
{
	uint64_t n = 0;
	uint32_t i;

	if (length == 0 || length > 8)
		return false;
	for (i = 0; i < length; i++)
		n = n << 8 | value[i];
	*out = n;
	return true;
}

/* Without its number a section may be of any stream: nothing is taken from it. */
static inline void
dag_meta_end_section(const struct dag_meta_stream *s, uint16_t stream, struct dag_meta *meta)
{
	if (!s->has_number || s->number != stream || !(s->has_drop || s->has_buffer_drop))
		return;
	meta->drops = s->has_drop ? s->drop : s->buffer_drop;
	meta->has_drops = true;
}

static inline void
dag_meta_take(uint16_t section, uint16_t tag, uint64_t n, struct dag_meta_stream *s,
	      struct dag_meta *meta)
{
	if (tag == DAG_META_CLOCK_STATE) {
		meta->clock_state = (uint32_t)n;
		meta->has_clock = true;
	} else if (tag == DAG_META_PHASE_ERROR) {
		meta->phase_error = (uint32_t)n;
		meta->has_phase = true;
	} else if (section != DAG_META_SECTION_STREAM) {
		return;
	} else if (tag == DAG_META_STREAM_NUMBER) {
		s->number = n;
		s->has_number = true;
	} else if (tag == DAG_META_STREAM_DROP) {
		s->drop = n;
		s->has_drop = true;
	} else if (tag == DAG_META_STREAM_BUFFER_DROP) {
		s->buffer_drop = n;
		s->has_buffer_drop = true;
	}
}

/* Tags of a META record: the bytes rec[offset] to rec[rlen - 1]. */
static inline void
dag_meta_read(const uint8_t *rec, uint32_t offset, uint32_t rlen, uint16_t stream,
	      struct dag_meta *meta)
{
	struct dag_meta_stream s = {0};
	uint16_t section = 0;

	*meta = (struct dag_meta){0};
	while (rlen - offset >= DAG_META_TAG) {
		const uint16_t tag = hm_erf_be16(rec + offset);
		const uint32_t length = hm_erf_be16(rec + offset + 2);
		uint64_t n;

		offset += DAG_META_TAG;
		if (length > rlen - offset) {
			meta->malformed = true;
			break;
		}
		if (tag >= DAG_META_SECTION && tag <= DAG_META_SECTION_LAST) {
			if (section == DAG_META_SECTION_STREAM)
				dag_meta_end_section(&s, stream, meta);
			s = (struct dag_meta_stream){0};
			section = tag;
		} else if (dag_meta_integer(rec + offset, length, &n)) {
			dag_meta_take(section, tag, n, &s, meta);
		}
		offset += (length + 3) & ~3u;
		if (offset > rlen) /* the last padding may be left out */
			offset = rlen;
	}
	if (section == DAG_META_SECTION_STREAM)
		dag_meta_end_section(&s, stream, meta);
}

#endif
