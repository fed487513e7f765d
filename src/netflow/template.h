/* SPDX-License-Identifier: BSD-3-Clause */
/* template: which elements a data record has, and how each is taken from a flow record.
 *
 * Compiled once from element ids into a short list of copy operations; encoding a record runs down
 * that list. One data record describes one direction of the biflow.
 */
#pragma once

#include <stdint.h>

#include "netflow/record.h"

#define HM_TEMPLATE_FIELDS 32
#define HM_TEMPLATE_FIRST  256 // smallest template id, RFC 7011 section 3.4.1

struct hm_template_field {
	uint16_t id;     // element
	uint16_t length; // as encoded, may be less than the element's own (RFC 7011 section 6.2)
	uint8_t op;
	uint16_t offset[2]; // in the flow record, when endpoint 0 or 1 is the sender
};

struct hm_template {
	uint16_t id;
	uint16_t n;
	uint16_t bytes; // of a data record
	struct hm_template_field field[HM_TEMPLATE_FIELDS];
};

/* From `n` element ids. -ENOTSUP: an element that a flow record does not have; -E2BIG: too many. */
int hm_template_compile(struct hm_template *t, uint16_t id, const uint16_t *elements, unsigned n);

/* The basic templates: `version` is 4 or 6. */
void hm_template_basic(struct hm_template *t, uint16_t id, unsigned version);

/* Writes t->bytes bytes: the direction that endpoint `sender` sent. */
void hm_template_encode(const struct hm_template *t, const struct hm_flow_record *r,
			unsigned sender, uint8_t *out);
