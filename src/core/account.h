/* SPDX-License-Identifier: BSD-3-Clause */
/* account: how much memory somebody's flows take. A client may have thousands of flows with filters of many KB
 * each; without a limit one of them takes all that there is, and everybody's flows end with the daemon. What a
 * function will take is estimated when it is applied (instance.h), held against the limits of the configuration, and
 * given back with its flow. A connection has an account; the persistent flows of a user have one together; the
 * configuration's own flows have none. Control core only.
 */
#pragma once

#include <stdint.h>
#include <sys/queue.h>

#include "core/config.h"
#include "core/engine.h"

#define HM_ACCOUNT_BUCKETS 256

struct hm_account {
	LIST_ENTRY(hm_account) next; // of the same bucket
	uint64_t client;             // 0: persistent flows
	uint32_t uid;
	uint32_t n_flows;
	uint64_t bytes;
};

struct hm_accounts {
	struct hm_memory_limits limits;
	uint64_t bytes; // of all
	LIST_HEAD(, hm_account) of[HM_ACCOUNT_BUCKETS];
};

/* The owner's, for one flow more; made if there is none. NULL: no memory. */
struct hm_account *hm_account_get(struct hm_accounts *all, const struct hm_owner *owner);
/* For one flow less, whose bytes have been released. NULL is allowed. */
void hm_account_put(struct hm_accounts *all, struct hm_account *a);

/* 0, or -ENOMEM with err (3084), which names the limit. A NULL account has no limit. */
int hm_account_charge(struct hm_accounts *all, struct hm_account *a, uint64_t bytes,
		      struct hm_error *err);
void hm_account_release(struct hm_accounts *all, struct hm_account *a, uint64_t bytes);
