/* SPDX-License-Identifier: BSD-3-Clause */
#include "netflow/application.h"

#include <arpa/inet.h>
#include <netdb.h>
#include <netinet/in.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>

#define ENGINE_SHIFT 24
#define NUMBER       UINT32_C(0xffffff)
#define IANA_L3      1u
#define IANA_L4      3u

/* By port; the shorter names of what is on several protocols are the same. Read once, at the first use. */
static char services[UINT16_MAX + 1][HM_APPLICATION_NAME];
static pthread_once_t read_once = PTHREAD_ONCE_INIT;

static void read_services(void)
{
	struct servent entry, *found;
	char text[4096];

	setservent(0);
	while (getservent_r(&entry, text, sizeof(text), &found) == 0) {
		char *name = services[ntohs((uint16_t)entry.s_port)];

		if (name[0] == '\0')
			snprintf(name, HM_APPLICATION_NAME, "%s", entry.s_name);
	}
	endservent();
}

static bool has_ports(const struct hm_flow_record *r)
{
	return r->key.proto == IPPROTO_TCP || r->key.proto == IPPROTO_UDP ||
	       r->key.proto == IPPROTO_SCTP;
}

uint32_t hm_application_of(const struct hm_flow_record *r)
{
	pthread_once(&read_once, read_services);
	for (unsigned i = 0; i < 2 && has_ports(r); i++) {
		uint16_t port = ntohs(r->key.port_be[r->initiator ^ 1 ^ i]);

		if (services[port][0] != '\0')
			return IANA_L4 << ENGINE_SHIFT | port;
	}
	return IANA_L3 << ENGINE_SHIFT | r->key.proto;
}

void hm_application_name(uint32_t application, char name[HM_APPLICATION_NAME])
{
	struct protoent entry, *found = NULL;
	char text[1024];

	pthread_once(&read_once, read_services);
	if (application >> ENGINE_SHIFT == IANA_L4)
		memcpy(name, services[application & UINT16_MAX], HM_APPLICATION_NAME);
	else if (getprotobynumber_r((int)(application & UINT8_MAX), &entry, text, sizeof(text),
				    &found) == 0 &&
		 found)
		snprintf(name, HM_APPLICATION_NAME, "%s", found->p_name);
	else
		snprintf(name, HM_APPLICATION_NAME, "protocol %u", application & UINT8_MAX);
}

void hm_applications_add(struct hm_applications *set, uint32_t application)
{
	uint64_t *bits = application >> ENGINE_SHIFT == IANA_L4 ? set->port : set->protocol;

	bits[(application & NUMBER) / 64] |= UINT64_C(1) << application % 64;
}

/* The first bit of [from, n), n: none is set. */
static uint32_t next_bit(const uint64_t *bits, uint32_t from, uint32_t n)
{
	while (from < n && !(bits[from / 64] >> from % 64 & 1))
		from++;
	return from;
}

uint32_t hm_applications_next(const struct hm_applications *set, uint32_t after)
{
	uint32_t from = after == 0 ? 0 : (after & NUMBER) + 1, at;

	if (after >> ENGINE_SHIFT != IANA_L4) {
		at = next_bit(set->protocol, from, UINT8_MAX + 1);
		if (at <= UINT8_MAX)
			return IANA_L3 << ENGINE_SHIFT | at;
		from = 0;
	}
	at = next_bit(set->port, from, UINT16_MAX + 1);
	return at <= UINT16_MAX ? IANA_L4 << ENGINE_SHIFT | at : 0;
}
