/* SPDX-License-Identifier: BSD-3-Clause */
/* instance: one use of a function in a flow: its configuration, and a core state for each worker that
 * polls the flow's device. Owned by the flow; programs only point at it, so that it keeps its state
 * when a program is replaced.
 */
#pragma once

#include <stdalign.h>
#include <stdatomic.h>

#include "core/config.h"
#include "core/function.h"

/* What one worker has of one instance. The worker is the only writer; others read with
 * hm_core_counts(). The function's own state follows in the next cache line. */
struct hm_core {
	alignas(64) _Atomic uint32_t sequence; // odd while the worker writes the three below
	_Atomic uint64_t in, out, dropped;     // packets
	alignas(64) uint8_t state[];
};

struct hm_counts {
	uint64_t in, out, dropped;
};

struct hm_instance {
	const struct hm_function *fn;
	uint32_t number; // in its flow, from 1
	void *conf;
	json_t *args; // as given, for flow.info
	unsigned n_cores;
	struct hm_core *cores[HM_WORKERS_MAX];
	uint64_t *base; // what the last reset takes off each HM_MERGE_SUM field; NULL: nothing
};

/* Parses the arguments and calls conf_init. NULL with err. */
struct hm_instance *hm_instance_create(const struct hm_function *fn, uint32_t number,
				       const json_t *args, const struct hm_apply_ctx *ctx,
				       struct hm_error *err);
/* Connects: fn->connect, then a core state for each of ctx->n_workers workers on `sockets[]`. */
int hm_instance_connect(struct hm_instance *in, struct hm_core_ctx *ctx, const int *sockets,
			struct hm_error *err);
/* Once no worker can see it: drains and moves what is left. True: nothing is left. */
bool hm_instance_finish(struct hm_instance *in, uint64_t now_ns);
void hm_instance_destroy(struct hm_instance *in);

/* Consistent counts of one worker, or summed over all. Any thread. */
void hm_core_counts(const struct hm_core *core, struct hm_counts *c);
void hm_instance_counts(const struct hm_instance *in, struct hm_counts *c);

/* Sums count from 0 again for readers of this instance; workers are not disturbed. */
int hm_instance_reset(struct hm_instance *in);

/* Times in JSON are decimal strings: nanoseconds since 1970 exceed the 2^53 that every reader can hold. */
json_t *hm_json_ns(uint64_t ns);

/* The merged result, as fn->results describes it plus fn->stats; NULL if the function has none. */
json_t *hm_instance_result(const struct hm_instance *in);

/* Worker: one batch's packets in, out and dropped. */
static inline void hm_core_count(struct hm_core *core, unsigned in, unsigned out, unsigned dropped)
{
	uint32_t sequence = atomic_load_explicit(&core->sequence, memory_order_relaxed);

	atomic_store_explicit(&core->sequence, sequence + 1, memory_order_relaxed);
	atomic_thread_fence(memory_order_release); // reader: hm_core_counts
	atomic_store_explicit(&core->in, atomic_load_explicit(&core->in, memory_order_relaxed) + in,
			      memory_order_relaxed);
	atomic_store_explicit(&core->out,
			      atomic_load_explicit(&core->out, memory_order_relaxed) + out,
			      memory_order_relaxed);
	if (dropped)
		atomic_store_explicit(&core->dropped,
				      atomic_load_explicit(&core->dropped, memory_order_relaxed) +
					      dropped,
				      memory_order_relaxed);
	atomic_store_explicit(&core->sequence, sequence + 2, memory_order_release);
}
