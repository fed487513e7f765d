/* SPDX-License-Identifier: BSD-3-Clause */
/* The driver's own types: port, card, receive queue, slot.
 *
 * A queue is one receive stream. Positions in a stream are running 64-bit byte counts; pointers are
 * derived from the pair that the last dag_advance_stream() gave:
 *
 *	released <= base = bottom pointer as last returned  <=  cur = next record  <=  top
 *
 * Space can only be given back in record order. Each record handed out in zero copy therefore has
 * a slot that remembers where it starts; whoever frees the mbuf marks the slot, and the poller
 * moves `released` up to the start of the oldest slot that is not marked (to `cur` if there is
 * none).
 */
#ifndef DAG_DRIVER_H
#define DAG_DRIVER_H

#include <pthread.h>
#include <stdbool.h>
#include <stddef.h>

#include <ethdev_driver.h>
#include <rte_mbuf.h>
#include <rte_mbuf_dyn.h>

#include "card.h"
#include "dag_lib.h"
#include "dag_logs.h"

#define DAG_STREAMS_MAX   32 /* receive streams of a card: the even ones */
#define DAG_STREAM_MAX    62
#define DAG_CARD_NAME     64
#define DAG_LIB_NAME      1024
#define DAG_SLOTS_MIN     64
#define DAG_SLOTS_MAX     32768
#define DAG_SLOTS_DEF     4096
#define DAG_CHUNK         64  /* records looked at before mbufs are allocated */
#define DAG_SKIPS_MAX     512 /* records per burst that are no packets: bounds its work */
#define DAG_STRIKES_MAX   3   /* corrupt in a row: the stream is given up */
#define DAG_ERF_TYPES     49  /* 0-48 are legal */
#define DAG_DRAIN_MS      1000
#define DAG_RX_PKTLEN     65535
#define DAG_PARTIAL_ROOM  (64 * 1024)
#define DAG_SEQUENCE_STEP (UINT64_C(1) << 28)

struct dag_args {
	char lib[DAG_LIB_NAME];
	char card[DAG_CARD_NAME]; /* canonical: "dag0" */
	uint8_t streams[DAG_STREAMS_MAX];
	uint16_t nb_streams; /* 0: all that have memory */
	uint16_t fcs;        /* bytes that wlen includes: 0, 2 or 4 */
	bool keep_fcs;
	bool deliver_errors;
	bool flush;
	bool zero_copy;
	bool raw_timestamp;
	bool card_sequence; /* extension header 3 orders packets across the streams */
	bool ids;           /* deliver source and host IDs */
	bool mark;          /* deliver colors as mbuf marks */
	bool drop_counter;  /* drop_attr is given */
	uint32_t drop_attr; /* code of the stream drop attribute */
	char conf_lib[DAG_LIB_NAME];
	uint32_t window; /* bytes of the stream's second mapping, 0: all */
	uint32_t speed;  /* Mbit/s */
};

/* A stopped stream's records that were out at the stop: how many bytes, and how they begin. */
struct dag_resume {
	uint64_t bytes;
	uint8_t header[16];
};

/* An open card: shared by the port and by queues that outlive it. */
struct dag_conf;

struct dag_card {
	struct dag_lib *lib;
	int fd;
	unsigned int refs;
	pthread_mutex_t lock;  /* attach, start, stop, detach, the drop counters */
	struct dag_conf *conf; /* where the drop counters are, NULL: not wanted */
	struct dag_resume resume[DAG_STREAMS_MAX]; /* by stream / 2 */
};

#define DAG_SLOT_FREE UINT64_MAX

struct dag_slot {
	struct rte_mbuf_ext_shared_info shinfo;
	/* Running offset of the record. The freeing thread stores DAG_SLOT_FREE with release
	 * order, dag_reclaim() of the polling thread loads it with acquire order. */
	uint64_t start;
};

/* What is the same in every mbuf of a queue, and where the rest goes. */
struct dag_layout {
	uint64_t rearm; /* refcnt, nb_segs, port; data_off 0 */
	uint64_t ol_flags;
	uint64_t sequence_flag; /* 0: the card's own numbers are not used */
	int timestamp_offset;
	int capture_offset;
	int sequence_offset;
	int source_offset; /* -1: not wanted */
	uint16_t strip;    /* bytes of FCS to take off */
	bool raw_timestamp;
	bool mark;
};

/* A running counter of the card: of 64 bits, or of 32 that wrap. */
struct dag_counter {
	uint64_t last;
	bool known;
};

/* Written by the polling thread only, but for what is said otherwise. */
struct dag_rx_stats {
	uint64_t packets;
	uint64_t bytes;
	uint64_t nombuf;
	uint64_t lctr_drops;     /* sum of the loss counters */
	uint64_t lctr_saturated; /* ... that were at their maximum: more was lost */
	uint64_t pad_records;
	uint64_t meta_records;
	uint64_t other_records;
	uint64_t error_records; /* rxerror or dserror, delivered or not */
	uint64_t error_drops;
	uint64_t empty_records;
	uint64_t corrupt_records;
	uint64_t invalid_records;
	uint64_t bad_rlen;
	uint64_t resync_bytes;
	uint64_t unaligned_records;
	uint64_t offset_records; /* sub-header names an offset, which is ignored */
	uint64_t short_wlen;     /* wlen below the FCS length: delivered empty */
	uint64_t time_steps;     /* back by a second, on by an hour, between two chunks */
	uint64_t too_long;       /* copy mode: longer than the pool's room, dropped */
	uint64_t copied;
	uint64_t fallbacks; /* times that too many held records forced copying */
	uint64_t stale_bytes;
	uint64_t advances;
	uint64_t meta_drops; /* as META records say; until the first one does, lctr_drops */
	uint64_t meta_malformed;
	uint64_t counter_drops; /* as the card's own counter says; by the control path */
	uint64_t counter_resets;
	uint64_t clock_state; /* these three: as last told, not counted */
	uint64_t clock_phase_error;
	uint64_t meta_tsc;
	uint64_t types[DAG_ERF_TYPES];
};

