/* SPDX-License-Identifier: BSD-3-Clause */
/* key: the secret of pseudonyms, as users give it: 32 characters (MAPI), 64 hexadecimal digits, or "file:" and the
 * path of a file that holds either, perhaps with a newline at its end. What is in a key is in no error text. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "core/error.h"

#define HM_ANON_KEY 32 // bytes

/* Others than root and the daemon's user must not be able to read or write the file. 0, or negative errno with err:
 * 7001, MAPI's number for a wrong first argument, and what is wrong. -EPERM for a file without `may_read`. */
int hm_anon_key(uint8_t key[HM_ANON_KEY], const char *text, bool may_read, struct hm_error *err);

/* A key that this run of the program has made for itself. False: the kernel gives no random bytes. Any thread. */
bool hm_anon_run_key(uint8_t key[HM_ANON_KEY]);
