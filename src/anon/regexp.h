/* SPDX-License-Identifier: BSD-3-Clause */
/* regexp: ANONYMIZE's REGEXP, "pattern,n,text1,...,textn": in the first place of a field where the pattern matches,
 * in any case, its group i is replaced by text i; "NULL" leaves it. Groups within a replaced one go with it. */
#pragma once

#include <stdint.h>

#include "core/error.h"

struct hm_anon_regexp;
struct hm_anon_matcher;

/* Of the parameters of a rule; NULL with err, 7004. */
struct hm_anon_regexp *hm_anon_regexp_create(const char *parameters, struct hm_error *err);
void hm_anon_regexp_destroy(struct hm_anon_regexp *r); // NULL is allowed

/* What a worker needs to match; NULL: no memory. */
struct hm_anon_matcher *hm_anon_matcher_create(void);
void hm_anon_matcher_destroy(struct hm_anon_matcher *m); // NULL is allowed

/* Writes the field with its replacements, as far as there is room; returns its length. A pattern that takes too long
 * leaves nothing of the field but zeros. */
uint32_t hm_anon_regexp_replace(struct hm_anon_matcher *m, const struct hm_anon_regexp *r,
				const uint8_t *in, uint32_t n, uint8_t *out, uint32_t room);
