/* SPDX-License-Identifier: BSD-3-Clause */
/* change: other arguments for functions that run, where the function can take them without losing anything
 * (function.h, change). Everything else needs another flow. */
#include <errno.h>
#include <string.h>
#include <strings.h>

#include "core/engine_internal.h"
#include "core/registry.h"

/* Whether the instance can have these arguments, or (not `dry`) gives it them. */
static int change_instance(struct hm_flow *f, struct hm_instance *in, const json_t *args, bool dry,
			   struct hm_error *err)
{
	union hm_value values[HM_ARGS_MAX] = {0};
	struct hm_applied before[HM_FLOW_FUNCTIONS_MAX];
	struct hm_apply_ctx ctx = hm_flow_apply_ctx(f, before, f->head + in->number - 1);
	int r = hm_args_parse(in->fn, args, values, err);

	ctx.n_workers = hm_flow_workers(f, in->fn);
	if (r == 0)
		r = in->fn->change(in->conf, values, &ctx, dry, err);
	if (r < 0 || dry)
		return r;
	json_decref(in->args);
	in->args = json_deep_copy(args);
	json_decref(in->shown);
	in->shown = hm_args_shown(in->fn, args);
	return 0;
}

/* The arguments with some keys of their options object replaced. */
static json_t *with_options(const json_t *args, const json_t *options)
{
	json_t *all = json_deep_copy(args), *e;
	size_t i;

	json_array_foreach (all, i, e)
		if (json_is_object(e)) {
			json_object_update(e, (json_t *)options);
			return all;
		}
	json_array_append(all, (json_t *)options);
	return all;
}

int hm_flow_change(struct hm_flow *f, const json_t *which, const json_t *options,
		   struct hm_error *err)
{
	struct hm_instance *in = hm_flow_running(f, which, err);
	json_t *args, *written;
	int r;

	if (!in)
		return -EINVAL;
	if (!in->fn->change)
		return hm_error_set(err, -ENOTSUP, 6147, "%s cannot be changed while it runs",
				    in->fn->name);
	args = with_options(in->args, options);
	r = change_instance(f, in, args, false, err);
	// a reload compares the file with this, and makes it what the file says
	written = r == 0 ? json_array_get(f->config_functions, in->number - 1) : NULL;
	if (written) {
		const json_t *name = json_array_get(written, 0);
		json_t *call = json_pack("[O]", name);
		json_array_extend(call, args);
		json_array_set_new(f->config_functions, in->number - 1, call);
	}
	json_decref(args);
	return r;
}

/* The arguments of ["FUNCTION", argument ...]. */
static json_t *arguments_of(const json_t *call)
{
	json_t *args = json_array();

	for (size_t i = 1; i < json_array_size(call); i++)
		json_array_append(args, json_array_get(call, i));
	return args;
}

/* Goes through the functions that differ; 0 if they all can have, or now have, what `functions` says. */
static int change_all(struct hm_flow *f, const json_t *functions, bool dry, struct hm_error *err)
{
	int r = json_array_size(functions) == f->n && json_array_size(f->config_functions) == f->n
			? 0
			: -EINVAL;

	for (uint32_t i = 0; i < f->n && r == 0; i++) {
		const json_t *call = json_array_get(functions, i);
		struct hm_instance *in = f->instances[i];
		const char *name = json_string_value(json_array_get(call, 0));
		json_t *args;
		if (json_equal(call, json_array_get(f->config_functions, i)))
			continue;
		if (!name || strcasecmp(name, in->fn->name) != 0 || !in->fn->change || !in->node)
			return -EINVAL;
		args = arguments_of(call);
		r = change_instance(f, in, args, dry, err);
		json_decref(args);
	}
	return r;
}

bool hm_flow_can_become(struct hm_flow *f, const json_t *functions)
{
	struct hm_error why;

	return json_equal(f->config_functions, functions) ||
	       change_all(f, functions, true, &why) == 0;
}

int hm_flow_become(struct hm_flow *f, const json_t *functions, struct hm_error *err)
{
	int r;

	if (json_equal(f->config_functions, functions))
		return 0;
	r = change_all(f, functions, false, err);
	if (r == 0) {
		json_decref(f->config_functions);
		f->config_functions = json_deep_copy(functions);
	}
	return r;
}
