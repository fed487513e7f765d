/* SPDX-License-Identifier: BSD-3-Clause */
/* report: what a FLOW_REPORT consists of, besides its function: the workers' meters, the exporters, and
 * the books of both. The control core's, but for what its parts give to workers. */
#pragma once

#include "core/config.h"
#include "netflow/exporters.h"
#include "netflow/meter.h"
#include "netflow/options.h"
#include "netflow/survey.h"
#include "netflow/warm.h"

struct hm_outbox;
struct hm_routes_file;

struct hm_report {
	bool lossless;                 // records wait in the rings for exporters that have no room
	struct hm_routes_file *routes; // NULL: none
	struct hm_exporters *exporters;
	struct hm_outbox *outbox; // of messages to the client, NULL: none
	// lost in rings until the exporters changed: directions, and once for each exporter that there was
	uint64_t lost_then, lost_each_then;
	struct hm_meter meter[HM_WORKERS_MAX];
	struct hm_warm *warm; // NULL: none
	bool taken_over;      // what the warm file had
	bool closing;         // by a user, or by a configuration without it
	bool keep;            // set before workers drain: open records stay for the next daemon
	uint64_t lost_before; // records that a daemon that was killed had made and not exported
	struct hm_surveyor *surveyor;
	uint64_t active_ns, inactive_ns; // since a change; 0: none yet
	char device[64];
};

/* For flow.read and netflow.stats: caches, exporters, and the line of the ledger. */
json_t *hm_report_stats(const struct hm_report *r, const struct hm_report_options *o);
/* For the options records of the exporters; arg is the report. */
void hm_report_shortfalls(const void *arg, struct hm_shortfall *ignored,
			  struct hm_shortfall *unsent);
/* As hm_exporters_change(); the books go on. */
int hm_report_change_exporters(struct hm_report *r, const struct hm_report_options *o,
			       struct hm_error *err);
