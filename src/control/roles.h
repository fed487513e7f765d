/* SPDX-License-Identifier: BSD-3-Clause */
/* roles: who may do what on the control socket. Names of the configuration are looked up once, when
 * it is loaded; a connection is judged by the numbers that the kernel vouches for. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

#include "core/config.h"
#include "core/error.h"

/* A restricted user is a reader with a policy (core/policy.h). */
enum hm_role { HM_ROLE_NONE, HM_ROLE_RESTRICTED, HM_ROLE_READER, HM_ROLE_ADMINISTRATOR };

struct hm_role_entry {
	bool group;
	uint32_t id;
};

/* A policy, and whose it is. */
struct hm_role_policy {
	struct hm_policy *policy;
	struct hm_role_entry *users;
	size_t n;
	bool everybody; // who has no other
};

struct hm_roles {
	struct hm_role_entry *administrators, *readers;
	size_t n_administrators, n_readers; // no reader: everybody
	struct hm_role_policy *policies;
	size_t n_policies;
};

/* Looks names up (may be slow; any thread). -ENOENT with err for a name that nobody has. */
int hm_roles_resolve(struct hm_roles *r, const struct hm_config *conf, struct hm_error *err);
void hm_roles_free(struct hm_roles *r);
enum hm_role hm_roles_of(const struct hm_roles *r, uid_t uid, const gid_t *groups, size_t n);
/* What a reader has; NULL: no policy. */
struct hm_policy *hm_roles_policy(const struct hm_roles *r, uid_t uid, const gid_t *groups,
				  size_t n);
/* The same policies for the same users. */
bool hm_roles_same_policies(const struct hm_roles *a, const struct hm_roles *b);
const char *hm_role_name(enum hm_role role);
