/* SPDX-License-Identifier: BSD-3-Clause */
/* What drivers of capture cards have in common: the operations of a port that can neither send nor
 * be configured, its arguments and statistics, and the opening of the vendor's library.
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

#include <bus_vdev_driver.h>
#include <ethdev_driver.h>
#include <rte_kvargs.h>
#include <rte_log.h>

/* What a driver is beside what all have in common. */
struct card_driver {
	const char *name; /* "net_dag": before what it logs */
	const int *logtype;
	size_t port_size; /* of dev_private, which begins with a struct card_port */
	const struct eth_dev_ops *ops, *secondary_ops;
	eth_rx_burst_t recv;
	/* Reads the arguments, finds the card, which close() leaves again. 0, or a negative errno: logged, and
	 * the card is left. */
	int (*init)(struct rte_eth_dev *dev, const char *params);
	void (*close)(struct rte_eth_dev *dev);
	int (*queue_start)(struct rte_eth_dev *dev, uint16_t queue_id);
	void (*queue_stop)(struct rte_eth_dev *dev, uint16_t queue_id);
	void (*queue_release)(struct rte_eth_dev *dev, uint16_t queue_id);
};

#define card_log(level, driver, fmt, ...) \
	rte_log(RTE_LOG_##level, *(driver)->logtype, "%s: " fmt "\n", (driver)->name, ##__VA_ARGS__)

/* First member of a driver's dev_private. */
struct card_port {
	const struct card_driver *driver; /* of the primary process */
	struct rte_ether_addr mac;
	uint32_t speed;   /* Mbit/s */
	uint32_t removed; /* 1 once a queue has failed; set by whichever poller is first */
	uint64_t tx_dropped[RTE_ETHDEV_QUEUE_STAT_CNTRS];
	uint64_t timestamp_flag;
	int timestamp_offset;
	int capture_offset;
	int sequence_offset;
};

/* --- card_args.c: device arguments --- */

/* One key: how its value gets into the arguments at `args`. 0, or -EINVAL, logged. */
struct card_key {
	const char *key;
	arg_handler_t parse;
};

/* "k=v,k=v" into `args`, which hold the defaults. `keys` ends with {NULL}. 0, or -EINVAL: logged, with what
 * would have been right. */
int card_args_parse(const struct card_driver *driver, const char *params,
		    const struct card_key *keys, void *args);

/* Logs that `value` is wrong; -EINVAL. */
int card_bad_value(const struct card_driver *driver, const char *key, const char *value,
		   const char *want);
/* A decimal number of [0, max] that ends at one of `ends` (or at the string's end); *end behind it. */
int card_parse_number(const char *s, unsigned long max, const char *ends, const char **end,
		      unsigned long *number);
/* One of the words, separated by '|': its number, or -EINVAL, logged. */
int card_parse_word(const struct card_driver *driver, const char *key, const char *value,
		    const char *words);
/* The same of two words: whether it is the second. 0, or -EINVAL. */
int card_parse_flag(const struct card_driver *driver, const char *key, const char *value,
		    const char *words, bool *flag);
/* "0" or "[0,2,4]": different multiples of `step` up to `max` (below 64), a bit each. 0, or -EINVAL: not
 * logged. */
int card_parse_list(const char *s, unsigned int step, unsigned long max, uint8_t *numbers,
		    uint16_t *n);
int card_parse_path(const struct card_driver *driver, const char *key, const char *value,
		    char *path, size_t size);
/* Mbit/s, or RTE_ETH_SPEED_NUM_UNKNOWN for 0. */
int card_parse_speed(const struct card_driver *driver, const char *key, const char *value,
		     uint32_t *speed);

/* --- card_lib.c: the vendor's library --- */

/* Opens a plain name as dlopen() does, or an absolute path that nobody else may write to. NULL with
 * rte_errno and the reason in `why`. */
void *card_lib_open(const char *path, char *why, size_t size);

/* --- card_port.c --- */

/* Makes the port of a device, in a secondary process the one that the primary has made. */
int card_probe(struct rte_vdev_device *vdev, const struct card_driver *driver);
int card_remove(struct rte_vdev_device *vdev);
/* Registers the fields of mbufs. 0, or a negative errno: logged. */
int card_register_fields(struct card_port *port);
/* Logs that a field has no room in mbufs; the negative errno. */
int card_no_field(const struct card_port *port, const char *field);
void card_set_link(struct rte_eth_dev *dev, bool up);
/* The card is gone: link down, and one removal event for all queues. From a polling thread. */
void card_gone(struct rte_eth_dev *dev);
/* refcnt, nb_segs, port and data_off of a received mbuf: its rearm_data. */
uint64_t card_rearm_word(uint16_t port_id, uint16_t data_off);

int card_configure(struct rte_eth_dev *dev);
int card_start(struct rte_eth_dev *dev);
int card_stop(struct rte_eth_dev *dev);
int card_close(struct rte_eth_dev *dev);
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
