/* SPDX-License-Identifier: BSD-3-Clause */
/* announcement: what an exporter tells about itself before and among the data: its templates, and
 * options records about the metering and exporting process (RFC 7011 section 4), the key of its flow
 * records, interfaces, enterprise elements (RFC 5610), sampling (RFC 5477) and applications (RFC 6759). */
#pragma once

#include "core/selector.h"
#include "netflow/application.h"
#include "netflow/layout.h"
#include "netflow/message.h"

#define HM_OPTIONS_FIRST  264 // ids of options templates
#define HM_ANNOUNCE_ITEMS 512
#define HM_OPTION_FIELDS  (2 + HM_SELECTORS_MAX)
#define HM_SELECTORS_MAX  16 // that are told
#define HM_INTERFACES_MAX 64 // that are named
#define HM_INTERFACE_NAME 32 // bytes of a name, and of the field that NetFlow 9 has for it

/* Kinds of options, in the order of hm_announce_names. */
enum {
	HM_TELL_STATISTICS = 1 << 0,
	HM_TELL_KEYS = 1 << 1,
	HM_TELL_INTERFACES = 1 << 2,
	HM_TELL_TYPES = 1 << 3,
	HM_TELL_SAMPLING = 1 << 4,
	HM_TELL_APPLICATIONS = 1 << 5,
	HM_TELL_ALL = (1 << 6) - 1
};
#define HM_TELL_NAMES "statistics|flow_keys|interfaces|types|sampling|applications"

/* What did not go its way, and when, in packet time; 0: never. */
struct hm_shortfall {
	uint64_t flows, packets, octets, first_ns, last_ns;
};

struct hm_facts {
	const struct hm_format *format;
	const struct hm_layout *layout;
	const struct hm_layout
		*foreign; // templates of messages of another configuration; NULL: none
	const char *device;
	uint32_t tell; // set of HM_TELL_
	uint32_t domain, sampling_interval;
	const struct hm_selector
		*selectors;     // that packets went through before they were metered, in order
	unsigned n_selectors;   // up to HM_SELECTORS_MAX
	uint32_t flow_sampling; // one of so many flows is metered; 0, 1: each
	uint64_t messages, octets, flows;           // sent
	const struct hm_applications *applications; // that were seen
	uint64_t interfaces;                 // set of those below HM_INTERFACES_MAX that were seen
	struct hm_shortfall ignored, unsent; // by the metering process, by the exporting process
};

struct hm_announce_item {
	const struct hm_template *template; // of options; NULL: the item is a template itself
	union {
		const struct hm_template *is;
		struct hm_option_value value[HM_OPTION_FIELDS];
	};
};

struct hm_announcement {
	unsigned n, next;
	struct hm_announce_item item[HM_ANNOUNCE_ITEMS];
	struct hm_template options[16];                      // by kind
	char name[HM_ANNOUNCE_ITEMS][HM_INTERFACE_NAME * 2]; // texts of items
};

/* Writes down what is to be told; with the templates or only the options records. */
void hm_announcement_make(struct hm_announcement *a, const struct hm_facts *facts, bool templates);
/* Adds to an empty message as much as it takes. False: everything has been told. */
bool hm_announcement_next(struct hm_announcement *a, struct hm_message *m);
