/* SPDX-License-Identifier: BSD-3-Clause */
/* Receive path: walk the segments under the lock, copy their frames into mbufs.
 *
 * A burst looks at the headers of up to 64 segments (a dependent chain, nothing else is done in
 * it), takes just as many mbufs and fills them. A segment that has not been delivered for want of
 * mbufs stays under the lock.
 */
#include <time.h>

#include <rte_branch_prediction.h>
#include <rte_mbuf.h>
#include <rte_mbuf_dyn.h>
#include <rte_mempool.h>

#include "combo_driver.h"
#include "net_dag.h"

/* What a burst knows besides its queue. */
struct combo_burst {
	struct rte_mbuf **pkts;
	unsigned int got, max;
	unsigned int drops; /* frames that were not delivered */
	unsigned int locks;
	bool starved;     /* there are no mbufs */
	uint64_t host_ns; /* 0: not asked yet */
};

static uint64_t
host_time(struct combo_burst *b)
{
	struct timespec now;

	if (b->host_ns == 0) {
		clock_gettime(CLOCK_REALTIME, &now);
		b->host_ns = (uint64_t)now.tv_sec * COMBO_NS_PER_S + (uint64_t)now.tv_nsec;
	}
	return b->host_ns;
}

/* As many mbufs as there are, at most n: a nearly empty pool must not stop the queue for good. */
static __rte_noinline unsigned int
take_fewer_mbufs(struct combo_rx_queue *q, struct rte_mbuf **pkts, unsigned int n)
{
	unsigned int k;

	for (k = n / 2; k > 0; k /= 2)
		if (rte_mempool_get_bulk(q->pool, (void **)pkts, k) == 0)
			break;
	q->stats.nombuf += n - k;
	return k;
}

/* A frame that is longer than one mbuf; false if there are not enough for it. */
static __rte_noinline bool
copy_scattered(struct combo_rx_queue *q, struct rte_mbuf *first, uint64_t pos, uint32_t len)
{
	struct rte_mbuf *last = first;
	uint32_t n = q->room;

	for (;;) {
		combo_window_copy(&q->window, pos, rte_pktmbuf_mtod(last, void *), n);
		last->data_len = (uint16_t)n;
		pos += n;
		len -= n;
		if (len == 0)
			return true;
		n = RTE_MIN(len, q->room);
		last->next = rte_pktmbuf_alloc(q->pool);
		if (last->next == NULL) {
			rte_pktmbuf_free(first->next);
			first->next = NULL;
			first->nb_segs = 1;
			q->stats.nombuf++;
			return false;
		}
		last = last->next;
		first->nb_segs++;
	}
}

/* Counts what is missing between the last number and this one. */
static void
note_number(struct combo_rx_queue *q, uint16_t number)
{
	uint16_t gap = (uint16_t)(number - q->next_label);

	if (q->label_known && gap > INT16_MAX)
		q->stats.sequence_resets++;
	else if (q->label_known)
		q->stats.sequence_drops += gap;
	q->label_known = true;
	q->next_label = (uint16_t)(number + 1);
}

/* The numbers are looked at once a frame, when it is done with. */
static void
pass_segment(struct combo_rx_queue *q, const struct combo_segment *s, const uint8_t *hw)
{
	q->pos = s->next;
	if (q->label != COMBO_LABEL_SEQUENCE)
		return;
	if (s->hw_size >= 4)
		note_number(q, (uint16_t)combo_le16(hw + 2));
	else
		q->next_label++;
}

static uint16_t
drop_cause(const struct combo_rx_queue *q, const struct combo_segment *s)
{
	if (unlikely(s->frame_len <= q->strip))
		return s->frame_len == 0 ? offsetof(struct combo_rx_stats, empty_frames)
					 : offsetof(struct combo_rx_stats, short_frames);
	if (unlikely(s->frame_len - q->strip > q->room && !q->scatter))
		return offsetof(struct combo_rx_stats, too_long);
	return 0;
}

static void
describe_frame(struct combo_rx_queue *q, struct combo_burst *b, struct rte_mbuf *m,
	       const struct combo_segment *s, const uint8_t *hw)
{
	const uint32_t hw_len = RTE_MIN(s->hw_size, (uint32_t)COMBO_HW_MAX);
	struct net_dag_capture *capture =
		RTE_MBUF_DYNFIELD(m, q->capture_offset, struct net_dag_capture *);
	rte_mbuf_timestamp_t *time =
		RTE_MBUF_DYNFIELD(m, q->timestamp_offset, rte_mbuf_timestamp_t *);
	uint32_t label = hw_len >= 4 ? combo_le16(hw + 2) : 0;
	enum combo_time verdict;

	*capture = (struct net_dag_capture){
		.wire_len = m->pkt_len,
		.ifindex = hw_len >= 1 ? hw[0] & 0x0f : 0,
		.color_or_flags = (uint16_t)label,
	};
	q->stats.no_interface += hw_len == 0;
	if (q->label == COMBO_LABEL_WIRE) {
		capture->color_or_flags = hw_len >= 2 ? hw[1] : 0;
		if (label >= s->frame_len)
			capture->wire_len = label - q->strip;
		else
			q->stats.short_labels++;
	}
	*RTE_MBUF_DYNFIELD(m, q->sequence_offset, uint64_t *) = q->sequence++;
	verdict = combo_hw_time(hw, hw_len, time);
	if (likely(verdict == COMBO_TIME_VALID)) {
		m->ol_flags = q->ol_flags;
		return;
	}
	m->ol_flags = 0;
	*time = q->host_time ? host_time(b) : 0;
	q->stats.no_time += verdict == COMBO_TIME_ABSENT;
	q->stats.bad_time += verdict == COMBO_TIME_BAD;
}

