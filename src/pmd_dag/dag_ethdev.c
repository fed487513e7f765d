/* SPDX-License-Identifier: BSD-3-Clause */
/* net_dag: a DPDK port over the receive streams of an Endace DAG card (or of its simulator).
 *
 * Probe, port operations and registration. Queue i of the port is the i-th stream.
 */
#include <ctype.h>
#include <errno.h>
#include <string.h>

#include <bus_vdev_driver.h>
#include <ethdev_vdev.h>
#include <rte_errno.h>
#include <rte_version.h>

#include "dag_driver.h"
#include "net_dag.h"

RTE_LOG_REGISTER(dag_logtype, pmd.net.dag, NOTICE);

/* A capture stream has no way out: packets to send are freed and counted. The "queue" is its
 * counter. */
static uint16_t
dag_xmit(void *tx_queue, struct rte_mbuf **pkts, uint16_t nb_pkts)
{
	uint64_t *dropped = tx_queue;

	rte_pktmbuf_free_bulk(pkts, nb_pkts);
	*dropped += nb_pkts;
	return nb_pkts;
}

static uint16_t
dag_xmit_none(void *tx_queue __rte_unused, struct rte_mbuf **pkts __rte_unused,
	      uint16_t nb_pkts __rte_unused)
{
	return 0;
}

static int
dag_tx_queue_setup(struct rte_eth_dev *dev, uint16_t queue_id, uint16_t nb_desc __rte_unused,
		   unsigned int socket_id __rte_unused,
		   const struct rte_eth_txconf *conf __rte_unused)
{
	struct dag_port *port = dev->data->dev_private;

	dev->data->tx_queues[queue_id] = &port->tx_dropped[queue_id];
	return 0;
}

static void
dag_tx_queue_release(struct rte_eth_dev *dev, uint16_t queue_id)
{
	dev->data->tx_queues[queue_id] = NULL;
}

static void
set_link(struct rte_eth_dev *dev, bool up)
{
	struct dag_port *port = dev->data->dev_private;
	struct rte_eth_link link = {
		.link_speed = port->args.speed,
		.link_duplex = RTE_ETH_LINK_FULL_DUPLEX,
		.link_autoneg = RTE_ETH_LINK_FIXED,
		.link_status = up ? RTE_ETH_LINK_UP : RTE_ETH_LINK_DOWN,
	};

	rte_eth_linkstatus_set(dev, &link);
}

static int
dag_dev_configure(struct rte_eth_dev *dev)
{
	struct rte_eth_conf *conf = &dev->data->dev_conf;

	/* the card spreads packets over its streams by its own rules */
	conf->rx_adv_conf.rss_conf.rss_hf = 0;
	if (conf->rxmode.mq_mode & ~RTE_ETH_MQ_RX_RSS_FLAG) {
		DAG_LOG(ERR, "%s: only plain or RSS receive mode", dev->data->name);
		return -ENOTSUP;
	}
	return 0;
}

static int
dag_dev_start(struct rte_eth_dev *dev)
{
	struct dag_port *port = dev->data->dev_private;
	uint16_t i;
	int ret;

	__atomic_store_n(&port->removed, 0, __ATOMIC_RELAXED);
	for (i = 0; i < dev->data->nb_rx_queues; i++) {
		ret = dag_rx_queue_start(dev->data->rx_queues[i]);
		if (ret < 0)
			goto fail;
		dev->data->rx_queue_state[i] = RTE_ETH_QUEUE_STATE_STARTED;
	}
	for (i = 0; i < dev->data->nb_tx_queues; i++)
		dev->data->tx_queue_state[i] = RTE_ETH_QUEUE_STATE_STARTED;
	set_link(dev, true);
	return 0;
fail:
	while (i-- > 0) {
		dag_rx_queue_stop(dev->data->rx_queues[i]);
		dev->data->rx_queue_state[i] = RTE_ETH_QUEUE_STATE_STOPPED;
	}
	return ret;
}

static int
dag_dev_stop(struct rte_eth_dev *dev)
{
	uint16_t i;

	for (i = 0; i < dev->data->nb_rx_queues; i++) {
		dag_rx_queue_stop(dev->data->rx_queues[i]);
		dev->data->rx_queue_state[i] = RTE_ETH_QUEUE_STATE_STOPPED;
	}
	for (i = 0; i < dev->data->nb_tx_queues; i++)
		dev->data->tx_queue_state[i] = RTE_ETH_QUEUE_STATE_STOPPED;
	set_link(dev, false);
	dev->data->dev_started = 0;
	return 0;
}

