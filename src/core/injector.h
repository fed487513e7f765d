/* SPDX-License-Identifier: BSD-3-Clause */
/* injector: sends copies of packets out of a device, whoever has received them.
 *
 * Producers, any worker whose flow has INJECT, copy packets into buffers of the injector and put them into its ring;
 * they never wait. The worker that polls the device's queue 0 takes them out and sends them on transmit queue 0; what
 * the port does not take waits for the next round. While the link is down whatever waits is freed and counted.
 * Packets of one producer leave in its order; those of several are not put in order.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "core/batch.h"
#include "core/config.h"
#include "core/error.h"

#define HM_INJECTOR_PACKETS 4096 // that wait at most
/* Each must find room for a batch at the same time, if their sources are lossless. */
#define HM_INJECTOR_PRODUCERS (HM_INJECTOR_PACKETS / HM_BATCH_MAX)

struct hm_injector;

/* What a producer has done with the packets it was given: each in one of these. */
struct hm_inject_counts {
	uint64_t injected;
	uint64_t no_buffer; // every buffer is in use
	uint64_t port_busy; // the ring is full: the port sends more slowly than packets come
	uint64_t too_long;  // for the port's MTU
	uint64_t too_short; // not even a link header
	uint64_t cut;       // not captured whole: half a packet is not sent
};

/* offered = sent + link_down + port_busy + queued, at every moment. */
struct hm_injector_counts {
	uint64_t offered, sent, link_down, port_busy, queued;
	bool up; // the link
};

/* --- control core --- */

/* Bytes of its buffers, for packets of the usual length; needs no EAL. */
uint64_t hm_injector_memory(const struct hm_device_config *config);
/* For a port that is configured, and has a transmit queue. NULL with err. */
struct hm_injector *hm_injector_create(const char *device, uint16_t port, enum hm_link link,
				       int socket, struct hm_error *err);
/* No worker knows of it, and the port is stopped. NULL is allowed. */
void hm_injector_destroy(struct hm_injector *inj);
/* The port has been started: until then packets wait. */
void hm_injector_start(struct hm_injector *inj);
/* About once a second: looks whether the link is up. */
void hm_injector_look(struct hm_injector *inj);
/* The port will not be started: packets are freed, as while a link is down. */
void hm_injector_give_up(struct hm_injector *inj);
void hm_injector_counts(const struct hm_injector *inj, struct hm_injector_counts *c);
/* One more producer; -EBUSY with err when there are HM_INJECTOR_PRODUCERS. And one less. */
int hm_injector_join(struct hm_injector *inj, struct hm_error *err);
void hm_injector_leave(struct hm_injector *inj);
const char *hm_injector_device(const struct hm_injector *inj);
enum hm_link hm_injector_link(const struct hm_injector *inj);

/* --- producers --- */

void hm_injector_put(struct hm_injector *inj, const struct hm_batch *b, uint64_t in,
		     struct hm_inject_counts *counts);
/* Whether a batch of each producer has room; nobody needs to wait while the link is down. */
bool hm_injector_ready(const struct hm_injector *inj);

/* --- the worker that sends --- */

/* Sends some of what waits, never waits itself. Returns how many went. */
unsigned hm_injector_flush(struct hm_injector *inj);
bool hm_injector_waiting(const struct hm_injector *inj);
