/* SPDX-License-Identifier: BSD-3-Clause */
/* The sending side of an exporter: announcements and messages, the rate limit, and what happens when
 * the collector is slow or away. */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "netflow/exporter_state.h"
#include "netflow/foreign.h"

#define PROBE_NS      (250 * HM_NS_A_MS) // between two looks at an absent collector
#define BACKOFF_MAX   5                  // doublings of that, for one who cannot be connected to
#define ANSWER_NS     (100 * HM_NS_A_MS) // time for "port unreachable" to come back
#define PACE_BURST_NS (2 * HM_NS_A_MS)   // what the rate limit lets through at once
#define POLL_BURSTS   64                 // of HM_TRANSPORT_BURST messages a poll

static uint64_t wall_clock_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_REALTIME_COARSE, &t);
	return (uint64_t)t.tv_sec * HM_NS_A_S + (uint64_t)t.tv_nsec;
}

/* A line broke: of what was sent on it, the newest messages had not been acknowledged. */
static void lose_pending(struct hm_exporter *x)
{
	uint64_t pending = x->conf.transport->pending(x->connection);

	for (uint64_t i = x->n_sent; pending > 0 && i > x->connected_at && x->n_sent - i < x->mask;
	     i--) {
		const struct hm_slot *s = &x->sent[(i - 1) & x->mask];
		x->counts.refused += s->load.flows;
		hm_exporter_note_unsent(x, &s->load);
		pending -= s->bytes < pending ? s->bytes : pending;
	}
}

static void note_error(struct hm_exporter *x, int error)
{
	const struct hm_transport *t = x->conf.transport;
	const char *why = x->connection && t->why ? t->why(x->connection) : "";

	snprintf(x->last_error, sizeof(x->last_error), "%s%s%s", strerror(-error),
		 why[0] != '\0' ? ": " : "", why);
}

static void close_connection(struct hm_exporter *x)
{
	x->conf.transport->close(x->connection);
	x->connection = NULL;
	x->stale_since_ns = 0;
}

static void go_away(struct hm_exporter *x, int error, uint64_t now_ns)
{
	bool forgiving = x->conf.transport->forgiving;

	x->counts.send_errors++;
	note_error(x, error);
	if (!forgiving && x->connection)
		lose_pending(x);
	if (error == -ECONNREFUSED && forgiving) { // by the host; of a message sent before
		x->counts.refused += x->last_flows;
		x->last_flows = 0;
	} else if (x->connection) { // no route, interface down ...: begin anew with another socket
		close_connection(x);
	}
	if (x->state == HM_EXPORTER_UP)
		x->away_since_ns = now_ns;
	x->state = HM_EXPORTER_AWAY;
	x->templates_due = true;
	x->announcing = false;
	x->busy_since_ns = 0;
	x->next_probe_ns = now_ns + (PROBE_NS << (forgiving ? 0 : x->failures));
	if (x->failures < BACKOFF_MAX)
		x->failures++;
}

/* What the kernel said about a message or more; false: none was taken. */
static bool is_taken(struct hm_exporter *x, int taken, uint64_t now_ns)
{
	if (taken > 0) {
		x->busy_since_ns = 0;
		return true;
	}
	if (taken < 0 && taken != -EAGAIN) {
		go_away(x, taken, now_ns);
		return false;
	}
	x->counts.busy++;
	if (x->conf.transport->patient && !x->finishing)
		return false;
	if (x->busy_since_ns == 0)
		x->busy_since_ns = now_ns;
	else if (now_ns - x->busy_since_ns >=
		 (x->finishing ? HM_FINISH_NS : HM_EXPORTER_PATIENCE_NS))
		go_away(x, -ETIMEDOUT, now_ns);
	return false;
}

static bool connect_now(struct hm_exporter *x, uint64_t now_ns)
{
	if (x->connection)
		return true;
	x->connection = x->conf.transport->open(&x->conf.to);
	if (!x->connection) {
		go_away(x, -errno, now_ns);
		return false;
	}
	x->counts.reconnects++;
	x->templates_due = x->new_connection = true;
	x->connected_at = x->n_sent;
	x->foreign_due = x->foreign_shift != 0;
	if (x->conf.transport->stream)
		x->sequence = 0; // of a transport session, RFC 7011 section 3.1
	return true;
}

/* --- templates and options --- */

