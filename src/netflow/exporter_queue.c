/* SPDX-License-Identifier: BSD-3-Clause */
/* The queue of an exporter: flow records become messages in a ring; what finds no room is lost. */
#include <string.h>

#include "netflow/exporter_state.h"

/* The message was made in its place, but if it was to go to the spool when it was begun. */
static void queue_message(struct hm_exporter *x)
{
	if (x->open.at != hm_message_at(x, x->head))
		memcpy(hm_message_at(x, x->head), x->open.at, x->open.used);
	*hm_slot_at(x, x->head) = (struct hm_slot){x->open.used, x->open_load};
	x->head++;
}

/* While the spool waits for its folder, and can take no more, the ring has to do. */
static void spool_message(struct hm_exporter *x)
{
	bool ready = hm_spool_is_ready(x->spool);

	if (hm_spool_put(x->spool, &x->open_load, x->open.at, x->open.used, 0)) {
		x->counts.queued -= x->open_load.flows;
	} else if (!ready && x->head - x->tail <= x->mask) {
		queue_message(x);
	} else { // the disk is too slow
		x->counts.queued -= x->open_load.flows;
		x->counts.queue_full += x->open_load.flows;
		hm_exporter_note_unsent(x, &x->open_load);
	}
}

void hm_exporter_close_message(struct hm_exporter *x)
{
	if (!x->open.at)
		return;
	if (x->open_load.records > 0) {
		hm_message_end(&x->open);
		if (x->spooling)
			spool_message(x);
		else
			queue_message(x);
	}
	x->open.at = NULL;
}

static bool open_message(struct hm_exporter *x, uint64_t now_ns)
{
	bool full = x->head - x->tail > x->mask;

	if (full && x->spool && hm_spool_is_ready(x->spool) && !x->stowing)
		x->spooling = true;
	if (full && !x->spooling)
		return false;
	hm_message_begin(&x->open, x->conf.format,
			 x->spooling ? x->spare : hm_message_at(x, x->head), x->fit,
			 &x->conf.origin);
	x->open_load = (struct hm_load){.first_ns = UINT64_MAX};
	x->open_since_ns = now_ns;
	return true;
}

static void add_load(struct hm_load *to, const struct hm_load *l)
{
	to->flows += l->flows;
	to->records += l->records;
	to->packets += l->packets;
	to->octets += l->octets;
	to->first_ns = l->first_ns < to->first_ns ? l->first_ns : to->first_ns;
	to->last_ns = l->last_ns > to->last_ns ? l->last_ns : to->last_ns;
}

void hm_exporter_note_unsent(struct hm_exporter *x, const struct hm_load *l)
{
	struct hm_shortfall *u = &x->unsent;

	u->flows += l->flows;
	u->packets += l->packets;
	u->octets += l->octets;
	if (u->first_ns == 0 || l->first_ns < u->first_ns)
		u->first_ns = l->first_ns;
	u->last_ns = l->last_ns > u->last_ns ? l->last_ns : u->last_ns;
}

static void lose(struct hm_exporter *x, const struct hm_load *l)
{
	if (x->state == HM_EXPORTER_UP)
		x->counts.queue_full += l->flows;
	else
		x->counts.unreachable += l->flows;
	hm_exporter_note_unsent(x, l);
}

static void add_record(struct hm_exporter *x, const struct hm_template *t,
		       const struct hm_flow_record *r, unsigned sender, const struct hm_load *l,
		       uint64_t now_ns)
{
	if (x->gave_up) {
		lose(x, l);
		return;
	}
	x->open.routes = x->routes;
	if (!x->open.at || !hm_message_add(&x->open, t, r, sender)) {
		hm_exporter_close_message(x);
		if (!open_message(x, now_ns)) {
			lose(x, l);
			return;
		}
		x->open.routes = x->routes;
		if (!hm_message_add(&x->open, t, r, sender)) { // its times are beyond sense
			x->counts.unsupported += l->flows;
			hm_exporter_note_unsent(x, l);
			return;
		}
	}
	add_load(&x->open_load, l);
	x->counts.queued += l->flows;
}

/* A record whose counters have more than 32 bits becomes several of the same times; the last of
 * them counts in the ledger. */
