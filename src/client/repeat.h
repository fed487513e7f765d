/* SPDX-License-Identifier: BSD-3-Clause */
/* repeat: a reading again and again, at equal distances. */
#pragma once

#include "client/commands.h"

#define HM_REPEAT_USAGE "[--interval S] [--count N]"

struct hm_repeat {
	double interval_s;
	unsigned long count; // readings that are shown, 0: for ever
};

/* Takes `--interval S` or `--count N` at argv[i]: how many words that was, 0: it is neither, -1: wrong,
 * and told. */
int hm_repeat_option(struct hm_repeat *r, struct hm_ctl *ctl, int argc, char **argv, int i);
/* Calls `once` with the seconds since the last call, 0 in the first. `silent` more calls come before those that
 * are counted: a rate needs two. The exit code. */
int hm_repeat(const struct hm_repeat *r, unsigned silent, int (*once)(void *arg, double seconds),
	      void *arg);