/* Flows; of what the spool loses nobody adds up packets and times. */
static uint64_t spool_losses(const struct hm_exporter *x)
{
	struct hm_exporter_counts c;

	hm_exporter_counts(x, &c);
	return c.spool.full + c.spool.failed;
}

static void begin_announcement(struct hm_exporter *x)
{
	const struct hm_exporter_conf *c = &x->conf;
	struct hm_facts facts = {
		.format = c->format,
		.layout = &x->layout,
		.device = c->device,
		.tell = c->tell,
		.domain = c->origin.domain,
		.sampling_interval = c->origin.sampling_interval,
		.selectors = c->selectors,
		.n_selectors = c->n_selectors,
		.flow_sampling = c->flow_sampling,
		.messages = x->counts.messages,
		.octets = x->counts.bytes,
		.flows = x->counts.data_records,
		.interfaces = x->interfaces,
		.applications = &x->applications,
		.foreign = x->foreign_due || (x->foreign_shift != 0 && !c->transport->stream)
				   ? &x->foreign
				   : NULL,
	};

	if (c->shortfalls)
		c->shortfalls(c->shortfalls_arg, &facts.ignored, &facts.unsent);
	facts.unsent.flows += x->unsent.flows;
	facts.unsent.packets += x->unsent.packets;
	facts.unsent.octets += x->unsent.octets;
	facts.unsent.flows += spool_losses(x);
	if (x->unsent.last_ns > 0) {
		if (facts.unsent.first_ns == 0 || x->unsent.first_ns < facts.unsent.first_ns)
			facts.unsent.first_ns = x->unsent.first_ns;
		if (x->unsent.last_ns > facts.unsent.last_ns)
			facts.unsent.last_ns = x->unsent.last_ns;
	}
	// on a stream templates live as long as the connection and are not repeated
	hm_announcement_make(&x->announcement, &facts, !c->transport->stream || x->new_connection);
	x->announcing = true;
	x->note.used = 0;
}

/* The next message of the announcement; false: there is none. Formats without templates have just
 * an empty one, to ask whether the collector is there. */
static bool next_note(struct hm_exporter *x)
{
	bool ask = x->conf.format->fixed && x->state == HM_EXPORTER_AWAY && x->announcing;

	hm_message_begin(&x->note, x->conf.format, x->note_bytes, x->fit, &x->conf.origin);
	if (!hm_announcement_next(&x->announcement, &x->note) && !ask) {
		x->note.used = 0;
		return false;
	}
	hm_message_end(&x->note);
	return true;
}

static void count_note(struct hm_exporter *x)
{
	x->sequence += x->conf.format->sequence_of_messages ? 1 : x->note.records;
	x->last_flows = 0;
	x->counts.templates++;
	x->counts.messages++;
	x->counts.bytes += x->note.used;
	x->note.used = 0;
}

/* False: could not be sent, and the state says why; what is left goes next time. */
static bool announce(struct hm_exporter *x, uint64_t now_ns)
{
	if (!x->announcing)
		begin_announcement(x);
	while (x->note.used > 0 || next_note(x)) {
		const struct iovec v = {.iov_base = x->note_bytes, .iov_len = x->note.used};
		x->conf.format->stamp(x->note_bytes, x->sequence, wall_clock_ns());
		if (!is_taken(x, x->conf.transport->send(x->connection, &v, 1), now_ns))
			return false;
		count_note(x);
		if (x->conf.format->fixed)
			break;
	}
	x->announcing = x->templates_due = x->new_connection = x->foreign_due = false;
	x->templates_at_ns = now_ns;
	x->since_templates = 0;
	return true;
}

/* --- data --- */

static void add_credit(struct hm_exporter *x, uint64_t now_ns)
{
	uint64_t rate = x->conf.max_records_per_s, elapsed = now_ns - x->credit_at_ns;
	uint64_t most = rate * PACE_BURST_NS;
	uint64_t message = (x->room / x->layout.template[0].bytes + 1) * HM_NS_A_S;

	if (rate == 0)
		return;
	if (most < message)
		most = message;
	x->credit += rate * (elapsed < HM_NS_A_S ? elapsed : HM_NS_A_S);
	if (x->credit > most)
		x->credit = most;
	x->credit_at_ns = now_ns;
}

/* The rate limit: takes credit for a message of so many records. */
static bool pay(struct hm_exporter *x, uint32_t records)
{
	uint64_t price = records * HM_NS_A_S;

	if (x->conf.max_records_per_s == 0)
		return true;
	if (x->credit < price)
		return false;
	x->credit -= price;
	return true;
}

