/* SPDX-License-Identifier: BSD-3-Clause */
/* Statistics: each queue counts for itself, a reset only moves its base. */
#include <stdio.h>
#include <string.h>

#include <rte_cycles.h>

#include "dag_driver.h"

#define DAG_STAT(name, field)                              \
	{                                                  \
		name, offsetof(struct dag_rx_stats, field) \
	}

static const struct {
	const char *name;
	size_t offset;
} dag_xstats[] = {
	DAG_STAT("rx_lctr_drops", lctr_drops),
	DAG_STAT("rx_lctr_saturated", lctr_saturated),
	DAG_STAT("rx_pad_records", pad_records),
	DAG_STAT("rx_meta_records", meta_records),
	DAG_STAT("rx_other_records", other_records),
	DAG_STAT("rx_error_records", error_records),
	DAG_STAT("rx_error_drops", error_drops),
	DAG_STAT("rx_empty_records", empty_records),
	DAG_STAT("rx_corrupt_records", corrupt_records),
	DAG_STAT("rx_invalid_records", invalid_records),
	DAG_STAT("rx_bad_rlen", bad_rlen),
	DAG_STAT("rx_resync_bytes", resync_bytes),
	DAG_STAT("rx_unaligned_records", unaligned_records),
	DAG_STAT("rx_offset_records", offset_records),
	DAG_STAT("rx_short_wlen", short_wlen),
	DAG_STAT("rx_time_steps", time_steps),
	DAG_STAT("rx_too_long", too_long),
	DAG_STAT("rx_copied", copied),
	DAG_STAT("rx_copy_fallbacks", fallbacks),
	DAG_STAT("rx_stale_bytes", stale_bytes),
	DAG_STAT("rx_advances", advances),
	DAG_STAT("rx_meta_drops", meta_drops),
	DAG_STAT("rx_meta_malformed", meta_malformed),
	DAG_STAT("rx_counter_drops", counter_drops),
	DAG_STAT("rx_counter_resets", counter_resets),
};

/* These are states, the first queue's that has been told of them. */
static const char *const dag_states[] = {"clk_state", "clk_phase_error", "meta_age_ms"};

static uint64_t
read_state(const struct rte_eth_dev *dev, unsigned int which)
{
	const struct dag_rx_queue *q;
	uint16_t i;

	for (i = 0; i < dev->data->nb_rx_queues; i++) {
		q = dev->data->rx_queues[i];
		if (q == NULL || q->stats.meta_tsc == 0)
			continue;
		if (which == 0)
			return q->stats.clock_state;
		if (which == 1)
			return q->stats.clock_phase_error;
		return (rte_get_tsc_cycles() - q->stats.meta_tsc) * 1000 / rte_get_tsc_hz();
	}
	return 0;
}

/* "rx_type_N_skipped" for each legal ERF type follow the table above */
#define DAG_COUNTERS (RTE_DIM(dag_xstats) + DAG_ERF_TYPES)
#define DAG_XSTATS   (DAG_COUNTERS + RTE_DIM(dag_states))

static uint64_t
read_stat(const struct dag_rx_queue *q, size_t offset)
{
	const uint64_t *now = RTE_PTR_ADD(&q->stats, offset);
	const uint64_t *base = RTE_PTR_ADD(&q->stats_base, offset);

	return __atomic_load_n(now, __ATOMIC_RELAXED) - *base;
}

static uint64_t
sum_stat(const struct rte_eth_dev *dev, size_t offset)
{
	const struct dag_port *port = dev->data->dev_private;
	uint64_t sum = *(const uint64_t *)RTE_PTR_ADD(&port->past, offset);
	uint16_t i;

	for (i = 0; i < dev->data->nb_rx_queues; i++)
		if (dev->data->rx_queues[i] != NULL)
			sum += read_stat(dev->data->rx_queues[i], offset);
	return sum;
}

#define SUM(dev, field) sum_stat(dev, offsetof(struct dag_rx_stats, field))

/* Drops by the best source there is, never by a sum of them. */
static uint64_t
read_missed(const struct dag_rx_queue *q)
{
	if (q->drop_uuid != 0)
		return read_stat(q, offsetof(struct dag_rx_stats, counter_drops));
	if (q->meta_counter.known)
		return read_stat(q, offsetof(struct dag_rx_stats, meta_drops));
	return read_stat(q, offsetof(struct dag_rx_stats, lctr_drops));
}

