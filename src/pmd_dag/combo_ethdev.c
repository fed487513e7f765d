/* SPDX-License-Identifier: BSD-3-Clause */
/* net_combo6: a DPDK port over the receive channels of a CESNET COMBO6 or COMBOv2 card (or of its
 * simulator).
 *
 * Probe, port operations and registration. Queue i of the port is the i-th channel.
 */
#include <errno.h>
#include <string.h>

#include <bus_vdev_driver.h>
#include <rte_errno.h>

#include "combo_driver.h"

RTE_LOG_REGISTER(combo_logtype, pmd.net.combo6, NOTICE);

static void
leave_card(struct rte_eth_dev *dev)
{
	struct combo_port *port = dev->data->dev_private;

	combo_lib_close(&port->lib);
}

static int
combo_dev_infos_get(struct rte_eth_dev *dev, struct rte_eth_dev_info *info)
{
	struct combo_port *port = dev->data->dev_private;

	info->max_rx_queues = port->args.nb_channels;
	info->max_tx_queues = RTE_DIM(port->card.tx_dropped);
	info->max_rx_pktlen = COMBO_SEGMENT_MAX;
	info->max_mtu = COMBO_SEGMENT_MAX - RTE_ETHER_HDR_LEN - RTE_ETHER_CRC_LEN;
	info->max_mac_addrs = 1;
	info->min_rx_bufsize = RTE_ETHER_MIN_LEN;
	info->rx_offload_capa = RTE_ETH_RX_OFFLOAD_TIMESTAMP | RTE_ETH_RX_OFFLOAD_SCATTER;
	if (port->args.fcs != 0)
		info->rx_offload_capa |= RTE_ETH_RX_OFFLOAD_KEEP_CRC;
	info->rx_queue_offload_capa = info->rx_offload_capa;
	/* descriptors mean nothing here: the ring is the card's */
	info->rx_desc_lim =
		(struct rte_eth_desc_lim){.nb_min = 1, .nb_max = UINT16_MAX, .nb_align = 1};
	info->default_rxportconf.ring_size = COMBO_CHUNK;
	info->default_rxportconf.burst_size = COMBO_CHUNK;
	info->default_rxportconf.nb_queues = port->args.nb_channels;
	return 0;
}

static void
combo_rxq_info_get(struct rte_eth_dev *dev, uint16_t queue_id, struct rte_eth_rxq_info *info)
{
	const struct combo_rx_queue *q = dev->data->rx_queues[queue_id];

	info->mp = q->pool;
	info->nb_desc = q->nb_desc;
	info->scattered_rx = q->scatter;
}

static int
combo_burst_mode_get(struct rte_eth_dev *dev __rte_unused, uint16_t queue_id __rte_unused,
		     struct rte_eth_burst_mode *mode)
{
	strlcpy(mode->info, "Scalar Copy", sizeof(mode->info));
	return 0;
}

static const struct eth_dev_ops combo_ops = {
	.dev_configure = card_configure,
	.dev_start = card_start,
	.dev_stop = card_stop,
	.dev_close = card_close,
	.dev_infos_get = combo_dev_infos_get,
	.rx_queue_setup = combo_rx_queue_setup,
	.rx_queue_release = combo_rx_queue_release,
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
	.stats_get = combo_stats_get,
	.stats_reset = combo_stats_reset,
	.xstats_get = combo_xstats_get,
	.xstats_get_names = combo_xstats_get_names,
	.xstats_reset = combo_stats_reset,
	.rxq_info_get = combo_rxq_info_get,
	.rx_burst_mode_get = combo_burst_mode_get,
	.dev_supported_ptypes_get = card_ptypes_get,
};

/* A secondary process has not opened the library: it reads what the primary writes. Everything else
 * answers -ENOTSUP. */
