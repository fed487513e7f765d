/* SPDX-License-Identifier: BSD-3-Clause */
/* compiler: one thread that compiles pattern databases, so that neither a packet nor another client's
 * reply waits for Hyperscan. Control core only, but for the thread itself.
 */
#pragma once

#include <stdbool.h>

#include "core/search.h"

struct hm_compiler;
struct hm_compile_job;

struct hm_compiler *hm_compiler_create(void);
/* A compilation cannot be called off and may take minutes. If one runs, the thread is left to itself with what it
 * uses, and the answer is false: the process must then end by _exit(), not by exit(). */
bool hm_compiler_destroy(struct hm_compiler *c);

/* Takes over `set`. NULL without memory. */
struct hm_compile_job *hm_compiler_submit(struct hm_compiler *c, struct hm_pattern_set *set);
bool hm_compile_done(const struct hm_compile_job *job);
/* Of a job that is done: its database (the caller's reference), or NULL with err. Frees job and set. After
 * hm_compiler_destroy() also of one that is not; one that still runs is left to itself. */
struct hm_search_db *hm_compile_take(struct hm_compile_job *job, struct hm_error *err);