static void add_parts(struct hm_exporter *x, const struct hm_template *t,
		      const struct hm_flow_record *r, unsigned sender, const struct hm_load *l,
		      uint64_t now_ns)
{
	uint64_t more = l->octets > l->packets ? l->octets : l->packets;
	struct hm_flow_record part = *r;
	struct hm_load left = *l, share = *l;

	for (uint64_t parts = more / UINT32_MAX + 1; parts > 0; parts--) {
		part.bytes[sender] = share.octets = left.octets / parts;
		part.packets[sender] = share.packets = left.packets / parts;
		share.flows = parts == 1 ? l->flows : 0;
		left.octets -= share.octets;
		left.packets -= share.packets;
		add_record(x, t, &part, sender, &share, now_ns);
	}
}

static void put_direction(struct hm_exporter *x, const struct hm_template *t,
			  const struct hm_flow_record *r, unsigned sender, uint64_t now_ns)
{
	struct hm_load l = {.flows = 1,
			    .records = 1,
			    .packets = r->packets[sender],
			    .octets = r->bytes[sender],
			    .first_ns = r->first_ns[sender],
			    .last_ns = r->last_ns[sender]};

	if (t->both) {
		const struct hm_load other = {.flows = 1,
					      .packets = r->packets[sender ^ 1],
					      .octets = r->bytes[sender ^ 1],
					      .first_ns = r->first_ns[sender ^ 1],
					      .last_ns = r->last_ns[sender ^ 1]};
		add_load(&l, &other);
	}
	x->counts.offered += l.flows;
	if (x->conf.format->ipv4_only && r->key.version != 4) {
		x->counts.unsupported += l.flows;
		hm_exporter_note_unsent(x, &l);
	} else if (x->conf.format->narrow && (l.octets > UINT32_MAX || l.packets > UINT32_MAX)) {
		add_parts(x, t, r, sender, &l, now_ns);
	} else {
		add_record(x, t, r, sender, &l, now_ns);
	}
}

/* One biflow, the initiator's direction first. */
static void put_biflow(struct hm_exporter *x, const struct hm_flow_record *r, const bool side[2],
		       uint64_t now_ns)
{
	const struct hm_template *t = hm_layout_of(&x->layout, r);
	unsigned first = r->initiator;

	if (r->first.ifindex < HM_INTERFACES_MAX)
		x->interfaces |= UINT64_C(1) << r->first.ifindex;
	if (t->applications)
		hm_applications_add(&x->applications, hm_application_of(r));
	if (t->both || side[first])
		put_direction(x, t, r, first, now_ns);
	if (!t->both && side[first ^ 1])
		put_direction(x, t, r, first ^ 1, now_ns);
}

uint64_t hm_exporter_put(struct hm_exporter *x, const struct hm_flow_record *r, unsigned n,
			 const uint64_t side[2], uint64_t now_ns)
{
	uint64_t before = x->counts.offered;

	x->routes = x->conf.routes ? hm_routes_file_now(x->conf.routes) : NULL;
	for (unsigned i = 0; i < n; i++) {
		const bool wanted[2] = {r[i].packets[0] > 0 && (side[0] >> i & 1),
					r[i].packets[1] > 0 && (side[1] >> i & 1)};
		if (wanted[0] || wanted[1])
			put_biflow(x, &r[i], wanted, now_ns);
	}
	return x->counts.offered - before;
}

uint32_t hm_exporter_messages(const struct hm_exporter *x, unsigned n)
{
	uint32_t bytes = 1, a_message;

	for (unsigned i = 0; i < x->layout.n; i++)
		if (x->layout.template[i].bytes > bytes)
			bytes = x->layout.template[i].bytes;
	a_message = x->fit / 2 / bytes; // records; set headers never take the other half
	if (a_message > x->conf.format->records_max)
		a_message = x->conf.format->records_max;
	if (a_message == 0)
		a_message = 1;
	return 2 * n / a_message + 2;
}

bool hm_exporter_room(const struct hm_exporter *x, unsigned n)
{
	uint64_t messages = hm_exporter_messages(x, n);

	if (x->spooling || (x->spool && x->state != HM_EXPORTER_UP))
		return hm_spool_room(x->spool, messages * (x->room + sizeof(struct hm_frame) + 8));
	return x->gave_up || x->head - x->tail + messages <= x->mask;
}

void hm_exporter_drop_queue(struct hm_exporter *x)
{
	hm_exporter_close_message(x);
	for (; x->tail < x->head; x->tail++) {
		const struct hm_load *l = &hm_slot_at(x, x->tail)->load;
		x->counts.queued -= l->flows;
		lose(x, l);
	}
}