static void give_back(struct hm_exporter *x, uint32_t records)
{
	if (x->conf.max_records_per_s != 0)
		x->credit += records * HM_NS_A_S;
}

/* Messages that go together, all from the ring or all from the spool. */
struct burst {
	unsigned n;
	bool replay;
	uint32_t sequence; // after them
	uint64_t wall_ns;
	struct iovec v[HM_TRANSPORT_BURST];
	const struct hm_load *load[HM_TRANSPORT_BURST];
};

/* Stamps one more message; false: it may not go now. */
static bool add_to_burst(struct hm_exporter *x, struct burst *b, uint8_t *message, uint32_t bytes,
			 const struct hm_load *l)
{
	const struct hm_format *f = x->conf.format;

	if (b->n == HM_TRANSPORT_BURST || x->since_templates + b->n >= x->conf.template_packets ||
	    !pay(x, l->records))
		return false;
	f->stamp(message, b->sequence, b->wall_ns);
	b->sequence += f->sequence_of_messages ? 1 : l->records;
	b->load[b->n] = l;
	b->v[b->n++] = (struct iovec){.iov_base = message, .iov_len = bytes};
	return true;
}

static void gather_ring(struct hm_exporter *x, struct burst *b)
{
	for (uint64_t i = x->tail; i < x->head; i++) {
		const struct hm_slot *s = hm_slot_at(x, i);
		if (!add_to_burst(x, b, hm_message_at(x, i), s->bytes, &s->load))
			break;
	}
}

static void gather_replay(struct hm_exporter *x, struct burst *b)
{
	struct hm_frame *f;
	uint8_t *message;
	size_t at = 0;

	b->replay = true;
	while ((f = hm_spool_next(x->spool, &at, &message))) {
		if (x->foreign_shift != 0 && !(f->flags & HM_FRAME_SHIFTED)) {
			hm_foreign_shift(x->conf.format, message, f->bytes, x->foreign_shift);
			f->flags |= HM_FRAME_SHIFTED;
		}
		if (!add_to_burst(x, b, message, f->bytes, &f->load))
			break;
	}
}

void hm_exporter_remember(struct hm_exporter *x, uint32_t bytes, const struct hm_load *l)
{
	x->sent[x->n_sent++ & x->mask] = (struct hm_slot){bytes, *l};
	x->last_flows = l->flows;
}

static void count_sent(struct hm_exporter *x, const struct burst *b, unsigned n)
{
	for (unsigned i = 0; i < n; i++) {
		const struct hm_load *l = b->load[i];
		x->sequence += x->conf.format->sequence_of_messages ? 1 : l->records;
		x->counts.sent += l->flows;
		x->counts.queued -= b->replay ? 0 : l->flows;
		x->counts.data_records += l->records;
		x->counts.bytes += b->v[i].iov_len;
		hm_exporter_remember(x, (uint32_t)b->v[i].iov_len, l);
	}
	if (b->replay)
		hm_spool_took(x->spool, n);
	else
		x->tail += n;
	x->counts.messages += n;
	x->since_templates += n;
}

static bool announce_if_due(struct hm_exporter *x, uint64_t now_ns)
{
	if (x->since_templates >= x->conf.template_packets ||
	    now_ns - x->templates_at_ns >= x->conf.template_interval_s * HM_NS_A_S)
		x->templates_due = true;
	return !x->templates_due || announce(x, now_ns);
}

/* Sends one burst; false: no more can go now. */
static bool send_burst(struct hm_exporter *x, uint64_t now_ns)
{
	struct burst b = {.wall_ns = wall_clock_ns()};
	bool replay = x->head == x->tail;
	int sent;

	if (replay && !hm_exporter_begin_replay(x))
		return false;
	if (!announce_if_due(x, now_ns))
		return false;
	b.sequence = x->sequence; // announcements may have records
	if (replay)
		gather_replay(x, &b);
	else
		gather_ring(x, &b);
	if (b.n == 0)
		return false;
	sent = x->conf.transport->send(x->connection, b.v, b.n);
	for (unsigned i = sent > 0 ? (unsigned)sent : 0; i < b.n; i++)
		give_back(x, b.load[i]->records);
	if (is_taken(x, sent, now_ns))
		count_sent(x, &b, (unsigned)sent);
	return sent == (int)b.n;
}