static int
dag_dev_close(struct rte_eth_dev *dev)
{
	struct dag_port *port = dev->data->dev_private;
	uint16_t i;

	if (rte_eal_process_type() != RTE_PROC_PRIMARY)
		return 0;
	for (i = 0; i < dev->data->nb_rx_queues; i++)
		dag_rx_queue_release(dev, i);
	for (i = 0; i < dev->data->nb_tx_queues; i++)
		dag_tx_queue_release(dev, i);
	if (port->card != NULL)
		dag_card_put(port->card);
	port->card = NULL;
	dev->data->mac_addrs = NULL; /* lies in dev_private */
	return 0;
}

static int
dag_dev_infos_get(struct rte_eth_dev *dev, struct rte_eth_dev_info *info)
{
	struct dag_port *port = dev->data->dev_private;

	info->max_rx_queues = port->args.nb_streams;
	info->max_tx_queues = RTE_DIM(port->tx_dropped);
	info->max_rx_pktlen = DAG_RX_PKTLEN;
	info->max_mtu = DAG_RX_PKTLEN - RTE_ETHER_HDR_LEN - RTE_ETHER_CRC_LEN;
	info->max_mac_addrs = 1;
	info->min_rx_bufsize = port->args.zero_copy ? 0 : RTE_ETHER_MIN_LEN;
	info->rx_offload_capa = RTE_ETH_RX_OFFLOAD_TIMESTAMP | RTE_ETH_RX_OFFLOAD_KEEP_CRC;
	info->rx_queue_offload_capa = info->rx_offload_capa;
	info->rx_desc_lim = (struct rte_eth_desc_lim){
		.nb_min = DAG_SLOTS_MIN, .nb_max = DAG_SLOTS_MAX, .nb_align = 1};
	info->default_rxportconf.ring_size = DAG_SLOTS_DEF;
	info->default_rxportconf.burst_size = DAG_CHUNK;
	info->default_rxportconf.nb_queues = port->args.nb_streams;
	return 0;
}

static int
dag_link_update(struct rte_eth_dev *dev __rte_unused, int wait __rte_unused)
{
	return -1; /* what start, stop and a failing stream have set */
}

static int
dag_is_removed(struct rte_eth_dev *dev)
{
	struct dag_port *port = dev->data->dev_private;

	return __atomic_load_n(&port->removed, __ATOMIC_RELAXED) != 0;
}

/* Cards take every frame on the wire; nothing can be switched. */
static int
dag_always_on(struct rte_eth_dev *dev __rte_unused)
{
	return 0;
}

static int
dag_never_off(struct rte_eth_dev *dev __rte_unused)
{
	return -ENOTSUP;
}

static int
dag_mtu_set(struct rte_eth_dev *dev __rte_unused, uint16_t mtu __rte_unused)
{
	return 0; /* the card's snap length decides */
}

static int
dag_mac_addr_set(struct rte_eth_dev *dev __rte_unused, struct rte_ether_addr *mac __rte_unused)
{
	return 0; /* cards have no address: ethdev's copy is all there is */
}

static void
dag_rxq_info_get(struct rte_eth_dev *dev, uint16_t queue_id, struct rte_eth_rxq_info *info)
{
	const struct dag_rx_queue *q = dev->data->rx_queues[queue_id];

	info->mp = q->pool;
	info->nb_desc = (uint16_t)(q->slot_mask + 1);
}

static int
dag_burst_mode_get(struct rte_eth_dev *dev, uint16_t queue_id, struct rte_eth_burst_mode *mode)
{
	const struct dag_rx_queue *q = dev->data->rx_queues[queue_id];

	strlcpy(mode->info, q->zero_copy ? "Scalar Zero Copy" : "Scalar Copy", sizeof(mode->info));
	return 0;
}

static const uint32_t *
dag_ptypes_get(struct rte_eth_dev *dev __rte_unused)
{
	static const uint32_t none[] = {RTE_PTYPE_UNKNOWN};

	return none; /* frames are not looked into */
}

