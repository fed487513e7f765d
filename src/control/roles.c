/* SPDX-License-Identifier: BSD-3-Clause */
/* roles: see roles.h. */
#include "control/roles.h"

#include <errno.h>
#include <grp.h>
#include <pwd.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* A number in decimal, whole and in range. */
static bool parse_id(const char *text, uint32_t *id)
{
	char *end;
	if (text[0] < '0' || text[0] > '9')
		return false;
	errno = 0;
	unsigned long long v = strtoull(text, &end, 10);
	*id = (uint32_t)v;
	return *end == '\0' && errno == 0 && v < UINT32_MAX;
}

static bool find_id(const char *name, bool group, uint32_t *id)
{
	char room[16384];
	struct passwd user, *found_user = NULL;
	struct group gr, *found_group = NULL;
	if (group) {
		getgrnam_r(name, &gr, room, sizeof(room), &found_group);
		if (found_group)
			*id = gr.gr_gid;
		return found_group != NULL;
	}
	getpwnam_r(name, &user, room, sizeof(room), &found_user);
	if (found_user)
		*id = user.pw_uid;
	return found_user != NULL;
}

static int resolve(struct hm_role_entry **to, size_t *n, const struct hm_strings *names,
		   const char *key, struct hm_error *err)
{
	*to = calloc(names->n + 1, sizeof(**to));
	if (!*to)
		return hm_error_set(err, -ENOMEM, 3084, "out of memory");
	for (; *n < names->n; ++*n) {
		const char *name = names->at[*n];
		struct hm_role_entry *e = &(*to)[*n];
		e->group = name[0] == '@';
		if (!parse_id(name + e->group, &e->id) &&
		    !find_id(name + e->group, e->group, &e->id))
			return hm_error_set(
				err, -ENOENT, 0,
				"control.%s[%zu]: there is no %s \"%s\" here; name one, "
				"or give its number",
				key, *n, e->group ? "group" : "user", name + e->group);
	}
	return 0;
}

int hm_roles_resolve(struct hm_roles *r, const struct hm_control_config *conf, struct hm_error *err)
{
	*r = (struct hm_roles){0};
	int done = resolve(&r->administrators, &r->n_administrators, &conf->administrators,
			   "administrators", err);
	if (done == 0)
		done = resolve(&r->readers, &r->n_readers, &conf->readers, "readers", err);
	if (done < 0)
		hm_roles_free(r);
	return done;
}

void hm_roles_free(struct hm_roles *r)
{
	free(r->administrators);
	free(r->readers);
	*r = (struct hm_roles){0};
}

static bool listed(const struct hm_role_entry *entries, size_t n, uid_t uid, const gid_t *groups,
		   size_t n_groups)
{
	for (size_t i = 0; i < n; i++) {
		if (!entries[i].group && entries[i].id == uid)
			return true;
		for (size_t j = 0; entries[i].group && j < n_groups; j++)
			if (entries[i].id == groups[j])
				return true;
	}
	return false;
}

enum hm_role hm_roles_of(const struct hm_roles *r, uid_t uid, const gid_t *groups, size_t n)
{
	if (uid == 0 || uid == geteuid() ||
	    listed(r->administrators, r->n_administrators, uid, groups, n))
		return HM_ROLE_ADMINISTRATOR;
	if (r->n_readers == 0 || listed(r->readers, r->n_readers, uid, groups, n))
		return HM_ROLE_READER;
	return HM_ROLE_NONE;
}

const char *hm_role_name(enum hm_role role)
{
	static const char *const names[] = {"none", "reader", "administrator"};
	return names[role];
}
