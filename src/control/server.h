/* SPDX-License-Identifier: BSD-3-Clause */
/* server: the Unix stream socket on which clients reach the daemon. Carries lines between clients
 * and rpc.h, descriptors too; holds every client to its limits, so that none is felt by another.
 * Lives on the control core's libuv loop. */
#pragma once

#include "control/control.h"

#define HM_CLIENT_UNREAD_MAX (16u << 20) // bytes of answers that wait for a client to read
#define HM_CLIENT_GRACE_MS   10000       // a client that is being closed may read that long

struct hm_server;

/* Binds and listens. NULL with err: another daemon answers there, no right, ... */
struct hm_server *hm_server_create(struct hm_control *control, struct hm_error *err);
/* Closes the socket and all clients; memory goes while the loop runs on to its end. */
void hm_server_close(struct hm_server *s);
