/* SPDX-License-Identifier: BSD-3-Clause */
/* roles: see roles.h. */
#include "control/roles.h"

#include <errno.h>
#include <grp.h>
#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "core/policy.h"

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

/* `everybody` gets whether "*" is among them; NULL: that is a name as any other. */
static int resolve(struct hm_role_entry **to, size_t *n, const struct hm_strings *names,
		   const char *key, bool *everybody, struct hm_error *err)
{
	*to = calloc(names->n + 1, sizeof(**to));
	if (!*to)
		return hm_error_set(err, -ENOMEM, 3084, "out of memory");
	for (size_t i = 0; i < names->n; i++) {
		const char *name = names->at[i];
		struct hm_role_entry *e = &(*to)[*n];
		if (everybody && strcmp(name, "*") == 0) {
			*everybody = true;
			continue;
		}
		e->group = name[0] == '@';
		if (!parse_id(name + e->group, &e->id) &&
		    !find_id(name + e->group, e->group, &e->id))
			return hm_error_set(
				err, -ENOENT, 0,
				"%s[%zu]: there is no %s \"%s\" here; name one, or give its number",
				key, i, e->group ? "group" : "user", name + e->group);
		++*n;
	}
	return 0;
}

static int resolve_policy(struct hm_role_policy *to, const struct hm_policy_config *conf,
			  struct hm_error *err)
{
	char key[64];
	to->policy = hm_policy_create(conf);
	if (!to->policy)
		return hm_error_set(err, -ENOMEM, 3084, "out of memory");
	snprintf(key, sizeof(key), "%s.users", conf->path);
	return resolve(&to->users, &to->n, &conf->users, key, &to->everybody, err);
}

static int resolve_policies(struct hm_roles *r, const struct hm_config *conf, struct hm_error *err)
{
	r->policies = calloc(conf->n_policies + 1, sizeof(*r->policies));
	if (!r->policies)
		return hm_error_set(err, -ENOMEM, 3084, "out of memory");
	for (size_t i = 0; i < conf->n_policies; i++) {
		r->n_policies++;
		if (resolve_policy(&r->policies[i], &conf->policies[i], err) < 0)
			return -EINVAL;
	}
	return 0;
}

int hm_roles_resolve(struct hm_roles *r, const struct hm_config *conf, struct hm_error *err)
{
	*r = (struct hm_roles){0};
	int done = resolve(&r->administrators, &r->n_administrators, &conf->control.administrators,
			   "control.administrators", NULL, err);
	if (done == 0)
		done = resolve(&r->readers, &r->n_readers, &conf->control.readers,
			       "control.readers", NULL, err);
	if (done == 0)
		done = resolve_policies(r, conf, err);
	if (done < 0)
		hm_roles_free(r);
	return done;
}

void hm_roles_free(struct hm_roles *r)
{
	for (size_t i = 0; i < r->n_policies; i++) {
		hm_policy_put(r->policies[i].policy);
		free(r->policies[i].users);
	}
	free(r->policies);
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

struct hm_policy *hm_roles_policy(const struct hm_roles *r, uid_t uid, const gid_t *groups,
				  size_t n)
{
	struct hm_policy *everybody = NULL;
	for (size_t i = 0; i < r->n_policies; i++) {
		const struct hm_role_policy *p = &r->policies[i];
		if (listed(p->users, p->n, uid, groups, n))
			return p->policy;
		if (p->everybody && !everybody)
			everybody = p->policy;
	}
	return everybody;
}

static bool same_policy(const struct hm_role_policy *a, const struct hm_role_policy *b)
{
	bool same = hm_policy_equal(a->policy, b->policy) && a->n == b->n &&
		    a->everybody == b->everybody;
	for (size_t i = 0; same && i < a->n; i++)
		same = a->users[i].group == b->users[i].group && a->users[i].id == b->users[i].id;
	return same;
}

bool hm_roles_same_policies(const struct hm_roles *a, const struct hm_roles *b)
{
	bool same = a->n_policies == b->n_policies;
	for (size_t i = 0; same && i < a->n_policies; i++)
		same = same_policy(&a->policies[i], &b->policies[i]);
	return same;
}

const char *hm_role_name(enum hm_role role)
{
	static const char *const names[] = {"none", "restricted", "reader", "administrator"};
	return names[role];
}
