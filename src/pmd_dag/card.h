/* SPDX-License-Identifier: BSD-3-Clause */
/* What drivers of capture cards have in common: the operations of a port that can neither send nor
 * be configured, its statistics, and the opening of the vendor's library.
 */
#ifndef CARD_H
#define CARD_H

#include <ctype.h>
#include <errno.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <ethdev_driver.h>

/* First member of a driver's dev_private. */
struct card_port {
	struct rte_ether_addr mac;
	uint32_t speed;   /* Mbit/s */
	uint32_t removed; /* 1 once a queue has failed; set by whichever poller is first */
	uint64_t tx_dropped[RTE_ETHDEV_QUEUE_STAT_CNTRS];
	uint64_t timestamp_flag;
	int timestamp_offset;
	int capture_offset;
	int sequence_offset;
};

/* --- device arguments --- */

/* A decimal number of [0, max] that ends at one of `ends` (or at the string's end); *end behind it.
 */
static inline int
card_parse_number(const char *s, unsigned long max, const char *ends, const char **end,
		  unsigned long *number)
{
	char *stop;

	if (!isdigit((unsigned char)s[0]))
		return -EINVAL;
	errno = 0;
	*number = strtoul(s, &stop, 10);
	if (errno != 0 || *number > max || strchr(ends, *stop) == NULL)
		return -EINVAL;
	*end = stop;
	return 0;
}

/* --- card_lib.c: the vendor's library --- */

/* Opens a plain name as dlopen() does, or an absolute path that nobody else may write to. NULL with
 * rte_errno and the reason in `why`. */
void *card_lib_open(const char *path, char *why, size_t size);

/* --- card_port.c --- */

/* The driver is bound to DPDK's internal symbols, which carry no ABI promise at all: true if it was
 * built for just this DPDK, whose version is CARD_DPDK_VERSION. */
bool card_same_dpdk(void);
extern const char card_dpdk_version[];

/* Registers the fields of mbufs, gives the port an address. 0, or a negative errno with the name of
 * the field that has no room. */
int card_port_init(struct rte_eth_dev *dev, struct card_port *port, const char **field);
void card_set_link(struct rte_eth_dev *dev, bool up);
/* The card is gone: link down, and one removal event for all queues. From a polling thread. */
void card_gone(struct rte_eth_dev *dev);
/* refcnt, nb_segs, port and data_off of a received mbuf: its rearm_data. */
uint64_t card_rearm_word(uint16_t port_id, uint16_t data_off);

uint16_t card_recv_none(void *rx_queue, struct rte_mbuf **pkts, uint16_t nb_pkts);
uint16_t card_xmit(void *tx_queue, struct rte_mbuf **pkts, uint16_t nb_pkts);
uint16_t card_xmit_none(void *tx_queue, struct rte_mbuf **pkts, uint16_t nb_pkts);
int card_tx_queue_setup(struct rte_eth_dev *dev, uint16_t queue_id, uint16_t nb_desc,
			unsigned int socket_id, const struct rte_eth_txconf *conf);
void card_tx_queue_release(struct rte_eth_dev *dev, uint16_t queue_id);
/* No packet types: frames are not looked into. */
const uint32_t *card_ptypes_get(struct rte_eth_dev *dev);
int card_link_update(struct rte_eth_dev *dev, int wait);
int card_is_removed(struct rte_eth_dev *dev);
int card_always_on(struct rte_eth_dev *dev);
int card_never_off(struct rte_eth_dev *dev);
int card_mtu_set(struct rte_eth_dev *dev, uint16_t mtu);
int card_mac_addr_set(struct rte_eth_dev *dev, struct rte_ether_addr *mac);

/* --- card_stats.c --- */

/* Each queue counts for itself in a block of uint64_t; a reset only moves its base. What a queue has
 * counted stays with the port when the queue goes, so that reconfiguring loses no statistics. */
struct card_stats {
	const struct card_stat {
		const char *name;
		size_t offset; /* in the block */
	} * xstats;
	unsigned int nb_xstats;
	size_t block, base, size; /* of the blocks in the queue */
	size_t past;              /* of the same block in the port: of queues that are gone */
};

uint64_t card_stats_queue(const struct rte_eth_dev *dev, const struct card_stats *s,
			  uint16_t queue_id, size_t offset);
uint64_t card_stats_sum(const struct rte_eth_dev *dev, const struct card_stats *s, size_t offset);
void card_stats_reset(struct rte_eth_dev *dev, const struct card_stats *s);
/* Before a queue goes. */
void card_stats_keep(struct rte_eth_dev *dev, const struct card_stats *s, uint16_t queue_id);
int card_xstats_get(struct rte_eth_dev *dev, const struct card_stats *s,
		    struct rte_eth_xstat *xstats, unsigned int n);
int card_xstats_get_names(const struct card_stats *s, struct rte_eth_xstat_name *names,
			  unsigned int n);

#endif
