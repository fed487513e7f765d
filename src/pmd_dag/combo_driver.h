/* SPDX-License-Identifier: BSD-3-Clause */
/* The driver's own types: port and receive queue.
 *
 * A queue is one receive channel, with a handle of the library for itself: handles are not made for
 * several threads. The library knows one lock a handle, which covers all that has arrived, and gives
 * all of it back at once. So a queue is either without a lock, or between 0 and window.end of one:
 *
 *	rx_lock_data()  ->  window, pos = 0  ->  bursts copy frames, pos rises  ->  pos == end:
 *	rx_unlock_data(), tried again by later bursts if it fails; no new lock before.
 *
 * Frames are copied, since a lock with one packet in use could not be given back, and with it
 * nothing of the channel.
 */
#ifndef COMBO_DRIVER_H
#define COMBO_DRIVER_H

#include "card.h"
#include "combo_lib.h"
#include "combo_logs.h"
#include "combo_segment.h"

#define COMBO_CHANNELS_MAX 32
#define COMBO_CHUNK        64  /* segments looked at before mbufs are allocated */
#define COMBO_LOCKS_MAX    4   /* per burst: bounds its work when nothing is delivered */
#define COMBO_DROPS_MAX    512 /* ... and frames that are not delivered */

/* What the 16 bits at offset 2 of the hardware data are. */
enum combo_label {
	COMBO_LABEL_COLOR,    /* handed on */
	COMBO_LABEL_WIRE,     /* length on the wire of a frame that may be cut */
	COMBO_LABEL_SEQUENCE, /* number of the frame in its channel: tells what was lost */
};

struct combo_args {
	char lib[1024];
	char card[64]; /* canonical: "/dev/szedataII0" */
	uint8_t channels[COMBO_CHANNELS_MAX];
	uint16_t nb_channels; /* 0: all */
	uint16_t fcs;         /* bytes of FCS at the end of frames: 0 or 4 */
	bool keep_fcs;
	bool flush;
	bool host_time; /* for frames without a time of the card; else 0 */
	enum combo_label label;
	uint32_t idle_us; /* pause after a look that found nothing */
	uint32_t speed;   /* Mbit/s */
};

/* Written by the polling thread only. */
struct combo_rx_stats {
	uint64_t packets;
	uint64_t bytes;
	uint64_t nombuf;
	uint64_t sequence_drops; /* frames that the numbers say are missing */
	uint64_t sequence_resets;
	uint64_t stop_drops; /* whole frames under the lock when the queue was stopped */
	uint64_t zero_segments;
	uint64_t bad_sizes;
	uint64_t bad_hw_sizes;
	uint64_t cut_segments;
	uint64_t bad_locks; /* regions that cannot be the channel's */
	uint64_t resync_bytes;
	uint64_t empty_frames;
	uint64_t short_frames; /* shorter than their FCS */
	uint64_t too_long;
	uint64_t no_time;
	uint64_t bad_time;
	uint64_t no_interface;
	uint64_t short_labels; /* wire length below the frame's */
	uint64_t split_segments;
	uint64_t scattered;
	uint64_t stale_frames;
	uint64_t stale_bytes;
	uint64_t locks;
	uint64_t lock_errors;
	uint64_t unlock_errors;
};

struct combo_rx_queue {
	/* read by every burst */
	struct combo_window window;
	uint64_t pos;
	uint64_t next_try; /* TSC: no look before */
	struct szedata *handle;
	const struct szedata_lock *lock; /* NULL: none */
	bool running;                    /* started and healthy */
	bool scatter;
	bool host_time;
	bool label_known;
	enum combo_label label;
	uint16_t next_label;
	uint16_t strip; /* bytes of FCS to take off */
	uint32_t room;  /* data bytes of a pool mbuf */
	struct rte_mempool *pool;
	uint64_t rearm; /* refcnt, nb_segs, port, data_off */
	uint64_t ol_flags;
	uint64_t sequence; /* of the next packet */
	int timestamp_offset;
	int capture_offset;
	int sequence_offset;
	uint32_t channel;

	struct combo_rx_stats stats __rte_cache_aligned;

	/* control path, and what the polling thread does rarely */
	const struct combo_lib *lib __rte_cache_aligned;
	struct rte_eth_dev *dev;
	uint64_t idle_cycles;
	uint64_t trouble_since; /* TSC of the first error in a row, 0: none */
	uint32_t area_size;     /* bytes of the channel's ring, 0: unknown */
	bool flush;
	uint16_t nb_desc;
	struct combo_rx_stats stats_base; /* what stats_reset() subtracts */
};

/* dev_private */
struct combo_port {
	struct card_port card;
	struct combo_args args;
	struct combo_lib lib;
	struct combo_rx_stats past; /* of queues that are gone */
};

/* combo_ethdev.c */
extern const struct card_driver combo_driver;

/* combo_args.c */
int combo_args_parse(const char *params, struct combo_args *args);

/* combo_queue.c */
int combo_rx_queue_setup(struct rte_eth_dev *dev, uint16_t queue_id, uint16_t nb_desc,
			 unsigned int socket_id, const struct rte_eth_rxconf *conf,
			 struct rte_mempool *pool);
void combo_rx_queue_release(struct rte_eth_dev *dev, uint16_t queue_id);
int combo_rx_queue_start(struct rte_eth_dev *dev, uint16_t queue_id);
void combo_rx_queue_stop(struct rte_eth_dev *dev, uint16_t queue_id);

/* combo_lock.c: the discipline of locks. From the polling thread, or while there is none. */
bool combo_lock_take(struct combo_rx_queue *q);
bool
combo_lock_give_back(struct combo_rx_queue *q); /* of a queue with a lock; true: it has none now */
/* Gives up the rest of the window because of what was found at q->pos. */
void combo_lock_drop_rest(struct combo_rx_queue *q, enum combo_verdict verdict);

/* combo_rx.c */
uint16_t combo_recv(void *rx_queue, struct rte_mbuf **pkts, uint16_t nb_pkts);

/* combo_stats.c */
int combo_stats_get(struct rte_eth_dev *dev, struct rte_eth_stats *stats);
int combo_stats_reset(struct rte_eth_dev *dev);
void combo_stats_keep(struct rte_eth_dev *dev, uint16_t queue_id); /* before a queue goes */
int combo_xstats_get(struct rte_eth_dev *dev, struct rte_eth_xstat *xstats, unsigned int n);
int combo_xstats_get_names(struct rte_eth_dev *dev, struct rte_eth_xstat_name *names,
			   unsigned int n);

#endif
