/* SPDX-License-Identifier: BSD-3-Clause */
/* marks: from what on flows count that are new in a program. Each worker reads the marks before its first batch
 * with the program; added up over all workers they are the bases of the flows' instances. The first mark is the
 * root's. Control core only, but for the reading (hm_program_adopt).
 */
#pragma once

#include "core/flow.h"

struct hm_mark;

uint32_t hm_marks_count(struct hm_flow *const *flows, uint32_t n);
/* Tells a worker what to read: fills hm_marks_count() marks. */
void hm_marks_fill(struct hm_mark *marks, struct hm_nodes *nodes, unsigned lane,
		   struct hm_flow *const *flows, uint32_t n);
/* All workers have: the flows count. `sums` are the marks, each added up over the workers. */
void hm_marks_begin(const uint64_t *sums, struct hm_flow *const *flows, uint32_t n);
