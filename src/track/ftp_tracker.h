/* SPDX-License-Identifier: BSD-3-Clause */
/* ftp_tracker: what all functions are that pass FTP over IPv4 and IPv6: control connections, which have a known port, and
 * the data connections that they announce by PORT, PASV, EPRT and EPSV, or all between their hosts. Control and data may
 * come to different queues, and what is announced counts from then on: so they are ordered. Costs a look at the ports
 * and at one line of a table a packet; of control connections, their bytes.
 */
#pragma once

#include "core/function.h"
#include "track/connections.h"

#define HM_FTP_TRACKER_USUAL 2 // of any_data, until the function is known

struct hm_ftp_tracker_conf {
	uint32_t connections, idle_s, any_data;
	const char *function;
	uint16_t port; // of control connections
};

struct hm_ftp_tracker_core {
	struct hm_track track;
	uint64_t announced, data_connections;
	uint16_t port_be;
	bool any_data;
};

extern const struct hm_arg hm_ftp_tracker_args[];
extern const struct hm_field hm_ftp_tracker_results[];

int hm_ftp_tracker_conf_init(struct hm_ftp_tracker_conf *conf, const char *function, uint16_t port,
			     bool any_data, const union hm_value *args, struct hm_error *err);
uint64_t hm_ftp_tracker_memory(const void *conf, unsigned n_workers);
int hm_ftp_tracker_core_init(void *core, const struct hm_core_ctx *ctx, struct hm_error *err);
void hm_ftp_tracker_core_fini(void *core);
uint64_t hm_ftp_tracker_process(void *core, const struct hm_batch *b, uint64_t in);

/* All of a struct hm_function but name, summary and conf_init. */
#define HM_FTP_TRACKER                                                                        \
	.flags = HM_FN_FILTERS | HM_FN_ORDERED | HM_FN_PAYLOAD, .args = hm_ftp_tracker_args,  \
	.results = hm_ftp_tracker_results, .conf_size = sizeof(struct hm_ftp_tracker_conf),   \
	.core_size = sizeof(struct hm_ftp_tracker_core), .cost = {.batch = 50, .packet = 15}, \
	.memory = hm_ftp_tracker_memory, .core_init = hm_ftp_tracker_core_init,               \
	.core_fini = hm_ftp_tracker_core_fini, .process = hm_ftp_tracker_process
