/* SPDX-License-Identifier: BSD-3-Clause */
/* Locks: at most one a queue, each given back once, whatever the library answers. */
#include <errno.h>

#include <rte_branch_prediction.h>
#include <rte_cycles.h>

#include "combo_driver.h"

/* An error of the library. Some mean that the card is gone; others may pass within a second. */
static __rte_noinline void
note_trouble(struct combo_rx_queue *q, const char *call, int error)
{
	uint64_t now = rte_get_tsc_cycles();

	if (q->trouble_since == 0)
		q->trouble_since = now;
	q->next_try = now + q->idle_cycles;
	if (error != ENODEV && error != ENXIO && error != EIO && error != EBADF &&
	    now - q->trouble_since < rte_get_tsc_hz())
		return;
	q->running = false;
	COMBO_LOG(ERR, "%s: channel %u stopped: %s: %s", q->dev->data->name, q->channel, call,
		  strerror(error));
	card_gone(q->dev);
}

/* A lock as a window; false if it cannot be true. The library has an array of two regions: a third
 * is never looked for. */
static bool
open_window(struct combo_rx_queue *q, const struct szedata_lock *lock)
{
	const struct szedata_lock *second = lock->next;
	struct combo_window *w = &q->window;

	w->start[0] = lock->start;
	w->start[1] = second != NULL ? second->start : NULL;
	w->seam = lock->len;
	w->end = lock->len + (second != NULL ? (uint64_t)second->len : 0);
	q->pos = 0;
	if (lock->area != q->channel || (q->area_size != 0 && w->end > q->area_size) ||
	    (w->start[0] == NULL && w->seam > 0) || (w->start[1] == NULL && w->end > w->seam)) {
		q->stats.bad_locks++;
		q->stats.resync_bytes += w->end;
		q->pos = w->end;
		q->next_label++; /* as in combo_lock_drop_rest() */
		return false;
	}
	return true;
}

/* Takes what has arrived, if anything has. */
bool
combo_lock_take(struct combo_rx_queue *q)
{
	const struct szedata_lock *lock;

	if (q->next_try != 0) {
		if (rte_get_tsc_cycles() < q->next_try)
			return false;
		q->next_try = 0;
	}
	errno = 0; /* NULL may be no error */
	lock = q->lib->rx_lock_data(q->handle, UINT32_C(1) << q->channel);
	if (lock == NULL) {
		int error = errno;

		if (error == 0 || error == EAGAIN || error == EINTR) {
			q->trouble_since = 0;
			if (q->idle_cycles != 0)
				q->next_try = rte_get_tsc_cycles() + q->idle_cycles;
		} else {
			q->stats.lock_errors++;
			note_trouble(q, "rx_lock_data", error);
		}
		return false;
	}
	q->lock = lock;
	q->stats.locks++;
	q->trouble_since = 0;
	return open_window(q, lock);
}

bool
combo_lock_give_back(struct combo_rx_queue *q)
{
	int ret;

	if (q->next_try != 0 && rte_get_tsc_cycles() < q->next_try)
		return false;
	q->next_try = 0;
	ret = q->lib->rx_unlock_data(q->handle, q->lock);
	if (likely(ret == 0)) {
		q->lock = NULL;
		q->pos = q->window.end = 0;
		return true;
	}
	q->stats.unlock_errors++;
	note_trouble(q, "rx_unlock_data", ret < 0 ? -ret : ret);
	return false;
}

void
combo_lock_drop_rest(struct combo_rx_queue *q, enum combo_verdict verdict)
{
	switch (verdict) {
	case COMBO_SEGMENT_ZERO:
		q->stats.zero_segments++;
		break;
	case COMBO_SEGMENT_BAD_SIZE:
		q->stats.bad_sizes++;
		break;
	case COMBO_SEGMENT_BAD_HW:
		q->stats.bad_hw_sizes++;
		break;
	default:
		q->stats.cut_segments++;
		break;
	}
	q->stats.resync_bytes += q->window.end - q->pos;
	q->pos = q->window.end;
	/* this one is counted here; those behind it are missing to the numbers */
	q->next_label++;
}
