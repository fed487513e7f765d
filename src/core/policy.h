/* SPDX-License-Identifier: BSD-3-Clause */
/* policy: what users may see of packets. The functions of a policy are the first ones of each flow of its users, where
 * nobody sees them or gets around them: all that the flow's own functions get has been through them. Besides, a policy
 * says which devices and functions its users have. Counted references; control core, but for making one.
 */
#pragma once

#include "core/config.h"
#include "core/error.h"

struct hm_policy;
struct hm_function;

struct hm_policy *hm_policy_create(const struct hm_policy_config *c); // NULL: no memory
struct hm_policy *hm_policy_get(struct hm_policy *p);                 // NULL is allowed
void hm_policy_put(struct hm_policy *p);                              // NULL is allowed

const char *hm_policy_name(const struct hm_policy *p);
/* Whether users notice no difference; NULL: no policy. */
bool hm_policy_equal(const struct hm_policy *a, const struct hm_policy *b);
/* What comes first in flows, each ["FUNCTION", argument ...]. */
const json_t *hm_policy_functions(const struct hm_policy *p);

bool hm_policy_has_device(const struct hm_policy *p, const char *device);
/* 0, or -EACCES with err (3139): users of the policy may not have this function, or not with these arguments. */
int hm_policy_check(const struct hm_policy *p, const struct hm_function *fn, const json_t *args,
		    struct hm_error *err);
