/* SPDX-License-Identifier: BSD-3-Clause */
/* Statistics of queues that count for themselves. */
#include <rte_string_fns.h>

#include "card.h"

uint64_t
card_stats_queue(const struct rte_eth_dev *dev, const struct card_stats *s, uint16_t queue_id,
		 size_t offset)
{
	const void *q = dev->data->rx_queues[queue_id];
	const uint64_t *now, *base;

	if (q == NULL)
		return 0;
	now = RTE_PTR_ADD(q, s->block + offset);
	base = RTE_PTR_ADD(q, s->base + offset);
	return __atomic_load_n(now, __ATOMIC_RELAXED) - *base;
}

uint64_t
card_stats_sum(const struct rte_eth_dev *dev, const struct card_stats *s, size_t offset)
{
	const uint64_t *past = RTE_PTR_ADD(dev->data->dev_private, s->past + offset);
	uint64_t sum = *past;
	uint16_t i;

	for (i = 0; i < dev->data->nb_rx_queues; i++)
		sum += card_stats_queue(dev, s, i, offset);
	return sum;
}

void
card_stats_reset(struct rte_eth_dev *dev, const struct card_stats *s)
{
	struct card_port *port = dev->data->dev_private;
	uint16_t i;

	for (i = 0; i < dev->data->nb_rx_queues; i++) {
		void *q = dev->data->rx_queues[i];

		if (q != NULL)
			memcpy(RTE_PTR_ADD(q, s->base), RTE_PTR_ADD(q, s->block), s->size);
	}
	memset(RTE_PTR_ADD(port, s->past), 0, s->size);
	memset(port->tx_dropped, 0, sizeof(port->tx_dropped));
}

void
card_stats_keep(struct rte_eth_dev *dev, const struct card_stats *s, uint16_t queue_id)
{
	uint64_t *past = RTE_PTR_ADD(dev->data->dev_private, s->past);
	size_t i;

	for (i = 0; i < s->size / sizeof(*past); i++)
		past[i] += card_stats_queue(dev, s, queue_id, i * sizeof(*past));
}

int
card_xstats_get(struct rte_eth_dev *dev, const struct card_stats *s, struct rte_eth_xstat *xstats,
		unsigned int n)
{
	unsigned int i;

	if (xstats == NULL || n < s->nb_xstats)
		return (int)s->nb_xstats;
	for (i = 0; i < s->nb_xstats; i++) {
		xstats[i].id = i;
		xstats[i].value = card_stats_sum(dev, s, s->xstats[i].offset);
	}
	return (int)s->nb_xstats;
}

int
card_xstats_get_names(const struct card_stats *s, struct rte_eth_xstat_name *names, unsigned int n)
{
	unsigned int i;

	if (names == NULL || n < s->nb_xstats)
		return (int)s->nb_xstats;
	for (i = 0; i < s->nb_xstats; i++)
		strlcpy(names[i].name, s->xstats[i].name, sizeof(names[i].name));
	return (int)s->nb_xstats;
}
