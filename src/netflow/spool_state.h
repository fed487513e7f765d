/* SPDX-License-Identifier: BSD-3-Clause */
/* spool_state: what the two sides of a spool share: spool.c (the control core's) and spool_disk.c (the
 * thread's). Nobody else's business. */
#pragma once

#include "netflow/relay.h"
#include "netflow/spool.h"

/* A segment in memory, lent to the control core. */
struct hm_spool_page {
	uint64_t number;
	uint8_t *bytes;
	size_t at, n; // from the first frame that has not been sent to the end of the good ones
	uint32_t templates_bytes;
	const uint8_t *templates;
	uint32_t done; // messages of the segment that have been sent
};

/* Counters of the thread; read by the control core. */
struct hm_spool_told {
	uint64_t recovered, full, failed; // flows
	uint64_t recovered_messages, full_messages, failed_messages;
	uint64_t bytes, bad_files;
	bool ready;
	int error; // negative errno of the last failure, 0: none
};

struct hm_spool {
	struct hm_relay relay; // frames to be written
	struct hm_spool_conf conf;
	char format[HM_SPOOL_FORMAT_MAX];
	uint8_t *templates; // as a frame
	uint32_t templates_bytes;

	struct hm_spool_told told;
	struct hm_spool_page *offered;  // by the thread
	struct hm_spool_page *returned; // by the control core
	bool wanted;                    // a page, by the control core

	// the control core's
	uint64_t put, sent, put_messages, sent_messages;
	struct hm_spool_page *page;
};

static inline void hm_spool_add(uint64_t *counter, uint64_t n)
{
	__atomic_store_n(counter, *counter + n, __ATOMIC_RELAXED);
}

/* The thread. */
void *hm_spool_run(void *spool);
