/* SPDX-License-Identifier: BSD-3-Clause */
/* Receive path: walk the stream's records, hand them out in zero copy, give space back in order.
 *
 * A burst first collects freed slots, then walks plain frames in chunks: look at the record headers
 * (a dependent chain, nothing else is done in it), take just as many mbufs, fill them. Whatever is
 * not a plain frame ends a chunk and is handled out of line.
 */
#include <errno.h>
#include <string.h>

#include <rte_branch_prediction.h>
#include <rte_cycles.h>
#include <rte_mempool.h>
#include <rte_prefetch.h>

#include "dag_driver.h"
#include "dag_meta.h"
#include "dag_record.h"
#include "net_dag.h"

/* The stream is gone, like an unplugged card. Called once a queue, from the polling thread. */
static __rte_noinline void
fail_queue(struct dag_rx_queue *q, const char *why)
{
	q->running = false;
	DAG_LOG(ERR, "%s: stream %d stopped: %s", q->dev->data->name, q->stream, why);
	card_gone(q->dev);
}

/* Gives back what has been released and takes what is new. 0, or -1 if the stream failed. */
int
dag_advance(struct dag_rx_queue *q)
{
	uint64_t parse = q->base_offset + (uint64_t)(q->cur - q->base);
	uint8_t *bottom = RTE_PTR_ADD(q->base, q->release - q->base_offset);
	uint8_t *top;

	if (q->base == NULL) /* nothing has been taken yet */
		bottom = NULL;
	q->stats.advances++;
	errno = 0;
	top = q->card->lib->advance_stream(q->card->fd, q->stream, &bottom);
	if (unlikely(top == NULL)) {
		if (errno == EAGAIN)
			return 0;
		fail_queue(q, strerror(errno));
		return -1;
	}
	/* the card may have moved bottom back by one buffer: derive everything from this pair */
	q->base = bottom;
	q->base_offset = q->release;
	q->cur = bottom + (parse - q->release);
	q->top = top;
	if (unlikely(q->top < q->cur)) {
		fail_queue(q, "the card took records back");
		return -1;
	}
	return 0;
}

/* Leaves or enters the copy fallback, so that one slow reader does not stall the stream. */
static __rte_noinline void
check_hold(struct dag_rx_queue *q, uint32_t held, uint64_t held_bytes)
{
	if (q->copying) {
		if (held <= q->hold_slots / 3 && held_bytes <= q->hold_bytes / 2)
			q->copying = false;
	} else {
		q->copying = true;
		q->stats.fallbacks++;
	}
}

void
dag_reclaim(struct dag_rx_queue *q)
{
	uint64_t parse = q->base_offset + (uint64_t)(q->cur - q->base);
	uint32_t tail = q->tail, held;

	q->release = parse;
	while (tail != q->head) {
		/* pairs with the store in slot_freed() */
		uint64_t start =
			__atomic_load_n(&q->slots[tail & q->slot_mask].start, __ATOMIC_ACQUIRE);
		if (start != DAG_SLOT_FREE) {
			q->release = start;
			break;
		}
		tail++;
	}
	held = q->head - tail;
	if (held == 0)
		q->head = tail = 0; /* so that a reader which frees at once stays in few lines */
	q->tail = tail;
	if (unlikely(q->zero_copy &&
		     (q->copying || held > q->hold_slots || parse - q->release > q->hold_bytes)))
		check_hold(q, held, parse - q->release);
}

static void
count_loss(struct dag_rx_queue *q, const uint8_t *rec)
{
	uint8_t interface = (uint8_t)(1u << hm_erf_interface(hm_erf_flags(rec)));
	uint16_t lost = hm_erf_lctr(rec);

	/* an interface's first record tells of losses before the start */
	if (hm_erf_has_lctr(hm_erf_type(rec)) && (q->lctr_seen & interface)) {
		q->stats.lctr_drops += lost;
		q->stats.lctr_saturated += lost == UINT16_MAX;
	}
	q->lctr_seen |= interface;
}

/* The card's 32-bit number as one that goes on rising. All queues keep one value near the newest
 * number; it moves rarely, so it costs the queues no cache misses. */
static __rte_always_inline uint64_t
widen_sequence(struct dag_rx_queue *q, uint32_t number)
{
	uint64_t newest = __atomic_load_n(q->port_sequence, __ATOMIC_RELAXED);
	uint64_t near = RTE_MAX(newest, q->sequence_near), sequence;

	sequence = near + (uint64_t)(int64_t)(int32_t)(number - (uint32_t)near);
	q->sequence_near = sequence;
	if (unlikely((int64_t)(sequence - newest) > (int64_t)DAG_SEQUENCE_STEP))
		__atomic_store_n(q->port_sequence, sequence, __ATOMIC_RELAXED);
	return sequence;
}

