/* SPDX-License-Identifier: BSD-3-Clause */
/* rpc: JSON-RPC 2.0. Lines in, lines out; knows nothing of sockets, so that tests and fuzzers drive
 * it directly.
 *
 * A request becomes a call. A call is answered exactly once, at once by its method's handler or
 * later from a callback; in between other requests of the same peer are served. If the peer goes
 * first, the call lives on without it until it is answered into nothing.
 */
#pragma once

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>

#include "control/control.h"
#include "control/keys.h"
#include "core/engine.h"
#include "core/error.h"
#include "core/handed.h"

#define HM_RPC_PROTOCOL    1  // version that hello speaks
#define HM_RPC_NESTING_MAX 32 // levels of brackets in a request
#define HM_RPC_BATCH_MAX   64 // requests in one batch array

enum hm_rpc_code {
	HM_RPC_PARSE = -32700,
	HM_RPC_REQUEST = -32600,
	HM_RPC_METHOD = -32601,
	HM_RPC_PARAMS = -32602,
	HM_RPC_INTERNAL = -32603,
	HM_RPC_FAILED = -32000, // the engine says no; data.mapi_errno where MAPI has a number
	HM_RPC_LIMIT = -32001,  // a limit is reached; of the connection: it is closed
	HM_RPC_RIGHTS = -32002, // not this user
};

/* One end of a conversation; whoever carries the lines embeds it. */
struct hm_peer {
	struct hm_control *control;
	struct hm_owner owner;
	struct hm_peer *next, *prev; // in control->peers
	struct hm_call *calls;       // not answered yet
	unsigned n_calls, n_flows;   // n_flows: open ones that close with this connection
	gid_t *groups;               // that its user is in, restrict.h
	size_t n_groups;
	bool policy_changed; // and its flows were closed
	struct hm_handed_list
		handed; // came with the line that is being served; the carrier fills it
	/* Takes over `line` (from malloc, with its newline) and fd (-1: none). */
	void (*send)(struct hm_peer *p, char *line, size_t n, int fd);
	/* No more requests; what has been sent still goes out. */
	void (*close)(struct hm_peer *p);
};

struct hm_call {
	struct hm_peer *peer; // NULL when it has gone
	struct hm_call *next, *prev;
	struct hm_batch_answer *batch; // NULL: stands alone
	json_t *id;                    // NULL: notification, nobody wants an answer
};

typedef void (*hm_handler)(struct hm_call *call, const json_t *params);

struct hm_method {
	const char *name;
	enum hm_role role; // the least that may call it
	const struct hm_key *params;
	hm_handler handler; // answers the call, now or later
	const char *help;   // one line
	bool takes_handed;  // descriptors may come with it
};

/* Ends with a row without name. */
extern const struct hm_method hm_methods_daemon[], hm_methods_device[], hm_methods_flow[],
	hm_methods_result[], hm_methods_policy[];
const struct hm_method *hm_method_find(const char *name);
/* All methods in the order of their tables; next(NULL) is the first, NULL ends. */
const struct hm_method *hm_method_next(const struct hm_method *m);

void hm_peer_open(struct hm_peer *p, struct hm_control *control);
/* Closes the peer's flows and forgets its calls. */
void hm_peer_gone(struct hm_peer *p);
/* Serves one line, without its newline, and gives back what came with it and nobody has taken. */
void hm_peer_line(struct hm_peer *p, const char *line, size_t n);
/* Answers a breach of a limit that belongs to no request, and closes. */
void hm_peer_breach(struct hm_peer *p, int code, const char *format, ...)
	__attribute__((format(printf, 3, 4)));

/* The answers; each frees the call. `result` and `data` are taken over, fd is passed along. */
void hm_call_result(struct hm_call *c, json_t *result);
void hm_call_result_fd(struct hm_call *c, json_t *result, int fd);
void hm_call_fail(struct hm_call *c, const struct hm_error *err);
void hm_call_refuse(struct hm_call *c, int code, json_t *data, const char *format, ...)
	__attribute__((format(printf, 4, 5)));
