/* SPDX-License-Identifier: BSD-3-Clause */
/* options: what FLOW_REPORT is told, as a JSON object (a "netflow" entry of the configuration
 * without its device) or as MAPI's arguments. Strict: an unknown key, a wrong type or a value out
 * of range is an error that names its JSON path and what would have been right. docs/netflow.md
 * describes each key.
 */
#pragma once

#include <jansson.h>
#include <stdint.h>

#include "core/error.h"
#include "netflow/cache.h"
#include "netflow/exporters.h"

struct hm_flow_report_config;

struct hm_report_options {
	uint64_t active_ns, inactive_ns;
	uint32_t cache_entries; // of all workers together
	uint32_t key;           // set of HM_FLOW_KEY_
	enum hm_overload overload;
	uint32_t flow_sampling;      // one of so many flows is metered
	uint32_t domain;             // of exporters that do not say otherwise
	char warm_file[HM_FILE_MAX]; // keeps open records over a restart (netflow/warm.h), "": none
	char routes[HM_FILE_MAX];    // file of prefixes (netflow/prefixes.h), "": none
	unsigned n_exporters;
	struct hm_exporter_conf exporter[HM_EXPORTERS_MAX];
};

/* NULL: as if the configuration said nothing. */
void hm_report_defaults(struct hm_report_options *o, const struct hm_flow_report_config *c);
/* `path` stands before each JSON path in messages, e.g. "options". */
int hm_report_parse(struct hm_report_options *o, const json_t *object, const char *path,
		    struct hm_error *err);
/* Whether the flow cache has to have what is of frames: the key or a template wants it. */
bool hm_report_wants_frames(const struct hm_report_options *o);
/* Refuses what cannot change while it runs: what the caches are made of, and what is known of them
 * elsewhere. */
int hm_report_check_change(const struct hm_report_options *old, const struct hm_report_options *new,
			   struct hm_error *err);
/* One more exporter from MAPI's record type, transport ("192.0.2.1:4739", "[2001:db8::1]:4739",
 * "file:/var/flows/a.ipfix") and record template ("%BYTES %PKTS", or empty). */
int hm_report_add_mapi(struct hm_report_options *o, const char *record_type, const char *transport,
		       const char *template, struct hm_error *err);