static __rte_always_inline void
note_sequence(struct dag_rx_queue *q, const struct dag_layout *layout, struct rte_mbuf *m,
	      uint32_t number)
{
	if (layout->sequence_flag == 0)
		return;
	*RTE_MBUF_DYNFIELD(m, layout->sequence_offset, uint64_t *) = widen_sequence(q, number);
	m->ol_flags |= layout->sequence_flag;
}

static void
set_mark(struct rte_mbuf *m, uint16_t color)
{
	m->hash.fdir.hi = color;
	m->ol_flags |= RTE_MBUF_F_RX_FDIR | RTE_MBUF_F_RX_FDIR_ID;
}

static void
note_extensions(struct dag_rx_queue *q, struct rte_mbuf *m, const uint8_t *rec, uint32_t offset)
{
	const struct dag_layout *layout = &q->layout;
	struct dag_ext ext;

	dag_ext_read(rec, offset - 2, &ext);
	if (ext.has_hash) {
		m->hash.rss = ext.hash;
		m->ol_flags |= RTE_MBUF_F_RX_RSS_HASH;
	}
	if (ext.has_color && layout->mark)
		set_mark(m, ext.color);
	if (ext.has_sequence)
		note_sequence(q, layout, m, ext.sequence);
	if (layout->source_offset >= 0)
		*RTE_MBUF_DYNFIELD(m, layout->source_offset, uint64_t *) =
			(uint64_t)ext.source << 48 | ext.host;
}

/* A frame that is delivered but is not plain, or has something to count besides. */
static __rte_noinline void
note_frame(struct dag_rx_queue *q, struct rte_mbuf *m, const uint8_t *rec, uint32_t offset,
	   struct net_dag_capture *capture)
{
	if (rec[8] & HM_ERF_MORE)
		note_extensions(q, m, rec, offset);
	if (!hm_erf_has_lctr(hm_erf_type(rec))) {
		capture->color_or_flags = hm_erf_lctr(rec);
		if (q->layout.mark)
			set_mark(m, capture->color_or_flags);
	}
	count_loss(q, rec);
	q->stats.offset_records += rec[offset - 2] != 0;
	q->stats.unaligned_records += (hm_erf_rlen(rec) & 7) != 0;
	q->stats.short_wlen += hm_erf_wlen(rec) < q->layout.strip;
	q->stats.error_records +=
		(hm_erf_flags(rec) & (HM_ERF_FLAG_RXERROR | HM_ERF_FLAG_DSERROR)) != 0;
}

/* META records come about once a second. */
static void
note_meta(struct dag_rx_queue *q, const uint8_t *rec, uint32_t rlen)
{
	const uint32_t offset = hm_erf_payload_offset(rec, rlen);
	struct dag_meta meta = {.malformed = true};
	bool reset;

	if (offset != 0)
		dag_meta_read(rec, offset, rlen, (uint16_t)q->stream, &meta);
	q->stats.meta_malformed += meta.malformed;
	q->stats.meta_tsc = rte_get_tsc_cycles();
	if (meta.has_clock)
		q->stats.clock_state = meta.clock_state;
	if (meta.has_phase)
		q->stats.clock_phase_error = meta.phase_error;
	if (!meta.has_drops)
		return;
	/* up to the first one, nothing but the loss counters tells */
	if (!q->meta_counter.known)
		q->stats.meta_drops = q->stats.lctr_drops;
	q->stats.meta_drops += dag_counter_add(&q->meta_counter, meta.drops, &reset);
	q->stats.counter_resets += reset;
}

static void
strike(struct dag_rx_queue *q)
{
	if (++q->strikes >= DAG_STRIKES_MAX)
		fail_queue(q, "no intact record between corrupt ones");
}

/* Out of step: what has arrived so far cannot be read, start again with what comes next. */
static void
resync(struct dag_rx_queue *q)
{
	q->stats.bad_rlen++;
	q->stats.resync_bytes += (uint64_t)(q->top - q->cur);
	q->cur = q->top;
	strike(q);
}

/* The window ends inside a record although it has grown as far as it can, or for a second. */
static bool
is_stuck(struct dag_rx_queue *q)
{
	uint64_t avail = (uint64_t)(q->top - q->cur);
	uint64_t end = q->base_offset + (uint64_t)(q->top - q->base);

	if (avail == 0)
		return false;
	if (avail >= DAG_PARTIAL_ROOM && avail + DAG_PARTIAL_ROOM >= q->buffer_size)
		return true;
	if (end != q->partial_end) {
		q->partial_end = end;
		q->partial_since = rte_get_tsc_cycles();
		return false;
	}
	return rte_get_tsc_cycles() - q->partial_since > rte_get_tsc_hz();
}