void
dag_stats_keep(struct dag_port *port, struct dag_rx_queue *q)
{
	uint64_t *past = (uint64_t *)&port->past;
	size_t i;

	port->past_missed += read_missed(q);
	for (i = 0; i < sizeof(port->past) / sizeof(*past); i++)
		past[i] += read_stat(q, i * sizeof(*past));
}

/* The card is the primary's; a secondary process sees what it has sampled last. */
static void
sample_drops(struct rte_eth_dev *dev)
{
	uint16_t i;

	if (rte_eal_process_type() != RTE_PROC_PRIMARY)
		return;
	for (i = 0; i < dev->data->nb_rx_queues; i++)
		if (dev->data->rx_queues[i] != NULL)
			dag_drops_sample(dev->data->rx_queues[i]);
}

int
dag_stats_get(struct rte_eth_dev *dev, struct rte_eth_stats *stats)
{
	const struct dag_port *port = dev->data->dev_private;
	const struct dag_rx_queue *q;
	uint16_t i;

	sample_drops(dev);
	stats->imissed = port->past_missed;
	stats->ipackets = SUM(dev, packets);
	stats->ibytes = SUM(dev, bytes);
	for (i = 0; i < dev->data->nb_rx_queues; i++)
		if (dev->data->rx_queues[i] != NULL)
			stats->imissed += read_missed(dev->data->rx_queues[i]);
	stats->rx_nombuf = SUM(dev, nombuf);
	stats->ierrors = SUM(dev, error_drops) + SUM(dev, corrupt_records) +
			 SUM(dev, invalid_records) + SUM(dev, empty_records) + SUM(dev, bad_rlen) +
			 SUM(dev, too_long);
	for (i = 0; i < RTE_MIN(dev->data->nb_rx_queues, RTE_ETHDEV_QUEUE_STAT_CNTRS); i++) {
		q = dev->data->rx_queues[i];
		if (q == NULL)
			continue;
		stats->q_ipackets[i] = read_stat(q, offsetof(struct dag_rx_stats, packets));
		stats->q_ibytes[i] = read_stat(q, offsetof(struct dag_rx_stats, bytes));
		stats->q_errors[i] = read_missed(q);
	}
	for (i = 0; i < RTE_ETHDEV_QUEUE_STAT_CNTRS; i++)
		stats->oerrors += port->port.tx_dropped[i];
	return 0;
}

int
dag_stats_reset(struct rte_eth_dev *dev)
{
	struct dag_port *port = dev->data->dev_private;
	struct dag_rx_queue *q;
	uint16_t i;

	sample_drops(dev);
	for (i = 0; i < dev->data->nb_rx_queues; i++) {
		q = dev->data->rx_queues[i];
		if (q != NULL)
			q->stats_base = q->stats;
	}
	memset(&port->past, 0, sizeof(port->past));
	port->past_missed = 0;
	memset(port->port.tx_dropped, 0, sizeof(port->port.tx_dropped));
	return 0;
}

int
dag_xstats_get(struct rte_eth_dev *dev, struct rte_eth_xstat *xstats, unsigned int n)
{
	unsigned int i;
	size_t offset;

	if (xstats == NULL || n < DAG_XSTATS)
		return DAG_XSTATS;
	sample_drops(dev);
	for (i = 0; i < DAG_COUNTERS; i++) {
		if (i < RTE_DIM(dag_xstats))
			offset = dag_xstats[i].offset;
		else
			offset = offsetof(struct dag_rx_stats, types) +
				 (i - RTE_DIM(dag_xstats)) * sizeof(uint64_t);
		xstats[i].id = i;
		xstats[i].value = sum_stat(dev, offset);
	}
	for (; i < DAG_XSTATS; i++) {
		xstats[i].id = i;
		xstats[i].value = read_state(dev, i - (unsigned int)DAG_COUNTERS);
	}
	return DAG_XSTATS;
}

int
dag_xstats_get_names(struct rte_eth_dev *dev __rte_unused, struct rte_eth_xstat_name *names,
		     unsigned int n)
{
	unsigned int i;

	if (names == NULL || n < DAG_XSTATS)
		return DAG_XSTATS;
	for (i = 0; i < RTE_DIM(dag_xstats); i++)
		strlcpy(names[i].name, dag_xstats[i].name, sizeof(names[i].name));
	for (; i < DAG_COUNTERS; i++)
		snprintf(names[i].name, sizeof(names[i].name), "rx_type_%u_skipped",
			 i - (unsigned int)RTE_DIM(dag_xstats));
	for (; i < DAG_XSTATS; i++)
		strlcpy(names[i].name, dag_states[i - DAG_COUNTERS], sizeof(names[i].name));
	return DAG_XSTATS;
}
