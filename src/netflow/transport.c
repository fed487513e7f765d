/* SPDX-License-Identifier: BSD-3-Clause */
#include "netflow/transport.h"

#include <stdio.h>
#include <string.h>

static const struct hm_transport *const transports[] = {&hm_transport_udp, &hm_transport_tcp,
							&hm_transport_tls, &hm_transport_dtls,
							&hm_transport_file};

#define N_TRANSPORTS (sizeof(transports) / sizeof(transports[0]))

const struct hm_transport *hm_transport_by_name(const char *name)
{
	for (size_t i = 0; i < N_TRANSPORTS; i++)
		if (strcmp(transports[i]->name, name) == 0)
			return transports[i];
	return NULL;
}

const char *hm_transport_names(void)
{
	static char names[64];
	size_t used = 0;

	for (size_t i = 0; i < N_TRANSPORTS && used < sizeof(names); i++)
		used += (size_t)snprintf(names + used, sizeof(names) - used, "%s%s", i ? ", " : "",
					 transports[i]->name);
	return names;
}
