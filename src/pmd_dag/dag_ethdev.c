/* SPDX-License-Identifier: BSD-3-Clause */
/* net_dag: a DPDK port over the receive streams of an Endace DAG card (or of its simulator).
 *
 * Probe, port operations and registration. Queue i of the port is the i-th stream.
 */
#include <ctype.h>
#include <errno.h>
#include <string.h>

#include <bus_vdev_driver.h>
#include <rte_errno.h>

#include "dag_driver.h"
#include "net_dag.h"

RTE_LOG_REGISTER(dag_logtype, pmd.net.dag, NOTICE);

static void
leave_card(struct rte_eth_dev *dev)
{
	struct dag_port *port = dev->data->dev_private;

	if (port->card != NULL)
		dag_card_put(port->card);
	port->card = NULL;
}

/* Where every queue's drop counter begins, before the first stream runs: from then on the card drops what is for
 * the streams that do not run yet. */
static int
dag_dev_start(struct rte_eth_dev *dev)
{
	uint16_t i;

	for (i = 0; i < dev->data->nb_rx_queues; i++)
		dag_drops_start(dev->data->rx_queues[i]);
	return card_start(dev);
}

static int
dag_dev_infos_get(struct rte_eth_dev *dev, struct rte_eth_dev_info *info)
{
	struct dag_port *port = dev->data->dev_private;

	info->max_rx_queues = port->args.nb_streams;
	info->max_tx_queues = RTE_DIM(port->port.tx_dropped);
	info->max_rx_pktlen = DAG_RX_PKTLEN;
	info->max_mtu = DAG_RX_PKTLEN - RTE_ETHER_HDR_LEN - RTE_ETHER_CRC_LEN;
	info->max_mac_addrs = 1;
	info->min_rx_bufsize = port->args.zero_copy ? 0 : RTE_ETHER_MIN_LEN;
	info->rx_offload_capa = RTE_ETH_RX_OFFLOAD_TIMESTAMP | RTE_ETH_RX_OFFLOAD_KEEP_CRC |
				RTE_ETH_RX_OFFLOAD_SCATTER;
	info->rx_queue_offload_capa = info->rx_offload_capa;
	info->rx_desc_lim = (struct rte_eth_desc_lim){
		.nb_min = DAG_SLOTS_MIN, .nb_max = DAG_SLOTS_MAX, .nb_align = 1};
	info->default_rxportconf.ring_size = DAG_SLOTS_DEF;
	info->default_rxportconf.burst_size = DAG_CHUNK;
	info->default_rxportconf.nb_queues = port->args.nb_streams;
	return 0;
}

static void
dag_rxq_info_get(struct rte_eth_dev *dev, uint16_t queue_id, struct rte_eth_rxq_info *info)
{
	const struct dag_rx_queue *q = dev->data->rx_queues[queue_id];

	info->mp = q->pool;
	info->nb_desc = (uint16_t)(q->slot_mask + 1);
	info->scattered_rx = q->scatter;
}

static int
dag_burst_mode_get(struct rte_eth_dev *dev, uint16_t queue_id __rte_unused,
		   struct rte_eth_burst_mode *mode)
{
	const struct dag_port *port = dev->data->dev_private;

	strlcpy(mode->info, port->args.zero_copy ? "Scalar Zero Copy" : "Scalar Copy",
		sizeof(mode->info));
	return 0;
}

static const struct eth_dev_ops dag_ops = {
	.dev_configure = card_configure,
	.dev_start = dag_dev_start,
	.dev_stop = card_stop,
	.dev_close = card_close,
	.dev_infos_get = dag_dev_infos_get,
	.rx_queue_setup = dag_rx_queue_setup,
	.rx_queue_release = dag_rx_queue_release,
	.tx_queue_setup = card_tx_queue_setup,
	.tx_queue_release = card_tx_queue_release,
	.link_update = card_link_update,
	.is_removed = card_is_removed,
	.promiscuous_enable = card_always_on,
	.promiscuous_disable = card_never_off,
	.allmulticast_enable = card_always_on,
	.allmulticast_disable = card_never_off,
	.mtu_set = card_mtu_set,
	.mac_addr_set = card_mac_addr_set,
	.stats_get = dag_stats_get,
	.stats_reset = dag_stats_reset,
	.xstats_get = dag_xstats_get,
	.xstats_get_names = dag_xstats_get_names,
	.xstats_reset = dag_stats_reset,
	.rxq_info_get = dag_rxq_info_get,
	.rx_burst_mode_get = dag_burst_mode_get,
	.dev_supported_ptypes_get = card_ptypes_get,
};

