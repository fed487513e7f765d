/* SPDX-License-Identifier: BSD-3-Clause */
#include "core/wheel.h"

#include <errno.h>
#include <string.h>

#include "core/pages.h"

size_t hm_wheel_bytes(uint32_t capacity, uint32_t slots)
{
	return ((size_t)capacity + 1 + (size_t)slots * HM_WHEEL_LISTS) *
	       sizeof(struct hm_wheel_link);
}

static bool is_sensible(uint32_t capacity, uint32_t slots, unsigned shift)
{
	return capacity > 0 && slots >= 2 && (slots & (slots - 1)) == 0 && slots <= 1 << 20 &&
	       shift <= 40 && capacity <= UINT32_MAX - 1 - slots * HM_WHEEL_LISTS;
}

int hm_wheel_init_at(struct hm_wheel *w, uint32_t capacity, uint32_t slots, unsigned shift,
		     void *memory)
{
	memset(w, 0, sizeof(*w));
	if (!is_sensible(capacity, slots, shift))
		return -EINVAL;
	w->links = memory;
	w->head = capacity + 1;
	w->slots = slots;
	w->shift = shift;
	for (uint32_t i = w->head; i < w->head + slots * HM_WHEEL_LISTS; i++)
		w->links[i] = (struct hm_wheel_link){.next = i, .prev = i};
	return 0;
}

int hm_wheel_init(struct hm_wheel *w, uint32_t capacity, uint32_t slots, unsigned shift, int socket)
{
	void *memory;
	int r;

	memset(w, 0, sizeof(*w));
	if (!is_sensible(capacity, slots, shift))
		return -EINVAL;
	memory = hm_pages_map(hm_wheel_bytes(capacity, slots), socket);
	if (!memory)
		return -ENOMEM;
	r = hm_wheel_init_at(w, capacity, slots, shift, memory);
	w->owned_bytes = hm_wheel_bytes(capacity, slots);
	return r;
}

void hm_wheel_fini(struct hm_wheel *w)
{
	if (w->owned_bytes > 0)
		hm_pages_unmap(w->links, w->owned_bytes);
	memset(w, 0, sizeof(*w));
}

/* Moves indexes from the front of a slot's lists to out[], one of each in turn. Adds to *n up to
 * `max`; true: the slot is empty. */
static bool take_from(struct hm_wheel *w, uint32_t slot, uint32_t *out, unsigned *n, unsigned max)
{
	struct hm_wheel_link *heads = &w->links[slot];
	uint32_t at[HM_WHEEL_LISTS];
	bool empty = true;
	unsigned before;

	for (unsigned k = 0; k < HM_WHEEL_LISTS; k++)
		at[k] = heads[k].next;
	do {
		before = *n;
		for (unsigned k = 0; k < HM_WHEEL_LISTS && *n < max; k++) {
			if (at[k] == slot + k)
				continue;
			out[(*n)++] = at[k];
			at[k] = w->links[at[k]].next;
		}
	} while (*n > before);
	for (unsigned k = 0; k < HM_WHEEL_LISTS; k++) {
		heads[k].next = at[k];
		w->links[at[k]].prev = slot + k; // and so fetches it for the next call
		empty &= at[k] == slot + k;
	}
	return empty;
}

unsigned hm_wheel_due(struct hm_wheel *w, uint64_t now_ns, uint32_t *out, unsigned max)
{
	uint64_t now = now_ns >> w->shift;
	unsigned n = 0;

	// a jump ahead: each slot comes up once; a jump back of more than a turn: begin again from
	// there
	if (now > w->tick + w->slots || now + w->slots < w->tick)
		w->tick = now > w->slots ? now - w->slots : 0;
	while (w->tick < now) {
		if (!take_from(w, hm_wheel_slot(w, w->tick), out, &n, max))
			break;
		w->tick++;
	}
	return n;
}

unsigned hm_wheel_take(struct hm_wheel *w, uint32_t *out, unsigned max)
{
	unsigned n = 0;

	for (uint32_t slot = 0; slot < w->slots && n < max; slot++)
		take_from(w, hm_wheel_slot(w, slot), out, &n, max);
	return n;
}
