/* SPDX-License-Identifier: BSD-3-Clause */
#include <string.h>

#include "cook/streams_state.h"
#include "core/wire.h"

/* A segment as its headers describe it. */
struct segment {
	const uint8_t *tcp, *data;
	uint32_t captured, wire; // bytes of data
	uint32_t seq;            // of the first of them
	uint32_t headers;        // bytes up to the TCP options
	uint32_t options;        // bytes of the TCP header with its options, as far as captured
	bool syn, fin, rst, ack;
};

/* What became of it: dropped ones are counted then; TAKE_FIRST: nothing has happened, what is due is in the way. */
enum verdict { USED, KEPT, DROPPED, TAKE_FIRST };

static uint32_t least(uint32_t a, uint32_t b)
{
	return a < b ? a : b;
}

static void describe(const struct hm_batch *b, unsigned i, struct segment *g)
{
	const uint32_t l4 = b->l4[i], end_on_wire = b->l3[i] + b->ip_len[i], end = b->end[i];
	const uint8_t *tcp = b->data[i] + l4;
	const uint32_t header = (tcp[12] >> 4) * 4u, payload = l4 + (header > 20 ? header : 20);

	*g = (struct segment){
		.tcp = tcp,
		.data = b->data[i] + payload,
		.wire = end_on_wire > payload ? end_on_wire - payload : 0,
		.captured = end > payload ? end - payload : 0,
		.seq = hm_be32(tcp + 4),
		.headers = l4 + 20,
		.options = least(payload, end) - l4,
		.fin = tcp[13] & 1,
		.syn = tcp[13] & 2,
		.rst = tcp[13] & 4,
		.ack = tcp[13] & 16,
	};
	g->captured = least(g->captured, g->wire);
	g->seq += g->syn; // a SYN takes a number
}

/* RFC 7323 section 2.2; as far as it is captured. 0: it says nothing. */
static uint8_t window_shift(const struct segment *g)
{
	const uint32_t end = g->options;
	const uint8_t *tcp = g->tcp;

	for (uint32_t at = 20; at + 1 < end && tcp[at] != 0;) {
		if (tcp[at] == 1) {
			at++;
			continue;
		}
		if (tcp[at] == 3 && at + 2 < end)
			return (uint8_t)least(tcp[at + 2], 14);
		if (tcp[at + 1] < 2)
			break;
		at += tcp[at + 1];
	}
	return 0;
}

/* --- connections --- */

static void start_way(struct hm_streams *s, uint32_t index, unsigned w, const struct segment *g)
{
	struct way *way = &hm_streams_connection(s, index)->way[w];

	hm_bytes_begin(&way->bytes, hm_streams_slots(s, index, w), s->n_slots, FIRST_PLACE);
	way->seq_of_0 = g->seq - (uint32_t)FIRST_PLACE;
	way->fin = NO_PLACE;
	way->state = WAY_OPEN;
}

/* How far behind what is next. */
static int64_t ahead_by(const struct way *way, uint32_t seq)
{
	return (int32_t)(seq - hm_streams_seq(way, way->bytes.next));
}

/* What one end asks the other one for. Twice as much is allowed, and some more: acknowledgements may have been lost
 * on their way to us. */
static void note_window(const struct segment *g, const struct way *own, struct way *peer)
{
	const uint64_t window = (uint64_t)hm_be16(g->tcp + 14) << (g->syn ? 0 : own->shift);
	uint64_t right;
	int64_t by;

	if (!g->ack || peer->state == WAY_UNKNOWN)
		return;
	by = ahead_by(peer, hm_be32(g->tcp + 8));
	if (by > FAR || by < -FAR)
		return;
	right = peer->bytes.next + (uint64_t)by + 2 * window + UINT16_MAX;
	if (right > peer->right)
		peer->right = right;
}

static bool is_in_window(const struct way *way, uint32_t seq)
{
	const int64_t by = ahead_by(way, seq);

	return by <= FAR && by >= -FAR &&
	       (!way->right || way->bytes.next + (uint64_t)by <= way->right);
}

/* It has been idle for too long, or its ports are used again. */
static bool is_over(const struct hm_streams *s, const struct connection *c, unsigned w,
		    const struct segment *g)
{
	const struct way *way = &c->way[w];

	if (hm_streams_is_idle(s, c))
		return true;
	return g->syn && !g->ack && way->state != WAY_UNKNOWN &&
	       g->seq != hm_streams_seq(way, FIRST_PLACE);
}

/* Which end is the client: who sends the SYN; if nobody was seen to, who has not the lower port. */
static unsigned client_of(const struct hm_track_key *k, unsigned sender, const struct segment *g)
{
	const uint32_t own = hm_be16((const uint8_t *)&k->end[sender].port_be);
	const uint32_t other = hm_be16((const uint8_t *)&k->end[!sender].port_be);

	if (g->syn)
		return g->ack ? !sender : sender;
	return own < other ? !sender : sender;
}