enum dag_queue_state {
	DAG_QUEUE_DETACHED,
	DAG_QUEUE_STARTED,
	DAG_QUEUE_DRAINING, /* stopped, still attached since mbufs are outstanding */
};

struct dag_rx_queue {
	/* read by every burst */
	const uint8_t *cur;
	const uint8_t *top;
	const uint8_t *base;
	uint64_t base_offset; /* of base */
	uint64_t release;
	struct dag_slot *slots;
	uint32_t head; /* running: slots taken */
	uint32_t tail; /* running: oldest slot in use */
	uint32_t slot_mask;
	uint32_t hold_slots; /* more than this in use: copy */
	uint64_t hold_bytes;
	uint64_t release_step; /* advance at the latest when so much can be given back */
	struct rte_mempool *pool;
	struct dag_layout layout;
	uint32_t copy_room; /* data bytes of a pool mbuf */
	bool running;       /* the stream is started and healthy */
	bool copying;       /* copy mode, or fallback */
	bool zero_copy;
	bool scatter; /* copies may have several segments */
	bool deliver_errors;
	uint8_t strikes;
	uint8_t lctr_seen;      /* interfaces whose first record has been seen */
	uint64_t last_ts;       /* of the last record of the last chunk, 0: none yet */
	uint64_t sequence;      /* of the next packet, unless the card says it */
	uint64_t sequence_near; /* the card's: somewhere near what comes next */
	uint64_t *port_sequence;

	struct dag_rx_stats stats __rte_cache_aligned;

	/* control path, and what the polling thread does rarely */
	struct dag_card *card __rte_cache_aligned;
	struct rte_eth_dev *dev;
	struct dag_rx_queue *next_parked;
	uint64_t buffer_size;
	uint64_t partial_since; /* TSC when the window last ended inside a record */
	uint64_t partial_end;   /* running offset of its end */
	int stream;
	uint32_t window;
	uint16_t queue_id;
	bool flush;
	enum dag_queue_state state;
	struct dag_counter meta_counter; /* the polling thread's */
	struct dag_counter drop_counter; /* the control path's */
	uint64_t drop_uuid;              /* of the drop attribute, 0: none */
	struct dag_rx_stats stats_base;  /* what stats_reset() subtracts */
};

/* dev_private */
struct dag_port {
	struct card_port port; /* must be first */
	struct dag_args args;
	struct dag_card *card;
	int source_offset;
	uint64_t sequence_flag;
	struct dag_rx_stats past; /* of queues that are gone */
	uint64_t past_missed;
	/* card sequence: the largest of all queues, up to DAG_SEQUENCE_STEP */
	uint64_t sequence __rte_cache_aligned;
};

/* dag_ethdev.c */
extern const struct card_driver dag_driver;

/* dag_args.c */
int dag_args_parse(const char *params, struct dag_args *args);

/* dag_queue.c */
struct dag_card *dag_card_open(const struct dag_args *args);
void dag_card_put(struct dag_card *card);
int dag_rx_queue_setup(struct rte_eth_dev *dev, uint16_t queue_id, uint16_t nb_desc,
		       unsigned int socket_id, const struct rte_eth_rxconf *conf,
		       struct rte_mempool *pool);
void dag_rx_queue_release(struct rte_eth_dev *dev, uint16_t queue_id);
int dag_rx_queue_start(struct rte_eth_dev *dev, uint16_t queue_id);
void dag_rx_queue_stop(struct rte_eth_dev *dev, uint16_t queue_id);

/* dag_rx.c */
uint16_t dag_recv(void *rx_queue, struct rte_mbuf **pkts, uint16_t nb_pkts);
void dag_reclaim(struct dag_rx_queue *q);
int dag_advance(struct dag_rx_queue *q);
static inline uint32_t
dag_held(const struct dag_rx_queue *q)
{
	return q->head - q->tail;
}

/* dag_drops.c */
int dag_drops_open(struct dag_card *card, const struct dag_args *args);
void dag_drops_close(struct dag_card *card);
void dag_drops_start(struct dag_rx_queue *q);
void dag_drops_sample(struct dag_rx_queue *q);
/* What `now` is more than the last value, 0 for the first one; *reset: it has begun again. */
uint64_t dag_counter_add(struct dag_counter *c, uint64_t now, bool *reset);

/* dag_stats.c */
void dag_stats_keep(struct dag_port *port, struct dag_rx_queue *q); /* q goes away */
int dag_stats_get(struct rte_eth_dev *dev, struct rte_eth_stats *stats);
int dag_stats_reset(struct rte_eth_dev *dev);
int dag_xstats_get(struct rte_eth_dev *dev, struct rte_eth_xstat *xstats, unsigned int n);
int dag_xstats_get_names(struct rte_eth_dev *dev, struct rte_eth_xstat_name *names, unsigned int n);

#endif
