/* SPDX-License-Identifier: BSD-3-Clause */
#include "anon/embedded.h"

#include <stddef.h>

#include "core/wire.h"

enum { IPV4 = 4, IPV6 = 16, MAC = 6 };

static void begin(struct hm_embeddeds *found)
{
	found->n = 0;
	found->rest = UINT32_MAX;
}

/* The address at `at`, as far as the message's n bytes have it. */
static void add(struct hm_embeddeds *found, uint32_t at, uint32_t size, uint32_t n)
{
	if (at >= n)
		return;
	if (found->n == HM_EMBEDDED_MAX) {
		if (found->rest == UINT32_MAX)
			found->rest = at;
		return;
	}
	found->at[found->n++] = (struct hm_embedded){
		(uint16_t)at, (uint8_t)(n - at < size ? n - at : size), (uint8_t)size};
}

static void add_all(struct hm_embeddeds *found, uint32_t at, uint32_t length, uint32_t size,
		    uint32_t n)
{
	for (uint32_t done = 0; done + size <= length; done += size)
		add(found, at + done, size, n);
}

/* --- DNS --- */

enum { DNS_HEADER = 12, A = 1, AAAA = 28, OPT = 41, CLIENT_SUBNET = 8 };

/* Behind the name at `at`; a pointer ends it. Beyond n: it is cut. */
static uint32_t skip_name(const uint8_t *m, uint32_t n, uint32_t at)
{
	while (at < n && m[at] != 0) {
		if (m[at] >= 0xc0)
			return at + 2;
		at += m[at] + 1u;
	}
	return at + 1;
}

static void client_subnet(const uint8_t *m, uint32_t n, uint32_t at, uint32_t end,
			  struct hm_embeddeds *found)
{
	for (uint32_t length; at + 4 <= end; at += 4 + length) {
		length = hm_be16(m + at + 2);
		if (hm_be16(m + at) == CLIENT_SUBNET && length > 4 && length <= 4 + IPV6 &&
		    at + 8 <= n) {
			const uint32_t size = hm_be16(m + at + 4) == 1 ? IPV4 : IPV6;
			const uint32_t there = at + 4 + length < n ? at + 4 + length : n;

			add(found, at + 8, size, there);
		}
	}
}

static uint32_t record(const uint8_t *m, uint32_t n, uint32_t at, struct hm_embeddeds *found)
{
	uint32_t type, length;

	at = skip_name(m, n, at);
	if (at + 10 > n)
		return n;
	type = hm_be16(m + at);
	length = hm_be16(m + at + 8);
	at += 10;
	if (type == A && length == IPV4)
		add(found, at, IPV4, n);
	else if (type == AAAA && length == IPV6)
		add(found, at, IPV6, n);
	else if (type == OPT)
		client_subnet(m, n, at, at + length < n ? at + length : n, found);
	return at + length;
}

void hm_embedded_dns(const uint8_t *m, uint32_t n, struct hm_embeddeds *found)
{
	uint32_t at = DNS_HEADER, questions, records;

	begin(found);
	if (n < DNS_HEADER)
		return;
	questions = hm_be16(m + 4);
	records = hm_be16(m + 6) + hm_be16(m + 8) + hm_be16(m + 10);
	while (questions-- && at < n)
		at = skip_name(m, n, at) + 4;
	while (records-- && at < n)
		at = record(m, n, at, found);
}

/* --- DHCP --- */

enum {
	HARDWARE_LENGTH = 2,
	CLIENT_ADDRESS = 12, // and three more
	CLIENT_HARDWARE = 28,
	COOKIE = 236,
	PAD = 0,
	END = 255,
	CLIENT_ID = 61,
};

/* Options that are one or more IPv4 addresses (RFC 2132). */
static bool has_addresses(uint8_t option)
{
	return (option >= 3 && option <= 11) || option == 16 || option == 21 || option == 28 ||
	       option == 32 || option == 33 || option == 41 || option == 42 || option == 44 ||
	       option == 45 || option == 48 || option == 49 || option == 50 || option == 54 ||
	       option == 65 || (option >= 68 && option <= 76);
}

