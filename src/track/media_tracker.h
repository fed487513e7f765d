/* SPDX-License-Identifier: BSD-3-Clause */
/* media_tracker: what all functions are that pass a protocol that arranges media, over IPv4 and IPv6: what is said on its known
 * port, and the UDP packets from and to the addresses and ports that it announces (track/media.h). What is said and media
 * may come to different queues, and what is announced counts from then on: so they are ordered. Costs a look at the
 * ports; of UDP, two bits besides, and two look-ups if a bit is set.
 */
#pragma once

#include "core/function.h"
#include "track/connections.h"

struct hm_media_tracker_conf {
	uint32_t connections, idle_s, port;
	const char *function;
	bool udp; // is spoken over UDP, too
};

struct hm_media_tracker_core {
	struct hm_track track;
	uint64_t announced, media; // any thread may read
	uint16_t port_be;
	bool udp;
	uint64_t ports[65536 /
		       64]; // that were announced since nothing was, by their bytes in the packet
};

extern const struct hm_arg hm_media_tracker_args[];
extern const struct hm_field hm_media_tracker_results[];

/* `port`: unless the options say otherwise. */
int hm_media_tracker_conf_init(struct hm_media_tracker_conf *conf, const char *function,
			       uint16_t port, bool udp, const union hm_value *args,
			       struct hm_error *err);
uint64_t hm_media_tracker_memory(const void *conf, unsigned n_workers);
int hm_media_tracker_core_init(void *core, const struct hm_core_ctx *ctx, struct hm_error *err);
void hm_media_tracker_core_fini(void *core);
uint64_t hm_media_tracker_process(void *core, const struct hm_batch *b, uint64_t in);

/* All of a struct hm_function but name, summary and conf_init. */
#define HM_MEDIA_TRACKER                                                                        \
	.flags = HM_FN_FILTERS | HM_FN_ORDERED | HM_FN_PAYLOAD, .args = hm_media_tracker_args,  \
	.results = hm_media_tracker_results, .conf_size = sizeof(struct hm_media_tracker_conf), \
	.core_size = sizeof(struct hm_media_tracker_core), .cost = {.batch = 50, .packet = 15}, \
	.memory = hm_media_tracker_memory, .core_init = hm_media_tracker_core_init,             \
	.core_fini = hm_media_tracker_core_fini, .process = hm_media_tracker_process
