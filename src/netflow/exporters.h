/* SPDX-License-Identifier: BSD-3-Clause */
/* exporters: all those of one FLOW_REPORT, and which record goes to which of them.
 *
 * An exporter gets what its filter lets through. Exporters of one `balance` group share: a record
 * goes to one of them, chosen by a hash of its flow, so that all records of a flow go to one
 * collector. Each member has a score for a flow and the highest wins: when one is lost the others get
 * its flows and keep their own. A member is lost when it is away for too long and has no spool.
 *
 * The list can be changed while records come: an exporter that is in both lists goes on, one that is
 * not any more sends what it has and then ends. In the ledger
 *
 *	handed = filtered + offered, and each exporter's offered as in exporter.h
 */
#pragma once

#include "netflow/exporter.h"

#define HM_EXPORTERS_MAX 8
#define HM_RETIRED_MAX   16 // exporters that are ending

struct hm_exporters_sum {
	uint64_t handed;   // directions of biflows, once for each exporter there was
	uint64_t filtered; // of them, not for that exporter
	struct hm_exporter_counts counts;
};

struct hm_exporters;

/* NULL with err. */
struct hm_exporters *hm_exporters_create(const struct hm_exporter_conf *conf, unsigned n,
					 struct hm_error *err);
void hm_exporters_destroy(struct hm_exporters *xs);
/* -EBUSY: too many are still ending, or one that has a spool which is wanted; -ENOMEM. Then nothing has changed. */
int hm_exporters_change(struct hm_exporters *xs, const struct hm_exporter_conf *conf, unsigned n,
			struct hm_error *err);
unsigned hm_exporters_n(const struct hm_exporters *xs);
struct hm_exporter *hm_exporters_at(const struct hm_exporters *xs, unsigned i);

/* At most HM_EXPORTER_PUT_MAX records. */
void hm_exporters_put(struct hm_exporters *xs, const struct hm_flow_record *r, unsigned n,
		      uint64_t now_ns);
bool hm_exporters_room(const struct hm_exporters *xs); // for so many
unsigned hm_exporters_poll(struct hm_exporters *xs, uint64_t now_ns);
void hm_exporters_finish(struct hm_exporters *xs, uint64_t now_ns);
bool hm_exporters_idle(const struct hm_exporters *xs);

void hm_exporters_sum(const struct hm_exporters *xs, struct hm_exporters_sum *sum);
json_t *hm_exporters_stats(const struct hm_exporters *xs);
