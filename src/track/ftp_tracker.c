/* SPDX-License-Identifier: BSD-3-Clause */
#include "track/ftp_tracker.h"

#include <arpa/inet.h>
#include <errno.h>
#include <string.h>

#include "track/ftp.h"

#define TCP_SEQUENCE 4
#define TCP_FLAGS    13
#define FIN          0x01
#define SYN          0x02
#define RST          0x04
#define BOTH         3
#define OLD_MAX      (1 << 20) // bytes that come again; what is further back is another connection's

enum kind { CONTROL, DATA, LISTENER, PAIR };

/* One direction of a control connection. */
struct speech {
	struct hm_ftp_line line;
	uint32_t next; // sequence number
	bool has_begun;
};

struct connection {
	struct hm_tracked tracked;
	uint32_t finished; // of data: bit 0 and 1, each end
	struct speech speech[2];
};

static_assert(sizeof(struct connection) % 8 == 0, "as the table wants it");

static void count(uint64_t *counter)
{
	__atomic_store_n(counter, *counter + 1, __ATOMIC_RELAXED); // reader: control core
}

static uint16_t load16(const uint8_t *p)
{
	uint16_t v;

	memcpy(&v, p, sizeof(v));
	return v;
}

static uint32_t load32(const uint8_t *p)
{
	uint32_t v;

	memcpy(&v, p, sizeof(v));
	return v;
}

/* --- control connections --- */

static void listen_at(struct hm_ftp_tracker_core *c, uint8_t version, const uint8_t *address,
		      uint16_t port, uint64_t ts_ns)
{
	struct hm_track_key key;
	uint32_t hash;

	hm_track_key_of_end(&key, version, address, htons(port), LISTENER);
	hash = hm_track_hash(&key);
	if (!hm_track_find(&c->track, hash, &key, ts_ns))
		hm_track_begin(&c->track, hash, &key, ts_ns);
}

/* Behind address translation a server's reply may name an address that nobody outside uses: clients connect to the one
 * that they talk to. */
static void announce(struct hm_ftp_tracker_core *c, const struct hm_track_key *key, unsigned sender,
		     enum hm_ftp_side side, const struct hm_ftp_end *end, uint64_t ts_ns)
{
	count(&c->announced);
	if (end->version != 0)
		listen_at(c, end->version, end->address, end->port, ts_ns);
	if (side == HM_FTP_SERVER)
		listen_at(c, key->version, key->end[sender].address, end->port, ts_ns);
}

static void hear(struct hm_ftp_tracker_core *c, const struct hm_track_key *key, unsigned sender,
		 struct hm_ftp_line *line, const uint8_t *bytes, size_t n, uint64_t ts_ns)
{
	enum hm_ftp_side side =
		key->end[sender].port_be == c->port_be ? HM_FTP_SERVER : HM_FTP_CLIENT;

	while (n > 0) {
		struct hm_ftp_end end;
		size_t read = hm_ftp_read(line, side, bytes, n, &end);

		bytes += read;
		n -= read;
		if (end.port != 0)
			announce(c, key, sender, side, &end, ts_ns);
	}
}

/* How many of the next bytes were there before. What does not go on where the last segment ended begins a line. */
static uint32_t old_bytes(struct speech *s, uint32_t sequence)
{
	uint32_t old = s->next - sequence;

	if (s->has_begun && old < OLD_MAX)
		return old;
	s->line = (struct hm_ftp_line){0};
	s->has_begun = true;
	return 0;
}

/* Floods of SYNs take no place: it begins with its first bytes. */
static struct speech *speech_of(struct hm_ftp_tracker_core *c, uint32_t hash,
				const struct hm_track_key *key, unsigned sender, uint64_t ts_ns,
				bool begin)
{
	struct connection *f = hm_track_find(&c->track, hash, key, ts_ns);

	if (!f && begin)
		f = hm_track_begin(&c->track, hash, key, ts_ns);
	return f ? &f->speech[sender] : NULL;
}

/* What goes over a protected control connection (RFC 2228) nobody can read: then its two hosts tell. */
static void pair_key(struct hm_track_key *pair, const struct hm_track_key *key)
{
	*pair = *key;
	pair->kind = PAIR;
	pair->end[0].port_be = pair->end[1].port_be = 0;
}

