/* SPDX-License-Identifier: BSD-3-Clause */
/* error: a sentence for a person, and the MAPI number where there is one.
 *
 * Functions that can fail return 0 or a negative errno and, where a person will read about it, take
 * a struct hm_error that the place which knows the context fills once. Passing NULL is allowed.
 */
#pragma once

#include <stdarg.h>
#include <stddef.h>

#ifdef __cplusplus
extern "C" {
#endif

#define HM_ERROR_MAX 512

struct hm_error {
	int mapi_errno; // MAPI error number (7001, 1025, 3200 ...), 0 where MAPI has none
	char text[HM_ERROR_MAX];
};

/* Sets the sentence (cut at HM_ERROR_MAX) and returns `code`, so that a failing path reads
 * `return hm_error_set(err, -EINVAL, 7001, "pattern is empty");` */
int hm_error_set(struct hm_error *err, int code, int mapi_errno, const char *format, ...)
	__attribute__((format(printf, 4, 5)));

#ifdef __cplusplus
}
#endif
