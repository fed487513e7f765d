/* SPDX-License-Identifier: BSD-3-Clause */
/* terms_keys: the keys by which configuration and clients say on which terms a flow runs (docs/design/0012). */
#pragma once

#include "control/keys.h"

#define HM_OVER_BUDGET_CHOICES "sample|suspend"

extern const struct hm_key hm_budget_keys[];

/* Rows of a table that fills a struct hm_terms; NULL for what has no default. */
#define HM_TERMS_KEYS(default_budget, default_priority, default_over)                             \
	{.name = "budget",                                                                        \
	 .type = HM_KEY_OBJECT,                                                                   \
	 .keys = hm_budget_keys,                                                                  \
	 .max = 1,                                                                                \
	 .fallback = (default_budget),                                                            \
	 .help = "what it may cost: one of `cycles_per_packet` and `worker_share`; {}: no limit", \
	 .HM_KEY_AT(struct hm_terms, budget)},                                                    \
		{.name = "priority",                                                              \
		 .type = HM_KEY_INT,                                                              \
		 .min = 0,                                                                        \
		 .max = HM_PRIORITY_MAX,                                                          \
		 .fallback = (default_priority),                                                  \
		 .help = "the higher, the later it yields to others when all together cost too "  \
			 "much",                                                                  \
		 .HM_KEY_AT(struct hm_terms, priority)},                                          \
	{                                                                                         \
		.name = "over_budget", .type = HM_KEY_CHOICE, .choices = HM_OVER_BUDGET_CHOICES,  \
		.min = HM_OVER_SAMPLE, .fallback = (default_over),                                \
		.help = "what happens when it costs more than its budget: it gets one batch of "  \
			"2, "                                                                     \
			"4, ... 64, or none",                                                     \
		.HM_KEY_AT(struct hm_terms, over_budget)                                          \
	}
