/* SPDX-License-Identifier: BSD-3-Clause */
/* mapi_conf: turns a mapi.conf of the original MAPI into homard's configuration, and says what of it
 * has no equivalent here. Uses no DPDK and no global state. docs/mapi-compatibility.md, "mapi.conf".
 */
#pragma once

#include <jansson.h>
#include <stdbool.h>
#include <stdio.h>

#include "control/keys.h"

struct hm_mapi_conf {
	const char *file;                       // named in mistakes and notes
	const char *home;                       // where the socket of `local=1` goes; NULL: unknown
	bool (*has_function)(const char *name); // NULL: none is there
	struct hm_mistakes *mistakes;
	FILE *notes; // a line "FILE: line N: KEY: why" for all that has no equivalent
};

/* NULL with at least one mistake, each with its line; else a configuration that hm_config_parse() takes as it
 * is. The caller owns it. */
json_t *hm_mapi_conf_convert(const struct hm_mapi_conf *c, const char *text, size_t n);

/* `homardd --mapi-conf FILE [--output FILE]`: the result goes to `output`, NULL: standard output, all else to
 * standard error. Returns the exit status: 0, 1 could not write, 2 mistakes in the file. */
int hm_mapi_conf_command(const char *file, const char *output);
