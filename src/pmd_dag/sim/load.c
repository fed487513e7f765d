/* SPDX-License-Identifier: BSD-3-Clause */
/* load: a trace that fits is turned into records once, and played from there.
 *
 * Each stream's ring holds one or more whole laps, closed by PAD records. Playing is then nothing
 * but moving the top of the window; in a later pass over the ring each record's time is raised
 * where it is. Windows are kept short, and each record's first lines are fetched ahead: the reader
 * finds them in its cache, as it would behind a card that writes into the cache.
 */
#include "pmd_dag/sim/card.h"

#include <endian.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "trace/erf.h"

#define WINDOW    64u                 // records offered at once
#define AHEAD     24u                 // records between fetching and offering one
#define MIRROR    (UINT64_C(8) << 20) // how far the reader may hold records across the seam
#define RING_WANT (UINT64_C(4) << 20) // a short trace is repeated in the ring up to this

static int note_record(struct sim_stream *s, uint64_t offset)
{
	if (s->n_index == s->index_size) {
		uint64_t n = s->index_size ? s->index_size * 2 : 4096;
		uint32_t *grown = realloc(s->index, n * sizeof(*grown));
		if (!grown)
			return -ENOMEM;
		s->index = grown;
		s->index_size = n;
	}
	s->index[s->n_index++] = (uint32_t)offset;
	return 0;
}

static int load_packet(struct sim_card *c, const struct hm_trace_packet *p, uint64_t *room)
{
	uint16_t color;
	int stream = sim_split_packet(&c->split, c->source.link, p, &color);
	if (stream < 0) {
		c->shared->filtered++;
		return 0;
	}
	struct sim_stream *s = &c->streams[stream];
	uint32_t size = sim_record_size(p, &c->form);
	if (size > *room)
		return -EFBIG;
	*room -= size;
	if (note_record(s, s->filled) < 0)
		return -ENOMEM;
	const struct sim_stamp stamp = {
		.ts_ns = p->ts_ns, .sequence = (uint32_t)c->shared->read_packets, .field = color};
	c->shared->cut += sim_record_write(s->ring.mem + s->filled, p, &stamp, &c->form);
	s->filled += size;
	return 0;
}

// One lap into the rings. A corrupt trace is played up to the damage.
static int load_lap(struct sim_card *c, uint64_t room, struct hm_error *err)
{
	struct hm_trace_packet p;
	int ret;
	while ((ret = sim_source_next(&c->source, &p, &c->error)) > 0) {
		ret = load_packet(c, &p, &room);
		if (ret == -EFBIG)
			return ret;
		if (ret < 0)
			return hm_error_set(err, ret, 0, "%s: out of memory for the trace",
					    c->name);
		c->shared->read_packets++;
	}
	if (ret < 0) {
		c->shared->failed = ret;
		c->source.laps_max = 1;
	}
	sim_source_lap_done(&c->source);
	sim_source_count(&c->source, c->shared);
	return 0;
}

// Appends copies of the first lap, each with later times.
static int repeat_lap(struct sim_card *c, struct sim_stream *s)
{
	const uint64_t records = s->n_index, bytes = s->filled;
	for (uint64_t k = 1; k < c->copies; k++) {
		memcpy(s->ring.mem + s->filled, s->ring.mem, bytes);
		for (uint64_t i = 0; i < records; i++) {
			uint64_t offset = s->index[i] + s->filled;
			if (note_record(s, offset) < 0)
				return -ENOMEM;
			sim_record_raise(s->ring.mem + offset, k * c->lap_ts,
					 (uint32_t)(k * c->shared->read_packets), &c->form);
		}
		s->filled += bytes;
	}
	return 0;
}

// Pads the ring to whole pages, which the mirror needs, and completes the index.
static int close_ring(struct sim_card *c, struct sim_stream *s)
{
	const uint64_t page = (uint64_t)sysconf(_SC_PAGESIZE);
	uint64_t size = (s->filled + page - 1) / page * page;
	if (size == 0 || (size != s->filled && size - s->filled < HM_ERF_HEADER))
		size += page;
	s->ring_packets = s->n_index;
	if (size != s->filled) {
		sim_record_pad(s->ring.mem + s->filled, size - s->filled);
		if (note_record(s, s->filled) < 0)
			return -ENOMEM;
	}
	s->ring_records = s->n_index;
	if (note_record(s, size) < 0)
		return -ENOMEM;
	// behind the end, the look-ahead of the last records finds the first ones
	for (uint64_t i = 0; i < AHEAD; i++)
		if (note_record(s, s->index[i % s->ring_records]) < 0)
			return -ENOMEM;
	s->add = c->copies * c->lap_ts;
	s->left = c->source.laps_max == 0 ? UINT64_MAX
					  : s->ring_packets / c->copies * c->source.laps_max;
	if (s->ring_packets == 0)
		s->left = 0;
	s->shared->produced = s->left == 0 ? 0 : UINT64_MAX;
	return sim_ring_seal(&s->ring, size);
}