static const struct eth_dev_ops dag_ops = {
	.dev_configure = dag_dev_configure,
	.dev_start = dag_dev_start,
	.dev_stop = dag_dev_stop,
	.dev_close = dag_dev_close,
	.dev_infos_get = dag_dev_infos_get,
	.rx_queue_setup = dag_rx_queue_setup,
	.rx_queue_release = dag_rx_queue_release,
	.tx_queue_setup = dag_tx_queue_setup,
	.tx_queue_release = dag_tx_queue_release,
	.link_update = dag_link_update,
	.is_removed = dag_is_removed,
	.promiscuous_enable = dag_always_on,
	.promiscuous_disable = dag_never_off,
	.allmulticast_enable = dag_always_on,
	.allmulticast_disable = dag_never_off,
	.mtu_set = dag_mtu_set,
	.mac_addr_set = dag_mac_addr_set,
	.stats_get = dag_stats_get,
	.stats_reset = dag_stats_reset,
	.xstats_get = dag_xstats_get,
	.xstats_get_names = dag_xstats_get_names,
	.xstats_reset = dag_stats_reset,
	.rxq_info_get = dag_rxq_info_get,
	.rx_burst_mode_get = dag_burst_mode_get,
	.dev_supported_ptypes_get = dag_ptypes_get,
};

/* A secondary process has not opened the card: it reads what the primary writes. Everything else
 * answers -ENOTSUP. */
static const struct eth_dev_ops dag_secondary_ops = {
	.dev_close = dag_dev_close,
	.dev_infos_get = dag_dev_infos_get,
	.link_update = dag_link_update,
	.is_removed = dag_is_removed,
	.stats_get = dag_stats_get,
	.xstats_get = dag_xstats_get,
	.xstats_get_names = dag_xstats_get_names,
	.rxq_info_get = dag_rxq_info_get,
	.rx_burst_mode_get = dag_burst_mode_get,
	.dev_supported_ptypes_get = dag_ptypes_get,
};

/* The driver is bound to DPDK's internal symbols, which carry no ABI promise at all. */
static int
check_version(void)
{
	char built[32];

	snprintf(built, sizeof(built), "%s %d.%02d.%d", RTE_VER_PREFIX, RTE_VER_YEAR, RTE_VER_MONTH,
		 RTE_VER_MINOR);
	if (strncmp(rte_version(), built, strlen(built)) == 0 &&
	    !isdigit((unsigned char)rte_version()[strlen(built)]))
		return 0;
	DAG_LOG(ERR, "built for %s, this is %s: build it again", built, rte_version());
	return -ENOTSUP;
}

static int
register_field(const char *name, size_t size, int *offset)
{
	struct rte_mbuf_dynfield field = {.size = size, .align = 8};

	strlcpy(field.name, name, sizeof(field.name));
	*offset = rte_mbuf_dynfield_register(&field);
	if (*offset >= 0)
		return 0;
	DAG_LOG(ERR, "no room for %s in mbufs: %s", name, rte_strerror(rte_errno));
	return -rte_errno;
}

static int
register_fields(struct dag_port *port)
{
	static const struct rte_mbuf_dynflag sequence = {.name = NET_DAG_CARD_SEQUENCE_NAME};
	int ret, bit;

	if (rte_mbuf_dyn_rx_timestamp_register(&port->timestamp_offset, &port->timestamp_flag) <
	    0) {
		DAG_LOG(ERR, "no room for timestamps in mbufs: %s", rte_strerror(rte_errno));
		return -rte_errno;
	}
	ret = register_field(NET_DAG_CAPTURE_NAME, sizeof(struct net_dag_capture),
			     &port->capture_offset);
	if (ret == 0)
		ret = register_field(NET_DAG_SEQUENCE_NAME, sizeof(uint64_t),
				     &port->sequence_offset);
	port->source_offset = -1;
	if (ret == 0 && port->args.ids)
		ret = register_field(NET_DAG_SOURCE_NAME, sizeof(uint64_t), &port->source_offset);
	if (ret < 0)
		return ret;
	bit = rte_mbuf_dynflag_register(&sequence);
	if (bit < 0) {
		DAG_LOG(ERR, "no room for %s in mbufs: %s", sequence.name, rte_strerror(rte_errno));
		return -rte_errno;
	}
	port->sequence_flag = UINT64_C(1) << bit;
	return 0;
}

