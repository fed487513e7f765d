/* SPDX-License-Identifier: BSD-3-Clause */
/* feed: frames of the source become segments in the rings. */
#include <endian.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <zlib.h>

#include "pmd_dag/sim_sze2/card.h"

#define FCS       4u
#define NS_PER_S  UINT64_C(1000000000)
#define COLOR     0xc0deu
#define HW_OFFSET 4u
#define HW_MAX    256u
#define LOOK_MAX  65536u // frames that arrive at once

struct segment {
	uint32_t size; // as its header says it, and what it takes in the ring
	uint32_t room;
	uint32_t cut;
	uint8_t bytes[SZE2_SEGMENT_MAX + 8];
};

const struct sze2_sim_fault *sze2_card_fault(const struct sze2_card *c, enum sze2_sim_what what,
					     uint32_t channel, uint64_t at)
{
	for (size_t i = 0; i < c->conf.n_faults; i++) {
		const struct sze2_sim_fault *f = &c->faults[i];
		uint64_t count = f->count ? f->count : 1;
		if (f->what == what && f->channel == channel && at >= f->at && at - f->at < count)
			return f;
	}
	return NULL;
}

static void put_le16(uint8_t *p, uint32_t v)
{
	p[0] = (uint8_t)v;
	p[1] = (uint8_t)(v >> 8);
}

static void put_le32(uint8_t *p, uint32_t v)
{
	put_le16(p, v);
	put_le16(p + 2, v >> 16);
}

// Hardware data, as far as there is room for it.
static void make_hw(const struct sze2_card *c, uint32_t channel, const struct hm_trace_packet *p,
		    uint32_t wire, uint8_t *hw)
{
	const struct sze2_channel *ch = &c->channels[channel];
	const uint64_t number = ch->frames + ch->lost, ns = p->ts_ns + c->add_ns;
	const struct sze2_sim_fault *f;
	const uint32_t label = c->conf.label == SZE2_SIM_LABEL_WIRE       ? wire
			       : c->conf.label == SZE2_SIM_LABEL_SEQUENCE ? (uint32_t)number
									  : COLOR;
	hw[0] = (uint8_t)((channel & 15) << 4 | (p->ifindex & 15));
	hw[1] = (uint8_t)(channel >> 4);
	put_le16(hw + 2, label);
	put_le32(hw + 4, (uint32_t)(ns % NS_PER_S));
	put_le32(hw + 8, (uint32_t)(ns / NS_PER_S));
	if ((f = sze2_card_fault(c, SZE2_SIM_NS, channel, ch->frames)))
		put_le32(hw + 4, f->value);
	if ((f = sze2_card_fault(c, SZE2_SIM_NO_TIME, channel, ch->frames)))
		memset(hw + 4, (int)f->value, 8);
}

static void make_segment(struct sze2_card *c, uint32_t channel, const struct hm_trace_packet *p,
			 struct segment *s)
{
	const uint64_t number = c->channels[channel].frames;
	const struct sze2_sim_fault *f = sze2_card_fault(c, SZE2_SIM_HW_DATA, channel, number);
	const uint32_t hw_size = f ? f->value : c->conf.hw_bytes;
	const uint32_t start = (HW_OFFSET + hw_size + 7) & ~7u;
	const uint32_t most = SZE2_SEGMENT_MAX - start - (c->conf.fcs ? FCS : 0);
	const uint32_t len = p->caplen < most ? p->caplen : most;
	const bool fcs = c->conf.fcs && len == p->wirelen;
	uint8_t hw[HW_MAX] = {0};

	c->cut += len < p->caplen;
	s->size = start + len + (fcs ? FCS : 0);
	s->room = (s->size + 7) & ~7u;
	memset(s->bytes, 0, start);
	make_hw(c, channel, p, p->wirelen + (c->conf.fcs ? FCS : 0), hw);
	memcpy(s->bytes + HW_OFFSET, hw, hw_size);
	memcpy(s->bytes + start, p->data, len);
	if (fcs)
		put_le32(s->bytes + start + len, (uint32_t)crc32(0, p->data, len));
	memset(s->bytes + s->size, 0, s->room - s->size);
	f = sze2_card_fault(c, SZE2_SIM_SIZE, channel, number);
	put_le16(s->bytes, f ? f->value : s->size);
	f = sze2_card_fault(c, SZE2_SIM_HW_SIZE, channel, number);
	put_le16(s->bytes + 2, f ? f->value : hw_size);
	f = sze2_card_fault(c, SZE2_SIM_CUT, channel, number);
	s->cut = f && f->value < s->room ? f->value : SZE2_NO_CUT;
}

static bool has_room(const struct sze2_channel *ch, uint32_t n)
{
	return ch->written + n - ch->released <= ch->ring.size &&
	       ch->head - ch->tail < ch->n_segments;
}

