/* SPDX-License-Identifier: BSD-3-Clause */
/* template: which elements a data record has, and how each is taken from a flow record.
 *
 * Compiled once from element ids into a short list of copy operations; encoding a record runs down
 * that list. A data record describes one direction of the biflow, or both: then the reverse
 * elements of RFC 5103 follow.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "netflow/prefixes.h"
#include "netflow/record.h"

#define HM_TEMPLATE_FIELDS     64
#define HM_TEMPLATE_FIELDS_MAX 32  // that a user may ask for
#define HM_TEMPLATE_FIRST      256 // smallest template id, RFC 7011 section 3.4.1

/* An element that is wanted. Length 0: the usual one; paddingOctets need one. */
struct hm_want {
	uint16_t id, length;
};

struct hm_template_field {
	uint32_t enterprise; // 0: IANA's element
	uint16_t id;
	uint16_t length; // as encoded, may be less than the element's own (RFC 7011 section 6.2)
	uint8_t op;
	uint8_t version; // 4 or 6: only such flow records have it
	bool key;        // is the same for all packets of the flow record
	bool directed;   // differs between the directions, and is no key
	/* In the flow record, when endpoint 0 or 1 is the sender; of what a route says: whose route. */
	uint16_t offset[2];
};

struct hm_template {
	uint16_t id;
	uint16_t n;
	uint16_t scopes;   // options templates: the first fields; 0: data
	uint16_t bytes;    // of a data record without variable lengths
	bool both;         // directions are in one data record
	bool routes;       // some fields are of the routes to the endpoints
	bool applications; // there is an applicationId
	struct hm_template_field field[HM_TEMPLATE_FIELDS];
};

/* Of flow records of one IP `version`, 4 or 6; elements of the other version are left out.
 * -ENOTSUP: an element that a flow record does not have; -E2BIG: too many. */
int hm_template_compile(struct hm_template *t, uint16_t id, const struct hm_want *elements,
			unsigned n, unsigned version);
/* Says which fields are keys in the cache, besides addresses, ports and protocol: HM_FLOW_KEY_. */
void hm_template_mark_keys(struct hm_template *t, uint32_t key);
/* Adds the reverse of all that differs between the directions. */
int hm_template_add_reverse(struct hm_template *t);
/* Whether flow records have this element, or the routes to their endpoints. */
bool hm_template_knows(uint16_t element);
/* Whether only routes have it. */
bool hm_template_of_routes(uint16_t element);

/* Whether it is of the frames around the packets. */
bool hm_template_of_frames(uint16_t element);

/* Writes t->bytes bytes: the direction that endpoint `sender` sent first. Uptimes count from
 * boot_ms, milliseconds since 1970. The routes are those to endpoint 0 and 1; NULL: none is known. */
void hm_template_encode(const struct hm_template *t, const struct hm_flow_record *r,
			const struct hm_route *const route[2], unsigned sender, uint64_t boot_ms,
			uint8_t *out);
