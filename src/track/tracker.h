/* SPDX-License-Identifier: BSD-3-Clause */
/* tracker: what all functions are that know a protocol by what a connection carries. A connection that has carried a
 * signature is the protocol's from then on, in both directions. The signatures of all trackers are found by the one
 * scan for patterns (core/search.h); where in the packet they are is looked at only when there is one.
 */
#pragma once

#include "core/function.h"
#include "track/connections.h"
#include "track/signature.h"

struct hm_track_protocol {
	const char *function;
	const struct hm_signature *signatures; // the last is {0}
	bool any_case;
	bool udp;                    // too; else TCP only
	const uint16_t *other_ports; // of other protocols, host order, the last is 0; NULL: none
	/* Whether a payload, whose first bytes are captured, is the protocol's anyway. NULL: never. It is asked only of
	 * payloads whose first byte is in message_begins. */
	bool (*is_message)(const uint8_t *payload, size_t captured, size_t sent, bool udp);
	const uint8_t *message_begins; // 3
};

struct hm_tracker_conf {
	uint32_t connections, idle_s;
	const struct hm_track_protocol *protocol;
	struct hm_pattern *pattern; // from connect on
};

struct hm_tracker_core {
	struct hm_track track;
	const struct hm_track_protocol *protocol;
	uint32_t slot;        // of the pattern
	uint64_t connections; // that were recognized; any thread may read
};

extern const struct hm_arg hm_tracker_args[];
extern const struct hm_field hm_tracker_results[];

int hm_tracker_conf_init(void *conf, const struct hm_track_protocol *protocol,
			 const union hm_value *args, struct hm_error *err);
int hm_tracker_connect(void *conf, struct hm_error *err);
void hm_tracker_conf_fini(void *conf);
const struct hm_pattern *hm_tracker_pattern(const void *conf);
uint64_t hm_tracker_memory(const void *conf, unsigned n_workers);
int hm_tracker_core_init(void *core, const struct hm_core_ctx *ctx, struct hm_error *err);
void hm_tracker_core_fini(void *core);
uint64_t hm_tracker_process(void *core, const struct hm_batch *b, uint64_t in);

/* All of a struct hm_function but name, summary and conf_init, which is hm_tracker_conf_init() with its protocol. */
#define HM_TRACKER                                                                         \
	.flags = HM_FN_FILTERS | HM_FN_PAYLOAD, .args = hm_tracker_args,                   \
	.results = hm_tracker_results, .conf_size = sizeof(struct hm_tracker_conf),        \
	.core_size = sizeof(struct hm_tracker_core), .cost = {.batch = 200, .packet = 60}, \
	.connect = hm_tracker_connect, .conf_fini = hm_tracker_conf_fini,                  \
	.pattern = hm_tracker_pattern, .memory = hm_tracker_memory,                        \
	.core_init = hm_tracker_core_init, .core_fini = hm_tracker_core_fini,              \
	.process = hm_tracker_process
