/* SPDX-License-Identifier: BSD-3-Clause */
#include "core/policy.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "core/function.h"
#include "core/registry.h"

#define NO_RIGHTS 3139

struct hm_policy {
	unsigned references;
	char *name;
	json_t *functions;
	json_t *devices, *allow, *refuse; // arrays of strings
	bool payload;
	uint32_t max_keep_s;
};

static json_t *copy_strings(const struct hm_strings *strings)
{
	json_t *list = json_array();

	for (size_t i = 0; i < strings->n; i++)
		json_array_append_new(list, json_string(strings->at[i]));
	return list;
}

/* Without payload it is cut off first: less is copied then. */
static json_t *head(const struct hm_policy_config *c)
{
	json_t *functions = c->payload ? json_array() : json_pack("[[s]]", "HEADERS");

	json_array_extend(functions, c->functions);
	return functions;
}

struct hm_policy *hm_policy_create(const struct hm_policy_config *c)
{
	struct hm_policy *p = calloc(1, sizeof(*p));

	if (!p)
		return NULL;
	p->references = 1;
	p->name = strdup(c->name);
	p->functions = head(c);
	p->devices = copy_strings(&c->devices);
	p->allow = copy_strings(&c->allow);
	p->refuse = copy_strings(&c->refuse);
	p->payload = c->payload;
	p->max_keep_s = c->max_keep_s;
	if (p->name && p->functions && p->devices && p->allow && p->refuse)
		return p;
	hm_policy_put(p);
	return NULL;
}

struct hm_policy *hm_policy_get(struct hm_policy *p)
{
	if (p)
		p->references++;
	return p;
}

void hm_policy_put(struct hm_policy *p)
{
	if (!p || --p->references > 0)
		return;
	json_decref(p->functions);
	json_decref(p->devices);
	json_decref(p->allow);
	json_decref(p->refuse);
	free(p->name);
	free(p);
}

const char *hm_policy_name(const struct hm_policy *p)
{
	return p->name;
}

const json_t *hm_policy_functions(const struct hm_policy *p)
{
	return p->functions;
}

bool hm_policy_equal(const struct hm_policy *a, const struct hm_policy *b)
{
	if (!a || !b || a == b)
		return a == b;
	return strcmp(a->name, b->name) == 0 && json_equal(a->functions, b->functions) &&
	       json_equal(a->devices, b->devices) && json_equal(a->allow, b->allow) &&
	       json_equal(a->refuse, b->refuse) && a->payload == b->payload &&
	       a->max_keep_s == b->max_keep_s;
}

static bool names(const json_t *list, const char *name)
{
	for (size_t i = 0; i < json_array_size(list); i++)
		if (strcasecmp(json_string_value(json_array_get(list, i)), name) == 0)
			return true;
	return false;
}

/* By any of its names. */
static bool names_function(const json_t *list, const struct hm_function *fn)
{
	bool found = names(list, fn->name);

	for (const char *const *alias = fn->aliases; !found && alias && *alias; alias++)
		found = names(list, *alias);
	return found;
}

bool hm_policy_has_device(const struct hm_policy *p, const char *device)
{
	return json_array_size(p->devices) == 0 || names(p->devices, device);
}

/* What writes packets to disk must remove them in time. */
static int check_keeping(const struct hm_policy *p, const struct hm_function *fn,
			 const json_t *args, struct hm_error *err)
{
	json_int_t keep_s = 0;
	json_t *value;
	size_t i;

	if (!p->max_keep_s || !(fn->flags & HM_FN_WRITES))
		return 0;
	json_array_foreach ((json_t *)(uintptr_t)args, i, value)
		if (json_is_object(value))
			keep_s = json_integer_value(json_object_get(value, "keep_s"));
	if (keep_s > 0 && keep_s <= p->max_keep_s)
		return 0;
	return hm_error_set(
		err, -EACCES, NO_RIGHTS,
		"policy \"%s\" keeps packets for %u s at most: give %s a folder, and the "
		"option \"keep_s\" of 1 to %u",
		p->name, p->max_keep_s, fn->name, p->max_keep_s);
}

int hm_policy_check(const struct hm_policy *p, const struct hm_function *fn, const json_t *args,
		    struct hm_error *err)
{
	const bool named = names_function(p->allow, fn);

	if (names_function(p->refuse, fn) || (json_array_size(p->allow) > 0 && !named))
		return hm_error_set(err, -EACCES, NO_RIGHTS, "policy \"%s\" does not allow %s",
				    p->name, fn->name);
	if (fn->flags & HM_FN_SENDS && !named)
		return hm_error_set(err, -EACCES, NO_RIGHTS,
				    "policy \"%s\" does not allow %s: what sends packets must be "
				    "named in its \"allow\"",
				    p->name, fn->name);
	if (fn->flags & HM_FN_PAYLOAD && !p->payload)
		return hm_error_set(err, -EACCES, NO_RIGHTS,
				    "%s looks at payload, and policy \"%s\" is for headers only",
				    fn->name, p->name);
	return check_keeping(p, fn, args, err);
}