/* False if there were not enough mbufs: nothing has been done then. */
static bool
fill_mbuf(struct combo_rx_queue *q, struct combo_burst *b, struct rte_mbuf *m,
	  const struct combo_segment *s, const uint8_t *hw)
{
	const uint32_t len = s->frame_len - q->strip;

	memcpy(RTE_PTR_ADD(m, offsetof(struct rte_mbuf, rearm_data)), &q->rearm, sizeof(q->rearm));
	if (likely(len <= q->room)) {
		combo_window_copy(&q->window, s->pos + s->frame, rte_pktmbuf_mtod(m, void *), len);
		m->data_len = (uint16_t)len;
	} else {
		if (!copy_scattered(q, m, s->pos + s->frame, len))
			return false;
		q->stats.scattered++;
	}
	m->pkt_len = len;
	m->packet_type = 0;
	m->vlan_tci = 0;
	m->vlan_tci_outer = 0;
	m->hash.rss = 0;
	describe_frame(q, b, m, s, hw);
	q->stats.split_segments += s->pos < q->window.seam && s->next > q->window.seam;
	q->stats.bytes += len;
	return true;
}

/* Fills n mbufs from as many segments; returns how many segments are done with, delivered or
 * dropped. */
static unsigned int
fill_mbufs(struct combo_rx_queue *q, struct combo_burst *b, const struct combo_segment *segments,
	   unsigned int n)
{
	struct rte_mbuf **pkts = b->pkts + b->got;
	uint8_t hw[COMBO_HW_MAX];
	unsigned int i, got = 0, left = n;

	for (i = 0; i < n && got < left; i++) {
		const struct combo_segment *s = &segments[i];
		uint16_t cause = drop_cause(q, s);

		combo_window_copy(&q->window, s->pos + COMBO_HEADER, hw,
				  RTE_MIN(s->hw_size, (uint32_t)sizeof(hw)));
		if (unlikely(cause != 0)) {
			++*(uint64_t *)RTE_PTR_ADD(&q->stats, cause);
			b->drops++;
			pass_segment(q, s, hw);
			continue;
		}
		if (unlikely(s->frame_len - q->strip > q->room)) {
			/* the others may be what it needs */
			rte_mempool_put_bulk(q->pool, (void **)&pkts[got + 1], left - got - 1);
			left = got + 1;
		}
		if (unlikely(!fill_mbuf(q, b, pkts[got], s, hw))) {
			b->starved = true;
			break;
		}
		got++;
		pass_segment(q, s, hw);
	}
	if (unlikely(got < left))
		rte_mempool_put_bulk(q->pool, (void **)&pkts[got], left - got);
	b->got += got;
	q->stats.packets += got;
	return i;
}

static void
receive_chunk(struct combo_rx_queue *q, struct combo_burst *b)
{
	const unsigned int max = RTE_MIN(b->max - b->got, (unsigned int)COMBO_CHUNK);
	struct combo_segment segments[COMBO_CHUNK];
	enum combo_verdict verdict = COMBO_SEGMENT_GOOD;
	uint64_t pos = q->pos;
	unsigned int n, k;

	for (n = 0; n < max && pos < q->window.end; n++) {
		verdict = combo_segment_look(&q->window, pos, &segments[n]);
		if (unlikely(verdict != COMBO_SEGMENT_GOOD))
			break;
		pos = segments[n].next;
	}
	k = n;
	if (n > 0 && unlikely(rte_mempool_get_bulk(q->pool, (void **)(b->pkts + b->got), n) < 0)) {
		k = take_fewer_mbufs(q, b->pkts + b->got, n);
		b->starved = true;
	}
	if (fill_mbufs(q, b, segments, k) == n && unlikely(verdict != COMBO_SEGMENT_GOOD))
		combo_lock_drop_rest(q, verdict);
}

uint16_t
combo_recv(void *rx_queue, struct rte_mbuf **pkts, uint16_t nb_pkts)
{
	struct combo_rx_queue *q = rx_queue;
	struct combo_burst b = {.pkts = pkts, .max = nb_pkts};

	if (unlikely(!q->running))
		return 0;
	while (b.got < b.max && b.drops < COMBO_DROPS_MAX && !b.starved) {
		if (q->pos == q->window.end) {
			if (q->lock != NULL && !combo_lock_give_back(q))
				break;
			/* a lock may cost a system call: more packets can wait for the next burst */
			if (b.got > 0 || b.locks++ == COMBO_LOCKS_MAX || !combo_lock_take(q))
				break;
		}
		receive_chunk(q, &b);
	}
	/* early, so that the card has room again while the application works */
	if (q->lock != NULL && q->pos == q->window.end)
		combo_lock_give_back(q);
	return (uint16_t)b.got;
}