static void
skip_record(struct dag_rx_queue *q, enum dag_verdict verdict, uint32_t rlen)
{
	struct dag_rx_stats *stats = &q->stats;
	const uint8_t *rec = q->cur;

	switch (verdict) {
	case DAG_RECORD_PAD:
		stats->pad_records++;
		break;
	case DAG_RECORD_META:
		stats->meta_records++;
		note_meta(q, rec, rlen);
		break;
	case DAG_RECORD_OTHER:
		stats->other_records++;
		break;
	case DAG_RECORD_EMPTY:
		stats->empty_records++;
		break;
	case DAG_RECORD_CORRUPT:
		stats->corrupt_records++;
		break;
	case DAG_RECORD_INVALID:
		stats->invalid_records++;
		break;
	default:
		stats->error_records++;
		stats->error_drops++;
		break;
	}
	if (verdict == DAG_RECORD_INVALID) {
		strike(q);
	} else {
		stats->types[hm_erf_type(rec)]++;
		stats->unaligned_records += (rlen & 7) != 0;
		count_loss(q, rec);
		q->strikes = 0;
	}
	q->cur += rlen;
}

/* Deals with the record at q->cur that ended a chunk. True if there is more to walk. */
static __rte_noinline bool
pass_record(struct dag_rx_queue *q, bool *advanced)
{
	struct dag_record r;
	enum dag_verdict verdict = dag_record_look(q->cur, (size_t)(q->top - q->cur), &r);

	switch (verdict) {
	case DAG_RECORD_WAIT:
		if (!*advanced) {
			*advanced = true;
			return dag_advance(q) == 0 && q->top != q->cur;
		}
		if (is_stuck(q))
			resync(q);
		return false;
	case DAG_RECORD_LOST:
		resync(q);
		return q->running;
	default:
		skip_record(q, verdict, r.rlen);
		return q->running;
	}
}

/* Plain frames that follow each other. */
struct dag_chunk {
	const uint8_t *record[DAG_CHUNK];
	uint16_t offset[DAG_CHUNK];
	const uint8_t *end; /* of the last one */
};

/* Inlined: the body of the loop over all packets. */
static __rte_always_inline unsigned int
walk_frames(const struct dag_rx_queue *q, struct dag_chunk *chunk, unsigned int max)
{
	const uint8_t *cur = q->cur, *top = q->top;
	struct dag_record r;
	unsigned int n;

	for (n = 0; n < max; n++) {
		enum dag_verdict verdict = dag_record_look(cur, (size_t)(top - cur), &r);

		if (unlikely(verdict != DAG_RECORD_FRAME) &&
		    !(verdict == DAG_RECORD_ERROR_FRAME && q->deliver_errors))
			break;
		chunk->record[n] = cur;
		chunk->offset[n] = (uint16_t)r.offset;
		cur += r.rlen;
	}
	chunk->end = cur;
	return n;
}

/* Time never orders anything here; that it jumps is worth knowing. */
static __rte_always_inline void
watch_time(struct dag_rx_queue *q, const uint8_t *rec)
{
	const uint64_t ts = hm_erf_ts(rec), second = UINT64_C(1) << 32;
	const uint64_t forward = ts - q->last_ts + second; /* a second back is still above 0 */

	if (unlikely(forward > 3601 * second) && q->last_ts != 0)
		q->stats.time_steps++;
	q->last_ts = ts;
}

/* As many mbufs as there are, at most n: a nearly empty pool must not stop the queue for good. */
static __rte_noinline unsigned int
take_fewer_mbufs(struct dag_rx_queue *q, struct rte_mbuf **pkts, unsigned int n)
{
	unsigned int k;

	for (k = n / 2; k > 0; k /= 2)
		if (rte_mempool_get_bulk(q->pool, (void **)pkts, k) == 0)
			break;
	q->stats.nombuf += n - k;
	return k;
}

/* data_off, refcnt, nb_segs and port in one store. */
static __rte_always_inline void
rearm(struct rte_mbuf *m, uint64_t word)
{
	memcpy(RTE_PTR_ADD(m, offsetof(struct rte_mbuf, rearm_data)), &word, sizeof(word));
}

/* What both modes say about a frame. Inlined as the loop's body; returns the captured length and
 * adds to *seen, the interfaces of this chunk. */
