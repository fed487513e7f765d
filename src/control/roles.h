/* SPDX-License-Identifier: BSD-3-Clause */
/* roles: who may do what on the control socket. Names of the configuration are looked up once, when
 * it is loaded; a connection is judged by the numbers that the kernel vouches for. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

#include "core/config.h"
#include "core/error.h"

enum hm_role { HM_ROLE_NONE, HM_ROLE_READER, HM_ROLE_ADMINISTRATOR };

struct hm_role_entry {
	bool group;
	uint32_t id;
};

struct hm_roles {
	struct hm_role_entry *administrators, *readers;
	size_t n_administrators, n_readers; // no reader: everybody
};

/* Looks names up (may be slow; any thread). -ENOENT with err for a name that nobody has. */
int hm_roles_resolve(struct hm_roles *r, const struct hm_control_config *conf,
		     struct hm_error *err);
void hm_roles_free(struct hm_roles *r);
enum hm_role hm_roles_of(const struct hm_roles *r, uid_t uid, const gid_t *groups, size_t n);
const char *hm_role_name(enum hm_role role);
