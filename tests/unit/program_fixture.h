/* SPDX-License-Identifier: BSD-3-Clause */
/* program_fixture: flows, nodes and programs without devices and workers around them. The test is the control
 * core and all workers: it adds and removes flows, publishes, and runs batches on any lane.
 *
 *	fixture_open(&x, lanes);
 *	struct hm_flow *f = fixture_flow(&x, "[[\"BPF_FILTER\", \"udp\"], [\"PKT_COUNTER\"]]");
 *	fixture_publish(&x);
 *	fixture_run(&x, lane, &batch);
 *	fixture_close(&x);
 */
#pragma once

#include "core/marks.h"
#include "core/program.h"

#define FIXTURE_FLOWS 256

struct fixture {
	unsigned n_lanes;
	struct hm_nodes *nodes;
	struct hm_flow *flows[FIXTURE_FLOWS]; // connected or to be connected
	uint32_t n_flows;
	uint64_t generation;
	struct hm_filter_index *index;
	struct hm_search_db *db;
	struct hm_searches *searches[4];
	struct hm_program *programs[4];
	struct hm_workspace *ws;
	struct hm_stopwatch *watch; // NULL: batches are not timed
};

void fixture_open(struct fixture *x, unsigned n_lanes);
void fixture_close(struct fixture *x);
/* A flow that is in the programs from the next fixture_publish() on; `functions` is JSON. */
struct hm_flow *fixture_flow(struct fixture *x, const char *functions);
/* Out of the programs at once, as if published, and gone. */
void fixture_remove(struct fixture *x, struct hm_flow *f);
/* New programs on all lanes; flows that are new count from now on. */
void fixture_publish(struct fixture *x);
/* One batch of parsed or unparsed packets (data, caplen, wirelen) through the lane's program. */
void fixture_run(struct fixture *x, unsigned lane, struct hm_batch *b);
/* The number that a function of the flow (from 1) has as its value. */
uint64_t fixture_value(const struct hm_flow *f, uint32_t number);
void fixture_expect(const struct hm_flow *f, uint32_t number, uint64_t in, uint64_t out,
		    uint64_t dropped);
