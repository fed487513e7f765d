/* SPDX-License-Identifier: BSD-3-Clause */
/* outbox: what a function hands out once, record by record: samples, expired flows, packets. The workers put
 * records of a fixed size in, each into a ring of its own; whoever reads the function's result first takes them
 * out, the oldest of all rings first. A full ring drops the new record and counts it: workers never wait.
 *
 *	offered = delivered + dropped + queued
 *
 * A record begins with its time, a uint64_t in ns, by which the rings are merged; each worker's come in the order in
 * which it put them. One thread a ring puts, one thread takes (the control core).
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "core/error.h"

#ifdef __cplusplus
extern "C" {
#endif

struct hm_outbox;

struct hm_outbox_counts {
	uint64_t offered, delivered, dropped, queued;
};

/* Rings of `n_records` (rounded up to a power of two) of `record_size` bytes for `n_workers`. NULL with err, 3084.
 * Control core. */
struct hm_outbox *hm_outbox_create(unsigned n_workers, uint32_t record_size, uint32_t n_records,
				   struct hm_error *err);
void hm_outbox_destroy(struct hm_outbox *o); // NULL is allowed
/* What that takes. */
uint64_t hm_outbox_bytes(unsigned n_workers, uint32_t record_size, uint32_t n_records);

/* --- workers --- */

/* For a writer that can wait: whether the next record has room. */
bool hm_outbox_has_room(struct hm_outbox *o, unsigned worker);
/* Room for the next record, to be filled and put; NULL: the ring is full, and one more is counted as dropped. */
void *hm_outbox_room(struct hm_outbox *o, unsigned worker);
void hm_outbox_put(struct hm_outbox *o, unsigned worker);

/* --- control core --- */

/* The oldest record of those there are, valid until the next call; NULL: there is none. */
const void *hm_outbox_take(struct hm_outbox *o);
void hm_outbox_counts(const struct hm_outbox *o, struct hm_outbox_counts *c);

#ifdef __cplusplus
}
#endif
