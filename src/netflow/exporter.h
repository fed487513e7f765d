/* SPDX-License-Identifier: BSD-3-Clause */
/* exporter: one destination of flow records, on the control core. Encodes records into messages,
 * keeps them in a bounded queue, sends what the collector and the rate limit allow, and counts each
 * record.
 *
 *	records offered, and recovered from a spool, = exported + spooled + queued
 *		+ lost (queue_full, refused, unreachable, unsupported, spool_full, spool_failed)
 *
 * A record is one direction of a biflow here, also where a data record carries both. Templates and
 * options (netflow/announcement.h) go out before the first data, then by time and by number of
 * messages, and at once when a collector may have come back. While a collector is known to be away
 * (its host answers "port unreachable", there is no route or connection) data is held and templates
 * are sent as a probe; when the queue is full, or after HM_EXPORTER_PATIENCE_NS, what is held is
 * lost and counted. Never blocks. Times are of any clock that does not step.
 */
#pragma once

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>

#include "core/error.h"
#include "netflow/announcement.h"
#include "netflow/record.h"
#include "netflow/routes_file.h"
#include "netflow/spool.h"
#include "netflow/transport.h"

#define HM_EXPORTER_PUT_MAX     64 // biflows that an empty queue always has room for
#define HM_FILTER_MAX           512
#define HM_BALANCE_MAX          32
#define HM_EXPORTER_PATIENCE_NS UINT64_C(10000000000)

struct hm_exporter_conf {
	const struct hm_format *format;
	const struct hm_transport *transport;
	struct hm_endpoint to;
	struct hm_layout_conf layout;
	struct hm_origin origin;
	uint32_t tell; // options, set of HM_TELL_
	uint32_t template_interval_s;
	uint32_t template_packets;  // messages between templates
	uint32_t mtu;               // of the path: IP packets are not longer
	uint32_t max_records_per_s; // 0: no limit
	uint32_t queue_messages;
	struct hm_spool_conf spool;
	char filter[HM_FILTER_MAX];    // netflow/record_filter.h; "": all records
	char balance[HM_BALANCE_MAX];  // the group that it shares records with; "": none
	const char *device;            // where interfaces are; must outlive the exporter
	struct hm_routes_file *routes; // AS numbers ...; must outlive the exporter. NULL: none
	struct hm_selector selectors[HM_SELECTORS_MAX]; // that packets went through, in order
	unsigned n_selectors;
	uint32_t flow_sampling; // one of so many flows is metered; 0, 1: each
	/* What happened before records came here; NULL: nothing is known. */
	void (*shortfalls)(const void *arg, struct hm_shortfall *ignored,
			   struct hm_shortfall *unsent);
	const void *shortfalls_arg;
};

struct hm_exporter_counts {
	uint64_t offered;    // records given to hm_exporter_put()
	uint64_t sent;       // records that the kernel took
	uint64_t queued;     // now, in the queue and in the open message
	uint64_t queue_full; // lost: no room in the queue
	uint64_t refused; // lost: of `sent`, refused by the collector's host, or on a broken line
	uint64_t unreachable;                // lost: collector away for too long
	uint64_t unsupported;                // lost: the format cannot say it
	uint64_t data_records;               // sent
	uint64_t messages, bytes, templates; // sent; templates: messages of them and of options
	uint64_t send_errors, busy, reconnects;
	struct hm_spool_counts spool;
};

struct hm_exporter;

void hm_exporter_defaults(struct hm_exporter_conf *conf);
bool hm_exporter_conf_equal(const struct hm_exporter_conf *a, const struct hm_exporter_conf *b);
/* Whether it reads or writes files, with the daemon's rights. */
bool hm_exporter_names_files(const struct hm_exporter_conf *conf);
/* NULL: no memory, or a layout that hm_layout_build() refuses. */
struct hm_exporter *hm_exporter_create(const struct hm_exporter_conf *conf);
void hm_exporter_destroy(struct hm_exporter *x); // what is queued is gone

/* Each biflow becomes a data record for each direction that has packets, or one for both. Of at most 64
 * biflows those directions are meant whose bit is in side[], by the endpoint that sent; where both are in
 * one record either is enough. Returns how many directions that were. */
uint64_t hm_exporter_put(struct hm_exporter *x, const struct hm_flow_record *r, unsigned n,
			 const uint64_t side[2], uint64_t now_ns);
/* Room for `n` biflows, or no sense in waiting for it. */
bool hm_exporter_room(const struct hm_exporter *x, unsigned n);
/* Sends; about every millisecond. Messages handled, 0: nothing to do now. */
unsigned hm_exporter_poll(struct hm_exporter *x, uint64_t now_ns);
/* The end is near: nothing is held back to fill messages, and an absent collector gets one more
 * second. */
void hm_exporter_finish(struct hm_exporter *x, uint64_t now_ns);
/* Nothing more will be put; what there is still has the usual patience. */
void hm_exporter_retire(struct hm_exporter *x);
bool hm_exporter_idle(const struct hm_exporter *x); // nothing is queued
/* The collector is away for too long, and nothing keeps records for it. */
bool hm_exporter_is_lost(const struct hm_exporter *x);
const char *hm_exporter_spool_dir(const struct hm_exporter *x); // "": there is none

/* Tells exporters apart that collectors take for different ones; never 0. */
uint64_t hm_exporter_id(const struct hm_exporter_conf *conf);
/* Goes on with the sequence number of an exporter of the same origin before this one. Before anything is sent;
 * streams begin anew with each connection in any case. */
void hm_exporter_resume(struct hm_exporter *x, uint32_t sequence);
uint32_t hm_exporter_sequence(const struct hm_exporter *x);

void hm_exporter_counts(const struct hm_exporter *x, struct hm_exporter_counts *counts);
/* Adds what the ledger wants to know. */
void hm_exporter_add_counts(const struct hm_exporter *x, struct hm_exporter_counts *sum);
json_t *hm_exporter_stats(const struct hm_exporter *x);
