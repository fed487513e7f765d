/* SPDX-License-Identifier: BSD-3-Clause */
/* engine: devices, workers and flows as the control core sees them. Everything here is called on
 * the control core only and never blocks: what has to wait for workers or for the pattern compiler
 * is carried on by hm_engine_poll() and reported through a callback.
 */
#pragma once

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>

#include "core/answer.h"
#include "core/config.h"
#include "core/error.h"

struct hm_engine;
struct hm_flow;
struct hm_device;
struct hm_handed;
struct hm_handed_list;
struct hm_policy;

/* Who asks: a client of the control socket, or the daemon itself (configuration). */
struct hm_owner {
	uint32_t uid;
	bool administrator;
	bool configured; // the configuration's own
	uint64_t client; // number of the connection, 0: none (configuration, persistent flows)
	struct hm_policy *policy; // NULL: none; whoever has the owner holds a reference
};

/* Called once on the control core; err is NULL when all went well. */
typedef void (*hm_done_cb)(void *arg, const struct hm_error *err);

/* --- start and stop --- */

/* EAL must be up. Sets up devices and workers; nothing polls yet. NULL with err. */
struct hm_engine *hm_engine_create(const struct hm_config *config, struct hm_error *err);
/* Launches workers, creates the configured flows, starts devices. */
int hm_engine_start(struct hm_engine *e, struct hm_error *err);
/* Moves everything that waits: swaps, results, record rings, exporters, ends of traces. Returns the
 * amount of work done; 0: call again in about a millisecond. */
unsigned hm_engine_poll(struct hm_engine *e);
/* The flows of the configuration see packets (or have failed), and the devices that start by themselves have. */
bool hm_engine_ready(const struct hm_engine *e);
/* Stops receiving; workers drain; hm_engine_poll() goes on moving until hm_engine_stopped(). */
void hm_engine_stop(struct hm_engine *e);
bool hm_engine_stopped(const struct hm_engine *e);
/* False: a pattern is still being compiled on a thread that cannot be stopped; end by _exit(). */
bool hm_engine_destroy(struct hm_engine *e);
/* Tells every mistake of the configuration that can be seen without EAL, each as "JSON path: sentence";
 * returns how many there are. */
typedef void (*hm_mistake_cb)(void *arg, const char *mistake);
unsigned hm_engine_check(const struct hm_config *config, hm_mistake_cb mistake, void *arg);
/* What --check prints: devices, lcores, queues, memory arithmetic. Needs no EAL. */
json_t *hm_engine_plan(const struct hm_config *config);
/* The flow configuration of a reloaded file: flows of the configuration that are gone are closed,
 * new ones created, equal ones left alone; devices and eal must be unchanged. Answers through the
 * callback. */
void hm_engine_reload(struct hm_engine *e, const struct hm_config *config, hm_done_cb done,
		      void *arg);

/* --- devices --- */

/* By name or by number (a JSON string or integer); NULL with err 3200. A client's own device is there for it and for
 * administrators only. */
struct hm_device *hm_device_find(struct hm_engine *e, const struct hm_owner *who,
				 const json_t *which, struct hm_error *err);
bool hm_device_visible(const struct hm_device *d, const struct hm_owner *who);
const struct hm_owner *hm_device_owner(const struct hm_device *d); // NULL: the configuration's

/* A trace that a client has opened. */
struct hm_new_device {
	struct hm_device_config *config; // taken over; its name becomes NAME@NUMBER
	void (*release)(struct hm_device_config *c);
	int fd; // stays the caller's
	struct hm_owner owner;
	unsigned max; // that the owner's connection may have
};
/* Makes a device of it, which waits for its start. NULL with err: 6155 no trace, 1026 too many. */
struct hm_device *hm_device_create(struct hm_engine *e, const struct hm_new_device *new,
				   struct hm_error *err);
uint32_t hm_device_number(const struct hm_device *d);
const char *hm_device_name(const struct hm_device *d);
/* A flow on it that is open; NULL: none is. */
struct hm_flow *hm_device_flow(const struct hm_device *d);
/* Nobody finds it any more; its flows have been closed. It is freed when no worker can see it; `done` (may be NULL) is
 * called then. */
void hm_device_delete(struct hm_device *d, hm_done_cb done, void *arg);
/* One that a connection has made and not deleted; NULL: there is none. */
struct hm_device *hm_device_of_client(struct hm_engine *e, uint64_t client);
int hm_device_start(struct hm_device *d, struct hm_error *err); // a trace that waits begins
int hm_device_stop(struct hm_device *d, struct hm_error *err);
json_t *hm_device_list(struct hm_engine *e, const struct hm_owner *who);

/* --- flows --- */