static const struct eth_dev_ops combo_secondary_ops = {
	.dev_close = card_close,
	.dev_infos_get = combo_dev_infos_get,
	.link_update = card_link_update,
	.is_removed = card_is_removed,
	.stats_get = combo_stats_get,
	.xstats_get = combo_xstats_get,
	.xstats_get_names = combo_xstats_get_names,
	.rxq_info_get = combo_rxq_info_get,
	.rx_burst_mode_get = combo_burst_mode_get,
	.dev_supported_ptypes_get = card_ptypes_get,
};

/* Named channels must be there; without names all are taken. */
static int
check_channels(struct combo_args *args, int count)
{
	int i;

	if (count <= 0) {
		COMBO_LOG(ERR, "%s: no receive channels: %s", args->card,
			  count < 0 ? strerror(-count) : "none configured");
		return count < 0 ? count : -ENODEV;
	}
	for (i = 0; i < args->nb_channels; i++) {
		if (args->channels[i] < count)
			continue;
		COMBO_LOG(ERR, "%s: there is no channel %u, it has 0 to %d", args->card,
			  args->channels[i], count - 1);
		return -EINVAL;
	}
	if (args->nb_channels == 0)
		for (i = 0; i < RTE_MIN(count, COMBO_CHANNELS_MAX); i++)
			args->channels[args->nb_channels++] = (uint8_t)i;
	return 0;
}

/* Looks at the card and leaves it: handles belong to running queues. */
static int
look_at_card(struct combo_port *port, int *numa_node)
{
	const struct combo_lib *lib = &port->lib;
	struct szedata *handle;
	int ret;

	errno = 0;
	handle = lib->open(port->args.card);
	if (handle == NULL) {
		ret = errno != 0 ? -errno : -EIO;
		COMBO_LOG(ERR, "card=%s: %s", port->args.card, strerror(-ret));
		return ret;
	}
	ret = check_channels(&port->args, lib->ifaces_available(handle, COMBO_DIR_RX));
	if (ret == 0 && *numa_node == SOCKET_ID_ANY && lib->get_area_numa_node != NULL)
		*numa_node = lib->get_area_numa_node(handle, COMBO_DIR_RX, port->args.channels[0]);
	if (*numa_node < 0)
		*numa_node = (int)rte_socket_id();
	lib->close(handle);
	return ret;
}

static int
combo_port_init(struct rte_eth_dev *dev, const char *params)
{
	struct combo_port *port = dev->data->dev_private;
	int ret;

	ret = combo_args_parse(params, &port->args);
	if (ret == 0)
		ret = card_register_fields(&port->card);
	if (ret == 0)
		ret = combo_lib_open(&port->lib, port->args.lib);
	if (ret < 0)
		return ret;
	port->card.speed = port->args.speed;
	ret = look_at_card(port, &dev->data->numa_node);
	if (ret < 0)
		leave_card(dev);
	return ret;
}

const struct card_driver combo_driver = {
	.name = "net_combo6",
	.logtype = &combo_logtype,
	.port_size = sizeof(struct combo_port),
	.ops = &combo_ops,
	.secondary_ops = &combo_secondary_ops,
	.recv = combo_recv,
	.init = combo_port_init,
	.close = leave_card,
	.queue_start = combo_rx_queue_start,
	.queue_stop = combo_rx_queue_stop,
	.queue_release = combo_rx_queue_release,
};

static int
combo_probe(struct rte_vdev_device *vdev)
{
	return card_probe(vdev, &combo_driver);
}

/* No driver flags: frames are copied, so that any IOVA mode will do. */
static struct rte_vdev_driver combo_vdev = {
	.probe = combo_probe,
	.remove = card_remove,
};

RTE_PMD_REGISTER_VDEV(net_combo6, combo_vdev);
RTE_PMD_REGISTER_PARAM_STRING(net_combo6, "lib=<file> "
					  "card=<[/dev/szedataII]N> "
					  "channels=<[0,1,...]> "
					  "fcs=0|32 "
					  "keep_fcs=0|1 "
					  "label=color|wire|sequence "
					  "untimed=host|zero "
					  "flush=0|1 "
					  "idle_us=<microseconds> "
					  "speed=<Mbit/s>");
