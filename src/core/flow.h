/* SPDX-License-Identifier: BSD-3-Clause */
/* flow: what a user asked for: a device and an ordered list of function instances. Control core only. */
#pragma once

#include <sys/queue.h>

#include "core/device.h"
#include "core/engine.h"
#include "core/instance.h"

#define HM_FLOW_FUNCTIONS_MAX 64

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
	LIST_ENTRY(hm_flow) next_polled;
	bool polled; // on the engine's list of flows with a function that has poll()
	struct hm_engine *engine;
	struct hm_device *device;
	uint32_t id;
	char *name;
	struct hm_owner owner;
	char *new_name;    // that it gets when a reload is complete
	char *config_path; // "flows[2]" if the configuration made it, else NULL
	json_t *config_functions;
	enum hm_flow_state state;
	uint64_t connected_ns;
	uint32_t n;
	struct hm_instance *instances[HM_FLOW_FUNCTIONS_MAX];
	bool in_program; // some published or pending program has it
	hm_done_cb done; // of the pending connect
	void *done_arg;
};

TAILQ_HEAD(hm_flow_list, hm_flow);
LIST_HEAD(hm_polled_list, hm_flow);

/* Answers a pending connect. */
void hm_flow_answer(struct hm_flow *f, const struct hm_error *err);
void hm_flow_free(struct hm_flow *f);
