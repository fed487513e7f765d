/* SPDX-License-Identifier: BSD-3-Clause */
/* layout: the data templates of an exporter. One for each IP version, and, if both directions go into
 * one record, two more for those biflows that have packets in both. */
#pragma once

#include "core/error.h"
#include "netflow/format.h"

#define HM_LAYOUT_TEMPLATES 4

enum hm_time_unit { HM_TIME_DEFAULT, HM_TIME_S, HM_TIME_MS, HM_TIME_US, HM_TIME_NS };

struct hm_layout_conf {
	struct hm_want element[HM_TEMPLATE_FIELDS_MAX];
	unsigned n;                  // 0: the basic template
	enum hm_time_unit time_unit; // of the basic template
	bool biflow;
	uint32_t key; // of the cache, HM_FLOW_KEY_
	bool routes;  // are known: the basic template has AS numbers, prefix lengths, next hop
};

struct hm_layout {
	unsigned n; // of the templates, in this order: IPv4, IPv6, and of both directions the same
	struct hm_template template[HM_LAYOUT_TEMPLATES];
};

/* Builds what `format` sends. A negative errno with a sentence about what does not go together. */
int hm_layout_build(struct hm_layout *l, const struct hm_layout_conf *conf,
		    const struct hm_format *format, struct hm_error *err);

/* The template of this flow record; with biflow the one of both directions if both have packets. */
static inline const struct hm_template *hm_layout_of(const struct hm_layout *l,
						     const struct hm_flow_record *r)
{
	unsigned both = l->n > 2 && hm_flow_directions(r) == 2 ? 2 : 0;

	return &l->template[both + (r->key.version == 6 && l->n > 1)];
}
