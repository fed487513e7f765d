/* SPDX-License-Identifier: BSD-3-Clause */
/* The sending side of an exporter: announcements and messages, the rate limit, and what happens when
 * the collector is slow or away. */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "netflow/exporter_state.h"

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

	for (uint64_t i = x->tail; pending > 0 && i > x->connected_at && x->head - i < x->mask;
	     i--) {
		const struct hm_slot *s = hm_slot_at(x, i - 1);
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
	x->connected_at = x->tail;
	if (x->conf.transport->stream)
		x->sequence = 0; // of a transport session, RFC 7011 section 3.1
	return true;
}

/* --- templates and options --- */

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
		.messages = x->counts.messages,
		.octets = x->counts.bytes,
		.flows = x->counts.data_records,
		.interfaces = x->interfaces,
		.applications = &x->applications,
	};

	if (c->shortfalls)
		c->shortfalls(c->shortfalls_arg, &facts.ignored, &facts.unsent);
	facts.unsent.flows += x->unsent.flows;
	facts.unsent.packets += x->unsent.packets;
	facts.unsent.octets += x->unsent.octets;
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

	hm_message_begin(&x->note, x->conf.format, x->note_bytes, x->room, &x->conf.origin);
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
	x->announcing = x->templates_due = x->new_connection = false;
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

/* Stamps the next messages, as many as may go now. */
static unsigned gather(struct hm_exporter *x, struct iovec *v)
{
	const struct hm_format *f = x->conf.format;
	uint32_t sequence = x->sequence;
	uint64_t wall_ns = wall_clock_ns();
	unsigned n = 0;

	while (n < HM_TRANSPORT_BURST && x->tail + n < x->head &&
	       x->since_templates + n < x->conf.template_packets) {
		const struct hm_slot *s = hm_slot_at(x, x->tail + n);
		uint8_t *at = hm_message_at(x, x->tail + n);
		if (!pay(x, s->load.records))
			break;
		f->stamp(at, sequence, wall_ns);
		sequence += f->sequence_of_messages ? 1 : s->load.records;
		v[n++] = (struct iovec){.iov_base = at, .iov_len = s->bytes};
	}
	return n;
}

static void count_sent(struct hm_exporter *x, unsigned n)
{
	for (unsigned i = 0; i < n; i++, x->tail++) {
		const struct hm_slot *s = hm_slot_at(x, x->tail);
		x->sequence += x->conf.format->sequence_of_messages ? 1 : s->load.records;
		x->counts.sent += s->load.flows;
		x->counts.queued -= s->load.flows;
		x->counts.data_records += s->load.records;
		x->counts.bytes += s->bytes;
		x->last_flows = s->load.flows;
	}
	x->counts.messages += n;
	x->since_templates += n;
}

/* Sends one burst; false: no more can go now. */
static bool send_burst(struct hm_exporter *x, uint64_t now_ns)
{
	struct iovec v[HM_TRANSPORT_BURST];
	unsigned n;
	int sent;

	if (x->since_templates >= x->conf.template_packets ||
	    now_ns - x->templates_at_ns >= x->conf.template_interval_s * HM_NS_A_S)
		x->templates_due = true;
	if (x->templates_due && !announce(x, now_ns))
		return false;
	n = gather(x, v);
	if (n == 0)
		return false;
	sent = x->conf.transport->send(x->connection, v, n);
	for (unsigned i = sent > 0 ? (unsigned)sent : 0; i < n; i++)
		give_back(x, hm_slot_at(x, x->tail + i)->load.records);
	if (is_taken(x, sent, now_ns))
		count_sent(x, (unsigned)sent);
	return sent == (int)n;
}

/* An absent collector: asks again and again with templates; holds the data for a while. */
static void look_for_collector(struct hm_exporter *x, uint64_t now_ns)
{
	uint64_t patience = x->finishing ? HM_FINISH_NS : HM_EXPORTER_PATIENCE_NS;
	int error;

	if (now_ns - x->away_since_ns >= patience) {
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

static void send_data(struct hm_exporter *x, uint64_t now_ns)
{
	if (renew(x, now_ns))
		return;
	if (x->head == x->tail || !connect_now(x, now_ns))
		return;
	add_credit(x, now_ns);
	for (unsigned i = 0; i < POLL_BURSTS && x->head != x->tail; i++)
		if (!send_burst(x, now_ns))
			break;
}

void hm_exporter_send(struct hm_exporter *x, uint64_t now_ns)
{
	if (x->state != HM_EXPORTER_UP)
		look_for_collector(x, now_ns);
	if (x->state == HM_EXPORTER_UP)
		send_data(x, now_ns);
	x->flushed = !x->connection || x->conf.transport->flush(x->connection);
}
