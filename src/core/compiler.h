/* SPDX-License-Identifier: BSD-3-Clause */
/* compiler: one thread that compiles pattern databases, so that neither a packet nor another client's
 * reply waits for Hyperscan. Control core only, but for the thread itself.
 */
#pragma once

#include "core/search.h"

struct hm_compiler;
struct hm_compile_job;

struct hm_compiler *hm_compiler_create(void);
void hm_compiler_destroy(struct hm_compiler *c); // waits for the job that runs

/* Takes over `set`. NULL without memory. */
struct hm_compile_job *hm_compiler_submit(struct hm_compiler *c, struct hm_pattern_set *set);
bool hm_compile_done(const struct hm_compile_job *job);
/* Of a job that is done: its database (the caller's reference), or NULL with err. Frees job and set. */
struct hm_search_db *hm_compile_take(struct hm_compile_job *job, struct hm_error *err);
