/* SPDX-License-Identifier: BSD-3-Clause */
/* span: where a field of a text protocol is in a payload. Offsets are from the payload's first byte. */
#pragma once

#include <stdint.h>

#include "anon/names.h"

#define HM_SPANS_MAX 512 // of one packet

/* line <= value <= value_end <= line_end */
struct hm_span {
	uint16_t value, value_end;
	uint16_t line,
		line_end; // what goes with the field when it is taken out; with the line's end
};

/* Spans of one field, in the order of the packet. */
struct hm_spans {
	unsigned n;
	struct hm_span at[HM_SPANS_MAX];
};

/* Beyond the last one that there is room for, that one goes on: what is between them is taken for the field, too. */
static inline void hm_spans_add(struct hm_spans *spans, uint32_t line, uint32_t value,
				uint32_t value_end, uint32_t line_end)
{
	struct hm_span *s = &spans->at[spans->n < HM_SPANS_MAX ? spans->n : HM_SPANS_MAX - 1];

	if (spans->n < HM_SPANS_MAX) {
		spans->n++;
		s->line = (uint16_t)line;
		s->value = (uint16_t)value;
	}
	s->value_end = (uint16_t)value_end;
	s->line_end = (uint16_t)line_end;
}