void hm_embedded_dhcp4(const uint8_t *m, uint32_t n, struct hm_embeddeds *found)
{
	uint32_t at = COOKIE + 4;

	begin(found);
	add_all(found, CLIENT_ADDRESS, 4 * IPV4, IPV4, n);
	if (n > HARDWARE_LENGTH && m[HARDWARE_LENGTH] == MAC)
		add(found, CLIENT_HARDWARE, MAC, n);
	while (at < n && m[at] != END) {
		uint32_t length;

		if (m[at] == PAD) {
			at++;
			continue;
		}
		if (at + 2 > n)
			return;
		length = m[at + 1];
		if (has_addresses(m[at]))
			add_all(found, at + 2, length, IPV4, n);
		else if (m[at] == CLIENT_ID && length == MAC + 1 && at + 2 < n && m[at + 2] == 1)
			add(found, at + 3, MAC, n);
		at += 2 + length;
	}
}

/* --- DHCPv6 --- */

enum {
	RELAY_FORWARD = 12,
	RELAY_REPLY = 13,
	OPTION_CLIENT_ID = 1,
	OPTION_SERVER_ID = 2,
	OPTION_IA_NA = 3,
	OPTION_IA_TA = 4,
	OPTION_ADDRESS = 5,
	OPTION_RELAYED = 9,
	OPTION_UNICAST = 12,
	OPTION_SIP = 22,
	OPTION_DNS = 23,
	OPTION_IA_PD = 25,
	OPTION_PREFIX = 26,
	OPTION_NIS = 27,
	OPTION_NISP = 28,
	OPTION_SNTP = 31,
	DEPTH = 8,
};

static void message6(const uint8_t *m, uint32_t n, uint32_t at, unsigned depth,
		     struct hm_embeddeds *found);

/* DUIDs by link-layer address (RFC 8415 section 11). */
static void identifier(const uint8_t *m, uint32_t n, uint32_t at, uint32_t length,
		       struct hm_embeddeds *found)
{
	if (at + 4 > n || hm_be16(m + at + 2) != 1)
		return;
	if (hm_be16(m + at) == 1 && length == 8 + MAC)
		add(found, at + 8, MAC, n);
	else if (hm_be16(m + at) == 3 && length == 4 + MAC)
		add(found, at + 4, MAC, n);
}

static void options6(const uint8_t *m, uint32_t n, uint32_t at, uint32_t end, unsigned depth,
		     struct hm_embeddeds *found)
{
	for (uint32_t length; at + 4 <= end; at += 4 + length) {
		const uint32_t body = at + 4;
		uint32_t to;

		length = hm_be16(m + at + 2);
		to = body + length < end ? body + length : end;
		switch (hm_be16(m + at)) {
		case OPTION_CLIENT_ID:
		case OPTION_SERVER_ID:
			identifier(m, n, body, length, found);
			break;
		case OPTION_ADDRESS:
		case OPTION_UNICAST:
			add(found, body, IPV6, n);
			break;
		case OPTION_PREFIX:
			add(found, body + 9, IPV6, n);
			break;
		case OPTION_SIP:
		case OPTION_DNS:
		case OPTION_NIS:
		case OPTION_NISP:
		case OPTION_SNTP:
			add_all(found, body, length, IPV6, n);
			break;
		case OPTION_IA_NA:
		case OPTION_IA_PD:
			if (depth < DEPTH)
				options6(m, n, body + 12, to, depth + 1, found);
			break;
		case OPTION_IA_TA:
			if (depth < DEPTH)
				options6(m, n, body + 4, to, depth + 1, found);
			break;
		case OPTION_RELAYED:
			if (depth < DEPTH)
				message6(m, to, body, depth + 1, found);
			break;
		}
	}
}

static void message6(const uint8_t *m, uint32_t n, uint32_t at, unsigned depth,
		     struct hm_embeddeds *found)
{
	if (at >= n)
		return;
	if (m[at] == RELAY_FORWARD || m[at] == RELAY_REPLY) {
		add(found, at + 2, IPV6, n);
		add(found, at + 2 + IPV6, IPV6, n);
		options6(m, n, at + 2 + 2 * IPV6, n, depth, found);
	} else {
		options6(m, n, at + 4, n, depth, found);
	}
}

void hm_embedded_dhcp6(const uint8_t *m, uint32_t n, struct hm_embeddeds *found)
{
	begin(found);
	message6(m, n, 0, 0, found);
}