static void note_pair(struct hm_ftp_tracker_core *c, const struct hm_track_key *key, uint64_t ts_ns)
{
	struct hm_track_key pair;
	uint32_t hash;

	pair_key(&pair, key);
	hash = hm_track_hash(&pair);
	if (!hm_track_find(&c->track, hash, &pair, ts_ns))
		hm_track_begin(&c->track, hash, &pair, ts_ns);
}

static void follow_control(struct hm_ftp_tracker_core *c, const struct hm_batch *b, unsigned i)
{
	const uint8_t *tcp = b->data[i] + b->l4[i], *bytes = b->data[i] + b->payload[i];
	uint32_t captured = (uint32_t)(b->end[i] - b->payload[i]);
	uint32_t sent = b->ip_len[i] - (uint32_t)(b->payload[i] - b->l3[i]), old;
	bool syn = tcp[TCP_FLAGS] & SYN;
	uint32_t sequence = ntohl(load32(tcp + TCP_SEQUENCE)) + syn;
	struct hm_track_key key;
	unsigned sender = hm_track_key(&key, b, i, CONTROL);
	struct speech *s = speech_of(c, b->hash[i], &key, sender, b->ts_ns[i], captured > 0);
	struct hm_ftp_line line;

	if (s && syn)
		s->has_begun = false;
	if (captured == 0)
		return;
	if (c->any_data)
		note_pair(c, &key, b->ts_ns[i]);
	old = old_bytes(s, sequence);
	if (old >= sent)
		return;
	s->next = sequence + sent;
	line = s->line;
	if (old < captured)
		hear(c, &key, sender, &line, bytes + old, captured - old, b->ts_ns[i]);
	if (captured < sent)
		line = (struct hm_ftp_line){0};
	// what was announced may have taken its place meanwhile
	speech_of(c, b->hash[i], &key, sender, b->ts_ns[i], true)->line = line;
}

/* --- data connections --- */

static bool is_expected(struct hm_ftp_tracker_core *c, const struct hm_track_key *data,
			uint64_t ts_ns)
{
	bool expected = false;

	for (unsigned e = 0; e < 2; e++) {
		struct hm_track_key key;

		hm_track_key_of_end(&key, data->version, data->end[e].address, data->end[e].port_be,
				    LISTENER);
		expected |= hm_track_find(&c->track, hm_track_hash(&key), &key, ts_ns) != NULL;
	}
	if (c->any_data && !expected) {
		struct hm_track_key pair;

		pair_key(&pair, data);
		expected = hm_track_find(&c->track, hm_track_hash(&pair), &pair, ts_ns) != NULL;
	}
	return expected;
}

static bool is_data(struct hm_ftp_tracker_core *c, const struct hm_batch *b, unsigned i)
{
	uint8_t flags = b->data[i][b->l4[i] + TCP_FLAGS];
	uint32_t hash = b->hash[i];
	struct hm_track_key key;
	struct connection *f;
	unsigned sender;

	if (hm_table_used(&c->track.table) == 0) // nobody speaks FTP: no SYN is expected
		return false;
	if (!(flags & SYN) && hm_table_candidate(&c->track.table, hash) == 0)
		return false;
	sender = hm_track_key(&key, b, i, DATA);
	f = hm_track_find(&c->track, hash, &key, b->ts_ns[i]);
	if ((flags & SYN) && f && f->finished == BOTH) {
		hm_track_remove(&c->track,
				&f->tracked); // another connection between the same ports
		f = NULL;
	}
	if ((flags & SYN) && !f && is_expected(c, &key, b->ts_ns[i])) {
		f = hm_track_begin(&c->track, hash, &key, b->ts_ns[i]);
		count(&c->data_connections);
	}
	if (!f)
		return false;
	if (flags & RST)
		f->finished = BOTH;
	if (flags & FIN)
		f->finished |= 1u << sender;
	return true;
}

