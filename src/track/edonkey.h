/* SPDX-License-Identifier: BSD-3-Clause */
/* edonkey: messages of eDonkey, eMule and Overnet. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* What a message begins with: its protocol. */
extern const uint8_t hm_edonkey_begins[3];

/* Whether the payload is one message: its protocol, its length over TCP and (where there is one) UDP, and its type.
 * `captured` bytes are there of `sent`. */
bool hm_edonkey_is_message(const uint8_t *payload, size_t captured, size_t sent, bool udp);
