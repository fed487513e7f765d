/* SPDX-License-Identifier: BSD-3-Clause */
/* flow: what a user asked for: a device and an ordered list of function instances. Control core only. */
#pragma once

#include <sys/queue.h>

#include "core/account.h"
#include "core/device.h"
#include "core/engine.h"
#include "core/governor.h"
#include "core/instance.h"

#define HM_FLOW_BUCKETS 8192

enum hm_flow_state {
	HM_FLOW_INIT,       // functions may be applied
	HM_FLOW_CONNECTING, // waits for programs that contain it
	HM_FLOW_ACTIVE,
	HM_FLOW_FAILED,    // connect failed: may only be closed
	HM_FLOW_CLOSING,   // gone for clients, waits until no worker can see it
	HM_FLOW_FINISHING, // no worker sees it; what it holds is moved out
};

struct hm_flow {
	TAILQ_ENTRY(hm_flow) next;
	LIST_ENTRY(hm_flow) same_id, same_name, next_polled;
	bool polled;    // on the engine's list of flows with a function that has poll()
	bool searches;  // has a function with a pattern
	bool preparing; // connecting: a function is not prepared yet
	struct hm_engine *engine;
	struct hm_device *device;
	uint32_t id;
	char *name;
	struct hm_owner owner;
	struct hm_account *account; // of the owner, NULL: the configuration's
	uint64_t bytes;             // charged to it
	char *new_name;             // that it gets when a reload is complete
	char *config_path;          // "flows[2]" if the configuration made it, else NULL
	json_t *config_functions;
	bool kept; // by the reload that is being looked at
	enum hm_flow_state state;
	uint64_t connected_ns;
	uint64_t generation; // the last one whose programs have it, 0: none
	uint32_t n,
		head; // functions in all; the first `head` are its policy's, which users do not see
	struct hm_instance **instances;
	// flow_order.c: with an ordered part, which begins with instances[split]; else split is n or more
	uint32_t split;
	enum hm_order_kind order;
	uint32_t order_ref; // in that order of the device, 0: none
	struct hm_node *mark,
		*pick; // the ends of the way to it, between instances[split - 1] and [split]
	// admission.c
	struct hm_terms terms;
	struct hm_governed governed;
	unsigned level;   // of its gate (gate.h)
	double predicted; // cycles a packet, when it was connected
	uint64_t searched,
		searches_recent; // packets that its patterns were asked for: in all, since the last look
	bool leaving;            // is closed when the reload under way is complete
	hm_done_cb done;         // of the pending connect, or of who waits for the end
	void *done_arg;
};

TAILQ_HEAD(hm_flow_list, hm_flow);
LIST_HEAD(hm_flow_bucket, hm_flow);

/* change.c: whether the flow can have these functions (of the configuration) without being made anew; and
 * gives it them. */
bool hm_flow_can_become(struct hm_flow *f, const json_t *functions);
int hm_flow_become(struct hm_flow *f, const json_t *functions, struct hm_error *err);
/* Answers a pending connect. */
void hm_flow_answer(struct hm_flow *f, const struct hm_error *err);
/* A connecting flow is active, and its connect answered; or it has failed. */
void hm_flow_connected(struct hm_flow *f);
void hm_flow_refuse(struct hm_flow *f, const struct hm_error *err);
void hm_flow_free(struct hm_flow *f);
/* A function of a flow that is connected; NULL with err. */
struct hm_instance *hm_flow_running(struct hm_flow *f, const json_t *which, struct hm_error *err);
void hm_flow_hurry(struct hm_flow *f); // the daemon stops
/* Looks whether the functions of a connecting flow are prepared by now; refuses it if one failed. */
void hm_flow_prepare(struct hm_flow *f);

/* A function as users number them, from 1 on. */
static inline struct hm_instance *hm_flow_function(const struct hm_flow *f, uint32_t number)
{
	return f->instances[f->head + number - 1];
}

/* What a function of the flow is applied with behind the first n ones, of which `before` gets what they are, without
 * the policy's. */
struct hm_apply_ctx hm_flow_apply_ctx(const struct hm_flow *f, struct hm_applied *before,
				      uint32_t n);

/* --- flow_feeds.c --- */

/* As hm_apply_ctx's `other`, with the flow as its place. */
int hm_flow_other(const struct hm_apply_ctx *ctx, const struct hm_flow_name *which,
		  struct hm_other *found, struct hm_error *err);
/* The detour before an instance that reads values from elsewhere: what it hangs on. NULL with err. */
struct hm_node *hm_flow_detour(struct hm_instance *in, struct hm_node *parent,
			       struct hm_core_ctx *ctx, struct hm_error *err);
/* Its instances have their nodes: ties them to flows that are connected, and those to it. */
int hm_flow_feeds_connect(struct hm_flow *f, struct hm_error *err);
/* The nodes that readers and read flows of the generation being made have in common. */
void hm_flow_feeds_use(struct hm_device *d,
		       void (*use)(struct hm_device *d, struct hm_node *n, void *arg), void *arg);
/* No flow that it reads is one that a reload replaces. */
bool hm_flow_feeds_are_kept(const struct hm_flow *f);
/* It begins to close: nobody reads it any more. True: workers may be doing so still. */
bool hm_flow_feeds_close(struct hm_flow *of);
void hm_flow_feeds_free(struct hm_flow *f); // no worker can see it

/* --- flow_order.c --- */

#define HM_FLOW_NO_SPLIT UINT32_MAX

/* How many workers will run function i (from 0) of the flow, if `fn` is to be that one, the last one. */
unsigned hm_flow_workers(const struct hm_flow *f, const struct hm_function *fn);
/* fn has been applied as the last one: moves the split to where it belongs now, and applies functions again that
 * come to lie behind it. */
int hm_flow_split(struct hm_flow *f, struct hm_error *err);
/* The node that the ordered part hangs on. NULL with err. */
struct hm_node *hm_flow_order(struct hm_flow *f, struct hm_node *parent, struct hm_core_ctx *ctx,
			      struct hm_error *err);
void hm_flow_order_stop(struct hm_flow *f); // it is being closed
void hm_flow_order_free(struct hm_flow *f);
/* Where the ordered part runs, and its packets; NULL without one. */
json_t *hm_flow_order_json(const struct hm_flow *f);
/* Adds its line of the ledger to `lines`. */
void hm_flow_order_line(const struct hm_flow *f, json_t *lines, bool *all_balanced);

/* --- flow_index.c --- */

void hm_flow_index_add(struct hm_flow *f);
void hm_flow_index_remove(struct hm_flow *f);
/* Gives a flow without a name one, or (`later`) the one that it gets when a reload is complete. False: no
 * memory. */
bool hm_flow_set_name(struct hm_flow *f, const char *name, bool later);
void hm_flow_take_name(struct hm_flow *f); // now it is complete
struct hm_flow *hm_flow_by_id(struct hm_engine *e, uint32_t id);
/* The flow that has the name, or (`later`, too) is to get it, and is not being closed. */
struct hm_flow *hm_flow_by_name(struct hm_engine *e, const char *name, bool later);
