/* SPDX-License-Identifier: BSD-3-Clause */
#include "netflow/exporter.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define NS_A_S        UINT64_C(1000000000)
#define NS_A_MS       UINT64_C(1000000)
#define FLUSH_NS      (100 * NS_A_MS) // a message that does not fill leaves after this
#define PROBE_NS      (250 * NS_A_MS) // between two looks at an absent collector
#define ANSWER_NS     (100 * NS_A_MS) // time for "port unreachable" to come back
#define FINISH_NS     NS_A_S          // patience at the end
#define PACE_BURST_NS (2 * NS_A_MS)   // what the rate limit lets through at once
#define POLL_BURSTS   64              // of HM_TRANSPORT_BURST messages a poll

enum state {
	UP,
	AWAY,   // the collector is known to be absent
	ASKING, // templates have been sent as a probe, no refusal yet
};

static const char *const state_names[] = {[UP] = "up", [AWAY] = "away", [ASKING] = "asking"};

struct slot {
	uint32_t bytes, records;
};

struct hm_exporter {
	struct hm_exporter_conf conf;
	struct hm_template template[HM_TEMPLATES];
	struct hm_connection *connection; // NULL: not open
	enum state state;
	int last_errno;

	// ring of messages; `head` is under construction when open.at is set
	uint8_t *buffer;
	struct slot *slot;
	uint32_t mask, room; // slots - 1; bytes a message
	uint64_t head, tail;
	struct hm_message open;
	uint64_t open_since_ns;

	uint32_t sequence;
	uint32_t last_records; // of the newest message sent, which a refusal is about
	bool templates_due;
	uint64_t templates_at_ns;      // when they were sent last
	uint32_t since_templates;      // messages
	uint64_t credit, credit_at_ns; // of the rate limit, in records * 10^9
	uint64_t away_since_ns, next_probe_ns;
	bool finishing, gave_up;
	struct hm_exporter_counts counts;
};

void hm_exporter_defaults(struct hm_exporter_conf *conf)
{
	*conf = (struct hm_exporter_conf){
		.format = hm_format_by_name("ipfix"),
		.transport = &hm_transport_udp,
		.template_interval_s = 60,
		.template_packets = 1000,
		.mtu = 1400,
		.queue_messages = 8192,
	};
	conf->to.port = conf->format->port;
}

static uint32_t power_of_two(uint32_t n)
{
	uint32_t p = 1;

	while (p < n)
		p <<= 1;
	return p;
}

struct hm_exporter *hm_exporter_create(const struct hm_exporter_conf *conf)
{
	struct hm_exporter *x = calloc(1, sizeof(*x));
	uint32_t slots = power_of_two(conf->queue_messages);

	if (!x)
		return NULL;
	x->conf = *conf;
	x->mask = slots - 1;
	x->room = conf->mtu - conf->transport->overhead;
	x->buffer = malloc((size_t)slots * x->room);
	x->slot = calloc(slots, sizeof(*x->slot));
	if (!x->buffer || !x->slot) {
		hm_exporter_destroy(x);
		return NULL;
	}
	hm_template_basic(&x->template[HM_TEMPLATE_IPV4], HM_TEMPLATE_FIRST, 4);
	hm_template_basic(&x->template[HM_TEMPLATE_IPV6], HM_TEMPLATE_FIRST + 1, 6);
	x->templates_due = true;
	return x;
}

void hm_exporter_destroy(struct hm_exporter *x)
{
	if (!x)
		return;
	x->conf.transport->close(x->connection);
	free(x->slot);
	free(x->buffer);
	free(x);
}

/* --- queue --- */

static uint8_t *message_at(const struct hm_exporter *x, uint64_t i)
{
	return x->buffer + (size_t)(i & x->mask) * x->room;
}

static void close_message(struct hm_exporter *x)
{
	if (!x->open.at)
		return;
	x->conf.format->end(&x->open);
	x->slot[x->head & x->mask] = (struct slot){x->open.used, x->open.records};
	x->head++;
	x->open.at = NULL;
}

static bool open_message(struct hm_exporter *x, uint64_t now_ns)
{
	if (x->head - x->tail > x->mask)
		return false;
	x->conf.format->begin(&x->open, message_at(x, x->head), x->room, x->conf.domain);
	x->open_since_ns = now_ns;
	return true;
}

static bool add_record(struct hm_exporter *x, const struct hm_flow_record *r, unsigned sender,
		       uint64_t now_ns)
{
	const struct hm_template *t =
		&x->template[r->key.version == 4 ? HM_TEMPLATE_IPV4 : HM_TEMPLATE_IPV6];

	if (x->open.at && x->conf.format->add(&x->open, t, r, sender))
		return true;
	close_message(x);
	return open_message(x, now_ns) && x->conf.format->add(&x->open, t, r, sender);
}