/* --- data --- */

static enum verdict drop(struct hm_streams *s, enum hm_streams_cause cause)
{
	s->counts->dropped[cause]++;
	return DROPPED;
}

/* Bytes that have been there: those that are still held. */
static void repeat(struct hm_streams *s, struct way *way, const struct segment *g, uint64_t place)
{
	struct hm_bytes *bytes = &way->bytes;
	const uint64_t from = place > bytes->base ? place : bytes->base;
	const uint64_t behind = place + g->captured;
	const uint64_t end = behind < bytes->next ? behind : bytes->next;

	if (s->conf.last_wins && from < end)
		hm_bytes_overwrite(bytes, from, g->data + (from - place), (uint32_t)(end - from));
}

static void keep_header(struct way *way, const struct hm_batch *b, unsigned i, uint32_t n)
{
	way->header_n = (uint8_t)n;
	way->l3 = (uint8_t)b->l3[i];
	way->v6 = b->ipv6 >> i & 1;
	way->pppoe = b->pppoe >> i & 1;
	memcpy(way->header, b->data[i], n);
}

/* Whether the slots reach as far as `end`: what is in order goes on before, then holes are given up. */
static bool reach(struct hm_streams *s, uint32_t index, unsigned w, uint64_t place, uint64_t end)
{
	struct way *way = &hm_streams_connection(s, index)->way[w];

	while (end > hm_bytes_limit(&way->bytes)) {
		if (way->bytes.next > way->bytes.base) {
			hm_streams_flush(s, index, w, false);
			return false;
		}
		hm_streams_give_up_hole(s, way, place);
	}
	return true;
}

/* Blocks for the bytes. */
static enum verdict make_room(struct hm_streams *s, uint32_t index, const struct hm_bytes *bytes,
			      uint64_t from, uint64_t end)
{
	while (hm_copies_free(s->blocks) < hm_bytes_wanted(bytes, from, end)) {
		if (s->conf.refuse)
			return drop(s, HM_STREAMS_NO_ROOM);
		hm_streams_evict_for(s, index);
		if (s->due)
			return TAKE_FIRST;
	}
	return KEPT;
}

/* Data that is wanted, in its window. */
static enum verdict store(struct hm_streams *s, uint32_t index, unsigned w, const struct segment *g,
			  const struct hm_batch *b, unsigned i)
{
	struct way *way = &hm_streams_connection(s, index)->way[w];
	struct hm_bytes *bytes = &way->bytes;
	const uint64_t place = bytes->next + (uint64_t)ahead_by(way, g->seq);
	const uint64_t end = place + g->captured;
	enum verdict verdict;
	uint64_t from, next;
	uint32_t new;

	if (!reach(s, index, w, place, end))
		return TAKE_FIRST;
	next = bytes->next;
	from = place > next ? place : next;
	verdict = end > from ? make_room(s, index, bytes, from, end) : KEPT;
	if (verdict != KEPT)
		return verdict;
	s->counts->repeated += g->captured;
	if (place < next)
		repeat(s, way, g, place);
	if (end <= from)
		return drop(s, place + g->wire > next ? HM_STREAMS_CUT : HM_STREAMS_DUPLICATE);
	if (hm_bytes_empty(bytes))
		keep_header(way, b, i, g->headers);
	new = hm_bytes_put(bytes, s->blocks, from, g->data + (from - place), (uint32_t)(end - from),
			   s->conf.last_wins);
	s->counts->repeated -= new;
	if (!new)
		return drop(s, HM_STREAMS_DUPLICATE);
	s->counts->reordered += from > next;
	s->counts->held++;
	way->ts_ns = s->now_ns;
	way->ifindex = b->ifindex[i];
	return KEPT;
}

/* What of the packet was not captured leaves a hole, at once if it would be next. */
static void leave_hole(struct hm_streams *s, uint32_t index, unsigned w, uint64_t end,
		       uint64_t end_on_wire)
{
	struct way *way = &hm_streams_connection(s, index)->way[w];

	if (way->bytes.next > end_on_wire || way->bytes.next < end || way->bytes.ahead > 0)
		return;
	if (hm_bytes_empty(&way->bytes)) {
		hm_streams_give_up_hole(s, way, end_on_wire);
		return;
	}
	way->hole_to = end_on_wire;
	hm_streams_flush(s, index, w, false);
}

