/* SPDX-License-Identifier: BSD-3-Clause */
/* control: what the methods of the control socket work on. One a daemon, on the control core. */
#pragma once

#include <stdbool.h>
#include <stdint.h>
#include <uv.h>

#include "control/config.h"
#include "control/roles.h"
#include "core/engine.h"

struct hm_peer;
struct hm_call;

/* Persistent flows of a user: they outlive connections, so they are limited by user. */
struct hm_user_flows {
	uint32_t uid, n;
};

struct hm_control {
	struct hm_engine *engine;
	uv_loop_t *loop;
	const struct hm_config *config; // in force
	struct hm_config *reloaded;     // the same if it came by a reload, then it is ours
	struct hm_roles roles;          // of config
	struct hm_peer *peers;          // all conversations
	struct hm_user_flows *users;
	size_t n_users;
	uint64_t started_ns; // monotonic
	bool reloading, stopping;
};

/* Resolves the roles. The configuration stays the caller's. */
int hm_control_init(struct hm_control *c, uv_loop_t *loop, struct hm_engine *engine,
		    const struct hm_config *config, struct hm_error *err);
void hm_control_fini(struct hm_control *c);
/* Tells the engine to stop; the loop ends when it has. Harmless the second time. */
void hm_control_stop(struct hm_control *c);
/* Loads the configuration file again on a thread of its own and hands it to the engine. `call`
 * (NULL: SIGHUP) is answered when that is done. */
void hm_control_reload(struct hm_control *c, struct hm_call *call);
/* Closes a flow, and counts one less for its owner. */
void hm_control_close_flow(struct hm_control *c, struct hm_flow *f, hm_done_cb done, void *arg);
/* Closes the flows of a device that a client has made, and removes it; as hm_device_delete(). */
void hm_control_delete_device(struct hm_control *c, struct hm_device *d, hm_done_cb done,
			      void *arg);
/* The counter of a user's persistent flows; NULL without memory. */
uint32_t *hm_control_user_flows(struct hm_control *c, uint32_t uid);
