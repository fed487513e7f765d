/* SPDX-License-Identifier: BSD-3-Clause */
/* config: the strict loader of the operator's JSON file into struct hm_config (core/config.h).
 *
 * Every mistake of the file is told at once; a file with a mistake gives nothing. Uses no DPDK and
 * no global state: any thread may call it. docs/configuration.md and config/schema.json are made
 * from the same tables.
 */
#pragma once

#include <stdio.h>

#include "control/keys.h"
#include "core/config.h"

#define HM_CONFIG_BYTES_MAX   (16u << 20)
#define HM_CONFIG_NESTING_MAX 32

/* Loads the file; NULL with at least one mistake in *m, which the caller frees. Relative trace
 * paths become relative to the file's folder. */
struct hm_config *hm_config_load(const char *path, struct hm_mistakes *m);
/* The same from memory; `file` names it in mistakes and stands for its folder. */
struct hm_config *hm_config_parse(const char *text, size_t n, const char *file,
				  struct hm_mistakes *m);
/* The text of a file, for the caller to free; NULL with a mistake in *m. */
char *hm_config_read(const char *path, size_t *n, struct hm_mistakes *m);
void hm_config_free(struct hm_config *c); // NULL is allowed

/* A device for a trace that somebody opens while the daemon runs: read once, as fast as it is taken, and with the
 * defaults of `devices[]`. NULL: out of memory. */
struct hm_device_config *hm_config_trace(const char *name);
void hm_config_free_trace(struct hm_device_config *d);

/* For hm_mistakes.load_library: loads it for good (core/load_library.h). Once, before any thread is started. */
void hm_config_load_library(const char *library, const char *path, struct hm_mistakes *m);
/* For hm_mistakes.check_function: the function is there and takes these arguments. Any thread. */
void hm_config_check_function(const json_t *call, const char *path, struct hm_mistakes *m);
/* Prints every mistake, one a line, and how many there are. */
void hm_mistakes_print(const struct hm_mistakes *m, FILE *out);

/* config/schema.json, and the key tables of docs/configuration.md. */
json_t *hm_config_schema(void);
void hm_config_reference(FILE *out);
