/* SPDX-License-Identifier: BSD-3-Clause */
#include "netflow/entry.h"

#include <string.h>

static void copy_addresses(const struct hm_entry *e, struct hm_flow_record *to)
{
	for (unsigned d = 0; d < 2; d++) {
		if (e->name.version == 6) {
			memcpy(to->key.addr[d], e->rest.addr[d], 12);
			memcpy(to->key.addr[d] + 12, e->name.addr[d], 4);
		} else {
			memcpy(to->key.addr[d], e->name.addr[d], 4);
			memset(to->key.addr[d] + 4, 0, 12);
		}
		to->key.port_be[d] = e->name.port_be[d];
	}
	to->key.proto = e->name.proto;
	to->key.version = e->name.version;
	to->key.vlan = e->vlan;
}

void hm_entry_record(const struct hm_entry *e, const struct hm_entry_frames *frames,
		     struct hm_flow_record *to)
{
	static const struct hm_entry_frames none;

	memcpy(to->frame, frames ? frames : &none, sizeof(to->frame));
	copy_addresses(e, to);
	to->first = e->first;
	to->initiator = e->name.initiator;
	to->end_reason = 0;
	to->reserved = 0;
	to->start_ns = e->start_ns;
	for (unsigned d = 0; d < 2; d++) {
		to->first.tcp_flags[d] = e->name.tcp_flags[d];
		to->tos[d] = e->tos[d];
		to->packets[d] = hm_entry_packets(e, d);
		to->bytes[d] = e->bytes[d];
		to->first_ns[d] = to->packets[d] ? e->first_ns[d] : 0;
		to->last_ns[d] = to->packets[d] ? e->last_ns[d] : 0;
	}
}
