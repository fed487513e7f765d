/* SPDX-License-Identifier: BSD-3-Clause */
/* Life of cards and receive queues: setup, start, stop, and what outlives its port.
 *
 * Detaching unmaps the stream, so a queue whose mbufs are still out stays attached: a stopped one
 * drains until it is started again, a released one is parked in a list of the process and swept
 * each time the driver's control path comes by.
 */
#include <errno.h>
#include <string.h>

#include <rte_cycles.h>
#include <rte_errno.h>
#include <rte_malloc.h>

#include "dag_driver.h"
#include "net_dag.h"

static pthread_mutex_t parked_lock = PTHREAD_MUTEX_INITIALIZER;
static struct dag_rx_queue *parked;

struct dag_card *
dag_card_open(const struct dag_args *args)
{
	char name[DAG_CARD_NAME];
	struct dag_card *card;

	card = rte_zmalloc("dag_card", sizeof(*card), 0);
	if (card == NULL) {
		rte_errno = ENOMEM;
		return NULL;
	}
	card->lib = dag_lib_get(args->lib);
	if (card->lib == NULL) {
		rte_free(card);
		return NULL;
	}
	strlcpy(name, args->card, sizeof(name)); /* the call takes a char * */
	card->fd = card->lib->open(name);
	if (card->fd < 0) {
		rte_errno = errno != 0 ? errno : EIO;
		DAG_LOG(ERR, "card=%s: %s", args->card, strerror(rte_errno));
		dag_lib_put(card->lib);
		rte_free(card);
		return NULL;
	}
	pthread_mutex_init(&card->lock, NULL);
	card->refs = 1;
	rte_errno = -dag_drops_open(card, args);
	if (rte_errno != 0) {
		dag_card_put(card);
		return NULL;
	}
	return card;
}

void
dag_card_put(struct dag_card *card)
{
	if (__atomic_sub_fetch(&card->refs, 1, __ATOMIC_ACQ_REL) > 0)
		return;
	dag_drops_close(card);
	card->lib->close(card->fd);
	dag_lib_put(card->lib);
	pthread_mutex_destroy(&card->lock);
	rte_free(card);
}

static void
detach_queue(struct dag_rx_queue *q)
{
	pthread_mutex_lock(&q->card->lock);
	q->card->lib->detach_stream(q->card->fd, q->stream);
	pthread_mutex_unlock(&q->card->lock);
	q->state = DAG_QUEUE_DETACHED;
}

static void
free_queue(struct dag_rx_queue *q)
{
	if (q->state != DAG_QUEUE_DETACHED)
		detach_queue(q);
	dag_card_put(q->card);
	rte_free(q->slots);
	rte_free(q);
}

/* Frees the parked queues whose last mbuf has come back. */
static void
sweep_parked(void)
{
	struct dag_rx_queue **p, *q;

	pthread_mutex_lock(&parked_lock);
	for (p = &parked; (q = *p) != NULL;) {
		dag_reclaim(q);
		if (dag_held(q) > 0) {
			p = &q->next_parked;
			continue;
		}
		*p = q->next_parked;
		free_queue(q);
	}
	pthread_mutex_unlock(&parked_lock);
}

static void
park_queue(struct dag_rx_queue *q)
{
	DAG_LOG(NOTICE, "stream %d stays attached: %u mbufs are still in use", q->stream,
		dag_held(q));
	pthread_mutex_lock(&parked_lock);
	q->dev = NULL;
	q->next_parked = parked;
	parked = q;
	pthread_mutex_unlock(&parked_lock);
}

/* Called by whoever frees the last reference to a record: any thread, even after the port is gone.
 */
static void
slot_freed(void *addr __rte_unused, void *opaque)
{
	struct dag_slot *slot = opaque;

	/* pairs with the load in dag_reclaim(); the slot is not ours any more after this */
	__atomic_store_n(&slot->start, DAG_SLOT_FREE, __ATOMIC_RELEASE);
}