/* A secondary process has not opened the card: it reads what the primary writes. Everything else
 * answers -ENOTSUP. */
static const struct eth_dev_ops dag_secondary_ops = {
	.dev_close = card_close,
	.dev_infos_get = dag_dev_infos_get,
	.link_update = card_link_update,
	.is_removed = card_is_removed,
	.stats_get = dag_stats_get,
	.xstats_get = dag_xstats_get,
	.xstats_get_names = dag_xstats_get_names,
	.rxq_info_get = dag_rxq_info_get,
	.rx_burst_mode_get = dag_burst_mode_get,
	.dev_supported_ptypes_get = card_ptypes_get,
};

/* What this driver's packets carry beside what those of every card do. */
static int
register_fields(struct dag_port *port)
{
	static const struct rte_mbuf_dynflag sequence = {.name = NET_DAG_CARD_SEQUENCE_NAME};
	static const struct rte_mbuf_dynfield source = {
		.name = NET_DAG_SOURCE_NAME, .size = sizeof(uint64_t), .align = 8};
	int bit, ret;

	ret = card_register_fields(&port->port);
	if (ret < 0)
		return ret;
	port->source_offset = -1;
	if (port->args.ids) {
		port->source_offset = rte_mbuf_dynfield_register(&source);
		if (port->source_offset < 0)
			return card_no_field(&port->port, source.name);
	}
	bit = rte_mbuf_dynflag_register(&sequence);
	if (bit < 0)
		return card_no_field(&port->port, sequence.name);
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
			args->streams[args->nb_streams++] = (uint8_t)(2 * i);
	if (args->nb_streams == 0) {
		DAG_LOG(ERR, "%s: no receive stream has memory", args->card);
		return -ENOMEM;
	}
	return 0;
}

static int
dag_port_init(struct rte_eth_dev *dev, const char *params)
{
	struct dag_port *port = dev->data->dev_private;
	int ret;

	ret = dag_args_parse(params, &port->args);
	if (ret == 0)
		ret = register_fields(port);
	if (ret < 0)
		return ret;
	port->port.speed = port->args.speed;
	port->sequence = UINT64_C(1) << 32; /* so that none is below 0 */
	port->card = dag_card_open(&port->args);
	if (port->card == NULL)
		return -rte_errno;
	ret = find_streams(port);
	if (ret < 0)
		leave_card(dev);
	return ret;
}

const struct card_driver dag_driver = {
	.name = "net_dag",
	.logtype = &dag_logtype,
	.port_size = sizeof(struct dag_port),
	.ops = &dag_ops,
	.secondary_ops = &dag_secondary_ops,
	.recv = dag_recv,
	.init = dag_port_init,
	.close = leave_card,
	.queue_start = dag_rx_queue_start,
	.queue_stop = dag_rx_queue_stop,
	.queue_release = dag_rx_queue_release,
};

static int
dag_probe(struct rte_vdev_device *vdev)
{
	if (vdev->device.numa_node == SOCKET_ID_ANY)
		vdev->device.numa_node = (int)rte_socket_id();
	return card_probe(vdev, &dag_driver);
}

static struct rte_vdev_driver dag_vdev = {
	.probe = dag_probe, .remove = card_remove,
	/* No driver flags: a stream is no DPDK memory and its mbufs have no bus address (RTE_BAD_IOVA), so
	 * any IOVA mode will do; without an IOMMU, EAL chooses physical addresses. */
};

RTE_PMD_REGISTER_VDEV(net_dag, dag_vdev);
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
