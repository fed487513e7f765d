/* SPDX-License-Identifier: BSD-3-Clause */
/* application: what all functions are that have nDPI tell of which protocol a connection is (dissector.h). Only its first
 * packets are looked at; then the verdict is in the table. */
#pragma once

#include "core/function.h"
#include "track/connections.h"
#include "track/dissector.h"

struct hm_application_options {
	uint32_t connections, idle_s, packets, examined, memory_kib;
};

struct hm_application_conf {
	const char *function;
	struct hm_protocols protocols;
	struct hm_application_options options;
};

struct hm_application_core {
	struct hm_track track;
	struct hm_dissector *dissector;
	const struct hm_application_conf *conf;
	uint64_t connections, others, lost; // any thread may read
};

extern const struct hm_field hm_application_results[];

/* All but the protocols. 0, or -EINVAL with err: `mapi_errno`. */
int hm_application_conf_init(struct hm_application_conf *c, const char *function,
			     const json_t *given, int mapi_errno, struct hm_error *err);
uint64_t hm_application_memory(const void *conf, unsigned n_workers);
int hm_application_core_init(void *core, const struct hm_core_ctx *ctx, struct hm_error *err);
void hm_application_core_fini(void *core);
uint64_t hm_application_process(void *core, const struct hm_batch *b, uint64_t in);

#define HM_APPLICATION_OPTIONS                                                                   \
	{                                                                                        \
		.name = "options", .type = HM_ARG_OPTIONS, .optional = true,                     \
		.help = "\"connections\": that are remembered at most, on each worker (16384); " \
			"\"idle_s\": for so many seconds without a packet (60); \"packets\": "   \
			"with "                                                                  \
			"data that are looked at of each (24); \"examined\": connections that "  \
			"are "                                                                   \
			"looked at at a time (2048); \"memory_kib\": that nDPI has for them "    \
			"(8192)"                                                                 \
	}

/* All of a struct hm_function but name, summary, args and conf_init. */
#define HM_APPLICATION                                                                          \
	.flags = HM_FN_FILTERS | HM_FN_PAYLOAD, .results = hm_application_results,              \
	.conf_size = sizeof(struct hm_application_conf),                                        \
	.core_size = sizeof(struct hm_application_core), .cost = {.batch = 200, .packet = 150}, \
	.memory = hm_application_memory, .core_init = hm_application_core_init,                 \
	.core_fini = hm_application_core_fini, .process = hm_application_process
