/* SPDX-License-Identifier: BSD-3-Clause */
/* What each fault of a script does to the stream, or to the next record. */
#include <endian.h>
#include <errno.h>
#include <string.h>

#include "pmd_dag/sim/feeder.h"
#include "trace/erf.h"

static uint8_t *end_of(const struct sim_feeder_stream *s)
{
	return s->ring.mem + s->filled % s->ring.size;
}

// Lossless cards wait for room; on lossy ones there may be none, and the fault does not happen.
static bool make_room(struct sim_feeder *f, struct sim_feeder_stream *s, uint64_t size)
{
	return size <= s->ring.size && sim_feeder_wait_room(f, s, size);
}

static bool put_padding(struct sim_feeder *f, struct sim_feeder_stream *s,
			const struct sim_event *e)
{
	for (uint64_t i = 0; i < e->count; i++) {
		if (!make_room(f, s, (uint64_t)e->value))
			return false;
		uint8_t *rec = end_of(s);
		memset(rec, 0, (size_t)e->value);
		rec[8] = HM_ERF_PAD;
		sim_put_be16(rec + 10, (uint32_t)e->value);
		sim_put_be16(rec + 12, i == 0 ? e->lctr : 0);
		s->filled += (uint64_t)e->value;
	}
	return true;
}

static uint8_t *put_tag(uint8_t *p, uint16_t tag, uint16_t length, uint64_t value)
{
	sim_put_be16(p, tag);
	sim_put_be16(p + 2, length);
	for (unsigned i = 0; i < length; i++)
		p[4 + i] = (uint8_t)(value >> 8 * (length - 1u - i));
	return p + 4 + length;
}

// Capture, info with the clock's state, stream with its drops, and a tag that nobody knows.
static bool put_meta(struct sim_feeder *f, struct sim_feeder_stream *s, const struct sim_event *e,
		     uint64_t ts_ns)
{
	enum { SIZE = 128 };
	const uint64_t drops = sim_feeder_shared(f, s)->drops;
	uint64_t ts = htole64(hm_erf_ts_from_ns(ts_ns)),
		 host = htobe64(UINT64_C(0x1101000000abcdef));
	if (!make_room(f, s, SIZE))
		return false;
	uint8_t *rec = end_of(s), *p = rec + HM_ERF_HEADER + HM_ERF_EXT_HEADER;
	memset(rec, 0, SIZE);
	memcpy(rec, &ts, sizeof(ts));
	rec[8] = HM_ERF_META | HM_ERF_MORE;
	rec[9] = HM_ERF_FLAG_VLEN;
	sim_put_be16(rec + 10, SIZE);
	sim_put_be16(rec + 14, SIZE - HM_ERF_HEADER - HM_ERF_EXT_HEADER);
	memcpy(rec + HM_ERF_HEADER, &host, sizeof(host));
	p = put_tag(p, 2, 8, be64toh(ts));
	p = put_tag(p, 0xff00, 4, 1 << 16);
	p = put_tag(p, 0xff06, 4, 1 << 16);
	p = put_tag(p, 385, 4, (uint64_t)e->value);
	p = put_tag(p, 390, 4, 100);
	p = put_tag(p, 0x7abc, 4, 0);
	p = put_tag(p, 0xff08, 4, 1 << 16);
	p = put_tag(p, 33, 4, 2 * (uint64_t)(s - f->stream));
	put_tag(p, 216, f->drop_bits == 32 ? 4 : 8, drops);
	s->filled += SIZE;
	return true;
}

static bool put_bytes(struct sim_feeder *f, struct sim_feeder_stream *s, const struct sim_event *e)
{
	for (uint64_t i = 0; i < e->count; i++) {
		if (!make_room(f, s, e->n_hex))
			return false;
		memcpy(end_of(s), e->hex, e->n_hex);
		s->filled += e->n_hex;
	}
	return true;
}

// What is written so far can still be read.
static bool fail_stream(struct sim_feeder *f, struct sim_feeder_stream *s,
			const struct sim_event *e)
{
	struct sim_shared_stream *shared = sim_feeder_shared(f, s);
	sim_feeder_publish(f);
	shared->error_at = s->filled;
	atomic_store_explicit(&shared->error, (int)e->value, memory_order_release);
	if (e->value != EAGAIN)
		return true;
	bool alive = sim_feeder_sleep(f, e->ms);
	shared->error = 0;
	return alive;
}

