/* SPDX-License-Identifier: BSD-3-Clause */
#include <netinet/in.h>
#include <string.h>

#include "cook/streams_state.h"
#include "core/ip_length.h"
#include "core/wire.h"

#define TCP_HEADER 20u
enum { TCP_FIN = 1, TCP_PSH = 8, TCP_ACK = 16 };

/* --- what is due --- */

static struct way *way_of(const struct hm_streams *s, uint32_t due)
{
	return &hm_streams_connection(s, due / 2)->way[due % 2];
}

/* A direction is known by its connection and which one it is. */
static void queue(struct hm_streams *s, uint32_t index, unsigned w)
{
	const uint32_t due = 2 * index + w;

	if (way_of(s, due)->queued)
		return;
	way_of(s, due)->queued = true;
	way_of(s, due)->next_due = 0;
	if (s->due)
		way_of(s, s->due_last)->next_due = due;
	else
		s->due = due;
	s->due_last = due;
}

/* The first one has nothing more that is due. */
static void unqueue(struct hm_streams *s)
{
	const uint32_t due = s->due;
	struct connection *c = hm_streams_connection(s, due / 2);
	struct way *way = way_of(s, due);

	s->due = way->next_due;
	way->queued = way->flush = way->all = false;
	if (c->ending && !c->way[!(due % 2)].queued)
		hm_streams_remove(s, due / 2);
}

void hm_streams_flush(struct hm_streams *s, uint32_t index, unsigned w, bool all)
{
	struct way *way = way_of(s, 2 * index + w);

	if (all ? hm_bytes_empty(&way->bytes) : way->bytes.next == way->bytes.base)
		return;
	way->flush = true;
	way->all |= all;
	queue(s, index, w);
}

void hm_streams_look(struct hm_streams *s, uint32_t index, unsigned w)
{
	const struct hm_bytes *bytes = &way_of(s, 2 * index + w)->bytes;

	if (bytes->next - bytes->base >= s->conf.threshold)
		queue(s, index, w);
}

void hm_streams_give_up_hole(struct hm_streams *s, struct way *way, uint64_t place)
{
	uint32_t packets;

	s->counts->gaps++;
	s->counts->missing += hm_bytes_jump(&way->bytes, s->blocks, place, &packets);
	s->counts->used += packets;
	s->counts->held -= packets;
	if (way->state == WAY_OPEN && way->fin == way->bytes.next)
		way->state = WAY_ENDED;
}

/* --- cooked packets --- */

/* Header and checksum for n bytes that are behind it already. */
static void finish_packet(const struct way *way, uint8_t *frame, uint32_t n)
{
	uint8_t *ip = frame + way->l3, *tcp = frame + way->header_n - TCP_HEADER;
	const uint32_t header = way->header_n - TCP_HEADER - way->l3;
	const uint64_t place = way->bytes.base;

	hm_put32(tcp + 4, hm_streams_seq(way, place));
	tcp[12] = TCP_HEADER / 4 << 4;
	tcp[13] = TCP_ACK | TCP_PSH | (way->fin == place + n ? TCP_FIN : 0);
	hm_put16(tcp + 16, 0);
	hm_put16(tcp + 18, 0); // no urgent data
	hm_ip_set_length(ip, header, TCP_HEADER + n, way->v6, way->pppoe);
	hm_put16(tcp + 16, hm_ip_l4_checksum(ip, way->v6, IPPROTO_TCP, tcp, TCP_HEADER + n));
}

/* How many bytes of the direction the next packet has, of which there is room for so many. */
static uint32_t chunk_of(const struct hm_streams *s, const struct way *way, uint32_t room)
{
	const uint64_t there = way->bytes.next - way->bytes.base;
	const uint32_t ip_room = UINT16_MAX - (way->header_n - way->l3);
	uint32_t most = s->conf.threshold;

	if (there < most && !way->flush)
		return 0;
	most = most < room - way->header_n ? most : room - way->header_n;
	most = most < ip_room ? most : ip_room;
	return there < most ? (uint32_t)there : most;
}

static void hand_on(struct hm_streams *s, struct way *way, uint8_t *to, uint32_t n,
		    struct hm_cooked *cooked)
{
	uint32_t packets;

	if (to) {
		memcpy(to, way->header, way->header_n);
		hm_bytes_copy(&way->bytes, to + way->header_n, n);
		finish_packet(way, to, n);
		s->counts->cooked++;
		s->counts->bytes += n;
	}
	*cooked = (struct hm_cooked){
		.caplen = way->header_n + n, .ts_ns = way->ts_ns, .ifindex = way->ifindex};
	packets = hm_bytes_drop(&way->bytes, s->blocks, n);
	s->counts->held -= packets;
	if (to)
		s->counts->used += packets;
	else
		s->counts->dropped[HM_STREAMS_NO_COPY] += packets;
}

/* Drops all that a direction holds. */
static void drop_bytes(struct hm_streams *s, struct way *way, enum hm_streams_cause cause)
{
	struct hm_bytes *bytes = &way->bytes;
	uint32_t packets = 0, jumped = 0;

	while (!hm_bytes_empty(bytes)) {
		packets += hm_bytes_drop(bytes, s->blocks, (uint32_t)(bytes->next - bytes->base));
		if (bytes->ahead > 0)
			hm_bytes_jump(bytes, s->blocks, 0, &jumped);
		packets += jumped;
		jumped = 0;
	}
	s->counts->held -= packets;
	s->counts->dropped[cause] += packets;
}

/* Goes on behind a hole, if the direction shall. */
static bool pass_hole(struct hm_streams *s, struct way *way)
{
	if (way->bytes.next != way->bytes.base)
		return false;
	if (way->bytes.ahead > 0 && !way->all)
		return false;
	if (way->bytes.ahead == 0 && way->hole_to <= way->bytes.next)
		return false;
	hm_streams_give_up_hole(s, way, way->hole_to);
	return true;
}

bool hm_streams_take(struct hm_streams *s, uint8_t *to, uint32_t room, struct hm_cooked *cooked)
{
	while (s->due) {
		struct way *way = way_of(s, s->due);
		const uint32_t n = chunk_of(s, way, room);

		if (n == 0) {
			if (!pass_hole(s, way))
				unqueue(s);
			continue;
		}
		hand_on(s, way, to, n, cooked);
		if (s->conf.first_only) {
			way->had_first = true;
			way->hole_to = 0;
			drop_bytes(s, way, HM_STREAMS_NOT_WANTED);
		}
		if (chunk_of(s, way, room) == 0 && !pass_hole(s, way))
			unqueue(s);
		return true;
	}
	return false;
}

void hm_streams_drop_all(struct hm_streams *s)
{
	while (s->oldest) {
		struct connection *c = hm_streams_connection(s, s->oldest);

		for (unsigned w = 0; w < 2; w++)
			drop_bytes(s, &c->way[w], HM_STREAMS_UNFINISHED);
		hm_streams_remove(s, s->oldest);
	}
	s->due = 0;
}
