/* SPDX-License-Identifier: BSD-3-Clause */
/* config_functions: checks the functions of a configuration against the registry, so that an
 * unknown one is told with all other mistakes and not when the daemon has started. */
#include <errno.h>
#include <stdlib.h>

#include "control/config.h"
#include "core/function.h"

typedef int (*judge)(const struct hm_function *f, const union hm_value *values,
		     struct hm_error *err);

static void check(const json_t *call, const char *path, struct hm_mistakes *m, judge also)
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
	if (hm_args_parse(f, args, values, &err) < 0 || (also && also(f, values, &err) < 0))
		hm_mistake(m, path, "%s", err.text);
	json_decref(args);
}

void hm_config_check_function(const json_t *call, const char *path, struct hm_mistakes *m)
{
	check(call, path, m, NULL);
}

/* Which link type the device will have is not known yet: what one of them takes is no mistake of
 * the file. The error is that for Ethernet. */
static int try_links(const struct hm_function *f, const union hm_value *values,
		     struct hm_error *err)
{
	static const enum hm_link links[] = {HM_LINK_ETHERNET, HM_LINK_LINUX_SLL, HM_LINK_RAW};
	int done = 0;
	for (size_t i = 0; f->conf_init && i < sizeof(links) / sizeof(links[0]); i++) {
		const struct hm_apply_ctx ctx = {
			.link = links[i], .snaplen = 9216, .n_workers = 1, .device = "?"};
		void *conf = calloc(1, f->conf_size ? f->conf_size : 1);
		if (!conf)
			return hm_error_set(err, -ENOMEM, 3084, "out of memory");
		done = f->conf_init(conf, values, &ctx, i ? NULL : err);
		if (done >= 0 && f->conf_fini)
			f->conf_fini(conf);
		free(conf);
		if (done >= 0)
			return 0;
	}
	return done;
}

void hm_config_try_function(const json_t *call, const char *path, struct hm_mistakes *m)
{
	check(call, path, m, try_links);
}
