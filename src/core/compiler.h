/* SPDX-License-Identifier: BSD-3-Clause */
/* compiler: a few threads that compile patterns, so that neither a packet nor another client's reply
 * waits for Hyperscan. Literals take milliseconds, a nasty regular expression may take minutes: one
 * thread is kept for quick jobs, so that they never wait for slow ones. Control core only, but for the
 * threads themselves.
 */
#pragma once

#include <stdbool.h>

#include "core/search.h"
#include "core/search_cache.h"

struct hm_compiler;
struct hm_compile_job;

/* Takes over `cache`, also if it fails; NULL: none. */
struct hm_compiler *hm_compiler_create(struct hm_search_cache *cache);
/* A compilation cannot be called off and may take minutes. If one runs, the threads are left to themselves with
 * what they use, and the answer is false: the process must then end by _exit(), not by exit(). */
bool hm_compiler_destroy(struct hm_compiler *c);
/* NULL: it has none. */
struct hm_search_cache *hm_compiler_cache(const struct hm_compiler *c);

/* Takes over `set`. NULL without memory. */
struct hm_compile_job *hm_compiler_submit(struct hm_compiler *c, struct hm_pattern_set *set,
					  bool quick);
bool hm_compile_done(const struct hm_compile_job *job);
/* Of a job that is done: its part (the caller's reference), or NULL with err. Frees job and set. After
 * hm_compiler_destroy() also of one that is not; one that still runs is left to itself. */
struct hm_search_part *hm_compile_take(struct hm_compile_job *job, struct hm_error *err);
