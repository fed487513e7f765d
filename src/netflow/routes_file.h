/* SPDX-License-Identifier: BSD-3-Clause */
/* routes_file: the table of a file of prefixes, kept up to date. A thread of its own looks at the file once a
 * second and reads it when it has changed; the old table serves until the new one is complete, and goes on
 * serving if the new file is wrong. Whoever names the same path shares the table. All calls: control core.
 */
#pragma once

#include <jansson.h>
#include <stdbool.h>

#include "netflow/routes.h"

struct hm_routes_file;

/* Begins to read in the background. NULL with a sentence: no such file, no memory. */
struct hm_routes_file *hm_routes_file_open(const char *path, struct hm_error *err);
void hm_routes_file_close(struct hm_routes_file *f); // NULL is allowed

/* The newest table, valid until the next call; NULL: none could be read yet. */
const struct hm_routes *hm_routes_file_now(struct hm_routes_file *f);
/* Whether the first reading is over, well or not. */
bool hm_routes_file_settled(const struct hm_routes_file *f);

/* {"path", "state": "reading"|"ready"|"failed", "ipv4", "ipv6" (prefixes), "read" (times), "error" (of the last
 * reading, absent: it went well)} */
json_t *hm_routes_file_stats(struct hm_routes_file *f);
