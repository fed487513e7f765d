/* SPDX-License-Identifier: BSD-3-Clause */
/* client: a blocking conversation with homardd over its control socket; what homardctl and libmapi
 * stand on. Needs jansson only. Several threads may call at once, each gets its own answer, and one that waits long
 * keeps none of the others waiting. Open and close are for one thread.
 *
 *	struct hm_error err;
 *	struct hm_client *c = hm_client_open(NULL, "example", &err);
 *	json_t *result = hm_client_call(c, "flow.read", json_pack("{s:s}", "flow", "web"), &err);
 */
#pragma once

#include <jansson.h>
#include <stdbool.h>

#include "core/error.h"

#define HM_CLIENT_SOCKET  "/run/homard/control.sock" // when nobody names another
#define HM_CLIENT_TIMEOUT 30                         // seconds for one answer, by default

struct hm_client;

#define HM_CLIENT_FDS_MAX 4 // descriptors that one request may take along

/* Connects to `socket`; NULL: the environment's HOMARD_SOCKET, else HM_CLIENT_SOCKET. Says hello as `name`.
 * NULL with err (a sentence with what to do) if no daemon answers there or it refuses us. */
struct hm_client *hm_client_open(const char *socket, const char *name, struct hm_error *err);
/* Seconds one call may take before it fails; 0: for ever. */
void hm_client_set_timeout(struct hm_client *c, unsigned seconds);
const char *hm_client_socket(const struct hm_client *c);

/* Calls `method`; takes over params (an object, NULL: none). Returns the result, NULL with err. */
json_t *hm_client_call(struct hm_client *c, const char *method, json_t *params,
		       struct hm_error *err);

/* What else a call may need. */
struct hm_client_extras {
	int send[HM_CLIENT_FDS_MAX]; // descriptors that go along; they stay the caller's
	unsigned n_send;
	bool no_limit; // may wait for ever
	int fd;        // came with the answer, and is the caller's; -1: none did
};
json_t *hm_client_request(struct hm_client *c, const char *method, json_t *params,
			  struct hm_client_extras *x, struct hm_error *err);

/* Whether the conversation has broken (closed by the daemon, timed out): only close is left. Looks at the socket. */
bool hm_client_lost(struct hm_client *c);
void hm_client_close(struct hm_client *c); // NULL is allowed
/* In a child after fork(): closes its copy of the socket, or the daemon would wait for the child, too. Nothing else of
 * the conversation is touched, and it is not freed: another thread of the parent may have been in the midst of it. */
void hm_client_abandon(const struct hm_client *c);
