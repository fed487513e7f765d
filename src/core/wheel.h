/* SPDX-License-Identifier: BSD-3-Clause */
/* wheel: timers for the records of a table, at most one each, by their index.
 *
 * Lazy: a deadline that moves away does not touch the wheel. A record sits in the slot of the
 * deadline it was added with; when the slot comes up, hm_wheel_due() hands it out and the owner
 * looks at the real deadline: over, or add it again. Times further away than the wheel is long are
 * put at its end and looked at again there. Eight bytes a record, in an array of their own, so that
 * removing a timer and walking a slot stay in few cache lines. A slot is several lists, walked side
 * by side: in one list each step would wait for the memory of the one before. Indexes only, no
 * pointers; one writer, no lock.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define HM_WHEEL_LISTS 8 // of a slot, a power of two

struct hm_wheel_link {
	uint32_t next, prev;
};

struct hm_wheel {
	struct hm_wheel_link *links; // [1 .. capacity] records, then heads of circular lists
	uint32_t head;               // of slot 0's first list; all of a slot follow one another
	uint32_t slots;              // a power of two
	unsigned shift;              // a slot is 2^shift ns
	uint64_t tick;               // the next slot to come up
	size_t owned_bytes;          // if the wheel has taken them itself
};

/* Slots of 2^shift ns, `slots` of them (a power of two). 0, -EINVAL or -ENOMEM. */
int hm_wheel_init(struct hm_wheel *w, uint32_t capacity, uint32_t slots, unsigned shift,
		  int socket);
void hm_wheel_fini(struct hm_wheel *w); // a zeroed one, too
size_t hm_wheel_bytes(uint32_t capacity, uint32_t slots);
/* The same in so many bytes of the caller, which outlive the wheel. There is nothing for fini to do then. */
int hm_wheel_init_at(struct hm_wheel *w, uint32_t capacity, uint32_t slots, unsigned shift,
		     void *memory);

static inline uint32_t hm_wheel_slot(const struct hm_wheel *w, uint64_t tick)
{
	return w->head + ((uint32_t)tick & (w->slots - 1)) * HM_WHEEL_LISTS;
}

/* `index` must not be in the wheel. A deadline in the past comes up next. */
static inline void hm_wheel_add(struct hm_wheel *w, uint32_t index, uint64_t deadline_ns)
{
	uint64_t tick = deadline_ns >> w->shift;
	uint32_t head, last;

	tick = tick < w->tick ? w->tick : tick;
	tick = tick >= w->tick + w->slots ? w->tick + w->slots - 1 : tick;
	head = hm_wheel_slot(w, tick) + (index & (HM_WHEEL_LISTS - 1));
	last = w->links[head].prev;
	w->links[index] = (struct hm_wheel_link){.next = head, .prev = last};
	w->links[last].next = index;
	w->links[head].prev = index;
}

/* `index` must be in the wheel. */
static inline void hm_wheel_remove(struct hm_wheel *w, uint32_t index)
{
	struct hm_wheel_link l = w->links[index];

	w->links[l.prev].next = l.next;
	w->links[l.next].prev = l.prev;
}

/* Takes up to `max` indexes out of the slots that are wholly in the past of now_ns. Their next
 * neighbours are on their way into the cache then, for the next call. */
unsigned hm_wheel_due(struct hm_wheel *w, uint64_t now_ns, uint32_t *out, unsigned max);

/* Takes up to `max` indexes out, due or not; 0: the wheel is empty. */
unsigned hm_wheel_take(struct hm_wheel *w, uint32_t *out, unsigned max);
