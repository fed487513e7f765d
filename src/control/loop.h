/* SPDX-License-Identifier: BSD-3-Clause */
/* loop: the control core's life between start and stop. */
#pragma once

#include "core/config.h"
#include "core/engine.h"

/* SIGINT, SIGTERM and SIGHUP wait for hm_control_run() from here on, and threads that are made from here on never see
 * one. Before anybody can know of the daemon. */
void hm_control_hold_signals(void);

/* Serves the control socket and moves the engine until it has stopped: by SIGINT, SIGTERM or the
 * method shutdown, after which everything received is still counted and exported. SIGHUP reloads
 * the configuration; SIGPIPE is ignored. A third SIGINT or SIGTERM gives up on what is left and
 * returns -EINTR. Prints the ledger's sums at the end. The engine has been started; it stays the
 * caller's. 0 or a negative errno with err. */
int hm_control_run(struct hm_engine *e, const struct hm_config *config, struct hm_error *err);
