/* SPDX-License-Identifier: BSD-3-Clause */
/* foreign: messages that another configuration has made, and left in the spool. Their templates are told
 * under numbers of their own, since the usual ones have another meaning by now. */
#pragma once

#include "netflow/layout.h"

#define HM_FOREIGN_FIRST 1024 // what is added to the ids of the first such configuration
#define HM_FOREIGN_STEP  16
#define HM_FOREIGN_MAX   64 // configurations until a number is used again

/* The sets of data templates in `bytes`, as hm_message_add_template() writes them, with `shift` added to
 * their ids. False: they make no sense. */
bool hm_foreign_read(struct hm_layout *l, const struct hm_format *format, const uint8_t *bytes,
		     uint32_t n, uint16_t shift);
/* Adds `shift` to the ids of a message's data sets. */
void hm_foreign_shift(const struct hm_format *format, uint8_t *message, uint32_t n, uint16_t shift);