static __rte_always_inline uint32_t
describe_frame(struct dag_rx_queue *q, const struct dag_layout *layout, struct rte_mbuf *m,
	       const uint8_t *rec, uint32_t offset, uint64_t word, uint64_t sequence, uint8_t *seen)
{
	const uint8_t flags = (uint8_t)(word >> 8);
	const uint8_t interface = hm_erf_interface(flags);
	const uint32_t wlen = dag_word_wlen(word);
	const uint32_t caplen = hm_erf_caplen(dag_word_rlen(word), offset, wlen, layout->strip);
	const uint64_t ts = hm_erf_ts(rec);
	struct net_dag_capture *capture =
		RTE_MBUF_DYNFIELD(m, layout->capture_offset, struct net_dag_capture *);

	m->packet_type = 0;
	m->pkt_len = caplen;
	m->data_len = (uint16_t)caplen;
	m->vlan_tci = 0;
	m->hash.rss = 0;
	*RTE_MBUF_DYNFIELD(m, layout->timestamp_offset, rte_mbuf_timestamp_t *) =
		layout->raw_timestamp ? ts : hm_erf_ts_to_ns(ts);
	*capture = (struct net_dag_capture){
		.wire_len = hm_erf_wirelen(wlen, layout->strip),
		.ifindex = interface,
		.color_or_flags = flags,
	};
	*RTE_MBUF_DYNFIELD(m, layout->sequence_offset, uint64_t *) = sequence;
	if (unlikely(layout->source_offset >= 0))
		*RTE_MBUF_DYNFIELD(m, layout->source_offset, uint64_t *) = 0;
	if (unlikely(!dag_word_is_plain(word) || rec[offset - 2] != 0 || wlen < layout->strip)) {
		if (dag_record_is_numbered(rec, word) && offset == DAG_NUMBERED &&
		    rec[offset - 2] == 0 && wlen >= layout->strip) {
			note_sequence(q, layout, m, dag_record_number(rec));
		} else {
			q->lctr_seen |= *seen;
			note_frame(q, m, rec, offset, capture);
		}
	}
	*seen |= (uint8_t)(1u << interface);
	return caplen;
}

/* The whole record is the mbuf's buffer: its header is headroom, no neighbour is within reach. */
static __rte_always_inline uint64_t
attach_frames(struct dag_rx_queue *q, struct rte_mbuf **pkts, const struct dag_chunk *chunk,
	      unsigned int n)
{
	/* copies, since the stores below might alias the queue's own fields */
	const struct dag_layout layout = q->layout;
	const uint64_t base_offset = q->base_offset, sequence = q->sequence;
	const uint8_t *base = q->base;
	struct dag_slot *slots = q->slots;
	const uint32_t head = q->head, mask = q->slot_mask;
	uint64_t bytes = 0;
	uint8_t seen = 0;
	unsigned int i;

	for (i = 0; i < n; i++) {
		const uint8_t *rec = chunk->record[i];
		const uint64_t word = dag_record_word(rec);
		struct dag_slot *slot = &slots[(head + i) & mask];
		struct rte_mbuf *m = pkts[i];

		slot->start = base_offset + (uint64_t)(rec - base);
		rte_mbuf_ext_refcnt_set(&slot->shinfo, 1);

		/* rte_pktmbuf_attach_extbuf() and the rest of a reset, each word stored once;
		 * m->next is NULL in every mbuf of a pool */
		m->buf_addr = RTE_PTR_ADD(rec, 0);
		rte_mbuf_iova_set(m, RTE_BAD_IOVA);
		rearm(m, layout.rearm | chunk->offset[i]);
		m->ol_flags = layout.ol_flags | RTE_MBUF_F_EXTERNAL;
		m->vlan_tci_outer = 0;
		m->buf_len = dag_word_rlen(word);
		m->shinfo = &slot->shinfo;
		bytes += describe_frame(q, &layout, m, rec, chunk->offset[i], word, sequence + i,
					&seen);
	}
	q->head = head + n;
	q->lctr_seen |= seen;
	q->sequence = sequence + n;
	return bytes;
}

/* Segments for what does not fit into the first mbuf, `len` bytes, filled. NULL: too few mbufs. */
static struct rte_mbuf *
copy_rest(struct dag_rx_queue *q, const uint8_t *data, uint32_t len, uint16_t *nb_segs)
{
	struct rte_mbuf *first = NULL, **next = &first, *m;
	uint32_t part;

	for (; len > 0; data += part, len -= part) {
		if (rte_mempool_get(q->pool, (void **)&m) < 0) {
			rte_pktmbuf_free(first);
			q->stats.nombuf++;
			return NULL;
		}
		part = RTE_MIN(len, q->copy_room);
		rearm(m, q->layout.rearm | RTE_PKTMBUF_HEADROOM);
		m->ol_flags = 0;
		m->data_len = (uint16_t)part;
		m->pkt_len = part;
		memcpy(rte_pktmbuf_mtod(m, void *), data, part);
		(*nb_segs)++;
		*next = m;
		next = &m->next;
	}
	return first;
}

