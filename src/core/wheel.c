/* SPDX-License-Identifier: BSD-3-Clause */
#include "core/wheel.h"

#include <errno.h>
#include <string.h>

#include "core/pages.h"

size_t hm_wheel_bytes(uint32_t capacity, uint32_t slots)
{
	return ((size_t)capacity + 1 + slots) * sizeof(struct hm_wheel_link);
}

int hm_wheel_init(struct hm_wheel *w, uint32_t capacity, uint32_t slots, unsigned shift, int socket)
{
	memset(w, 0, sizeof(*w));
	if (capacity == 0 || slots < 2 || (slots & (slots - 1)) != 0 || shift > 40 ||
	    capacity > UINT32_MAX - 1 - slots)
		return -EINVAL;
	w->bytes = hm_wheel_bytes(capacity, slots);
	w->links = hm_pages_map(w->bytes, socket);
	if (!w->links)
		return -ENOMEM;
	w->head = capacity + 1;
	w->slots = slots;
	w->shift = shift;
	for (uint32_t i = w->head; i < w->head + slots; i++)
		w->links[i] = (struct hm_wheel_link){.next = i, .prev = i};
	return 0;
}

void hm_wheel_fini(struct hm_wheel *w)
{
	hm_pages_unmap(w->links, w->bytes);
	memset(w, 0, sizeof(*w));
}

/* Moves indexes from the front of a slot to out[]. */
static unsigned take_from(struct hm_wheel *w, uint32_t head, uint32_t *out, unsigned max)
{
	uint32_t index = w->links[head].next;
	unsigned n = 0;

	while (index != head && n < max) {
		out[n++] = index;
		index = w->links[index].next;
	}
	w->links[head].next = index;
	w->links[index].prev = head;
	return n;
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
		uint32_t head = w->head + ((uint32_t)w->tick & (w->slots - 1));
		n += take_from(w, head, out + n, max - n);
		if (w->links[head].next != head)
			break;
		w->tick++;
	}
	return n;
}

unsigned hm_wheel_take(struct hm_wheel *w, uint32_t *out, unsigned max)
{
	unsigned n = 0;

	for (uint32_t slot = 0; slot < w->slots && n < max; slot++)
		n += take_from(w, w->head + slot, out + n, max - n);
	return n;
}