static void choose_copies(struct sim_card *c)
{
	uint64_t most = 1;
	for (uint32_t i = 0; i < c->n_streams; i++)
		most = c->streams[i].filled > most ? c->streams[i].filled : most;
	c->copies = most < RING_WANT ? RING_WANT / most : 1;
	if (c->source.laps_max != 0 && c->copies > c->source.laps_max)
		c->copies = c->source.laps_max;
	c->lap_ts = hm_erf_ts_from_ns(c->source.lap_ns);
}

int sim_card_load(struct sim_card *c, uint64_t limit, struct hm_error *err)
{
	int ret = 0;
	for (uint32_t i = 0; i < c->n_streams && ret == 0; i++)
		ret = sim_ring_reserve(&c->streams[i].ring, limit + RING_WANT + 8192, MIRROR);
	if (ret == 0)
		ret = load_lap(c, limit, err);
	if (ret == 0)
		choose_copies(c);
	for (uint32_t i = 0; i < c->n_streams && ret == 0; i++) {
		ret = repeat_lap(c, &c->streams[i]);
		if (ret == 0)
			ret = close_ring(c, &c->streams[i]);
	}
	if (ret == 0) {
		c->loaded = true;
		c->shared->exhausted = true;
		return 0;
	}
	for (uint32_t i = 0; i < c->n_streams; i++) {
		struct sim_stream *s = &c->streams[i];
		sim_ring_free(&s->ring);
		free(s->index);
		s->index = NULL;
		s->n_index = s->index_size = s->filled = 0;
	}
	if (ret != -EFBIG)
		hm_error_set(err, ret, 0, "%s: cannot load the trace: %s", c->name, strerror(-ret));
	return ret;
}

// At most n packets from s->next on, none of which is padding or behind `reach` or `due`.
static uint64_t offer(struct sim_stream *s, uint64_t n, uint64_t reach, uint64_t due)
{
	const uint32_t *index = s->index + s->next;
	const uint64_t add = s->again ? s->add : 0;
	const struct sim_card *c = s->card;
	const uint32_t add_sequence = (uint32_t)(c->copies * c->shared->read_packets);
	uint8_t *mem = s->ring.mem;
	uint64_t i;
	for (i = 0; i < n; i++) {
		const uint8_t *ahead = mem + index[i + AHEAD];
		uint8_t *rec = mem + index[i];
		__builtin_prefetch(ahead, 1);
		__builtin_prefetch(ahead + 64, 0);
		if (s->pass_start + index[i + 1] > reach)
			break;
		if (due != UINT64_MAX && hm_erf_ts(rec) + add > due)
			break;
		if (add != 0)
			sim_record_raise(rec, add, add_sequence, &c->form);
	}
	return i;
}

void sim_stream_expose_loaded(struct sim_stream *s)
{
	const uint64_t now = sim_card_now_ns(s->card);
	const uint64_t due = now == UINT64_MAX ? now : hm_erf_ts_from_ns(now);
	const uint64_t seam = s->released - s->position + s->ring.size + s->ring.window;
	const uint64_t full = s->released + s->ring.size;
	const uint64_t reach = seam < full ? seam : full;
	uint64_t n = WINDOW < s->left ? WINDOW : s->left, packets = 0;

	while (n > 0) {
		uint64_t run = s->ring_packets - s->next, done;
		run = run < n ? run : n;
		done = offer(s, run, reach, due);
		s->next += done;
		packets += done;
		n -= done;
		if (done < run)
			break;
		if (s->next == s->ring_packets) {
			// the padding belongs to the last packet; the next pass begins
			if (s->pass_start + s->ring.size > reach)
				break;
			s->next = 0;
			s->pass_start += s->ring.size;
			s->again = true;
		}
	}
	s->exposed = s->pass_start + s->index[s->next];
	if (s->left != UINT64_MAX)
		s->left -= packets;
	s->offered += packets;
	atomic_store_explicit(&s->shared->packets, s->offered, memory_order_relaxed);
	if (s->left == 0)
		atomic_store_explicit(&s->shared->produced, s->exposed, memory_order_release);
}

uint64_t sim_stream_next_number(const struct sim_stream *s)
{
	const struct sim_card *c = s->card;
	uint64_t floor = atomic_load_explicit(&s->floor, memory_order_relaxed);
	uint32_t number;

	if (s->left == 0)
		return UINT64_MAX;
	number = sim_record_number(s->ring.mem + s->index[s->next]);
	if (s->again)
		number += (uint32_t)(c->copies * c->shared->read_packets); // as offer() will do
	return floor + (uint32_t)(number - (uint32_t)floor);
}