static void lose(struct hm_exporter *x, uint64_t records)
{
	if (x->state == UP)
		x->counts.queue_full += records;
	else
		x->counts.unreachable += records;
}

void hm_exporter_put(struct hm_exporter *x, const struct hm_flow_record *r, unsigned n,
		     uint64_t now_ns)
{
	for (unsigned i = 0; i < n; i++) {
		for (unsigned k = 0; k < 2; k++) {
			unsigned sender = r[i].initiator ^ k;
			if (r[i].packets[sender] == 0)
				continue;
			x->counts.offered++;
			if (!x->gave_up && add_record(x, &r[i], sender, now_ns))
				x->counts.queued++;
			else
				lose(x, 1);
		}
	}
}

bool hm_exporter_room(const struct hm_exporter *x, unsigned n)
{
	// the smallest message holds one record; a set header more never matters to that
	uint64_t messages =
		(n * UINT64_C(2) * x->template[HM_TEMPLATE_IPV6].bytes) / (x->room / 2) + 2;

	return x->gave_up || x->head - x->tail + messages <= x->mask;
}

static void drop_queue(struct hm_exporter *x)
{
	close_message(x);
	for (; x->tail < x->head; x->tail++) {
		uint32_t records = x->slot[x->tail & x->mask].records;
		x->counts.queued -= records;
		lose(x, records);
	}
}

/* --- sending --- */

static uint32_t wall_clock_s(void)
{
	struct timespec t;

	clock_gettime(CLOCK_REALTIME_COARSE, &t);
	return (uint32_t)t.tv_sec;
}

static void go_away(struct hm_exporter *x, int error, uint64_t now_ns)
{
	x->counts.send_errors++;
	x->last_errno = -error;
	if (error == -ECONNREFUSED) { // by the host of the collector; of a message sent before
		x->counts.refused += x->last_records;
		x->last_records = 0;
	} else if (x->connection) { // no route, interface down ...: begin anew with another socket
		x->conf.transport->close(x->connection);
		x->connection = NULL;
	}
	if (x->state == UP)
		x->away_since_ns = now_ns;
	x->state = AWAY;
	x->templates_due = true;
	x->next_probe_ns = now_ns + PROBE_NS;
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
	x->templates_due = true;
	return true;
}

/* False: could not be sent, and the state says why. */
static bool send_templates(struct hm_exporter *x, uint64_t now_ns)
{
	const struct hm_format *f = x->conf.format;
	uint8_t bytes[1024];
	struct hm_message m;
	struct iovec v;
	int r;

	f->begin(&m, bytes, sizeof(bytes), x->conf.domain);
	if (!f->add_templates(&m, x->template, HM_TEMPLATES))
		return false;
	f->end(&m);
	f->stamp(bytes, x->sequence, wall_clock_s());
	v = (struct iovec){.iov_base = bytes, .iov_len = m.used};
	r = x->conf.transport->send(x->connection, &v, 1);
	if (r == -EAGAIN || r == 0) {
		x->counts.busy++;
		return false;
	}
	if (r < 0) {
		go_away(x, r, now_ns);
		return false;
	}
	x->templates_due = false;
	x->templates_at_ns = now_ns;
	x->since_templates = 0;
	x->last_records = 0;
	x->counts.templates++;
	x->counts.messages++;
	x->counts.bytes += m.used;
	return true;
}

static void add_credit(struct hm_exporter *x, uint64_t now_ns)
{
	uint64_t rate = x->conf.max_records_per_s, elapsed = now_ns - x->credit_at_ns;
	uint64_t most = rate * PACE_BURST_NS;
	uint64_t message = (x->room / x->template[HM_TEMPLATE_IPV4].bytes + 1) * NS_A_S;

	if (rate == 0)
		return;
	if (most < message)
		most = message;
	x->credit += rate * (elapsed < NS_A_S ? elapsed : NS_A_S);
	if (x->credit > most)
		x->credit = most;
	x->credit_at_ns = now_ns;
}

/* The rate limit: takes credit for a message of so many records. */
static bool pay(struct hm_exporter *x, uint32_t records)
{
	uint64_t price = records * NS_A_S;

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
		x->credit += records * NS_A_S;
}

/* Stamps the next messages, as many as may go now. */
static unsigned gather(struct hm_exporter *x, struct iovec *v)
{
	uint32_t sequence = x->sequence, now_s = wall_clock_s();
	unsigned n = 0;

	while (n < HM_TRANSPORT_BURST && x->tail + n < x->head &&
	       x->since_templates + n < x->conf.template_packets) {
		const struct slot *s = &x->slot[(x->tail + n) & x->mask];
		uint8_t *at = message_at(x, x->tail + n);
		if (!pay(x, s->records))
			break;
		x->conf.format->stamp(at, sequence, now_s);
		sequence += s->records;
		v[n++] = (struct iovec){.iov_base = at, .iov_len = s->bytes};
	}
	return n;
}

