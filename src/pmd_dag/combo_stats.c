/* SPDX-License-Identifier: BSD-3-Clause */
/* What the queues have counted, as DPDK's statistics. */
#include "combo_driver.h"

#define COMBO_STAT(field)                                            \
	{                                                            \
		"rx_" #field, offsetof(struct combo_rx_stats, field) \
	}

static const struct card_stat xstats[] = {
	COMBO_STAT(sequence_drops), COMBO_STAT(sequence_resets), COMBO_STAT(stop_drops),
	COMBO_STAT(zero_segments),  COMBO_STAT(bad_sizes),       COMBO_STAT(bad_hw_sizes),
	COMBO_STAT(cut_segments),   COMBO_STAT(bad_locks),       COMBO_STAT(resync_bytes),
	COMBO_STAT(empty_frames),   COMBO_STAT(short_frames),    COMBO_STAT(too_long),
	COMBO_STAT(no_time),        COMBO_STAT(bad_time),        COMBO_STAT(no_interface),
	COMBO_STAT(short_labels),   COMBO_STAT(split_segments),  COMBO_STAT(scattered),
	COMBO_STAT(stale_frames),   COMBO_STAT(stale_bytes),     COMBO_STAT(locks),
	COMBO_STAT(lock_errors),    COMBO_STAT(unlock_errors),
};

static const struct card_stats layout = {
	.xstats = xstats,
	.nb_xstats = RTE_DIM(xstats),
	.block = offsetof(struct combo_rx_queue, stats),
	.base = offsetof(struct combo_rx_queue, stats_base),
	.size = sizeof(struct combo_rx_stats),
	.past = offsetof(struct combo_port, past),
};

#define SUM(dev, field) card_stats_sum(dev, &layout, offsetof(struct combo_rx_stats, field))
#define QUEUE(dev, i, field) \
	card_stats_queue(dev, &layout, i, offsetof(struct combo_rx_stats, field))

int
combo_stats_get(struct rte_eth_dev *dev, struct rte_eth_stats *stats)
{
	const struct card_port *port = dev->data->dev_private;
	uint16_t i;

	stats->ipackets = SUM(dev, packets);
	stats->ibytes = SUM(dev, bytes);
	stats->imissed = SUM(dev, sequence_drops) + SUM(dev, stop_drops);
	stats->rx_nombuf = SUM(dev, nombuf);
	stats->ierrors = SUM(dev, zero_segments) + SUM(dev, bad_sizes) + SUM(dev, bad_hw_sizes) +
			 SUM(dev, cut_segments) + SUM(dev, bad_locks) + SUM(dev, empty_frames) +
			 SUM(dev, short_frames) + SUM(dev, too_long);
	for (i = 0; i < RTE_MIN(dev->data->nb_rx_queues, RTE_ETHDEV_QUEUE_STAT_CNTRS); i++) {
		stats->q_ipackets[i] = QUEUE(dev, i, packets);
		stats->q_ibytes[i] = QUEUE(dev, i, bytes);
		stats->q_errors[i] = QUEUE(dev, i, sequence_drops) + QUEUE(dev, i, stop_drops);
	}
	for (i = 0; i < RTE_ETHDEV_QUEUE_STAT_CNTRS; i++)
		stats->oerrors += port->tx_dropped[i];
	return 0;
}

int
combo_stats_reset(struct rte_eth_dev *dev)
{
	card_stats_reset(dev, &layout);
	return 0;
}

void
combo_stats_keep(struct rte_eth_dev *dev, uint16_t queue_id)
{
	card_stats_keep(dev, &layout, queue_id);
}

int
combo_xstats_get(struct rte_eth_dev *dev, struct rte_eth_xstat *list, unsigned int n)
{
	return card_xstats_get(dev, &layout, list, n);
}

int
combo_xstats_get_names(struct rte_eth_dev *dev __rte_unused, struct rte_eth_xstat_name *names,
		       unsigned int n)
{
	return card_xstats_get_names(&layout, names, n);
}
