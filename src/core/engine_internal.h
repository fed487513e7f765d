/* SPDX-License-Identifier: BSD-3-Clause */
/* What the files of the engine share; nobody else includes this. */
#pragma once

#include "core/compiler.h"
#include "core/flow.h"
#include "core/search_store.h"

#define HM_LEARNED_MAX 512

/* What a function was measured to cost of what the model says, and the part of packets that it passes (cost.c). */
struct hm_learned {
	const struct hm_function *fn;
	bool slow; // asked packet by packet
	double factor, passes;
	double cycles, expected; // being added up
	struct hm_sample sum;
};

struct hm_engine {
	const struct hm_config *config;
	struct rte_rcu_qsbr *qsbr;
	_Atomic bool stop;
	bool launched;
	uint64_t last_second_tsc;
	unsigned n_workers;
	struct hm_worker *workers[HM_WORKERS_MAX];
	struct hm_device_list devices;
	unsigned next_worker; // that gets a queue
	uint32_t last_device; // number
	uint32_t last_flow_id;
	struct hm_flow_list flows;
	struct hm_accounts accounts;
	LIST_HEAD(, hm_wire) wires;   // of connected flows that read others (flow_feeds.c)
	uint64_t last_late;           // of those applied
	struct hm_flow_bucket polled; // have a function with poll()
	uint32_t n_closing;           // flows that are closing or finishing
	struct hm_flow_bucket flows_by_id[HM_FLOW_BUCKETS], flows_by_name[HM_FLOW_BUCKETS];
	struct hm_compiler *compiler;
	struct hm_wait *waits;    // for something to be handed out
	struct hm_reload *reload; // under way, or NULL
	struct hm_admission_config admission;
	uint32_t sample_batches; // one batch of so many is timed, 0: none
	uint32_t n_learned;
	struct hm_learned learned[HM_LEARNED_MAX];
};

/* --- devices.c --- */

int hm_devices_from_config(struct hm_engine *e, struct hm_error *err);
/* Moves programs, starts, ends and removals. Returns work done. */
unsigned hm_devices_poll(struct hm_engine *e);
/* No worker knows it, and hm_publish_fini() was called. */
void hm_device_free(struct hm_device *d);

/* --- publish.c --- */

/* Moves a device's programs towards what its flows want. Returns work done. */
unsigned hm_publish_poll(struct hm_device *d);
/* Nothing is being compiled or waited for, and nothing is dirty. */
bool hm_publish_settled(const struct hm_device *d);
/* The workers have ended: frees what is published and half-made. */
void hm_publish_fini(struct hm_device *d);

/* --- publish_patterns.c --- */

/* Moves a device's pattern database towards what its flows want. Returns work done. */
unsigned hm_patterns_poll(struct hm_device *d);
/* Whether the database (NULL: none) holds all patterns of a flow that is connecting or connected. */
bool hm_patterns_held(const struct hm_flow *f, const struct hm_search_db *db);
void hm_patterns_fini(struct hm_device *d);

/* --- wait.c --- */
/* Answers whoever has waited long enough. Returns work done. */
unsigned hm_waits_poll(struct hm_engine *e);
void hm_waits_forget(struct hm_engine *e, uint64_t client); // it has gone
void hm_waits_fini(struct hm_engine *e, const struct hm_error *err);

/* --- reload.c --- */
int hm_flows_from_config(struct hm_engine *e, const struct hm_config *config, struct hm_error *err);
unsigned hm_reload_poll(struct hm_engine *e);
void hm_reload_fini(struct hm_engine *e);
