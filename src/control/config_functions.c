/* SPDX-License-Identifier: BSD-3-Clause */
/* config_functions: checks the functions of a configuration against the registry, so that an
 * unknown one, or a wrong argument, is told with all other mistakes. What the function itself says of its
 * arguments needs the device's link type: hm_engine_check(). */
#include "control/config.h"
#include "core/registry.h"

void hm_config_check_function(const json_t *call, const char *path, struct hm_mistakes *m)
{
	const char *name = json_string_value(json_array_get(call, 0));
	const struct hm_function *f = hm_function_find(name);
	union hm_value values[HM_ARGS_MAX];
	struct hm_error err;
	json_t *args;
	if (!f) {
		hm_mistake(m, path, "there is no function \"%.64s\"; docs/functions has them all",
			   name);
		return;
	}
	args = json_copy((json_t *)call);
	json_array_remove(args, 0);
	if (hm_args_parse(f, args, values, &err) < 0)
		hm_mistake(m, path, "%s", err.text);
	json_decref(args);
}