/* Copies frames. One that is longer than the room is scattered if that is wanted. If not, fallback
 * mode stops before it, since it can still go out uncopied later; copy mode drops it. Returns how
 * many of the n are done, of which *nb_pkts have been delivered. */
static __rte_noinline unsigned int
copy_frames(struct dag_rx_queue *q, struct rte_mbuf **pkts, const struct dag_chunk *chunk,
	    unsigned int n, unsigned int *nb_pkts, uint64_t *bytes)
{
	unsigned int i, got = 0;

	for (i = 0; i < n; i++) {
		const uint8_t *rec = chunk->record[i];
		const uint32_t offset = chunk->offset[i];
		const uint32_t caplen =
			hm_erf_caplen(hm_erf_rlen(rec), offset, hm_erf_wlen(rec), q->layout.strip);
		const uint32_t part = RTE_MIN(caplen, q->copy_room);
		struct rte_mbuf *m = pkts[got], *rest = NULL;
		uint16_t nb_segs = 1;

		if (unlikely(caplen > part)) {
			if (q->scatter) {
				rest = copy_rest(q, rec + offset + part, caplen - part, &nb_segs);
				if (rest == NULL)
					break;
			} else if (q->zero_copy) {
				break;
			} else {
				q->stats.too_long++;
				continue;
			}
		}
		rearm(m, q->layout.rearm | RTE_PKTMBUF_HEADROOM);
		m->ol_flags = q->layout.ol_flags;
		m->vlan_tci_outer = 0;
		*bytes += describe_frame(q, &q->layout, m, rec, offset, dag_record_word(rec),
					 q->sequence++, &q->lctr_seen);
		memcpy(rte_pktmbuf_mtod(m, void *), rec + offset, part);
		if (unlikely(rest != NULL)) {
			m->data_len = (uint16_t)part;
			m->nb_segs = nb_segs;
			m->next = rest;
		}
		got++;
	}
	rte_mempool_put_bulk(q->pool, (void **)&pkts[got], n - got);
	q->stats.copied += got;
	*nb_pkts = got;
	return i;
}

/* One chunk of at most `max` frames; returns the packets that came out of it. *walked is false if
 * the next record is no frame, *go_on if walking on makes no sense: no mbufs, or no room to copy.
 */
static __rte_always_inline unsigned int
receive_chunk(struct dag_rx_queue *q, struct rte_mbuf **pkts, unsigned int max, bool *walked,
	      bool *go_on)
{
	struct dag_chunk chunk;
	uint64_t bytes = 0;
	unsigned int n, k, got;

	n = walk_frames(q, &chunk, max);
	*walked = n > 0;
	if (n == 0)
		return 0;
	k = n;
	if (unlikely(rte_mempool_get_bulk(q->pool, (void **)pkts, n) < 0))
		k = take_fewer_mbufs(q, pkts, n);
	if (likely(!q->copying)) {
		bytes = attach_frames(q, pkts, &chunk, k);
		got = k;
	} else {
		k = copy_frames(q, pkts, &chunk, k, &got, &bytes);
	}
	*go_on = k == n;
	watch_time(q, chunk.record[n - 1]);
	q->cur = k == n ? chunk.end : chunk.record[k];
	q->strikes = 0;
	q->stats.packets += got;
	q->stats.bytes += bytes;
	return got;
}

uint16_t
dag_recv(void *rx_queue, struct rte_mbuf **pkts, uint16_t nb_pkts)
{
	struct dag_rx_queue *q = rx_queue;
	unsigned int skips = DAG_SKIPS_MAX, got = 0, max;
	bool advanced = false, walked, go_on = true;

	if (unlikely(!q->running))
		return 0;
	dag_reclaim(q);
	if (unlikely(q->release - q->base_offset >= q->release_step) && dag_advance(q) < 0)
		return 0;
	while (got < nb_pkts && go_on) {
		max = RTE_MIN(nb_pkts - got, (unsigned int)DAG_CHUNK);
		if (!q->copying)
			max = RTE_MIN(max, q->slot_mask + 1 - dag_held(q));
		if (unlikely(max == 0))
			break;
		got += receive_chunk(q, pkts + got, max, &walked, &go_on);
		if (!walked && (skips-- == 0 || !pass_record(q, &advanced)))
			break;
	}
	return (uint16_t)got;
}
