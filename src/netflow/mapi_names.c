/* SPDX-License-Identifier: BSD-3-Clause */
#include "netflow/mapi_names.h"

#include <stddef.h>
#include <string.h>

/* Both spellings, of MAPI's source and of its documentation. */
static const struct {
	const char *name;
	uint16_t id;
} names[] = {
	{"BYTES", 1},
	{"PKTS", 2},
	{"PROT", 4},
	{"TOS", 5},
	{"TCP_FLAGS", 6},
	{"L4_SRC_PORT", 7},
	{"IP_SRC_ADDR", 8},
	{"INGRESS", 10},
	{"INPUT_SNMP", 10},
	{"L4_DST_PORT", 11},
	{"IP_DST_ADDR", 12},
	{"SRC_AS", 16},
	{"DST_AS", 17},
	{"LAST_SWITCHED", 21},
	{"FIRST_SWITCHED", 22},
	{"IPV6_SRC_ADDR", 27},
	{"IPV6_DST_ADDR", 28},
	{"IP_PROTO_VER", 60},
	{"FLOW_END_REASON", 136},
	{"FLOW_START_SEC", 150},
	{"FLOW_START_SECONDS", 150},
	{"FLOW_END_SEC", 151},
	{"FLOW_END_SECONDS", 151},
	{"FLOW_START_MS", 152},
	{"FLOW_START_MILLISECONDS", 152},
	{"FLOW_END_MS", 153},
	{"FLOW_END_MILLISECONDS", 153},
	{"FLOW_START_US", 154},
	{"FLOW_START_MICROSECONDS", 154},
	{"FLOW_END_US", 155},
	{"FLOW_END_MICROSECONDS", 155},
	{"FLOW_START_NS", 156},
	{"FLOW_START_NANOSECONDS", 156},
	{"FLOW_END_NS", 157},
	{"FLOW_END_NANOSECONDS", 157},
	{"FLOW_DUR_MS", 161},
	{"FLOW_DURATION_MILLISECONDS", 161},
	{"FLOW_DUR_US", 162},
	{"FLOW_DURATION_MICROSECONDS", 162},
};

uint16_t hm_mapi_element(const char *name)
{
	if (name[0] == '%')
		name++;
	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		if (strcmp(names[i].name, name) == 0)
			return names[i].id;
	return 0;
}
