/* SPDX-License-Identifier: BSD-3-Clause */
/* capture: `homardctl capture`, packets of a flow into a file, a pipe or onto the screen. */
#pragma once

#include "client/client.h"
#include "core/pktring.h"

/* argv[0] is "capture". Returns the exit code: 0, 1 after an error (told on stderr), 2 for a usage
 * mistake. */
int hm_capture_main(struct hm_client *c, int argc, char **argv);

/* One line on stdout, as tcpdump -n would begin it. */
void hm_capture_print(const struct hm_pktring_packet *p, enum hm_link link);
