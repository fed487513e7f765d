/* SPDX-License-Identifier: BSD-3-Clause */
#include "netflow/format.h"

#include <stdio.h>
#include <string.h>
#include <strings.h>

static const struct hm_format *const formats[] = {&hm_ipfix, &hm_netflow9, &hm_netflow5};

#define N_FORMATS (sizeof(formats) / sizeof(formats[0]))

const struct hm_format *hm_format_by_name(const char *name)
{
	for (size_t i = 0; i < N_FORMATS; i++)
		if (strcmp(formats[i]->name, name) == 0)
			return formats[i];
	return NULL;
}

const struct hm_format *hm_format_by_mapi_name(const char *name)
{
	for (size_t i = 0; i < N_FORMATS; i++)
		if (strcasecmp(formats[i]->mapi_name, name) == 0)
			return formats[i];
	return NULL;
}

const char *hm_format_names(void)
{
	static char names[64];
	size_t used = 0;

	for (size_t i = 0; i < N_FORMATS && used < sizeof(names); i++)
		used += (size_t)snprintf(names + used, sizeof(names) - used, "%s%s", i ? ", " : "",
					 formats[i]->name);
	return names;
}
