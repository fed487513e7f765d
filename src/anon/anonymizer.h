/* SPDX-License-Identifier: BSD-3-Clause */
/* anonymizer: applies rules to the packets of a batch, one rule after the other. A worker's. */
#pragma once

#include "anon/key.h"
#include "anon/map.h"
#include "anon/packet.h"
#include "anon/rule.h"

struct hm_anonymizer;

/* What it works with; the rules and the key must outlive it. */
struct hm_anonymizer_conf {
	const struct hm_anon_rule *rules;
	unsigned n_rules;
	const uint8_t *key;        // HM_ANON_KEY bytes
	const uint8_t *run_key;    // the same, of this run of the program: PREFIX_PRESERVING_MAP's
	struct hm_anon_maps *maps; // NULL: no rule has MAP
};

struct hm_anonymizer_counts {
	uint64_t changed; // packets
	uint64_t cut;     // fields whose new value did not fit
	uint64_t unknown; // values for which a table of MAP had no room
};

struct hm_anonymizer *
hm_anonymizer_create(const struct hm_anonymizer_conf *conf); // NULL: no memory
void hm_anonymizer_destroy(struct hm_anonymizer *a);         // NULL is allowed

/* How many bytes of packet i its copy must have: the rest is taken out before any rule looks at it. */
uint32_t hm_anonymizer_needs(const struct hm_anonymizer *a, const struct hm_batch *b, unsigned i);
/* The n packets, which have begun; they are finished then. */
void hm_anonymizer_run(struct hm_anonymizer *a, struct hm_anon_packet *packets, unsigned n);
const struct hm_anonymizer_counts *hm_anonymizer_counts(const struct hm_anonymizer *a);