static int
setup_slots(struct dag_rx_queue *q, uint16_t nb_desc, unsigned int socket_id)
{
	uint32_t n = rte_align32pow2(RTE_MAX((uint32_t)nb_desc, (uint32_t)DAG_SLOTS_MIN)), i;

	q->slots = rte_zmalloc_socket("dag_slots", n * sizeof(*q->slots), RTE_CACHE_LINE_SIZE,
				      socket_id);
	if (q->slots == NULL)
		return -ENOMEM;
	for (i = 0; i < n; i++) {
		q->slots[i].shinfo.free_cb = slot_freed;
		q->slots[i].shinfo.fcb_opaque = &q->slots[i];
		q->slots[i].start = DAG_SLOT_FREE;
	}
	q->slot_mask = n - 1;
	return 0;
}

static void
setup_policy(struct dag_rx_queue *q, const struct dag_port *port, uint64_t offloads)
{
	const struct dag_args *args = &port->args;
	const bool keep_crc = (offloads & RTE_ETH_RX_OFFLOAD_KEEP_CRC) != 0;

	q->layout.timestamp_offset = port->port.timestamp_offset;
	q->layout.capture_offset = port->port.capture_offset;
	q->layout.sequence_offset = port->port.sequence_offset;
	q->layout.source_offset = port->source_offset;
	q->layout.ol_flags = port->port.timestamp_flag;
	q->layout.sequence_flag = args->card_sequence ? port->sequence_flag : 0;
	q->layout.mark = args->mark;
	q->layout.strip = args->keep_fcs || keep_crc ? 0 : args->fcs;
	q->deliver_errors = args->deliver_errors;
	q->layout.raw_timestamp = args->raw_timestamp;
	q->flush = args->flush;
	q->window = args->window;
	q->zero_copy = args->zero_copy;
	q->scatter = q->copy_room > 0 && (offloads & RTE_ETH_RX_OFFLOAD_SCATTER) != 0;
	q->copying = !args->zero_copy;
	q->hold_slots = (q->slot_mask + 1) / 4 * 3;
	q->hold_bytes = q->buffer_size / 2;
	/* copying takes room; without it the stream waits for its mbufs */
	if (q->copy_room < RTE_ETHER_MAX_LEN) {
		q->hold_slots = UINT32_MAX;
		q->hold_bytes = UINT64_MAX;
	}
	q->release_step = RTE_MIN(q->buffer_size / 16, UINT64_C(4) << 20);
}

int
dag_rx_queue_setup(struct rte_eth_dev *dev, uint16_t queue_id, uint16_t nb_desc,
		   unsigned int socket_id, const struct rte_eth_rxconf *conf,
		   struct rte_mempool *pool)
{
	struct dag_port *port = dev->data->dev_private;
	uint64_t offloads = conf->offloads | dev->data->dev_conf.rxmode.offloads;
	uint16_t room = rte_pktmbuf_data_room_size(pool);
	struct dag_rx_queue *q;

	sweep_parked();
	q = rte_zmalloc_socket("dag_rx_queue", sizeof(*q), RTE_CACHE_LINE_SIZE, socket_id);
	if (q == NULL)
		return -ENOMEM;
	q->card = port->card;
	q->dev = dev;
	q->queue_id = queue_id;
	q->stream = port->args.streams[queue_id];
	q->buffer_size = (uint64_t)dag_lib_buffer_size(q->card->lib, q->card->fd, q->stream);
	q->pool = pool;
	q->copy_room = room - RTE_MIN(room, (uint16_t)RTE_PKTMBUF_HEADROOM);
	q->layout.rearm = card_rearm_word(dev->data->port_id, 0);
	if (setup_slots(q, nb_desc, socket_id) < 0) {
		rte_free(q);
		return -ENOMEM;
	}
	q->port_sequence = &port->sequence;
	setup_policy(q, port, offloads);
	__atomic_add_fetch(&q->card->refs, 1, __ATOMIC_RELAXED);
	dev->data->rx_queues[queue_id] = q;
	return 0;
}

void
dag_rx_queue_release(struct rte_eth_dev *dev, uint16_t queue_id)
{
	struct dag_rx_queue *q = dev->data->rx_queues[queue_id];

	if (q == NULL)
		return;
	if (q->state == DAG_QUEUE_STARTED)
		dag_rx_queue_stop(dev, queue_id);
	dev->data->rx_queues[queue_id] = NULL;
	dag_stats_keep(dev->data->dev_private, q);
	dag_reclaim(q);
	if (dag_held(q) > 0)
		park_queue(q);
	else
		free_queue(q);
	sweep_parked();
}

