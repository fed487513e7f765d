/* SPDX-License-Identifier: BSD-3-Clause */
/* dag_card: simulated cards of made traffic with faults, and a reader that proves what it got.
 *
 * Each record has a number (extension header 3) and an FCS: lost, doubled, swapped and damaged
 * packets show without the input being stored.
 */
#pragma once

#include "dag_port.h"

#include <stdbool.h>
#include <stdlib.h>
#include <time.h>
#include <zlib.h>

#include "pmd_dag/sim/dag_sim.h"
#include "trace/erf.h"

#define CARD_ARGS "lib=libdag_sim.so,card=dag0,keep_fcs=1,sequence=card"
#define CARD_ATTR CARD_ARGS ",drop_attr=1000,conf_lib=libdag_sim.so"

static struct rte_mempool *pool; // main() makes it

struct card {
	struct dag_sim_card conf;
	struct hm_generator_conf traffic;
	json_t *faults, *rules;
};

// Lossless, fed through a ring of 1 MB that is poisoned behind the reader.
static inline struct card *card_new(uint64_t packets, const char *faults)
{
	struct card *c = calloc(1, sizeof(*c));
	c->conf = (struct dag_sim_card)DAG_SIM_CARD_DEFAULTS;
	hm_generator_defaults(&c->traffic);
	c->traffic.packets = packets;
	c->conf.generator = &c->traffic;
	c->conf.sequence = DAG_SIM_NUMBER_ALWAYS;
	c->conf.buffer_mb = 1;
	c->conf.preload_mb = 0;
	c->conf.poison = true;
	json_error_t err;
	c->faults = json_loads(faults ? faults : "[]", 0, &err);
	if (!c->faults)
		fail_msg("%s", err.text);
	c->conf.faults = c->faults;
	return c;
}

static inline void card_add(struct card *c)
{
	struct hm_error err = {0};
	if (dag_sim_card_add("dag0", &c->conf, &err) < 0)
		fail_msg("%s", err.text);
}

static inline struct dag_sim_status card_status(void)
{
	struct dag_sim_status s;
	assert_int_equal(dag_sim_card_status("dag0", &s), 0);
	return s;
}

static inline bool card_ended(void)
{
	enum dag_sim_state state = card_status().state;
	return state == DAG_SIM_FINISHED || state == DAG_SIM_FAILED;
}

static inline void card_remove(struct card *c)
{
	assert_int_equal(card_status().violations, 0);
	assert_int_equal(dag_sim_card_remove("dag0"), 0);
	json_decref(c->faults);
	json_decref(c->rules);
	free(c);
}

static inline void card_finish(struct card *c, uint16_t port)
{
	dag_port_close(port);
	card_remove(c);
	assert_int_equal(rte_mempool_in_use_count(pool), 0);
}

// What a reader has seen of one queue.
struct tally {
	uint64_t packets, bytes, damaged, gaps, last;
	bool trusted; // there are no FCS
};

static inline void tally_packet(struct tally *t, const struct rte_mbuf *m)
{
	const uint8_t *data = rte_pktmbuf_mtod(m, const uint8_t *);
	uint64_t sequence = dag_port_sequence(m);
	uint32_t fcs;
	assert_true(m->ol_flags & dag_port_card_sequence_flag());
	assert_true(m->pkt_len > 4);
	if (!t->trusted) {
		memcpy(&fcs, data + m->pkt_len - 4, sizeof(fcs));
		t->damaged += crc32(0, data, m->pkt_len - 4) != fcs;
	}
	if (t->packets > 0 && sequence <= t->last)
		fail_msg("packet %lu behind packet %lu", sequence, t->last);
	t->gaps += t->packets > 0 ? sequence - t->last - 1 : 0;
	t->last = sequence;
	t->packets++;
	t->bytes += m->pkt_len;
}

// One burst of a queue, freed; how many.
static inline uint16_t tally_burst(struct tally *t, uint16_t port, uint16_t queue, uint16_t burst)
{
	static struct rte_mbuf *pkts[UINT16_MAX];
	uint16_t got = rte_eth_rx_burst(port, queue, pkts, burst);
	assert_true(got <= burst);
	for (uint16_t i = 0; i < got; i++)
		tally_packet(t, pkts[i]);
	rte_pktmbuf_free_bulk(pkts, got);
	return got;
}

// Reads all queues until the card has ended, or for `seconds`.
static inline void tally_all(struct tally *t, uint16_t port, uint16_t queues, unsigned seconds)
{
	const time_t late = time(NULL) + seconds;
	for (uint64_t round = 0; time(NULL) < late; round++) {
		unsigned got = 0;
		for (uint16_t q = 0; q < queues; q++)
			got += tally_burst(&t[q], port, q, 64);
		if (got == 0 && card_ended())
			return;
	}
	fail_msg("not at its end after %u s", seconds);
}

static inline uint64_t port_missed(uint16_t port)
{
	struct rte_eth_stats stats;
	assert_int_equal(rte_eth_stats_get(port, &stats), 0);
	return stats.imissed;
}

// sent = received + dropped + spoiled
static inline void check_ledger(uint16_t port, const struct tally *t, uint16_t queues)
{
	struct dag_sim_status status = card_status();
	struct rte_eth_stats stats;
	uint64_t packets = 0, damaged = 0;
	for (uint16_t q = 0; q < queues; q++) {
		packets += t[q].packets;
		damaged += t[q].damaged;
	}
	assert_int_equal(rte_eth_stats_get(port, &stats), 0);
	assert_int_equal(stats.ipackets, packets);
	assert_int_equal(status.sent, packets + status.dropped + status.spoiled);
	assert_int_equal(damaged, 0);
}
