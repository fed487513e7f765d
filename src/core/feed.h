/* SPDX-License-Identifier: BSD-3-Clause */
/* feed: how values come from a function of another flow to one that reads them (reference.h), or from a counter
 * of its own flow whose packets it does not all get. The reader sees what the other function holds: the value at
 * the newest packet that has reached that one, up to the one that the reader looks at.
 *
 * A tap is the state of a hidden node behind the other function; it runs before the reader in every batch
 * (layout.h). The feed is the reader's: the engine hangs a tap on it when both flows are connected, and takes it
 * off when the other one is closed; then the reader stays with the value that it read last.
 */
#pragma once

#include <stdatomic.h>

#include "core/function.h"

#define HM_VALUE_MAX 128 // bytes of a function's value of one packet

/* One worker writes it, and reads it. */
struct hm_tap {
	const struct hm_values *values;
	const char *lane; // the values of a batch; of a counter its own `counts`
	uint64_t batch;   // the number of the last one that has brought packets
	uint64_t mask;    // of its packets that reached the function
	uint64_t total;   // of a counter
	uint64_t counts[HM_BATCH_MAX];
	alignas(16)
		uint8_t before[HM_VALUE_MAX];   // value before the batch; zero: there was no packet
	alignas(16) uint8_t last[HM_VALUE_MAX]; // behind it
};

struct hm_feed {
	_Atomic(const struct hm_tap *) tap; // engine; NULL: not connected yet, or closed
};

/* The value at packet i of the batch. */
const void *hm_tap_at(const struct hm_tap *t, const struct hm_batch *b, unsigned i);
/* The function behind which the tap hangs has passed these packets. */
void hm_tap_update(struct hm_tap *t, const struct hm_batch *b, uint64_t in);
