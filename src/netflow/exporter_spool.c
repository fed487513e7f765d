/* SPDX-License-Identifier: BSD-3-Clause */
/* An exporter and its spool. While the spool has something, new messages go there, so that all leave in
 * the order in which they were made: what is in the ring, then the spool, then what is new. Before the
 * daemon stops, and when a collector stays away, the ring goes to the spool as well. */
#include <stdlib.h>
#include <string.h>

#include "netflow/exporter_state.h"
#include "netflow/foreign.h"
#include "netflow/message.h"

#define TEMPLATES_ROOM 16384     // bytes of all templates of an exporter, and more
#define STOW_NS        HM_NS_A_S // a collector that is away for so long may be so for longer

/* The sets of data templates, as every message could have them. */
static bool make_templates(struct hm_exporter *x)
{
	struct hm_message m;
	uint8_t *bytes = malloc(TEMPLATES_ROOM);
	uint32_t header = x->conf.format->header;

	x->templates = bytes;
	if (!bytes)
		return false;
	hm_message_begin(&m, x->conf.format, bytes, TEMPLATES_ROOM, &x->conf.origin);
	for (unsigned i = 0; !x->conf.format->fixed && i < x->layout.n; i++)
		hm_message_add_template(&m, &x->layout.template[i]);
	hm_message_end(&m);
	x->templates_bytes = m.used - header;
	memmove(bytes, bytes + header, x->templates_bytes);
	return true;
}

bool hm_exporter_open_spool(struct hm_exporter *x)
{
	const struct hm_spool_conf *conf = &x->conf.spool;

	if (conf->dir[0] == '\0')
		return true;
	x->spare = malloc(x->room);
	x->foreign_bytes = malloc(HM_SPOOL_MESSAGE_MAX);
	if (!x->spare || !x->foreign_bytes || !make_templates(x))
		return false;
	x->spool = hm_spool_open(conf, x->conf.format->name, x->templates, x->templates_bytes);
	x->spooling = x->spool != NULL; // until it is known that nothing older is in it
	return x->spooling;
}

void hm_exporter_close_spool(struct hm_exporter *x)
{
	hm_spool_close(x->spool);
	free(x->templates);
	free(x->foreign_bytes);
	free(x->spare);
}

bool hm_exporter_replays(const struct hm_exporter *x)
{
	return x->spooling && !x->finishing && !hm_spool_is_empty(x->spool);
}

/* Whether the ring should be moved now. */
static bool must_stow(const struct hm_exporter *x, uint64_t now_ns)
{
	bool away = x->state != HM_EXPORTER_UP &&
		    (x->finishing || now_ns - x->away_since_ns >= STOW_NS);

	return x->stowing || away;
}

void hm_exporter_stow(struct hm_exporter *x, uint64_t now_ns)
{
	uint32_t flags = x->spooling ? HM_FRAME_FRONT : 0;

	if (!x->spool || !hm_spool_is_ready(x->spool))
		return;
	if (x->spooling && x->head == x->tail && hm_spool_is_empty(x->spool))
		x->spooling = false;
	if (!must_stow(x, now_ns))
		return;
	if (flags && !x->stowing && x->tail < x->head) {
		hm_spool_withdraw(x->spool);
		flags |= HM_FRAME_FRONT_FIRST;
	}
	x->stowing = true;
	for (; x->tail < x->head; x->tail++) {
		const struct hm_slot *s = hm_slot_at(x, x->tail);
		if (!hm_spool_put(x->spool, &s->load, hm_message_at(x, x->tail), s->bytes, flags))
			return;
		x->counts.queued -= s->load.flows;
		flags &= ~(uint32_t)HM_FRAME_FRONT_FIRST;
	}
	x->stowing = false;
	x->spooling = true;
}

/* Templates of another configuration than the exporter's get ids of their own. */
static void meet_foreign(struct hm_exporter *x, const uint8_t *templates, uint32_t bytes)
{
	uint16_t shift =
		(uint16_t)(HM_FOREIGN_FIRST + x->n_foreign % HM_FOREIGN_MAX * HM_FOREIGN_STEP);

	if (x->foreign_shift != 0 && bytes == x->n_foreign_bytes &&
	    memcmp(templates, x->foreign_bytes, bytes) == 0)
		return;
	x->foreign_shift = 0;
	if (!hm_foreign_read(&x->foreign, x->conf.format, templates, bytes, shift))
		return; // nothing that would help: they are sent as they are
	memcpy(x->foreign_bytes, templates, bytes);
	x->n_foreign_bytes = bytes;
	x->foreign_shift = shift;
	x->n_foreign++;
	x->foreign_due = x->templates_due = true;
}

bool hm_exporter_begin_replay(struct hm_exporter *x)
{
	const uint8_t *templates;
	uint32_t bytes;

	if (!hm_spool_begin(x->spool, &templates, &bytes))
		return false;
	if (bytes == x->templates_bytes && memcmp(templates, x->templates, bytes) == 0)
		x->foreign_shift = 0;
	else
		meet_foreign(x, templates, bytes);
	return true;
}
