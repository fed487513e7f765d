/* SPDX-License-Identifier: BSD-3-Clause */
/* format: a protocol that exporters speak, and the one table of them.
 *
 * What is common to all (records in sets, sets in a message) is netflow/message.h; a format says how
 * its header looks and which liberties it has. Sequence number and export time are stamped when a
 * message leaves, since they count and date what was sent, not what was queued.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "netflow/template.h"

struct hm_message;

/* What headers tell about the exporter. */
struct hm_origin {
	uint32_t domain;            // observation domain, source id, engine
	uint32_t sampling_interval; // one of about so many packets is metered; 1: each
};

struct hm_format {
	const char *name;      // in the configuration
	const char *mapi_name; // as FLOW_REPORT's record type
	uint16_t port;         // the usual one
	uint16_t header;       // bytes
	uint16_t set_header;   // bytes, 0: records follow each other, without sets
	uint16_t set_align;    // length of a set is a multiple of this
	uint16_t template_set; // id; 0: there are no templates, see `fixed`
	uint16_t options_set;  // id of options templates
	uint16_t records_max;  // in a message
	uint32_t domain_max;   // largest observation domain
	uint32_t sampling_max; // largest sampling interval
	bool system_scopes;    // NetFlow 9's own scopes of options, and its ICMP_TYPE
	bool open_elements;    // elements of enterprises and of variable length may be sent
	bool uptime;           // the header's clock is an uptime of 32 bits
	bool narrow;           // counters have 32 bits
	bool ipv4_only;
	bool sequence_of_messages;   // the sequence number counts messages, not data records
	bool streams;                // may go over TCP
	const struct hm_want *fixed; // the only data record there is, IPv4
	uint16_t n_fixed;

	void (*open_header)(uint8_t *message, const struct hm_origin *origin);
	/* Length or count; formats with uptime: a clock at which all records had ended. */
	void (*close_header)(const struct hm_message *m);
	void (*stamp)(uint8_t *message, uint32_t sequence, uint64_t now_ns); // since 1970
};

extern const struct hm_format hm_ipfix, hm_netflow9, hm_netflow5;

const struct hm_format *hm_format_by_name(const char *name);      // NULL: unknown
const struct hm_format *hm_format_by_mapi_name(const char *name); // letters in any case
const char *hm_format_names(void);                                // for messages: "ipfix, ..."
