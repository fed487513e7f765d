/* SPDX-License-Identifier: BSD-3-Clause */
/* A port that only receives, from a card that takes every frame on the wire. */
#include <ethdev_vdev.h>
#include <rte_errno.h>
#include <rte_mbuf.h>
#include <rte_mbuf_dyn.h>
#include <rte_version.h>

#include "card.h"
#include "net_dag.h"

/* The driver is bound to DPDK's internal symbols, which carry no ABI promise at all: it runs with just the
 * DPDK that it was built for. */
static const char dpdk_version[] = RTE_VER_PREFIX
	" " RTE_STR(RTE_VER_YEAR) "." RTE_STR(RTE_VER_MONTH) "." RTE_STR(RTE_VER_MINOR);

static bool
same_dpdk(void)
{
	const size_t n = sizeof(dpdk_version) - 1;

	return strncmp(rte_version(), dpdk_version, n) == 0 &&
	       !isdigit((unsigned char)rte_version()[n]);
}

int
card_no_field(const struct card_port *port, const char *field)
{
	int error = rte_errno;

	card_log(ERR, port->driver, "no room for %s in mbufs: %s", field, rte_strerror(error));
	return -error;
}

int
card_register_fields(struct card_port *port)
{
	static const struct rte_mbuf_dynfield capture = {
		.name = NET_DAG_CAPTURE_NAME,
		.size = sizeof(struct net_dag_capture),
		.align = __alignof__(struct net_dag_capture),
	};
	static const struct rte_mbuf_dynfield sequence = {
		.name = NET_DAG_SEQUENCE_NAME,
		.size = sizeof(uint64_t),
		.align = __alignof__(uint64_t),
	};

	if (rte_mbuf_dyn_rx_timestamp_register(&port->timestamp_offset, &port->timestamp_flag) < 0)
		return card_no_field(port, RTE_MBUF_DYNFIELD_TIMESTAMP_NAME);
	port->capture_offset = rte_mbuf_dynfield_register(&capture);
	if (port->capture_offset < 0)
		return card_no_field(port, capture.name);
	port->sequence_offset = rte_mbuf_dynfield_register(&sequence);
	if (port->sequence_offset < 0)
		return card_no_field(port, sequence.name);
	return 0;
}

/* Queues and the card belong to the primary: a secondary process neither receives nor sends. */
static uint16_t
burst_none(void *queue __rte_unused, struct rte_mbuf **pkts __rte_unused,
	   uint16_t nb_pkts __rte_unused)
{
	return 0;
}

/* Packets to send are freed and counted. The "queue" is its counter. */
static uint16_t
xmit(void *tx_queue, struct rte_mbuf **pkts, uint16_t nb_pkts)
{
	uint64_t *dropped = tx_queue;

	rte_pktmbuf_free_bulk(pkts, nb_pkts);
	*dropped += nb_pkts;
	return nb_pkts;
}

static int
probe_secondary(struct rte_vdev_device *vdev, const struct card_driver *driver)
{
	struct rte_eth_dev *dev = rte_eth_dev_attach_secondary(rte_vdev_device_name(vdev));

	if (dev == NULL)
		return -ENODEV;
	dev->device = &vdev->device;
	dev->dev_ops = driver->secondary_ops;
	dev->rx_pkt_burst = burst_none;
	dev->tx_pkt_burst = burst_none;
	rte_eth_dev_probing_finish(dev);
	return 0;
}

static int
probe_primary(struct rte_vdev_device *vdev, const struct card_driver *driver)
{
	struct rte_eth_dev *dev = rte_eth_vdev_allocate(vdev, driver->port_size);
	struct card_port *port;
	int ret;

	if (dev == NULL)
		return -ENOMEM;
	port = dev->data->dev_private;
	port->driver = driver;
	ret = driver->init(dev, rte_vdev_device_args(vdev));
	if (ret < 0) {
		rte_eth_dev_release_port(dev);
		return ret;
	}
	rte_eth_random_addr(port->mac.addr_bytes);
	dev->data->mac_addrs = &port->mac;
	dev->data->promiscuous = 1;
	dev->data->all_multicast = 1;
	dev->data->dev_flags |= RTE_ETH_DEV_AUTOFILL_QUEUE_XSTATS;
	card_set_link(dev, false);
	dev->dev_ops = driver->ops;
	dev->rx_pkt_burst = driver->recv;
	dev->tx_pkt_burst = xmit;
	rte_eth_dev_probing_finish(dev);
	return 0;
}

int
card_probe(struct rte_vdev_device *vdev, const struct card_driver *driver)
{
	if (!same_dpdk()) {
		card_log(ERR, driver, "built for %s, this is %s: build it again", dpdk_version,
			 rte_version());
		return -ENOTSUP;
	}
	return rte_eal_process_type() == RTE_PROC_SECONDARY ? probe_secondary(vdev, driver)
							    : probe_primary(vdev, driver);
}

int
card_remove(struct rte_vdev_device *vdev)
{
	struct rte_eth_dev *dev = rte_eth_dev_allocated(rte_vdev_device_name(vdev));

	if (dev == NULL)
		return 0; /* closed by the application */
	card_close(dev);
	return rte_eth_dev_release_port(dev);
}