/* Named streams must have memory; without names all that have are taken. */
static int
find_streams(struct dag_port *port)
{
	const struct dag_card *card = port->card;
	struct dag_args *args = &port->args;
	int i, count;

	for (i = 0; i < args->nb_streams; i++) {
		int64_t size = dag_lib_buffer_size(card->lib, card->fd, args->streams[i]);

		if (size <= 0) {
			DAG_LOG(ERR, "%s: %s stream %d", args->card,
				size < 0 ? "there is no" : "no memory is assigned to",
				args->streams[i]);
			return size < 0 ? -EINVAL : -ENOMEM;
		}
	}
	if (args->nb_streams > 0)
		return 0;
	count = card->lib->rx_get_stream_count(card->fd);
	for (i = 0; i < RTE_MIN(count, DAG_STREAMS_MAX); i++)
		if (dag_lib_buffer_size(card->lib, card->fd, 2 * i) > 0)
			args->streams[args->nb_streams++] = 2 * i;
	if (args->nb_streams == 0) {
		DAG_LOG(ERR, "%s: no receive stream has memory", args->card);
		return -ENOMEM;
	}
	return 0;
}

static int
dag_port_init(struct rte_eth_dev *dev, const struct dag_args *args)
{
	struct dag_port *port = dev->data->dev_private;
	int ret;

	port->args = *args;
	port->sequence = UINT64_C(1) << 32; /* so that none is below 0 */
	ret = register_fields(port);
	if (ret < 0)
		return ret;
	port->card = dag_card_open(args);
	if (port->card == NULL)
		return -rte_errno;
	ret = find_streams(port);
	if (ret < 0) {
		dag_card_put(port->card);
		return ret;
	}
	rte_eth_random_addr(port->mac.addr_bytes);
	dev->data->mac_addrs = &port->mac;
	dev->data->promiscuous = 1;
	dev->data->all_multicast = 1;
	dev->data->dev_flags |= RTE_ETH_DEV_AUTOFILL_QUEUE_XSTATS;
	dev->dev_ops = &dag_ops;
	dev->rx_pkt_burst = dag_recv;
	dev->tx_pkt_burst = dag_xmit;
	set_link(dev, false);
	return 0;
}

static int
dag_probe_secondary(struct rte_vdev_device *vdev)
{
	struct rte_eth_dev *dev = rte_eth_dev_attach_secondary(rte_vdev_device_name(vdev));

	if (dev == NULL)
		return -ENODEV;
	dev->device = &vdev->device;
	dev->dev_ops = &dag_secondary_ops;
	dev->rx_pkt_burst = dag_recv_none;
	dev->tx_pkt_burst = dag_xmit_none;
	rte_eth_dev_probing_finish(dev);
	return 0;
}

static int
dag_probe(struct rte_vdev_device *vdev)
{
	struct rte_eth_dev *dev;
	struct dag_args args;
	int ret;

	ret = check_version();
	if (ret < 0)
		return ret;
	if (rte_eal_process_type() == RTE_PROC_SECONDARY)
		return dag_probe_secondary(vdev);
	ret = dag_args_parse(rte_vdev_device_args(vdev), &args);
	if (ret < 0)
		return ret;
	if (vdev->device.numa_node == SOCKET_ID_ANY)
		vdev->device.numa_node = (int)rte_socket_id();
	dev = rte_eth_vdev_allocate(vdev, sizeof(struct dag_port));
	if (dev == NULL)
		return -ENOMEM;
	ret = dag_port_init(dev, &args);
	if (ret < 0) {
		rte_eth_dev_release_port(dev);
		return ret;
	}
	rte_eth_dev_probing_finish(dev);
	return 0;
}

static int
dag_remove(struct rte_vdev_device *vdev)
{
	struct rte_eth_dev *dev = rte_eth_dev_allocated(rte_vdev_device_name(vdev));

	if (dev == NULL)
		return 0; /* closed by the application */
	dag_dev_close(dev);
	return rte_eth_dev_release_port(dev);
}

static struct rte_vdev_driver dag_driver = {
	.probe = dag_probe, .remove = dag_remove,
	/* No driver flags: a stream is no DPDK memory and its mbufs have no bus address (RTE_BAD_IOVA), so
	 * any IOVA mode will do; without an IOMMU, EAL chooses physical addresses. */
};

RTE_PMD_REGISTER_VDEV(net_dag, dag_driver);
RTE_PMD_REGISTER_PARAM_STRING(net_dag, "lib=<file> "
				       "card=<dagN[:stream]> "
				       "streams=<[0,2,...]> "
				       "fcs=0|16|32 "
				       "keep_fcs=0|1 "
				       "rxerror=drop|deliver "
				       "flush=0|1 "
				       "zero_copy=0|1 "
				       "timestamp=ns|erf "
				       "sequence=queue|card "
				       "ids=0|1 "
				       "mark=0|1 "
				       "drop_attr=<code> "
				       "conf_lib=<file> "
				       "window=<bytes> "
				       "speed=<Mbit/s>");
