/* SPDX-License-Identifier: BSD-3-Clause */
/* split: the card's filter and load balancer. Says which stream a packet goes to, and its color.
 *
 *	"rules": [ { "protocol": "udp", "port": 53, "color": 7, "stream": 2 },
 *	           { "protocol": "icmp", "drop": true } ]
 *
 * The first rule whose conditions all fit (protocol: a name or a number; port: source or
 * destination) decides; a card with rules writes records of type COLOR_ETH, color 0 where none
 * fits. Without `stream`, the symmetric flow hash spreads packets over all streams, both directions
 * of a flow into one.
 */
#pragma once

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>

#include "core/error.h"
#include "trace/trace.h"

#define SIM_RULES_MAX 64

struct sim_rule {
	int protocol; // -1: any
	int port;     // -1: any
	int stream;   // index, -1: by hash
	uint16_t color;
	bool drop;
};

struct sim_split {
	uint32_t n_streams;
	uint32_t n_rules;
	struct sim_rule rule[SIM_RULES_MAX];
};

/* Reads rules (NULL: none). 0 or -EINVAL, err says which. */
int sim_split_init(struct sim_split *s, uint32_t n_streams, const json_t *rules,
		   struct hm_error *err);
/* The packet's stream, or -1: a rule drops it. Not thread-safe across one sim_split. */
int sim_split_packet(const struct sim_split *s, enum hm_link link, const struct hm_trace_packet *p,
		     uint16_t *color);