static enum verdict add_data(struct hm_streams *s, uint32_t index, unsigned w,
			     const struct segment *g, const struct hm_batch *b, unsigned i)
{
	const struct connection *c = hm_streams_connection(s, index);
	const uint8_t side = w == c->client ? HM_STREAMS_CLIENT : HM_STREAMS_SERVER;
	const struct way *way = &c->way[w];
	const uint64_t place = way->bytes.next + (uint64_t)ahead_by(way, g->seq);
	enum verdict verdict;

	if (!(s->conf.collect & side) || way->had_first)
		return drop(s, HM_STREAMS_NOT_WANTED);
	if (way->state == WAY_ENDED)
		return drop(s, HM_STREAMS_AFTER_END);
	if (g->headers > HM_STREAMS_HEADER_MAX)
		return drop(s, HM_STREAMS_LONG_HEADERS);
	if (!is_in_window(way, g->seq))
		return drop(s, HM_STREAMS_OUT_OF_WINDOW);
	verdict = store(s, index, w, g, b, i);
	if (verdict != TAKE_FIRST && g->captured < g->wire)
		leave_hole(s, index, w, place + g->captured, place + g->wire);
	return verdict;
}

/* The end of a direction, or of both. */
static void note_end(struct hm_streams *s, uint32_t index, unsigned w, const struct segment *g,
		     uint64_t place)
{
	struct connection *c = hm_streams_connection(s, index);
	struct way *way = &c->way[w];

	if (g->rst && (way->state != WAY_OPEN || is_in_window(way, g->seq))) {
		for (unsigned k = 0; k < 2; k++) {
			c->way[k].state = WAY_ENDED;
			hm_streams_flush(s, index, k, true);
		}
		return;
	}
	if (way->state != WAY_OPEN)
		return;
	if (g->fin && way->fin == NO_PLACE && place + g->wire >= way->bytes.next)
		way->fin = place + g->wire;
	if (way->fin == way->bytes.next) {
		way->state = WAY_ENDED;
		hm_streams_flush(s, index, w, false);
	}
}

/* A packet of a connection that is followed. False: as hm_streams_add(). */
static bool add_segment(struct hm_streams *s, uint32_t index, unsigned w, const struct segment *g,
			const struct hm_batch *b, unsigned i)
{
	struct connection *c = hm_streams_connection(s, index);
	struct way *way = &c->way[w];
	enum verdict verdict = USED;
	uint64_t place;

	if (way->state == WAY_UNKNOWN && (g->syn || g->wire > 0))
		start_way(s, index, w, g);
	if (g->syn)
		way->shift = window_shift(g);
	note_window(g, way, &c->way[!w]);
	place = way->bytes.next + (uint64_t)ahead_by(way, g->seq);
	if (g->wire > 0)
		verdict = add_data(s, index, w, g, b, i);
	if (verdict == TAKE_FIRST)
		return false;
	s->counts->segments++;
	s->counts->used += verdict == USED;
	hm_streams_touch(s, index);
	note_end(s, index, w, g, place);
	hm_streams_look(s, index, w);
	return true;
}

/* --- for the function --- */

void hm_streams_prepare(struct hm_streams_keys *k, const struct hm_batch *b, uint64_t mask)
{
	hm_mask_foreach (i, mask) {
		k->sender[i] = (uint8_t)hm_track_key(&k->key[i], b, i, 0);
		k->hash[i] = hm_track_hash(&k->key[i]);
	}
}

void hm_streams_expect(const struct hm_streams *s, const struct hm_streams_keys *k, unsigned i)
{
	hm_table_prefetch(&s->table, k->hash[i]);
}

void hm_streams_fetch(const struct hm_streams *s, const struct hm_streams_keys *k, unsigned i)
{
	const struct connection *c =
		hm_streams_connection(s, hm_table_candidate(&s->table, k->hash[i]));

	__builtin_prefetch(c);
	__builtin_prefetch(&c->way[k->sender[i]]);
	__builtin_prefetch(&c->way[k->sender[i]].state);
	__builtin_prefetch(&c->way[!k->sender[i]].state); // with what it has asked for
}

bool hm_streams_add(struct hm_streams *s, const struct hm_streams_keys *k, const struct hm_batch *b,
		    unsigned i)
{
	const struct hm_track_key *key = &k->key[i];
	const unsigned w = k->sender[i];
	struct segment g;
	uint32_t index;

	if (s->due)
		return false;
	describe(b, i, &g);
	index = hm_table_find(&s->table, k->hash[i], key, sizeof(*key));
	if (index && is_over(s, hm_streams_connection(s, index), w, &g)) {
		hm_streams_finish(s, index);
		if (s->due)
			return false;
		index = 0;
	}
	if (!index && !g.rst && (g.syn || (s->conf.midstream && g.wire > 0))) {
		index = hm_streams_make(s, key, k->hash[i]);
		if (!index && s->due)
			return false;
		if (!index) {
			s->counts->segments++;
			drop(s, HM_STREAMS_NO_ROOM);
			return true;
		}
		hm_streams_connection(s, index)->client = (uint8_t)client_of(key, w, &g);
	}
	if (index)
		return add_segment(s, index, w, &g, b, i);
	s->counts->segments++;
	if (g.wire > 0)
		drop(s, HM_STREAMS_NO_HANDSHAKE);
	else
		s->counts->used++;
	return true;
}
