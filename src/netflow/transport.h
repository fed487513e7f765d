/* SPDX-License-Identifier: BSD-3-Clause */
/* transport: how messages reach a collector, and the one table of ways. Nothing here ever blocks.
 */
#pragma once

#include <netdb.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/uio.h>

#include "core/error.h"

#define HM_HOST_MAX         64 // a numeric address with a scope
#define HM_FILE_MAX         256
#define HM_NAME_OF_HOST_MAX 254
#define HM_TRANSPORT_BURST  32   // messages a call
#define HM_DATAGRAM_MAX     2000 // of ifp_dgram_t, MAPI

#define HM_LIFETIME_USUAL UINT32_MAX // what is usual for the transport

/* Who one is, and whom one believes: PEM files. They are read again for every connection. */
struct hm_credentials {
	char ca[HM_FILE_MAX]; // certificates that vouch for the collector's
	char certificate[HM_FILE_MAX], key[HM_FILE_MAX];
	char name[HM_NAME_OF_HOST_MAX]; // in the collector's certificate; empty: its address
	uint32_t lifetime_s;            // a session is opened anew after this time; 0: never
};

struct hm_endpoint {
	char host[HM_HOST_MAX];   // numeric IPv4 or IPv6
	char source[HM_HOST_MAX]; // numeric, or empty: the kernel's choice
	char path[HM_FILE_MAX];   // of a file
	uint32_t multicast_ttl;   // routers that a multicast may pass
	uint16_t port;
	struct hm_credentials tls;
	struct hm_outbox *outbox; // of hm_transport_memory
};

/* What hm_transport_memory puts into its outbox. */
struct hm_datagram {
	uint64_t ts_ns; // orders them: the number
	uint64_t number;
	uint32_t bytes;
	uint8_t message[HM_DATAGRAM_MAX];
};

struct hm_connection; // a transport's own
struct hm_outbox;

struct hm_transport {
	const char *name;
	uint32_t overhead; // bytes of headers around a message, for IPv6
	bool stream;       // messages arrive all and in order, or the line breaks
	bool forgiving;    // a connection outlives its errors
	bool secure;       // wants credentials
	bool patient;      // who reads may take all the time there is
	/* Refuses what can never work (a host name, a bad address). */
	int (*check)(const struct hm_endpoint *to, struct hm_error *err);
	/* NULL with errno: cannot be reached, try again. */
	struct hm_connection *(*open)(const struct hm_endpoint *to);
	/* Messages taken, from the first; -EAGAIN: none now; another negative errno: the collector
	 * cannot be reached, or has refused an earlier message. */
	int (*send)(struct hm_connection *c, const struct iovec *messages, unsigned n);
	int (*error)(struct hm_connection *c); // 0, or a negative errno that came in meanwhile
	/* Bytes taken of which nobody knows that they arrived. */
	uint64_t (*pending)(struct hm_connection *c);
	/* Pushes on what was taken and is still here; true: nothing is. */
	bool (*flush)(struct hm_connection *c);
	/* It should be opened anew, when all that was taken has arrived. NULL: never. */
	bool (*stale)(struct hm_connection *c);
	/* Bytes that an IP packet may have on its way there, as far as the kernel knows; 0: it does not. NULL: of no
	 * importance. */
	uint32_t (*path_mtu)(const struct hm_connection *c);
	/* More about an error than its number; "": nothing. NULL: nothing ever. */
	const char *(*why)(const struct hm_connection *c);
	void (*close)(struct hm_connection *c);
};

extern const struct hm_transport hm_transport_udp, hm_transport_tcp, hm_transport_tls,
	hm_transport_dtls, hm_transport_file;
/* Has no name for configurations: a function makes its outbox. */
extern const struct hm_transport hm_transport_memory;

const struct hm_transport *hm_transport_by_name(const char *name); // NULL: unknown
const char *hm_transport_names(void);                              // for messages

/* --- for the transports over IP --- */

/* A numeric address; NULL with a getaddrinfo() error. */
struct addrinfo *hm_endpoint_address(const char *host, uint16_t port, int *error);
int hm_endpoint_check(const struct hm_endpoint *to, struct hm_error *err);
/* A non-blocking socket, bound to the source; not connected. -1 with errno. */
int hm_endpoint_socket(const struct addrinfo *to, int type, const char *source);