/* Waits a while for the mbufs of the last session. */
static int
drain_queue(struct dag_rx_queue *q)
{
	unsigned int ms;

	for (ms = 0;; ms++) {
		dag_reclaim(q);
		if (dag_held(q) == 0)
			break;
		if (ms == DAG_DRAIN_MS) {
			DAG_LOG(ERR, "stream %d: %u mbufs of the last session are still in use",
				q->stream, dag_held(q));
			return -EBUSY;
		}
		rte_delay_us_sleep(1000);
	}
	detach_queue(q);
	return 0;
}

static int
attach_and_start(struct dag_rx_queue *q)
{
	const struct dag_lib *lib = q->card->lib;
	int fd = q->card->fd, ret;

	errno = 0;
	if (dag_lib_attach(lib, fd, q->stream, q->window) < 0) {
		ret = errno != 0 ? -errno : -EIO;
		DAG_LOG(ERR, "stream %d: cannot attach: %s", q->stream, strerror(-ret));
		return ret;
	}
	if (dag_lib_set_nonblocking(lib, fd, q->stream) < 0 ||
	    lib->start_stream(fd, q->stream) < 0) {
		ret = errno != 0 ? -errno : -EIO;
		DAG_LOG(ERR, "stream %d: cannot start: %s", q->stream, strerror(-ret));
		lib->detach_stream(fd, q->stream);
		return ret;
	}
	return 0;
}

/* The records that were out at the stop came back after the card could be told: it still has them,
 * if nobody else has read the stream. */
static void
note_resume(struct dag_rx_queue *q)
{
	struct dag_resume *resume = &q->card->resume[q->stream / 2];
	const uint8_t *from = q->base + (q->release - q->base_offset);

	resume->bytes = (uint64_t)(q->cur - from);
	if (resume->bytes > 0)
		memcpy(resume->header, from, sizeof(resume->header));
}

/* What lies in the buffer now is of an earlier session. */
static int
take_stale(struct dag_rx_queue *q)
{
	const struct dag_resume *resume = &q->card->resume[q->stream / 2];

	if (dag_advance(q) < 0)
		return -EIO;
	if (!q->flush) {
		if (resume->bytes > 0 && (uint64_t)(q->top - q->cur) >= resume->bytes &&
		    memcmp(q->cur, resume->header, sizeof(resume->header)) == 0)
			q->cur += resume->bytes;
		dag_reclaim(q);
		return 0;
	}
	q->stats.stale_bytes += (uint64_t)(q->top - q->cur);
	q->cur = q->top;
	dag_reclaim(q);
	return 0;
}

int
dag_rx_queue_start(struct rte_eth_dev *dev, uint16_t queue_id)
{
	struct dag_rx_queue *q = dev->data->rx_queues[queue_id];
	int ret;

	sweep_parked();
	if (q->state == DAG_QUEUE_DRAINING) {
		ret = drain_queue(q);
		if (ret < 0)
			return ret;
	}
	q->cur = q->top = q->base = NULL;
	q->base_offset = q->release = 0;
	q->head = q->tail = 0;
	q->lctr_seen = 0;
	q->strikes = 0;
	q->last_ts = 0;
	q->copying = !q->zero_copy;
	q->meta_counter.known = false;

	pthread_mutex_lock(&q->card->lock);
	ret = attach_and_start(q);
	pthread_mutex_unlock(&q->card->lock);
	if (ret < 0)
		return ret;
	q->state = DAG_QUEUE_STARTED;
	q->running = true;
	if (take_stale(q) < 0) {
		dag_rx_queue_stop(dev, queue_id);
		return -EIO;
	}
	return 0;
}

void
dag_rx_queue_stop(struct rte_eth_dev *dev, uint16_t queue_id)
{
	struct dag_rx_queue *q = dev->data->rx_queues[queue_id];

	if (q->state != DAG_QUEUE_STARTED)
		return;
	dag_reclaim(q);
	if (q->running && q->release != q->base_offset)
		dag_advance(q); /* so that the card knows how far the reader came */
	q->running = false;
	note_resume(q);
	pthread_mutex_lock(&q->card->lock);
	q->card->lib->stop_stream(q->card->fd, q->stream);
	pthread_mutex_unlock(&q->card->lock);
	dag_drops_sample(q);
	q->state = DAG_QUEUE_DRAINING;
	if (dag_held(q) == 0)
		detach_queue(q);
}
