/* SPDX-License-Identifier: BSD-3-Clause */
/* format: a protocol that exporters speak, and the one table of them.
 *
 * An exporter builds messages with a writer of the format; sequence number and export time are
 * stamped when a message leaves, since they count and date what was sent, not what was queued.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "netflow/record.h"
#include "netflow/template.h"

enum { HM_TEMPLATE_IPV4, HM_TEMPLATE_IPV6, HM_TEMPLATES };

/* A message under construction. */
struct hm_message {
	uint8_t *at;
	uint32_t room;    // bytes
	uint32_t used;    // bytes, header included
	uint32_t set;     // offset of the open set
	uint16_t set_id;  // 0: no set is open
	uint16_t records; // data records
};

struct hm_format {
	const char *name;      // in the configuration
	const char *mapi_name; // as FLOW_REPORT's record type
	uint16_t port;         // IANA's
	void (*begin)(struct hm_message *m, uint8_t *at, uint32_t room, uint32_t domain);
	/* Appends one data record; false: no room. */
	bool (*add)(struct hm_message *m, const struct hm_template *t,
		    const struct hm_flow_record *r, unsigned sender);
	/* Appends the templates; false: no room. */
	bool (*add_templates)(struct hm_message *m, const struct hm_template *t, unsigned n);
	/* Closes the message; m->used is its length. */
	void (*end)(struct hm_message *m);
	void (*stamp)(uint8_t *message, uint32_t sequence, uint32_t export_s);
};

const struct hm_format *hm_format_by_name(const char *name);      // NULL: unknown
const struct hm_format *hm_format_by_mapi_name(const char *name); // letters in any case
const char *hm_format_names(void);                                // for messages: "ipfix, ..."
