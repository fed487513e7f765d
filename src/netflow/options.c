/* SPDX-License-Identifier: BSD-3-Clause */
#include "netflow/options.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "core/config.h"
#include "netflow/options_read.h"

#define NS_A_S            UINT64_C(1000000000)
#define FLOW_SAMPLING_MAX 1000000

static int set_overload(struct hm_report_options *o, const json_t *v, const char *path,
			struct hm_error *err)
{
	const char *text = NULL;
	int which, r = hm_option_string(&text, 16, v, path, "overload", err);

	if (r < 0)
		return r;
	which = hm_option_choice(HM_OVERLOAD_NAMES, text);
	if (which < 0)
		return hm_error_set(err, -EINVAL, HM_OPTION_INVALID,
				    "%s.overload must be one of %s, not \"%s\"", path,
				    HM_OVERLOAD_NAMES, text);
	o->overload = (enum hm_overload)which;
	return 0;
}

static int parse_exporters(struct hm_report_options *o, json_t *array, const char *path,
			   struct hm_error *err)
{
	char at[HM_OPTION_PATH_MAX];

	if (!json_is_array(array) || json_array_size(array) == 0 ||
	    json_array_size(array) > HM_EXPORTERS_MAX)
		return hm_error_set(err, -EINVAL, HM_OPTION_INVALID,
				    "%s.exporters must be an array of 1 to %d exporters", path,
				    HM_EXPORTERS_MAX);
	for (size_t i = 0; i < json_array_size(array); i++) {
		int r;
		snprintf(at, sizeof(at), "%s.exporters[%zu]", path, i);
		r = hm_exporter_parse(o, json_array_get(array, i), at, err);
		if (r < 0)
			return r;
		o->n_exporters++;
	}
	return 0;
}

void hm_report_defaults(struct hm_report_options *o, const struct hm_flow_report_config *c)
{
	static const struct hm_flow_report_config usual = {
		.active_timeout_s = 300, .inactive_timeout_s = 30, .cache_entries = 1 << 20};

	if (!c)
		c = &usual;
	memset(o, 0, sizeof(*o));
	o->active_ns = c->active_timeout_s * NS_A_S;
	o->inactive_ns = c->inactive_timeout_s * NS_A_S;
	o->cache_entries = c->cache_entries;
	o->domain = c->observation_domain;
	o->flow_sampling = 1;
}

static int set_warm_file(struct hm_report_options *o, const json_t *v, const char *path,
			 struct hm_error *err)
{
	int r = hm_option_text(o->warm_file, sizeof(o->warm_file), v, path, "warm_file", err);

	if (r == 0 && o->warm_file[0] != '/')
		r = hm_error_set(err, -EINVAL, HM_OPTION_INVALID,
				 "%s.warm_file must be a path from the root, not \"%.80s\"", path,
				 o->warm_file);
	return r;
}

static int set_routes(struct hm_report_options *o, const json_t *v, const char *path,
		      struct hm_error *err)
{
	int r = hm_option_text(o->routes, sizeof(o->routes), v, path, "routes", err);

	if (r == 0 && o->routes[0] != '/')
		r = hm_error_set(err, -EINVAL, HM_OPTION_INVALID,
				 "%s.routes must be a path from the root, not \"%.80s\"", path,
				 o->routes);
	return r;
}

int hm_report_parse(struct hm_report_options *o, const json_t *object, const char *path,
		    struct hm_error *err)
{
	const struct hm_number numbers[] = {
		{"flow_sampling", 1, FLOW_SAMPLING_MAX, .to = &o->flow_sampling},
		{"active_timeout_s", 1, HM_TIMEOUT_MAX_S, .to_ns = &o->active_ns},
		{"inactive_timeout_s", 1, HM_TIMEOUT_MAX_S, .to_ns = &o->inactive_ns},
		{"cache_entries", HM_CACHE_ENTRIES_MIN, HM_CACHE_ENTRIES_MAX,
		 .to = &o->cache_entries},
		{NULL},
	};
	const char *name;
	json_t *v;

	if (!json_is_object(object))
		return hm_error_set(err, -EINVAL, HM_OPTION_INVALID, "%s must be an object, not %s",
				    path, hm_option_type(object));
	v = json_object_get(object, "routes"); // first: exporters may name what only routes have
	if (v && set_routes(o, v, path, err) < 0)
		return -EINVAL;
	json_object_foreach ((json_t *)object, name, v) {
		const struct hm_number *n = hm_option_find(numbers, name);
		int r = 0;
		if (n)
			r = hm_option_number(n, v, path, err);
		else if (strcmp(name, "exporters") == 0)
			r = parse_exporters(o, v, path, err);
		else if (strcmp(name, "flow_key") == 0)
			r = hm_option_set(&o->key, HM_FLOW_KEY_NAMES, v, path, name, err);
		else if (strcmp(name, "overload") == 0)
			r = set_overload(o, v, path, err);
		else if (strcmp(name, "warm_file") == 0)
			r = set_warm_file(o, v, path, err);
		else if (strcmp(name, "routes") != 0)
			r = hm_option_unknown(
				path, name,
				"active_timeout_s, inactive_timeout_s, cache_entries, "
				"flow_key, flow_sampling, routes, overload, warm_file, exporters",
				err);
		if (r < 0)
			return r;
	}
	return 0;
}

bool hm_report_wants_frames(const struct hm_report_options *o)
{
	bool wants = (o->key & HM_FLOW_KEY_FRAME) != 0;

	for (unsigned i = 0; i < o->n_exporters; i++) {
		const struct hm_layout_conf *l = &o->exporter[i].layout;
		for (unsigned k = 0; k < l->n; k++)
			wants = wants || hm_template_of_frames(l->element[k].id);
	}
	return wants;
}

static bool same_exporters(const struct hm_report_options *a, const struct hm_report_options *b)
{
	bool same = a->n_exporters == b->n_exporters;

	for (unsigned i = 0; same && i < a->n_exporters; i++)
		same = hm_exporter_conf_equal(&a->exporter[i], &b->exporter[i]);
	return same;
}

static int stays(const char *key, const char *why, struct hm_error *err)
{
	return hm_error_set(err, -ENOTSUP, HM_OPTION_INVALID,
			    "options.%s cannot change while it runs%s", key, why);
}

int hm_report_check_change(const struct hm_report_options *old, const struct hm_report_options *new,
			   struct hm_error *err)
{
	if (new->cache_entries != old->cache_entries)
		return stays("cache_entries", "", err);
	if (new->key != old->key)
		return stays("flow_key", "", err);
	if (new->flow_sampling != old->flow_sampling)
		return stays("flow_sampling", "", err);
	if (new->overload != old->overload)
		return stays("overload", "", err);
	if (strcmp(new->routes, old->routes) != 0)
		return stays("routes", "", err);
	if (strcmp(new->warm_file, old->warm_file) != 0)
		return stays("warm_file", "", err);
	if (hm_report_wants_frames(new) != hm_report_wants_frames(old))
		return stays("exporters",
			     " in whether a template has MAC addresses or an MPLS label: the flow "
			     "cache is made for it",
			     err);
	if (old->warm_file[0] != '\0' && !same_exporters(old, new))
		return stays("exporters",
			     " with a warm_file, which knows their sequence numbers: a restart "
			     "loses nothing",
			     err);
	return 0;
}
