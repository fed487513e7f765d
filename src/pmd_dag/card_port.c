/* SPDX-License-Identifier: BSD-3-Clause */
/* A port that only receives, from a card that takes every frame on the wire. */
#include <rte_errno.h>
#include <rte_mbuf.h>
#include <rte_mbuf_dyn.h>
#include <rte_version.h>

#include "card.h"
#include "net_dag.h"

const char card_dpdk_version[] = RTE_VER_PREFIX
	" " RTE_STR(RTE_VER_YEAR) "." RTE_STR(RTE_VER_MONTH) "." RTE_STR(RTE_VER_MINOR);

bool
card_same_dpdk(void)
{
	const size_t n = sizeof(card_dpdk_version) - 1;

	return strncmp(rte_version(), card_dpdk_version, n) == 0 &&
	       !isdigit((unsigned char)rte_version()[n]);
}

int
card_port_init(struct rte_eth_dev *dev, struct card_port *port, const char **field)
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

	*field = RTE_MBUF_DYNFIELD_TIMESTAMP_NAME;
	if (rte_mbuf_dyn_rx_timestamp_register(&port->timestamp_offset, &port->timestamp_flag) < 0)
		return -rte_errno;
	*field = capture.name;
	port->capture_offset = rte_mbuf_dynfield_register(&capture);
	if (port->capture_offset < 0)
		return -rte_errno;
	*field = sequence.name;
	port->sequence_offset = rte_mbuf_dynfield_register(&sequence);
	if (port->sequence_offset < 0)
		return -rte_errno;
	rte_eth_random_addr(port->mac.addr_bytes);
	dev->data->mac_addrs = &port->mac;
	dev->data->promiscuous = 1;
	dev->data->all_multicast = 1;
	dev->data->dev_flags |= RTE_ETH_DEV_AUTOFILL_QUEUE_XSTATS;
	card_set_link(dev, false);
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

/* Queues and the card belong to the primary: the burst functions of secondary processes. */
uint16_t
card_recv_none(void *rx_queue __rte_unused, struct rte_mbuf **pkts __rte_unused,
	       uint16_t nb_pkts __rte_unused)
{
	return 0;
}

uint16_t
card_xmit_none(void *tx_queue __rte_unused, struct rte_mbuf **pkts __rte_unused,
	       uint16_t nb_pkts __rte_unused)
{
	return 0;
}

/* Packets to send are freed and counted. The "queue" is its counter. */
uint16_t
card_xmit(void *tx_queue, struct rte_mbuf **pkts, uint16_t nb_pkts)
{
	uint64_t *dropped = tx_queue;

	rte_pktmbuf_free_bulk(pkts, nb_pkts);
	*dropped += nb_pkts;
	return nb_pkts;
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