/* By number or name; NULL with err 6145. */
/* One after the other, without those that are being closed; next(NULL) is the first, NULL ends. */
struct hm_flow *hm_flow_next(struct hm_engine *e, struct hm_flow *f);
struct hm_flow *hm_flow_find(struct hm_engine *e, const json_t *which, struct hm_error *err);
struct hm_flow *hm_flow_create(struct hm_engine *e, struct hm_device *d, const char *name,
			       const struct hm_owner *owner, struct hm_error *err);
uint32_t hm_flow_id(const struct hm_flow *f);
const struct hm_owner *hm_flow_owner(const struct hm_flow *f);
/* Appends a function. `handed` is what the client passed for it to write to (handed.h), NULL: nothing; the caller
 * keeps its reference. Returns its number (1, 2, ... in this flow) or a negative errno with err: 6144 no such
 * function, 7006 already connected, 700N arguments, 6155 files, or the function's own. */
int hm_flow_apply(struct hm_flow *f, const char *function, const json_t *args,
		  struct hm_handed *handed, struct hm_error *err);
/* Appends all of an array of ["FUNCTION", argument ...]. Those that write take one each of `handed`, in their order;
 * NULL: nothing was passed. 0, or a negative errno with err, which names the one that was refused as
 * `path`.functions[i]. */
int hm_flow_apply_all(struct hm_flow *f, const json_t *functions, const char *path,
		      struct hm_handed_list *handed, struct hm_error *err);
/* Answers when every worker runs a program that contains the flow; 3081 if it is connected already.
 */
void hm_flow_connect(struct hm_flow *f, hm_done_cb done, void *arg);
/* The flow is gone for everybody at once; its memory when the workers have let go. Answers, unless done is NULL, when
 * all that its functions held is where it was to go. */
void hm_flow_close(struct hm_flow *f, hm_done_cb done, void *arg);
/* Closes every flow of a connection that ended (those made persistent have client 0). */
void hm_flow_close_client(struct hm_engine *e, uint64_t client);
/* {"ts_ns":"...", "value":...}; 6143 not connected, 6147 no such function, 6146 no result.
 * `which` is the function's number, or its name if the flow has one function of it. Of what a function hands out
 * once (outbox.h) up to `take` records are taken out: the value's "records", and "end": whether there will never be
 * more. NULL with err. */
json_t *hm_flow_read(struct hm_flow *f, const json_t *which, uint32_t take, struct hm_error *err);
int hm_flow_reset(struct hm_flow *f, const json_t *which, struct hm_error *err);
/* Answers {"end":...} when the function has packets or records that nobody has taken, or a sequence (function.h) has
 * more than `after`, or will never have (end is true); or with an error when the flow is closed, or the client has gone. 6143, 6147, 6146: it hands out nothing. */
void hm_flow_wait(struct hm_flow *f, const json_t *which, uint64_t after, uint64_t client,
		  hm_answer_cb answer, void *arg);
/* Asks a function something that its workers find out; answered at once if that is refused: 6143, 6147. The
 * answer is one JSON object, or an error. */
void hm_flow_ask(struct hm_flow *f, const json_t *which, const json_t *question,
		 hm_answer_cb answer, void *arg);
/* Replaces keys in the options of a function that runs, if it can take that; nothing is lost. 6143, 6147, or
 * the function's own error; then nothing has changed. */
int hm_flow_change(struct hm_flow *f, const json_t *which, const json_t *options,
		   struct hm_error *err);
json_t *hm_flow_info(struct hm_flow *f);
json_t *hm_flow_list(struct hm_engine *e);
/* The descriptor of a function's packet ring (stays the ring's), and what it is; -1 with err. */
int hm_flow_pktring_fd(struct hm_flow *f, const json_t *which, struct hm_error *err);

/* --- admission --- */

/* On which terms it runs; from the next look on, if it runs already. A new flow has no budget and the
 * default priority. */
void hm_flow_set_terms(struct hm_flow *f, const struct hm_terms *terms);
const struct hm_terms *hm_flow_terms(const struct hm_flow *f);
/* The limit of all flows of a device together. */
void hm_engine_set_admission(struct hm_engine *e, const struct hm_admission_config *c);
/* Terms, state and cost of a flow (docs/design/0012). */
json_t *hm_admission_json(const struct hm_flow *f);

/* --- explain --- */

/* What runs where, shared with whom, at what cost: of all devices, or of one flow (docs/design/0009). */
json_t *hm_explain(struct hm_engine *e, struct hm_flow *only);
/* From now on one batch of `every` is timed on each worker; 0: none. */
void hm_engine_sample(struct hm_engine *e, uint32_t every);

/* --- the ledger --- */
json_t *hm_ledger(struct hm_engine *e);        // docs/ledger.md
json_t *hm_netflow_stats(struct hm_engine *e); // every FLOW_REPORT with its exporters

/* What is searched, and what was compiled for that: docs/protocol.md, search.stats. */
json_t *hm_search_stats(const struct hm_engine *e);