static void count_sent(struct hm_exporter *x, unsigned n)
{
	for (unsigned i = 0; i < n; i++, x->tail++) {
		const struct slot *s = &x->slot[x->tail & x->mask];
		x->sequence += s->records;
		x->counts.sent += s->records;
		x->counts.queued -= s->records;
		x->counts.bytes += s->bytes;
		x->last_records = s->records;
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
	    now_ns - x->templates_at_ns >= x->conf.template_interval_s * NS_A_S)
		x->templates_due = true;
	if (x->templates_due && !send_templates(x, now_ns))
		return false;
	n = gather(x, v);
	if (n == 0)
		return false;
	sent = x->conf.transport->send(x->connection, v, n);
	for (unsigned i = sent > 0 ? (unsigned)sent : 0; i < n; i++)
		give_back(x, x->slot[(x->tail + i) & x->mask].records);
	if (sent > 0)
		count_sent(x, (unsigned)sent);
	else if (sent == -EAGAIN || sent == 0)
		x->counts.busy++;
	else
		go_away(x, sent, now_ns);
	return sent == (int)n;
}

/* An absent collector: asks again and again with templates; holds the data for a while. */
static void look_for_collector(struct hm_exporter *x, uint64_t now_ns)
{
	uint64_t patience = x->finishing ? FINISH_NS : HM_EXPORTER_PATIENCE_NS;
	int error;

	if (now_ns - x->away_since_ns >= patience) {
		x->gave_up = true;
		drop_queue(x);
	}
	if (now_ns < x->next_probe_ns)
		return;
	if (!connect_now(x, now_ns))
		return;
	if (x->state == AWAY) {
		if (send_templates(x, now_ns)) {
			x->state = ASKING;
			x->next_probe_ns = now_ns + ANSWER_NS;
		}
		return;
	}
	error = x->conf.transport->error(x->connection);
	if (error != 0) {
		go_away(x, error, now_ns);
		return;
	}
	x->state = UP;
	x->gave_up = false;
	x->templates_due = true; // once more: the probe may have come a moment too early
}

unsigned hm_exporter_poll(struct hm_exporter *x, uint64_t now_ns)
{
	uint64_t before = x->counts.messages;

	if (x->open.at && (x->finishing || now_ns - x->open_since_ns >= FLUSH_NS))
		close_message(x);
	if (x->state != UP)
		look_for_collector(x, now_ns);
	if (x->state == UP && x->head != x->tail && connect_now(x, now_ns)) {
		add_credit(x, now_ns);
		for (unsigned i = 0; i < POLL_BURSTS && x->head != x->tail; i++)
			if (!send_burst(x, now_ns))
				break;
	}
	return (unsigned)(x->counts.messages - before);
}

void hm_exporter_finish(struct hm_exporter *x, uint64_t now_ns)
{
	if (x->finishing)
		return;
	x->finishing = true;
	if (x->state != UP)
		x->away_since_ns = now_ns; // one more chance
	close_message(x);
}

bool hm_exporter_idle(const struct hm_exporter *x)
{
	return x->counts.queued == 0;
}

void hm_exporter_counts(const struct hm_exporter *x, struct hm_exporter_counts *counts)
{
	*counts = x->counts;
}

json_t *hm_exporter_stats(const struct hm_exporter *x)
{
	const struct hm_exporter_counts *c = &x->counts;

	return json_pack(
		"{s:s, s:s, s:s, s:i, s:I, s:s, s:s, s:{s:I, s:I, s:I, s:I, s:{s:I, s:I, s:I}},"
		" s:I, s:I, s:I, s:I, s:I, s:I}",
		"protocol", x->conf.format->name, "transport", x->conf.transport->name, "host",
		x->conf.to.host, "port", (int)x->conf.to.port, "observation_domain",
		(json_int_t)x->conf.domain, "state", state_names[x->state], "last_error",
		x->last_errno ? strerror(x->last_errno) : "", "records", "offered",
		(json_int_t)c->offered, "exported", (json_int_t)(c->sent - c->refused), "spooled",
		(json_int_t)0, "queued", (json_int_t)c->queued, "lost", "queue_full",
		(json_int_t)c->queue_full, "refused", (json_int_t)c->refused, "unreachable",
		(json_int_t)c->unreachable, "messages", (json_int_t)c->messages, "bytes",
		(json_int_t)c->bytes, "templates", (json_int_t)c->templates, "send_errors",
		(json_int_t)c->send_errors, "busy", (json_int_t)c->busy, "reconnects",
		(json_int_t)c->reconnects);
}