/* An absent collector: asks again and again with templates; holds the data for a while. */
static void look_for_collector(struct hm_exporter *x, uint64_t now_ns)
{
	uint64_t patience = x->finishing ? HM_FINISH_NS : HM_EXPORTER_PATIENCE_NS;
	int error;

	if (now_ns - x->away_since_ns >= patience && !(x->spool && hm_spool_is_ready(x->spool))) {
		x->gave_up = true;
		hm_exporter_drop_queue(x);
	}
	if (now_ns < x->next_probe_ns)
		return;
	if (!connect_now(x, now_ns))
		return;
	if (x->state == HM_EXPORTER_AWAY) {
		if (announce(x, now_ns)) {
			x->state = HM_EXPORTER_ASKING;
			x->next_probe_ns = now_ns + ANSWER_NS;
		}
		return;
	}
	error = x->conf.transport->error(x->connection);
	if (error != 0) {
		go_away(x, error, now_ns);
		return;
	}
	x->state = HM_EXPORTER_UP;
	x->gave_up = false;
	x->failures = 0;
	x->templates_due = true; // once more: the probe may have come a moment too early
}

/* A connection that should be opened anew is closed as soon as everything that went into it has
 * arrived. True: that is being waited for. */
static bool renew(struct hm_exporter *x, uint64_t now_ns)
{
	const struct hm_transport *t = x->conf.transport;

	if (!x->connection || !t->stale || !t->stale(x->connection))
		return false;
	if (x->stale_since_ns == 0)
		x->stale_since_ns = now_ns;
	if (t->flush(x->connection) && t->pending(x->connection) == 0 &&
	    t->error(x->connection) == 0)
		close_connection(x);
	else if (now_ns - x->stale_since_ns >= HM_EXPORTER_PATIENCE_NS)
		go_away(x, -ETIMEDOUT, now_ns);
	return x->stale_since_ns != 0 || x->state != HM_EXPORTER_UP;
}

/* What is in the ring goes first, unless it is on its way to the spool. */
static bool has_work(const struct hm_exporter *x)
{
	return !x->stowing && (x->head != x->tail || hm_exporter_replays(x));
}

static void send_data(struct hm_exporter *x, uint64_t now_ns)
{
	if (renew(x, now_ns))
		return;
	if (!has_work(x) || !connect_now(x, now_ns))
		return;
	add_credit(x, now_ns);
	for (unsigned i = 0; i < POLL_BURSTS && has_work(x); i++)
		if (!send_burst(x, now_ns))
			break;
}

/* The largest message that goes whole to the collector, but one that a record of each template, and each template, fits
 * into. Paths change. */
static void look_at_path(struct hm_exporter *x, uint64_t now_ns)
{
	const struct hm_transport *t = x->conf.transport;
	uint32_t mtu, fit = x->room;

	if (!t->path_mtu || x->state != HM_EXPORTER_UP ||
	    (x->connection && now_ns - x->fit_at_ns < HM_NS_A_S) || !connect_now(x, now_ns))
		return;
	x->fit_at_ns = now_ns;
	mtu = t->path_mtu(x->connection);
	if (mtu > 0 && mtu < x->conf.mtu)
		fit = (mtu > HM_EXPORTER_MTU_MIN ? mtu : HM_EXPORTER_MTU_MIN) - t->overhead;
	for (unsigned i = 0; i < x->layout.n; i++) {
		const uint32_t least = hm_message_least(x->conf.format, &x->layout.template[i]);

		fit = fit > least ? fit : least;
	}
	x->fit = fit < x->room ? fit : x->room;
	// a queue of few messages must take all that comes at a time, if it is empty
	while (x->fit < x->room && hm_exporter_messages(x, HM_EXPORTER_PUT_MAX) > x->mask)
		x->fit = x->fit + x->fit / 8 < x->room ? x->fit + x->fit / 8 : x->room;
}

void hm_exporter_send(struct hm_exporter *x, uint64_t now_ns)
{
	look_at_path(x, now_ns);
	hm_exporter_stow(x, now_ns);
	if (x->state != HM_EXPORTER_UP)
		look_for_collector(x, now_ns);
	if (x->state == HM_EXPORTER_UP)
		send_data(x, now_ns);
	x->flushed = !x->connection || x->conf.transport->flush(x->connection);
}