bool sim_fault_fire(struct sim_feeder *f, struct sim_feeder_stream *s, const struct sim_event *e,
		    uint64_t ts_ns, struct sim_twist *twist)
{
	switch (e->fault) {
	case SIM_FAULT_PAD:
		return put_padding(f, s, e);
	case SIM_FAULT_META:
		return put_meta(f, s, e, ts_ns);
	case SIM_FAULT_RECORD:
		return put_bytes(f, s, e);
	case SIM_FAULT_RLEN:
		twist->rlen = (int)e->value;
		return true;
	case SIM_FAULT_TYPE:
		twist->type = (int)e->value;
		return true;
	case SIM_FAULT_FLAGS:
		twist->flags |= (uint8_t)e->value;
		return true;
	case SIM_FAULT_EXTENSION:
		twist->extensions = (uint32_t)e->count;
		twist->extension_type = (uint8_t)e->value;
		return true;
	case SIM_FAULT_CHAIN:
		twist->chain = true;
		return true;
	case SIM_FAULT_PARTIAL:
		twist->partial = (uint32_t)e->value;
		twist->partial_ms = e->ms;
		return true;
	case SIM_FAULT_DAMAGE:
		twist->damage = true;
		return true;
	case SIM_FAULT_DROPS:
		f->counted[SIM_SENT] += e->count;
		f->counted[SIM_DROPPED] += e->count;
		sim_feeder_lose(f, s, 0, e->count);
		return true;
	case SIM_FAULT_CLOCK:
		f->clock_ns = (int64_t)((uint64_t)f->clock_ns + (uint64_t)e->value);
		return true;
	case SIM_FAULT_QUIET:
		return sim_feeder_sleep(f, e->ms);
	case SIM_FAULT_ERROR:
		return fail_stream(f, s, e);
	case SIM_FAULT_DIE:
		f->dead = true;
		return false;
	default:
		return true;
	}
}

// Puts headers in front of those that are there.
static uint32_t add_extensions(uint8_t *rec, uint32_t size, const struct sim_twist *twist)
{
	const uint32_t more = twist->extensions * HM_ERF_EXT_HEADER;
	const uint8_t last = rec[8] & HM_ERF_MORE;
	if (size + more > SIM_RECORD_MAX)
		return size;
	memmove(rec + HM_ERF_HEADER + more, rec + HM_ERF_HEADER, size - HM_ERF_HEADER);
	for (uint32_t i = 0; i < twist->extensions; i++) {
		uint8_t *ext = rec + HM_ERF_HEADER + i * HM_ERF_EXT_HEADER;
		memset(ext, (int)i, HM_ERF_EXT_HEADER);
		ext[0] = (uint8_t)(twist->extension_type |
				   (i + 1 < twist->extensions ? HM_ERF_MORE : last));
	}
	if (twist->extensions > 0)
		rec[8] |= HM_ERF_MORE;
	sim_put_be16(rec + 10, size + more);
	return size + more;
}

bool sim_fault_twist(uint8_t *rec, uint32_t *size, const struct sim_twist *twist)
{
	bool spoiled = false;
	*size = add_extensions(rec, *size, twist);
	if (twist->damage)
		rec[*size - 8] ^= 1; // a byte of the frame or of its FCS
	if (twist->chain) {
		// from here to the record's end everything is an extension header
		for (uint32_t at = 8; at < *size; at += 8)
			rec[at] |= HM_ERF_MORE;
		spoiled = true;
	}
	rec[9] |= twist->flags;
	if (twist->flags & (HM_ERF_FLAG_RXERROR | HM_ERF_FLAG_DSERROR))
		spoiled = true;
	if (twist->type >= 0) {
		rec[8] = (uint8_t)((rec[8] & HM_ERF_MORE) | twist->type);
		spoiled |= hm_erf_class((uint8_t)twist->type) != HM_ERF_CLASS_ETH;
	}
	if (twist->rlen >= 0) {
		sim_put_be16(rec + 10, (uint32_t)twist->rlen);
		spoiled = true;
	}
	return spoiled;
}
