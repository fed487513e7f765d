/* SPDX-License-Identifier: BSD-3-Clause */
/* hook: runs a program for each file that is complete, with the file's path as its argument: no shell, an environment
 * of PATH alone, no descriptors but /dev/null. One at a time, in order; one that takes too long is killed with its
 * children. One thread uses one hook, which never waits.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#define HM_HOOK_QUEUE 256 // files that wait for their turn; more are not told

struct hm_hook_counts {
	uint64_t run;     // ended by themselves with 0
	uint64_t failed;  // could not be started, or ended otherwise
	uint64_t killed;  // took too long
	uint64_t skipped; // no room in the queue
};

struct hm_hook;

/* NULL: no memory. */
struct hm_hook *hm_hook_create(const char *program, uint64_t limit_ns);
/* Kills what runs. NULL is allowed. */
void hm_hook_destroy(struct hm_hook *h);
void hm_hook_add(struct hm_hook *h, const char *path);
/* To be called again and again. True: something runs or waits. */
bool hm_hook_poll(struct hm_hook *h, uint64_t now_ns);
void hm_hook_counts(const struct hm_hook *h, struct hm_hook_counts *c); // any thread
