/* SPDX-License-Identifier: BSD-3-Clause */
/* answer: what is said later to somebody who asked. */
#pragma once

#include <jansson.h>

#include "core/error.h"

/* Called once; just one of result (taken over) and err is given. */
typedef void (*hm_answer_cb)(void *arg, json_t *result, const struct hm_error *err);
