/* SPDX-License-Identifier: BSD-3-Clause */
#include "core/account.h"

#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>

static unsigned bucket_of(const struct hm_owner *owner)
{
	return (unsigned)(owner->client ? owner->client : owner->uid) % HM_ACCOUNT_BUCKETS;
}

struct hm_account *hm_account_get(struct hm_accounts *all, const struct hm_owner *owner)
{
	unsigned bucket = bucket_of(owner);
	struct hm_account *a;

	LIST_FOREACH (a, &all->of[bucket], next)
		if (a->client == owner->client && (a->client || a->uid == owner->uid))
			break;
	if (!a) {
		a = calloc(1, sizeof(*a));
		if (!a)
			return NULL;
		a->client = owner->client;
		a->uid = owner->uid;
		LIST_INSERT_HEAD(&all->of[bucket], a, next);
	}
	a->n_flows++;
	return a;
}

void hm_account_put(struct hm_accounts *all, struct hm_account *a)
{
	if (!a || --a->n_flows > 0)
		return;
	LIST_REMOVE(a, next);
	free(a);
}

static int refuse(struct hm_error *err, const char *who, const char *key, uint64_t taken,
		  uint64_t more, uint32_t limit_mb)
{
	return hm_error_set(err, -ENOMEM, 3084,
			    "the flows of %s take %.1f MiB, this function would take %.1f MiB "
			    "more, and control.%s is %u: close flows, or raise it",
			    who, (double)taken / 1048576, (double)more / 1048576, key, limit_mb);
}

int hm_account_charge(struct hm_accounts *all, struct hm_account *a, uint64_t bytes,
		      struct hm_error *err)
{
	uint64_t each = (uint64_t)all->limits.client_mb << 20,
		 together = (uint64_t)all->limits.total_mb << 20;

	if (!a)
		return 0;
	if (bytes > each || a->bytes > each - bytes)
		return refuse(err, a->client ? "this connection" : "this user",
			      "max_memory_mb_per_client", a->bytes, bytes, all->limits.client_mb);
	if (bytes > together || all->bytes > together - bytes)
		return refuse(err, "all clients together", "max_memory_mb", all->bytes, bytes,
			      all->limits.total_mb);
	a->bytes += bytes;
	all->bytes += bytes;
	return 0;
}

void hm_account_release(struct hm_accounts *all, struct hm_account *a, uint64_t bytes)
{
	if (!a)
		return;
	a->bytes -= bytes;
	all->bytes -= bytes;
}
