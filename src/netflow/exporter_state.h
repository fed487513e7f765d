/* SPDX-License-Identifier: BSD-3-Clause */
/* exporter_state: what the three files of an exporter share: exporter.c (its life), exporter_queue.c
 * (records into messages) and exporter_send.c (messages to the collector). Nobody else's business. */
#pragma once

#include "netflow/exporter.h"
#include "netflow/spool.h"

#define HM_NS_A_S    UINT64_C(1000000000)
#define HM_NS_A_MS   UINT64_C(1000000)
#define HM_FINISH_NS HM_NS_A_S // patience at the end

enum hm_exporter_state {
	HM_EXPORTER_UP,
	HM_EXPORTER_AWAY,   // the collector is known to be absent
	HM_EXPORTER_ASKING, // templates have been sent as a probe, no refusal yet
};

struct hm_slot {
	uint32_t bytes;
	struct hm_load load;
};

struct hm_exporter {
	struct hm_exporter_conf conf;
	struct hm_layout layout;
	struct hm_connection *connection; // NULL: not open
	enum hm_exporter_state state;
	char last_error[HM_ERROR_MAX + 80];

	// ring of messages; `head` is under construction when open.at is set
	uint8_t *buffer;
	struct hm_slot *slot;
	uint32_t mask, room; // slots - 1; bytes a message
	uint32_t fit;        // of these a new message takes no more, since its path does not
	uint64_t fit_at_ns;  // when that was looked at
	uint64_t head, tail;
	uint8_t *spare; // with a spool: where a message is made that does not go into the ring

	struct hm_slot *sent; // the last slots - 1 messages that were sent, for a line that breaks
	uint64_t n_sent, connected_at; // messages, in all and when the connection was opened

	struct hm_spool *spool; // NULL: there is none
	bool spooling; // new messages go there; what is still in the ring is older than what is there
	bool stowing;       // what is in the ring is being moved there
	uint8_t *templates; // the sets of data templates
	uint32_t templates_bytes;
	struct hm_layout foreign; // of messages from the spool that have others
	uint8_t *foreign_bytes;
	uint32_t n_foreign_bytes;
	uint16_t foreign_shift; // 0: those in hand are of the exporter's own
	unsigned n_foreign;     // that there were
	bool foreign_due;       // the collector does not know them yet

	struct hm_message open;
	struct hm_load open_load;
	const struct hm_routes *routes; // newest, while records come
	uint64_t open_since_ns;

	uint32_t sequence;
	uint32_t last_flows; // of the newest message sent, which a refusal is about
	bool templates_due, new_connection;
	uint64_t templates_at_ns;      // when they were sent last
	uint32_t since_templates;      // messages
	uint64_t credit, credit_at_ns; // of the rate limit, in records * 10^9
	uint64_t away_since_ns, next_probe_ns;
	unsigned failures;       // since the collector was last there
	uint64_t stale_since_ns; // 0: the connection may stay
	uint64_t busy_since_ns;  // 0: the last message was taken
	bool finishing, gave_up;
	bool flushed; // nothing is left in the transport
	struct hm_exporter_counts counts;

	struct hm_announcement announcement;
	struct hm_message note; // of the announcement; note.used is 0 when it has been sent
	uint8_t *note_bytes;
	bool announcing;
	uint64_t interfaces; // set of those that records came from
	struct hm_applications applications;
	struct hm_shortfall unsent;
};

static inline uint8_t *hm_message_at(const struct hm_exporter *x, uint64_t i)
{
	return x->buffer + (size_t)(i & x->mask) * x->room;
}

static inline struct hm_slot *hm_slot_at(const struct hm_exporter *x, uint64_t i)
{
	return &x->slot[i & x->mask];
}

#define HM_EXPORTER_MTU_MIN 512 // whatever the path, RFC 7011 section 10.3.3

/* Messages that n biflows may become. */
uint32_t hm_exporter_messages(const struct hm_exporter *x, unsigned n);
/* The open message, if there is one, is ready to leave. */
void hm_exporter_close_message(struct hm_exporter *x);
/* Moves what waits in memory to the spool, if it belongs there. */
void hm_exporter_stow(struct hm_exporter *x, uint64_t now_ns);
bool hm_exporter_open_spool(struct hm_exporter *x); // false: no memory
void hm_exporter_close_spool(struct hm_exporter *x);
/* Something is in the spool that may be sent now. */
bool hm_exporter_replays(const struct hm_exporter *x);
/* The oldest messages of the spool are in memory, and the collector will know their templates: then they
 * are what hm_spool_next() gives. */
bool hm_exporter_begin_replay(struct hm_exporter *x);
/* All that waits is lost. */
void hm_exporter_drop_queue(struct hm_exporter *x);
/* As the newest message sent. */
void hm_exporter_remember(struct hm_exporter *x, uint32_t bytes, const struct hm_load *l);
/* For the options records: this will not be sent. */
void hm_exporter_note_unsent(struct hm_exporter *x, const struct hm_load *l);
/* Sends what may go now, and looks for a collector that is away. */
void hm_exporter_send(struct hm_exporter *x, uint64_t now_ns);
