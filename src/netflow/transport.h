/* SPDX-License-Identifier: BSD-3-Clause */
/* transport: how messages reach a collector, and the one table of ways. Nothing here ever blocks.
 */
#pragma once

#include <stdint.h>
#include <sys/uio.h>

#include "core/error.h"

#define HM_HOST_MAX        64 // a numeric address with a scope
#define HM_TRANSPORT_BURST 32 // messages a call

struct hm_endpoint {
	char host[HM_HOST_MAX];   // numeric IPv4 or IPv6
	char source[HM_HOST_MAX]; // numeric, or empty: the kernel's choice
	uint16_t port;
};

struct hm_connection; // a transport's own

struct hm_transport {
	const char *name;
	uint32_t overhead; // bytes of headers around a message, for IPv6
	/* Refuses what can never work (a host name, a bad address). */
	int (*check)(const struct hm_endpoint *to, struct hm_error *err);
	/* NULL with errno: cannot be reached, try again. */
	struct hm_connection *(*open)(const struct hm_endpoint *to);
	/* Messages taken by the kernel, from the first; -EAGAIN: none now; another negative errno:
	 * the collector cannot be reached, or has refused an earlier message. */
	int (*send)(struct hm_connection *c, const struct iovec *messages, unsigned n);
	int (*error)(struct hm_connection *c); // 0, or a negative errno that came in meanwhile
	void (*close)(struct hm_connection *c);
};

extern const struct hm_transport hm_transport_udp;

const struct hm_transport *hm_transport_by_name(const char *name); // NULL: unknown
const char *hm_transport_names(void);                              // for messages