static void append(struct sze2_channel *ch, uint32_t room, uint32_t cut)
{
	ch->written += room;
	ch->segments[ch->head++ % ch->n_segments] =
		(struct sze2_segment){.end = ch->written, .cut = cut};
	ch->frames++;
}

// The next frame of the source, with laps; false: there is none any more.
static bool next_frame(struct sze2_card *c)
{
	struct hm_error err;
	while (!c->waiting && !c->exhausted) {
		int ret = sim_source_next(&c->source, &c->packet, &err);
		if (ret > 0) {
			c->waiting = true;
			break;
		}
		bool empty = c->source.packets == 0;
		sim_source_lap_done(&c->source);
		if (ret < 0 || empty ||
		    (c->source.laps_max && c->source.laps == c->source.laps_max) ||
		    sim_source_rewind(&c->source, &err) < 0)
			c->exhausted = true;
		else
			c->add_ns += c->source.lap_ns;
	}
	return c->waiting;
}

static bool is_early(struct sze2_card *c)
{
	struct timespec t;
	if (c->conf.pace == 0)
		return false;
	clock_gettime(CLOCK_MONOTONIC, &t);
	uint64_t now = (uint64_t)t.tv_sec * NS_PER_S + (uint64_t)t.tv_nsec;
	if (c->start_ns == 0)
		c->start_ns = now;
	return (double)(c->packet.ts_ns + c->add_ns - c->source.first_ns) >
	       (double)(now - c->start_ns) * c->conf.pace;
}

// False if the frame has to wait.
static bool take_frame(struct sze2_card *c, struct segment *s)
{
	uint16_t color; // there are no rules
	uint32_t channel =
		(uint32_t)sim_split_packet(&c->split, c->source.link, &c->packet, &color);
	struct sze2_channel *ch = &c->channels[channel];
	const struct sze2_sim_fault *f = sze2_card_fault(c, SZE2_SIM_UNPLUG, channel, ch->frames);
	if (f && !ch->unplugged) {
		ch->unplugged = f->value;
		c->n_unplugged++;
	}
	if (c->n_unplugged == c->conf.channels)
		return false;
	if (ch->unplugged || !ch->reader) {
		c->waiting = false;
		c->sent++;
		ch->lost++;
		return true;
	}
	make_segment(c, channel, &c->packet, s);
	bool never = s->room > ch->ring.size;
	if (!never && !has_room(ch, s->room) && c->conf.arrive == 0)
		return false;
	c->waiting = false;
	c->sent++;
	if (never || !has_room(ch, s->room)) {
		ch->lost++;
		return true;
	}
	sze2_ring_write(&ch->ring, ch->written, s->bytes, s->room);
	append(ch, s->room, s->cut);
	return true;
}

// The ring's content arrives again, as it is.
static void feed_preloaded(struct sze2_card *c)
{
	struct sze2_channel *ch = &c->channels[0];
	while (has_room(ch, c->lengths[c->next_length])) {
		append(ch, c->lengths[c->next_length], SZE2_NO_CUT);
		c->sent++;
		if (++c->next_length < c->n_lengths)
			continue;
		c->next_length = 0;
		if (c->source.laps_max && c->sent == c->n_lengths * c->source.laps_max) {
			c->exhausted = true;
			break;
		}
	}
}

void sze2_card_feed(struct sze2_card *c)
{
	static struct segment s; // sze2_lock is held
	if (c->lengths) {
		if (!c->exhausted)
			feed_preloaded(c);
		return;
	}
	// frames for channels that nobody reads are lost: an endless source must not hold the reader
	const uint32_t most = c->conf.arrive ? c->conf.arrive : LOOK_MAX;
	for (uint32_t n = 0; n < most; n++)
		if (!next_frame(c) || is_early(c) || !take_frame(c, &s))
			break;
}

// One lap into the ring of a card with one channel, whose length becomes the lap's.
int sze2_card_preload(struct sze2_card *c, struct hm_error *err)
{
	struct sze2_channel *ch = &c->channels[0];
	struct segment *s = malloc(sizeof(*s));
	uint64_t pos = 0;
	int ret = -ENOMEM;
	c->lengths = calloc(ch->n_segments, sizeof(*c->lengths));
	while (s && c->lengths && (ret = sim_source_next(&c->source, &c->packet, err)) > 0) {
		make_segment(c, 0, &c->packet, s);
		if (pos + s->room > ch->ring.size || c->n_lengths == ch->n_segments) {
			ret = hm_error_set(err, -EFBIG, 0,
					   "%s: the trace does not fit into the ring", c->name);
			break;
		}
		sze2_ring_write(&ch->ring, pos, s->bytes, s->room);
		pos += s->room;
		c->lengths[c->n_lengths++] = s->room;
	}
	free(s);
	if (ret == 0 && c->n_lengths == 0)
		ret = hm_error_set(err, -EINVAL, 0, "%s: the trace is empty", c->name);
	ch->ring.size = pos;
	return ret;
}
