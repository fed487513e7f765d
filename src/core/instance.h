/* SPDX-License-Identifier: BSD-3-Clause */
/* instance: one use of a function in a flow. It refers to a node (node.h), which other flows may refer to as
 * well, and knows what the node had counted when its flow was connected: the base, which is taken off, so that
 * every flow counts from 0. Owned by the flow. Control core only.
 */
#pragma once

#include <sys/queue.h>

#include "core/config.h"
#include "core/node.h"
#include "core/reference.h"

struct hm_counts {
	uint64_t in, out, dropped;
	uint64_t skipped; // kept out by the flow's gate (gate.h)
};

/* One feed of values from elsewhere, as flow_feeds.c has it. */
struct hm_wire {
	LIST_ENTRY(hm_wire) next;   // of all connected readers
	struct hm_flow *flow;       // the reader's
	struct hm_instance *reader; // in it
	struct hm_feed *feed;       // the reader's end
	struct hm_read read;
	struct hm_node *tap; // NULL: one of the two flows is not connected
	struct hm_node *mark,
		*pick; // the way of a counter's packets into the ordered part, or NULL
	uint32_t order_ref;
};

struct hm_instance {
	const struct hm_function *fn;
	uint32_t number;   // in its flow, from 1
	enum hm_unit unit; // of its values
	struct hm_selector selector;
	void *conf;               // from connect on the node's
	json_t *args;             // as given
	json_t *shown;            // the same without what is secret, for flow.info
	struct hm_handed *handed; // what the client passed for it, or NULL
	char *key;                // canonical arguments until connect, NULL: not shared, or none
	struct hm_node *node;     // NULL before connect
	const struct hm_instance *before; // in its flow, on the same workers
	struct hm_gate *gate;             // NULL: there was never one before it
	uint32_t n_wires;
	struct hm_wire *wires;
	struct hm_feed *feeds; // one a wire; workers look at them
	uint64_t late;         // of readers: their place among all, as they were applied; else 0
	struct hm_node *leave, *back; // the detour before a reader, or NULL
	bool waits;    // for other flows (function.h, awaits), since the last programs
	bool passed;   // it has waited, and never will again
	bool counting; // base is known: what the node counts is the flow's, too
	struct hm_counts base;
	uint64_t field_base[]; // taken off each field of the result that is a sum
};

/* Parses the arguments and calls conf_init. NULL with err. */
struct hm_instance *hm_instance_create(const struct hm_function *fn, uint32_t number,
				       const json_t *args, const struct hm_apply_ctx *ctx,
				       struct hm_error *err);
/* What it will take on so many workers, if it shares nothing with others: an estimate. Before connect. */
uint64_t hm_instance_bytes(const struct hm_instance *in, unsigned n_workers);
/* Calls fn->connect and finds or makes the node behind `parent`. */
int hm_instance_connect(struct hm_instance *in, struct hm_node *parent, struct hm_core_ctx *ctx,
			struct hm_error *err);
/* Once no worker can see it: drains and moves what is left. True: nothing is left. */
bool hm_instance_finish(struct hm_instance *in, uint64_t now_ns);
void hm_instance_destroy(struct hm_instance *in);

/* What makes its base, as each worker counts it: fills from[], at most HM_MARKS_MAX, returns how many. The
 * worker reads them all before its first batch with the new program. */
#define HM_MARKS_MAX (2 + HM_SHARED_RESULTS_MAX)
unsigned hm_instance_marks(const struct hm_instance *in, unsigned lane,
			   const uint64_t *from[HM_MARKS_MAX]);
/* Begins to count. `sums` are the marks added up over all workers, `in_base` the packets into it. Returns the
 * packets out of it, which is the next one's in_base. */
uint64_t hm_instance_begin(struct hm_instance *in, uint64_t in_base, const uint64_t *sums);

/* Packets since connect, summed over all workers: out + dropped + skipped <= in at every moment, and what is
 * missing was filtered when nothing is in the workers. Any thread. */
void hm_instance_counts(const struct hm_instance *in, struct hm_counts *c);

/* Sums count from 0 again for readers of this instance; workers and other flows are not disturbed. False: there is
 * no sum in its result. */
bool hm_instance_reset(struct hm_instance *in);

/* Takes up to `max` records out of what the function hands out once, as an array; NULL if it hands out nothing. */
json_t *hm_instance_take(const struct hm_instance *in, uint32_t max);

enum hm_news {
	HM_NEWS_NEVER, // it hands out nothing
	HM_NEWS_LATER,
	HM_NEWS_NOW, // packets or records wait to be taken, or a sequence has more than `after`
	HM_NEWS_END, // none do, and there will be none
};
/* `finished`: its device has no more packets. */
enum hm_news hm_instance_news(const struct hm_instance *in, uint64_t after, bool finished);

/* The merged result, as fn->results describes it plus fn->stats, and the counts of its outbox; NULL if the function has none. */
json_t *hm_instance_result(const struct hm_instance *in);
