/* SPDX-License-Identifier: BSD-3-Clause */
#include "core/selector.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/function.h"

static void set_name(struct hm_selector *s, const char *function, const json_t *args)
{
	char *text = json_dumps(args, JSON_COMPACT | JSON_ENSURE_ASCII);
	size_t n = text ? strlen(text) : 0;

	if (n > 2) // more than []
		snprintf(s->name, sizeof(s->name), "%s %.*s", function, (int)(n - 2), text + 1);
	else
		snprintf(s->name, sizeof(s->name), "%s", function);
	free(text);
}

struct hm_selector hm_selector_of(const struct hm_function *fn, const void *conf,
				  const json_t *args)
{
	struct hm_selector s = {.algorithm = HM_SELECT_ALL};

	if (fn->selector)
		fn->selector(conf, &s);
	else if ((fn->flags & HM_FN_FILTERS) || fn->filter || fn->pattern)
		s.algorithm = HM_SELECT_MATCH;
	if (s.algorithm != HM_SELECT_ALL)
		set_name(&s, fn->name, args);
	return s;
}

double hm_selector_interval(const struct hm_selector *s)
{
	switch (s->algorithm) {
	case HM_SELECT_COUNT:
		return (double)((uint64_t)s->interval + s->space) / s->interval;
	case HM_SELECT_CHANCE:
		return s->probability > 0 ? 1 / s->probability : 1;
	case HM_SELECT_HASH:
		return (double)s->hashes / s->selected;
	case HM_SELECT_ALL:
	case HM_SELECT_MATCH:
		break;
	}
	return 1;
}
