/* SPDX-License-Identifier: BSD-3-Clause */
/* record_filter: capture filters (pcap-filter(7)) for flow records: each direction is looked at as an IP
 * packet with its addresses, protocol, ports, ToS and TCP flags, and with the mean length of its
 * packets. What only packets have (VLAN tags, other headers, bytes of the payload) a filter cannot ask
 * for; it is refused, or matches nothing. */
#pragma once

#include "core/batch.h"
#include "core/error.h"
#include "netflow/record.h"

struct hm_filter;

#define HM_RECORDS_MAX HM_BATCH_MAX // looked at together

/* Flow records as packets. */
struct hm_record_packets {
	uint64_t side[2];         // records that have a direction which endpoint d sent
	struct hm_batch batch[2]; // of each endpoint
	uint8_t bytes[2][HM_RECORDS_MAX][60];
};

/* NULL with err: as hm_filter_create(). Control core only. */
struct hm_filter *hm_record_filter_create(const char *expression, struct hm_error *err);
/* n records, at most HM_RECORDS_MAX. */
void hm_record_packets_make(struct hm_record_packets *p, const struct hm_flow_record *r,
			    unsigned n);
/* The directions that match, as masks of records, by the endpoint that sent. */
void hm_record_filter_run(const struct hm_filter *f, const struct hm_record_packets *p,
			  uint64_t side[2]);