uint64_t hm_ftp_tracker_process(void *core, const struct hm_batch *b, uint64_t in)
{
	struct hm_ftp_tracker_core *c = core;
	uint64_t tcp = in & (b->ipv4 | b->ipv6) & b->tcp & b->l4_ok & ~b->fragment;
	uint64_t passed = 0;

	hm_mask_foreach (i, tcp) {
		const uint8_t *ports = b->data[i] + b->l4[i];
		bool control = load16(ports) == c->port_be || load16(ports + 2) == c->port_be;

		passed |= (uint64_t)control << i;
		hm_table_prefetch(&c->track.table, b->hash[i]);
	}
	// in order: what a packet announces counts from the next one on
	hm_mask_foreach (i, tcp) {
		if (passed >> i & 1)
			follow_control(c, b, i);
		else
			passed |= (uint64_t)is_data(c, b, i) << i;
	}
	return passed;
}

/* --- control core --- */

static const struct hm_option options[] = {
	{.name = "connections",
	 .min = 64,
	 .max = HM_TRACK_MAX_CONNECTIONS,
	 .value_default = HM_TRACK_DEFAULT_CONNECTIONS,
	 .offset = offsetof(struct hm_ftp_tracker_conf, connections)},
	{.name = "idle_s",
	 .min = 1,
	 .max = HM_TRACK_MAX_IDLE_S,
	 .value_default = HM_TRACK_DEFAULT_IDLE_S,
	 .offset = offsetof(struct hm_ftp_tracker_conf, idle_s)},
	{.name = "any_data",
	 .max = 1,
	 .value_default = HM_FTP_TRACKER_USUAL,
	 .offset = offsetof(struct hm_ftp_tracker_conf, any_data)},
	{0},
};

int hm_ftp_tracker_conf_init(struct hm_ftp_tracker_conf *conf, const char *function, uint16_t port,
			     bool any_data, const union hm_value *args, struct hm_error *err)
{
	conf->function = function;
	conf->port = port;
	int rc = hm_options_parse(function, options, args[0].options, conf, 7001, err);

	if (conf->any_data == HM_FTP_TRACKER_USUAL)
		conf->any_data = any_data;
	return rc;
}

int hm_ftp_tracker_core_init(void *core, const struct hm_core_ctx *ctx, struct hm_error *err)
{
	const struct hm_ftp_tracker_conf *conf = ctx->conf;
	struct hm_ftp_tracker_core *c = core;

	c->port_be = htons(conf->port);
	c->any_data = conf->any_data;
	if (hm_track_init(&c->track, conf->connections, sizeof(struct connection), conf->idle_s,
			  ctx->socket) < 0)
		return hm_error_set(err, -ENOMEM, 3084, "%s: no memory for %u connections",
				    conf->function, conf->connections);
	return 0;
}

void hm_ftp_tracker_core_fini(void *core)
{
	hm_track_fini(&((struct hm_ftp_tracker_core *)core)->track);
}

uint64_t hm_ftp_tracker_memory(const void *conf, unsigned n_workers)
{
	const struct hm_ftp_tracker_conf *c = conf;

	return n_workers * (uint64_t)hm_table_bytes(c->connections, sizeof(struct connection));
}

const struct hm_arg hm_ftp_tracker_args[] = {
	{.name = "options",
	 .type = HM_ARG_OPTIONS,
	 .optional = true,
	 .help = "\"connections\": control and data connections and announcements that are "
		 "remembered at most (16384); \"idle_s\": for so many seconds without a packet "
		 "(60); \"any_data\": 1 if each TCP connection between the hosts of a control "
		 "connection is one for data, announced or not"},
	{0},
};

const struct hm_field hm_ftp_tracker_results[] = {
	{.name = "announced",
	 .type = HM_FIELD_U64,
	 .c = HM_C_ULONG_LONG,
	 .unit = "announcements",
	 .offset = offsetof(struct hm_ftp_tracker_core, announced),
	 .help = "commands and replies that told where a side listens"},
	{.name = "data_connections",
	 .type = HM_FIELD_U64,
	 .c = HM_C_ULONG_LONG,
	 .unit = "connections",
	 .offset = offsetof(struct hm_ftp_tracker_core, data_connections),
	 .help = "that were expected, and began"},
	{.name = "forgotten",
	 .type = HM_FIELD_U64,
	 .c = HM_C_ULONG_LONG,
	 .unit = "records",
	 .offset = offsetof(struct hm_ftp_tracker_core, track.forgotten),
	 .help = "before their time, since there was no place"},
	{0},
};
