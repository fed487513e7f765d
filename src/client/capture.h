/* SPDX-License-Identifier: BSD-3-Clause */
/* capture: `homardctl capture`, packets of a flow into a file, a pipe or onto the screen. */
#pragma once

#include "client/commands.h"
#include "core/pktring.h"

/* One line on stdout, as tcpdump -n would begin it. */
void hm_capture_print(const struct hm_pktring_packet *p, enum hm_link link);
