/* SPDX-License-Identifier: BSD-3-Clause */
/* Life of receive queues. A session is a handle of the library: opened, subscribed and started when
 * the port starts, closed when it stops.
 */
#include <errno.h>

#include <rte_cycles.h>
#include <rte_malloc.h>
#include <rte_mbuf.h>

#include "combo_driver.h"

/* A flush that goes on for so many locks is no flush: the card is faster than we throw away. */
#define FLUSH_LOCKS_MAX 1024

int
combo_rx_queue_setup(struct rte_eth_dev *dev, uint16_t queue_id, uint16_t nb_desc,
		     unsigned int socket_id, const struct rte_eth_rxconf *conf,
		     struct rte_mempool *pool)
{
	struct combo_port *port = dev->data->dev_private;
	const struct combo_args *args = &port->args;
	uint64_t offloads = conf->offloads | dev->data->dev_conf.rxmode.offloads;
	struct combo_rx_queue *q;

	q = rte_zmalloc_socket("combo_rx_queue", sizeof(*q), RTE_CACHE_LINE_SIZE, socket_id);
	if (q == NULL)
		return -ENOMEM;
	q->lib = &port->lib;
	q->dev = dev;
	q->channel = args->channels[queue_id];
	q->pool = pool;
	q->room = rte_pktmbuf_data_room_size(pool) - RTE_PKTMBUF_HEADROOM;
	q->nb_desc = nb_desc;
	q->rearm = card_rearm_word(dev->data->port_id, RTE_PKTMBUF_HEADROOM);
	q->ol_flags = port->card.timestamp_flag;
	q->timestamp_offset = port->card.timestamp_offset;
	q->capture_offset = port->card.capture_offset;
	q->sequence_offset = port->card.sequence_offset;
	q->scatter = (offloads & RTE_ETH_RX_OFFLOAD_SCATTER) != 0;
	q->strip = args->keep_fcs || (offloads & RTE_ETH_RX_OFFLOAD_KEEP_CRC) ? 0 : args->fcs;
	q->host_time = args->host_time;
	q->label = args->label;
	q->flush = args->flush;
	q->idle_cycles = rte_get_tsc_hz() / 1000000 * args->idle_us;
	dev->data->rx_queues[queue_id] = q;
	return 0;
}

void
combo_rx_queue_release(struct rte_eth_dev *dev, uint16_t queue_id)
{
	struct combo_rx_queue *q = dev->data->rx_queues[queue_id];

	if (q == NULL)
		return;
	combo_rx_queue_stop(dev, queue_id);
	combo_stats_keep(dev, queue_id);
	dev->data->rx_queues[queue_id] = NULL;
	rte_free(q);
}

/* Whole frames that are still under the lock. */
static uint64_t
count_frames(const struct combo_rx_queue *q)
{
	struct combo_segment s;
	uint64_t pos, n = 0;

	for (pos = q->pos; pos < q->window.end; pos = s.next, n++)
		if (combo_segment_look(&q->window, pos, &s) != COMBO_SEGMENT_GOOD)
			break;
	return n;
}

/* What lies in the channel now is of an earlier session. */
static int
flush_channel(struct combo_rx_queue *q)
{
	unsigned int i;

	for (i = 0; i < FLUSH_LOCKS_MAX && combo_lock_take(q); i++) {
		q->stats.stale_frames += count_frames(q);
		q->stats.stale_bytes += q->window.end;
		q->pos = q->window.end;
		if (!combo_lock_give_back(q))
			break;
	}
	q->next_try = 0;
	return q->running ? 0 : -EIO;
}

static int
open_channel(struct combo_rx_queue *q)
{
	const struct combo_port *port = q->dev->data->dev_private;
	const struct combo_lib *lib = q->lib;
	int ret;

	errno = 0;
	q->handle = lib->open(port->args.card);
	if (q->handle == NULL) {
		ret = errno != 0 ? -errno : -EIO;
		COMBO_LOG(ERR, "card=%s: %s", port->args.card, strerror(-ret));
		return ret;
	}
	ret = combo_lib_subscribe(lib, q->handle, q->channel);
	if (ret < 0) {
		COMBO_LOG(ERR, "%s: channel %u is not granted: %s", port->args.card, q->channel,
			  ret == -EBUSY ? "in use by another program, or not there"
					: strerror(-ret));
	} else {
		q->area_size = 0;
		if (lib->get_area_size != NULL &&
		    lib->get_area_size(q->handle, COMBO_DIR_RX, (uint8_t)q->channel,
				       &q->area_size) != 0)
			q->area_size = 0;
		ret = lib->start(q->handle);
		ret = ret > 0 ? -ret : ret;
		if (ret < 0)
			COMBO_LOG(ERR, "%s: channel %u does not start: %s", port->args.card,
				  q->channel, strerror(-ret));
	}
	if (ret < 0) {
		lib->close(q->handle);
		q->handle = NULL;
	}
	return ret;
}

int
combo_rx_queue_start(struct rte_eth_dev *dev, uint16_t queue_id)
{
	struct combo_rx_queue *q = dev->data->rx_queues[queue_id];
	int ret;

	ret = open_channel(q);
	if (ret < 0)
		return ret;
	q->window = (struct combo_window){0};
	q->pos = 0;
	q->lock = NULL;
	q->next_try = 0;
	q->trouble_since = 0;
	q->label_known = false;
	q->running = true;
	if (q->flush && flush_channel(q) < 0) {
		combo_rx_queue_stop(dev, queue_id);
		return -EIO;
	}
	return 0;
}

/* What is under the lock cannot be put back: it is lost, and counted. */
void
combo_rx_queue_stop(struct rte_eth_dev *dev, uint16_t queue_id)
{
	struct combo_rx_queue *q = dev->data->rx_queues[queue_id];

	if (q->handle == NULL)
		return;
	q->stats.stop_drops += count_frames(q);
	q->pos = q->window.end;
	q->next_try = 0;
	if (q->lock != NULL)
		combo_lock_give_back(q);
	q->running = false;
	q->lock = NULL;
	q->window = (struct combo_window){0};
	q->pos = 0;
	q->lib->close(q->handle);
	q->handle = NULL;
}
