/* SPDX-License-Identifier: BSD-3-Clause */
/* message: an export message under construction: a header, and sets of templates or records, in
 * any format. A set is opened when its first record comes, and closed by another one or the end. */
#pragma once

#include "netflow/format.h"
#include "netflow/routes.h"

struct hm_message {
	const struct hm_format *format;
	uint8_t *at;
	uint32_t room;                  // bytes
	uint32_t used;                  // bytes, header included
	uint32_t set;                   // offset of the open set, 0: none is open
	uint16_t set_id;                // of it
	uint16_t records;               // data records, those of options too
	uint16_t templates;             // template records
	bool has_clock;                 // boot_ms is decided
	uint64_t boot_ms;               // uptimes count from here, ms since 1970
	uint64_t latest_ms;             // end of the latest flow record
	const struct hm_routes *routes; // set by who wants them, valid at each record; NULL: none
};

/* A value of an options record. */
struct hm_option_value {
	uint64_t number;
	const char *text; // of a string
};

static inline void hm_put16(uint8_t *p, uint16_t v)
{
	p[0] = (uint8_t)(v >> 8);
	p[1] = (uint8_t)v;
}

static inline void hm_put32(uint8_t *p, uint32_t v)
{
	hm_put16(p, (uint16_t)(v >> 16));
	hm_put16(p + 2, (uint16_t)v);
}

static inline uint16_t hm_get16(const uint8_t *p)
{
	return (uint16_t)(p[0] << 8 | p[1]);
}

static inline uint32_t hm_get32(const uint8_t *p)
{
	return (uint32_t)p[0] << 24 | (uint32_t)p[1] << 16 | (uint32_t)p[2] << 8 | p[3];
}

void hm_message_begin(struct hm_message *m, const struct hm_format *format, uint8_t *at,
		      uint32_t room, const struct hm_origin *origin);
/* Appends one data record. False: does not fit into this message; an empty one takes any. */
bool hm_message_add(struct hm_message *m, const struct hm_template *t,
		    const struct hm_flow_record *r, unsigned sender);
/* Appends a template, or an options template. False: no room. */
bool hm_message_add_template(struct hm_message *m, const struct hm_template *t);
/* Appends a data record of an options template, a value for each field. False: no room. */
bool hm_message_add_options(struct hm_message *m, const struct hm_template *t,
			    const struct hm_option_value *values);
/* Closes the message; m->used is its length. */
void hm_message_end(struct hm_message *m);

/* Bytes of a message that any record of this template, and the template itself, fit into. */
uint32_t hm_message_least(const struct hm_format *format, const struct hm_template *t);

/* When this machine booted, ms since 1970: what uptimes count from as long as they can. */
uint64_t hm_boot_ms(void);