int
card_configure(struct rte_eth_dev *dev)
{
	const struct card_port *port = dev->data->dev_private;
	struct rte_eth_conf *conf = &dev->data->dev_conf;

	/* the card spreads packets over its streams or channels by its own rules */
	conf->rx_adv_conf.rss_conf.rss_hf = 0;
	if (conf->rxmode.mq_mode & ~RTE_ETH_MQ_RX_RSS_FLAG) {
		card_log(ERR, port->driver, "%s: only plain or RSS receive mode", dev->data->name);
		return -ENOTSUP;
	}
	return 0;
}

static void
stop_queues(struct rte_eth_dev *dev, uint16_t n)
{
	const struct card_port *port = dev->data->dev_private;
	uint16_t i;

	for (i = 0; i < n; i++) {
		port->driver->queue_stop(dev, i);
		dev->data->rx_queue_state[i] = RTE_ETH_QUEUE_STATE_STOPPED;
	}
}

int
card_start(struct rte_eth_dev *dev)
{
	struct card_port *port = dev->data->dev_private;
	uint16_t i;

	__atomic_store_n(&port->removed, 0, __ATOMIC_RELAXED);
	for (i = 0; i < dev->data->nb_rx_queues; i++) {
		int ret = port->driver->queue_start(dev, i);

		if (ret < 0) {
			stop_queues(dev, i);
			return ret;
		}
		dev->data->rx_queue_state[i] = RTE_ETH_QUEUE_STATE_STARTED;
	}
	for (i = 0; i < dev->data->nb_tx_queues; i++)
		dev->data->tx_queue_state[i] = RTE_ETH_QUEUE_STATE_STARTED;
	card_set_link(dev, true);
	return 0;
}

int
card_stop(struct rte_eth_dev *dev)
{
	uint16_t i;

	stop_queues(dev, dev->data->nb_rx_queues);
	for (i = 0; i < dev->data->nb_tx_queues; i++)
		dev->data->tx_queue_state[i] = RTE_ETH_QUEUE_STATE_STOPPED;
	card_set_link(dev, false);
	dev->data->dev_started = 0;
	return 0;
}

int
card_close(struct rte_eth_dev *dev)
{
	const struct card_port *port = dev->data->dev_private;
	uint16_t i;

	if (rte_eal_process_type() != RTE_PROC_PRIMARY)
		return 0;
	for (i = 0; i < dev->data->nb_rx_queues; i++)
		port->driver->queue_release(dev, i);
	for (i = 0; i < dev->data->nb_tx_queues; i++)
		card_tx_queue_release(dev, i);
	port->driver->close(dev);
	dev->data->mac_addrs = NULL; /* lies in dev_private */
	return 0;
}

void
card_set_link(struct rte_eth_dev *dev, bool up)
{
	const struct card_port *port = dev->data->dev_private;
	struct rte_eth_link link = {
		.link_speed = port->speed,
		.link_duplex = RTE_ETH_LINK_FULL_DUPLEX,
		.link_autoneg = RTE_ETH_LINK_FIXED,
		.link_status = up ? RTE_ETH_LINK_UP : RTE_ETH_LINK_DOWN,
	};

	rte_eth_linkstatus_set(dev, &link);
}

void
card_gone(struct rte_eth_dev *dev)
{
	struct card_port *port = dev->data->dev_private;

	card_set_link(dev, false);
	if (__atomic_exchange_n(&port->removed, 1, __ATOMIC_RELAXED) == 0)
		rte_eth_dev_callback_process(dev, RTE_ETH_EVENT_INTR_RMV, NULL);
}

uint64_t
card_rearm_word(uint16_t port_id, uint16_t data_off)
{
	struct rte_mbuf m = {.data_off = data_off, .refcnt = 1, .nb_segs = 1, .port = port_id};
	uint64_t word;

	memcpy(&word, RTE_PTR_ADD(&m, offsetof(struct rte_mbuf, rearm_data)), sizeof(word));
	return word;
}

int
card_tx_queue_setup(struct rte_eth_dev *dev, uint16_t queue_id, uint16_t nb_desc __rte_unused,
		    unsigned int socket_id __rte_unused,
		    const struct rte_eth_txconf *conf __rte_unused)
{
	struct card_port *port = dev->data->dev_private;

	dev->data->tx_queues[queue_id] = &port->tx_dropped[queue_id];
	return 0;
}

void
card_tx_queue_release(struct rte_eth_dev *dev, uint16_t queue_id)
{
	dev->data->tx_queues[queue_id] = NULL;
}

const uint32_t *
card_ptypes_get(struct rte_eth_dev *dev __rte_unused)
{
	static const uint32_t none[] = {RTE_PTYPE_UNKNOWN};

	return none;
}

int
card_link_update(struct rte_eth_dev *dev __rte_unused, int wait __rte_unused)
{
	return -1; /* what start, stop and a failing queue have set */
}

int
card_is_removed(struct rte_eth_dev *dev)
{
	struct card_port *port = dev->data->dev_private;

	return __atomic_load_n(&port->removed, __ATOMIC_RELAXED) != 0;
}

int
card_always_on(struct rte_eth_dev *dev __rte_unused)
{
	return 0;
}

int
card_never_off(struct rte_eth_dev *dev __rte_unused)
{
	return -ENOTSUP;
}

int
card_mtu_set(struct rte_eth_dev *dev __rte_unused, uint16_t mtu __rte_unused)
{
	return 0; /* the card's snap length decides */
}

int
card_mac_addr_set(struct rte_eth_dev *dev __rte_unused, struct rte_ether_addr *mac __rte_unused)
{
	return 0; /* cards have no address: ethdev's copy is all there is */
}
